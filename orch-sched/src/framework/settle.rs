//! What follows a choice: reservation, permit, the verdict, and what its outcome means.
//!
//! Invariant: a pod that counts on a node without being bound there is marked as holding; whatever ends that, gives the room
//! and what plugins set aside back.

use std::sync::Arc;

use orch_core::scheduler::{Decision, Explanation, Outcome, Verdict};

use super::FrameworkScheduler;
use super::lens::Misfit;
use super::plugin::{Candidate, ClusterEvent, Permission, Reserved};
use super::queue::{Group, Place, Told, backoff};
use crate::cluster::{NodeId, Pod, PodId};

impl FrameworkScheduler {
    /// Counts the pod on the node and sees what is needed before it can be bound.
    pub(super) fn settle(&mut self, id: PodId, pod: &Pod, node: NodeId) -> Option<(Told, Verdict)> {
        let name = self.cluster.node(node).name().clone();
        self.cluster.place(id, &name);
        if let Some(record) = self.record_mut(id) {
            record.holding = true;
        }
        let (mut claims, mut by) = (Vec::new(), 0_u64);
        for at in self.plugins.reserving() {
            let Some(plugin) = self.plugins.reserve_mut(at) else { continue };
            match plugin.reserve(pod, &self.cluster.node(node)) {
                Ok(Reserved::Ready) => continue,
                Ok(Reserved::Prepare(steps)) => claims.extend(steps),
                Ok(Reserved::Wait) => {}
                Err(refusal) => {
                    return Some(self.turn_away(id, Misfit::refused(self.cluster.len(), &(at, refusal))));
                }
            }
            by |= 1 << at;
            self.plugins.bump(at);
            if let Some(record) = self.record_mut(id) {
                record.reserved = true;
            }
        }
        if by == 0 {
            return Some(self.ask(id, pod, node));
        }
        let deadline = self.now + self.options.bind_timeout;
        let record = self.records.get_mut(id.0).as_mut()?;
        let group = Group { class: record.class, by };
        self.queue.put(id, record, Place::Parked(group, deadline));
        (!claims.is_empty()).then_some((Told::Prepare, Verdict::Prepare { node: name, claims }))
    }

    /// Whether the pod may be bound now.
    fn ask(&mut self, id: PodId, pod: &Pod, node: NodeId) -> (Told, Verdict) {
        match self.permission(pod, node) {
            (_, Permission::Allow) => {
                let node = self.cluster.node(node).name().clone();
                let mut rests_on = Vec::new();
                for at in self.plugins.reserving() {
                    rests_on.extend(
                        self.plugins.reserve_mut(at).into_iter().flat_map(|plugin| plugin.rests_on(pod)),
                    );
                }
                (Told::Bind, Verdict::Bind { node, rests_on })
            }
            (_, Permission::Wait { why, until }) => {
                self.waiting.insert(id, until);
                (Told::Wait, Verdict::Hold { why })
            }
            (at, Permission::Refuse(refusal)) => {
                self.turn_away(id, Misfit::refused(self.cluster.len(), &(at, refusal)))
            }
        }
    }

    fn permission(&self, pod: &Pod, node: NodeId) -> (usize, Permission) {
        let mut answer = (0, Permission::Allow);
        for (at, plugin) in self.plugins.permits() {
            match plugin.permit(pod, &self.cluster.node(node), &self.cluster, self.now) {
                Permission::Allow => {}
                refusal @ Permission::Refuse(_) => return (at, refusal),
                wait @ Permission::Wait { .. } => answer = (at, wait),
            }
        }
        answer
    }

    /// A pod that had a place gives it up, and waits for what the plugins that refused it look at.
    fn turn_away(&mut self, id: PodId, misfit: Misfit) -> (Told, Verdict) {
        self.give_back(id);
        let deadline = self.now + self.options.flush_after;
        if let Some(record) = self.records.get_mut(id.0) {
            record.attempts = record.attempts.saturating_add(1);
            let group = Group { class: record.class, by: misfit.by };
            self.queue.put(id, record, Place::Parked(group, deadline));
        }
        (Told::Notice, Verdict::Unschedulable { explanation: misfit.explanation })
    }

