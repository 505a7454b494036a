//! The subresource `scale`: a workload as `autoscaling/v1` Scale (`pkg/registry/apps/*/storage`).
//!
//! Writes of it are the Api's; here the object that it answers becomes a Scale. Invariant: a Scale has the revision of its
//! object.

use http::Response;
use orch_core::selector::Selector;
use orch_core::{Object, Revision};
use serde_json::{Map, Value, json};

use super::body::{self, Answer, Body};
use super::call::Call;
use super::output;
use super::query::revision;
use super::read::arrived;
use super::status::Status;
use crate::tree::Get;

pub(super) async fn get(call: Call) -> Answer {
    let at_least = revision(&call.request.query)?.unwrap_or(Revision::ZERO);
    let (key, api) = (call.key(), &call.api);
    let live = arrived(&call, || Box::pin(api.get(&key, at_least))).await?;
    answer(&call, live.object())
}

/// A Scale as the answer.
pub(super) fn answer(call: &Call, object: &Object) -> Result<Response<Body>, Status> {
    let tree = scale(&object.to_tree());
    Ok(output::warn(call, body::tree(200, call.form.encoding, &tree)))
}

fn scale(object: &Value) -> Value {
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
