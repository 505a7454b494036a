//! What one object takes of what quotas bound (`pkg/quota/v1/evaluator/core`, `apiserver/pkg/quota/v1/generic`). Pure.

use std::collections::BTreeMap;

use orch_core::quantity::Format;
use orch_core::{Kind, Quantity, kind};
use serde_json::Value;

use crate::amounts;
use crate::tree::Get;

/// Amounts by the name that quotas have for them.
pub(crate) type Usage = BTreeMap<String, Quantity>;

const ONE: i64 = 1;
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
/// What is bounded under its own name too, and not only as a request.
const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Of these every container must say what it asks for, where a quota bounds them.
const REQUIRED: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// The name of the number of objects of a kind.
fn count_of(kind: Kind) -> String {
    match kind.group() {
        "" => format!("count/{}", kind.resource()),
        group => format!("count/{}.{group}", kind.resource()),
    }
}

fn one() -> Quantity {
    Quantity::new(ONE, Format::DecimalSi)
}

/// What an object takes.
pub(crate) fn usage(kind: Kind, object: &Value) -> Usage {
    let mut usage = Usage::from([(count_of(kind), one())]);
    let counted = [kind::CONFIG_MAPS, kind::RESOURCE_QUOTAS, kind::REPLICATION_CONTROLLERS, kind::SECRETS];
    if counted.contains(&kind) {
        usage.insert(kind.resource().to_owned(), one());
    }
    let spec = object.at("spec").unwrap_or(&Value::Null);
    if kind == kind::PODS {
        pod(object, spec, &mut usage);
    } else if kind == kind::SERVICES {
        service(spec, &mut usage);
    } else if kind == kind::PERSISTENT_VOLUME_CLAIMS {
        claim(object, spec, &mut usage);
    }
    usage
}

/// A pod that has ended takes nothing but its place in the store.
fn pod(object: &Value, spec: &Value, usage: &mut Usage) {
    let phase = object.at("status").map_or("", |status| status.text("phase"));
    if matches!(phase, "Succeeded" | "Failed") {
        return;
    }
    usage.insert("pods".to_owned(), one());
    for (name, amount) in amounts::of_pod(spec, "requests") {
        if COMPUTE.contains(&name) || name.starts_with("hugepages-") {
            usage.insert(name.to_owned(), amount);
        }
        // A plain name with a domain is an extended resource.
        if COMPUTE.contains(&name) || name.starts_with("hugepages-") || name.contains('/') {
            usage.insert(format!("requests.{name}"), amount);
        }
    }
    for (name, amount) in amounts::of_pod(spec, "limits") {
        if COMPUTE.contains(&name) {
            usage.insert(format!("limits.{name}"), amount);
        }
    }
}

