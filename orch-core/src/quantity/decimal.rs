//! The number inside a [`Quantity`](super::Quantity): `mantissa × 10^exponent`, exact up to 38 digits.
//!
//! Knows nothing of suffixes or formats. Invariant: the representation is unique (no trailing zero in the
//! mantissa, zero is `0 × 10^0`, the exponent is at least nano), so that equality and hashing by field are
//! equality and hashing by value. What does not fit is rounded away from zero, never wrapped.

use std::cmp::Ordering;

/// The smallest power of ten that a quantity keeps.
pub(super) const NANO: i64 = -9;

/// Largest power of ten that an `i128` holds.
const MAX_POWER: u32 = 38;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    /// Never `i128::MIN`, never divisible by ten unless zero.
    mantissa: i128,
    /// At least [`NANO`]; zero when the mantissa is.
    exponent: i32,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// `mantissa × 10^exponent`, rounded away from zero to nano.
    pub(super) fn new(mantissa: i128, exponent: i64) -> Self {
        Self::from_magnitude(mantissa.unsigned_abs(), exponent, mantissa.signum())
    }

    /// `signum × magnitude × 10^exponent`, rounded away from zero to nano and to what an `i128` holds; beyond
    /// the largest exponent it saturates.
    pub(super) fn from_magnitude(magnitude: u128, exponent: i64, signum: i128) -> Self {
        Self::checked(magnitude, exponent, signum)
            .unwrap_or(Self { mantissa: i128::MAX * signum, exponent: i32::MAX })
    }

    /// [`from_magnitude`](Self::from_magnitude), or `None` beyond the largest exponent.
    pub(super) fn checked(magnitude: u128, exponent: i64, signum: i128) -> Option<Self> {
        let (mut magnitude, mut exponent) = (magnitude, exponent);
        if exponent < NANO {
            magnitude = shift_up(magnitude, NANO.abs_diff(exponent)).0;
            exponent = NANO;
        }
        if magnitude > i128::MAX.unsigned_abs() {
            magnitude = shift_up(magnitude, 1).0;
            exponent = exponent.saturating_add(1);
        }
        if magnitude == 0 {
            return Some(Self::ZERO);
        }
        let (magnitude, zeros) = strip_tens(magnitude);
        let exponent = i32::try_from(exponent.saturating_add(i64::from(zeros))).ok()?;
        Some(Self { mantissa: i128::try_from(magnitude).ok()? * signum, exponent })
    }

    /// Whether it lies between zero and one or minus one, both excluded.
    pub(super) fn is_below_one(self) -> bool {
        let power = 10_u128.checked_pow(self.exponent.min(0).unsigned_abs()).unwrap_or(u128::MAX);
        self.mantissa != 0 && self.exponent < 0 && self.mantissa.unsigned_abs() < power
    }

    pub(super) const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(super) const fn signum(self) -> i128 {
        self.mantissa.signum()
    }

    pub(super) fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }

    /// The value as an integer if it is one and fits.
    pub(super) fn as_integer(self) -> Option<i128> {
        let zeros = u32::try_from(self.exponent).ok()?;
        self.mantissa.checked_mul(10_i128.checked_pow(zeros)?)
    }

    /// `self ÷ 10^exponent`, rounded away from zero, at the bounds of `i64` if it is outside of them.
    pub(super) fn scaled(self, exponent: i32) -> i64 {
        let bound = if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        let difference = i64::from(self.exponent) - i64::from(exponent);
        let scaled = match u32::try_from(difference) {
            Ok(up) => 10_i128.checked_pow(up).and_then(|power| self.mantissa.checked_mul(power)),
            Err(_) => {
                let (magnitude, _) = shift_up(self.mantissa.unsigned_abs(), difference.unsigned_abs());
                i128::try_from(magnitude).ok().map(|magnitude| magnitude * self.signum())
            }
        };
        scaled.and_then(|scaled| i64::try_from(scaled).ok()).unwrap_or(bound)
    }

    /// The value as digits and a power of ten that is a multiple of three, as large as possible: 1500 is
    /// (`"1500"`, 0), 15000 is (`"15"`, 3). The sign is with the digits.
    pub(super) fn engineering(self) -> (String, i32) {
        let appended = self.exponent.rem_euclid(3);
        let mut digits = self.mantissa.to_string();
        digits.extend(std::iter::repeat_n('0', usize::try_from(appended).unwrap_or(0)));
        (digits, self.exponent - appended)
    }

    /// The sum; exact unless it needs more digits than there are, then rounded away from zero.
    pub(super) fn plus(self, other: Self) -> Self {
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let difference = high.exponent.abs_diff(low.exponent);
        let exact = 10_i128
            .checked_pow(difference)
            .and_then(|power| high.mantissa.checked_mul(power))
            .and_then(|raised| raised.checked_add(low.mantissa));
        match exact {
            Some(sum) => Self::new(sum, i64::from(low.exponent)),
            None => Self::rounded_sum(high, low),
        }
    }

    /// The sum of numbers whose exact sum has too many digits: `high` is raised as far as it goes, and `low` is
    /// cut to the same exponent, with what is cut off kept as "there is more".
    fn rounded_sum(high: Self, low: Self) -> Self {
        let mut raised = high.mantissa.unsigned_abs();
        let mut exponent = i64::from(high.exponent);
        while exponent > i64::from(low.exponent) && raised <= i128::MAX.unsigned_abs() / 10 {
            raised *= 10;
            exponent -= 1;
        }
        let cut = exponent.abs_diff(i64::from(low.exponent));
        let (rounded, inexact) = shift_up(low.mantissa.unsigned_abs(), cut);
        if high.signum() == low.signum() {
            return Self::from_magnitude(raised.saturating_add(rounded), exponent, high.signum());
        }
        // A difference is rounded away from zero by rounding what is subtracted towards zero.
        let truncated = rounded - u128::from(inexact);
        if raised > truncated {
            Self::from_magnitude(raised - truncated, exponent, high.signum())
        } else {
            Self::from_magnitude(rounded - raised, exponent, low.signum())
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.signum().cmp(&other.signum());
        if signs.is_ne() || self.is_zero() {
            return signs;
        }
        let by_magnitude = cmp_magnitude(*self, *other);
        if self.mantissa < 0 { by_magnitude.reverse() } else { by_magnitude }
    }
}

