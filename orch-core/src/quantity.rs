//! Amounts of resources: `100m` of a CPU, `64Mi` of memory, `2` pods.
//!
//! Parses, keeps and prints as `staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go`. It is an exact
//! number with a preferred notation; it is *not* the text that a user wrote (see [`normalize`]) and knows
//! nothing of which resource it counts. Invariant: equality, order and hash are those of the number; the
//! notation takes no part in them. No operation panics or wraps.

mod decimal;
mod json;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use decimal::Decimal;

/// The notation that a quantity was written in, and is printed in again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Powers of 1000: `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`.
    #[default]
    DecimalSi,
    /// Powers of 1024: `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySi,
    /// Powers of ten: `12e6`.
    DecimalExponent,
}

/// Why a text is not a quantity. The messages are the API server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseQuantityError {
    /// It is not digits and a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format {
        /// The text.
        text: Box<str>,
    },
    /// There is no number before the suffix, or its exponent is out of range.
    #[error("unable to parse numeric part of quantity")]
    Numeric {
        /// The text.
        text: Box<str>,
    },
    /// The suffix is none of the known ones, or its exponent is out of range.
    #[error("unable to parse quantity's suffix")]
    Suffix {
        /// The text.
        text: Box<str>,
        /// The part of it that is not understood.
        suffix: Box<str>,
    },
}

/// An exact amount of a resource, with the notation to print it in.
///
/// Values have up to 38 digits (a sum that needs more is rounded away from zero) and no part smaller than
/// `1n`: what is finer is rounded away from zero when parsed, since who asks for some of a resource should get
/// some. A binary quantity is at most 2^63 - 1 when parsed, as in Kubernetes.
///
/// Printing gives Kubernetes' canonical form: no fraction, the largest suffix that loses nothing, and the
/// notation as it was, except that what the binary suffixes cannot print is printed with the decimal ones.
/// Differing from 1.36, which loses the magnitude, amounts beyond `E` are printed with an exponent (as 1.37
/// does), and exponents beyond 32 bits are refused instead of cut off.
///
/// # Examples
///
/// ```
/// use orch_core::quantity::Quantity;
///
/// let printed = |text: &str| text.parse::<Quantity>().unwrap().to_string();
/// assert_eq!(printed("1000m"), "1");
/// assert_eq!(printed("1.5"), "1500m");
/// assert_eq!(printed("1024Ki"), "1Mi");
/// assert_eq!(printed("0.5Gi"), "512Mi");
/// assert_eq!(printed("1e3"), "1e3");
/// assert_eq!(printed("0.9n"), "1n");
///
/// let cpu: Quantity = "1500m".parse()?;
/// assert_eq!(cpu, "1.5".parse()?);
/// assert!(cpu < "2".parse()?);
/// assert_eq!((cpu.value(), cpu.milli_value()), (2, 1500));
/// assert_eq!((cpu + "500m".parse()?).to_string(), "2");
/// # Ok::<(), orch_core::quantity::ParseQuantityError>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    amount: Decimal,
    format: Format,
}

impl Quantity {
    /// None of it.
    pub const ZERO: Self = Self { amount: Decimal::ZERO, format: Format::DecimalSi };

    /// `value` whole units.
    ///
    /// ```
    /// use orch_core::quantity::{Format, Quantity};
    ///
    /// assert_eq!(Quantity::new(1 << 30, Format::BinarySi).to_string(), "1Gi");
    /// assert_eq!(Quantity::new(1_000_000, Format::DecimalSi).to_string(), "1M");
    /// ```
    #[must_use]
    pub fn new(value: i64, format: Format) -> Self {
        Self { amount: Decimal::new(i128::from(value), 0), format }
    }

    /// `value` thousandths of a unit.
    ///
    /// ```
    /// use orch_core::quantity::{Format, Quantity};
    ///
    /// assert_eq!(Quantity::from_milli(1500, Format::DecimalSi), "1.5".parse().unwrap());
    /// ```
    #[must_use]
    pub fn from_milli(value: i64, format: Format) -> Self {
        Self { amount: Decimal::new(i128::from(value), -3), format }
    }

    /// The notation that it is printed in.
    #[must_use]
    pub const fn format(self) -> Format {
        self.format
    }

    /// The same amount in another notation.
    ///
    /// ```
    /// use orch_core::quantity::{Format, Quantity};
    ///
    /// let memory: Quantity = "65536".parse().unwrap();
    /// assert_eq!(memory.to_string(), "65536");
    /// assert_eq!(memory.with_format(Format::BinarySi).to_string(), "64Ki");
    /// ```
    #[must_use]
    pub const fn with_format(self, format: Format) -> Self {
        Self { amount: self.amount, format }
    }