fn service(spec: &Value, usage: &mut Usage) {
    let ports = spec.list("ports");
    let is_allocated = spec.at("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    let named = || ports.iter().filter(|port| port.number("nodePort").unwrap_or(0) != 0).count();
    let (balancers, node_ports) = match spec.text("type") {
        "NodePort" => (0, ports.len()),
        "LoadBalancer" => (1, if is_allocated { ports.len() } else { named() }),
        _ => (0, 0),
    };
    let count = |number: usize| Quantity::new(i64::try_from(number).unwrap_or(i64::MAX), Format::DecimalSi);
    usage.insert("services".to_owned(), one());
    usage.insert("services.loadbalancers".to_owned(), count(balancers));
    usage.insert("services.nodeports".to_owned(), count(node_ports));
}

fn claim(object: &Value, spec: &Value, usage: &mut Usage) {
    let annotations = object.at("metadata").and_then(|metadata| metadata.object_at("annotations"));
    let beta = annotations.map_or("", |all| all.text("volume.beta.kubernetes.io/storage-class"));
    let class = if beta.is_empty() { spec.text("storageClassName") } else { beta };
    let mut put = |name: &str, amount: Quantity| {
        if !class.is_empty() {
            usage.insert(format!("{class}{BY_CLASS}{name}"), amount);
        }
        usage.insert(name.to_owned(), amount);
    };
    put("persistentvolumeclaims", one());
    let asked = amounts::in_resources(spec, "requests").get("storage").copied();
    let Some(asked) = asked else { return };
    let status = object.at("status").and_then(|status| status.at("allocatedResources"));
    let allocated = amounts::of(status).get("storage").copied().unwrap_or(asked);
    put("requests.storage", asked.max(allocated));
}

/// What the containers of a pod must say and do not, where a quota bounds it: `cpu for: a,b; memory for: a`.
pub(crate) fn missing(pod: &Value, is_bounded: impl Fn(&str) -> bool) -> Option<String> {
    let spec = pod.at("spec")?;
    let has_own = ["requests", "limits"]
        .iter()
        .any(|list| spec.object_at("resources").is_some_and(|resources| !resources.is_unset(list)));
    if has_own {
        return None;
    }
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for container in spec.list("containers").iter().chain(spec.list("initContainers")) {
        let (requests, limits) =
            (amounts::in_resources(container, "requests"), amounts::in_resources(container, "limits"));
        for name in REQUIRED.into_iter().filter(|name| is_bounded(name)) {
            let is_said = match name.split_once('.') {
                Some(("limits", name)) => limits.contains_key(name),
                Some((_, name)) => requests.contains_key(name),
                None => requests.contains_key(name),
            };
            if !is_said {
                missing.entry(name).or_default().push(container.text("name"));
            }
        }
    }
    let mut words = Vec::new();
    for (name, mut containers) in missing {
        containers.sort_unstable();
        containers.dedup();
        words.push(format!("{name} for: {}", containers.join(",")));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(kind: Kind, object: Value, expected: &[(&str, &str)]) {
        let usage = usage(kind, &object);
        let shown: Vec<(&str, String)> =
            usage.iter().map(|(name, amount)| (name.as_str(), amount.to_string())).collect();
        let shown: Vec<(&str, &str)> = shown.iter().map(|(name, amount)| (*name, amount.as_str())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn objects_are_counted_and_some_measured() {
        check(kind::CONFIG_MAPS, json!({}), &[("configmaps", "1"), ("count/configmaps", "1")]);
        check(kind::DEPLOYMENTS, json!({}), &[("count/deployments.apps", "1")]);
        let asks = json!({"requests": {"cpu": "500m", "example.com/gpu": "2"}, "limits": {"memory": "1Gi"}});
        let spec =
            json!({"containers": [{"name": "a", "resources": asks}, {"name": "b", "resources": asks}]});
        check(
            kind::PODS,
            json!({"spec": spec}),
            &[
                ("count/pods", "1"),
                ("cpu", "1"),
                ("limits.memory", "2Gi"),
                ("pods", "1"),
                ("requests.cpu", "1"),
                ("requests.example.com/gpu", "4"),
            ],
        );
        check(kind::PODS, json!({"spec": spec, "status": {"phase": "Failed"}}), &[("count/pods", "1")]);
        check(
            kind::SERVICES,
            json!({"spec": {"type": "LoadBalancer", "ports": [{}, {}]}}),
            &[
                ("count/services", "1"),
                ("services", "1"),
                ("services.loadbalancers", "1"),
                ("services.nodeports", "2"),
            ],
        );
        check(
            kind::PERSISTENT_VOLUME_CLAIMS,
            json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}}),
            &[
                ("count/persistentvolumeclaims", "1"),
                ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "1"),
                ("gold.storageclass.storage.k8s.io/requests.storage", "1Gi"),
                ("persistentvolumeclaims", "1"),
                ("requests.storage", "1Gi"),
            ],
        );
    }

    #[test]
    fn containers_must_say_what_is_bounded() {
        let pod = json!({"spec": {"containers": [
            {"name": "b", "resources": {"requests": {"cpu": "1"}}}, {"name": "a"}]}});
        let bounded = |names: &'static [&'static str]| move |name: &str| names.contains(&name);
        let words = missing(&pod, bounded(&["cpu", "limits.memory", "pods"]));
        assert_eq!(words.as_deref(), Some("cpu for: a; limits.memory for: a,b"));
        assert_eq!(missing(&pod, bounded(&["pods"])), None);
    }
}
