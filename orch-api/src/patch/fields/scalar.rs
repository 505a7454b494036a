//! Values as parts of paths, with the order and equality that Kubernetes gives them.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// A value in a path. Numbers are equal when they are the same number, whether written `1` or `1.0`.
///
/// ```
/// use orch_api::patch::Scalar;
/// use serde_json::json;
/// assert_eq!(Scalar(json!(1)), Scalar(json!(1.0)));
/// assert!(Scalar(json!(2)) < Scalar(json!("1")), "numbers come before strings");
/// assert_eq!(Scalar(json!("a")).to_string(), r#""a""#);
/// ```
#[derive(Clone, Debug)]
pub struct Scalar(pub Value);

/// Whether two values are the same to an apply.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    order(a, b) == Ordering::Equal
}

/// After `structured-merge-diff/value/value.go` (`Compare`).
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let number = |value: &serde_json::Number| value.as_f64().unwrap_or_default();
                number(a).total_cmp(&number(b))
            }
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let differ = a.iter().zip(b).map(|(a, b)| order(a, b)).find(|order| order.is_ne());
            differ.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pair =
                |((a, x), (b, y)): ((&String, &Value), (&String, &Value))| a.cmp(b).then_with(|| order(x, y));
            let differ = a.iter().zip(b).map(pair).find(|order| order.is_ne());
            differ.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Scalar {}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

/// As `structured-merge-diff/value` prints it: strings quoted.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
