//! Whether a node answers (`tryUpdateNodeHealth` in `pkg/controller/nodelifecycle/node_lifecycle_controller.go`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::view::Projection;
use orch_core::{Key, Kind, Live, Object, Str, kind, rfc3339};
use serde_json::{Value, json};

use super::NodeLifecycleConfig;
use crate::carried::{self, Condition};
use crate::facts::{self, Node, Readiness, condition};
use crate::json::list;

/// Where the agents of nodes keep their Leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Conditions that only the node's agent can know.
const OF_THE_AGENT: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The key of a node's Lease.
pub(super) fn lease(node: &Str) -> Key {
    Key::new(kind::LEASES, LEASE_NAMESPACE, node.clone())
}

/// A Lease, and when it was last seen to change.
pub(super) struct Lease {
    renewed: Str,
    pub(super) seen: Timestamp,
}

impl Projection for Lease {
    fn kind() -> Option<Kind> {
        Some(kind::LEASES)
    }

    fn project(object: &Live) -> Self {
        Self { renewed: facts::text(&object.tree()["spec"]["renewTime"]), seen: Timestamp::default() }
    }

    fn remember(&mut self, before: Option<&Self>, now: Timestamp) {
        self.seen = before.filter(|before| before.renewed == self.renewed).map_or(now, |before| before.seen);
    }
}

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It does, and would have to be silent for so much longer.
    Answers(Duration),
    /// It has been silent for too long.
    Silent,
}

impl Health {
    pub(super) fn of(
        config: &NodeLifecycleConfig,
        node: &Node,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Self {
        let seen = lease.map_or(node.heartbeat_seen, |lease| lease.seen.max(node.heartbeat_seen));
        let grace = if node.ready == Readiness::Missing { config.startup_grace } else { config.grace };
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let left = seen.checked_add(grace).unwrap_or(Timestamp::MAX).duration_since(now);
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => Self::Answers(left),
            _ => Self::Silent,
        }
    }
}

/// The conditions of a node that does not answer; `None` when they say so already.
pub(super) fn unknown(conditions: &Value, node: &Object, now: Timestamp) -> Option<Value> {
    let mut all = conditions.clone();
    for kind in OF_THE_AGENT {
        match condition(conditions, kind) {
            None => {
                let created = node.header().created.map(rfc3339);
                let never = json!({"type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.", "lastHeartbeatTime": created,
                    "lastTransitionTime": rfc3339(now)});
                all = list(&all).iter().cloned().chain([never]).collect();
            }
            Some(known) if known["status"] == "Unknown" => {}
            Some(_) => {
                let (reason, message) = ("NodeStatusUnknown", "Kubelet stopped posting node status.");
                let unknown = Condition { kind, status: "Unknown", reason, message };
                all = carried::set(&all, unknown, now).unwrap_or(all);
            }
        }
    }
    (all != *conditions).then_some(all)
}
