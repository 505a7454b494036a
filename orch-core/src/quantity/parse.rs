//! Text to [`Quantity`](super::Quantity), by the rules of
//! `staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go` (`ParseQuantity`) and `suffix.go`.
//!
//! Not the JSON form (that is `json.rs`). No text panics or takes more than linear time, whatever its exponent.

use super::decimal::{Decimal, NANO};
use super::{Format, ParseQuantityError, Quantity};

/// Kubernetes handles numbers of so many digits in 64 bits, and only of those it keeps the text.
const FAST_DIGITS: usize = 18;

/// The largest magnitude of a parsed binary quantity.
const BINARY_CAP: u128 = i64::MAX.unsigned_abs() as u128;

/// A text taken apart: sign, digits before and after the point, suffix. Leading zeros are gone.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    signum: i128,
    /// Empty when there is no digit other than zero before the point.
    integer: &'a str,
    fraction: &'a str,
    /// Whether there is any digit, zero or not.
    has_digits: bool,
    suffix: &'a str,
}

/// What a suffix means.
#[derive(Clone, Copy)]
enum Scale {
    /// Times ten to this.
    Ten(i32),
    /// Times two to this.
    Two(u32),
}

pub(super) fn parse(text: &str) -> Result<Quantity, ParseQuantityError> {
    let (parts, scale, format) = dissect(text)?;
    match scale {
        Scale::Ten(exponent) => decimal(&parts, exponent)
            .map(|amount| Quantity { amount, format })
            .ok_or_else(|| ParseQuantityError::Numeric { text: text.into() }),
        Scale::Two(exponent) => {
            let amount = binary(&parts, exponent);
            // No binary suffix could print it.
            let format = if amount.is_below_one() { Format::DecimalSi } else { format };
            Ok(Quantity { amount, format })
        }
    }
}

/// Whether a text is of the forms that are used most and what its quantity is printed as: a short whole number, of ones,
/// thousandths or a power of two, of which a larger suffix would not be left with a whole number.
pub(super) fn is_as_printed(text: &str) -> bool {
    const SHORT: usize = 9;
    let (number, suffix) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let next = match suffix {
        "" | "m" => 1000,
        "Ki" | "Mi" | "Gi" => 1024,
        _ => return false,
    };
    let is_short = number.len() <= SHORT && !number.starts_with('0');
    is_short && number.parse::<u32>().is_ok_and(|number| !number.is_multiple_of(next))
}

/// Whether Kubernetes keeps the text of this quantity instead of printing its value again. `text` parses.
pub(super) fn keeps_text(text: &str) -> bool {
    let Ok((parts, scale, _)) = dissect(text) else { return false };
    let integer = if parts.integer.is_empty() { "0" } else { parts.integer };
    match scale {
        Scale::Ten(exponent) => {
            let digits = integer.len() + parts.fraction.len();
            let places = i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
            let exponent = i64::from(exponent).saturating_sub(places);
            digits <= FAST_DIGITS
                && exponent >= NANO
                && exponent % 3 == 0
                && !integer.starts_with('0')
                && ![integer, parts.fraction].concat().ends_with("000")
        }
        Scale::Two(exponent) => {
            let fast = parts.fraction.is_empty() && integer.len() + binary_digits(exponent) < 15;
            fast && integer.parse::<u64>().is_ok_and(|value| value % 8 != 0)
        }
    }
}

fn dissect(text: &str) -> Result<(Parts<'_>, Scale, Format), ParseQuantityError> {
    let parts = split(text).ok_or_else(|| ParseQuantityError::Format { text: text.into() })?;
    let (scale, format) = interpret(parts.suffix)
        .ok_or_else(|| ParseQuantityError::Suffix { text: text.into(), suffix: parts.suffix.into() })?;
    // Kubernetes reads a lone suffix as zero of it, but only where 64 bits would do.
    let zero_is_fast = match scale {
        Scale::Ten(exponent) => i64::from(exponent) >= NANO,
        Scale::Two(exponent) => parts.fraction.is_empty() && binary_digits(exponent) < 14,
    };
    if parts.has_digits || zero_is_fast {
        Ok((parts, scale, format))
    } else {
        Err(ParseQuantityError::Numeric { text: text.into() })
    }
}

/// Decimal digits that Kubernetes reckons for a power of two.
fn binary_digits(exponent: u32) -> usize {
    usize::try_from(exponent * 3 / 10).unwrap_or(usize::MAX)
}

fn split(text: &str) -> Option<Parts<'_>> {
    if text.is_empty() {
        return None;
    }
    let (signum, rest) = match text.as_bytes()[0] {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let tail = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    if digits(tail) != tail.len() {
        return None;
    }
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    Some(Parts { signum, integer: whole.trim_start_matches('0'), fraction, has_digits, suffix })
}

fn interpret(suffix: &str) -> Option<(Scale, Format)> {
    let ten = |exponent| Some((Scale::Ten(exponent), Format::DecimalSi));
    let two = |exponent| Some((Scale::Two(exponent), Format::BinarySi));
    match suffix {
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "" => ten(0),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            // The scale is negated upstream, so the most negative exponent has none.
            (exponent > i32::MIN).then_some((Scale::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// The digits times ten to `exponent`; `None` when the result's own exponent is out of range.
fn decimal(parts: &Parts<'_>, exponent: i32) -> Option<Decimal> {
    let (magnitude, dropped) = accumulate(parts.integer.bytes().chain(parts.fraction.bytes()));
    let places = i64::try_from(parts.fraction.len()).ok()?;
    Decimal::checked(magnitude, i64::from(exponent) - places + dropped, parts.signum)
}

/// The number that the digits spell, and the power of ten to multiply it with: of more than 37 digits, the rest
/// is rounded up.
fn accumulate(digits: impl Iterator<Item = u8>) -> (u128, i64) {
    const FULL: u128 = i128::MAX.unsigned_abs() / 10 - 1;
    let (mut magnitude, mut dropped, mut more) = (0_u128, 0_i64, false);
    for digit in digits.map(|byte| u128::from(byte - b'0')) {
        if magnitude <= FULL {
            magnitude = magnitude * 10 + digit;
        } else {
            dropped += 1;
            more |= digit != 0;
        }
    }
    (magnitude + u128::from(more), dropped)
}

/// The digits times two to `exponent`, rounded up to nano and capped.
fn binary(parts: &Parts<'_>, exponent: u32) -> Decimal {
    const NANOS: u128 = 1_000_000_000;
    let cap = Decimal::from_magnitude(BINARY_CAP, 0, parts.signum);
    let (integer, dropped) = accumulate(parts.integer.bytes());
    if dropped > 0 || integer > BINARY_CAP >> exponent {
        return cap;
    }
    if parts.fraction.is_empty() {
        return Decimal::from_magnitude(integer << exponent, 0, parts.signum);
    }
    // Schoolbook multiplication from the last digit on: exact, whatever the number of digits.
    let factor = NANOS << exponent;
    let (mut carry, mut more) = (0_u128, false);
    for digit in parts.fraction.bytes().rev() {
        let product = u128::from(digit - b'0') * factor + carry;
        carry = product / 10;
        more |= !product.is_multiple_of(10);
    }
    let nanos = (integer << exponent) * NANOS + carry + u128::from(more);
    if nanos > BINARY_CAP * NANOS { cap } else { Decimal::from_magnitude(nanos, NANO, parts.signum) }
}
