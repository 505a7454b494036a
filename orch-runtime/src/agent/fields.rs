//! The downward API: fields and resources of a pod as text (`pkg/fieldpath/fieldpath.go`, `pkg/api/v1/resource/helpers.go`).

use std::collections::BTreeMap;

use orch_core::{Quantity, Str};

use super::error::Error;
use super::pod::Pod;
use super::spec::{Amounts, Container, ResourceFieldRef};
use super::text;

/// What a field may stand for besides the pod's own text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) pod_ips: Vec<String>,
    pub(super) host_ip: String,
    pub(super) node: Str,
    /// The limit of a container that sets none.
    pub(super) allocatable: Amounts,
}

/// The text of a field.
pub(super) fn field(pod: &Pod, place: &Place, path: &Str) -> Result<String, Error> {
    let metadata = |name: &str| pod_map(pod, name).map(lines);
    if let Some((name, key)) = subscript(path) {
        let map = pod_map(pod, name).ok_or_else(|| Error::FieldPath { path: path.clone() })?;
        return Ok(map.get(key).map(ToString::to_string).unwrap_or_default());
    }
    Ok(match &**path {
        "metadata.name" => pod.key().name.to_string(),
        "metadata.namespace" => pod.key().namespace.to_string(),
        "metadata.uid" => pod.uid().to_string(),
        "metadata.labels" | "metadata.annotations" => metadata(path).unwrap_or_default(),
        "spec.nodeName" => place.node.to_string(),
        "spec.serviceAccountName" => pod.spec.service_account_name.to_string(),
        "spec.restartPolicy" => format!("{:?}", pod.spec.restart_policy),
        "status.hostIP" | "status.hostIPs" => place.host_ip.clone(),
        "status.podIP" => place.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => place.pod_ips.join(","),
        _ => return Err(Error::FieldPath { path: path.clone() }),
    })
}

fn pod_map<'a>(pod: &'a Pod, path: &str) -> Option<&'a BTreeMap<Str, Str>> {
    match path {
        "metadata.labels" => Some(&pod.labels),
        "metadata.annotations" => Some(&pod.annotations),
        _ => None,
    }
}

/// `metadata.labels['app']` as path and key.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

fn lines(map: &BTreeMap<Str, Str>) -> String {
    let line = |(key, value): (&Str, &Str)| format!("{key}={}", text::quote(value));
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The text of a resource of a container, in units of the divisor, rounded up.
pub(super) fn resource(
    pod: &Pod,
    own: &Container,
    place: &Place,
    wanted: &ResourceFieldRef,
) -> Result<String, Error> {
    let container = match &*wanted.container_name {
        "" => own,
        name => pod
            .spec
            .container(name)
            .ok_or_else(|| Error::NoContainer { container: wanted.container_name.clone() })?,
    };
    let unknown = || Error::ResourceField { resource: wanted.resource.clone() };
    let (list, name) = wanted.resource.split_once('.').ok_or_else(unknown)?;
    let amount = match list {
        "requests" => container.resources.requests.get(name).copied().unwrap_or_default(),
        "limits" => {
            let limit = container.resources.limits.get(name).copied().filter(|limit| !limit.is_zero());
            limit.or_else(|| place.allocatable.get(name).copied()).unwrap_or_default()
        }
        _ => return Err(unknown()),
    };
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !known {
        return Err(unknown());
    }
    let divisor =
        wanted.divisor.filter(|divisor| !divisor.is_zero()).unwrap_or(Quantity::new(1, Default::default()));
    let (amount, divisor) = match name {
        "cpu" => (amount.milli_value(), divisor.milli_value()),
        _ => (amount.value(), divisor.value()),
    };
    Ok(amount
        .div_euclid(divisor.max(1))
        .saturating_add(i64::from(amount.rem_euclid(divisor.max(1)) > 0))
        .to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::pod;
    use super::*;

    fn place() -> Place {
        let allocatable =
            [("cpu", "4"), ("memory", "1Gi")].map(|(name, amount)| (name.into(), amount.parse().unwrap()));
        Place {
            pod_ips: vec!["10.0.0.1".into(), "fd00::1".into()],
            host_ip: "192.0.2.1".into(),
            node: "n1".into(),
            allocatable: allocatable.into(),
        }
    }

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let pod = pod(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "labels": {"app": "web", "tier": "a\"b"},
                "annotations": {"note": "x"}},
            "spec": {"serviceAccountName": "robot", "containers": []},
        }));
        assert_eq!(field(&pod, &place(), &path.into()).unwrap(), expected);
    }

    #[test]
    fn every_supported_field_has_its_text() {
        check("metadata.name", "web");
        check("metadata.namespace", "shop");
        check("metadata.uid", "u1");
        check("metadata.labels['app']", "web");
        check("metadata.labels['none']", "");
        check("metadata.annotations['note']", "x");
        check("metadata.labels", "app=\"web\"\ntier=\"a\\\"b\"");
        check("metadata.annotations", "note=\"x\"");
        check("spec.nodeName", "n1");
        check("spec.serviceAccountName", "robot");
        check("status.hostIP", "192.0.2.1");
        check("status.podIP", "10.0.0.1");
        check("status.podIPs", "10.0.0.1,fd00::1");
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let pod = pod(json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"containers": []}}));
        for path in ["spec.hostname", "metadata.name['x']", "status.phase"] {
            assert!(field(&pod, &place(), &path.into()).is_err(), "{path}");
        }
    }

    #[track_caller]
    fn amount(resource_name: &str, divisor: Option<&str>, expected: &str) {
        let pod = pod(json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"containers": [
            {"name": "c", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "100Mi"}}}]}}));
        let divisor = divisor.map(|text| text.parse().unwrap());
        let wanted = ResourceFieldRef { container_name: "c".into(), resource: resource_name.into(), divisor };
        assert_eq!(resource(&pod, &Container::default(), &place(), &wanted).unwrap(), expected);
    }

    #[test]
    fn resources_are_counted_in_the_divisor_and_rounded_up() {
        amount("requests.cpu", None, "1");
        amount("requests.cpu", Some("1m"), "250");
        amount("requests.memory", Some("1Mi"), "64");
        amount("limits.memory", Some("30Mi"), "4");
        amount("limits.cpu", None, "4");
        amount("requests.ephemeral-storage", None, "0");
    }
}
