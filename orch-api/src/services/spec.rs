//! The fields of a service that belong to allocation: what is carried over, synchronised or dropped on a write.
//!
//! After `pkg/registry/core/service/storage/storage.go` (`patchAllocatedValues`, `normalizeClusterIPs`), `alloc.go` beside it
//! (`initIPFamilyFields`) and `pkg/registry/core/service/strategy.go` (`dropTypeDependentFields`). Pure.

use orch_core::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::tree::{Get, Set, Tree};

/// Whether a service of that spec has an address of its own.
pub(super) fn has_cluster_ip(spec: &Tree) -> bool {
    let first = spec.list("clusterIPs").first().and_then(Value::as_str).unwrap_or_default();
    spec.text("type") != "ExternalName" && first != "None" && spec.text("clusterIP") != "None"
}

/// Whether its ports are published on nodes.
pub(super) fn has_node_ports(spec: &Tree) -> bool {
    match spec.text("type") {
        "NodePort" => true,
        "LoadBalancer" => {
            spec.at("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)) || any_node_port(spec)
        }
        _ => false,
    }
}

fn any_node_port(spec: &Tree) -> bool {
    spec.list("ports").iter().any(|port| port.number("nodePort").unwrap_or_default() != 0)
}

/// Address families, and both forms of the address. `family` is that of the cluster, which has one.
///
/// # Errors
/// What the cluster does not have.
pub(crate) fn families(spec: &mut Tree, family: &str) -> Result<(), Vec<Fault>> {
    complete_families(spec, family);
    let is_free = !has_cluster_ip(spec) && spec.is_unset("selector");
    let families: Vec<_> = spec.list("ipFamilies").iter().filter_map(Value::as_str).collect();
    // Validation has more to say about what is no family.
    let is_known = families.iter().all(|family| matches!(*family, "IPv4" | "IPv6"));
    if spec.text("type") == "ExternalName" || is_free || !is_known {
        return Ok(());
    }
    let invalid = |field: String, value: &str, why: &str| {
        Fault::new(FaultKind::Invalid, field, why).value(format!("{value:?}"))
    };
    let mut faults = Vec::new();
    let policy = spec.text("ipFamilyPolicy");
    if policy == "SingleStack" && families.len() == 2 {
        let why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified";
        return Err(vec![invalid("spec.ipFamilyPolicy".to_owned(), policy, why)]);
    }
    if policy == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        faults.push(invalid("spec.ipFamilyPolicy".to_owned(), policy, why));
    }
    for (at, other) in families.iter().enumerate().filter(|(_, other)| **other != family) {
        faults.push(invalid(format!("spec.ipFamilies[{at}]"), other, "not configured on this cluster"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn complete_families(spec: &mut Tree, family: &str) {
    // Of any type: validation refuses an address where there can be none.
    if spec.is_unset("clusterIPs") && !spec.is_unset("clusterIP") {
        let ip = spec["clusterIP"].clone();
        spec.put("clusterIPs", json!([ip]));
    }
    if spec.text("type") == "ExternalName" {
        return;
    }
    let headless = !has_cluster_ip(spec);
    if headless && spec.is_unset("selector") {
        // Whoever makes the endpoints of such a service decides; both families are allowed.
        if spec.is_unset("ipFamilies") {
            let single = spec.text("ipFamilyPolicy") == "SingleStack";
            let other = if family == "IPv4" { "IPv6" } else { "IPv4" };
            spec.put("ipFamilies", if single { json!([family]) } else { json!([family, other]) });
        }
        spec.default_text("ipFamilyPolicy", "RequireDualStack");
        return;
    }
    spec.default_text("ipFamilyPolicy", "SingleStack");
    if spec.is_unset("ipFamilies") {
        spec.put("ipFamilies", json!([family]));
    }
}

/// Completes an update by what the stored service has and the client did not name, and drops what no longer fits its type.
pub(crate) fn carry_over(spec: &mut Tree, old: &Tree) {
    if has_cluster_ip(old) && has_cluster_ip(spec) {
        if spec.is_unset("clusterIP") {
            spec.copy_from(old, "clusterIP");
        }
        if spec.is_unset("clusterIPs") && spec.get("clusterIP") == old.get("clusterIP") {
            spec.copy_from(old, "clusterIPs");
        }
    }
    if has_node_ports(old) && has_node_ports(spec) {
        node_ports(spec, old);
    }
    let health =
        |spec: &Tree| spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local";
    if health(old) && health(spec) && spec.number("healthCheckNodePort").unwrap_or_default() == 0 {
        spec.copy_from(old, "healthCheckNodePort");
    }
    for field in ["ipFamilyPolicy", "ipFamilies"] {
        if spec.text("type") != "ExternalName" && old.text("type") != "ExternalName" && spec.is_unset(field) {
            spec.copy_from(old, field);
        }
    }
    normalize(spec, old);
    drop_by_type(spec, old);
}

/// A port keeps its node port by name, unless another port asks for it.
fn node_ports(spec: &mut Tree, old: &Tree) {
    let number = |port: &Value| port.number("nodePort").unwrap_or_default();
    let mut used: Vec<i64> = spec.list("ports").iter().map(number).filter(|port| *port != 0).collect();
    let by_name: Vec<(String, i64)> =
        old.list("ports").iter().map(|port| (port.text("name").to_owned(), number(port))).collect();
    for port in spec.objects_mut("ports") {
        let known = by_name.iter().find(|(name, _)| name == port.text("name")).map(|(_, number)| *number);
        if let Some(known) = known.filter(|known| *known != 0 && !used.contains(known))
            && port.number("nodePort").unwrap_or_default() == 0
        {
            port.put("nodePort", known);
            used.push(known);
        }
    }
}

/// The single address and the list: a client that changes the one means the other too.
fn normalize(spec: &mut Tree, old: &Tree) {
    let changed = spec.text("clusterIP") != old.text("clusterIP");
    let same_list =
        spec.get("clusterIPs").unwrap_or(&Value::Null) == old.get("clusterIPs").unwrap_or(&Value::Null);
    if changed && same_list {
        if spec.is_unset("clusterIP") {
            spec.remove("clusterIPs");
        } else {
            let ip = spec["clusterIP"].clone();
            spec.put("clusterIPs", json!([ip]));
        }
    }
}

fn drop_by_type(spec: &mut Tree, old: &Tree) {
    let same = |spec: &Tree, field: &str| spec.get(field) == old.get(field);
    if spec.text("type") == "ExternalName" && old.text("type") != "ExternalName" {
        if same(spec, "clusterIP") && same(spec, "clusterIPs") {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if same(spec, field) {
                spec.remove(field);
            }
        }
    }
    let (needs, needed) = (may_publish(spec), may_publish(old));
    if needed && !needs {
        let kept: Vec<_> = old.list("ports").iter().map(|port| port.number("nodePort")).collect();
        let now: Vec<_> = spec.list("ports").iter().map(|port| port.number("nodePort")).collect();
        if kept == now {
            spec.objects_mut("ports").for_each(|port| drop(port.remove("nodePort")));
        }
        if same(spec, "externalTrafficPolicy") && spec.is_unset("externalIPs") {
            spec.remove("externalTrafficPolicy");
        }
    }
    let health =
        |spec: &Tree| spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local";
    if health(old) && !health(spec) && same(spec, "healthCheckNodePort") {
        spec.remove("healthCheckNodePort");
    }
    if old.text("type") == "LoadBalancer" && spec.text("type") != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if same(spec, field) {
                spec.remove(field);
            }
        }
    }
}

fn may_publish(spec: &Tree) -> bool {
    matches!(spec.text("type"), "NodePort" | "LoadBalancer")
}
