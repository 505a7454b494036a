//! Formats of texts that a schema may ask for (`kube-openapi/pkg/validation/strfmt`).
//!
//! A format that Kubernetes does not know means nothing there, and nothing here.

use std::net::Ipv6Addr;

use orch_core::names;

use super::address::{sloppy_ip, sloppy_prefix};
use super::email::is_email;
use super::url::is_url;

/// Whether a text is of that format. Dashes in the name of a format mean nothing.
pub(crate) fn fits(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "datetime" => is_time(text),
        "date" => is_date(text),
        "duration" => loose_duration(text).is_some(),
        "ipv4" => text.contains('.') && sloppy_ip(text).is_some(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => sloppy_prefix(text).is_some(),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "byte" => is_base64(text),
        "hostname" => is_hostname(text),
        "email" => is_email(text),
        "uri" => is_url(text),
        "mac" => is_mac(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => has_shape(&text.replace(' ', "-"), "ddd-dd-dddd"),
        "hexcolor" => is_hex_color(text),
        "rgbcolor" => is_rgb_color(text),
        "k8sshortname" => names::dns1123_label(text).is_ok(),
        "k8slongname" => names::dns1123_subdomain(text).is_ok(),
        _ => true,
    }
}

/// Whether a text is of that form; `d` stands for a digit and `+` for a sign.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, of)| match of {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            _ => byte == of,
        })
}

fn is_date(text: &str) -> bool {
    has_shape(text, "dddd-dd-dd") && text.parse::<jiff::civil::Date>().is_ok()
}

/// `IsDateTime` of `strfmt/time.go`: what follows another `t` is not looked at.
fn is_time(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut parts = text.split('t');
    parts.next().is_some_and(is_date) && parts.next().is_some_and(is_time_of_day)
}

/// A time with its zone; anything may separate a fraction of the second.
fn is_time_of_day(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let at_most = |part: Option<&str>, most: &str| part.is_some_and(|part| part <= most);
    let is_clock = has_shape(clock, "dd:dd:dd")
        && at_most(clock.get(..2), "23")
        && at_most(clock.get(3..5), "59")
        && at_most(clock.get(6..), "59");
    let offset = rest.len().checked_sub(6).and_then(|at| rest.split_at_checked(at));
    let fraction = match (rest.strip_suffix('z'), offset) {
        (Some(fraction), _) => fraction,
        (None, Some((fraction, offset))) if has_shape(offset, "+dd:dd") => fraction,
        _ => return false,
    };
    let mut letters = fraction.chars();
    let is_fraction =
        letters.next().is_none_or(|separator| separator != '\n' && !letters.as_str().is_empty());
    is_clock && is_fraction && letters.all(|c| c.is_ascii_digit())
}

/// A duration as Go writes it, in nanoseconds, or as people do: `1d`, `3 days`, `2 weeks 1 hour` (`ParseDuration` of
/// `strfmt/duration.go`).
pub(crate) fn loose_duration(text: &str) -> Option<i64> {
    if let Some(nanos) = duration(text) {
        return Some(nanos);
    }
    let mut total: Option<i64> = None;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        rest = rest.get(start..)?;
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (_, after) = split(after, |c| c.is_ascii_whitespace());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic() || c == 'µ');
        rest = after;
        if unit.is_empty() {
            continue;
        }
        let number: i64 = number.parse().ok()?;
        // Unknown units are passed over, and sums wrap, as upstream.
        if let Some(nanos) = unit_nanos(&unit.to_lowercase()) {
            total = Some(total.unwrap_or(0).wrapping_add(number.wrapping_mul(nanos)));
        }
    }
    total
}

/// The characters at the start that are such, and the rest.
fn split(text: &str, is_such: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c: char| !is_such(c)).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    /// How long a unit is, its short names, and how its long names begin.
    const UNITS: [(i64, &[&str], &str); 8] = [
        (1, &["ns"], "nano"),
        (1_000, &["us", "µs"], "micro"),
        (1_000_000, &["ms"], "milli"),
        (SECOND, &["s"], "sec"),
        (60 * SECOND, &["m"], "min"),
        (3_600 * SECOND, &["h", "hr"], "hour"),
        (24 * 3_600 * SECOND, &["d"], "day"),
        (7 * 24 * 3_600 * SECOND, &["w", "wk"], "week"),
    ];
    let is_of = |names: &[&str], long: &str| names.contains(&unit) || unit.starts_with(long);
    UNITS.iter().find(|(_, names, long)| is_of(names, long)).map(|(nanos, ..)| *nanos)
}

