//! Warnings about pods and templates of pods (`pkg/api/pod/warnings.go`).
//!
//! What is deprecated, ambiguous or without effect; not every one of upstream's. Invariant: what stands at a path is looked
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{MOST, address};
use crate::amounts;
use crate::tree::Get;

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

/// A pod or template; `path` is what stands before its fields.
pub(super) fn pod<'v>(object: &'v Value, path: &'v str, all: &mut Vec<String>) {
    let Some(spec) = object.at("spec") else { return };
    selectors(spec, path, all);
    for (at, volume) in spec.list("volumes").iter().enumerate() {
        for (field, why) in VOLUMES.iter().filter(|(field, _)| volume.at(field).is_some()) {
            all.push(format!("{path}spec.volumes[{at}].{field}: {why}"));
        }
    }
    twice(spec, "hostAliases", "ip", path, all);
    twice(spec, "imagePullSecrets", "name", path, all);
    let mut ports = Ports::default();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (at, one) in spec.list(list).iter().enumerate() {
            container(one, ContainerPath { path, list, at }, &mut ports, all);
        }
    }
    if spec.number("terminationGracePeriodSeconds").is_some_and(|secs| secs < 0) {
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        all.push(format!("{path}spec.terminationGracePeriodSeconds: {why}"));
    }
    let servers = spec.at("dnsConfig").map_or(&[][..], |config| config.list("nameservers"));
    for (at, server) in servers.iter().enumerate() {
        let path = format!("{path}spec.dnsConfig.nameservers[{at}]");
        all.extend(address(&path, server.as_str().unwrap_or_default()));
    }
    for (at, alias) in spec.list("hostAliases").iter().enumerate() {
        all.extend(address(&format!("{path}spec.hostAliases[{at}].ip"), alias.text("ip")));
    }
}

/// Terms that match nothing.
fn selectors(spec: &Value, path: &str, all: &mut Vec<String>) {
    const WHY: &str = "a null labelSelector results in matching no pod";
    let mut judge = |term: Option<&Value>, at: fmt::Arguments<'_>| {
        if term.is_some_and(|term| term.at("labelSelector").is_none()) {
            all.push(format!("{at}.labelSelector: {WHY}"));
        }
    };
    for (at, term) in spec.list("topologySpreadConstraints").iter().enumerate() {
        judge(Some(term), format_args!("{path}spec.topologySpreadConstraints[{at}]"));
    }
    for side in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = spec.at("affinity").and_then(|affinity| affinity.at(side)) else { continue };
        let list = "requiredDuringSchedulingIgnoredDuringExecution";
        for (at, term) in terms.list(list).iter().enumerate() {
            judge(Some(term), format_args!("{path}spec.affinity.{side}.{list}[{at}]"));
        }
        let list = "preferredDuringSchedulingIgnoredDuringExecution";
        for (at, term) in terms.list(list).iter().enumerate() {
            let of = term.at("podAffinityTerm");
            judge(of, format_args!("{path}spec.affinity.{side}.{list}[{at}].podAffinityTerm"));
        }
    }
}

/// Items of a list of the spec that have one name.
fn twice(spec: &Value, list: &str, field: &str, path: &str, all: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (at, item) in spec.list(list).iter().enumerate() {
        let name = item.text(field);
        if !seen.insert(name) {
            all.push(format!("{path}spec.{list}[{at}].{field}: duplicate {field} {name:?}"));
        }
    }
}

/// Where a container stands; written only when there is something to say.
#[derive(Clone, Copy)]
struct ContainerPath<'p> {
    /// What stands before the fields of the pod.
    path: &'p str,
    list: &'static str,
    at: usize,
}

impl fmt::Display for ContainerPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, list, at } = self;
        write!(f, "{path}spec.{list}[{at}]")
    }
}

/// Where a port stands.
#[derive(Clone, Copy)]
struct PortPath<'p> {
    container: ContainerPath<'p>,
    at: usize,
}

impl fmt::Display for PortPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, at } = self;
        write!(f, "{container}.ports[{at}]")
    }
}

/// Ports of the containers so far, by number and protocol, and by name.
#[derive(Default)]
struct Ports<'v> {
    by_number: BTreeMap<(i64, &'v str), Vec<(PortPath<'v>, &'v Value)>>,
    by_name: BTreeMap<&'v str, PortPath<'v>>,
}

fn container<'v>(
    container: &'v Value,
    path: ContainerPath<'v>,
    ports: &mut Ports<'v>,
    all: &mut Vec<String>,
) {
    let resources = container.at("resources");
    for list in ["limits", "requests"] {
        let Some(amounts) = resources.and_then(|resources| resources.at(list)) else { continue };
        for name in ["memory", "ephemeral-storage"] {
            let amount = amounts.at(name).and_then(amounts::read);
            if let Some(amount) = amount.filter(|amount| amount.milli_value() % 1000 != 0) {
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
        ports.add(port, PortPath { container: path, at }, all);
    }
}

impl<'v> Ports<'v> {
    fn add(&mut self, port: &'v Value, path: PortPath<'v>, all: &mut Vec<String>) {
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
                None => _ = self.by_name.insert(name, path),
            }
        }
        // More than that nobody reads.
        if others.len() < MOST {
            others.push((path, port));
        }
    }
}
