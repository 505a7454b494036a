//! Which nodes a pod asks for by labels and fields, and which taints it tolerates.
//!
//! As `staging/src/k8s.io/component-helpers/scheduling/corev1`. It matches; it does not weigh or explain.

use orch_core::Str;
use orch_core::selector::{FieldOperator, FieldSelector, FieldTerm, Operator, Requirement, Selector};
use serde_json::Value;

use super::NodeFacts;

/// One term of a node affinity: all of its conditions hold. A term without conditions matches no node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeTerm {
    labels: Selector,
    fields: FieldSelector,
}

impl NodeTerm {
    pub(crate) fn read(term: &Value) -> Self {
        let list = |name: &str| term[name].as_array().into_iter().flatten();
        let labels: Option<Vec<_>> = list("matchExpressions").map(requirement).collect();
        let fields: Option<Vec<_>> = list("matchFields").map(field).collect();
        match (labels, fields) {
            (Some(labels), Some(fields)) if !labels.is_empty() || !fields.is_empty() => {
                Self { labels: Selector::new(labels), fields: FieldSelector::new(fields) }
            }
            _ => Self { labels: Selector::nothing(), fields: FieldSelector::everything() },
        }
    }

    /// Whether a node matches.
    #[must_use]
    pub fn matches(&self, node: &NodeFacts) -> bool {
        self.labels.matches(|key| node.label(key))
            && self.fields.matches(|field| (field == "metadata.name").then_some(node.name()))
    }

    /// The one node that it can match, when it says so.
    #[must_use]
    pub fn only_node(&self) -> Option<&str> {
        self.fields.required("metadata.name")
    }
}

/// `None` when it is malformed: then its term matches nothing.
fn requirement(requirement: &Value) -> Option<Requirement> {
    let operator = match requirement["operator"].as_str()? {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    let values = requirement["values"].as_array().into_iter().flatten();
    let values = values.filter_map(|value| value.as_str().map(str::to_owned));
    Requirement::new(requirement["key"].as_str()?, operator, values).ok()
}

/// Kubernetes knows one field, the name, and one value a condition.
fn field(requirement: &Value) -> Option<FieldTerm> {
    let operator = match requirement["operator"].as_str()? {
        "In" => FieldOperator::Equals,
        "NotIn" => FieldOperator::NotEquals,
        _ => return None,
    };
    let [value] = requirement["values"].as_array()?.as_slice() else { return None };
    Some(FieldTerm {
        field: requirement["key"].as_str()?.to_owned(),
        operator,
        value: value.as_str()?.to_owned(),
    })
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaintEffect {
    /// They are not placed.
    NoSchedule,
    /// They are placed elsewhere if possible.
    PreferNoSchedule,
    /// They are not placed, and evicted.
    NoExecute,
}

impl TaintEffect {
    fn read(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// A label key.
    pub key: Str,
    /// May be empty.
    pub value: Str,
    /// What it does.
    pub effect: TaintEffect,
}

impl Taint {
    /// `None` when its effect is unknown.
    pub(crate) fn read(taint: &Value) -> Option<Self> {
        let text = |field: &str| Str::from(taint[field].as_str().unwrap_or_default());
        Some(Self { key: text("key"), value: text("value"), effect: TaintEffect::read(&taint["effect"])? })
    }
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Empty means every key.
    pub key: Str,
    /// The value that is tolerated; `None` means every value.
    pub value: Option<Str>,
    /// `None` means every effect.
    pub effect: Option<TaintEffect>,
}

impl Toleration {
    pub(crate) fn read(toleration: &Value) -> Option<Self> {
        let text = |field: &str| Str::from(toleration[field].as_str().unwrap_or_default());
        let value = match toleration["operator"].as_str() {
            Some("Exists") => None,
            None | Some("" | "Equal") => Some(text("value")),
            Some(_) => return None,
        };
        let effect = match toleration["effect"].as_str() {
            None | Some("") => None,
            Some(_) => Some(TaintEffect::read(&toleration["effect"])?),
        };
        Some(Self { key: text("key"), value, effect })
    }

    /// Whether it covers a taint.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(toleration: &Value, key: &str, value: &str, expected: bool) {
        let taint = Taint { key: key.into(), value: value.into(), effect: TaintEffect::NoSchedule };
        let tolerates = Toleration::read(toleration).is_some_and(|toleration| toleration.tolerates(&taint));
        assert_eq!(tolerates, expected, "{toleration}");
    }

    #[test]
    fn a_toleration_covers_key_value_and_effect() {
        check(&json!({"operator": "Exists"}), "a", "b", true);
        check(&json!({"key": "a", "operator": "Exists"}), "a", "b", true);
        check(&json!({"key": "a", "operator": "Exists"}), "c", "b", false);
        check(&json!({"key": "a", "value": "b"}), "a", "b", true);
        check(&json!({"key": "a", "operator": "Equal", "value": "c"}), "a", "b", false);
        check(&json!({"key": "a", "value": "b", "effect": "NoExecute"}), "a", "b", false);
        check(&json!({"key": "a", "value": "b", "effect": "NoSchedule"}), "a", "b", true);
    }
}