/// A duration as Go writes it, in nanoseconds: `1h30m`, `-1.5s`, `100ms`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match rest.get(..unit_end)? {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        rest = rest.get(unit_end..)?;
        total += number * unit;
    }
    let total = sign * total;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (total.abs() < 9.2e18).then_some(total as i64)
}

/// Thirty-two digits; the dashes stand at their places, or not.
fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    let mut digits = String::new();
    for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        rest = rest.strip_prefix('-').filter(|_| at > 0).unwrap_or(rest);
        let Some((group, after)) = rest.split_at_checked(length) else { return false };
        digits.push_str(group);
        rest = after;
    }
    let variant = digits.chars().nth(16);
    let is_variant = !matches!(version, Some('4' | '5'))
        || variant.is_some_and(|variant| matches!(variant, '8' | '9' | 'a' | 'b' | 'A' | 'B'));
    rest.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.is_none_or(|version| digits.chars().nth(12) == Some(version))
        && is_variant
}

/// As `Base64` of `govalidator/patterns.go`: not nothing, and the unused bits are not looked at.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    !digits.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// As `HostnamePattern` of `strfmt/default.go`: a single label has one dash at most, as its second character; the last of more
/// has two letters at least and nothing else.
fn is_hostname(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_digit() || c.is_alphabetic() || is_symbol(c);
    let is_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || is_plain(c))
    };
    let labels: Vec<&str> = text.split('.').collect();
    if text.len() > 255 || labels.iter().any(|label| label.len() > 63) {
        return false;
    }
    match labels.as_slice() {
        [label] => {
            let mut letters = label.chars();
            let is_first = letters.next().is_some_and(is_plain);
            let rest = letters.as_str();
            is_first && rest.strip_prefix('-').unwrap_or(rest).chars().all(is_plain)
        }
        [labels @ .., top] => {
            labels.iter().all(is_label) && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        }
        [] => false,
    }
}

/// Nearly the Unicode category of symbols, which the standard library does not have: the blocks of them.
fn is_symbol(c: char) -> bool {
    matches!(
        c,
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~'
            | '\u{a2}'..='\u{a6}' | '\u{a8}' | '\u{a9}' | '\u{ac}' | '\u{ae}'..='\u{b1}' | '\u{b4}' | '\u{b8}'
            | '\u{d7}' | '\u{f7}' | '\u{20a0}'..='\u{20c1}' | '\u{2100}'..='\u{2767}' | '\u{2794}'..='\u{2bff}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// As `net.ParseMAC`: `00:00:5e:00:53:01`, `00-00-5e-00-53-01`, `0000.5e00.5301`, and longer ones.
fn is_mac(text: &str) -> bool {
    let (separator, digits) = match text.as_bytes().get(2) {
        Some(b':') => (':', 2),
        Some(b'-') => ('-', 2),
        _ => ('.', 4),
    };
    let parts: Vec<&str> = text.split(separator).collect();
    matches!(parts.len() * digits / 2, 6 | 8 | 20)
        && parts.iter().all(|part| part.len() == digits && part.chars().all(|c| c.is_ascii_hexdigit()))
}

fn is_isbn10(text: &str) -> bool {
    let letters = without_separators(text);
    let digits: Option<Vec<u32>> = letters
        .iter()
        .enumerate()
        .map(|(at, c)| if (at, *c) == (9, 'X') { Some(10) } else { c.to_digit(10) })
        .collect();
    digits.filter(|digits| digits.len() == 10).is_some_and(|digits| {
        let sum: u32 = (1_u32..).zip(&digits).map(|(weight, digit)| weight * digit).sum();
        sum.is_multiple_of(11)
    })
}

fn is_isbn13(text: &str) -> bool {
    let letters = without_separators(text);
    let digits: Option<Vec<u32>> = letters.iter().map(|c| c.to_digit(10)).collect();
    digits.filter(|digits| digits.len() == 13).is_some_and(|digits| {
        let sum: u32 = [1_u32, 3].iter().cycle().zip(&digits).map(|(weight, digit)| weight * digit).sum();
        sum.is_multiple_of(10)
    })
}

/// The characters but for dashes and white space.
fn without_separators(text: &str) -> Vec<char> {
    text.chars().filter(|c| *c != '-' && !c.is_ascii_whitespace()).collect()
}

/// Digits of a known issuer with their checksum; anything may stand between them.
fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let start = |count: usize| digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + digit);
    let is_known = match digits.len() {
        13 => start(1) == 4,
        14 => matches!(start(3), 300..=305 | 360..=369 | 380..=389),
        15 => matches!(start(2), 34 | 37) || matches!(start(4), 1800 | 2131),
        16 => start(1) == 4 || matches!(start(2), 35 | 51..=55 | 65) || start(4) == 6011,
        _ => false,
    };
    let weighed = digits.iter().rev().enumerate().map(|(at, digit)| match digit * 2 {
        _ if at.is_multiple_of(2) => *digit,
        twice if twice > 9 => twice - 9,
        twice => twice,
    });
    is_known && weighed.sum::<u32>().is_multiple_of(10)
}

