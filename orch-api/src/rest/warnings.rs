//! What an object that is created or changed makes whoever writes it wonder, though it is valid: the `Warning` headers
//! (`WarningsOnCreate` and `WarningsOnUpdate` of the strategies in `pkg/registry`).
//!
//! Not every one of upstream's: of pods some are missing (`pod.rs`), and pods that are changed are not warned about. Invariant:
//! bounded, whatever the object.

mod kinds;
mod pod;

use std::net::IpAddr;

use orch_core::{Kind, Quantity, kind, names};
use serde_json::Value;

use crate::tree::Get;
use crate::validate::address;

/// Warnings at most: as many as fit into headers that clients read.
const MOST: usize = 32;

/// What a write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    /// Whether the generation is another one after it.
    Change {
        counted: bool,
    },
}

/// Where the pods of a kind are described: the field with the template, and its path.
const TEMPLATES: &[(Kind, &str)] = &[
    (kind::DEPLOYMENTS, "spec.template"),
    (kind::REPLICA_SETS, "spec.template"),
    (kind::STATEFUL_SETS, "spec.template"),
    (kind::DAEMON_SETS, "spec.template"),
    (kind::JOBS, "spec.template"),
    (kind::REPLICATION_CONTROLLERS, "spec.template"),
    (kind::CRON_JOBS, "spec.jobTemplate.spec.template"),
    (kind::POD_TEMPLATES, "template"),
];

/// Whose names become those of pods, and so of hosts.
const NAMING: &[Kind] = &[
    kind::PODS,
    kind::DEPLOYMENTS,
    kind::REPLICA_SETS,
    kind::JOBS,
    kind::CRON_JOBS,
    kind::REPLICATION_CONTROLLERS,
];

/// Whether it matters if a change of such an object was counted.
pub(super) fn counts(kind: Kind) -> bool {
    TEMPLATES.iter().any(|(known, _)| *known == kind)
}

/// What there is to say about an object, as it is after it was written.
pub(super) fn of(kind: Kind, object: &Value, act: Act) -> Vec<String> {
    let mut all = Vec::new();
    let is_new = act == Act::Create;
    if is_new && NAMING.contains(&kind) {
        named(kind, object, &mut all);
    }
    if kind == kind::SECRETS {
        secret(object, &mut all);
    } else if kind == kind::SERVICES {
        service(object, &mut all);
    } else if kind == kind::INGRESSES && is_new {
        ingress(object, &mut all);
    } else if kind == kind::RESOURCE_QUOTAS && is_new {
        quota(object, &mut all);
    } else if kind == kind::PODS && is_new {
        pod::pod(object, "", &mut all);
    }
    if let Some((_, path)) = TEMPLATES.iter().find(|(known, _)| *known == kind)
        && act != (Act::Change { counted: false })
        && let Some(template) = path.split('.').try_fold(object, |tree, field| tree.at(field))
    {
        pod::pod(template, &format!("{path}."), &mut all);
    }
    if kind == kind::STATEFUL_SETS || kind == kind::CRON_JOBS {
        spec(kind, object, &mut all);
    }
    kinds::of(kind, object, act, &mut all);
    all.truncate(MOST);
    all
}

/// Finalizers whose names somebody else may have, too (`registry/customresource/strategy.go`).
pub(super) fn finalizers(object: &Value) -> Vec<String> {
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let names = object.at("metadata").map_or(&[][..], |metadata| metadata.list("finalizers"));
    let plain = |name: &&str| !name.contains('/') && !STANDARD.contains(name);
    let mut names: Vec<&str> = names.iter().filter_map(Value::as_str).filter(plain).collect();
    names.sort_unstable();
    names.dedup();
    let warn = |name: &str| {
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        format!(
            "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with \
             other finalizer writers"
        )
    };
    names.into_iter().take(MOST).map(warn).collect()
}

fn named(kind: Kind, object: &Value, all: &mut Vec<String>) {
    let name = object.at("metadata").map_or("", |metadata| metadata.text("name"));
    let whose = if kind == kind::PODS { "the Pod's hostname" } else { "Pod names and hostnames" };
    if let Err(messages) = names::dns1123_label(name) {
        all.push(format!(
            "metadata.name: this is used in {whose}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            messages.join(" ")
        ));
    }
}

