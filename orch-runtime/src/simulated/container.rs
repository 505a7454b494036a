//! One container: what it was started with, and where in its life it is.
//!
//! A state machine without I/O: it says when it is due and what it does then. Invariant: it ends once.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::Str;
use orch_core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, ImageId, LogSource, SandboxId, SandboxSpec,
};
use tokio::sync::oneshot;

use super::draws::{Life, Stream};
use crate::inside::files::Files;
use crate::inside::log::Log;
use crate::inside::{self, KILLED, PANICKED};

/// The moment of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// `Env::elapsed`: what dues go by.
    pub(super) elapsed: Duration,
    /// `Env::now`: what people see.
    pub(super) wall: Timestamp,
}

/// What of a container never changes, and its log.
pub(super) struct Made {
    pub(super) id: ContainerId,
    pub(super) sandbox: SandboxId,
    pub(super) pod: Arc<SandboxSpec>,
    pub(super) address: IpAddr,
    pub(super) spec: ContainerSpec,
    pub(super) image_id: ImageId,
    pub(super) started: Timestamp,
    pub(super) log: Log,
}

impl Made {
    /// Only what is mounted: a simulated container writes nothing elsewhere.
    pub(super) fn files(&self) -> Files {
        Files::new(&self.spec.mounts, &self.spec.working_dir, Arc::default(), &self.id.0)
    }

    pub(super) fn log(&self, now: Now, text: &str) {
        self.log.write(now.wall, LogSource::Stdout, text);
    }

    pub(super) fn log_error(&self, now: Now, text: &str) {
        self.log.write(now.wall, LogSource::Stderr, text);
    }

    fn report(&self, now: Now) {
        for arg in &self.spec.args {
            self.log(now, &format!("arg={arg}"));
        }
        let hostname = &*self.pod.hostname;
        if let Some(value) = inside::variable(&self.spec.env, hostname, "PROBE") {
            self.log(now, &format!("env={value}"));
        }
        self.log(now, &format!("hostname={hostname}"));
        let files = self.files();
        if let Ok(bytes) = files.read(Path::new("/probe/in")) {
            self.log(now, &format!("file={}", String::from_utf8_lossy(&bytes)));
            let is_written = files.write_mounted(Path::new("/probe/out"), b"written").is_ok();
            self.log(now, if is_written { "write=ok" } else { "write=refused" });
        }
    }
}

/// Why a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// By itself, with that code.
    Itself(i32),
    /// It was asked to.
    Asked,
    Killed,
}

/// A container that runs or has ended.
pub(super) struct Container {
    pub(super) made: Arc<Made>,
    pub(super) life: Life,
    /// What happens to calls that are about it.
    pub(super) faults: Stream,
    pub(super) is_hanging: bool,
    ready_at: Duration,
    exits_at: Option<Duration>,
    /// When it ends because it was asked to.
    stops_at: Option<Duration>,
    kill_at: Option<Duration>,
    /// As it stands among the dues.
    pub(super) due: Option<Duration>,
    /// Set once it is decided how it has ended.
    exit: Option<ContainerState>,
    /// There while it listens; dropping it closes its ports.
    doors: Option<oneshot::Sender<()>>,
    /// Whether its ports are still open.
    is_open: bool,
    /// Whether it is to be forgotten once it has ended.
    pub(super) is_removed: bool,
    /// Who waits for a change.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Container {
    pub(super) fn start(made: Arc<Made>, life: Life, faults: Stream, now: Now) -> Self {
        if life.reports {
            made.report(now);
        }
        for line in 1..=life.prints {
            made.log(now, &format!("line {line}"));
        }
        if life.prints > 0 {
            made.log_error(now, "done");
        }
        let container = Self {
            is_hanging: life.hangs,
            ready_at: now.elapsed.saturating_add(life.ready_after),
            exits_at: life.runs_for.map(|span| now.elapsed.saturating_add(span)),
            stops_at: None,
            kill_at: None,
            due: None,
            exit: None,
            doors: None,
            is_open: false,
            is_removed: false,
            waiting: Vec::new(),
            made,
            life,
            faults,
        };
        container.remark(now, |made| format!("simulated container of {} started", made.spec.image));
        container
    }

    /// Its ports are open from now on; completes when they are to be closed.
    pub(super) fn open(&mut self) -> oneshot::Receiver<()> {
        let (doors, close) = oneshot::channel();
        (self.doors, self.is_open) = (Some(doors), true);
        close
    }

