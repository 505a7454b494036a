//! How fast nodes get the taint that drives their pods away: one at a time in each zone, slower or not at all when most of
//! a zone does not answer (`ComputeZoneState`, `handleDisruption` in
//! `pkg/controller/nodelifecycle/node_lifecycle_controller.go`).
//!
//! No bucket of tokens is kept: when a zone's last node was tainted stands in the taints. So the pace is pure and outlives a
//! crash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::view::{Row, Table};
use serde_json::Value;

use super::{NodeLifecycleConfig, taints};
use crate::facts::{NOT_READY, Node, Readiness, TAINTED, Taint, UNREACHABLE, WANTS_TAINT, zone};
use crate::json::{list, text};

/// Taints removed in one turn.
const BURST: usize = 500;

/// The nodes of a zone.
#[derive(Clone, Copy, Debug, Default)]
struct Zone {
    ready: usize,
    not_ready: usize,
    /// When the last of its nodes was tainted.
    last: Option<Timestamp>,
}

/// What happens next in each zone.
pub struct Paces {
    /// These get the taint now.
    taint: Vec<Arc<Row<Node>>>,
    /// These lose it: nobody answers, so the observer is cut off.
    spare: Vec<Arc<Row<Node>>>,
    /// The next one is due then.
    next: Option<Duration>,
    now: Timestamp,
}

impl Paces {
    /// Costs a step for each node of the cluster, while a node waits for its taint or has it.
    pub(super) fn measure(config: &NodeLifecycleConfig, nodes: &Table<Node>, now: Timestamp) -> Option<Self> {
        let mut waiting: Vec<_> = nodes.indexed(WANTS_TAINT, "").cloned().collect();
        let tainted: Vec<_> = nodes.indexed(TAINTED, "").cloned().collect();
        if waiting.is_empty() && tainted.is_empty() {
            return None;
        }
        let zones = zones(nodes, now);
        let mut paces = Self { taint: Vec::new(), spare: Vec::new(), next: None, now };
        if zones.values().all(|zone| zone.ready == 0) {
            paces.spare = tainted.into_iter().take(BURST).collect();
            return Some(paces);
        }
        waiting.sort_by_key(|node| (node.facts.ready_seen, node.object.key().name.clone()));
        let mut first: BTreeMap<String, Vec<Arc<Row<Node>>>> = BTreeMap::new();
        for node in waiting {
            first.entry(zone(&node.object)).or_default().push(node);
        }
        for (name, waiting) in first {
            let Some(interval) = zones.get(&name).and_then(|zone| zone.interval(config)) else { continue };
            let last = zones.get(&name).and_then(|zone| zone.last);
            match last.and_then(|last| left(last, interval, now)) {
                Some(left) => paces.look_again(left),
                None => {
                    if waiting.len() > 1 {
                        paces.look_again(interval);
                    }
                    paces.taint.extend(waiting.into_iter().next());
                }
            }
        }
        Some(paces)
    }

    fn look_again(&mut self, after: Duration) {
        self.next = Some(self.next.map_or(after, |before| before.min(after)));
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::new();
        for node in &self.taint {
            if let Some(key) = node.facts.ready.taint() {
                let added = taints::no_execute(key, self.now);
                plan = plan
                    .write(taints::write(&node.object, &present(node).chain([added]).collect::<Vec<_>>()));
            }
        }
        let drives_away = |taint: &Value| {
            taint["effect"] == "NoExecute" && matches!(text(&taint["key"]), NOT_READY | UNREACHABLE)
        };
        for node in &self.spare {
            let kept: Vec<_> = present(node).filter(|taint| !drives_away(taint)).collect();
            plan = plan.write(taints::write(&node.object, &kept));
        }
        if self.spare.len() == BURST {
            plan = plan.again_after(Duration::ZERO);
        }
        self.next.map_or(plan.clone(), |next| plan.again_after(next))
    }
}

fn present(node: &Arc<Row<Node>>) -> impl Iterator<Item = Value> + use<> {
    let spec: Value = node.object.part_to(Part::Spec).unwrap_or_default();
    list(&spec["taints"]).to_vec().into_iter()
}

fn zones(nodes: &Table<Node>, now: Timestamp) -> BTreeMap<String, Zone> {
    let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
    for node in nodes.iter() {
        let zone = zones.entry(zone(&node.object)).or_default();
        if node.facts.ready == Readiness::True {
            zone.ready += 1;
        } else {
            zone.not_ready += 1;
        }
        if let Some(taint) = node.facts.own_taint() {
            zone.last = zone.last.max(Some(since(taint, &node.facts).min(now)));
        }
    }
    zones
}

/// Since when a taint drives pods away. Who adds one need not say when; then it is when it was seen.
pub(super) fn since(taint: &Taint, node: &Node) -> Timestamp {
    taint.time_added.as_ref().and_then(|time| time.parse().ok()).unwrap_or(node.taints_seen)
}

impl Zone {
    /// Time between two nodes; `None` when none may be tainted.
    fn interval(&self, config: &NodeLifecycleConfig) -> Option<Duration> {
        let total = self.ready + self.not_ready;
        let most = self.not_ready > 2 && self.not_ready * 100 >= config.unhealthy_percent * total;
        // A zone none of whose nodes answers is cut off as a whole, while others are not: its pods move as usual.
        if !most || self.ready == 0 {
            Some(config.eviction_interval)
        } else {
            (total > config.large_zone).then_some(config.secondary_eviction_interval)
        }
    }
}

/// How much of the interval is left.
fn left(last: Timestamp, interval: Duration, now: Timestamp) -> Option<Duration> {
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    let left = last.checked_add(interval).unwrap_or(Timestamp::MAX).duration_since(now);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}
