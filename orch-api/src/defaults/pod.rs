//! Pods and the pod templates of workloads.

use orch_core::Quantity;
use serde_json::{Value, json};

use super::container::{container, host_ports, quantity, requests_from_limits};
use super::volume::volume;
use crate::tree::{Get, Set, Tree};

/// A pod: what a template has, and what only a pod has.
pub(crate) fn pod(tree: &mut Tree) {
    let spec = tree.make("spec");
    for list in ["containers", "initContainers"] {
        spec.objects_mut(list).for_each(requests_from_limits);
    }
    pod_requests(spec);
    spec.default_to("enableServiceLinks", true);
    if spec.at("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            spec.objects_mut(list).for_each(host_ports);
        }
    }
    pod_spec(spec);
}

/// The `template` of a workload.
pub(super) fn template(tree: &mut Tree) {
    let template = tree.make("template");
    template.make("metadata");
    super::metadata(template);
    pod_spec(template.make("spec"));
}

fn pod_spec(spec: &mut Tree) {
    spec.default_text("dnsPolicy", "ClusterFirst");
    spec.default_text("restartPolicy", "Always");
    spec.default_text("schedulerName", "default-scheduler");
    spec.default_to("terminationGracePeriodSeconds", 30);
    spec.make("securityContext");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        spec.objects_mut(list).for_each(container);
    }
    spec.objects_mut("volumes").for_each(volume);
    // The older name of the field always says the same.
    if spec.text("serviceAccountName").is_empty() {
        if !spec.text("serviceAccount").is_empty() {
            let name = spec["serviceAccount"].clone();
            spec.put("serviceAccountName", name);
        }
    } else {
        let name = spec["serviceAccountName"].clone();
        spec.put("serviceAccount", name);
    }
}

/// Requests of the whole pod that are not given: what its containers request, else the limit.
fn pod_requests(spec: &mut Tree) {
    let Some(limits) =
        spec.object_at("resources").and_then(|resources| resources.object_at("limits")).cloned()
    else {
        return;
    };
    let mut wanted = Vec::new();
    for (resource, limit) in limits {
        let asked = spec.list("containers").iter().filter_map(Value::as_object);
        let asked: Vec<Quantity> =
            asked.filter_map(|container| quantity(container, "requests", &resource)?.parse().ok()).collect();
        let sum = asked.into_iter().reduce(|sum, one| sum + one);
        wanted.push((resource, sum.map_or(limit, |sum| Value::from(sum.to_string()))));
    }
    let requests = spec.make("resources").make("requests");
    for (resource, value) in wanted {
        requests.entry(resource).or_insert(value);
    }
}

/// The status of a pod: its addresses in both forms, and the times that are always written in conditions.
pub(crate) fn pod_status(status: &mut Tree) {
    addresses(status, "podIP", "podIPs");
    if status.at("hostIP").is_some() {
        addresses(status, "hostIP", "hostIPs");
    }
    super::conditions(status, &["lastProbeTime", "lastTransitionTime"]);
}

/// The older single field and the first of the list say the same (`pkg/apis/core/v1/conversion.go`).
fn addresses(status: &mut Tree, one: &str, many: &str) {
    let ip = status.text(one).to_owned();
    let first = status.list(many).first().map(|first| first.text("ip").to_owned());
    match first {
        Some(first) if ip.is_empty() => status.put(one, first),
        Some(first) if first == ip => {}
        _ if !ip.is_empty() => status.put(many, json!([{"ip": ip}])),
        _ => {}
    }
}
