//! The kinds without pods, services or volumes: namespaces, nodes, secrets, events and their like.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::tree::{Get, Set, Tree};

/// The label says the name, so that selectors can.
pub(crate) fn namespace(tree: &mut Tree) {
    let metadata = tree.make("metadata");
    let name = metadata.text("name").to_owned();
    if !name.is_empty() {
        metadata.make("labels").put("kubernetes.io/metadata.name", name);
    }
    tree.make("spec");
    tree.make("status").default_text("phase", "Active");
}

/// The pod networks in both forms.
pub(crate) fn node(tree: &mut Tree) {
    let spec = tree.make("spec");
    let one = spec.text("podCIDR").to_owned();
    let first = spec.list("podCIDRs").first().and_then(Value::as_str).map(str::to_owned);
    match first {
        Some(first) if one.is_empty() => spec.put("podCIDR", first),
        Some(first) if first == one => {}
        _ if !one.is_empty() => spec.put("podCIDRs", json!([one])),
        _ => {}
    }
    node_status(tree.make("status"));
}

/// What can be allocated is all there is, unless said otherwise; the rest is what Kubernetes' encoder always writes.
pub(crate) fn node_status(status: &mut Tree) {
    if status.is_unset("allocatable")
        && let Some(capacity) = status.get("capacity").cloned()
    {
        status.put("allocatable", capacity);
    }
    status.make("daemonEndpoints").make("kubeletEndpoint").default_to("Port", 0);
    let info = status.make("nodeInfo");
    for field in [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ] {
        info.default_to(field, Value::from(""));
    }
}

/// The `spec` is always written.
pub(crate) fn lease(tree: &mut Tree) {
    tree.make("spec");
}

/// Empty maps are left out.
pub(crate) fn config_map(tree: &mut Tree) {
    for field in ["data", "binaryData"] {
        if tree.contains_key(field) && tree.is_unset(field) {
            tree.remove(field);
        }
    }
}

/// `stringData` is written over `data`, and is never read back.
pub(crate) fn secret(tree: &mut Tree) {
    tree.default_text("type", "Opaque");
    if let Some(Value::Object(texts)) = tree.remove("stringData")
        && !texts.is_empty()
    {
        let data = tree.make("data");
        for (key, text) in texts {
            data.insert(key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
        }
    }
    config_map(tree);
}

/// What Kubernetes' encoder always writes.
pub(crate) fn event(tree: &mut Tree) {
    for time in ["eventTime", "firstTimestamp", "lastTimestamp"] {
        tree.entry(time).or_insert(Value::Null);
    }
    tree.make("source");
    tree.make("involvedObject");
    for text in ["reportingComponent", "reportingInstance"] {
        tree.default_to(text, Value::from(""));
    }
}

/// `pkg/apis/scheduling/v1/defaults.go`.
pub(crate) fn priority_class(tree: &mut Tree) {
    tree.default_text("preemptionPolicy", "PreemptLowerPriority");
    tree.default_to("value", 0);
}