    pub(super) fn closed(&mut self) {
        self.is_open = false;
        self.wake();
    }

    /// Says something unless the program has its own say.
    fn remark(&self, now: Now, text: impl FnOnce(&Made) -> String) {
        if self.life.prints == 0 && !self.life.reports {
            self.made.log(now, &text(&self.made));
        }
    }

    /// When something happens to it next.
    pub(super) fn next(&self) -> Option<Duration> {
        match &self.exit {
            Some(_) => None,
            None if self.is_hanging => self.kill_at,
            None => [self.exits_at, self.stops_at, self.kill_at].into_iter().flatten().min(),
        }
    }

    /// What happens to it when it is due.
    pub(super) fn at_due(&self) -> Option<Cause> {
        let next = self.next()?;
        let is_next = |at: Option<Duration>| at == Some(next) && !self.is_hanging;
        if is_next(self.exits_at) {
            Some(Cause::Itself(self.life.code))
        } else if is_next(self.stops_at) {
            Some(Cause::Asked)
        } else {
            Some(Cause::Killed)
        }
    }

    /// Whether it can be ended still.
    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none()
    }

    /// Whether its end may be told.
    pub(super) fn is_over(&self) -> bool {
        self.exit.is_some() && !self.is_open
    }

    pub(super) fn is_ready(&self, now: Now) -> bool {
        self.is_running() && !self.is_hanging && now.elapsed >= self.ready_at
    }

    /// It is asked to end, and has so long to do it.
    pub(super) fn ask(&mut self, grace: Duration, now: Now) {
        let kill_at = now.elapsed.saturating_add(grace);
        self.kill_at = Some(self.kill_at.map_or(kill_at, |at| at.min(kill_at)));
        self.heed(now);
    }

    /// It does what it was asked to, unless it ignores that or does so already.
    fn heed(&mut self, now: Now) {
        if self.kill_at.is_some() && self.stops_at.is_none() && !self.is_hanging && !self.life.ignores_stop {
            self.stops_at = Some(now.elapsed.saturating_add(self.life.stop_latency));
        }
    }

    pub(super) fn set_hanging(&mut self, is_hanging: bool, now: Now) {
        self.is_hanging = is_hanging;
        self.heed(now);
        self.wake();
    }

    pub(super) fn heal(&mut self, now: Now) {
        self.life.heal();
        self.exits_at = self.exits_at.filter(|_| self.life.runs_for.is_some());
        self.set_hanging(false, now);
    }

    /// It ends; its ports are to be closed before that is told.
    pub(super) fn end(&mut self, cause: Cause, now: Now) {
        let (code, reason, word) = match cause {
            Cause::Itself(KILLED) => (KILLED, "OOMKilled", None),
            Cause::Itself(code) => (code, "", self.life.last_word.as_deref()),
            Cause::Asked => (0, "", None),
            Cause::Killed => (KILLED, "", None),
        };
        if cause == Cause::Itself(PANICKED) {
            self.made.log_error(now, "panicked");
        }
        self.remark(now, |_| format!("simulated container ended with code {code}"));
        let word = word.filter(|_| !self.made.spec.termination_message_path.is_empty());
        let finished = now.wall.max(self.made.started);
        let message = word.map_or_else(Str::default, |word| inside::last_word(word.as_bytes()));
        let state = ContainerState::Exited {
            code,
            started: self.made.started,
            finished,
            reason: reason.into(),
            message,
        };
        self.exit = Some(state);
        self.doors = None;
        self.wake();
    }

    /// Completes at the next change.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<()> {
        // Who gave up waiting leaves a sender behind.
        self.waiting.retain(|sender| !sender.is_closed());
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        receiver
    }

    /// Whoever waits looks again.
    fn wake(&mut self) {
        self.waiting = Vec::new();
    }

    pub(super) fn status(&self) -> ContainerStatus {
        let made = &self.made;
        // While its ports are open its end is not told.
        let exit = self.exit.clone().filter(|_| !self.is_open);
        ContainerStatus {
            id: made.id.clone(),
            name: made.spec.name.clone(),
            attempt: made.spec.attempt,
            image: made.spec.image.clone(),
            image_id: made.image_id.clone(),
            state: exit.unwrap_or(ContainerState::Running { started: made.started }),
        }
    }
}
