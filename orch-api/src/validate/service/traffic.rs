//! How traffic gets to a service from outside and inside, and what a load balancer reports.
//!
//! Sources: `validateServiceExternalTrafficPolicy`, `validateServiceInternalTrafficFieldsValue`,
//! `validateServiceTrafficDistribution`, `validateLoadBalancerClassField`, `ValidateLoadBalancerStatus`. Not the proxy.

use orch_core::names;

use super::super::address;
use super::super::at::At;
use super::super::rules;
use super::super::same;

const LOAD_BALANCER: &str = "LoadBalancer";
const ONLY_LOAD_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";

pub(super) fn traffic(spec: &At<'_, '_>) {
    let is_load_balancer = spec.get_text("type") == LOAD_BALANCER;
    let allocate = spec.field("allocateLoadBalancerNodePorts");
    if allocate.is_set() && !is_load_balancer {
        allocate.forbidden(ONLY_LOAD_BALANCER);
    } else if !allocate.is_set() && is_load_balancer {
        // Upstream reports this one without `spec`.
        At::root(spec.value(), spec.faults()).field("allocateLoadBalancerNodePorts").required("");
    }
    load_balancer_class(spec);
    external(spec);
    let internal = spec.field("internalTrafficPolicy");
    if internal.is_set() {
        internal.one_of(&["Cluster", "Local"]);
    } else if matches!(spec.get_text("type"), "NodePort" | LOAD_BALANCER | "ClusterIP") {
        internal.required("");
    }
    let distribution = spec.field("trafficDistribution");
    distribution.optional_one_of(&["PreferClose", "PreferSameZone", "PreferSameNode"]);
}

fn load_balancer_class(spec: &At<'_, '_>) {
    let class = spec.field("loadBalancerClass");
    if !class.is_set() {
        return;
    }
    if spec.get_text("type") == LOAD_BALANCER {
        class.named(names::qualified_name);
    } else {
        class.forbidden(ONLY_LOAD_BALANCER);
    }
}

fn external(spec: &At<'_, '_>) {
    let is_external = match spec.get_text("type") {
        LOAD_BALANCER | "NodePort" => true,
        "ClusterIP" => !spec.field("externalIPs").is_empty(),
        _ => false,
    };
    let policy = spec.field("externalTrafficPolicy");
    if is_external {
        policy.required_one_of(&["Cluster", "Local"]);
    } else if !policy.is_empty() {
        policy.invalid_text("may only be set for externally-accessible services");
    }
    let health = spec.field("healthCheckNodePort");
    match (needs_health_check(spec), health.number()) {
        // It is allocated when it is not given.
        (_, 0) => {}
        (true, _) => rules::port_number(&health),
        (false, _) => health.invalid_number(
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
    }
}

fn needs_health_check(spec: &At<'_, '_>) -> bool {
    spec.get_text("type") == LOAD_BALANCER && spec.get_text("externalTrafficPolicy") == "Local"
}

/// What may not change.
pub(super) fn changes(new: &At<'_, '_>, old: &At<'_, '_>) {
    let class = new.field("loadBalancerClass");
    let both = |holds: fn(&At<'_, '_>) -> bool| holds(new) && holds(old);
    if both(|spec| spec.get_text("type") == LOAD_BALANCER)
        && !same::same(class.value(), old.get("loadBalancerClass"))
    {
        class.invalid("may not change once set");
    }
    load_balancer_class(new);
    let health = new.field("healthCheckNodePort");
    if both(needs_health_check) && health.number() != old.field("healthCheckNodePort").number() {
        health.forbidden("field is immutable");
    }
}

/// `ValidateLoadBalancerStatus`.
pub(super) fn load_balancer_status(status: &At<'_, '_>, old: &At<'_, '_>, spec: &At<'_, '_>) {
    let ingress = status.field("ingress");
    if spec.get_text("type") != LOAD_BALANCER {
        if !ingress.is_empty() {
            ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'");
        }
        return;
    }
    let before = old.field("ingress");
    let existing = before.items().map(|point| point.get_text("ip")).filter(|ip| !ip.is_empty()).collect();
    for point in ingress.items() {
        let (ip, mode, host) = (point.field("ip"), point.field("ipMode"), point.field("hostname"));
        if !ip.is_empty() {
            address::ip(&ip, &existing);
        }
        match (ip.is_empty(), mode.is_set()) {
            (false, false) => mode.required("must be specified when `ip` is set"),
            (true, true) => mode.forbidden("may not be specified when `ip` is not set"),
            (false, true) => mode.one_of(&["Proxy", "VIP"]),
            (true, false) => {}
        }
        host.optional_name(names::dns1123_subdomain);
        if address::parse(host.text()).is_some() {
            host.invalid_text("must be a DNS name, not an IP address");
        }
    }
}