    /// Whether there is none of it.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// Whether it is less than zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.amount.signum() < 0
    }

    /// Whole units, rounded away from zero; at the bounds of `i64` if it is outside of them.
    ///
    /// ```
    /// use orch_core::quantity::Quantity;
    ///
    /// let value = |text: &str| text.parse::<Quantity>().unwrap().value();
    /// assert_eq!(value("64Mi"), 67_108_864);
    /// assert_eq!(value("1m"), 1);
    /// assert_eq!(value("1e30"), i64::MAX);
    /// ```
    #[must_use]
    pub fn value(self) -> i64 {
        self.amount.scaled(0)
    }

    /// Thousandths of a unit, rounded away from zero; at the bounds of `i64` if it is outside of them.
    ///
    /// ```
    /// use orch_core::quantity::Quantity;
    ///
    /// let milli = |text: &str| text.parse::<Quantity>().unwrap().milli_value();
    /// assert_eq!(milli("0.25"), 250);
    /// assert_eq!(milli("1u"), 1);
    /// ```
    #[must_use]
    pub fn milli_value(self) -> i64 {
        self.amount.scaled(-3)
    }

    /// `self - other`, but never less than zero: what is left of a budget.
    ///
    /// ```
    /// use orch_core::quantity::Quantity;
    ///
    /// let (one, two): (Quantity, Quantity) = ("1Gi".parse().unwrap(), "2Gi".parse().unwrap());
    /// assert_eq!(two.sub_to_zero(one), one);
    /// assert!(one.sub_to_zero(two).is_zero());
    /// ```
    #[must_use]
    pub fn sub_to_zero(self, other: Self) -> Self {
        let difference = self - other;
        if difference.is_negative() { Self { amount: Decimal::ZERO, ..difference } } else { difference }
    }

    /// The amount with a binary suffix; `None` if none prints it without loss.
    fn binary_form(self) -> Option<String> {
        const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let mut integer = self.amount.as_integer().filter(|integer| integer.unsigned_abs() >= 1024)?;
        let mut power = 0;
        while integer % 1024 == 0 {
            integer /= 1024;
            power += 1;
        }
        SUFFIXES.get(power).map(|suffix| format!("{integer}{suffix}"))
    }
}

/// The text that the API server stores for a quantity written as `text`: what it prints, except that it keeps
/// some texts that are not canonical (`1.250`, `+1`, `1E3`).
///
/// # Errors
///
/// [`ParseQuantityError`] if it is not a quantity.
///
/// # Examples
///
/// ```
/// use orch_core::quantity::normalize;
///
/// assert_eq!(normalize("1000m")?, "1");
/// assert_eq!(normalize("0.5Gi")?, "512Mi");
/// assert_eq!(normalize("1.250")?, "1.250");
/// # Ok::<(), orch_core::quantity::ParseQuantityError>(())
/// ```
pub fn normalize(text: &str) -> Result<Cow<'_, str>, ParseQuantityError> {
    if parse::is_as_printed(text) {
        return Ok(Cow::Borrowed(text));
    }
    let quantity: Quantity = text.parse()?;
    Ok(if parse::keeps_text(text) { Cow::Borrowed(text) } else { Cow::Owned(quantity.to_string()) })
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.pad("0");
        }
        if let Some(text) = (self.format == Format::BinarySi).then(|| self.binary_form()).flatten() {
            return f.pad(&text);
        }
        let (digits, exponent) = self.amount.engineering();
        let suffix = match (self.format, exponent) {
            (_, 0) => "",
            (Format::DecimalExponent, _) => return f.pad(&format!("{digits}e{exponent}")),
            (_, -9) => "n",
            (_, -6) => "u",
            (_, -3) => "m",
            (_, 3) => "k",
            (_, 6) => "M",
            (_, 9) => "G",
            (_, 12) => "T",
            (_, 15) => "P",
            (_, 18) => "E",
            _ => return f.pad(&format!("{digits}e{exponent}")),
        };
        f.pad(&(digits + suffix))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.amount == other.amount
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.amount.hash(state);
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.cmp(&other.amount)
    }
}

/// The sum is printed like the left side, or like the right side if the left one is zero.
impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { amount: self.amount.plus(other.amount), format }
    }
}

/// The difference is printed like the left side, or like the right side if the left one is zero.
impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { amount: self.amount.negated(), format: self.format }
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}
