//! What the agent's state machine asks its driver to do, and what it is told.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::controller::Note;
use orch_core::network::{Attachment, Join};
use orch_core::runtime::{
    self, ContainerId, ContainerSpec, ImageId, RuntimeEvent, SandboxId, SandboxSpec, SandboxStatus,
};
use orch_core::{Key, Live, Object, Str, Write};

use super::check::{Answer, Check};
use super::error::Error;
use super::probe::Purpose;
use super::volumes::{MountPlan, Prepared};

/// The moment of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// `Env::elapsed`: what timers go by.
    pub(super) elapsed: Duration,
    /// `Env::now`: what people see.
    pub(super) wall: Timestamp,
}

/// Something to do. All commands that are out run at the same time.
#[derive(Debug)]
pub(super) struct Command {
    /// The pod that it is for; the answer goes back to it.
    pub(super) pod: Option<Str>,
    pub(super) action: Action,
}

/// Who in the pod the answer is for: an index among its containers.
pub(super) type At = usize;

#[derive(Debug)]
pub(super) enum Action {
    Make(Vec<Prepared>),
    /// Reads the Services of a namespace, and always `default/kubernetes`.
    Services {
        namespace: Option<Str>,
    },
    Attach(Join),
    /// Joins if need be, then leaves: for a pod whose attachment is not known.
    Leave(Join),
    Detach(Attachment),
    RunSandbox(SandboxSpec, Attachment),
    RemoveSandbox(SandboxId),
    /// Removes a directory.
    Clear(PathBuf),
    Inspect {
        at: At,
        image: Str,
    },
    Pull {
        at: At,
        image: Str,
    },
    Start {
        at: At,
        sandbox: SandboxId,
        spec: ContainerSpec,
        mounts: Vec<MountPlan>,
    },
    Stop {
        at: At,
        container: ContainerId,
        grace: Duration,
    },
    Forget(ContainerId),
    Hook {
        at: At,
        which: HookKind,
        namespace: Str,
        container: ContainerId,
        check: Check,
        limit: Duration,
    },
    Probe {
        at: At,
        purpose: Purpose,
        number: u64,
        namespace: Str,
        container: ContainerId,
        check: Check,
        limit: Duration,
    },
    /// Reads the end of a container's log.
    LastWords {
        at: At,
        container: ContainerId,
    },
    Status(Write),
    Delete(Write),
    Tell(Vec<Note>),
    /// Reads what the runtime has.
    State,
    /// Removes what no pod of the node stands for.
    Sweep {
        data_dir: PathBuf,
        keep: Vec<Str>,
    },
    NodeAddress,
    Node(Write),
    Heartbeat(Write),
    Lease(Write),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookKind {
    PostStart,
    PreStop,
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    Made(Result<(), (Str, Error)>),
    Services(orch_core::Result<Vec<Object>>),
    Attached(std::io::Result<Attachment>),
    Detached(std::io::Result<()>),
    Sandbox(runtime::Result<SandboxId>),
    SandboxGone(runtime::Result<()>),
    Cleared(Result<(), Error>),
    Inspected {
        at: At,
        result: runtime::Result<Option<ImageId>>,
    },
    /// With how long it took.
    Pulled {
        at: At,
        result: runtime::Result<ImageId>,
        took: Duration,
    },
    Started {
        at: At,
        result: Result<ContainerId, StartError>,
    },
    Stopped {
        at: At,
        result: runtime::Result<()>,
    },
    Hooked {
        at: At,
        which: HookKind,
        container: ContainerId,
        answer: Answer,
    },
    Probed {
        at: At,
        purpose: Purpose,
        number: u64,
        container: ContainerId,
        answer: Answer,
    },
    LastWords {
        at: At,
        container: ContainerId,
        words: String,
    },
    Status(orch_core::Result<Live>),
    Deleted(orch_core::Result<()>),
    State(runtime::Result<Vec<SandboxStatus>>),
    NodeAddress(std::io::Result<std::net::IpAddr>),
    Node(orch_core::Result<Live>),
    Heartbeat(orch_core::Result<Live>),
    Lease(orch_core::Result<Live>),
    Told,
    /// Nothing that anybody waits for.
    Done,
}

/// Why a container did not start.
#[derive(Clone, Debug)]
pub(super) enum StartError {
    /// Its mounts cannot be made.
    Mount(Error),
    Runtime(runtime::Error),
}

/// What the state machine is told.
#[derive(Debug)]
pub(super) enum Input {
    /// A pod of the node as it is now.
    Pod(Live),
    /// A pod left the node or is gone.
    PodGone {
        key: Key,
        uid: Str,
    },
    /// All pods of the node were told.
    PodsRead,
    /// The node's own object; `None` when there is none.
    Node(Option<Live>),
    /// All of the node's feed was told.
    NodeRead,
    /// An object that pods refer to; `None` when it is not there.
    Source {
        key: Key,
        object: Option<Object>,
    },
    /// Everything of that object's feed was told.
    SourceRead(Key),
    Runtime(RuntimeEvent),
    Answer {
        pod: Option<Str>,
        outcome: Outcome,
    },
}
