//! Trees of objects: manifests, and patches from one tree to another.
//!
//! Knows no kind's meaning. Invariant: a patch from `old` to `new`, merged into `old`, gives `new`.

use std::sync::Arc;

use orch_core::{Key, Kind, Live, Write, kind};
use serde_json::{Map, Value, json};

/// An object as a user writes it down.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) key: Key,
    pub(super) tree: Arc<Value>,
}

impl Manifest {
    /// A manifest of a kind that the workload uses; the namespace is empty for cluster-scoped ones.
    pub(super) fn new(kind: Kind, namespace: &str, name: &str, mut tree: Value) -> Self {
        let (api_version, word) = names(kind);
        tree["apiVersion"] = json!(api_version);
        tree["kind"] = json!(word);
        tree["metadata"]["name"] = json!(name);
        let key = if namespace.is_empty() {
            Key::cluster(kind, name)
        } else {
            tree["metadata"]["namespace"] = json!(namespace);
            Key::new(kind, namespace, name)
        };
        Self { key, tree: Arc::new(tree) }
    }

    pub(super) fn create(&self) -> Write {
        Write::create(self.key.clone(), Arc::clone(&self.tree))
    }
}

fn names(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        kind::DEPLOYMENTS => ("apps/v1", "Deployment"),
        kind::REPLICA_SETS => ("apps/v1", "ReplicaSet"),
        kind::STATEFUL_SETS => ("apps/v1", "StatefulSet"),
        kind::PODS => ("v1", "Pod"),
        kind::SERVICES => ("v1", "Service"),
        kind::CONFIG_MAPS => ("v1", "ConfigMap"),
        kind::SECRETS => ("v1", "Secret"),
        kind::NAMESPACES => ("v1", "Namespace"),
        kind::NODES => ("v1", "Node"),
        kind::PRIORITY_CLASSES => ("scheduling.k8s.io/v1", "PriorityClass"),
        kind::STORAGE_CLASSES => ("storage.k8s.io/v1", "StorageClass"),
        _ => ("", ""),
    }
}

/// The merge patch that makes `new` of `old`; `None` when they are the same.
pub(super) fn patch(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut changes = Map::new();
    for (name, value) in after {
        let change = match before.get(name) {
            Some(old) => patch(old, value),
            None => Some(value.clone()).filter(|value| !value.is_null()),
        };
        changes.extend(change.map(|change| (name.clone(), change)));
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(gone.map(|name| (name.clone(), Value::Null)));
    (!changes.is_empty()).then(|| changes.into())
}

/// The write that changes a part of the spec of an object, as it is now, with a function; `None` when that changes nothing.
pub(super) fn edit(live: &Live, part: &str, change: impl FnOnce(&mut Value)) -> Option<Write> {
    let tree = live.tree();
    let mut new = tree["spec"][part].clone();
    change(&mut new);
    let patch = patch(&tree["spec"][part], &new)?;
    Some(Write::merge(live.key().clone(), json!({"spec": {part: patch}})))
}

/// The elements of a list; none when it is not there.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty when it is not there.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number; 0 when it is not there.
pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Whether an object has all of these labels.
pub(super) fn has_labels(live: &Live, labels: &Value) -> bool {
    let labels = labels.as_object();
    labels.is_some_and(|labels| {
        !labels.is_empty() && labels.iter().all(|(name, value)| live.label(name) == value.as_str())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use super::*;

    #[track_caller]
    fn check(old: Value, new: Value, expected: Option<Value>) {
        assert_eq!(patch(&old, &new), expected);
    }

    #[test]
    fn a_patch_says_what_is_new_changed_and_gone() {
        check(json!({"a": 1, "b": {"c": [1], "d": 2}}), json!({"a": 1, "b": {"c": [1], "d": 2}}), None);
        check(
            json!({"a": 1, "b": {"c": [1], "d": 2}, "x": {}}),
            json!({"b": {"c": [2], "d": 2, "e": 3}, "x": {}}),
            Some(json!({"a": null, "b": {"c": [2], "e": 3}})),
        );
        check(json!({"a": {"b": 1}}), json!({"a": 2}), Some(json!({"a": 2})));
        check(json!({"a": 1}), json!({"a": 1, "b": null}), None);
        check(Value::Null, json!({"a": 2}), Some(json!({"a": 2})));
    }
}
