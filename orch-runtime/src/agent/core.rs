//! The agent without its I/O: pods, the objects they refer to, the node; inputs go in, commands come out.
//!
//! Pure: time comes in with every call. Invariant: after `step` nothing is left to do now; `next_wake` says when to step
//! again if nothing comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orch_core::controller::Note;
use orch_core::runtime::{ContainerStatus, RuntimeEvent, SandboxId, SandboxStatus};
use orch_core::{Key, Live, Str};

use super::admit::{Room, admit};
use super::command::{Action, Command, Input, Now, Outcome};
use super::config::AgentConfig;
use super::fields::Place;
use super::node::Node;
use super::pod::{Pod, is_terminal};
use super::references::References;
use super::worker::{Abilities, Context, Out, Worker};

/// Notes kept while the Api does not take them: several for each pod of a full node; the oldest go first.
const MAX_NOTES: usize = 2000;

/// What workers share, borrowed apart from the workers themselves.
macro_rules! context {
    ($core:expr) => {
        Context {
            config: &$core.config,
            place: &$core.place,
            sources: &$core.references.sources,
            runtime: &$core.runtime,
        }
    };
}

mod state;

/// The agent of one node.
pub(super) struct Core {
    config: AgentConfig,
    runtime: Abilities,
    place: Place,
    node: Node,
    references: References,
    workers: BTreeMap<Str, Worker>,
    /// Pods that came before the runtime's state was known.
    early: BTreeMap<Str, Live>,
    /// Pods that fit once containers are gone whose pods were removed by force: they wait for that.
    held: BTreeMap<Str, Live>,
    /// What the runtime had when the agent began; `None` before that is known.
    found: Option<BTreeMap<Str, SandboxStatus>>,
    /// Events that came before that.
    unplaced: Vec<(SandboxId, ContainerStatus)>,
    sandboxes: BTreeMap<SandboxId, Str>,
    are_pods_read: bool,
    is_swept: bool,
    asked_state: Option<Duration>,
    state_at: Option<Duration>,
    dirty: BTreeSet<Str>,
    timers: BTreeSet<(Duration, Str)>,
    timer_of: BTreeMap<Str, Duration>,
    node_wake: Option<Duration>,
    has_asked_address: bool,
    address_at: Option<Duration>,
    commands: Vec<Command>,
    notes: Vec<Note>,
    /// Notes are told one batch at a time: people see them in their order.
    is_telling: bool,
}

impl Core {
    pub(super) fn new(config: AgentConfig, runtime: Abilities) -> Self {
        let allocatable =
            config.allocatable().into_iter().map(|(name, amount)| (name.into(), amount)).collect();
        Self {
            place: Place { node: config.node.clone(), allocatable, ..Place::default() },
            config,
            runtime,
            node: Node::default(),
            references: References::default(),
            workers: BTreeMap::new(),
            early: BTreeMap::new(),
            held: BTreeMap::new(),
            found: None,
            unplaced: Vec::new(),
            sandboxes: BTreeMap::new(),
            are_pods_read: false,
            is_swept: false,
            asked_state: None,
            state_at: None,
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            timer_of: BTreeMap::new(),
            node_wake: None,
            has_asked_address: false,
            address_at: None,
            commands: Vec::new(),
            notes: Vec::new(),
            is_telling: false,
        }
    }

    /// The objects that pods refer to: exactly these are to have a feed from now on.
    pub(super) fn wanted(&mut self) -> impl Iterator<Item = &Key> {
        self.references.wanted()
    }

