//! The whole state of a runtime: sandboxes, containers, images, and when what is due.
//!
//! No I/O, no waiting: it is told the moment, and what it says goes into queues. Invariants: a container is among the dues
//! exactly when something is to happen to it; the end of each container is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orch_core::Str;
use orch_core::network::Attachment;
use orch_core::runtime::{
    ContainerId, ContainerSpec, Error, ImageId, Result, RuntimeEvent, SandboxId, SandboxSpec, SandboxStatus,
};
use tokio::sync::oneshot;

use super::container::{Cause, Container, Made, Now};
use super::draws::{Life, Stream};
use super::events::Listeners;
use super::faults::{Fate, Faults};
use super::images::Shelf;
use crate::inside::log::Log;
use crate::task::ImageName;

/// Whom a call is about: what happens to it is drawn from their stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Runtime,
    Sandbox(&'a SandboxId),
    Container(&'a ContainerId),
}

/// Who asks a container something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A probe: its answer may be drawn to be a failure.
    Probe,
    Anybody,
}

/// How a container answers.
pub(super) enum Answer {
    /// It is ready.
    Yes(Arc<Made>),
    No,
    /// It hangs: ask again after the next change.
    Later(oneshot::Receiver<()>),
}

/// What is to be known before a container is started.
pub(super) enum Plan {
    /// That attempt is there.
    Started(ContainerId),
    New {
        pod: Arc<SandboxSpec>,
        stream: Stream,
    },
}

/// The ports of a container that are to be opened.
pub(super) struct Doors {
    pub(super) made: Arc<Made>,
    /// Completes when they are to be closed.
    pub(super) close: oneshot::Receiver<()>,
}

struct Sandbox {
    spec: Arc<SandboxSpec>,
    attachment: Attachment,
    /// In the order they were started.
    containers: Vec<ContainerId>,
    faults: Stream,
    /// The last attempt of each container by name, and how often it was tried.
    tries: BTreeMap<Str, (u32, u32)>,
}

/// Everything there is.
pub(super) struct Machine {
    seed: u64,
    sandboxes: BTreeMap<SandboxId, Sandbox>,
    by_uid: BTreeSet<(Str, SandboxId)>,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    dues: BTreeSet<(Duration, ContainerId)>,
    pub(super) images: Shelf,
    pub(super) listeners: Listeners,
    pub(super) faults: Faults,
    /// Whether the runtime was healed: containers work.
    pub(super) is_quiet: bool,
    stream: Stream,
    made: u64,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            sandboxes: BTreeMap::new(),
            by_uid: BTreeSet::new(),
            containers: BTreeMap::new(),
            dues: BTreeSet::new(),
            images: Shelf::new(seed),
            listeners: Listeners::default(),
            faults: Faults::default(),
            is_quiet: false,
            stream: Stream::new(seed, &["calls"]),
            made: 0,
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// Does what is due by now.
    pub(super) fn advance(&mut self, now: Now) {
        while self.next().is_some_and(|due| due <= now.elapsed)
            && let Some((_, id)) = self.dues.pop_first()
            && let Some(container) = self.containers.get_mut(&id)
        {
            container.due = None;
            match container.at_due() {
                Some(cause) => self.end(&id, cause, now),
                None => continue,
            };
        }
    }

