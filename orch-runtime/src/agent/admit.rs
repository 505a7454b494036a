//! Whether a bound pod fits its node (`pkg/kubelet/lifecycle/predicate.go`, `pkg/scheduler/framework/plugins`).
//!
//! The scheduler has decided already; this refuses what it got wrong or what was bound by hand. Pure.

use std::collections::BTreeMap;

use orch_core::{Quantity, Str};

use super::pod::Pod;
use super::spec::{Amounts, Container, NodeRequirement, NodeSelectorTerm, PodSpec, Toleration};

/// Why a pod is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) message: String,
}

/// What a pod is measured against.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub(super) node: Str,
    pub(super) allocatable: Amounts,
    pub(super) labels: BTreeMap<Str, Str>,
    /// Key, value, effect.
    pub(super) taints: Vec<(Str, Str, Str)>,
}

/// Whether a pod fits beside the others that run on the node; the first reason against it.
pub(super) fn admit<'a>(
    room: &Room,
    pod: &Pod,
    others: impl Iterator<Item = &'a Pod> + Clone,
) -> Option<Refusal> {
    let os = &*pod.spec.os.name;
    if !os.is_empty() && os != super::config::OS {
        let message = "Failed to admit pod as the OS field doesn't match node OS".to_owned();
        return Some(Refusal { reason: "PodOSNotSupported".to_owned(), message });
    }
    fits(room, pod, others.clone()).or_else(|| {
        let failed = |name: &str, why: &str| {
            Some(Refusal { reason: name.to_owned(), message: format!("Predicate {name} failed: {why}") })
        };
        if !selects(room, &pod.spec) {
            return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
        }
        if clashes(&pod.spec, others) {
            return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
        }
        let untolerated = room
            .taints
            .iter()
            .any(|taint| &*taint.2 == "NoExecute" && !tolerates(&pod.spec.tolerations, taint));
        if untolerated {
            return failed("TaintToleration", "node(s) had taints that the pod didn't tolerate");
        }
        None
    })
}

fn fits<'a>(room: &Room, pod: &Pod, others: impl Iterator<Item = &'a Pod>) -> Option<Refusal> {
    let (mut used, mut pods) = (Amounts::new(), 0_i64);
    for other in others {
        pods += 1;
        add(&mut used, &requests(&other.spec));
    }
    let lacks = |resource: &str, requested: i64, used: i64, capacity: i64| Refusal {
        reason: format!("OutOf{resource}"),
        message: format!(
            "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
        ),
    };
    let capacity = room.allocatable.get("pods").map_or(0, |pods| pods.value());
    if pods + 1 > capacity {
        return Some(lacks("pods", 1, pods, capacity));
    }
    let requested = requests(&pod.spec);
    let rank = |name: &str| {
        ["cpu", "memory", "ephemeral-storage"].iter().position(|known| *known == name).unwrap_or(3)
    };
    let mut names: Vec<_> = requested.keys().collect();
    names.sort_by_key(|name| (rank(name), (*name).clone()));
    names.into_iter().find_map(|name| {
        let number = |amount: Quantity| if &**name == "cpu" { amount.milli_value() } else { amount.value() };
        let wanted = number(requested[name]);
        // An extended resource that the node does not know is a matter of the cluster.
        let Some(capacity) = room.allocatable.get(name).copied().map(number) else {
            return (rank(name) < 3 && wanted > 0).then(|| lacks(name, wanted, 0, 0));
        };
        let used = used.get(name).copied().map_or(0, number);
        (wanted > 0 && wanted.saturating_add(used) > capacity).then(|| lacks(name, wanted, used, capacity))
    })
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += *amount;
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let most = most.entry(name.clone()).or_default();
        *most = (*most).max(*amount);
    }
}

