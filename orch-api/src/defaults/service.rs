//! Services and endpoint slices. Addresses and ports are allocated elsewhere.

use serde_json::{Value, json};

use crate::tree::{Get, Set, Tree};

/// Three hours (`pkg/apis/core/types.go`, `DefaultClientIPServiceAffinitySeconds`).
const AFFINITY_SECS: i64 = 10_800;

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_Service`.
pub(crate) fn service(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_text("sessionAffinity", "None");
    if spec.text("sessionAffinity") == "None" {
        spec.remove("sessionAffinityConfig");
    }
    if spec.text("sessionAffinity") == "ClientIP" {
        let given = spec.object_at("sessionAffinityConfig").and_then(|config| config.object_at("clientIP"));
        if given.and_then(|client| client.at("timeoutSeconds")).is_none() {
            spec.put("sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": AFFINITY_SECS}}));
        }
    }
    spec.default_text("type", "ClusterIP");
    for port in spec.objects_mut("ports") {
        port.default_text("protocol", "TCP");
        let unset = port.is_unset("targetPort") || port.number("targetPort") == Some(0);
        if unset && let Some(number) = port.get("port").cloned() {
            port.put("targetPort", number);
        }
    }
    let external = matches!(spec.text("type"), "NodePort" | "LoadBalancer");
    if external || (spec.text("type") == "ClusterIP" && !spec.is_unset("externalIPs")) {
        spec.default_text("externalTrafficPolicy", "Cluster");
    }
    if external || spec.text("type") == "ClusterIP" {
        spec.default_text("internalTrafficPolicy", "Cluster");
    }
    if spec.text("type") == "LoadBalancer" {
        spec.default_to("allocateLoadBalancerNodePorts", true);
    }
}

/// The load balancer's state is always written.
pub(crate) fn service_status(status: &mut Tree) {
    let balancer = status.make("loadBalancer");
    for ingress in balancer.objects_mut("ingress") {
        if !ingress.is_unset("ip") {
            ingress.default_text("ipMode", "VIP");
        }
    }
}

/// `pkg/apis/discovery/v1/defaults.go`.
pub(crate) fn endpoint_slice(tree: &mut Tree) {
    for port in tree.objects_mut("ports") {
        port.default_to("name", Value::from(""));
        port.default_text("protocol", "TCP");
    }
    for endpoint in tree.objects_mut("endpoints") {
        endpoint.make("conditions");
    }
}
