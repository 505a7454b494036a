//! One pod at a time: find the best node, or say why there is none and who could make room.
//!
//! Invariant: what is decided counts at once, so the next pod sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::scheduler::{Decision, Verdict};

use super::class::Known;
use super::lens::{Lens, Misfit, Outline, is_resolvable};
use super::plugin::{Candidate, Leaving, Refusal};
use super::queue::{Group, Place, Told};
use super::rescue::{Rescue, Room};
use super::table::Table;
use super::{FrameworkScheduler, Method};
use crate::cluster::{Cluster, NodeId, Pod, PodId};

/// In Kubernetes' words (`pkg/scheduler/schedule_one.go`).
const NO_NODES: &str = "no nodes available to schedule pods";

impl FrameworkScheduler {
    pub(super) fn decide_up_to(&mut self, len: usize, out: &mut Vec<Decision>) {
        while out.len() < len
            && let Some(id) = self.untold.pop_first()
        {
            self.tell(id, Told::Notice, self.gate(id), out);
        }
        self.ask_permits(len, out);
        while let Some(id) = self.queue.overdue(self.now) {
            self.requeue(id);
        }
        while let Some(id) = self.queue.recovered(self.now) {
            let key = self.sort_key(id);
            if let Some(record) = self.records.get_mut(id.0) {
                self.queue.put(id, record, Place::Active(key));
            }
        }
        while out.len() < len
            && let Some(id) = self.queue.next()
        {
            if let Some((told, verdict)) = self.place_pod(id) {
                self.tell(id, told, verdict, out);
            }
        }
    }

    pub(super) fn tell(&mut self, id: PodId, told: Told, verdict: Verdict, out: &mut Vec<Decision>) {
        if let Some(record) = self.record_mut(id) {
            record.told = Some(told);
        }
        let pod = self.cluster.pod(id);
        out.push(Decision { pod: pod.key().clone(), uid: pod.uid().clone(), verdict });
    }

    fn gate(&self, id: PodId) -> Verdict {
        let pod = self.cluster.pod(id);
        let why = self.plugins.gatekeepers().find_map(|plugin| plugin.admit(pod).err());
        Verdict::Hold { why: why.unwrap_or_default() }
    }

    /// Decides on one pod; `None` when there is nothing to say.
    fn place_pod(&mut self, id: PodId) -> Option<(Told, Verdict)> {
        let pod = Arc::clone(self.cluster.pod(id));
        let now = self.now;
        let record = self.records.get_mut(id.0).as_mut()?;
        record.since = now;
        self.queue.put(id, record, Place::Nowhere);
        let held = self.give_back(id);
        let promised = held.or_else(|| self.cluster.renounce(id));
        match self.select(id, &pod, promised) {
            Ok(node) => self.settle(id, &pod, node),
            Err(misfit) => Some(self.give_up(id, &pod, misfit, promised)),
        }
    }

    /// The best node; the promised one when it fits.
    fn select(&mut self, id: PodId, pod: &Pod, promised: Option<NodeId>) -> Result<NodeId, Misfit> {
        if self.cluster.is_empty() {
            return Err(Misfit::overall(0, 0, NO_NODES));
        }
        self.with_known(id, pod, |lens, cluster, table| match table {
            Some(table) => promised
                .filter(|node| table.fits(*node))
                .or_else(|| table.best())
                .ok_or_else(|| table.misfit(cluster)),
            None => {
                let nodes = lens.outline.few(cluster);
                let nodes = nodes.unwrap_or_else(|| cluster.nodes().map(|node| node.id()).collect());
                let survey = lens.survey(cluster, nodes);
                let kept = promised.filter(|node| survey.fits.iter().any(|(fit, _)| fit == node));
                kept.or_else(|| survey.best()).ok_or_else(|| survey.misfit(lens, cluster))
            }
        })
        .unwrap_or_else(Err)
    }

