//! What an object that is created makes its creator wonder, though it is valid (`pkg/api/pod/warnings.go`,
//! `pkg/api/service/warnings.go`, `warningsForSecret` of `pkg/registry/core/secret/strategy.go`): the `Warning` headers.
//!
//! Of pods and templates of pods what is deprecated, ambiguous or without effect; not every one of upstream's warnings, and none
//! of updates. Invariant: bounded, whatever the object.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::{Kind, kind};
use serde_json::Value;

use crate::amounts;
use crate::tree::Get;

/// Warnings at most: as many as fit into headers that clients read.
const MOST: usize = 32;

/// Volumes that are gone.
const VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// What there is to say about a new object.
pub(super) fn of(kind: Kind, object: &Value) -> Vec<String> {
    let mut all = Vec::new();
    if kind == kind::SECRETS {
        secret(object, &mut all);
    } else if kind == kind::PODS {
        pod(object, "", &mut all);
    } else if [kind::DEPLOYMENTS, kind::REPLICA_SETS, kind::STATEFUL_SETS, kind::DAEMON_SETS, kind::JOBS]
        .contains(&kind)
        || kind == kind::REPLICATION_CONTROLLERS
    {
        template(object.at("spec"), "spec.template", &mut all);
    } else if kind == kind::CRON_JOBS {
        let job = object.at("spec").and_then(|spec| spec.at("jobTemplate")).and_then(|job| job.at("spec"));
        template(job, "spec.jobTemplate.spec.template", &mut all);
    }
    all.truncate(MOST);
    all
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

fn template(holder: Option<&Value>, path: &str, all: &mut Vec<String>) {
    if let Some(template) = holder.and_then(|holder| holder.at("template")) {
        pod(template, &format!("{path}."), all);
    }
}

/// A pod or template; `path` is what stands before its fields.
fn pod(object: &Value, path: &str, all: &mut Vec<String>) {
    let Some(spec) = object.at("spec") else { return };
    selectors(spec, path, all);
    for (at, volume) in spec.list("volumes").iter().enumerate() {
        for (field, why) in VOLUMES.iter().filter(|(field, _)| volume.at(field).is_some()) {
            all.push(format!("{path}spec.volumes[{at}].{field}: {why}"));
        }
    }
    twice(spec.list("hostAliases"), "ip", "ip", &format!("{path}spec.hostAliases"), all);
    twice(spec.list("imagePullSecrets"), "name", "name", &format!("{path}spec.imagePullSecrets"), all);
    let mut ports = Ports::default();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (at, one) in spec.list(list).iter().enumerate() {
            container(one, &format!("{path}spec.{list}[{at}]"), &mut ports, all);
        }
    }
    if spec.number("terminationGracePeriodSeconds").is_some_and(|secs| secs < 0) {
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        all.push(format!("{path}spec.terminationGracePeriodSeconds: {why}"));
    }
}

/// Terms that match nothing.
fn selectors(spec: &Value, path: &str, all: &mut Vec<String>) {
    const WHY: &str = "a null labelSelector results in matching no pod";
    let mut judge = |term: Option<&Value>, at: String| {
        if term.is_some_and(|term| term.at("labelSelector").is_none()) {
            all.push(format!("{at}.labelSelector: {WHY}"));
        }
    };
    for (at, term) in spec.list("topologySpreadConstraints").iter().enumerate() {
        judge(Some(term), format!("{path}spec.topologySpreadConstraints[{at}]"));
    }
    for side in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = spec.at("affinity").and_then(|affinity| affinity.at(side)) else { continue };
        let list = "requiredDuringSchedulingIgnoredDuringExecution";
        for (at, term) in terms.list(list).iter().enumerate() {
            judge(Some(term), format!("{path}spec.affinity.{side}.{list}[{at}]"));
        }
        let list = "preferredDuringSchedulingIgnoredDuringExecution";
        for (at, term) in terms.list(list).iter().enumerate() {
            let at = format!("{path}spec.affinity.{side}.{list}[{at}].podAffinityTerm");
            judge(term.at("podAffinityTerm"), at);
        }
    }
}

/// Items of one name.
fn twice(items: &[Value], field: &str, word: &str, path: &str, all: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        if !seen.insert(item.text(field)) {
            all.push(format!("{path}[{at}].{field}: duplicate {word} {:?}", item.text(field)));
        }
    }
}

/// Ports of the containers so far, by number and protocol, and by name.
#[derive(Default)]
struct Ports<'v> {
    by_number: BTreeMap<(i64, &'v str), Vec<(String, &'v Value)>>,
    by_name: BTreeMap<&'v str, String>,
}

fn container<'v>(container: &'v Value, path: &str, ports: &mut Ports<'v>, all: &mut Vec<String>) {
    for list in ["limits", "requests"] {
        let amounts = amounts::in_resources(container, list);
        for name in ["memory", "ephemeral-storage"] {
            if let Some(amount) = amounts.get(name).filter(|amount| amount.milli_value() % 1000 != 0) {
                let why = format!("fractional byte value \"{amount}\" is invalid, must be an integer");
                all.push(format!("{path}.resources.{list}[{name}]: {why}"));
            }
        }
    }
    let mut names = BTreeSet::new();
    for (at, variable) in container.list("env").iter().enumerate() {
        let name = variable.text("name");
        if names.insert(name) {
            continue;
        }
        let (value, reference) = (variable.text("value"), format!("$({name})"));
        if variable.at("valueFrom").is_some() || value == reference || !value.contains(&reference) {
            let why = format!("hides previous definition of {name:?}, which may be dropped when using apply");
            all.push(format!("{path}.env[{at}]: {why}"));
        }
    }
    for (at, port) in container.list("ports").iter().enumerate() {
        ports.add(port, format!("{path}.ports[{at}]"), all);
    }
}

impl<'v> Ports<'v> {
    fn add(&mut self, port: &'v Value, path: String, all: &mut Vec<String>) {
        let host = |port: &Value| port.number("hostPort").unwrap_or(0);
        let key = (port.number("containerPort").unwrap_or(0), port.text("protocol"));
        let others = self.by_number.entry(key).or_default();
        for (other_path, other) in others.iter() {
            let (ip, other_ip) = (port.text("hostIP"), other.text("hostIP"));
            let how = if ip == other_ip && host(port) == host(other) {
                "duplicate"
            } else if host(port) == 0 || host(other) == 0 {
                "overlapping"
            } else if host(port) == host(other) && (ip.is_empty() != other_ip.is_empty()) {
                "dangerously ambiguous"
            } else {
                continue;
            };
            all.push(format!("{path}: {how} port definition with {other_path}"));
        }
        let name = port.text("name");
        if !name.is_empty() {
            match self.by_name.get(name) {
                Some(other) => all.push(format!(
                    "{path}: duplicate port name {name:?} with {other}, services and probes that select ports by name will \
                     use {other}"
                )),
                None => _ = self.by_name.insert(name, path.clone()),
            }
        }
        // More than that nobody reads.
        if others.len() < MOST {
            others.push((path, port));
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
        assert_eq!(of(kind, &object), expected, "{object}");
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
        check(kind::PODS, json!({"spec": spec}), &told);
        let in_template = of(kind::DEPLOYMENTS, &json!({"spec": {"template": {"spec": spec}}}));
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
}
