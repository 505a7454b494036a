//! What a runtime is told and what it tells.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::{Key, Str};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Str);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A sandbox, for life.
    SandboxId;
    /// A container, for life: a restart makes a new one.
    ContainerId;
    /// An image by its content.
    ImageId;
}

/// Name and version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// For example `task`: ids are shown as `task://ID`.
    pub name: Str,
    /// Its version.
    pub version: Str,
}

/// The sandbox of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxSpec {
    /// The pod.
    pub pod: Key,
    /// This very pod.
    pub uid: Str,
    /// The node that runs it.
    pub node: Str,
    /// `hostname` inside.
    pub hostname: Str,
    /// As the pod's.
    pub annotations: Vec<(Str, Str)>,
}

impl SandboxSpec {
    /// A sandbox whose host name is the pod's name.
    #[must_use]
    pub fn new(pod: Key, uid: Str, node: Str) -> Self {
        Self { hostname: pod.name.clone(), pod, uid, node, annotations: Vec::new() }
    }

    /// With another host name.
    #[must_use]
    pub fn hostname(mut self, hostname: impl Into<Str>) -> Self {
        self.hostname = hostname.into();
        self
    }

    /// With the pod's annotations.
    #[must_use]
    pub fn annotations(mut self, annotations: Vec<(Str, Str)>) -> Self {
        self.annotations = annotations;
        self
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// When it is not here.
    #[default]
    IfNotPresent,
    /// Never: it must be here.
    Never,
}

/// A directory or file of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it stands on the host.
    pub host: PathBuf,
    /// Where the container sees it.
    pub container: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What a container may use; `None` means no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Share of CPU, in thousandths of a core.
    pub cpu_request_milli: Option<u64>,
    /// Bound of CPU, in thousandths of a core.
    pub cpu_limit_milli: Option<u64>,
    /// Bound of memory, in bytes.
    pub memory_limit: Option<u64>,
}

/// A container to start. Everything is resolved: no references, no `$(VAR)`.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// As in the pod.
    pub name: Str,
    /// How often it was started before.
    pub attempt: u32,
    /// As in the pod.
    pub image: Str,
    /// Replaces the image's entry point; empty keeps it.
    pub command: Vec<Str>,
    /// Replaces the image's arguments; empty keeps them unless there is a command.
    pub args: Vec<Str>,
    /// Names and values, the later ones win. May hold secrets: never printed.
    pub env: Vec<(Str, Str)>,
    /// Empty means the image's.
    pub working_dir: Str,
    /// What it sees of the host.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub resources: Resources,
    /// Where it may leave a last word; empty means nowhere.
    pub termination_message_path: Str,
    /// The TCP ports that it says it listens at, on the pod's address: `containerPorts`, what CRI calls port mappings.
    /// Information only: a container may listen at others or at none, and a runtime may ignore it.
    pub ports: Vec<u16>,
}

/// Never the environment: it may hold secrets.
impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerSpec({} #{} of {:?})", self.name, self.attempt, self.image)
    }
}

impl ContainerSpec {
    /// A container of that name and image.
    #[must_use]
    pub fn new(name: impl Into<Str>, image: impl Into<Str>) -> Self {
        Self { name: name.into(), image: image.into(), ..Self::default() }
    }
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// It runs.
    Running {
        /// Since then.
        started: Timestamp,
    },
    /// It has ended.
    Exited {
        /// 0 means success; 128 + n a signal n.
        code: i32,
        /// When it began.
        started: Timestamp,
        /// When it ended.
        finished: Timestamp,
        /// For example `OOMKilled`; empty lets the agent choose `Completed` or `Error`.
        reason: Str,
        /// Its last word, at most 4,096 bytes.
        message: Str,
    },
}

/// A container as a runtime has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its id.
    pub id: ContainerId,
    /// Its name in the pod.
    pub name: Str,
    /// How often it was started before.
    pub attempt: u32,
    /// As in the pod.
    pub image: Str,
    /// The image that it runs, by content.
    pub image_id: ImageId,
    /// What it does.
    pub state: ContainerState,
}

/// A sandbox as a runtime has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Its id.
    pub id: SandboxId,
    /// As it was made.
    pub spec: SandboxSpec,
    /// In the order they were started.
    pub containers: Vec<ContainerStatus>,
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeEvent {
    /// It has ended, by itself or not.
    Exited {
        /// Where.
        sandbox: SandboxId,
        /// With its exit code.
        status: ContainerStatus,
    },
    /// Events were lost: ask for the state.
    Lost,
}

/// What a command in a container left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// 0 means success.
    pub code: i32,
    /// At most 10 MiB are kept.
    pub stdout: Vec<u8>,
    /// At most 10 MiB are kept.
    pub stderr: Vec<u8>,
}

/// Where a line of a log comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// To which stream.
    pub source: LogSource,
    /// Without the line end.
    pub text: Str,
}

/// Which lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogQuery {
    /// At most so many, the last ones; `None` means all that are kept.
    pub tail: Option<usize>,
    /// Written then or later.
    pub since: Option<Timestamp>,
}
