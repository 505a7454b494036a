//! Operators, conversions and functions of the language itself (`cel-spec/doc/langdef.md`); those of libraries stand in
//! `library`.
//!
//! The invariant: arithmetic that does not fit is an error, never a wrong number.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::eval::{Answer, Scope};
use super::{Stop, Val, library};

pub(super) fn overload<'v>() -> Answer<'v> {
    Err(Stop::new("no such overload"))
}

fn overflow() -> Stop {
    Stop::new("integer overflow")
}

pub(super) fn minus<'v>(value: &Val<'v>) -> Answer<'v> {
    match value {
        Val::Int(number) => number.checked_neg().map(Val::Int).ok_or_else(overflow),
        Val::Double(number) => Ok(Val::Double(-number)),
        Val::Duration(nanos) => nanos.checked_neg().map(Val::Duration).ok_or_else(overflow),
        _ => overload(),
    }
}

pub(super) fn binary<'v>(
    operator: &str,
    left: &Val<'v>,
    right: &Val<'v>,
    scope: &mut Scope<'v>,
) -> Answer<'v> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let ordered = |fits: &[std::cmp::Ordering]| match left.order(right) {
        Some(order) => Ok(Val::Bool(fits.contains(&order))),
        None if matches!((left, right), (Val::Double(_), _) | (_, Val::Double(_))) => Ok(Val::Bool(false)),
        None => overload(),
    };
    match operator {
        "==" | "!=" => {
            left.pay(scope)?;
            Ok(Val::Bool(left.same(right) == (operator == "==")))
        }
        "<" => ordered(&[Less]),
        "<=" => ordered(&[Less, Equal]),
        ">" => ordered(&[Greater]),
        ">=" => ordered(&[Greater, Equal]),
        "in" => contains(right, left, scope),
        "+" => add(left, right, scope),
        _ => arithmetic(operator, left, right),
    }
}

fn contains<'v>(all: &Val<'v>, one: &Val<'v>, scope: &mut Scope<'v>) -> Answer<'v> {
    scope.spend(all.weight())?;
    if let (Val::Object(fields, _), Val::Text(name)) = (all, one) {
        return Ok(Val::Bool(fields.contains_key(&**name)));
    }
    if let Some(items) = all.items() {
        for item in &items {
            item.pay(scope)?;
        }
        return Ok(Val::Bool(items.iter().any(|item| item.same(one))));
    }
    match all.entries() {
        Some(entries) => Ok(Val::Bool(entries.iter().any(|(key, _)| key.same(one)))),
        None => overload(),
    }
}

fn add<'v>(left: &Val<'v>, right: &Val<'v>, scope: &mut Scope<'v>) -> Answer<'v> {
    match (left, right) {
        (Val::Text(a), Val::Text(b)) => Ok(Val::text(format!("{a}{b}"))),
        (Val::Bytes(a), Val::Bytes(b)) => Ok(Val::Bytes([&**a, &**b].concat().into())),
        (Val::Duration(a), Val::Duration(b)) => a.checked_add(*b).map(Val::Duration).ok_or_else(overflow),
        (Val::Time(time), Val::Duration(nanos)) | (Val::Duration(nanos), Val::Time(time)) => {
            later(*time, *nanos).map(Val::Time).ok_or_else(|| Stop::new("timestamp overflow"))
        }
        _ => match (left.items(), right.items()) {
            (Some(mut a), Some(b)) => {
                let is_set = matches!(left, Val::Array(_, Some(schema)) if schema.list == crate::custom::schema::List::Set);
                // Of a set each new element is compared with all.
                let each = if is_set { a.len() as u64 + b.len() as u64 } else { 1 };
                scope.spend((a.len() as u64).saturating_add((b.len() as u64).saturating_mul(each)))?;
                for item in b {
                    if !is_set || !a.iter().any(|known| known.same(&item)) {
                        a.push(item);
                    }
                }
                Ok(Val::list(a))
            }
            _ => arithmetic("+", left, right),
        },
    }
}

fn later(time: Timestamp, nanos: i64) -> Option<Timestamp> {
    time.checked_add(SignedDuration::from_nanos(nanos)).ok()
}

