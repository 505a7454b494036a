//! What is known of a pod: its object, and the facts of its spec, shared by pods with equal ones.
//!
//! It says nothing of the queue. Invariant: [`PodSpec`] follows from the object's spec alone.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::{Key, Live, Object, Str};
use serde_json::Value;

use super::affinity::{NodeTerm, Toleration};
use super::requests::Requests;
use super::resource::Resources;

/// A port of the node that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// `0.0.0.0` for every address.
    pub ip: Str,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Str,
    /// Never 0.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be on one node.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        const ANY: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || &*self.ip == ANY || &*other.ip == ANY)
    }
}

/// A claim that a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimName {
    /// Of that name.
    Named(Str),
    /// Made for the pod's volume of that name.
    Ephemeral(Str),
}

/// Whether a pod may make room for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preemption {
    /// By having pods of lower priority removed.
    #[default]
    LowerPriority,
    /// It waits.
    Never,
}

/// What the spec of a pod asks of the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PodSpec {
    /// Who places it.
    pub scheduler_name: Str,
    /// Higher is more important.
    pub priority: i64,
    /// Whether it may preempt.
    pub preemption: Preemption,
    /// Resources.
    pub requests: Requests,
    /// Labels that its node must have.
    pub node_selector: Selector,
    /// Required node affinity: one of the terms matches. `None` asks for nothing.
    pub required_nodes: Option<Vec<NodeTerm>>,
    /// Preferred node affinity with weights.
    pub preferred_nodes: Vec<(i64, NodeTerm)>,
    /// Taints that it can stand.
    pub tolerations: Vec<Toleration>,
    /// Ports of the node.
    pub host_ports: Vec<HostPort>,
    /// Claims that it mounts.
    pub claims: Vec<ClaimName>,
    /// What it waits for before it may be placed.
    pub gates: Vec<Str>,
}

impl PodSpec {
    pub(crate) fn read(spec: &Value, resources: &mut Resources) -> Self {
        let affinity = &spec["affinity"]["nodeAffinity"];
        let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
        let preferred = &affinity["preferredDuringSchedulingIgnoredDuringExecution"];
        let weighted =
            |term: &Value| (term["weight"].as_i64().unwrap_or(0), NodeTerm::read(&term["preference"]));
        Self {
            scheduler_name: spec["schedulerName"].as_str().unwrap_or("default-scheduler").into(),
            priority: spec["priority"].as_i64().unwrap_or(0),
            preemption: if spec["preemptionPolicy"] == "Never" {
                Preemption::Never
            } else {
                Preemption::default()
            },
            requests: Requests::read(spec, resources),
            node_selector: selector(&spec["nodeSelector"]),
            required_nodes: required.as_array().map(|terms| terms.iter().map(NodeTerm::read).collect()),
            preferred_nodes: items(preferred).map(weighted).filter(|(weight, _)| *weight != 0).collect(),
            tolerations: items(&spec["tolerations"]).filter_map(Toleration::read).collect(),
            host_ports: host_ports(spec),
            claims: items(&spec["volumes"]).filter_map(claim).collect(),
            gates: items(&spec["schedulingGates"])
                .filter_map(|gate| gate["name"].as_str().map(Str::from))
                .collect(),
        }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn selector(labels: &Value) -> Selector {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs = pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    Selector::from_labels(&pairs.collect::<BTreeMap<_, _>>())
}

/// Of containers and of sidecars.
fn host_ports(spec: &Value) -> Vec<HostPort> {
    let sidecars = items(&spec["initContainers"]).filter(|container| container["restartPolicy"] == "Always");
    let ports = items(&spec["containers"]).chain(sidecars).flat_map(|container| items(&container["ports"]));
    let text = |value: &Value, default: &str| match value.as_str() {
        None | Some("") => Str::from(default),
        Some(text) => text.into(),
    };
    let host_port = |port: &Value| {
        let number =
            port["hostPort"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
        Some(HostPort {
            ip: text(&port["hostIP"], "0.0.0.0"),
            protocol: text(&port["protocol"], "TCP"),
            port: number,
        })
    };
    ports.filter_map(host_port).collect()
}

fn claim(volume: &Value) -> Option<ClaimName> {
    if let Some(name) = volume["persistentVolumeClaim"]["claimName"].as_str() {
        return Some(ClaimName::Named(name.into()));
    }
    volume["ephemeral"]
        .is_object()
        .then(|| ClaimName::Ephemeral(volume["name"].as_str().unwrap_or_default().into()))
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    object: Object,
    spec: Arc<PodSpec>,
    started: OnceLock<Option<Timestamp>>,
}

impl Pod {
    pub(crate) fn new(object: Object, spec: Arc<PodSpec>) -> Self {
        Self { object, spec, started: OnceLock::new() }
    }

    /// The object; decode a part of it only where the facts do not suffice.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The facts of its spec.
    #[must_use]
    pub fn spec(&self) -> &Arc<PodSpec> {
        &self.spec
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.object.key()
    }

    /// Its identity.
    #[must_use]
    pub fn uid(&self) -> &Str {
        self.object.uid()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Str {
        &self.object.key().namespace
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.object.label(key)
    }

    /// Higher is more important.
    #[must_use]
    pub fn priority(&self) -> i64 {
        self.spec.priority
    }

    /// The node that it is bound to, as the object says.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.object.field("spec.nodeName").filter(|name| !name.is_empty())
    }

    /// The node that it was promised, as the object says.
    #[must_use]
    pub fn nominated(&self) -> Option<&str> {
        self.object.field("status.nominatedNodeName").filter(|name| !name.is_empty())
    }

    /// Whether it has ended for good.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.object.field("status.phase"), Some("Succeeded" | "Failed"))
    }

    /// Whether its deletion has begun.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.object.header().is_terminating()
    }

    /// When its node took it on; decoded when first asked for.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        *self.started.get_or_init(|| {
            let status: Value = self.object.part_to(Part::Status).ok()?;
            status["startTime"].as_str()?.parse().ok()
        })
    }
}

/// Specs that are in use, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    known: HashSet<Arc<PodSpec>>,
    purge_at: usize,
}

impl Specs {
    /// The facts of a pod; of `before` when nothing can have changed.
    pub(crate) fn pod(&mut self, live: &Live, before: Option<&Pod>, resources: &mut Resources) -> Pod {
        if let Some(before) = before
            && before.object.part(Part::Spec) == live.part(Part::Spec)
        {
            return Pod::new(live.object().clone(), Arc::clone(&before.spec));
        }
        let spec = PodSpec::read(&live.tree()["spec"], resources);
        Pod::new(live.object().clone(), self.share(spec))
    }

    fn share(&mut self, spec: PodSpec) -> Arc<PodSpec> {
        if let Some(known) = self.known.get(&spec) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.purge_at {
            self.known.retain(|spec| Arc::strong_count(spec) > 1);
            self.purge_at = (self.known.len() * 2).max(64);
        }
        let spec = Arc::new(spec);
        self.known.insert(Arc::clone(&spec));
        spec
    }
}
