//! What node lifecycle, eviction, endpoints and pod collection need of a node.

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::view::Projection;
use orch_core::{Kind, Live, Object, Str, kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{condition, text};
use crate::json::list;

/// Nodes that should have another `NoExecute` taint than they have, under the empty value.
pub(crate) const WANTS_TAINT: &str = "wants taint";
/// Nodes that have a `NoExecute` taint of the node controller, under the empty value.
pub(crate) const TAINTED: &str = "tainted";
/// Nodes by their `kubernetes.io/hostname` label.
pub(crate) const BY_HOSTNAME: &str = "hostname";

/// A taint as a node spells it (`core/v1.Taint`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Taint {
    pub(crate) key: Str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) value: Str,
    pub(crate) effect: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_added: Option<Str>,
}

/// The status of a node's `Ready` condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The condition is not there.
    #[default]
    Missing,
    True,
    False,
    Unknown,
}

impl Readiness {
    /// The taint that says so; a node that is ready or has never said anything has none.
    pub(crate) fn taint(self) -> Option<&'static str> {
        match self {
            Self::False => Some(NOT_READY),
            Self::Unknown => Some(UNREACHABLE),
            Self::True | Self::Missing => None,
        }
    }
}

pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The facts of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) ready: Readiness,
    /// `lastHeartbeatTime` of the Ready condition, as it stands there.
    pub(crate) heartbeat: Str,
    pub(crate) out_of_service: bool,
    /// Taints that drive pods away, those of others included.
    pub(crate) no_execute: Box<[Taint]>,
    /// When the heartbeat was last seen to change, on the observer's clock.
    pub(crate) heartbeat_seen: Timestamp,
    /// When the `NoExecute` taints were last seen to change.
    pub(crate) taints_seen: Timestamp,
    /// When readiness was last seen to change.
    pub(crate) ready_seen: Timestamp,
}

impl Projection for Node {
    fn kind() -> Option<Kind> {
        Some(kind::NODES)
    }

    fn project(object: &Live) -> Self {
        let (spec, status) = (object.part_tree(Part::Spec), object.part_tree(Part::Status));
        let ready = condition(&status["conditions"], "Ready");
        let taints = &spec["taints"];
        Self {
            ready: ready.map_or(Readiness::Missing, readiness),
            heartbeat: ready.map(|ready| text(&ready["lastHeartbeatTime"])).unwrap_or_default(),
            out_of_service: list(taints).iter().any(|taint| taint["key"] == OUT_OF_SERVICE),
            no_execute: list(taints)
                .iter()
                .filter(|taint| taint["effect"] == "NoExecute")
                .filter_map(|taint| Taint::deserialize(taint).ok())
                .collect(),
            ..Self::default()
        }
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if facts.wants_taint() {
            out(WANTS_TAINT, "");
        }
        if facts.own_taint().is_some() {
            out(TAINTED, "");
        }
        if let Some(name) = object.label("kubernetes.io/hostname") {
            out(BY_HOSTNAME, name);
        }
    }

    fn remember(&mut self, before: Option<&Self>, now: Timestamp) {
        let keep = |same: bool, seen: Timestamp| if same { seen } else { now };
        let Some(before) = before else {
            (self.heartbeat_seen, self.taints_seen, self.ready_seen) = (now, now, now);
            return;
        };
        self.heartbeat_seen = keep(before.heartbeat == self.heartbeat, before.heartbeat_seen);
        self.taints_seen = keep(before.no_execute == self.no_execute, before.taints_seen);
        self.ready_seen = keep(before.ready == self.ready, before.ready_seen);
    }
}

impl Node {
    /// The `NoExecute` taint of the node controller that the node has.
    pub(crate) fn own_taint(&self) -> Option<&Taint> {
        self.no_execute.iter().find(|taint| matches!(&*taint.key, NOT_READY | UNREACHABLE))
    }

    /// Whether it is to get a `NoExecute` taint and has none of the controller's.
    pub(crate) fn wants_taint(&self) -> bool {
        self.ready.taint().is_some() && self.own_taint().is_none()
    }
}

fn readiness(condition: &Value) -> Readiness {
    match condition["status"].as_str() {
        Some("True") => Readiness::True,
        Some("False") => Readiness::False,
        _ => Readiness::Unknown,
    }
}

/// Where a node stands, for zone-wise decisions: region and zone.
pub(crate) fn zone(object: &Object) -> String {
    let label = |name: &str| object.label(name).unwrap_or_default();
    format!("{}\0{}", label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"))
}