fn arithmetic<'v>(operator: &str, left: &Val<'v>, right: &Val<'v>) -> Answer<'v> {
    let by_zero = || Stop::new(if operator == "%" { "modulus by zero" } else { "division by zero" });
    match (left, right) {
        (Val::Int(_), Val::Int(0)) | (Val::Uint(_), Val::Uint(0)) if matches!(operator, "/" | "%") => {
            Err(by_zero())
        }
        // What does not fit the type is found when the answer is put into it.
        (Val::Int(a), Val::Int(b)) => {
            let answer = whole(operator, i128::from(*a), i128::from(*b));
            answer.and_then(|answer| answer.try_into().ok()).map(Val::Int).ok_or_else(overflow)
        }
        (Val::Uint(a), Val::Uint(b)) => {
            let answer = whole(operator, i128::from(*a), i128::from(*b));
            let unsigned = || Stop::new("unsigned integer overflow");
            answer.and_then(|answer| answer.try_into().ok()).map(Val::Uint).ok_or_else(unsigned)
        }
        (Val::Double(a), Val::Double(b)) => match operator {
            "+" => Ok(Val::Double(a + b)),
            "-" => Ok(Val::Double(a - b)),
            "*" => Ok(Val::Double(a * b)),
            "/" => Ok(Val::Double(a / b)),
            _ => overload(),
        },
        (Val::Duration(a), Val::Duration(b)) if operator == "-" => {
            a.checked_sub(*b).map(Val::Duration).ok_or_else(overflow)
        }
        (Val::Time(time), Val::Duration(nanos)) if operator == "-" => {
            let earlier = nanos.checked_neg().and_then(|nanos| later(*time, nanos));
            earlier.map(Val::Time).ok_or_else(|| Stop::new("timestamp overflow"))
        }
        (Val::Time(a), Val::Time(b)) if operator == "-" => {
            let nanos = a.as_nanosecond() - b.as_nanosecond();
            i64::try_from(nanos).map(Val::Duration).map_err(|_| overflow())
        }
        _ => overload(),
    }
}

/// What two numbers make; the second is not zero where it divides.
fn whole(operator: &str, a: i128, b: i128) -> Option<i128> {
    match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        _ => a.checked_rem(b),
    }
}

/// A value as messages show it.
pub(super) fn shown(value: &Val<'_>) -> String {
    match value {
        Val::Text(text) | Val::Url(text) => text.to_string(),
        Val::Null => "null".to_owned(),
        Val::Bool(flag) => flag.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Uint(number) => number.to_string(),
        Val::Double(number) => number.to_string(),
        Val::Ip(ip) => ip.to_string(),
        Val::Cidr(cidr) => cidr.to_string(),
        Val::Type(name) => (*name).to_owned(),
        Val::Time(time) => time.to_string(),
        Val::Duration(nanos) => seconds(*nanos),
        other => other.type_name().to_owned(),
    }
}

/// `1.5s`
fn seconds(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let text = format!("{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Calls a function; of a method the first value is what stands before the dot.
pub(super) fn call<'v>(
    library: Option<&str>,
    name: &str,
    is_method: bool,
    values: &[Val<'v>],
    scope: &mut Scope<'v>,
) -> Answer<'v> {
    if let Some(library) = library {
        return library::of(library, name, values, scope);
    }
    if let Some(answer) = converted(name, is_method, values) {
        return answer;
    }
    match (name, values) {
        ("size", [value]) => match value.size() {
            Some(size) => Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX))),
            None => overload(),
        },
        ("type", [value]) if !is_method => Ok(Val::Type(value.type_name())),
        ("dyn", [value]) if !is_method => Ok(value.clone()),
        ("contains", [Val::Text(text), Val::Text(part)]) => Ok(Val::Bool(text.contains(&**part))),
        ("startsWith", [Val::Text(text), Val::Text(part)]) => Ok(Val::Bool(text.starts_with(&**part))),
        ("endsWith", [Val::Text(text), Val::Text(part)]) => Ok(Val::Bool(text.ends_with(&**part))),
        ("matches", [Val::Text(text), Val::Text(pattern)]) => {
            Ok(Val::Bool(library::regex(pattern, text, scope)?.is_match(text)))
        }
        ("hasValue", [Val::Optional(inner)]) => Ok(Val::Bool(inner.is_some())),
        ("value", [Val::Optional(inner)]) => match inner {
            Some(inner) => Ok((**inner).clone()),
            None => Err(Stop::new("optional.none() dereference")),
        },
        ("orValue", [Val::Optional(inner), other]) => Ok(inner.as_deref().unwrap_or(other).clone()),
        ("or", [Val::Optional(inner), Val::Optional(other)]) => {
            Ok(Val::Optional(inner.clone().or_else(|| other.clone())))
        }
        (_, [Val::Time(time), zone @ ..]) if name.starts_with("get") => dated(name, *time, zone),
        (_, [Val::Duration(nanos)]) if name.starts_with("get") => lasted(name, *nanos),
        _ => library::call(name, values, scope),
    }
}

