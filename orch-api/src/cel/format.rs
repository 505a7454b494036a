//! `'%s is %d'.format([…])` (`cel-go/ext/formatting.go`), in the locale `en_US`.

use super::cost::REQUEST_MAX;
use super::eval::{Answer, Scope};
use super::functions::shown;
use super::{Stop, Val};

/// Digits behind the point, unless the text says otherwise.
const PRECISION: usize = 6;

/// More digits than that no number has.
const MAX_PRECISION: usize = 1000;

/// Puts values into a text. More than a request can carry is of no use.
pub(super) fn format<'v>(text: &str, values: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    let mut out = String::with_capacity(text.len());
    let mut values = values.iter();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let value = values.next().ok_or_else(|| Stop::new("index out of range"))?;
        let (precision, after) = precision(after)?;
        let mut letters = after.chars();
        let clause = letters.next().ok_or_else(|| Stop::new("unexpected end of string"))?;
        out.push_str(&clause_of(clause, value, precision, scope)?);
        if out.len() as u64 > REQUEST_MAX {
            return Err(Stop::OverBudget);
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
    Ok(Val::text(out))
}

fn precision(text: &str) -> Result<(usize, &str), Stop> {
    let Some(rest) = text.strip_prefix('.') else { return Ok((PRECISION, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let precision = digits.parse().ok().filter(|precision| *precision <= MAX_PRECISION);
    precision
        .map(|precision| (precision, rest))
        .ok_or_else(|| Stop::new("error while converting precision to integer"))
}

fn clause_of<'v>(
    clause: char,
    value: &Val<'v>,
    precision: usize,
    scope: &mut Scope<'v>,
) -> Result<String, Stop> {
    let refused =
        |what: &str| Stop::new(format!("error during formatting: {what}, was given {}", value.type_name()));
    Ok(match (clause, value) {
        ('s', value) => as_text(value, scope)?,
        ('d', Val::Int(number)) => number.to_string(),
        ('d', Val::Uint(number)) => number.to_string(),
        ('f', Val::Double(number)) => grouped(&format!("{number:.precision$}")),
        ('e', Val::Double(number)) => scientific(*number, precision),
        ('b', Val::Int(number)) => signed(*number, |number| format!("{number:b}")),
        ('b', Val::Uint(number)) => format!("{number:b}"),
        ('b', Val::Bool(flag)) => u8::from(*flag).to_string(),
        ('o', Val::Int(number)) => signed(*number, |number| format!("{number:o}")),
        ('o', Val::Uint(number)) => format!("{number:o}"),
        ('x' | 'X', value) => {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let text = match value {
                Val::Int(number) => signed(*number, |number| format!("{number:x}")),
                Val::Uint(number) => format!("{number:x}"),
                Val::Text(text) => hex(text.as_bytes()),
                Val::Bytes(bytes) => hex(bytes),
                _ => return Err(refused("only integers, byte buffers, and strings can be formatted as hex")),
            };
            if clause == 'X' { text.to_uppercase() } else { text }
        }
        ('d' | 'b' | 'o', _) => return Err(refused("only integers can be formatted so")),
        ('f' | 'e', _) => return Err(refused("only doubles can be formatted so")),
        (other, _) => return Err(Stop::new(format!("unrecognized formatting clause \"{other}\""))),
    })
}

fn signed(number: i64, write: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", write(number.unsigned_abs()))
}

/// Thousands are set apart.
fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
    let mut out = sign.to_owned();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("", exponent), |rest| ("⁻", rest));
    let raised = format!("{exponent:0>2}");
    let raised =
        raised.bytes().map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(usize::from(digit - b'0')).unwrap_or(' '));
    format!("{digits} × 10{sign}{}", raised.collect::<String>())
}

fn as_text<'v>(value: &Val<'v>, scope: &mut Scope<'v>) -> Result<String, Stop> {
    scope.spend(value.weight())?;
    if let Some(items) = value.items() {
        let all = items.iter().map(|item| within(item, scope)).collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("[{}]", all.join(", ")));
    }
    if let Some(entries) = value.entries() {
        let one = |(key, value): &(Val<'v>, Val<'v>)| {
            Ok(format!("{}:{}", within(key, scope)?, within(value, scope)?))
        };
        let mut all = entries.iter().map(one).collect::<Result<Vec<_>, Stop>>()?;
        all.sort();
        return Ok(format!("{{{}}}", all.join(", ")));
    }
    match value {
        Val::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Val::Null
        | Val::Bool(_)
        | Val::Int(_)
        | Val::Uint(_)
        | Val::Double(_)
        | Val::Text(_)
        | Val::Time(_)
        | Val::Duration(_)
        | Val::Type(_) => Ok(shown(value)),
        other => {
            let what = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, \
                and timestamps";
            Err(Stop::new(format!("error during formatting: {what}, was given {}", other.type_name())))
        }
    }
}

/// A value within a list or a map, as CEL writes it.
fn within<'v>(value: &Val<'v>, scope: &mut Scope<'v>) -> Result<String, Stop> {
    scope.spend(value.weight())?;
    match value {
        Val::Text(text) => Ok(crate::validate::quote(text)),
        Val::Bytes(bytes) => Ok(format!("b{}", crate::validate::quote(&String::from_utf8_lossy(bytes)))),
        Val::Double(number) if number.is_finite() => Ok(format!("{number:.PRECISION$}")),
        Val::Type(name) => Ok(format!("type({name})")),
        other => as_text(other, scope),
    }
}