    fn reschedule(&mut self, id: &ContainerId) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let next = container.next();
        if next == container.due {
            return;
        }
        if let Some(due) = std::mem::replace(&mut container.due, next) {
            self.dues.remove(&(due, id.clone()));
        }
        if let Some(due) = next {
            self.dues.insert((due, id.clone()));
        }
    }

    /// Changes a container that runs; whether there was one.
    pub(super) fn change(&mut self, id: &ContainerId, change: impl FnOnce(&mut Container)) -> bool {
        let Some(container) = self.containers.get_mut(id).filter(|container| container.is_running()) else {
            return false;
        };
        change(container);
        self.reschedule(id);
        true
    }

    /// Ends a container that runs; whether there was one. It is over once its ports are closed.
    pub(super) fn end(&mut self, id: &ContainerId, cause: Cause, now: Now) -> bool {
        let is_ended = self.change(id, |container| container.end(cause, now));
        if is_ended {
            self.tell_end(id);
        }
        is_ended
    }

    /// Its ports are closed.
    pub(super) fn closed(&mut self, id: &ContainerId) {
        if let Some(container) = self.containers.get_mut(id) {
            container.closed();
            self.tell_end(id);
        }
    }

    fn tell_end(&mut self, id: &ContainerId) {
        let Some(container) = self.containers.get_mut(id).filter(|container| container.is_over()) else {
            return;
        };
        let is_lost = self.faults.loses_events > 0.0 && container.faults.chance(self.faults.loses_events);
        let event = if is_lost {
            RuntimeEvent::Lost
        } else {
            RuntimeEvent::Exited { sandbox: container.made.sandbox.clone(), status: container.status() }
        };
        self.listeners.tell(&event);
        if container.is_removed {
            self.containers.remove(id);
        }
    }

    /// What happens to a call.
    pub(super) fn fate(&mut self, subject: Subject<'_>) -> Fate {
        let own = match subject {
            Subject::Runtime => None,
            Subject::Sandbox(id) => self.sandboxes.get_mut(id).map(|sandbox| &mut sandbox.faults),
            Subject::Container(id) => self.containers.get_mut(id).map(|container| &mut container.faults),
        };
        self.faults.fate(own.unwrap_or(&mut self.stream))
    }

    pub(super) fn state(&self) -> Vec<SandboxStatus> {
        let of = |sandbox: &Sandbox| {
            let containers = sandbox.containers.iter().filter_map(|id| self.containers.get(id));
            containers.map(Container::status).collect()
        };
        let status = |(id, sandbox): (&SandboxId, &Sandbox)| SandboxStatus {
            id: id.clone(),
            spec: (*sandbox.spec).clone(),
            containers: of(sandbox),
        };
        self.sandboxes.iter().map(status).collect()
    }

    pub(super) fn run_pod(&mut self, spec: &SandboxSpec, attachment: &Attachment, now: Now) -> SandboxId {
        let of_uid = self.by_uid.range((spec.uid.clone(), SandboxId(Str::default()))..);
        for (_, id) in of_uid.take_while(|(uid, _)| *uid == spec.uid) {
            let is_same = |sandbox: &&Sandbox| *sandbox.spec == *spec && sandbox.attachment == *attachment;
            if self.sandboxes.get(id).filter(is_same).is_some() {
                return id.clone();
            }
        }
        self.made += 1;
        let stream = |what: &str| Stream::new(self.seed, &[&spec.uid, what]);
        let id = SandboxId(new_id(now, stream("sandbox"), self.made));
        let sandbox = Sandbox {
            spec: Arc::new(spec.clone()),
            attachment: attachment.clone(),
            containers: Vec::new(),
            faults: stream("calls"),
            tries: BTreeMap::new(),
        };
        self.by_uid.insert((spec.uid.clone(), id.clone()));
        self.sandboxes.insert(id.clone(), sandbox);
        id
    }

    /// Forgets a sandbox and kills what runs in it; completes each when it is over.
    pub(super) fn remove_pod(&mut self, id: &SandboxId, now: Now) -> Vec<ContainerId> {
        let Some(sandbox) = self.sandboxes.remove(id) else { return Vec::new() };
        self.by_uid.remove(&(sandbox.spec.uid.clone(), id.clone()));
        sandbox.containers.into_iter().filter(|container| self.forget(container, now)).collect()
    }

    /// Forgets a container, which is killed first; whether it is not over yet.
    pub(super) fn remove(&mut self, id: &ContainerId, now: Now) -> bool {
        if let Some(container) = self.containers.get(id)
            && let Some(sandbox) = self.sandboxes.get_mut(&container.made.sandbox)
        {
            sandbox.containers.retain(|other| other != id);
        }
        self.forget(id, now)
    }

    fn forget(&mut self, id: &ContainerId, now: Now) -> bool {
        let Some(container) = self.containers.get_mut(id) else { return false };
        container.is_removed = true;
        if container.is_over() {
            self.containers.remove(id);
        } else {
            self.end(id, Cause::Killed, now);
        }
        self.containers.contains_key(id)
    }

    /// What a start begins with. Each try has a stream of its own.
    pub(super) fn plan(&mut self, id: &SandboxId, spec: &ContainerSpec) -> Result<Plan> {
        let seed = self.seed;
        let (sandbox, containers) = self.sandbox(id)?;
        if let Some(started) = sandbox.started(containers, spec) {
            return Ok(Plan::Started(started));
        }
        let tries = sandbox.tries.entry(spec.name.clone()).or_default();
        *tries = if tries.0 == spec.attempt { (spec.attempt, tries.1 + 1) } else { (spec.attempt, 1) };
        let (attempt, tries) = (spec.attempt.to_string(), tries.1.to_string());
        let pod = Arc::clone(&sandbox.spec);
        let stream = Stream::new(seed, &[&pod.uid, &spec.name, &attempt, &tries]);
        Ok(Plan::New { pod, stream })
    }

    /// Starts a container, unless that attempt was started meanwhile. A new one with ports has doors to open.
    pub(super) fn start(
        &mut self,
        sandbox_id: &SandboxId,
        spec: &ContainerSpec,
        mut life: Life,
        stream: Stream,
        now: Now,
    ) -> Result<(ContainerId, Option<Doors>)> {
        let image_id = self.image(&spec.image)?;
        let (is_quiet, number) = (self.is_quiet, self.made + 1);
        let (sandbox, containers) = self.sandbox(sandbox_id)?;
        if let Some(started) = sandbox.started(containers, spec) {
            return Ok((started, None));
        }
        if is_quiet {
            life.heal();
        }
        let id = ContainerId(new_id(now, stream, number));
        let made = Arc::new(Made {
            id: id.clone(),
            sandbox: sandbox_id.clone(),
            pod: Arc::clone(&sandbox.spec),
            address: sandbox.attachment.address(),
            spec: spec.clone(),
            image_id,
            started: now.wall,
            log: Log::default(),
        });
        sandbox.containers.push(id.clone());
        self.made = number;
        let mut container = Container::start(Arc::clone(&made), life, stream.fork("calls"), now);
        let doors = (!spec.ports.is_empty()).then(|| Doors { close: container.open(), made });
        self.containers.insert(id.clone(), container);
        self.reschedule(&id);
        Ok((id, doors))
    }

    fn sandbox(&mut self, id: &SandboxId) -> Result<(&mut Sandbox, &BTreeMap<ContainerId, Container>)> {
        let sandbox = self.sandboxes.get_mut(id).ok_or_else(|| Error::NotFound { id: id.0.clone() })?;
        Ok((sandbox, &self.containers))
    }

    fn image(&mut self, image: &str) -> Result<ImageId> {
        Ok(self.images.id(&ImageName::parse(image)?))
    }

    /// Asks a container to end. Without a grace period it is killed.
    pub(super) fn stop(&mut self, id: &ContainerId, grace: Duration, now: Now) {
        if grace.is_zero() {
            self.end(id, Cause::Killed, now);
        } else {
            self.change(id, |container| container.ask(grace, now));
            self.advance(now);
        }
    }

    /// Completes at the next change of a container that is not over yet.
    pub(super) fn wait(&mut self, id: &ContainerId) -> Option<oneshot::Receiver<()>> {
        self.containers.get_mut(id).filter(|container| !container.is_over()).map(Container::wait)
    }

    /// Whether a container runs.
    pub(super) fn is_running(&self, id: &ContainerId) -> Result<bool> {
        Ok(self.find(id)?.is_running())
    }

    pub(super) fn find(&self, id: &ContainerId) -> Result<&Container> {
        let found = self.containers.get(id).filter(|container| !container.is_removed);
        found.ok_or_else(|| Error::NotFound { id: id.0.clone() })
    }

    /// What a container answers now.
    pub(super) fn answer(&mut self, id: &ContainerId, asker: Asker, now: Now) -> Result<Answer> {
        let found = self.containers.get_mut(id).filter(|container| !container.is_removed);
        let container = found.ok_or_else(|| Error::NotFound { id: id.0.clone() })?;
        if !container.is_running() {
            return Err(Error::NotRunning { id: id.0.clone() });
        }
        if container.is_hanging {
            return Ok(Answer::Later(container.wait()));
        }
        let made = Arc::clone(&container.made);
        let is_ready = container.is_ready(now);
        let is_failing = is_ready && asker == Asker::Probe && {
            let probability = container.life.probe_fails;
            container.life.answers.chance(probability)
        };
        Ok(if is_ready && !is_failing { Answer::Yes(made) } else { Answer::No })
    }

    pub(super) fn heal(&mut self, now: Now) {
        (self.faults, self.is_quiet) = (Faults::default(), true);
        let ids: Vec<ContainerId> = self.containers.keys().cloned().collect();
        for id in &ids {
            self.change(id, |container| container.heal(now));
        }
        self.advance(now);
    }

    /// Forgets everything: nobody can ask any more.
    pub(super) fn die(&mut self) {
        *self = Self::new(self.seed);
    }
}

impl Sandbox {
    fn started(&self, all: &BTreeMap<ContainerId, Container>, spec: &ContainerSpec) -> Option<ContainerId> {
        let mut own = self.containers.iter().filter_map(|id| all.get(id)).map(|container| &container.made);
        let is_same = |made: &&Arc<Made>| made.spec.name == spec.name && made.spec.attempt == spec.attempt;
        own.find(is_same).map(|made| made.id.clone())
    }
}

/// Never the same again, not even after a restart with the same seed: time has gone on. In the order they are made.
fn new_id(now: Now, mut stream: Stream, number: u64) -> Str {
    format!("{:016x}{number:08x}{:08x}", now.elapsed.as_nanos(), stream.draw() >> 32).into()
}