/// Conversions: `int("7")`.
fn converted<'v>(name: &str, is_method: bool, values: &[Val<'v>]) -> Option<Answer<'v>> {
    let [value] = values else { return None };
    if is_method {
        return None;
    }
    let wrong = |text: &str| Stop::new(format!("type conversion error from 'string' to '{name}': {text}"));
    let range = || Stop::new("range error converting to a number");
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    Some(match (name, value) {
        ("int", Val::Int(_)) | ("uint", Val::Uint(_)) | ("double", Val::Double(_)) => Ok(value.clone()),
        ("string", Val::Text(_)) | ("bytes", Val::Bytes(_)) | ("bool", Val::Bool(_)) => Ok(value.clone()),
        ("duration", Val::Duration(_)) | ("timestamp", Val::Time(_)) => Ok(value.clone()),
        ("int", Val::Uint(number)) => i64::try_from(*number).map(Val::Int).map_err(|_| range()),
        ("int", Val::Double(number)) if number.abs() < 9.2e18 => Ok(Val::Int(*number as i64)),
        ("int", Val::Text(text)) => text.parse().map(Val::Int).map_err(|_| wrong(text)),
        ("int", Val::Time(time)) => Ok(Val::Int(time.as_second())),
        ("int", Val::Duration(nanos)) => Ok(Val::Int(*nanos)),
        ("uint", Val::Int(number)) => u64::try_from(*number).map(Val::Uint).map_err(|_| range()),
        ("uint", Val::Double(number)) if *number >= 0.0 && *number < 1.8e19 => Ok(Val::Uint(*number as u64)),
        ("uint", Val::Text(text)) => text.parse().map(Val::Uint).map_err(|_| wrong(text)),
        ("double", Val::Int(number)) => Ok(Val::Double(*number as f64)),
        ("double", Val::Uint(number)) => Ok(Val::Double(*number as f64)),
        ("double", Val::Text(text)) => text.parse().map(Val::Double).map_err(|_| wrong(text)),
        ("int" | "uint", Val::Double(_)) => Err(range()),
        ("bool", Val::Text(text)) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
            _ => Err(wrong(text)),
        },
        ("string", Val::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Val::text(text)),
            Err(_) => Err(Stop::new("invalid UTF-8 in bytes, cannot convert to string")),
        },
        (
            "string",
            Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Time(_) | Val::Duration(_),
        )
        | ("string", Val::Ip(_) | Val::Cidr(_)) => Ok(Val::text(shown(value))),
        ("bytes", Val::Text(text)) => Ok(Val::Bytes(text.as_bytes().into())),
        ("timestamp", Val::Text(text)) => text.parse().map(Val::Time).map_err(|_| wrong(text)),
        ("timestamp", Val::Int(secs)) => Timestamp::from_second(*secs).map(Val::Time).map_err(|_| range()),
        ("duration", Val::Text(text)) => {
            crate::custom::duration(text).map(Val::Duration).ok_or_else(|| wrong(text))
        }
        ("int" | "uint" | "double" | "bool" | "string" | "bytes" | "timestamp" | "duration", _) => overload(),
        _ => return None,
    })
}

fn dated<'v>(name: &str, time: Timestamp, zone: &[Val<'v>]) -> Answer<'v> {
    let zone = match zone {
        [] => TimeZone::UTC,
        [Val::Text(name)] => zone_of(name).ok_or_else(|| Stop::new(format!("unknown time zone {name}")))?,
        _ => return overload(),
    };
    let at = time.to_zoned(zone);
    let number = match name {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month()) - 1,
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDate" => i64::from(at.day()),
        "getDayOfWeek" => i64::from(at.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        "getMilliseconds" => i64::from(at.millisecond()),
        _ => return overload(),
    };
    Ok(Val::Int(number))
}

/// `UTC`, or an offset: `+02:00`. Names of places need tables that are not here.
fn zone_of(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "Z" | "") {
        return Some(TimeZone::UTC);
    }
    let (sign, rest) = match name.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, name.strip_prefix('+').unwrap_or(name)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let secs = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_mul(sign)?;
    Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(secs).ok()?))
}

fn lasted<'v>(name: &str, nanos: i64) -> Answer<'v> {
    let secs = nanos / 1_000_000_000;
    let number = match name {
        "getHours" => secs / 3600,
        "getMinutes" => secs / 60,
        "getSeconds" => secs,
        "getMilliseconds" => nanos / 1_000_000 % 1000,
        _ => return overload(),
    };
    Ok(Val::Int(number))
}

/// A text from its characters.
pub(super) fn text_of<'v>(letters: &[char]) -> Val<'v> {
    let text: String = letters.iter().collect();
    Val::Text(Arc::from(text))
}