/// What a pod needs in all (`component-helpers/resource/helpers.go`): the containers together, or an init container with
/// the sidecars before it where that is more; requests of the pod as a whole win; overhead on top.
pub(super) fn requests(spec: &PodSpec) -> Amounts {
    let own = |container: &Container| {
        let mut amounts = container.resources.limits.clone();
        amounts.extend(container.resources.requests.clone());
        amounts
    };
    let (mut sum, mut sidecars, mut init) = (Amounts::new(), Amounts::new(), Amounts::new());
    spec.containers.iter().for_each(|container| add(&mut sum, &own(container)));
    for container in &spec.init_containers {
        let mut amounts = own(container);
        if container.is_sidecar() {
            add(&mut sidecars, &amounts);
            raise(&mut init, &sidecars);
        } else {
            add(&mut amounts, &sidecars);
            raise(&mut init, &amounts);
        }
    }
    add(&mut sum, &sidecars);
    raise(&mut sum, &init);
    sum.extend(spec.resources.requests.clone());
    add(&mut sum, &spec.overhead);
    sum
}

fn selects(room: &Room, spec: &PodSpec) -> bool {
    let by_label = spec.node_selector.iter().all(|(name, value)| room.labels.get(name) == Some(value));
    let terms = &spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution;
    by_label
        && terms
            .as_ref()
            .is_none_or(|terms| terms.node_selector_terms.iter().any(|term| term_matches(room, term)))
}

fn term_matches(room: &Room, term: &NodeSelectorTerm) -> bool {
    let label = |name: &str| room.labels.get(name).map(|value| &**value);
    let field = |name: &str| (name == "metadata.name").then_some(&*room.node);
    let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !is_empty
        && term.match_expressions.iter().all(|requirement| matches(requirement, label(&requirement.key)))
        && term.match_fields.iter().all(|requirement| matches(requirement, field(&requirement.key)))
}