    /// Asks again for the pods that wait for a permit.
    pub(super) fn ask_permits(&mut self, len: usize, out: &mut Vec<Decision>) {
        let waiting: Vec<_> = self.waiting.iter().map(|(id, until)| (*id, *until)).collect();
        for (id, until) in waiting {
            if out.len() >= len || self.record(id).is_none_or(|record| record.told.is_some()) {
                continue;
            }
            let pod = Arc::clone(self.cluster.pod(id));
            let node = self.cluster.node_of(id).and_then(|name| self.cluster.find(name));
            let Some(node) = node.filter(|_| until > self.now) else {
                let by = self.plugins.permits().fold(0, |bits, (at, _)| bits | 1_u64 << at);
                let misfit = Misfit::overall(self.cluster.len(), by, "timed out waiting on permit");
                let (told, verdict) = self.turn_away(id, misfit);
                self.tell(id, told, verdict, out);
                self.wake(&ClusterEvent::PodGone { pod: &pod });
                continue;
            };
            match self.permission(&pod, node) {
                (_, Permission::Wait { .. }) => {}
                _ => {
                    self.waiting.remove(&id);
                    let (told, verdict) = self.ask(id, &pod, node);
                    self.tell(id, told, verdict, out);
                }
            }
        }
    }

    /// Promises the node and has the victims deleted.
    pub(super) fn preempt(
        &mut self,
        id: PodId,
        node: NodeId,
        candidate: &Candidate,
        explanation: Explanation,
    ) -> Verdict {
        let priority = self.cluster.pod(id).priority();
        let less_important = |other: &PodId| self.cluster.pod(*other).priority() < priority;
        let displaced: Vec<PodId> = self.cluster.nominated(node).filter(less_important).collect();
        for other in displaced {
            self.cluster.renounce(other);
            if self.record(other).is_some_and(|record| matches!(record.place, Place::Parked(..))) {
                self.requeue(other);
            }
        }
        let identity = |victim: &PodId| {
            let pod = self.cluster.pod(*victim);
            (pod.key().clone(), pod.uid().clone())
        };
        let victims = candidate.victims.iter().map(identity).collect();
        self.leaving.extend(candidate.victims.iter().map(|victim| (*victim, id)));
        self.cluster.nominate(id, node);
        Verdict::Preempt { node: self.cluster.node(node).name().clone(), victims, explanation }
    }

    /// Gives up a place that the pod is not bound to, and what was set aside for it; says which node that was.
    pub(super) fn give_back(&mut self, id: PodId) -> Option<NodeId> {
        let record = self.records.get_mut(id.0).as_mut()?;
        let (holding, reserved) = (record.holding, record.reserved);
        (record.holding, record.reserved) = (false, false);
        self.waiting.remove(&id);
        if reserved {
            for at in self.plugins.reserving() {
                if let Some(plugin) = self.plugins.reserve_mut(at) {
                    plugin.unreserve(self.cluster.pod(id));
                    self.plugins.bump(at);
                }
            }
        }
        if !holding {
            return None;
        }
        let node = self.cluster.node_of(id).and_then(|name| self.cluster.find(name));
        self.cluster.unplace(id);
        node
    }

    /// What became of a decision.
    pub(super) fn conclude(&mut self, id: PodId, outcome: &Outcome) {
        let Some(record) = self.record_mut(id) else { return };
        let Some(told) = record.told.take() else { return };
        match (told, outcome) {
            (Told::Notice, _) | (Told::Wait, Outcome::Unknown) => {}
            (_, Outcome::Done) => record.errors = 0,
            (Told::Bind, Outcome::Unknown) => {
                // A change tells, or a later outcome.
                record.told = Some(told);
                return;
            }
            // Refused; or preparations and deletions that may have been done, which doing again does not harm.
            _ => return self.retract(id, told),
        }
        if self.record(id).is_some_and(|record| record.woken) {
            self.requeue(id);
        }
    }

    /// A decision was not carried out: it never was, and the pod is decided on again after a while.
    fn retract(&mut self, id: PodId, told: Told) {
        let pod = Arc::clone(self.cluster.pod(id));
        let held = self.give_back(id).is_some();
        if told == Told::Preempt {
            self.cluster.renounce(id);
            let victims: Vec<_> =
                self.leaving.iter().filter(|(_, by)| **by == id).map(|(victim, _)| *victim).collect();
            for victim in victims {
                self.leaving.remove(&victim);
                if let Some(node) = self.cluster.node_of(victim).and_then(|name| self.cluster.find(name)) {
                    self.cluster.touch(node);
                }
            }
        }
        if pod.is_terminating() {
            self.forget(id);
        } else if let Some(record) = self.records.get_mut(id.0) {
            record.errors = record.errors.saturating_add(1);
            record.woken = false;
            let wait = backoff(record.errors, self.options.initial_backoff, self.options.max_backoff);
            self.queue.put(id, record, Place::Failed(self.now + wait));
        }
        if held {
            self.wake(&ClusterEvent::PodGone { pod: &pod });
        }
    }
}
