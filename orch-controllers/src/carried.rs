//! Lists of conditions in a status: one is set, the others are carried over as they are.
//!
//! A merge patch replaces a list whole, so what others wrote stands in the new list too; the write needs the revision
//! that the list was read at.

use jiff::Timestamp;
use orch_core::rfc3339;
use serde_json::{Map, Value, json};

use crate::json::list;

/// One condition to set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition<'a> {
    pub(crate) kind: &'a str,
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// The list with the condition set, or `None` when it says so already. The transition time changes with the status only.
pub(crate) fn set(conditions: &Value, condition: Condition<'_>, now: Timestamp) -> Option<Value> {
    let mut all: Vec<Value> = list(conditions).to_vec();
    let Condition { kind, status, reason, message } = condition;
    let fields = [("status", status), ("reason", reason), ("message", message)];
    let Some(present) = all.iter_mut().find(|present| present["type"] == kind) else {
        all.push(json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": rfc3339(now)}));
        return Some(all.into());
    };
    if fields.iter().all(|(field, value)| present[*field].as_str().unwrap_or_default() == *value) {
        return None;
    }
    if present["status"] != status {
        put(present, "lastTransitionTime", rfc3339(now).into());
    }
    for (field, value) in fields {
        put(present, field, value.into());
    }
    Some(all.into())
}

/// Sets a field of an object; what is no object becomes one.
pub(crate) fn put(value: &mut Value, field: &str, to: Value) {
    match value {
        Value::Object(fields) => _ = fields.insert(field.to_owned(), to),
        other => *other = Value::Object(Map::from_iter([(field.to_owned(), to)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);
    const READY: Condition<'static> = Condition { kind: "Ready", status: "True", reason: "R", message: "m" };

    #[test]
    fn others_are_carried_over_and_the_transition_time_follows_the_status() {
        let before = json!([{"type": "Own", "status": "x", "extra": 1},
            {"type": "Ready", "status": "True", "reason": "Old", "message": "m", "lastTransitionTime": "t", "extra": 2}]);
        let same = set(&before, READY, NOW).unwrap();
        assert_eq!(same[0], before[0]);
        assert_eq!(same[1]["lastTransitionTime"], "t");
        assert_eq!((&same[1]["reason"], &same[1]["extra"]), (&json!("R"), &json!(2)));
        let other = set(&before, Condition { status: "False", ..READY }, NOW).unwrap();
        assert_eq!(other[1]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(set(&same, READY, NOW), None, "nothing to write twice");
        assert_eq!(set(&Value::Null, READY, NOW).unwrap()[0]["status"], "True");
    }
}
