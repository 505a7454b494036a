//! What a write through a subresource may change: the rest stays what it was
//! (`dropNonEphemeralContainerUpdates` and `dropNonResizeUpdates` of `pkg/registry/core/pod/strategy.go`, and
//! `PrepareForUpdate` of the strategies of statuses).
//!
//! Not whether the change makes sense. Invariant: what says which object it is stays.

use orch_core::{Kind, Subresource, kind};
use serde_json::Value;

use crate::tree::{Get, Set, Tree};

/// Takes back what a write through that subresource does not change.
pub(crate) fn narrow(subresource: Subresource, new: &mut Tree, old: &Tree) {
    match subresource {
        Subresource::EphemeralContainers => {
            let added = new.object_mut("spec").and_then(|spec| spec.remove("ephemeralContainers"));
            keep(new, old);
            set(new.make("spec"), "ephemeralContainers", added);
        }
        Subresource::Resize => resize(new, old),
        _ => {}
    }
}

/// Kinds whose metadata does not change with their status.
const WITH_METADATA_OF_THEIR_OWN: &[Kind] = &[
    kind::API_SERVICES,
    kind::CUSTOM_RESOURCE_DEFINITIONS,
    kind::FLOW_SCHEMAS,
    kind::PRIORITY_LEVEL_CONFIGURATIONS,
    kind::RESOURCE_CLAIMS,
    kind::SERVICE_CIDRS,
    kind::VALIDATING_ADMISSION_POLICIES,
    kind::VOLUME_ATTACHMENTS,
];

/// The fields of metadata that a write of the status may change.
pub(crate) fn metadata_with_status(kind: Kind) -> &'static [&'static str] {
    match kind {
        kind::PODS => &["annotations", "finalizers", "labels"],
        kind::DEPLOYMENTS => &["annotations", "finalizers", "ownerReferences"],
        kind if WITH_METADATA_OF_THEIR_OWN.contains(&kind) => &[],
        _ => &["annotations", "finalizers", "labels", "ownerReferences"],
    }
}

fn keep(new: &mut Tree, old: &Tree) {
    for field in ["metadata", "spec", "status"] {
        new.copy_from(old, field);
    }
}

fn set(spec: &mut Tree, field: &str, value: Option<Value>) {
    match value {
        Some(value) => spec.put(field, value),
        None => drop(spec.remove(field)),
    }
}

/// Resources and resize policies of containers, and resources of the pod.
fn resize(new: &mut Tree, old: &Tree) {
    const LISTS: [&str; 2] = ["containers", "initContainers"];
    let (empty, none) = (Tree::new(), Tree::new());
    let before = old.object_at("spec").unwrap_or(&empty);
    let after = new.object_at("spec").unwrap_or(&none);
    // Validation refuses containers that come or go.
    if LISTS.iter().any(|list| before.list(list).len() != after.list(list).len()) {
        return;
    }
    let lists = LISTS.map(|list| containers(after.list(list), before.list(list)));
    let resources = after.get("resources").cloned();
    keep(new, old);
    let spec = new.make("spec");
    set(spec, "resources", resources);
    for (name, list) in LISTS.into_iter().zip(lists) {
        if !list.is_empty() {
            spec.put(name, list);
        }
    }
}

/// The old containers with what may change of the new ones; other names are for validation to refuse.
fn containers(new: &[Value], old: &[Value]) -> Vec<Value> {
    if new.iter().zip(old).any(|(new, old)| new.text("name") != old.text("name")) {
        return new.to_vec();
    }
    let merged = |(new, old): (&Value, &Value)| {
        let mut container = old.clone();
        if let (Some(fields), Some(new)) = (container.as_object_mut(), new.as_object()) {
            fields.copy_from(new, "resources");
            fields.copy_from(new, "resizePolicy");
        }
        container
    };
    new.iter().zip(old).map(merged).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(subresource: Subresource, spec: Value, expected: Value) {
        let pod =
            |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec, "status": {"phase": "Running"}});
        let old =
            pod(json!({"containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}}}],
            "restartPolicy": "Always"}));
        let mut new = json!({"metadata": {"name": "a", "labels": {"l": "v"}}, "spec": spec, "status": {}});
        narrow(subresource, new.as_object_mut().unwrap(), old.as_object().unwrap());
        assert_eq!(new, pod(expected));
    }

    #[test]
    fn only_what_the_subresource_is_for_changes() {
        let added = json!([{"name": "debug", "image": "y"}]);
        check(
            Subresource::EphemeralContainers,
            json!({"containers": [], "ephemeralContainers": added}),
            json!({"containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}}}],
                "restartPolicy": "Always", "ephemeralContainers": added}),
        );
        check(
            Subresource::Resize,
            json!({"containers": [{"name": "c", "image": "z", "resources": {"limits": {"cpu": "2"}}}]}),
            json!({"containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "2"}}}],
                "restartPolicy": "Always"}),
        );
    }

    #[test]
    fn containers_that_come_or_go_are_for_validation() {
        let old = json!({"spec": {"containers": [{"name": "a"}]}});
        for containers in [json!([]), json!([{"name": "b"}])] {
            let mut new = json!({"spec": {"containers": containers}});
            narrow(Subresource::Resize, new.as_object_mut().unwrap(), old.as_object().unwrap());
            assert_eq!(new["spec"]["containers"], containers);
        }
    }
}
