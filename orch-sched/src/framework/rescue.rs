//! For a class that fits nowhere: on which node the least harm makes room.
//!
//! As `pkg/scheduler/framework/preemption/preemption.go`, with every node considered and what was found kept: after a
//! preemption one node is looked at again. Invariant: the ranking holds for the table's position.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::scheduler::Explanation;

use super::lens::{Lens, is_resolvable};
use super::plugin::{Candidate, PostFilter, Refusal};
use super::trial::Trial;
use crate::cluster::{Cluster, NodeId, PodId};

/// In Kubernetes' words, of nodes where removing pods does not help.
const HOPELESS: &str = "Preemption is not helpful for scheduling";

type Ranked = ([i64; 5], u64, NodeId);

#[derive(Clone, Debug, Default)]
pub(crate) struct Rescue {
    /// Position of the log and epoch of the plugin; `None` before the first look.
    seen: Option<(u64, u64)>,
    found: BTreeMap<NodeId, Found>,
    ranking: BTreeSet<Ranked>,
    /// How many nodes have each answer that is not a candidate.
    misses: BTreeMap<Refusal, usize>,
}

#[derive(Clone, Debug)]
enum Found {
    Candidate(Ranked),
    Miss(Refusal),
}

/// Who makes room, and who is on the way off already.
#[derive(Clone, Copy)]
pub(crate) struct Room<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) plugin: &'a dyn PostFilter,
    pub(crate) epoch: u64,
    pub(crate) leaving: &'a BTreeMap<PodId, PodId>,
}

impl Rescue {
    /// The best candidate. `refusals` says why a node is refused now; `position` is where that holds.
    pub(crate) fn best<'a>(
        &mut self,
        room: Room<'_>,
        cluster: &mut Cluster,
        position: u64,
        refusals: impl Fn(NodeId) -> Option<&'a Refusal>,
    ) -> Option<(NodeId, Candidate)> {
        let known = self.seen.filter(|(_, epoch)| *epoch == room.epoch).map(|(position, _)| position);
        let changed: Option<BTreeSet<NodeId>> =
            known.and_then(|known| Some(cluster.log().since(known)?.collect()));
        let nodes = changed.unwrap_or_else(|| {
            *self = Self::default();
            cluster.nodes().map(|node| node.id()).collect()
        });
        for node in nodes {
            self.forget(node);
            if cluster.is_node(node) {
                self.look(room, cluster, node, refusals(node));
            }
        }
        self.seen = Some((position, room.epoch));
        let (_, _, node) = *self.ranking.first()?;
        Some((node, room.candidate(cluster, node).ok()?))
    }

    fn forget(&mut self, node: NodeId) {
        match self.found.remove(&node) {
            Some(Found::Candidate(ranked)) => {
                self.ranking.remove(&ranked);
            }
            Some(Found::Miss(refusal)) => {
                if let Some(count) = self.misses.get_mut(&refusal) {
                    *count -= 1;
                    if *count == 0 {
                        self.misses.remove(&refusal);
                    }
                }
            }
            None => {}
        }
    }

    fn look(&mut self, room: Room<'_>, cluster: &mut Cluster, node: NodeId, refusal: Option<&Refusal>) {
        let answer = match refusal {
            Some(refusal) if is_resolvable(refusal) => room.candidate(cluster, node),
            _ => Err(Refusal::unresolvable(HOPELESS)),
        };
        let found = match answer {
            Ok(candidate) => {
                let ranked = (candidate.rank, room.lens.tie(cluster, node), node);
                self.ranking.insert(ranked);
                Found::Candidate(ranked)
            }
            Err(refusal) => {
                *self.misses.entry(refusal.clone()).or_default() += 1;
                Found::Miss(refusal)
            }
        };
        self.found.insert(node, found);
    }

    /// Why there is no candidate.
    pub(crate) fn why(&self, nodes: usize) -> String {
        let mut explanation = Explanation::new(nodes);
        for (refusal, count) in &self.misses {
            refusal.reasons.iter().for_each(|reason| explanation.count(reason, *count));
        }
        explanation.count(HOPELESS, nodes.saturating_sub(self.found.len()));
        explanation.to_string()
    }
}

impl Room<'_> {
    pub(crate) fn candidate(&self, cluster: &mut Cluster, node: NodeId) -> Result<Candidate, Refusal> {
        let mut trial = Trial::new(self.lens, cluster, node, self.leaving);
        self.plugin.candidate(self.lens.pod, &mut trial)
    }
}
