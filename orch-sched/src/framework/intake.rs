//! Takes in changes: nodes, pods, and what plugins look at; wakes the pods that a change may help.
//!
//! Invariants: a pod counts where the object says it is bound, or where it was decided to be bound until a change or an
//! outcome says otherwise; a change of a kind that no refusing plugin looks at wakes nothing.

use std::sync::Arc;

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::{Change, Str, kind};

use super::plugin::ClusterEvent;
use super::queue::{Group, Place, Record, backoff};
use super::{FrameworkScheduler, Signature};
use crate::cluster::{Pod, PodId};

impl FrameworkScheduler {
    pub(super) fn take_in(&mut self, change: &Change) {
        let kind = change.key().kind;
        for at in self.plugins.of_kind(kind).to_vec() {
            self.plugins.get_mut(at).apply(change);
        }
        match kind {
            kind::NODES => self.node_changed(change),
            kind::PODS => self.pod_changed(change),
            _ => self.wake(&ClusterEvent::Object { change }),
        }
    }

    fn node_changed(&mut self, change: &Change) {
        let Some(live) = &change.now else {
            self.cluster.remove_node(&change.key().name);
            return;
        };
        let facts = self.cluster.read_node(live);
        let Some((id, before)) = self.cluster.put_node(facts) else { return };
        if self.queue.has_parked() {
            let node = self.cluster.node(id);
            let groups = match &before {
                None => self.helped(&ClusterEvent::NodeAdded { node }),
                Some(before) => self.helped(&ClusterEvent::NodeChanged { before, node }),
            };
            self.wake_groups(&groups);
        }
    }

    fn pod_changed(&mut self, change: &Change) {
        let known = self.cluster.pod_id(change.key());
        let Some(live) = &change.now else {
            let gone = change.before.as_ref().map(orch_core::Object::uid);
            if let Some(id) = known.filter(|id| gone.is_none_or(|uid| uid == self.cluster.pod(*id).uid())) {
                self.drop_pod(id);
            }
            return;
        };
        let known = known.filter(|id| {
            let same = self.cluster.pod(*id).uid() == live.uid();
            if !same {
                self.drop_pod(*id);
            }
            same
        });
        let pod = self.cluster.read_pod(live, known);
        if pod.is_terminal() {
            if let Some(id) = known {
                self.drop_pod(id);
            }
        } else if let Some(node) = pod.bound_to().map(Str::from) {
            self.bound(pod, known, &node);
        } else {
            self.unbound(pod, known);
        }
    }

    /// A pod is gone, or has ended: what it took is free.
    fn drop_pod(&mut self, id: PodId) {
        let pod = Arc::clone(self.cluster.pod(id));
        let took = self.cluster.node_of(id).is_some() || self.cluster.nomination(id).is_some();
        self.forget(id);
        if self.leaving.remove(&id).is_none() {
            self.leaving.retain(|_, by| *by != id);
        }
        self.cluster.remove_pod(pod.key());
        if took {
            self.wake(&ClusterEvent::PodGone { pod: &pod });
        }
    }

    fn bound(&mut self, pod: Pod, known: Option<PodId>, node: &Str) {
        let before = known.map(|id| (Arc::clone(self.cluster.pod(id)), self.cluster.node_of(id).cloned()));
        let id = self.cluster.put_pod(pod);
        let as_decided = self.cluster.node_of(id) == Some(node);
        if let Some(record) = self.record_mut(id).filter(|_| as_decided) {
            record.holding = false;
        }
        self.forget(id);
        self.cluster.renounce(id);
        if !as_decided {
            self.cluster.place(id, node);
        }
        let now = Arc::clone(self.cluster.pod(id));
        match before {
            Some((before, on)) if before.bound_to().is_some() => {
                let same = Arc::ptr_eq(before.spec(), now.spec())
                    && before.object().header().labels == now.object().header().labels;
                if !same {
                    self.wake(&ClusterEvent::PodChanged { before: &before, pod: &now });
                } else if on.as_ref() != Some(node) {
                    self.wake(&ClusterEvent::PodGone { pod: &before });
                }
            }
            Some((before, Some(on))) if on != *node => {
                self.wake(&ClusterEvent::PodGone { pod: &before });
                self.wake(&ClusterEvent::PodPlaced { pod: &now });
            }
            _ => self.wake(&ClusterEvent::PodPlaced { pod: &now }),
        }
    }

    fn unbound(&mut self, pod: Pod, known: Option<PodId>) {
        let before = known.map(|id| Arc::clone(self.cluster.pod(id)));
        let id = self.cluster.put_pod(pod);
        let now = Arc::clone(self.cluster.pod(id));
        let ours = now.spec().scheduler_name == self.options.scheduler_name && !now.is_terminating();
        let holding = self.record(id).is_some_and(|record| record.holding);
        if holding {
            return;
        }
        if self.cluster.node_of(id).is_some() {
            // It was bound, says an older change; what it is now counts.
            self.cluster.unplace(id);
        }
        self.follow_nomination(id, before.as_deref(), &now);
        match (ours, before) {
            (false, _) => self.forget(id),
            (true, Some(before)) if self.record(id).is_some() => self.revise(id, &before, &now),
            (true, _) => self.enlist(id, &now),
        }
    }