    /// Works with what is known for the pod's class, brought up to date. The error is a refusal that holds on every node.
    fn with_known<T>(
        &mut self,
        id: PodId,
        pod: &Pod,
        work: impl FnOnce(&Lens<'_>, &mut Cluster, Option<&mut Table>) -> T,
    ) -> Result<T, Misfit> {
        let class = self.record(id).map(|record| record.class);
        let known = class.and_then(|class| self.classes.take(class));
        let mut known = match known.filter(|known| known.outline.is_current(&self.plugins)) {
            Some(known) => known,
            None => {
                let refused = |refused| Misfit::refused(self.cluster.len(), &refused);
                Known { outline: Outline::new(&self.plugins, pod).map_err(refused)?, table: None }
            }
        };
        let Known { outline, table } = &mut known;
        let lens = Lens { plugins: &self.plugins, outline, pod, seed: self.options.seed };
        if outline.only.is_none() && self.method == Method::Incremental {
            match table {
                Some(table) => table.refresh(&lens, &mut self.cluster),
                None => *table = Some(Box::new(Table::new(&lens, &mut self.cluster))),
            }
        }
        let answer = work(&lens, &mut self.cluster, table.as_deref_mut());
        if let Some(class) = class {
            self.classes.keep(class, known, self.cluster.len());
        }
        Ok(answer)
    }

    /// No node fits: perhaps others can make room.
    fn give_up(&mut self, id: PodId, pod: &Pod, misfit: Misfit, promised: Option<NodeId>) -> (Told, Verdict) {
        let Misfit { mut explanation, by } = misfit;
        let effort =
            if explanation.nodes > 0 { self.make_room(id, pod, promised) } else { Effort::default() };
        explanation.preemption = effort.why;
        if let Some(node) = effort.promise {
            self.cluster.nominate(id, node);
        }
        let deadline = self.now + self.options.flush_after;
        if let Some(record) = self.records.get_mut(id.0) {
            record.attempts = record.attempts.saturating_add(1);
            let group = Group { class: record.class, by };
            self.queue.put(id, record, Place::Parked(group, deadline));
        }
        match effort.found {
            Some((node, candidate)) => (Told::Preempt, self.preempt(id, node, &candidate, explanation)),
            None => (Told::Notice, Verdict::Unschedulable { explanation }),
        }
    }

    /// The node on which the least harm makes room, and whether the pod goes on waiting for the promised one instead.
    fn make_room(&mut self, id: PodId, pod: &Pod, promised: Option<NodeId>) -> Effort {
        if self.plugins.post_filter().is_none() {
            return Effort::default();
        }
        let leaving = promised.filter(|node| self.is_clearing(*node, pod));
        let going = std::mem::take(&mut self.leaving);
        let answer = self.with_known(id, pod, |lens, cluster, table| match table {
            Some(table) => {
                let mut rescue = std::mem::take(&mut table.rescue);
                let position = table.position();
                let effort = rescue_with(&mut rescue, lens, cluster, &going, leaving, position, |node| {
                    table.refusal(node)
                });
                table.rescue = rescue;
                effort
            }
            None => {
                let nodes = lens.outline.few(cluster);
                let nodes = nodes.unwrap_or_else(|| cluster.nodes().map(|node| node.id()).collect());
                let survey = lens.survey(cluster, nodes);
                let refusal = |node| {
                    survey.refused.iter().find(|(id, _, _)| *id == node).map(|(_, _, refusal)| refusal)
                };
                rescue_with(&mut Rescue::default(), lens, cluster, &going, leaving, 0, refusal)
            }
        });
        self.leaving = going;
        answer.unwrap_or_else(|_| self.nobody_can_help(pod))
    }

    /// A refusal that holds on every node has no remedy.
    fn nobody_can_help(&self, pod: &Pod) -> Effort {
        let eligible =
            self.plugins.post_filter().map_or(Ok(()), |(_, plugin)| plugin.eligible(pod, Leaving::None));
        let why = eligible.err().unwrap_or_else(|| Rescue::default().why(self.cluster.len()));
        Effort { why, ..Effort::default() }
    }

    /// Whether pods that the pod may displace are on their way off a node.
    fn is_clearing(&self, node: NodeId, pod: &Pod) -> bool {
        let gone = |id: &PodId| {
            let other = self.cluster.pod(*id);
            other.priority() < pod.priority() && (other.is_terminating() || self.leaving.contains_key(id))
        };
        self.cluster.is_node(node) && self.cluster.node(node).pod_ids().iter().any(gone)
    }
}

/// What came of the search for room.
#[derive(Debug, Default)]
struct Effort {
    found: Option<(NodeId, Candidate)>,
    /// Why nothing was found.
    why: String,
    /// The promised node is being cleared: the promise stands.
    promise: Option<NodeId>,
}

fn rescue_with<'a>(
    rescue: &mut Rescue,
    lens: &Lens<'_>,
    cluster: &mut Cluster,
    going: &BTreeMap<PodId, PodId>,
    clearing: Option<NodeId>,
    position: u64,
    refusal: impl Fn(NodeId) -> Option<&'a Refusal>,
) -> Effort {
    let Some((at, plugin)) = lens.plugins.post_filter() else { return Effort::default() };
    let promise = clearing.filter(|node| refusal(*node).is_none_or(is_resolvable));
    let leaving = if promise.is_some() { Leaving::Some } else { Leaving::None };
    if let Err(why) = plugin.eligible(lens.pod, leaving) {
        return Effort { why, promise, found: None };
    }
    let room = Room { lens: *lens, plugin, epoch: lens.plugins.epoch(at), leaving: going };
    let found = rescue.best(room, cluster, position, refusal);
    let why = if found.is_none() { rescue.why(cluster.len()) } else { String::new() };
    Effort { found, why, promise: None }
}
