//! One pod on its node, as a state machine: facts come in, commands go out, `step` may be called at any time.
//!
//! Level-triggered: `step` looks at what is and asks for what is missing, once. It never waits and never reads a clock.
//! Invariant: a command is out for everything that could be done now; what is not out waits for an answer, for an event
//! or for a set time, which `step` returns.

mod adopt;
mod answers;
mod compare;
mod exits;
mod images;
mod probes;
mod report;
mod setup;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::Str;
use orch_core::controller::Note;
use orch_core::network::{Attachment, HostNetwork, Join};
use orch_core::runtime::SandboxId;

use super::backoff::Backoff;
use super::command::{Action, Command, Now};
use super::config::AgentConfig;
use super::fields::Place;
use super::member::{Member, Op, Role};
use super::pod::{Pod, is_terminal};
use super::sources::Sources;
use super::spec::Container;
use super::volumes::Prepared;

use report::Report;

/// What every pod of a node shares.
pub(super) struct Context<'a> {
    pub(super) config: &'a AgentConfig,
    pub(super) place: &'a Place,
    pub(super) sources: &'a Sources,
    pub(super) runtime: &'a Abilities,
}

/// What the agent knows of its runtime.
#[derive(Clone, Debug, Default)]
pub(super) struct Abilities {
    pub(super) name: Str,
    pub(super) version: Str,
    pub(super) has_images: bool,
    pub(super) has_streams: bool,
}

/// What a step asks for.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) commands: Vec<Command>,
    pub(super) notes: Vec<Note>,
    /// The next time to step even if nothing happens.
    wake: Option<Duration>,
}

impl Out {
    fn wake_at(&mut self, at: Duration) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }
}

/// Something that is made once and given back once.
#[derive(Clone, Debug, Default, PartialEq)]
enum Slot<T> {
    #[default]
    Empty,
    Making,
    Ready(T),
    Leaving,
    Left,
}

impl<T> Slot<T> {
    fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(made) => Some(made),
            _ => None,
        }
    }

    fn is_left(&self) -> bool {
        matches!(self, Self::Left)
    }
}

/// Why a pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Its containers have ended for good.
    Completed,
    /// The agent ends it, whatever its containers do: a deadline, a refusal.
    Failed,
    /// Somebody deleted it.
    Deleted,
    /// Its object is gone.
    Gone,
}

/// The end of a pod.
#[derive(Clone, Copy, Debug)]
struct Ending {
    why: Why,
    /// Containers are killed then.
    deadline: Duration,
}

/// What the agent says of a pod that it ends.
#[derive(Clone, Debug)]
struct Fate {
    reason: Str,
    message: String,
}

/// A pod on its node.
pub(super) struct Worker {
    pub(super) pod: Pod,
    /// Init containers, then the others, as in [`PodSpec::all`](super::spec::PodSpec::all).
    members: Vec<Member>,
    ending: Option<Ending>,
    fate: Option<Fate>,
    /// Refused at the door: nothing of it was ever made.
    is_refused: bool,
    /// The object is gone.
    is_gone: bool,
    /// Nothing of it runs, and nothing is kept for it but its sandbox.
    is_settled: bool,
    volumes: Slot<u64>,
    /// Volumes without the bytes of their files.
    prepared: Vec<Prepared>,
    /// The digest of what is being written over volumes that are made.
    updating: Option<u64>,
    /// What volumes are made of may have changed.
    is_stale: bool,
    /// Variables of Services.
    services: Slot<Vec<(Str, Str)>>,
    network: Slot<Attachment>,
    sandbox: Slot<SandboxId>,
    /// When it was made; or since when nobody knows whether it was.
    sandbox_since: Duration,
    is_sandbox_unsure: bool,
    setup: Backoff,
    setup_at: Option<Duration>,
    /// What was last said of volumes that cannot be made.
    complaint: String,
    /// Every init container has done its work.
    is_initialized: bool,
    /// `status.startTime`.
    began: Timestamp,
    addresses: Vec<String>,
    delete: Slot<()>,
    report: Report,
    /// The runtime must be asked what it has: an event may have been lost.
    pub(super) wants_state: bool,
}

