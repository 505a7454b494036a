//! Before a pod is created: what its runtime class adds to it (`plugin/pkg/admission/runtimeclass/admission.go`,
//! `pkg/util/tolerations/tolerations.go`).
//!
//! Invariant: a pod without a class has no overhead.

use orch_core::{Key, Result, kind};
use serde_json::Value;

use super::batch::Of;
use super::facts::Facts;
use crate::tree::{Get, Set, Tree};

impl Of<'_> {
    pub(super) async fn runtime_class(&self, spec: &mut Tree, facts: &mut Facts<'_>) -> Result<()> {
        let class = match spec.text("runtimeClassName") {
            "" => None,
            name => {
                let class = facts.find(&Key::cluster(kind::RUNTIME_CLASSES, name)).await?;
                let absent = || self.forbidden(format!("pod rejected: RuntimeClass {name:?} not found"));
                Some(class.ok_or_else(absent)?.tree())
            }
        };
        let part = |field: &str| class.as_ref().and_then(|class| class.at(field));
        let overhead = part("overhead").and_then(|overhead| overhead.at("podFixed"));
        match (overhead, spec.is_unset("overhead")) {
            (None, true) => {}
            (None, false) => {
                let why =
                    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
                return Err(self.forbidden(why));
            }
            (Some(overhead), false) if spec.get("overhead") != Some(overhead) => {
                let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
                return Err(self.forbidden(why));
            }
            (Some(overhead), _) => spec.put("overhead", overhead.clone()),
        }
        let Some(scheduling) = part("scheduling") else { return Ok(()) };
        self.select_nodes(spec, scheduling)?;
        let both: Vec<Value> =
            spec.list("tolerations").iter().chain(scheduling.list("tolerations")).cloned().collect();
        if !both.is_empty() {
            spec.put("tolerations", merged(&both));
        }
        Ok(())
    }

    fn select_nodes(&self, spec: &mut Tree, scheduling: &Value) -> Result<()> {
        let Some(added) = scheduling.object_at("nodeSelector") else { return Ok(()) };
        for (label, value) in added {
            let value = value.as_str().unwrap_or_default();
            let own = spec.object_at("nodeSelector").and_then(|selector| selector.get(label)?.as_str());
            if let Some(own) = own.filter(|own| *own != value) {
                return Err(self.forbidden(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{label}] = {value}; \
                     pod.spec.nodeSelector[{label}] = {own}"
                )));
            }
            spec.make("nodeSelector").put(label, value);
        }
        Ok(())
    }
}

/// Tolerations without those that another one covers.
fn merged(all: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let is_covered = merged.iter().any(|other| covers(other, one))
            || all[at + 1..].iter().any(|other| other != one && covers(other, one));
        if !is_covered {
            merged.push(one.clone());
        }
    }
    merged
}

/// Whether a toleration tolerates everything that another one does.
fn covers(all: &Value, one: &Value) -> bool {
    let same = |field: &str| all.text(field) == one.text(field);
    let is_any_key = all.text("key").is_empty() && all.text("operator") == "Exists";
    let lasts = match all.number("tolerationSeconds") {
        Some(secs) if all.text("effect") == "NoExecute" => {
            one.number("tolerationSeconds").is_some_and(|other| other <= secs)
        }
        _ => true,
    };
    let is_value_covered = match all.text("operator") {
        "" | "Equal" => one.text("operator") == "Equal" && same("value"),
        operator => operator == "Exists",
    };
    all == one
        || (same("key") || is_any_key)
            && (same("effect") || all.text("effect").is_empty())
            && lasts
            && is_value_covered
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tolerations_that_others_cover_are_left_out() {
        let everything = json!({"operator": "Exists"});
        let of = |secs: i64| json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": secs});
        let equal = json!({"key": "a", "operator": "Equal", "value": "x", "effect": "NoExecute"});
        for (all, expected) in [
            (vec![equal.clone(), everything.clone()], vec![everything.clone()]),
            (vec![of(5), of(9), of(9)], vec![of(9)]),
            (vec![of(9), equal.clone()], vec![of(9), equal.clone()]),
            (vec![json!({"key": "b"}), equal.clone()], vec![json!({"key": "b"}), equal]),
        ] {
            assert_eq!(merged(&all), expected);
        }
    }
}
