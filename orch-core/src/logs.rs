//! The seam for what containers have written: who asks knows a pod and a container, and not where it runs.
//!
//! Not how a log is shown: times, bytes and HTTP are the asker's. Invariant: lines come in the order in which they were
//! written, each once.

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::runtime::LogLine;
use crate::{Live, Result, Str};

/// Which lines of which container.
///
/// ```
/// let mut options = orch_core::LogOptions::of("web");
/// options.tail = Some(10);
/// assert!(!options.is_followed && !options.is_previous);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// The name of the container.
    pub container: Str,
    /// Of the instance before the present one.
    pub is_previous: bool,
    /// Go on with what is written, until the container ends.
    pub is_followed: bool,
    /// At most so many of the lines that are there, the last ones.
    pub tail: Option<usize>,
    /// Written then or later.
    pub since: Option<Timestamp>,
}

impl LogOptions {
    /// All that is kept of a container's present instance.
    #[must_use]
    pub fn of(container: impl Into<Str>) -> Self {
        Self { container: container.into(), ..Self::default() }
    }
}

/// Reads logs of containers, by way of the agent of the node that a pod runs on.
///
/// # To ensure correctness
/// A stream that is not followed ends with the lines that were there when it was opened; one that is ends after the last line
/// of a container that has ended. Dropping it is safe and stops all work for it.
#[async_trait]
pub trait PodLogs: Send + Sync + 'static {
    /// Opens the log of a container of a pod, which is as the Api has it and has a node.
    ///
    /// # Errors
    /// [`Malformed`](crate::Error::Malformed) with Kubernetes' words when the container has no log (yet);
    /// [`Unavailable`](crate::Error::Unavailable) when its node cannot be reached.
    async fn open(&self, pod: &Live, options: &LogOptions) -> Result<BoxStream<'static, LogLine>>;
}