impl Worker {
    fn empty(pod: Pod, now: Now) -> Self {
        let status = pod.status();
        let began = status["startTime"].as_str().and_then(|time| time.parse().ok()).unwrap_or(now.wall);
        let role = |container: &Container| if container.is_sidecar() { Role::Sidecar } else { Role::Init };
        let init = pod.spec.init_containers.iter().map(role);
        let regular = pod.spec.containers.iter().map(|_| Role::Regular);
        Self {
            members: init.chain(regular).map(Member::new).collect(),
            ending: None,
            fate: None,
            is_refused: false,
            is_gone: false,
            is_settled: false,
            volumes: Slot::Empty,
            prepared: Vec::new(),
            updating: None,
            is_stale: false,
            services: Slot::Empty,
            network: Slot::Empty,
            sandbox: Slot::Empty,
            sandbox_since: now.elapsed,
            is_sandbox_unsure: false,
            setup: Backoff::default(),
            setup_at: None,
            complaint: String::new(),
            is_initialized: false,
            began,
            addresses: Vec::new(),
            delete: Slot::Empty,
            report: Report::default(),
            wants_state: false,
            pod,
        }
    }

    /// A pod that does not fit: nothing of it is made.
    pub(super) fn refused(pod: Pod, now: Now, reason: &str, message: &str) -> Self {
        let mut worker = Self::empty(pod, now);
        worker.is_refused = true;
        worker.fate = Some(Fate { reason: reason.into(), message: format!("Pod was rejected: {message}") });
        worker.ending = Some(Ending { why: Why::Failed, deadline: now.elapsed });
        worker
    }

    /// Whether it takes room on the node.
    pub(super) fn takes_room(&self) -> bool {
        !self.is_refused && !self.is_settled
    }

    /// Whether its object is not there any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether nothing is left to do for it, ever.
    pub(super) fn is_over(&self) -> bool {
        self.is_gone && self.is_settled && self.sandbox.is_left() && !self.report.is_under_way()
    }

    /// Whether it waits for something that is not a set time: a conflict that its feed will explain.
    pub(super) fn is_waiting(&self) -> bool {
        self.report.is_waiting()
    }

    /// The sandbox, to find the worker of an event.
    pub(super) fn sandbox(&self) -> Option<&SandboxId> {
        self.sandbox.ready()
    }

    /// The object changed.
    pub(super) fn update(&mut self, pod: Pod, now: Now) {
        if pod.revision() > self.pod.revision() {
            self.take(pod, now);
            self.report.touch();
        }
    }

    fn take(&mut self, pod: Pod, now: Now) {
        if pod.revision() <= self.pod.revision() {
            return;
        }
        let mut pod = pod;
        if pod.spec.all().count() != self.members.len() {
            // Containers of a pod are never added or taken away; an Api that lets it happen does not break the agent.
            pod.spec = Arc::clone(&self.pod.spec);
        }
        self.is_stale |= pod.labels != self.pod.labels || pod.annotations != self.pod.annotations;
        self.pod = pod;
        // Somebody else has ended it, as pod garbage collection does when its node is gone: it never leaves that phase, and
        // nothing of it runs any more (`SyncPod` of `pkg/kubelet/kubelet.go`).
        if self.ending.is_none() && self.pod.status()["phase"].as_str().is_some_and(is_terminal) {
            self.end(Why::Completed, now.elapsed + self.pod.spec.grace());
        }
        self.heed_deletion(now);
    }

    /// The object is gone.
    pub(super) fn lose(&mut self, now: Now, config: &AgentConfig) {
        self.is_gone = true;
        let grace = self.pod.deletion_grace().unwrap_or_default().max(config.timings.least_grace);
        self.end(Why::Gone, now.elapsed + grace);
    }

    /// An object that the pod refers to changed.
    pub(super) fn source_changed(&mut self) {
        self.is_stale = true;
        self.setup_at = None;
        for member in &mut self.members {
            if member.trouble.as_ref().is_some_and(|trouble| &*trouble.reason == "CreateContainerConfigError")
            {
                member.not_before = None;
            }
        }
    }

    fn heed_deletion(&mut self, now: Now) {
        if self.pod.is_deleted() {
            let grace = self.pod.deletion_grace().unwrap_or_else(|| self.pod.spec.grace());
            self.end(Why::Deleted, now.elapsed + grace);
        }
    }