/// `rgb(0, 128, 255)`.
fn is_rgb_color(text: &str) -> bool {
    let Some(numbers) = text.strip_prefix("rgb(").and_then(|text| text.strip_suffix(')')) else {
        return false;
    };
    let numbers: Vec<&str> = numbers.split(',').map(str::trim_ascii).collect();
    let is_number = |text: &&str| text.parse::<u8>().is_ok_and(|number| number.to_string() == **text);
    numbers.len() == 3 && numbers.iter().all(is_number)
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_their_formats() {
        for (format, good, bad) in [
            ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"),
            ("date-time", "2026-01-01t23:59:59.5z", "2024-01-01T00:00:60Z"),
            ("datetime", "2026-01-01T00:00:00.123456789+01:00", "2024-01-01 00:00:00Z"),
            ("date-time", "2026-01-01T00:00:00-99:99", "2026-01-01T24:00:00Z"),
            ("date-time", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.Z"),
            ("date-time", "2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z"),
            ("date-time", "2026-01-01T00:00:00Zthen", "2026-01-01T00:00:00"),
            ("date", "2026-01-31", "2026-02-30"),
            ("date", "0000-01-01", "2026-1-31"),
            ("duration", "1h30m", "1x"),
            ("duration", "1d", "d"),
            ("duration", "3 days", "3 hrs"),
            ("duration", "1 day", ""),
            ("duration", "2 Weeks, 1 hr", "1 month"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv4", "010.0.0.1", "::1"),
            ("ipv4", "::ffff:1.2.3.4", "::ffff:102:304"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0"),
            ("cidr", "010.0.0.0/08", "10.0.0.0/33"),
            ("cidr", "abcd::/16", "abcd:ef01:2345:6789::abcd:ef01:2345:6789/125"),
            ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810"),
            ("uuid", "6BA7B8109dad11d180b4-00c04fd430c8", "6-ba7b8109dad11d180b400c04fd430c8"),
            ("uuid", "6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8-"),
            ("uuid3", "6ba7b810-9dad-31d1-00b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            ("uuid4", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "6ba7b810-9dad-41d1-00b4-00c04fd430c8"),
            ("byte", "YQ==", "YQ"),
            ("byte", "YR==", ""),
            ("byte", "YWI=", "Y==="),
            ("hostname", "a.example", "a_b"),
            ("hostname", "\u{e4}.de", "a.b."),
            ("hostname", "a-b-c.example", "a-.example"),
            ("hostname", "a", "a.b"),
            ("hostname", "a-b", "ab-c"),
            ("email", "a@b.example", "a"),
            ("email", "A <a@b.c>", "A a@b.c"),
            ("uri", "https://a/b", "a b"),
            ("uri", "mailto:a@b", "http://%zz"),
            ("uri", "/a", "http://[::1"),
            ("mac", "00:00:5e:00:53:01", "00:00"),
            ("mac", "0000.5e00.5301", "0000.5e00"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77bcf86cd79943901x"),
            ("hexcolor", "#FFFFFF", "#FFFF"),
            ("k8s-short-name", "a-b", "a.b"),
            ("k8s-long-name", "a.b", "a..b"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
        assert!(fits("never-heard-of", "x"));
    }

    #[test]
    fn numbers_fit_with_their_checksums() {
        for (format, good, bad) in [
            ("isbn", "0321751043", "0321751044"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("isbn10", "0-8044-2957-X", "978-0321751041"),
            ("isbn13", "978 0321751041", "0321751043"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("creditcard", "378282246310005", "0000000000000000"),
            ("ssn", "111-11-1111", "111111111"),
            ("ssn", "111 11-1111", "111-111-111"),
            ("rgbcolor", "rgb(0, 128,255 )", "rgb(0,0,256)"),
            ("rgbcolor", "rgb(1,2,3)", "rgb(01,2,3)"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
    }

    #[test]
    fn durations_are_numbers() {
        assert_eq!(duration("-1.5s"), Some(-1_500_000_000));
        assert_eq!(duration("é"), None);
        assert_eq!(duration("1d"), None, "as expressions take it");
        assert_eq!(loose_duration("-1.5s"), Some(-1_500_000_000));
        assert_eq!(loose_duration("12 3 minutes and 1 µs"), Some(180_000_001_000));
        assert_eq!(loose_duration("1d 99999999999999999999 d"), None);
    }
}