    /// Takes a promise over from the object where it is new there; our own come back as they are.
    fn follow_nomination(&mut self, id: PodId, before: Option<&Pod>, now: &Pod) {
        if before.map(Pod::nominated) == Some(now.nominated()) {
            return;
        }
        match now.nominated().map(|name| self.cluster.find(name)) {
            Some(Some(node)) if self.cluster.nomination(id) != Some(node) => self.cluster.nominate(id, node),
            None if before.is_some_and(|before| before.nominated().is_some()) => {
                self.cluster.renounce(id);
            }
            _ => {}
        }
    }

    /// A new pod to place.
    fn enlist(&mut self, id: PodId, pod: &Pod) {
        self.sequence += 1;
        let class = self.classes.join(self.sign(pod));
        let record = Record {
            class,
            sequence: self.sequence,
            since: pod.object().header().created.unwrap_or(Timestamp::UNIX_EPOCH),
            attempts: 0,
            errors: 0,
            place: Place::Nowhere,
            told: None,
            woken: false,
            holding: false,
            reserved: false,
            gated: false,
        };
        self.records.grow(id.0 as usize + 1);
        *self.records.get_mut(id.0) = Some(record);
        self.admit(id, pod);
    }

    /// A pod to place was changed.
    fn revise(&mut self, id: PodId, before: &Pod, pod: &Pod) {
        let same = |part| before.object().part(part) == pod.object().part(part);
        if same(Part::Spec) && same(Part::Metadata) {
            return;
        }
        let class = self.classes.join(self.sign(pod));
        let Some(record) = self.records.get_mut(id.0) else { return };
        let left = std::mem::replace(&mut record.class, class);
        let changed = left != class;
        let gated = record.gated;
        self.classes.leave(left);
        if gated || changed {
            self.admit(id, pod);
        }
    }

    /// Puts a pod into the queue unless a plugin keeps it out.
    fn admit(&mut self, id: PodId, pod: &Pod) {
        let gated = self.plugins.gatekeepers().any(|plugin| plugin.admit(pod).is_err());
        let Some(record) = self.records.get_mut(id.0) else { return };
        let was_gated = std::mem::replace(&mut record.gated, gated);
        if gated {
            self.queue.put(id, record, Place::Nowhere);
            if !was_gated {
                self.untold.insert(id);
            }
        } else {
            self.untold.remove(&id);
            self.requeue(id);
        }
    }

    pub(super) fn sign(&self, pod: &Pod) -> Box<[u8]> {
        let mut signature = Signature::default();
        signature.add(&(pod.priority(), pod.spec().preemption));
        for at in 0..self.plugins.len() {
            signature.add(&at);
            self.plugins.get(at).sign(pod, &mut signature);
        }
        signature.into_bytes()
    }

    /// Takes a pod out of the queue for good.
    pub(super) fn forget(&mut self, id: PodId) {
        if self.record(id).is_none() {
            return;
        }
        self.give_back(id);
        let Some(mut record) = self.records.get_mut(id.0).take() else { return };
        self.queue.put(id, &mut record, Place::Nowhere);
        self.classes.leave(record.class);
        self.untold.remove(&id);
        self.waiting.remove(&id);
    }

    /// Has a pod decided on again, after its backoff and after the outcome of what was decided.
    pub(super) fn requeue(&mut self, id: PodId) {
        let key = self.sort_key(id);
        let (now, options) = (self.now, self.options.clone());
        let Some(record) = self.records.get_mut(id.0) else { return };
        if record.told.is_some() {
            record.woken = true;
            self.queue.put(id, record, Place::Nowhere);
            return;
        }
        record.woken = false;
        let until = record.since + backoff(record.attempts, options.initial_backoff, options.max_backoff);
        let place =
            if record.attempts == 0 || until <= now { Place::Active(key) } else { Place::Backoff(until) };
        self.queue.put(id, record, place);
    }

    pub(super) fn sort_key(&self, id: PodId) -> (i64, i64) {
        let since = self.record(id).map_or(Timestamp::UNIX_EPOCH, |record| record.since);
        match self.plugins.queue_sort() {
            Some(sort) => sort.key(self.cluster.pod(id), since),
            None => (0, since.as_millisecond()),
        }
    }

    /// Wakes the pods that an event may help.
    pub(super) fn wake(&mut self, event: &ClusterEvent<'_>) {
        if self.queue.has_parked() {
            let groups = self.helped(event);
            self.wake_groups(&groups);
        }
    }

    fn helped(&self, event: &ClusterEvent<'_>) -> Vec<Group> {
        let interested = match event {
            ClusterEvent::Object { change } => {
                self.plugins.of_kind(change.key().kind).iter().fold(0, |bits, at| bits | 1_u64 << at)
            }
            _ => u64::MAX,
        };
        let helps = |(group, id): &(Group, PodId)| {
            let pod = self.cluster.pod(*id);
            if group.by == 0 {
                return matches!(event, ClusterEvent::NodeAdded { .. });
            }
            let by = group.by & interested;
            (0..self.plugins.len()).any(|at| by & (1 << at) != 0 && self.plugins.get(at).helps(pod, event))
        };
        self.queue.groups().filter(helps).map(|(group, _)| group).collect()
    }

    fn wake_groups(&mut self, groups: &[Group]) {
        for group in groups {
            for id in self.queue.members(*group) {
                self.requeue(id);
            }
        }
    }
}