fn matches(requirement: &NodeRequirement, value: Option<&str>) -> bool {
    let listed = value.is_some_and(|value| requirement.values.iter().any(|wanted| &**wanted == value));
    let numbers =
        || -> Option<(i64, i64)> { Some((value?.parse().ok()?, requirement.values.first()?.parse().ok()?)) };
    match &*requirement.operator {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// Host ports that a pod takes: address, protocol, port.
fn host_ports(spec: &PodSpec) -> impl Iterator<Item = (&str, &str, u16)> {
    let running =
        spec.containers.iter().chain(spec.init_containers.iter().filter(|container| container.is_sidecar()));
    running.flat_map(|container| &container.ports).filter(|port| port.host_port > 0).map(|port| {
        let ip = if port.host_ip.is_empty() { "0.0.0.0" } else { &*port.host_ip };
        let protocol = if port.protocol.is_empty() { "TCP" } else { &*port.protocol };
        (ip, protocol, port.host_port)
    })
}

fn clashes<'a>(spec: &PodSpec, others: impl Iterator<Item = &'a Pod>) -> bool {
    let wanted: Vec<_> = host_ports(spec).collect();
    let overlap = |a: &(&str, &str, u16), b: &(&str, &str, u16)| {
        (a.1, a.2) == (b.1, b.2) && (a.0 == b.0 || a.0 == "0.0.0.0" || b.0 == "0.0.0.0")
    };
    !wanted.is_empty()
        && others
            .into_iter()
            .any(|other| host_ports(&other.spec).any(|taken| wanted.iter().any(|port| overlap(port, &taken))))
}

/// Whether one of the tolerations covers a taint (`pkg/apis/core/v1/toleration.go`).
fn tolerates(tolerations: &[Toleration], (key, value, effect): &(Str, Str, Str)) -> bool {
    tolerations.iter().any(|toleration| {
        let right_effect = toleration.effect.is_empty() || toleration.effect == *effect;
        let right_key = toleration.key.is_empty() || toleration.key == *key;
        right_effect
            && right_key
            && match &*toleration.operator {
                "" | "Equal" => toleration.key == *key && toleration.value == *value,
                "Exists" => true,
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::pod;
    use super::*;

    fn room() -> Room {
        let allocatable = [("cpu", "2"), ("memory", "1Gi"), ("pods", "3"), ("example.com/gpu", "1")];
        Room {
            node: "n1".into(),
            allocatable: allocatable.map(|(name, amount)| (name.into(), amount.parse().unwrap())).into(),
            labels: [("zone".into(), "a".into()), ("size".into(), "7".into())].into(),
            taints: vec![
                ("dedicated".into(), "db".into(), "NoExecute".into()),
                ("x".into(), "".into(), "NoSchedule".into()),
            ],
        }
    }

    fn with(mut spec: Value) -> Pod {
        if spec["tolerations"].is_null() {
            spec["tolerations"] = json!([{"operator": "Exists"}]);
        }
        pod(json!({"metadata": {"name": "p", "namespace": "d"}, "spec": spec}))
    }

    fn asking(cpu: &str) -> Value {
        json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})
    }

    #[track_caller]
    fn check(spec: Value, others: &[Value], expected: Option<(&str, &str)>) {
        let others: Vec<_> = others.iter().cloned().map(with).collect();
        let found = admit(&room(), &with(spec), others.iter());
        let found = found.as_ref().map(|refusal| (&*refusal.reason, &*refusal.message));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pod_must_fit_what_is_left() {
        check(asking("1"), &[asking("1")], None);
        check(
            asking("1500m"),
            &[asking("1")],
            Some((
                "OutOfcpu",
                "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
            )),
        );
        check(
            json!({"containers": [{"resources": {"limits": {"memory": "2Gi"}}}]}),
            &[],
            Some((
                "OutOfmemory",
                "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
            )),
        );
        check(
            asking("0"),
            &[asking("0"), asking("0"), asking("0")],
            Some(("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")),
        );
        check(
            json!({"containers": [{"resources": {"requests": {"example.com/gpu": "2"}}}]}),
            &[],
            Some((
                "OutOfexample.com/gpu",
                "Node didn't have enough resource: example.com/gpu, requested: 2, used: 0, capacity: 1",
            )),
        );
        check(json!({"containers": [{"resources": {"requests": {"example.com/unknown": "2"}}}]}), &[], None);
    }

    #[test]
    fn init_containers_count_where_they_need_more() {
        let spec = with(json!({
            "initContainers": [
                {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"name": "i", "resources": {"requests": {"cpu": "1"}}}],
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}],
            "overhead": {"cpu": "1m"}}));
        assert_eq!(requests(&spec.spec)["cpu"].milli_value(), 1101);
    }

    #[test]
    fn selectors_affinity_ports_and_taints_are_checked() {
        let affinity = Some((
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ));
        let term = |key: &str, operator: &str, values: Value| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]}}}})
        };
        check(json!({"nodeSelector": {"zone": "a"}}), &[], None);
        check(json!({"nodeSelector": {"zone": "b"}}), &[], affinity);
        check(term("zone", "In", json!(["a", "b"])), &[], None);
        check(term("zone", "NotIn", json!(["a"])), &[], affinity);
        check(term("size", "Gt", json!(["6"])), &[], None);
        check(term("size", "Lt", json!(["6"])), &[], affinity);
        check(term("none", "Exists", json!([])), &[], affinity);
        let port = |ip: &str, port: u16| json!({"containers": [{"ports": [{"containerPort": 80, "hostPort": port, "hostIP": ip}]}]});
        let ports = Some((
            "NodePorts",
            "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        ));
        check(port("", 80), &[port("127.0.0.1", 80)], ports);
        check(port("127.0.0.2", 80), &[port("127.0.0.1", 80)], None);
        check(port("", 81), &[port("", 80)], None);
        let taints = Some((
            "TaintToleration",
            "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
        ));
        check(json!({"tolerations": [{"key": "dedicated", "value": "web"}]}), &[], taints);
        check(
            json!({"tolerations": [{"key": "dedicated", "value": "db", "effect": "NoExecute"}]}),
            &[],
            None,
        );
        check(
            json!({"os": {"name": "windows"}}),
            &[],
            Some(("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")),
        );
    }
}
