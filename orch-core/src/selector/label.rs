//! Label selectors: `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`, and their form in objects,
//! `pkg/apis/meta/v1/helpers.go`.
//!
//! The query syntax is read in `parse.rs`. Not here: which labels an object has, and field paths in errors
//! about objects. Invariant: a [`Requirement`] is valid, except that [`Selector::from_labels`] takes labels as
//! they are, as upstream does; requirements are sorted by key, values are sorted.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::names;

/// How a requirement relates a key to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The label is there with one of the values.
    In,
    /// The label is absent or has another value.
    NotIn,
    /// The label has the value; written `=`.
    Equals,
    /// The label has the value; written `==`.
    DoubleEquals,
    /// The label is absent or has another value.
    NotEquals,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
    /// The label is an integer greater than the value.
    GreaterThan,
    /// The label is an integer less than the value.
    LessThan,
}

/// Why something is not a label selector. The messages are the API server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The query's syntax is wrong between requirements.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What could.
        expected: &'static str,
    },
    /// A requirement of the query is wrong.
    #[error("unable to parse requirement: {fault}")]
    InRequirement {
        /// In what way.
        fault: Box<SelectorError>,
    },
    /// A key is no label key.
    #[error("{field}: Invalid value: {key:?}: {}", faults.join("; "))]
    InvalidKey {
        /// Where it stands: `key` in an object; upstream knows no name for it in a query and says `<nil>`.
        field: &'static str,
        /// The key.
        key: String,
        /// The rules it breaks.
        faults: Vec<String>,
    },
    /// A value is no label value.
    #[error("values[{index}][{key}]: Invalid value: {value:?}: {}", faults.join("; "))]
    InvalidValue {
        /// The key of the requirement.
        key: String,
        /// Which of its values.
        index: usize,
        /// The value.
        value: String,
        /// The rules it breaks.
        faults: Vec<String>,
    },
    /// The number of values does not fit the operator.
    #[error("values: Invalid value: {values:?}: {rule}")]
    ValueCount {
        /// The key of the requirement.
        key: String,
        /// The values.
        values: Vec<String>,
        /// The rule they break.
        rule: &'static str,
    },
    /// `>` or `<` with something else than an integer.
    #[error("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")]
    NotAnInteger {
        /// The key of the requirement.
        key: String,
        /// The value.
        value: String,
    },
    /// The operator in an object is none of `In`, `NotIn`, `Exists`, `DoesNotExist`.
    #[error("{operator:?} is not a valid label selector operator")]
    UnknownOperator {
        /// The operator.
        operator: String,
    },
    /// The JSON of the selector in an object has the wrong shape.
    #[error("{field}: expected {expected}")]
    Malformed {
        /// Path of the field in the selector.
        field: &'static str,
        /// What should be there.
        expected: &'static str,
    },
}

