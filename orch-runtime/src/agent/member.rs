//! One container of a pod over all its instances: what runs, what ran before, what is being done about it.

use std::time::Duration;

use jiff::Timestamp;
use orch_core::Str;
use orch_core::runtime::{ContainerId, ContainerState, ContainerStatus, ImageId};

use super::backoff::Backoff;
use super::probe::{Probe, Purpose, Verdict};
use super::shown::{Doing, Exit, Shown};
use super::spec::Container;

/// Which part a container plays in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    Sidecar,
    Regular,
}

/// What is being done about a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Op {
    #[default]
    Idle,
    Inspecting,
    Pulling,
    Starting,
    /// Nobody knows whether it was started: the runtime's state, asked for since then, will tell.
    Unsure {
        since: Duration,
    },
    PostStart,
    /// Its preStop hook runs; it is stopped at the deadline at the latest.
    PreStop {
        deadline: Duration,
    },
    /// It waits for the containers that end before it.
    Turn {
        deadline: Duration,
    },
    Stopping {
        deadline: Duration,
    },
}

/// Why a container waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) reason: Str,
    pub(super) message: Str,
}

/// One start of a container.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// `None` when only the API remembers it.
    pub(super) id: Option<ContainerId>,
    pub(super) attempt: u32,
    pub(super) image: Str,
    pub(super) image_id: Str,
    pub(super) run: Run,
    /// When the agent learnt of its start.
    pub(super) since: Duration,
    /// Its postStart hook has not ended: people see it wait.
    pub(super) is_hidden: bool,
    /// It starts again however it ended: the agent ended it for that, or its sandbox is lost.
    pub(super) must_restart: bool,
    pub(super) probes: Vec<(Purpose, Probe)>,
}

/// Whether an instance runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Run {
    Running { started: Timestamp },
    Ended { exit: Exit, at: Duration },
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    pub(super) current: Option<Instance>,
    /// How the instance before ended.
    pub(super) last: Option<Exit>,
    /// The instance before, kept for its log.
    pub(super) dead: Option<ContainerId>,
    pub(super) op: Op,
    pub(super) trouble: Option<Trouble>,
    /// It is not tried again before.
    pub(super) not_before: Option<Duration>,
    pub(super) crash: Backoff,
    pub(super) pull: Backoff,
    /// Pulling failed then, and may be tried again then.
    pub(super) pull_failed: Option<(Duration, Duration)>,
    /// The image for the next start.
    pub(super) image: Option<ImageId>,
}

impl Member {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            current: None,
            last: None,
            dead: None,
            op: Op::Idle,
            trouble: None,
            not_before: None,
            crash: Backoff::default(),
            pull: Backoff::default(),
            pull_failed: None,
            image: None,
        }
    }

    pub(super) fn running(&self) -> Option<&Instance> {
        self.current.as_ref().filter(|instance| instance.is_running())
    }

    pub(super) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// How it ended, when it has.
    pub(super) fn ended(&self) -> Option<(&Exit, Duration)> {
        match &self.current.as_ref()?.run {
            Run::Ended { exit, at } => Some((exit, *at)),
            Run::Running { .. } => None,
        }
    }

    /// A start is under way.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.op, Op::Inspecting | Op::Pulling | Op::Starting | Op::Unsure { .. } | Op::PostStart)
    }

    /// The running instance of that id.
    pub(super) fn instance(&mut self, id: &ContainerId) -> Option<&mut Instance> {
        self.current.as_mut().filter(|instance| instance.id.as_ref() == Some(id))
    }

    /// The number of the next start.
    pub(super) fn next_attempt(&self) -> u32 {
        self.current.as_ref().map_or(0, |instance| instance.attempt + 1)
    }

    /// Its startup is over, so that others may rely on it.
    pub(super) fn is_started(&self) -> bool {
        self.running().is_some_and(Instance::is_started)
    }

    pub(super) fn is_ready(&self) -> bool {
        match self.role {
            Role::Init => {
                let is_done = self.ended().is_some_and(|(exit, _)| exit.code == 0);
                is_done && self.current.as_ref().is_some_and(|instance| !instance.must_restart)
            }
            Role::Sidecar | Role::Regular => self.running().is_some_and(Instance::is_ready),
        }
    }

    /// Another instance takes the place of the current one; answers the id of one that is not remembered any longer.
    pub(super) fn replace(&mut self, instance: Instance) -> Option<ContainerId> {
        let before = self.current.replace(instance)?;
        if let Run::Ended { exit, .. } = before.run {
            self.last = Some(exit);
        }
        match before.id {
            Some(id) => self.dead.replace(id),
            None => None,
        }
    }

    /// As the API shows it; `waits` is the reason of a container that nothing is known of.
    pub(super) fn shown(&self, container: &Container, restarts: bool, waits: &str, runtime: &str) -> Shown {
        let waiting = |trouble: &Option<Trouble>| match trouble {
            Some(Trouble { reason, message }) => {
                Doing::Waiting { reason: reason.clone(), message: message.clone() }
            }
            None => Doing::Waiting { reason: waits.into(), message: Str::default() },
        };
        let mut shown = Shown {
            name: container.name.clone(),
            doing: waiting(&self.trouble),
            last: self.last.clone(),
            ready: self.is_ready(),
            started: self.is_started(),
            restarts: 0,
            image: container.image.clone(),
            image_id: Str::default(),
            id: Str::default(),
        };
        let Some(instance) = &self.current else { return shown };
        shown.restarts = instance.attempt;
        shown.image = instance.image.clone();
        shown.image_id = instance.image_id.clone();
        shown.id = instance.id.as_ref().map(|id| full_id(runtime, id)).unwrap_or_default();
        match &instance.run {
            Run::Running { .. } if instance.is_hidden => {}
            Run::Running { started } => shown.doing = Doing::Running { since: *started },
            Run::Ended { exit, .. } if restarts && self.trouble.is_some() => shown.last = Some(exit.clone()),
            Run::Ended { exit, .. } => shown.doing = Doing::Ended(exit.clone()),
        }
        shown
    }
}

