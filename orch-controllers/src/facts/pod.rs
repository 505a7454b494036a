//! What endpoints, eviction, pod collection and claim protection need of a pod.

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::view::{Projection, Row};
use orch_core::{Kind, Live, Object, Str, kind};
use serde::Deserialize;
use serde_json::Value;

use super::{condition, text};
use crate::json::{list, time};

/// Pods by the node they are assigned to.
pub(crate) const BY_NODE: &str = "node";
/// Pods that have ended, under the empty value.
pub(crate) const TERMINATED: &str = "terminated";
/// Pods by the claims that they use: see [`claim_entry`].
pub(crate) const BY_CLAIM: &str = "claim";

/// The value of [`BY_CLAIM`] for a claim.
pub(crate) fn claim_entry(namespace: &str, claim: &str) -> String {
    format!("{namespace}/{claim}")
}

/// A toleration as a pod spells it (`core/v1.Toleration`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Toleration {
    pub(crate) key: Str,
    pub(crate) operator: Str,
    pub(crate) value: Str,
    pub(crate) effect: Str,
    pub(crate) toleration_seconds: Option<i64>,
}

/// A container port with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPort {
    pub(crate) name: Str,
    pub(crate) protocol: Str,
    pub(crate) port: i64,
}

/// The facts of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pod {
    /// Empty until it is assigned.
    pub(crate) node: Str,
    /// Succeeded or Failed: it will not run again.
    pub(crate) terminal: bool,
    /// Failed because its node was short of something.
    pub(crate) evicted: bool,
    /// Neither waiting to start, nor running, nor unknown: what counts against the limit of ended pods.
    pub(crate) ended: bool,
    pub(crate) ready: bool,
    /// In the order of the status.
    pub(crate) ips: Box<[Str]>,
    pub(crate) hostname: Str,
    pub(crate) subdomain: Str,
    pub(crate) ports: Box<[NamedPort]>,
    pub(crate) tolerations: Box<[Toleration]>,
    /// Names of the claims that its volumes use, ephemeral ones included.
    pub(crate) claims: Box<[Str]>,
    /// When it was assigned to the node, by the scheduler's clock.
    pub(crate) assigned: Option<Timestamp>,
    /// When its assignment to the node was first seen.
    pub(crate) assigned_seen: Timestamp,
}

impl Projection for Pod {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(object: &Live) -> Self {
        let spec = object.part_tree(Part::Spec);
        let of_spec = Self {
            node: text(&spec["nodeName"]),
            hostname: text(&spec["hostname"]),
            subdomain: text(&spec["subdomain"]),
            ports: ports(&spec),
            tolerations: list(&spec["tolerations"])
                .iter()
                .filter_map(|one| Toleration::deserialize(one).ok())
                .collect(),
            claims: claims(object, &spec),
            ..Self::default()
        };
        of_spec.with_status(&object.part_tree(Part::Status))
    }

    fn project_after(object: &Live, before: &Row<Self>) -> Self {
        if object.part(Part::Spec) == before.object.part(Part::Spec) {
            before.facts.clone().with_status(&object.part_tree(Part::Status))
        } else {
            Self::project(object)
        }
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if !facts.node.is_empty() {
            out(BY_NODE, &facts.node);
        }
        if facts.ended {
            out(TERMINATED, "");
        }
        for claim in &facts.claims {
            out(BY_CLAIM, &claim_entry(&object.key().namespace, claim));
        }
    }

    fn remember(&mut self, before: Option<&Self>, now: Timestamp) {
        self.assigned_seen =
            before.filter(|before| before.node == self.node).map_or(now, |before| before.assigned_seen);
    }
}

impl Pod {
    /// With what its status says.
    fn with_status(self, status: &Value) -> Self {
        let phase = status["phase"].as_str().unwrap_or_default();
        Self {
            terminal: matches!(phase, "Succeeded" | "Failed"),
            evicted: phase == "Failed" && status["reason"] == "Evicted",
            ended: !matches!(phase, "" | "Pending" | "Running" | "Unknown"),
            ready: condition(&status["conditions"], "Ready").is_some_and(|ready| ready["status"] == "True"),
            ips: ips(status),
            assigned: condition(&status["conditions"], "PodScheduled")
                .filter(|scheduled| scheduled["status"] == "True")
                .and_then(|scheduled| time(&scheduled["lastTransitionTime"])),
            assigned_seen: Timestamp::default(),
            ..self
        }
    }

    /// Whether both say the same of the object, whenever it was seen.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let Self {
            node,
            terminal,
            evicted,
            ended,
            ready,
            ips,
            hostname,
            subdomain,
            ports,
            tolerations,
            claims,
            assigned,
            assigned_seen: _,
        } = self;
        (node, terminal, evicted, ended, ready, assigned)
            == (&other.node, &other.terminal, &other.evicted, &other.ended, &other.ready, &other.assigned)
            && (ips, hostname, subdomain) == (&other.ips, &other.hostname, &other.subdomain)
            && (ports, tolerations, claims) == (&other.ports, &other.tolerations, &other.claims)
    }
}

fn ips(status: &Value) -> Box<[Str]> {
    let ips: Box<[Str]> =
        list(&status["podIPs"]).iter().map(|ip| text(&ip["ip"])).filter(|ip| !ip.is_empty()).collect();
    let first = text(&status["podIP"]);
    if ips.is_empty() && !first.is_empty() { Box::new([first]) } else { ips }
}

/// Of containers, and of init containers that stay (sidecars).
fn ports(spec: &Value) -> Box<[NamedPort]> {
    let sidecars =
        list(&spec["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
    let ports =
        list(&spec["containers"]).iter().chain(sidecars).flat_map(|container| list(&container["ports"]));
    let named = ports.filter(|port| port["name"].as_str().is_some_and(|name| !name.is_empty()));
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").into();
    named
        .map(|port| NamedPort {
            name: text(&port["name"]),
            protocol: protocol(port),
            port: port["containerPort"].as_i64().unwrap_or_default(),
        })
        .collect()
}

/// A generic ephemeral volume's claim is named after pod and volume (`component-helpers/storage/ephemeral`).
fn claims(object: &Object, spec: &Value) -> Box<[Str]> {
    let claim = |volume: &Value| match &volume["persistentVolumeClaim"]["claimName"] {
        Value::String(name) => Some(Str::from(name.as_str())),
        _ if volume["ephemeral"].is_object() => {
            Some(format!("{}-{}", object.key().name, volume["name"].as_str().unwrap_or_default()).into())
        }
        _ => None,
    };
    let mut claims: Vec<Str> = list(&spec["volumes"]).iter().filter_map(claim).collect();
    claims.sort_unstable();
    claims.dedup();
    claims.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_hand::pod_states;

    #[test]
    fn facts_after_a_change_are_those_of_the_object_alone() {
        for (before, now) in pod_states() {
            let row = Row { facts: Pod::project(&before), object: before.into_object() };
            let (after, alone) = (Pod::project_after(&now, &row), Pod::project(&now));
            assert_eq!(after, alone, "{}", now.tree());
            assert!(after.is_like(&alone));
            assert_eq!(alone.is_like(&row.facts), alone == row.facts);
        }
    }
}