    /// The pod ends; a later reason may only hurry it.
    fn end(&mut self, why: Why, deadline: Duration) {
        let rank = |why: Why| match why {
            Why::Completed | Why::Failed => 0,
            Why::Deleted => 1,
            Why::Gone => 2,
        };
        match &mut self.ending {
            Some(ending) => {
                ending.deadline = ending.deadline.min(deadline);
                if rank(why) > rank(ending.why) {
                    ending.why = why;
                    self.report.touch();
                }
            }
            None => {
                self.ending = Some(Ending { why, deadline });
                self.report.touch();
            }
        }
    }

    /// Looks at what is and asks for what is missing; answers when to look again.
    pub(super) fn step(&mut self, context: &Context<'_>, now: Now, out: &mut Out) -> Option<Duration> {
        out.wake = None;
        if self.ending.is_none() {
            self.heed_deadline(context, now, out);
        }
        if self.ending.is_none() && self.has_completed() {
            self.end(Why::Completed, now.elapsed + self.pod.spec.grace());
        }
        if self.ending.is_none() {
            if let Some(sandbox) = self.set_up(context, now, out) {
                self.run_containers(context, now, out, &sandbox);
            }
        } else {
            self.wind_down(context, now, out);
        }
        self.run_probes(context, now, out);
        self.write_report(context, now, out);
        out.wake.take()
    }

    /// `activeDeadlineSeconds` (`pkg/kubelet/active_deadline.go`).
    fn heed_deadline(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        let Some(secs) = self.pod.spec.active_deadline_seconds else { return };
        let ran = Duration::try_from(now.wall.duration_since(self.began)).unwrap_or_default();
        let limit = Duration::from_secs(secs.try_into().unwrap_or_default());
        if ran < limit {
            out.wake_at(now.elapsed + (limit - ran));
            return;
        }
        let message = "Pod was active on the node longer than the specified deadline";
        out.notes.push(Note::normal(self.pod.key(), self.pod.uid(), "DeadlineExceeded", message));
        self.fate = Some(Fate { reason: "DeadlineExceeded".into(), message: message.to_owned() });
        let grace = self.pod.spec.grace().max(context.config.timings.least_grace);
        self.end(Why::Failed, now.elapsed + grace);
    }

    /// Whether no container will run again: an init container failed for good, or all others have ended for good.
    fn has_completed(&self) -> bool {
        let ended_for_good = |(member, container): (&Member, &Container)| {
            member.op == Op::Idle && member.ended().is_some() && !self.starts_again(member, container)
        };
        let mut pairs = self.members.iter().zip(self.pod.spec.all());
        let mut init = pairs.by_ref().take(self.pod.spec.init_containers.len());
        let failed = |(member, container)| {
            let (member, _): (&Member, &Container) = (member, container);
            member.role == Role::Init && !member.is_ready() && ended_for_good((member, container))
        };
        init.any(failed) || self.regular().all(ended_for_good)
    }

    fn regular(&self) -> impl Iterator<Item = (&Member, &Container)> {
        self.members.iter().zip(self.pod.spec.all()).skip(self.pod.spec.init_containers.len())
    }

    /// Whether a container that does not run is started (again).
    fn starts_again(&self, member: &Member, container: &Container) -> bool {
        let Some(instance) = &member.current else { return true };
        let Some((exit, _)) = member.ended() else { return false };
        match member.role {
            Role::Sidecar => true,
            Role::Init if exit.code == 0 => instance.must_restart,
            _ => instance.must_restart || container.restarts_after(self.pod.spec.restart_policy, exit.code),
        }
    }

    fn join(&self, context: &Context<'_>) -> Join {
        let host = if self.pod.spec.host_network { HostNetwork::Shared } else { HostNetwork::Own };
        Join::new(self.pod.key().clone(), self.pod.uid().clone(), context.config.node.clone()).host(host)
    }

    fn place(&self, context: &Context<'_>) -> Place {
        Place { pod_ips: self.addresses.clone(), ..context.place.clone() }
    }

    fn ask(&self, out: &mut Out, action: Action) {
        out.commands.push(Command { pod: Some(self.pod.uid().clone()), action });
    }

    fn tell(&self, out: &mut Out, reason: &str, message: impl Into<String>) {
        out.notes.push(Note::normal(self.pod.key(), self.pod.uid(), reason, message));
    }

    fn warn(&self, out: &mut Out, reason: &str, message: impl Into<String>) {
        out.notes.push(Note::warning(self.pod.key(), self.pod.uid(), reason, message));
    }
}