    /// When to step again if nothing comes in.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let pods = self.timers.first().map(|(at, _)| *at);
        // While the state is asked for, it is not asked for again.
        let state = self.state_at.filter(|_| self.asked_state.is_none());
        [pods, self.node_wake, state, self.address_at].into_iter().flatten().min()
    }

    /// What is to be done at once but waits for no command: pods that a feed must explain, an agent that does not know its
    /// runtime.
    pub(super) fn waiting(&self) -> usize {
        let pods = self.workers.values().filter(|worker| worker.is_waiting()).count();
        pods + self.early.len() + usize::from(!self.is_swept)
    }

    /// Whether the pod waits for its probe.
    pub(super) fn awaits_probe(&self, pod: &Str) -> bool {
        self.workers.get(pod).is_some_and(Worker::awaits_probe)
    }

    /// Takes in what happened.
    pub(super) fn take(&mut self, now: Now, input: Input) {
        match input {
            Input::Pod(live) => self.take_pod(now, live),
            Input::PodGone { key, uid } => self.lose_pod(now, &key, &uid),
            Input::PodsRead => self.are_pods_read = true,
            Input::Node(live) => {
                self.node.seen(live);
                self.node_wake = Some(now.elapsed);
            }
            Input::NodeRead => {
                self.node.read();
                self.node_wake = Some(now.elapsed);
            }
            Input::Source { key, object } => {
                let users = self.references.put(&key, object);
                self.sources_changed(users);
            }
            Input::SourceRead(key) => {
                let users = self.references.settle(&key);
                self.sources_changed(users);
            }
            Input::Runtime(event) => self.take_event(now, event),
            Input::Answer { pod: Some(uid), outcome } => {
                if let Some(worker) = self.workers.get_mut(&uid) {
                    let context = context!(self);
                    let mut out = Out::default();
                    worker.answer(&context, now, &mut out, outcome);
                    self.absorb(out);
                    self.dirty.insert(uid);
                }
            }
            Input::Answer { pod: None, outcome } => self.take_answer(now, outcome),
        }
    }

    fn take_answer(&mut self, now: Now, outcome: Outcome) {
        match outcome {
            Outcome::State(Ok(state)) => {
                self.node.set_trouble(String::new());
                self.take_state(now, state);
            }
            Outcome::State(Err(error)) => {
                self.asked_state = None;
                self.state_at = Some(now.elapsed + self.config.timings.retry.min(Duration::from_secs(1)));
                self.node.set_trouble(error.to_string());
            }
            Outcome::NodeAddress(Ok(address)) => {
                self.place.host_ip = address.to_string();
                self.node.set_address(address.to_string());
                self.dirty.extend(self.workers.keys().cloned());
            }
            Outcome::NodeAddress(Err(error)) => {
                tracing::warn!(%error, node = %self.config.node, "the node has no address");
                self.has_asked_address = false;
                self.address_at = Some(now.elapsed + Duration::from_secs(1));
            }
            Outcome::Node(result) | Outcome::Heartbeat(result) => {
                self.node.written(&self.config, now, result)
            }
            Outcome::SandboxGone(Err(error)) => {
                tracing::debug!(%error, node = %self.config.node, "a sandbox of no pod is still there");
                self.state_at = Some(now.elapsed + self.config.timings.retry);
                return;
            }
            Outcome::Told => {
                self.is_telling = false;
                return;
            }
            Outcome::Lease(result) => self.node.renewed(&self.config, now, &result),
            _ => {}
        }
        self.node_wake = Some(now.elapsed);
    }

    fn take_pod(&mut self, now: Now, live: Live) {
        let uid = live.uid().clone();
        if self.found.is_none() || self.node.address().is_none() {
            self.early.insert(uid, live);
            return;
        }
        let before = self.workers.get(&uid).map(|worker| &worker.pod);
        let pod = match Pod::read(&live, before) {
            Ok(pod) => pod,
            Err(error) => {
                tracing::warn!(%error, pod = %live.key(), "pod cannot be read");
                return;
            }
        };
        if let Some(worker) = self.workers.get_mut(&uid) {
            worker.update(pod, now);
        } else if !self.add_pod(now, pod) {
            self.held.insert(uid, live);
            return;
        }
        self.refer(&uid);
        self.dirty.insert(uid);
    }

    /// Takes a pod on or refuses it; says whether it did: a pod may have to wait for room that is about to be free.
    ///
    /// The kubelet does not count a pod that was removed by force, though its containers may still run, and so for a while
    /// runs more than the node has. Here the new pod waits: to refuse it would make its owner try again at once.
    fn add_pod(&mut self, now: Now, pod: Pod) -> bool {
        let uid = pod.uid().clone();
        let found = self.found.as_mut().and_then(|found| found.remove(&uid));
        let status = Arc::clone(pod.status());
        let was_admitted = found.is_some() || status["startTime"].is_string() || pod.is_deleted();
        let is_finished = status["phase"].as_str().is_some_and(is_terminal);
        let room = Room {
            node: self.config.node.clone(),
            allocatable: self.place.allocatable.clone(),
            labels: self.node.labels(&self.config),
            taints: self.node.taints(&self.config),
        };
        let refusal = if was_admitted || is_finished {
            None
        } else {
            let others = || self.workers.values().filter(|worker| worker.takes_room());
            let refusal = admit(&room, &pod, others().map(|worker| &worker.pod));
            let stays = others().filter(|worker| !worker.is_gone()).map(|worker| &worker.pod);
            if refusal.is_some() && admit(&room, &pod, stays).is_none() {
                return false;
            }
            refusal
        };
        let worker = match refusal {
            Some(refusal) => {
                self.notes.push(Note::warning(
                    pod.key(),
                    pod.uid(),
                    &refusal.reason,
                    refusal.message.clone(),
                ));
                Worker::refused(pod, now, &refusal.reason, &refusal.message)
            }
            None => {
                if let Some(sandbox) = &found {
                    self.sandboxes.insert(sandbox.id.clone(), uid.clone());
                }
                let mut out = Out::default();
                let worker = Worker::adopt(&context!(self), pod, found.as_ref(), now, &mut out);
                self.absorb(out);
                worker
            }
        };
        self.workers.insert(uid, worker);
        true
    }

    fn lose_pod(&mut self, now: Now, key: &Key, uid: &Str) {
        if let Some(live) = self.early.remove(uid) {
            tracing::debug!(pod = %live.key(), "a pod went before it was looked at");
        }
        self.held.remove(uid);
        let Some(worker) = self.workers.get_mut(uid) else { return };
        debug_assert_eq!(worker.pod.key(), key, "a uid has one name");
        worker.lose(now, &self.config);
        self.dirty.insert(uid.clone());
    }

    /// Notes which objects a pod refers to.
    fn refer(&mut self, uid: &Str) {
        match self.workers.get(uid) {
            Some(worker) if worker.takes_room() => self.references.refer(uid, &worker.pod),
            _ => self.references.release(uid),
        }
    }

    fn sources_changed(&mut self, users: Vec<Str>) {
        for uid in users {
            if let Some(worker) = self.workers.get_mut(&uid) {
                worker.source_changed();
            }
            self.refer(&uid);
            self.dirty.insert(uid);
        }
    }

    fn take_event(&mut self, now: Now, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Exited { sandbox, status } => {
                let Some(uid) = self.sandboxes.get(&sandbox).cloned() else {
                    self.keep_event(sandbox, status);
                    return;
                };
                let Some(worker) = self.workers.get_mut(&uid) else { return };
                let mut out = Out::default();
                worker.exited(&context!(self), now, &mut out, &status);
                self.absorb(out);
                self.dirty.insert(uid);
            }
            _ => self.state_at = Some(now.elapsed),
        }
    }

    fn absorb(&mut self, out: Out) {
        self.commands.extend(out.commands);
        self.notes.extend(out.notes);
        let excess = self.notes.len().saturating_sub(MAX_NOTES);
        self.notes.drain(..excess);
    }

    /// Asks for everything that can be done now.
    pub(super) fn step(&mut self, now: Now) -> Vec<Command> {
        self.begin(now);
        self.release_early(now);
        self.sweep();
        while let Some((_, uid)) = self.timers.first().filter(|(at, _)| *at <= now.elapsed).cloned() {
            self.set_timer(&uid, None);
            self.dirty.insert(uid);
        }
        while let Some(uid) = self.dirty.pop_first() {
            self.step_pod(now, &uid);
        }
        if self.node_wake.is_some_and(|at| at <= now.elapsed) {
            self.node_wake = self.node.step(&self.config, &self.runtime, now, &mut self.commands);
        }
        if self.asked_state.is_none() && self.state_at.is_some_and(|at| at <= now.elapsed) {
            self.state_at = None;
            self.asked_state = Some(now.elapsed);
            self.commands.push(Command { pod: None, action: Action::State });
        }
        if !self.notes.is_empty() && !self.is_telling {
            self.is_telling = true;
            let notes = std::mem::take(&mut self.notes);
            self.commands.push(Command { pod: None, action: Action::Tell(notes) });
        }
        std::mem::take(&mut self.commands)
    }

    fn begin(&mut self, now: Now) {
        if !self.has_asked_address && self.address_at.is_none_or(|at| at <= now.elapsed) {
            self.has_asked_address = true;
            self.address_at = None;
            self.commands.push(Command { pod: None, action: Action::NodeAddress });
        }
    }

    fn step_pod(&mut self, now: Now, uid: &Str) {
        let Some(worker) = self.workers.get_mut(uid) else { return };
        let took_room = worker.takes_room();
        let mut out = Out::default();
        let wake = worker.step(&context!(self), now, &mut out);
        if std::mem::take(&mut worker.wants_state) {
            self.state_at = Some(now.elapsed);
        }
        if let Some(sandbox) = worker.sandbox() {
            self.sandboxes.insert(sandbox.clone(), uid.clone());
        }
        let (is_over, takes_room) = (worker.is_over(), worker.takes_room());
        self.absorb(out);
        self.set_timer(uid, wake);
        if is_over {
            self.workers.remove(uid);
            self.sandboxes.retain(|_, owner| owner != uid);
            self.set_timer(uid, None);
        }
        if is_over || took_room != takes_room {
            self.references.release(uid);
            self.release_held(now);
        }
    }

    fn set_timer(&mut self, uid: &Str, at: Option<Duration>) {
        if let Some(before) = self.timer_of.remove(uid) {
            self.timers.remove(&(before, uid.clone()));
        }
        if let Some(at) = at {
            self.timer_of.insert(uid.clone(), at);
            self.timers.insert((at, uid.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
