//! What can go wrong with a cluster as a whole.

use std::path::PathBuf;
use std::time::Duration;

use crate::Part;
use crate::apply::Refusal;

/// Why a cluster did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A read or write was refused.
    #[error(transparent)]
    Api(#[from] orch_core::Error),
    /// Manifests were refused; nothing of them was applied.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<Refusal>),
    /// The network could not be set up.
    #[error("the network cannot be set up: {0}")]
    Network(orch_net::Error),
    /// An address could not be had from the network.
    #[error("the network gives no address: {0}")]
    Socket(std::io::Error),
    /// A directory could not be made or removed.
    #[error("{path}: {source}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was waited for did not happen.
    #[error("waited {limit:?} for {what}")]
    Timeout {
        /// What.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// No node of that name runs here.
    #[error("no node {name:?} runs here")]
    NoNode {
        /// As given.
        name: String,
    },
    /// The cluster has no such part, or has been shut down.
    #[error("there is no part {part}")]
    NoPart {
        /// As given.
        part: Part,
    },
    /// A builder was given something that cannot be.
    #[error("{field}: {why}")]
    Builder {
        /// What was given.
        field: String,
        /// What is wrong and what would be right.
        why: String,
    },
}

impl From<orch_net::Error> for Error {
    fn from(error: orch_net::Error) -> Self {
        Self::Network(error)
    }
}

impl Error {
    /// A line for each thing that is wrong.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        match self {
            Self::Refused(refusals) => refusals.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}
