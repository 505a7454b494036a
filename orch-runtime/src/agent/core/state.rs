//! What the runtime has, when an agent begins and when it must ask again.
//!
//! Pods wait until that is known: nothing is made twice. What no pod of the node stands for is removed.

use std::collections::BTreeMap;

use orch_core::network::Join;
use orch_core::runtime::{ContainerStatus, SandboxId, SandboxStatus};
use orch_core::{Live, Str};

use super::Core;
use crate::agent::command::{Action, Command, Now};
use crate::agent::worker::{Context, Out, Worker};

impl Core {
    /// An event of a pod that was not looked at yet.
    pub(super) fn keep_event(&mut self, sandbox: SandboxId, status: ContainerStatus) {
        match &mut self.found {
            Some(found) => overlay(found, &sandbox, status),
            None => self.unplaced.push((sandbox, status)),
        }
    }

    pub(super) fn take_state(&mut self, now: Now, state: Vec<SandboxStatus>) {
        let asked = self.asked_state.take().unwrap_or_default();
        let mut by_uid: BTreeMap<Str, SandboxStatus> = BTreeMap::new();
        for sandbox in state {
            let uid = sandbox.spec.uid.clone();
            let ours = self.workers.get(&uid).and_then(Worker::sandbox).cloned();
            // Of several sandboxes of a pod the agent's own counts, then one with containers, then the last.
            let rank = |sandbox: &SandboxStatus| {
                (ours.as_ref() == Some(&sandbox.id), !sandbox.containers.is_empty())
            };
            let lesser = match by_uid.remove(&uid) {
                Some(other) if rank(&other) > rank(&sandbox) => {
                    by_uid.insert(uid, other);
                    Some(sandbox)
                }
                other => {
                    by_uid.insert(uid, sandbox);
                    other
                }
            };
            self.commands.extend(lesser.map(|sandbox| remove(sandbox.id)));
        }
        if self.found.is_none() {
            for (sandbox, status) in std::mem::take(&mut self.unplaced) {
                overlay(&mut by_uid, &sandbox, status);
            }
            self.found = Some(by_uid);
            self.release_early(now);
            return;
        }
        if self.is_swept {
            // What a call that seemed to fail left behind.
            let unknown = by_uid.iter().filter(|(uid, _)| !self.workers.contains_key(*uid));
            self.commands.extend(unknown.map(|(_, sandbox)| remove(sandbox.id.clone())));
        }
        let mut out = Out::default();
        for (uid, worker) in &mut self.workers {
            worker.compare(&context!(self), now, &mut out, by_uid.get(uid), asked);
            self.dirty.insert(uid.clone());
        }
        self.absorb(out);
    }

    pub(super) fn release_early(&mut self, now: Now) {
        if self.found.is_none() || self.node.address().is_none() {
            return;
        }
        let early = std::mem::take(&mut self.early);
        self.take_in_order(now, early);
    }

    /// Pods that wait for room look again.
    pub(super) fn release_held(&mut self, now: Now) {
        let held = std::mem::take(&mut self.held);
        self.take_in_order(now, held);
    }

    /// Older pods first, as the kubelet admits them.
    fn take_in_order(&mut self, now: Now, pods: BTreeMap<Str, Live>) {
        let mut pods: Vec<Live> = pods.into_values().collect();
        pods.sort_by_key(|live| (live.header().created, live.key().clone()));
        pods.into_iter().for_each(|live| self.take_pod(now, live));
    }

    /// Once pods and runtime are known: what no pod stands for goes.
    pub(super) fn sweep(&mut self) {
        if self.is_swept || !self.are_pods_read || self.found.is_none() || !self.early.is_empty() {
            return;
        }
        self.is_swept = true;
        for (uid, sandbox) in std::mem::take(&mut self.found).unwrap_or_default() {
            let join = Join::new(sandbox.spec.pod.clone(), uid, self.config.node.clone());
            self.commands.push(remove(sandbox.id));
            self.commands.push(Command { pod: None, action: Action::Leave(join) });
        }
        self.found = Some(BTreeMap::new());
        let keep = self.workers.keys().cloned().collect();
        let data_dir = self.config.data_dir.clone();
        self.commands.push(Command { pod: None, action: Action::Sweep { data_dir, keep } });
    }
}

fn remove(sandbox: SandboxId) -> Command {
    Command { pod: None, action: Action::RemoveSandbox(sandbox) }
}

/// The state that an event brings is newer than the one that was read.
fn overlay(found: &mut BTreeMap<Str, SandboxStatus>, sandbox: &SandboxId, status: ContainerStatus) {
    let Some(known) = found.values_mut().find(|known| known.id == *sandbox) else { return };
    match known.containers.iter_mut().find(|container| container.id == status.id) {
        Some(container) => *container = status,
        None => known.containers.push(status),
    }
}
