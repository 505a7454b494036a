//! Functions of libraries: texts, quantities, versions, addresses, optionals (`cel-go/ext`,
//! `apiserver/pkg/cel/library`).

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use orch_core::Quantity;
use regex::Regex;

use super::eval::{Answer, Scope};
use super::functions::{overload, text_of};
use super::lists::{lists, sets};
use super::semver::Semver;
use super::{Stop, Val, named_formats};
use crate::custom::address;
use crate::custom::url::{Url, is_url};

/// Bytes that a pattern in a rule may take: it is compiled whenever the rule is judged.
const PATTERN_MAX: usize = 1 << 20;

/// A pattern; compiling it is paid for.
pub(super) fn regex(pattern: &str, text: &str, scope: &mut Scope<'_>) -> Result<Regex, Stop> {
    scope.spend(1 + (pattern.len() as u64) * 4 + (text.len() as u64) / 4)?;
    crate::custom::pattern::compile(pattern, PATTERN_MAX).map_err(Stop::new)
}

/// Functions behind the name of a library.
pub(super) fn of<'v>(library: &str, name: &str, values: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    match (library, name, values) {
        ("optional", "none", []) => Ok(Val::Optional(None)),
        ("optional", "of", [value]) => Ok(Val::Optional(Some(Box::new(value.clone())))),
        ("optional", "ofNonZeroValue", [value]) => {
            Ok(Val::Optional(Some(value).filter(|value| !is_zero(value)).cloned().map(Box::new)))
        }
        ("sets", _, [a, b]) => sets(name, a, b, scope),
        ("strings", "quote", [Val::Text(text)]) => Ok(Val::text(crate::validate::quote(text))),
        ("lists", "range", [Val::Int(count)]) => {
            scope.spend(u64::try_from(*count).unwrap_or(0))?;
            Ok(Val::list((0..*count).map(Val::Int).collect()))
        }
        ("format", "named", [Val::Text(name)]) => {
            Ok(Val::Optional(named_formats::named(name).map(Val::Format).map(Box::new)))
        }
        ("format", name, []) => named_formats::named(name).map(Val::Format).map_or_else(overload, Ok),
        ("ip", "isCanonical", [Val::Text(text)]) => Ok(Val::Bool(ip(text)?.to_string() == **text)),
        _ => overload(),
    }
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null | Val::Bool(false) | Val::Int(0) | Val::Uint(0) => true,
        Val::Double(number) => *number == 0.0,
        other => other.size() == Some(0),
    }
}

/// Functions and methods without the name of a library.
pub(super) fn call<'v>(name: &str, values: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    match values {
        [Val::Text(text), rest @ ..] => texts(name, text, rest, scope),
        [Val::Quantity(quantity), rest @ ..] => quantities(name, quantity, rest),
        [Val::Ip(ip), rest @ ..] => addresses(name, *ip, rest),
        [Val::Cidr(cidr), rest @ ..] => networks(name, *cidr, rest),
        [Val::Url(url)] => urls(name, url),
        [Val::Semver(version), rest @ ..] => versions(name, version, rest),
        [Val::Format(format), Val::Text(text)] if name == "validate" => {
            let faults = format.faults(text);
            let faults = (!faults.is_empty()).then(|| faults.into_iter().map(Val::text).collect());
            Ok(Val::Optional(faults.map(Val::list).map(Box::new)))
        }
        [list, rest @ ..] if list.items().is_some() => {
            let items = list.items().unwrap_or_default();
            lists(name, &items, rest, scope)
        }
        _ => overload(),
    }
}

fn texts<'v>(name: &str, text: &Arc<str>, rest: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    match (name, rest) {
        ("lowerAscii", []) => Ok(Val::text(text.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Val::text(text.to_ascii_uppercase())),
        ("trim", []) => Ok(Val::text(text.trim())),
        ("format", [list]) => match list.items() {
            Some(items) => super::format::format(text, &items, scope),
            None => overload(),
        },
        ("charAt" | "substring" | "indexOf" | "lastIndexOf", _) => places(name, text, rest),
        ("replace", [Val::Text(from), Val::Text(to), limit @ ..]) => replaced(text, from, to, limit, scope),
        ("split", [Val::Text(separator), limit @ ..]) => split(text, separator, limit),
        ("find", [Val::Text(pattern)]) => {
            let found = regex(pattern, text, scope)?.find(text).map_or("", |found| found.as_str()).to_owned();
            Ok(Val::text(found))
        }
        ("findAll", [Val::Text(pattern), limit @ ..]) => {
            let max = match limit {
                [] => usize::MAX,
                [Val::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX),
                _ => return overload(),
            };
            let regex = regex(pattern, text, scope)?;
            Ok(Val::list(regex.find_iter(text).take(max).map(|found| Val::text(found.as_str())).collect()))
        }
        ("isQuantity", []) => Ok(Val::Bool(text.parse::<Quantity>().is_ok())),
        ("quantity", []) => match text.parse::<Quantity>() {
            Ok(quantity) => Ok(Val::Quantity(Arc::new(quantity))),
            Err(error) => Err(Stop::new(error.to_string())),
        },
        ("isIP", []) => Ok(Val::Bool(address::ip(text).is_some())),
        ("ip", []) => ip(text).map(Val::Ip),
        ("isCIDR", []) => Ok(Val::Bool(address::prefix(text).is_some())),
        ("cidr", []) => cidr(text).map(Val::Cidr),
        ("isSemver", loose) => Ok(Val::Bool(version(text, loose).is_some())),
        ("semver", loose) => match version(text, loose) {
            Some(version) => Ok(Val::Semver(Arc::new(version))),
            None => Err(Stop::new(format!("no semantic version: {text:?}"))),
        },
        ("isURL", []) => Ok(Val::Bool(is_url(text))),
        ("url", []) if Url::parse(text).is_some() => Ok(Val::Url(Arc::clone(text))),
        ("url", []) => Err(Stop::new(format!("URL parse error during conversion from string: {text:?}"))),
        _ => overload(),
    }
}

