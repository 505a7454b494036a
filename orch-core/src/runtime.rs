//! The seam to what runs containers, in CRI's vocabulary (`cri-api/pkg/apis/runtime/v1/api.proto`).
//!
//! The node agent decides; a runtime does. It knows no pods beyond their sandboxes, no probes and no restart policies.

mod types;

pub use types::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, ExecOutput, ImageId, LogLine, LogQuery,
    LogSource, Mount, PullPolicy, Resources, RuntimeEvent, RuntimeInfo, SandboxId, SandboxSpec,
    SandboxStatus,
};

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::Str;
use crate::network::Attachment;

/// The result of a call to a runtime.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a runtime could not do it. [`Error::reason`] is what a waiting container shows.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No sandbox or container of that id.
    #[error("{id} is not known to the runtime")]
    NotFound {
        /// The id.
        id: Str,
    },
    /// The container has ended.
    #[error("container {id} is not running")]
    NotRunning {
        /// Its id.
        id: Str,
    },
    /// No image of that name, here or where images come from.
    #[error("failed to pull image {image:?}: {why}")]
    ImagePull {
        /// As the container names it.
        image: Str,
        /// What is known.
        why: String,
    },
    /// The name is not that of an image.
    #[error("couldn't parse image name {image:?}: {why}")]
    InvalidImageName {
        /// As the container names it.
        image: Str,
        /// What is wrong.
        why: String,
    },
    /// The image is not there and may not be pulled.
    #[error("container image {image:?} is not present with pull policy of Never")]
    ImageNeverPull {
        /// As the container names it.
        image: Str,
    },
    /// The container cannot be made from its spec.
    #[error("failed to create container {container}: {why}")]
    Create {
        /// Its name.
        container: Str,
        /// What is wrong.
        why: String,
    },
    /// The container cannot be started.
    #[error("failed to start container {container}: {why}")]
    Start {
        /// Its name.
        container: Str,
        /// What is wrong.
        why: String,
    },
    /// The sandbox cannot be made.
    #[error("failed to create pod sandbox of {pod}: {why}")]
    Sandbox {
        /// The pod.
        pod: Str,
        /// What is wrong.
        why: String,
    },
    /// Took longer than allowed.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What.
        what: Str,
        /// The bound.
        limit: Duration,
    },
    /// The runtime has no such ability.
    #[error("{runtime} cannot {what}")]
    Unsupported {
        /// The runtime's name.
        runtime: Str,
        /// What was asked for.
        what: Str,
    },
    /// The runtime cannot be reached, or broke.
    #[error("runtime unavailable: {why}")]
    Unavailable {
        /// What is known.
        why: String,
    },
}

impl Error {
    /// The `reason` of a waiting container (`pkg/kubelet/images/types.go`, `pkg/kubelet/kuberuntime`).
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ImagePull { .. } => "ErrImagePull",
            Self::InvalidImageName { .. } => "InvalidImageName",
            Self::ImageNeverPull { .. } => "ErrImageNeverPull",
            Self::Create { .. } => "CreateContainerError",
            Self::Sandbox { .. } => "CreatePodSandboxError",
            _ => "RunContainerError",
        }
    }
}

/// What a node can do with containers.
///
/// # To ensure correctness
/// Ids are never used again. Every call may be repeated: removing or stopping what is gone succeeds. A container that
/// exits is reported by an event, and stays in [`Runtime::state`] with its exit code until it is removed. Events may come
/// twice, and may be missed by who was not listening: `state` is the truth. Dropping a future leaves the call done or not.
/// The conformance suite of `orch-runtime` says the rest.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Name and version.
    fn info(&self) -> RuntimeInfo;

    /// Everything there is, for an agent that starts or lost its place.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn state(&self) -> Result<Vec<SandboxStatus>>;

    /// What happens from now on. Ends only when the runtime does.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>>;

    /// Makes a sandbox for a pod that is attached to the network.
    ///
    /// # Errors
    /// `Sandbox`, `Unavailable`.
    async fn run_pod(&self, spec: &SandboxSpec, attachment: &Attachment) -> Result<SandboxId>;

    /// Kills what runs in a sandbox and removes it with its containers.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()>;

    /// Makes a container in a sandbox and starts it.
    ///
    /// # Errors
    /// `Create`, `Start`, `ImagePull` when the image is gone, `NotFound` when the sandbox is.
    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId>;

    /// Asks a container to end, and kills it after the grace period. Returns when it has ended.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn stop(&self, container: &ContainerId, grace: Duration) -> Result<()>;

    /// Forgets a container that has ended, its log with it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remove(&self, container: &ContainerId) -> Result<()>;

    /// Its images; `None` when every image is simply there.
    fn images(&self) -> Option<&dyn Images> {
        None
    }

    /// Its streams; `None` when nobody can look into a container.
    fn streams(&self) -> Option<&dyn Streams> {
        None
    }
}

/// The images of a runtime.
#[async_trait]
pub trait Images: Send + Sync {
    /// The image, if it is here.
    ///
    /// # Errors
    /// `InvalidImageName`, `Unavailable`.
    async fn present(&self, image: &str) -> Result<Option<ImageId>>;

    /// Brings an image here.
    ///
    /// # Errors
    /// `ImagePull`, `InvalidImageName`, `Unavailable`.
    async fn pull(&self, image: &str) -> Result<ImageId>;

    /// The names of the images that are here.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list(&self) -> Result<Vec<Str>>;
}

/// Looking into containers.
#[async_trait]
pub trait Streams: Send + Sync {
    /// Runs a command in a container to its end. When it takes longer than `limit` it is killed.
    ///
    /// # Errors
    /// `Timeout`, `NotFound`, `NotRunning`, `Unsupported`.
    async fn exec(&self, container: &ContainerId, command: &[Str], limit: Duration) -> Result<ExecOutput>;

    /// Lines of a container's log, which is bounded: the oldest may be gone.
    ///
    /// # Errors
    /// `NotFound`.
    async fn logs(&self, container: &ContainerId, query: &LogQuery) -> Result<Vec<LogLine>>;
}