/// Compares two non-zero numbers without their signs.
fn cmp_magnitude(left: Decimal, right: Decimal) -> Ordering {
    let (m, n) = (left.mantissa.unsigned_abs(), right.mantissa.unsigned_abs());
    let order = |magnitude: u128, exponent: i32| i64::from(magnitude.ilog10()) + i64::from(exponent);
    let orders = order(m, left.exponent).cmp(&order(n, right.exponent));
    if orders.is_ne() {
        return orders;
    }
    // Of the same order: raising the one with fewer digits gives it as many digits as the other has. If that
    // overflows, it is the larger one.
    let difference = left.exponent.abs_diff(right.exponent);
    let raise =
        |magnitude: u128| 10_u128.checked_pow(difference).and_then(|power| magnitude.checked_mul(power));
    if left.exponent >= right.exponent {
        raise(m).map_or(Ordering::Greater, |raised| raised.cmp(&n))
    } else {
        raise(n).map_or(Ordering::Less, |raised| m.cmp(&raised))
    }
}

/// `magnitude ÷ 10^digits` rounded up, and whether it was inexact.
fn shift_up(magnitude: u128, digits: u64) -> (u128, bool) {
    match u32::try_from(digits).ok().filter(|digits| *digits <= MAX_POWER) {
        Some(digits) => {
            let power = 10_u128.pow(digits);
            (magnitude.div_ceil(power), !magnitude.is_multiple_of(power))
        }
        None => (u128::from(magnitude != 0), magnitude != 0),
    }
}

/// The magnitude without its trailing zeros, and how many there were. Not called with zero.
fn strip_tens(magnitude: u128) -> (u128, u32) {
    let (mut magnitude, mut zeros) = (magnitude, 0);
    while magnitude > u128::from(u64::MAX) && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        zeros += 1;
    }
    // Nearly every quantity is here, where division is fast.
    if let Ok(mut small) = u64::try_from(magnitude) {
        while small != 0 && small.is_multiple_of(10) {
            small /= 10;
            zeros += 1;
        }
        magnitude = u128::from(small);
    }
    (magnitude, zeros)
}