impl Instance {
    /// A new instance.
    pub(super) fn new(
        id: ContainerId,
        attempt: u32,
        image: Str,
        image_id: Str,
        started: Timestamp,
        since: Duration,
    ) -> Self {
        Self {
            id: Some(id),
            attempt,
            image,
            image_id,
            run: Run::Running { started },
            since,
            is_hidden: false,
            must_restart: false,
            probes: Vec::new(),
        }
    }

    /// As a runtime has it.
    pub(super) fn of(status: &ContainerStatus, runtime: &str, since: Duration) -> Self {
        let run = run_of(status, runtime, since);
        let started = match &status.state {
            ContainerState::Running { started } | ContainerState::Exited { started, .. } => *started,
        };
        let image_id = status.image_id.0.clone();
        Self {
            run,
            ..Self::new(status.id.clone(), status.attempt, status.image.clone(), image_id, started, since)
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    pub(super) fn probe(&self, purpose: Purpose) -> Option<&Probe> {
        self.probes.iter().find(|(known, _)| *known == purpose).map(|(_, probe)| probe)
    }

    pub(super) fn is_started(&self) -> bool {
        !self.is_hidden
            && self.probe(Purpose::Startup).is_none_or(|probe| probe.verdict() == Verdict::Success)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_started()
            && self.probe(Purpose::Readiness).is_none_or(|probe| probe.verdict() == Verdict::Success)
    }

    /// Probes begin when the instance did.
    pub(super) fn arm(&mut self, container: &Container, started: Duration) {
        let specs = [
            (Purpose::Startup, &container.startup_probe),
            (Purpose::Liveness, &container.liveness_probe),
            (Purpose::Readiness, &container.readiness_probe),
        ];
        let armed = specs
            .into_iter()
            .filter_map(|(purpose, spec)| Some((purpose, Probe::new(purpose, spec.as_ref()?, started))));
        self.probes = armed.collect();
    }
}

/// An id with its runtime: `task://id`.
pub(super) fn full_id(runtime: &str, id: &ContainerId) -> Str {
    format!("{runtime}://{id}").into()
}

/// What a runtime's state means.
pub(super) fn run_of(status: &ContainerStatus, runtime: &str, at: Duration) -> Run {
    match &status.state {
        ContainerState::Running { started } => Run::Running { started: *started },
        ContainerState::Exited { code, started, finished, reason, message } => {
            let default = if *code == 0 { "Completed" } else { "Error" };
            let exit = Exit {
                code: *code,
                reason: if reason.is_empty() { default.into() } else { reason.clone() },
                message: message.clone(),
                started: Some(*started),
                finished: Some(*finished),
                id: full_id(runtime, &status.id),
            };
            Run::Ended { exit, at }
        }
    }
}