/// Places are counted in characters.
fn places<'v>(name: &str, text: &str, rest: &[Val<'v>]) -> Answer<'v> {
    let letters: Vec<char> = text.chars().collect();
    let place = |number: &i64| {
        let found = usize::try_from(*number).ok().filter(|place| *place <= letters.len());
        found.ok_or_else(|| Stop::new(format!("index out of range: {number}")))
    };
    let number =
        |place: Option<usize>| Ok(Val::Int(place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1)));
    match (name, rest) {
        ("charAt", [Val::Int(at)]) => {
            let at = place(at)?;
            Ok(text_of(letters.get(at..(at + 1).min(letters.len())).unwrap_or_default()))
        }
        ("substring", [Val::Int(from)]) => Ok(text_of(letters.get(place(from)?..).unwrap_or_default())),
        ("substring", [Val::Int(from), Val::Int(to)]) => match letters.get(place(from)?..place(to)?) {
            Some(part) => Ok(text_of(part)),
            None => Err(Stop::new(format!("invalid substring range. start: {from}, end: {to}"))),
        },
        ("indexOf", [Val::Text(part)]) => {
            number(text.find(&**part).map(|at| text.get(..at).map_or(0, |before| before.chars().count())))
        }
        ("indexOf", [Val::Text(part), Val::Int(from)]) => {
            let from = place(from)?;
            let rest: String = letters.iter().skip(from).collect();
            number(
                rest.find(&**part).map(|at| from + rest.get(..at).map_or(0, |before| before.chars().count())),
            )
        }
        ("lastIndexOf", [Val::Text(part)]) => {
            number(text.rfind(&**part).map(|at| text.get(..at).map_or(0, |before| before.chars().count())))
        }
        _ => overload(),
    }
}

fn replaced<'v>(text: &str, from: &str, to: &str, limit: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    let limit = match limit {
        [] => usize::MAX,
        [Val::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => return overload(),
    };
    let count = text.matches(from).take(limit).count();
    scope.spend((count as u64).saturating_mul(to.len() as u64 + 1) / 10)?;
    Ok(Val::text(text.replacen(from, to, count)))
}

fn split<'v>(text: &str, separator: &str, limit: &[Val<'v>]) -> Answer<'v> {
    let limit = match limit {
        [] => None,
        [Val::Int(limit)] if *limit < 0 => None,
        [Val::Int(limit)] => usize::try_from(*limit).ok(),
        _ => return overload(),
    };
    let parts: Vec<&str> = match (limit, separator.is_empty()) {
        (Some(0), _) => Vec::new(),
        // Into characters.
        (None, true) => text.split("").filter(|part| !part.is_empty()).collect(),
        (Some(limit), _) => text.splitn(limit, separator).collect(),
        (None, false) => text.split(separator).collect(),
    };
    Ok(Val::list(parts.into_iter().map(Val::text).collect()))
}

/// The version that a text is; with `true` also one that people write.
fn version(text: &str, loose: &[Val<'_>]) -> Option<Semver> {
    match loose {
        [Val::Bool(true)] => Semver::parse_loose(text),
        _ => Semver::parse(text),
    }
}

fn versions<'v>(name: &str, version: &Arc<Semver>, rest: &[Val<'v>]) -> Answer<'v> {
    let number = |at: usize| Ok(Val::Int(i64::try_from(version.numbers[at]).unwrap_or(i64::MAX)));
    match (name, rest) {
        ("major", []) => number(0),
        ("minor", []) => number(1),
        ("patch", []) => number(2),
        ("compareTo", [Val::Semver(other)]) => Ok(Val::Int(version.cmp(other) as i64)),
        ("isGreaterThan", [Val::Semver(other)]) => Ok(Val::Bool(version > other)),
        ("isLessThan", [Val::Semver(other)]) => Ok(Val::Bool(version < other)),
        _ => overload(),
    }
}

