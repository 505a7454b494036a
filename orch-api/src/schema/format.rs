//! The textual formats that decoding itself enforces: times and base64.
//!
//! Not parsers: they only say whether Go's decoders in Kubernetes would accept the text.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// Go's `base64.StdEncoding`: padding is required, the unused bits of the last character are not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Whether `text` is standard base64; line breaks are ignored, as Go does.
pub(super) fn is_base64(text: &str) -> bool {
    if text.contains(['\r', '\n']) {
        let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        return BASE64.decode(joined).is_ok();
    }
    BASE64.decode(text).is_ok()
}

/// How many digits the fraction of a second has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fraction {
    /// Any number, none included (`metav1.Time`).
    Any,
    /// Exactly six (`metav1.MicroTime`).
    Micro,
}

/// Whether `text` is a time as in RFC 3339 (`pkg/apis/meta/v1/time.go`, `micro_time.go` of apimachinery).
pub(super) fn is_time(text: &str, fraction: Fraction) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let Some(numbers) = numbers(date_time, b"dddd-dd-ddTdd:dd:dd") else { return false };
    let [year, month, day, hour, minute, second] = numbers;
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let zone = if digits > 0 { &rest[1 + digits..] } else { rest };
    let enough = fraction == Fraction::Any || digits == 6;
    enough
        && (1..=12).contains(&month)
        && (1..=days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && is_zone(zone)
}

fn is_zone(zone: &str) -> bool {
    let Some(offset) = zone.strip_prefix(['+', '-']) else { return zone == "Z" };
    numbers(offset, b"dd:dd").is_some_and(|[hours, minutes, ..]| hours < 24 && minutes < 60)
}

/// The numbers in `text`, which must follow `pattern` exactly; `d` stands for a digit.
fn numbers(text: &str, pattern: &[u8]) -> Option<[u32; 6]> {
    if text.len() != pattern.len() {
        return None;
    }
    let (mut numbers, mut at) = ([0; 6], 0);
    for (byte, expected) in text.bytes().zip(pattern) {
        match (byte, *expected) {
            (digit @ b'0'..=b'9', b'd') => numbers[at] = numbers[at] * 10 + u32::from(digit - b'0'),
            (byte, expected) if byte == expected && expected != b'd' => at += 1,
            _ => return None,
        }
    }
    Some(numbers)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_follow_rfc_3339() {
        for good in [
            "2026-01-31T23:59:59Z",
            "2024-02-29T00:00:00Z",
            "2026-01-01T00:00:00.123456789+05:30",
            "0001-01-01T00:00:00Z",
        ] {
            assert!(is_time(good, Fraction::Any), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+0530",
            "2026-01-01T00:00:00Zulu",
            "2026-01-01T00:00:0\u{e9}Z",
        ] {
            assert!(!is_time(bad, Fraction::Any), "{bad}");
        }
    }

    #[test]
    fn micro_times_have_six_digits() {
        assert!(is_time("2026-01-01T00:00:00.000001Z", Fraction::Micro));
        assert!(!is_time("2026-01-01T00:00:00Z", Fraction::Micro));
        assert!(!is_time("2026-01-01T00:00:00.001Z", Fraction::Micro));
    }

    #[test]
    fn base64_is_gos_standard_encoding() {
        for good in ["", "aGVsbG8=", "aGVs\nbG8=\n", "aGVsbG9="] {
            assert!(is_base64(good), "{good}");
        }
        for bad in ["aGVsbG8", "aGVs bG8=", "a_b-", "\u{e9}"] {
            assert!(!is_base64(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn formats_never_panic(text in ".{0,40}") {
            is_time(&text, Fraction::Any);
            is_time(&text, Fraction::Micro);
            is_base64(&text);
        }
    }
}