/// One condition on one label.
///
/// # Examples
///
/// ```
/// use orch_core::selector::{Operator, Requirement};
///
/// let tier = Requirement::new("tier", Operator::NotIn, ["b".into(), "a".into()])?;
/// assert_eq!(tier.to_string(), "tier notin (a,b)");
/// assert!(tier.matches(None) && tier.matches(Some("c")) && !tier.matches(Some("a")));
/// assert!(Requirement::new("tier", Operator::Exists, ["a".into()]).is_err());
/// # Ok::<(), orch_core::selector::SelectorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// The condition that the label `key` is `operator` to `values`.
    ///
    /// # Errors
    ///
    /// If the key or a value cannot be one of a label, or the values do not fit the operator: at least one for
    /// `In` and `NotIn`, none for `Exists` and `DoesNotExist`, one for the others, an integer to compare with.
    pub fn new(
        key: impl Into<String>,
        operator: Operator,
        values: impl IntoIterator<Item = String>,
    ) -> Result<Self, SelectorError> {
        let (key, mut values) = (key.into(), values.into_iter().collect::<Vec<_>>());
        if let Err(faults) = names::qualified_name(&key) {
            return Err(SelectorError::InvalidKey { field: "key", key, faults });
        }
        if let Some(rule) = count_rule(operator, values.len()) {
            return Err(SelectorError::ValueCount { key, values, rule });
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan)
            && let Some(value) = values.iter().find(|value| value.parse::<i64>().is_err())
        {
            return Err(SelectorError::NotAnInteger { value: value.clone(), key });
        }
        for (index, value) in values.iter().enumerate() {
            if let Err(faults) = names::label_value(value) {
                return Err(SelectorError::InvalidValue { key, index, value: value.clone(), faults });
            }
        }
        values.sort_unstable();
        Ok(Self { key, operator, values })
    }

    /// The label that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How the label is compared.
    #[must_use]
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// What the label is compared with, sorted.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether an object whose label of this key is `value` satisfies it.
    #[must_use]
    pub fn matches(&self, value: Option<&str>) -> bool {
        let has = |value: &str| self.values.iter().any(|candidate| candidate == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(has),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(has),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compared(value).is_some_and(|(label, bound)| label > bound),
            Operator::LessThan => self.compared(value).is_some_and(|(label, bound)| label < bound),
        }
    }

    /// The one value that the label must have, if there is but one.
    #[must_use]
    pub fn required(&self) -> Option<&str> {
        match (self.operator, &*self.values) {
            (Operator::In | Operator::Equals | Operator::DoubleEquals, [value]) => Some(value),
            _ => None,
        }
    }

    fn compared(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

/// The rule that so many values break, if they break one.
fn count_rule(operator: Operator, count: usize) -> Option<&'static str> {
    let (fits, rule) = match operator {
        Operator::In | Operator::NotIn => {
            (count > 0, "for 'in', 'notin' operators, values set can't be empty")
        }
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
            (count == 1, "exact-match compatibility requires one single value")
        }
        Operator::Exists | Operator::DoesNotExist => {
            (count == 0, "values set must be empty for exists and does not exist")
        }
        Operator::GreaterThan | Operator::LessThan => {
            (count == 1, "for 'Gt', 'Lt' operators, exactly one value is required")
        }
    };
    (!fits).then_some(rule)
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// Conditions on labels that all must hold. Without conditions it selects everything;
/// [`nothing`](Self::nothing) selects nothing.
///
/// # Examples
///
/// ```
/// use orch_core::selector::Selector;
///
/// let selector: Selector = "app=web,tier in (b,a),!canary".parse()?;
/// assert!(selector.matches_pairs(&[("app", "web"), ("tier", "a")]));
/// assert!(!selector.matches_pairs(&[("app", "web"), ("canary", ""), ("tier", "a")]));
/// assert_eq!(selector.to_string(), "app=web,!canary,tier in (a,b)");
/// assert_eq!(selector.required_pair(), Some(("app", "web")));
/// # Ok::<(), orch_core::selector::SelectorError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Selector {
    /// The selector of every object.
    #[must_use]
    pub const fn everything() -> Self {
        Self { requirements: Vec::new(), nothing: false }
    }

    /// The selector of no object: what an absent selector in an object means.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// The selector of objects that satisfy all of `requirements`.
    #[must_use]
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<_> = requirements.into_iter().collect();
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Self { requirements, nothing: false }
    }

    /// The selector of objects that have all of `labels`, which are not validated: the `spec.selector` of a
    /// service or a replication controller. Without labels it selects everything.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use orch_core::selector::Selector;
    ///
    /// let labels = BTreeMap::from([("app".to_string(), "web".to_string())]);
    /// assert_eq!(Selector::from_labels(&labels).to_string(), "app=web");
    /// ```
    #[must_use]
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        let equals = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: vec![value.clone()],
        };
        Self { requirements: labels.iter().map(equals).collect(), nothing: false }
    }

    /// The selector that an object spells as `matchLabels` and `matchExpressions`, the latter as key, operator
    /// (`In`, `NotIn`, `Exists`, `DoesNotExist`) and values.
    ///
    /// # Errors
    ///
    /// If an operator is unknown or a requirement is invalid.
    pub fn from_parts<'a, V: IntoIterator<Item = String>>(
        match_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        match_expressions: impl IntoIterator<Item = (&'a str, &'a str, V)>,
    ) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for (key, value) in match_labels {
            requirements.push(Requirement::new(key, Operator::Equals, [value.to_owned()])?);
        }
        for (key, operator, values) in match_expressions {
            let operator = match operator {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return Err(SelectorError::UnknownOperator { operator: operator.into() }),
            };
            requirements.push(Requirement::new(key, operator, values)?);
        }
        Ok(Self::new(requirements))
    }

    /// The selector that an object spells in JSON; `null` selects nothing, `{}` everything.
    ///
    /// # Errors
    ///
    /// If its shape is wrong, or as [`from_parts`](Self::from_parts).
    ///
    /// # Examples
    ///
    /// ```
    /// use orch_core::selector::Selector;
    /// use serde_json::json;
    ///
    /// let selector = Selector::from_value(&json!({
    ///     "matchLabels": {"app": "web"},
    ///     "matchExpressions": [{"key": "tier", "operator": "In", "values": ["b", "a"]}],
    /// }))?;
    /// assert_eq!(selector.to_string(), "app=web,tier in (a,b)");
    /// assert!(Selector::from_value(&json!(null))?.is_nothing());
    /// assert!(Selector::from_value(&json!({}))?.is_everything());
    /// # Ok::<(), orch_core::selector::SelectorError>(())
    /// ```
    pub fn from_value(selector: &Value) -> Result<Self, SelectorError> {
        let malformed = |field, expected| SelectorError::Malformed { field, expected };
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let selector = selector.as_object().ok_or_else(|| malformed("selector", "an object"))?;
        let mut labels = Vec::new();
        match selector.get("matchLabels") {
            None | Some(Value::Null) => {}
            Some(Value::Object(pairs)) => {
                for (key, value) in pairs {
                    let value =
                        value.as_str().ok_or_else(|| malformed("matchLabels", "strings as values"))?;
                    labels.push((key.as_str(), value));
                }
            }
            Some(_) => return Err(malformed("matchLabels", "an object")),
        }
        let expressions = match selector.get("matchExpressions") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(expressions)) => {
                expressions.iter().map(expression).collect::<Result<Vec<_>, _>>()?
            }
            Some(_) => return Err(malformed("matchExpressions", "an array")),
        };
        Self::from_parts(labels, expressions)
    }

    /// The conditions, sorted by key.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether it has no conditions and selects every object.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether it is the selector of no object. Conditions that contradict each other do not make it one.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Whether it selects an object whose labels are given by `get`.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use orch_core::selector::Selector;
    ///
    /// let labels = BTreeMap::from([("cores", "16")]);
    /// let selector: Selector = "cores>8".parse().unwrap();
    /// assert!(selector.matches(|key| labels.get(key).copied()));
    /// ```
    #[must_use]
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing
            && self.requirements.iter().all(|requirement| requirement.matches(get(&requirement.key)))
    }

    /// Whether it selects an object with these labels, sorted by key.
    #[must_use]
    pub fn matches_pairs<K: AsRef<str>, V: AsRef<str>>(&self, labels: &[(K, V)]) -> bool {
        self.matches(|key| {
            let found = labels.binary_search_by(|(candidate, _)| candidate.as_ref().cmp(key)).ok()?;
            Some(labels[found].1.as_ref())
        })
    }

    /// Whether it selects an object with these labels.
    #[must_use]
    pub fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches(|key| labels.get(key).map(String::as_str))
    }

    /// A label that every selected object has: what to look up in an index.
    #[must_use]
    pub fn required_pair(&self) -> Option<(&str, &str)> {
        self.required_pairs().next()
    }

    /// Every label that each selected object has.
    pub fn required_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.requirements.iter().filter_map(|requirement| Some((requirement.key(), requirement.required()?)))
    }

    /// The value that each selected object has for the label `key`, if it must have a certain one.
    #[must_use]
    pub fn required(&self, key: &str) -> Option<&str> {
        self.required_pairs().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }
}

/// Key, operator and values of one of `matchExpressions`.
fn expression(expression: &Value) -> Result<(&str, &str, Vec<String>), SelectorError> {
    let malformed = |field, expected| SelectorError::Malformed { field, expected };
    let text = |name, field| match expression.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or_else(|| malformed(field, "a string")),
    };
    let values = match expression.get("values") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    let values = values.ok_or_else(|| malformed("matchExpressions[*].values", "an array of strings"))?;
    let key = text("key", "matchExpressions[*].key")?;
    Ok((key, text("operator", "matchExpressions[*].operator")?, values))
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(query: &str) -> Result<Self, Self::Err> {
        super::parse::parse(query).map(Self::new)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