fn quantities<'v>(name: &str, quantity: &Arc<Quantity>, rest: &[Val<'v>]) -> Answer<'v> {
    let order = |other: &Quantity| (**quantity).cmp(other);
    match (name, rest) {
        ("compareTo", [Val::Quantity(other)]) => Ok(Val::Int(order(other) as i64)),
        ("isGreaterThan", [Val::Quantity(other)]) => Ok(Val::Bool(order(other) == Ordering::Greater)),
        ("isLessThan", [Val::Quantity(other)]) => Ok(Val::Bool(order(other) == Ordering::Less)),
        ("sign", []) => Ok(Val::Int(order(&Quantity::ZERO) as i64)),
        ("asApproximateFloat", []) => Ok(Val::Double(approximate(quantity))),
        ("isInteger", []) => Ok(Val::Bool(whole(quantity).is_some())),
        ("asInteger", []) => match whole(quantity) {
            Some(number) => Ok(Val::Int(number)),
            None => Err(Stop::new("cannot convert value to integer")),
        },
        ("add" | "sub", [other]) => {
            let other = match other {
                Val::Quantity(other) => **other,
                Val::Int(number) => Quantity::new(*number, quantity.format()),
                _ => return overload(),
            };
            Ok(Val::Quantity(Arc::new(if name == "add" { **quantity + other } else { **quantity - other })))
        }
        _ => overload(),
    }
}

fn whole(quantity: &Quantity) -> Option<i64> {
    let number = quantity.value();
    (Quantity::new(number, quantity.format()) == *quantity).then_some(number)
}

fn approximate(quantity: &Quantity) -> f64 {
    whole(quantity).map_or_else(|| quantity.milli_value() as f64 / 1000.0, |number| number as f64)
}

fn ip(text: &str) -> Result<IpAddr, Stop> {
    let fault = || Stop::new(format!("IP Address {text:?} parse error during conversion from string"));
    address::ip(text).ok_or_else(fault)
}

fn cidr(text: &str) -> Result<IpNet, Stop> {
    let fault = || Stop::new(format!("network address parse error during conversion from string: {text:?}"));
    address::prefix(text).ok_or_else(fault)
}

fn addresses<'v>(name: &str, ip: IpAddr, rest: &[Val<'v>]) -> Answer<'v> {
    let is_link_local = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    Ok(match (name, rest) {
        ("family", []) => Val::Int(if ip.is_ipv4() { 4 } else { 6 }),
        ("isUnspecified", []) => Val::Bool(ip.is_unspecified()),
        ("isLoopback", []) => Val::Bool(ip.is_loopback()),
        ("isLinkLocalMulticast", []) => Val::Bool(match ip {
            IpAddr::V4(ip) => matches!(ip.octets(), [224, 0, 0, _]),
            IpAddr::V6(ip) => ip.octets()[0] == 0xff && ip.octets()[1] & 0x0f == 2,
        }),
        ("isLinkLocalUnicast", []) => Val::Bool(is_link_local(ip)),
        ("isGlobalUnicast", []) => {
            let is_other = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || is_link_local(ip);
            Val::Bool(!is_other && ip != IpAddr::V4(std::net::Ipv4Addr::BROADCAST))
        }
        _ => return overload(),
    })
}

fn networks<'v>(name: &str, net: IpNet, rest: &[Val<'v>]) -> Answer<'v> {
    Ok(match (name, rest) {
        ("containsIP", [Val::Ip(ip)]) => Val::Bool(net.contains(ip)),
        ("containsIP", [Val::Text(text)]) => Val::Bool(net.contains(&ip(text)?)),
        ("containsCIDR", [Val::Cidr(other)]) => Val::Bool(net.contains(other)),
        ("containsCIDR", [Val::Text(text)]) => Val::Bool(net.contains(&cidr(text)?)),
        ("ip", []) => Val::Ip(net.addr()),
        ("masked", []) => Val::Cidr(net.trunc()),
        ("prefixLength", []) => Val::Int(i64::from(net.prefix_len())),
        _ => return overload(),
    })
}

fn urls<'v>(name: &str, url: &str) -> Answer<'v> {
    let Some(url) = Url::parse(url) else { return overload() };
    let texts = |values: Vec<String>| Val::list(values.into_iter().map(Val::text).collect());
    Ok(match name {
        "getScheme" => Val::text(url.scheme),
        "getHost" => Val::text(url.host),
        "getHostname" => Val::text(url.hostname_and_port().0),
        "getPort" => Val::text(url.hostname_and_port().1),
        "getEscapedPath" => Val::text(url.escaped_path()),
        "getQuery" => {
            let pairs: Vec<_> =
                url.query().into_iter().map(|(key, values)| (Val::text(key), texts(values))).collect();
            Val::Map(pairs.into())
        }
        _ => return overload(),
    })
}
