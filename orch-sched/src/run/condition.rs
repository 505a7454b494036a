//! Conditions of a pod as the scheduler sets them, and the patch that sets one.
//!
//! As `UpdatePodCondition` of `pkg/api/v1/pod/util.go`. A patch replaces the whole list, so it holds at one revision only.
//! Invariant: there is no patch where nothing would change.

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::{Object, Write, rfc3339};
use serde_json::{Value, json};

/// What is to be said of a pod.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The node that the pod is promised.
    pub(super) nominated: Option<String>,
}

impl Saying {
    /// It was not placed.
    pub(super) fn unplaced(reason: &'static str, message: String) -> Self {
        Self { kind: "PodScheduled", status: "False", reason, message, nominated: None }
    }

    /// The write that says it, when it is not said yet.
    pub(super) fn write(&self, pod: &Object, now: Timestamp) -> Option<Write> {
        let status: Value = pod.part_to(Part::Status).unwrap_or_default();
        let mut conditions: Vec<Value> = status["conditions"].as_array().cloned().unwrap_or_default();
        let at = conditions.iter().position(|condition| condition["type"] == self.kind);
        let before = at.map_or(&Value::Null, |at| &conditions[at]);
        let same_status = before["status"] == self.status;
        let said = same_status && before["reason"] == self.reason && before["message"] == self.message;
        let promised =
            self.nominated.as_ref().is_none_or(|node| status["nominatedNodeName"] == node.as_str());
        if said && promised {
            return None;
        }
        let now = rfc3339(now);
        let since = before["lastTransitionTime"].as_str().filter(|_| same_status).unwrap_or(&now);
        let mut condition = json!({"type": self.kind, "status": self.status, "reason": self.reason,
            "message": self.message, "lastProbeTime": null, "lastTransitionTime": since});
        let generation = pod.header().generation;
        if generation > 0 {
            condition["observedGeneration"] = json!(generation);
        }
        match at {
            Some(at) => conditions[at] = condition,
            None => conditions.push(condition),
        }
        let mut patch = json!({"status": {"conditions": conditions}});
        if let Some(node) = &self.nominated {
            patch["status"]["nominatedNodeName"] = json!(node);
        }
        Some(Write::merge_status(pod.key().clone(), patch).of(pod.uid()).at(pod.revision()))
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Patch, Registry, Revision, Verb, kind};

    use super::*;

    fn pod(status: &Value) -> Object {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let tree = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u", "generation": 3}, "status": status});
        Object::encode(&info, &tree).unwrap().at(Revision(7))
    }

    fn patch(saying: &Saying, status: &Value) -> Option<Value> {
        let write = saying.write(&pod(status), Timestamp::UNIX_EPOCH)?;
        assert_eq!(
            (write.precondition.revision, write.precondition.uid.as_deref()),
            (Some(Revision(7)), Some("u"))
        );
        let Verb::Patch(Patch::Merge(patch)) = write.verb else { panic!("no patch") };
        Some(patch["status"].clone())
    }

    #[test]
    fn other_conditions_stay_and_the_same_is_not_said_twice() {
        let saying = Saying::unplaced("Unschedulable", "why".to_owned());
        let ready = json!({"type": "example.com/ready", "status": "True"});
        let first = patch(&saying, &json!({"conditions": [ready]})).unwrap();
        assert_eq!(first["conditions"][0], ready);
        let said = &first["conditions"][1];
        assert_eq!((&said["status"], &said["message"]), (&json!("False"), &json!("why")));
        assert_eq!(
            (&said["observedGeneration"], &said["lastTransitionTime"]),
            (&json!(3), &json!("1970-01-01T00:00:00Z"))
        );
        assert!(patch(&saying, &first).is_none());
    }

    #[test]
    fn the_time_stays_while_the_status_does() {
        let early = "1969-01-01T00:00:00Z";
        let before = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "before", "lastTransitionTime": early}]});
        let saying = Saying::unplaced("Unschedulable", "after".to_owned());
        assert_eq!(patch(&saying, &before).unwrap()["conditions"][0]["lastTransitionTime"], early);
    }

    #[test]
    fn a_promise_is_said_with_it() {
        let promised =
            Saying { nominated: Some("n".to_owned()), ..Saying::unplaced("Unschedulable", "why".to_owned()) };
        let status = patch(&promised, &json!({})).unwrap();
        assert_eq!(status["nominatedNodeName"], "n");
        assert!(patch(&promised, &status).is_none());
    }
}
