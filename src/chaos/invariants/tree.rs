//! Reads trees and headers of objects, for every invariant.
//!
//! Nothing of the controllers' own readers is used: what they misread must show. What is absent or of a wrong type is
//! empty; nothing here fails.

use std::any::TypeId;

use jiff::{SignedDuration, Timestamp};
use orch_core::object::Part;
use orch_core::view::{Projection, Table, View};
use orch_core::{Header, Object, Str};
use serde_json::Value;

/// Whether a write was made by a person, a fault or the beginning: they may do anything.
pub(super) fn is_person(actor: &str) -> bool {
    matches!(actor, "user" | "fault" | "bootstrap")
}

/// The node whose agent an actor is.
pub(super) fn agent_of(actor: &str) -> Option<&str> {
    actor.strip_prefix("node/")
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The condition of that type in a status.
pub(super) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&status["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// Whether the condition of that type is true.
pub(super) fn holds(status: &Value, kind: &str) -> bool {
    condition(status, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Whether a pod has been ready for so many seconds; `None` while that may change with time alone.
pub(super) fn is_available(status: &Value, min_ready_secs: i64, now: Timestamp) -> Option<bool> {
    let Some(ready) = condition(status, "Ready").filter(|ready| ready["status"] == "True") else {
        return Some(false);
    };
    if min_ready_secs <= 0 {
        return Some(true);
    }
    let since = time(&ready["lastTransitionTime"])?;
    // Clocks of parts are skewed, so a moment near the border decides nothing.
    let age = now.duration_since(since);
    let (early, late) =
        (SignedDuration::from_secs(min_ready_secs - 5), SignedDuration::from_secs(min_ready_secs + 5));
    if age < early {
        Some(false)
    } else if age > late {
        Some(true)
    } else {
        None
    }
}

/// One field of a part, decoded alone: whoever asks for one of many objects need not decode the rest.
pub(super) fn field(object: &Object, part: Part, name: &str) -> Value {
    let json = object.part_field(part, name).unwrap_or(b"null");
    serde_json::from_slice(json).unwrap_or_default()
}

/// Whether the condition of that type is true in an object's status.
pub(super) fn is_true(object: &Object, kind: &str) -> bool {
    let conditions = field(object, Part::Status, "conditions");
    list(&conditions).iter().any(|one| one["type"] == kind && one["status"] == "True")
}

/// The node that a pod is bound to; empty before.
pub(super) fn node_of(pod: &Object) -> &str {
    pod.field("spec.nodeName").unwrap_or_default()
}

/// The phase of a pod, namespace or the like whose kind declares it.
pub(super) fn phase_of(object: &Object) -> &str {
    object.field("status.phase").unwrap_or_default()
}

/// Whether a pod has ended for good.
pub(super) fn is_terminal(pod: &Object) -> bool {
    matches!(phase_of(pod), "Succeeded" | "Failed")
}

/// Whether a pod counts as one of its controller's: not ended and not being deleted.
pub(super) fn is_active(pod: &Object) -> bool {
    !is_terminal(pod) && !pod.header().is_terminating()
}

/// The uid of the controller of an object when it is of that kind.
pub(super) fn controller<'a>(header: &'a Header, kind: &str) -> Option<&'a Str> {
    header.controller().filter(|owner| &*owner.kind == kind).map(|owner| &owner.uid)
}

/// A number of pods that a rollout may lack or have too many, of so many (`util/intstr/intstr.go`,
/// `GetScaledValueFromIntOrPercent`). `None` when it is not there.
pub(super) fn scaled(value: &Value, total: i64, round: Round) -> Option<i64> {
    match value {
        Value::String(percent) => {
            let percent: i64 = percent.strip_suffix('%')?.parse().ok()?;
            let hundredths = percent * total;
            Some(match round {
                Round::Up => (hundredths + 99).div_euclid(100),
                Round::Down => hundredths.div_euclid(100),
            })
        }
        value => value.as_i64(),
    }
}

/// Where a fraction of a pod goes.
#[derive(Clone, Copy)]
pub(super) enum Round {
    Up,
    Down,
}

/// The ordinal in the name of a StatefulSet's pod.
pub(super) fn ordinal(set: &str, pod: &str) -> Option<i64> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let ordinal: i64 = digits.parse().ok()?;
    (ordinal >= 0 && ordinal.to_string() == digits).then_some(ordinal)
}

/// Whether two pod templates say the same, the hash label of ReplicaSets aside (`EqualIgnoreHash` of
/// `pkg/controller/deployment/util/deployment_util.go`).
pub(super) fn same_template(one: &Value, other: &Value) -> bool {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let covered = |left: &serde_json::Map<String, Value>, right: &serde_json::Map<String, Value>| {
                left.iter().all(|(name, value)| match right.get(name) {
                    _ if name == "pod-template-hash" => true,
                    Some(found) => same_template(value, found),
                    None => says_nothing(value),
                })
            };
            covered(one, other)
                && other.iter().all(|(name, value)| {
                    one.contains_key(name) || name == "pod-template-hash" || says_nothing(value)
                })
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_template(one, other))
        }
        (one, other) => one == other || (says_nothing(one) && says_nothing(other)),
    }
}

/// The table of a projection, if the view has it.
pub(super) fn table<P: Projection>(view: &dyn View) -> Option<&Table<P>> {
    view.table(TypeId::of::<P>()).and_then(|table| table.downcast_ref())
}

/// `Ok` when both are the same, else a sentence.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, {expected:?} is true")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_are_resolved_as_upstream() {
        let check = |value: Value, round, expected| assert_eq!(scaled(&value, 10, round), expected);
        check(json!("25%"), Round::Up, Some(3));
        check(json!("25%"), Round::Down, Some(2));
        check(json!(4), Round::Down, Some(4));
        check(json!(null), Round::Up, None);
    }

    #[test]
    fn ordinals_are_those_that_a_set_gives() {
        assert_eq!(ordinal("db", "db-10"), Some(10));
        assert_eq!(ordinal("db", "db-01"), None);
        assert_eq!(ordinal("db", "db-x-1"), None);
    }

    #[test]
    fn templates_are_compared_without_their_hash() {
        let labelled = |hash: &str| json!({"metadata": {"labels": {"app": "a", "pod-template-hash": hash}}, "spec": {"a": []}});
        assert!(same_template(&labelled("1"), &labelled("2")));
        assert!(same_template(&labelled("1"), &json!({"metadata": {"labels": {"app": "a"}}, "spec": {}})));
        assert!(!same_template(&labelled("1"), &json!({"metadata": {"labels": {"app": "b"}}, "spec": {}})));
    }

    #[test]
    fn availability_near_the_border_is_open() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let since = |secs: i64| {
            let at = orch_core::rfc3339(now - SignedDuration::from_secs(secs));
            json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}]})
        };
        assert_eq!(is_available(&since(40), 10, now), Some(true));
        assert_eq!(is_available(&since(11), 10, now), None);
        assert_eq!(is_available(&since(1), 10, now), Some(false));
        assert_eq!(is_available(&since(0), 0, now), Some(true));
    }
}
