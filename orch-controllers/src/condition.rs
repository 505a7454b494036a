//! The list of conditions in a status. A merge patch replaces it whole, so conditions of others are carried over as they
//! were observed, and the write needs the revision as its precondition.

use jiff::Timestamp;
use orch_core::rfc3339;
use serde_json::{Value, json};

use crate::json::{list, text, time};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Condition {
    pub(crate) fn new(
        kind: &'static str,
        status: &'static str,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: message.into() }
    }

    /// As a ReplicaSet has it.
    pub(crate) fn tree(&self, now: Timestamp) -> Value {
        json!({"type": self.kind, "status": self.status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": rfc3339(now)})
    }

    /// As a Deployment has it: with the time of its last update.
    pub(crate) fn updated_tree(&self, now: Timestamp) -> Value {
        let mut tree = self.tree(now);
        tree["lastUpdateTime"] = json!(rfc3339(now));
        tree
    }
}

/// The conditions of a status, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conditions(Vec<Value>);

impl Conditions {
    pub(crate) fn read(status: &Value) -> Self {
        Self(list(&status["conditions"]).to_vec())
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Value> {
        self.0.iter().find(|condition| text(&condition["type"]) == kind)
    }

    /// The reason of a condition; empty when there is none.
    pub(crate) fn reason(&self, kind: &str) -> &str {
        self.get(kind).map_or("", |condition| text(&condition["reason"]))
    }

    /// When the condition was last updated.
    pub(crate) fn last_update(&self, kind: &str) -> Option<Timestamp> {
        time(&self.get(kind)?["lastUpdateTime"])
    }

    /// Sets a condition; one of the same status and reason stays as it is, one of the same status keeps the time of its
    /// transition.
    pub(crate) fn set(&mut self, condition: Value) {
        let kind = text(&condition["type"]).to_owned();
        let same = self
            .get(&kind)
            .is_some_and(|old| old["status"] == condition["status"] && old["reason"] == condition["reason"]);
        if !same {
            self.replace(condition);
        }
    }

    /// Sets a condition even when status and reason stay.
    pub(crate) fn replace(&mut self, mut condition: Value) {
        let kind = text(&condition["type"]).to_owned();
        if let Some(old) = self.get(&kind).filter(|old| old["status"] == condition["status"]) {
            condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
        }
        self.remove(&kind);
        self.0.push(condition);
    }

    pub(crate) fn remove(&mut self, kind: &str) {
        self.0.retain(|condition| text(&condition["type"]) != kind);
    }

    pub(crate) fn into_tree(self) -> Value {
        if self.0.is_empty() { Value::Null } else { Value::Array(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_a_change_of_status_is_a_transition() {
        let mut conditions = Conditions::read(&json!({"conditions": [{"type": "Mine", "status": "True"}]}));
        conditions.set(Condition::new("Progressing", "True", "A", "a").updated_tree(at(1)));
        conditions.set(Condition::new("Progressing", "True", "A", "other words").updated_tree(at(2)));
        assert_eq!(
            conditions.get("Progressing").unwrap()["message"],
            "a",
            "same status and reason: unchanged"
        );
        conditions.set(Condition::new("Progressing", "True", "B", "b").updated_tree(at(3)));
        assert_eq!(time(&conditions.get("Progressing").unwrap()["lastTransitionTime"]), Some(at(1)));
        assert_eq!(conditions.last_update("Progressing"), Some(at(3)));
        conditions.set(Condition::new("Progressing", "False", "C", "c").updated_tree(at(4)));
        assert_eq!(time(&conditions.get("Progressing").unwrap()["lastTransitionTime"]), Some(at(4)));
        assert!(conditions.get("Mine").is_some(), "conditions of others are carried over");
        conditions.remove("Progressing");
        conditions.remove("Mine");
        assert_eq!(conditions.into_tree(), Value::Null);
    }
}