/// Of one field of a kind.
fn spec(kind: Kind, object: &Value, all: &mut Vec<String>) {
    let Some(spec) = object.at("spec") else { return };
    if kind == kind::STATEFUL_SETS && spec.number("revisionHistoryLimit").is_some_and(|limit| limit < 0) {
        let why = "a negative value retains all historical revisions; a value >= 0 is recommended";
        all.push(format!("spec.revisionHistoryLimit: {why}"));
    }
    if kind == kind::CRON_JOBS && spec.text("schedule").contains("TZ") {
        // Upstream's path has `spec` twice.
        all.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .to_owned(),
        );
    }
}

/// `pkg/api/service/warnings.go`
fn service(object: &Value, all: &mut Vec<String>) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let Some(spec) = object.at("spec") else { return };
    if annotation(object, HINTS) {
        let mode = "service.kubernetes.io/topology-mode";
        all.push(format!("annotation {HINTS} is deprecated, please use {mode} instead"));
    }
    let texts = |field: &str| {
        let texts = spec.list(field).iter().filter_map(Value::as_str);
        texts
            .enumerate()
            .map(|(at, text)| (format!("spec.{field}[{at}]"), text.to_owned()))
            .collect::<Vec<_>>()
    };
    let (kind, balancer) = (spec.text("type"), spec.text("loadBalancerIP"));
    let is_headless = kind == "ClusterIP" && spec.text("clusterIP") == "None";
    let is_external = kind == "ExternalName";
    let has_external_ips = !spec.list("externalIPs").is_empty();
    if !matches!(spec.text("clusterIP"), "" | "None") {
        all.extend(texts("clusterIPs").iter().filter_map(|(path, text)| address(path, text)));
    }
    if is_headless {
        let ignored = |field: &str| format!("spec.{field} is ignored for headless services");
        if !balancer.is_empty() {
            all.push(ignored("loadBalancerIP"));
        }
        if has_external_ips {
            all.push(ignored("externalIPs"));
        }
        if spec.text("sessionAffinity") != "None" {
            all.push(ignored("SessionAffinity"));
        }
    }
    all.extend(texts("externalIPs").iter().filter_map(|(path, text)| address(path, text)));
    if has_external_ips && !is_headless && !is_external {
        all.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    all.extend(address("spec.loadBalancerIP", balancer));
    if is_external && has_external_ips {
        all.push(format!("spec.externalIPs is ignored when spec.type is {kind:?}"));
    }
    if !is_external && !spec.text("externalName").is_empty() {
        all.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.text("trafficDistribution") == "PreferClose" {
        let why = "\"PreferClose\" is deprecated; use \"PreferSameZone\"";
        all.push(format!("spec.trafficDistribution: {why}"));
    }
}

/// What there is to say about how an address is written (`GetWarningsForIP` of
/// `apimachinery/pkg/util/validation/ip.go`).
fn address(path: &str, text: &str) -> Option<String> {
    let ip = address::parse(text)?;
    let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    if is_mapped || text.parse::<IpAddr>().is_err() {
        let plain = ip.to_canonical().to_string();
        return Some(format!("{path}: non-standard IP address {text:?} is invalid: use {plain:?}"));
    }
    let written = ip.to_string();
    (ip.is_ipv6() && written != text).then(|| {
        format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format ({written:?})")
    })
}

fn annotation(object: &Value, name: &str) -> bool {
    let annotations = object.at("metadata").and_then(|metadata| metadata.at("annotations"));
    annotations.is_some_and(|annotations| annotations.get(name).is_some())
}

fn ingress(object: &Value, all: &mut Vec<String>) {
    const CLASS: &str = "kubernetes.io/ingress.class";
    let has_class = object.at("spec").is_some_and(|spec| spec.at("ingressClassName").is_some());
    if annotation(object, CLASS) && !has_class {
        all.push(format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
    }
}

/// Requests beyond the limits.
fn quota(object: &Value, all: &mut Vec<String>) {
    let Some(hard) = object.at("spec").and_then(|spec| spec.at("hard")) else { return };
    let amount = |name: &str| hard.text(name).parse::<Quantity>().ok();
    for name in ["cpu", "memory", "ephemeral-storage"] {
        let full = format!("requests.{name}");
        let bare = if name == "ephemeral-storage" { full.as_str() } else { name };
        let asked = if hard.at(&full).is_some() { full.as_str() } else { bare };
        let limit = format!("limits.{name}");
        if let (Some(request), Some(most)) = (amount(asked), amount(&limit))
            && request > most
        {
            all.push(format!("ResourceQuota {asked} ({request}) should be less than {limit} ({most})"));
        }
    }
}

/// What Go's `tls.X509KeyPair` says to what is no PEM.
fn secret(object: &Value, all: &mut Vec<String>) {
    if object.text("type") != "kubernetes.io/tls" {
        return;
    }
    let is_pem = |field: &str| {
        use base64::Engine;
        let text = object.at("data").map_or("", |data| data.text(field));
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains("-----BEGIN ")
    };
    for (field, what) in [("tls.crt", "certificate"), ("tls.key", "key")] {
        if !is_pem(field) {
            return all.push(format!("tls: failed to find any PEM data in {what} input"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(kind: Kind, object: Value, expected: &[&str]) {
        assert_eq!(of(kind, &object, Act::Create), expected, "{object}");
    }

    #[test]
    fn what_is_ambiguous_is_told() {
        let container = json!({"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"},
            {"name": "A", "value": "3"}], "resources": {"limits": {"memory": "1500m"}},
            "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]});
        let spec = json!({"containers": [container], "terminationGracePeriodSeconds": -1,
            "hostAliases": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}], "volumes": [{"gitRepo": {}}]});
        let told = [
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
            "spec.hostAliases[1].ip: duplicate ip \"1.2.3.4\"",
            "spec.containers[0].resources.limits[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
            "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ];
        let pod = json!({"metadata": {"name": "web"}, "spec": spec});
        assert!(of(kind::PODS, &pod, Act::Change { counted: true }).is_empty(), "too many pods are changed");
        check(kind::PODS, pod, &told);
        let deployment = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}});
        let in_template = of(kind::DEPLOYMENTS, &deployment, Act::Create);
        assert_eq!(of(kind::DEPLOYMENTS, &deployment, Act::Change { counted: true }), in_template);
        assert!(of(kind::DEPLOYMENTS, &deployment, Act::Change { counted: false }).is_empty());
        assert!(
            in_template.iter().zip(told).all(|(one, other)| *one == format!("spec.template.{other}")
                || one.contains("spec.template.spec.containers[0].ports[0]")),
            "{in_template:?}"
        );
    }

    #[test]
    fn certificates_that_are_none_are_told() {
        let tls = |crt: &str| json!({"type": "kubernetes.io/tls", "data": {"tls.crt": crt, "tls.key": ""}});
        check(kind::SECRETS, tls("YQ=="), &["tls: failed to find any PEM data in certificate input"]);
        check(kind::SECRETS, tls("LS0tLS1CRUdJTiBY"), &["tls: failed to find any PEM data in key input"]);
        check(kind::CONFIG_MAPS, json!({}), &[]);
    }

    #[test]
    fn fields_of_services_without_effect_are_told() {
        let headless = json!({"type": "ClusterIP", "clusterIP": "None", "sessionAffinity": "ClientIP",
            "externalIPs": ["2001:DB8::1"], "loadBalancerIP": "1.2.3.4", "externalName": "a.b"});
        let told = [
            "spec.loadBalancerIP is ignored for headless services",
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
            "spec.externalIPs[0]: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")",
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
        ];
        check(kind::SERVICES, json!({"spec": headless}), &told);
        assert_eq!(of(kind::SERVICES, &json!({"spec": headless}), Act::Change { counted: false }), told);
        let external =
            json!({"type": "ExternalName", "externalIPs": ["1.2.3.4"], "trafficDistribution": "PreferClose"});
        let told = [
            "spec.externalIPs is ignored when spec.type is \"ExternalName\"",
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ];
        check(kind::SERVICES, json!({"spec": external}), &told);
        check(kind::SERVICES, json!({"spec": {"type": "ClusterIP", "sessionAffinity": "None"}}), &[]);
    }

    #[test]
    fn names_that_are_no_hosts_are_told_once() {
        let object = json!({"metadata": {"name": "a.b"}, "spec": {}});
        let told = of(kind::PODS, &object, Act::Create);
        assert!(told[0].starts_with("metadata.name: this is used in the Pod's hostname, which"), "{told:?}");
        assert_eq!(of(kind::DEPLOYMENTS, &object, Act::Create).len(), 1);
        assert!(of(kind::DEPLOYMENTS, &object, Act::Change { counted: true }).is_empty());
    }

    #[test]
    fn requests_beyond_limits_are_told() {
        let quota = json!({"spec": {"hard": {"cpu": "3", "limits.cpu": "2", "requests.memory": "1Gi", "limits.memory": "1Gi"}}});
        check(kind::RESOURCE_QUOTAS, quota, &["ResourceQuota cpu (3) should be less than limits.cpu (2)"]);
    }
}
