//! How long something takes: always so long, or drawn evenly between two bounds.
//!
//! Written as in annotations: `5s`, `250ms`, `1s..5s`. Invariant: the upper bound is not below the lower one.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// A duration that is drawn: from the lower bound, up to but not including the upper one; equal bounds mean exactly that.
///
/// ```
/// use std::time::Duration;
/// use orch_runtime::simulated::Span;
/// let span: Span = "250ms..1.5s".parse()?;
/// assert_eq!(span, Span::from(Duration::from_millis(250)..Duration::from_millis(1500)));
/// assert_eq!("5s".parse::<Span>()?, Duration::from_secs(5).into());
/// assert!("5s..1s".parse::<Span>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    from: Duration,
    to: Duration,
}

impl Span {
    /// The lower bound.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.from
    }

    /// The upper bound.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.to
    }
}

impl From<Duration> for Span {
    fn from(exactly: Duration) -> Self {
        Self { from: exactly, to: exactly }
    }
}

/// A range whose end is before its start means its start.
impl From<Range<Duration>> for Span {
    fn from(range: Range<Duration>) -> Self {
        Self { from: range.start, to: range.end.max(range.start) }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else { return Ok(duration(text)?.into()) };
        let (from, to) = (duration(from)?, duration(to)?);
        if to < from {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{:?}", self.from)
        } else {
            write!(f, "{:?}..{:?}", self.from, self.to)
        }
    }
}

/// A number with a unit; `0` needs none.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 0.0,
        _ => return Err(format!("{text:?} has no unit: ms, s, m or h")),
    };
    let number = number.parse::<f64>().map_err(|_| format!("{text:?} does not begin with a number"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| format!("{text:?} is not a length of time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u64, u64)>) {
        let millis = |(from, to)| (Duration::from_millis(from)..Duration::from_millis(to)).into();
        assert_eq!(text.parse::<Span>().ok(), expected.map(millis), "{text}");
    }

    #[test]
    fn spans_are_read() {
        check("5s", Some((5000, 5000)));
        check("250ms", Some((250, 250)));
        check("0", Some((0, 0)));
        check("1s..5s", Some((1000, 5000)));
        check("1s .. 1.5m", Some((1000, 90_000)));
        check("2h", Some((7_200_000, 7_200_000)));
        check("0..100ms", Some((0, 100)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in
            ["", "5", "5 apples", "s", "-1s", "5s..1s", "1s..", "..1s", "nans", "1e300h", "1s..2s..3s"]
        {
            check(text, None);
        }
    }

    #[test]
    fn a_span_reads_what_it_shows() {
        for text in ["5s", "250ms..1.5s", "0ns..1s"] {
            assert_eq!(text.replace("0ns", "0s").parse::<Span>().unwrap().to_string(), text);
        }
    }
}
