//! A workload as `autoscaling/v1` Scale (`pkg/registry/apps/*/storage`): what the subresource `scale` shows and patches change.
//!
//! Not the writing of it. Invariant: a Scale has the revision of its object.

use orch_core::selector::Selector;
use serde_json::{Map, Value, json};

use crate::tree::Get;

/// The scale of an object, given with its revision.
pub(crate) fn scale(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].at(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    // An empty count is left out, as Go does.
    if let Some(replicas) = object["spec"].number("replicas").filter(|replicas| *replicas != 0) {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    let mut status = json!({"replicas": object["status"].number("replicas").unwrap_or(0)});
    let selector = selector(&object["spec"]["selector"]);
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

/// A selector as text; a ReplicationController's is plain labels.
fn selector(selector: &Value) -> String {
    let is_plain = selector.at("matchLabels").is_none() && selector.at("matchExpressions").is_none();
    let selector = if is_plain { json!({"matchLabels": selector}) } else { selector.clone() };
    Selector::from_value(&selector).map(|selector| selector.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_what_kubernetes_makes_of_a_workload() {
        let object = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
            "labels": {"a": "b"}}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"replicas": 2}});
        assert_eq!(
            scale(&object),
            json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
                "spec": {"replicas": 3}, "status": {"replicas": 2, "selector": "app=web"}})
        );
    }
}
