//! A number of pods, absolute or as a percentage: `apimachinery/pkg/util/intstr/intstr.go`.

use serde_json::Value;

/// As it stands in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntOrPercent {
    Int(i32),
    Percent(i32),
}

/// Where a fraction of a pod goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Up,
    Down,
}

impl IntOrPercent {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Self::Percent),
            _ => crate::json::int32(value).map(Self::Int),
        }
    }

    /// The number of pods that it means of so many.
    pub(crate) fn of(self, total: i32, rounding: Rounding) -> i32 {
        match self {
            Self::Int(count) => count,
            Self::Percent(percent) => {
                let hundredths = i64::from(percent) * i64::from(total);
                let count = match rounding {
                    Rounding::Up => (hundredths + 99).div_euclid(100),
                    Rounding::Down => hundredths.div_euclid(100),
                };
                i32::try_from(count).unwrap_or(i32::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value, total: i32, up: i32, down: i32) {
        let read = IntOrPercent::read(value).unwrap();
        assert_eq!(
            (read.of(total, Rounding::Up), read.of(total, Rounding::Down)),
            (up, down),
            "{value} of {total}"
        );
    }

    #[test]
    fn percentages_are_rounded_and_numbers_are_not() {
        check(&json!(3), 10, 3, 3);
        check(&json!("25%"), 10, 3, 2);
        check(&json!("25%"), 4, 1, 1);
        check(&json!("0%"), 10, 0, 0);
        check(&json!("100%"), 7, 7, 7);
        check(&json!("1%"), 1, 1, 0);
        assert_eq!(IntOrPercent::read(&json!("much")), None);
    }
}
