//! Why the agent cannot give a container what it asks for. The messages are what people see in a waiting container or an
//! Event.

use std::io;
use std::path::PathBuf;

use orch_core::{Key, Str};

/// Why the agent cannot give a container what it asks for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Error {
    /// A ConfigMap, Secret or other object that the pod refers to is not there.
    #[error("{kind} {name:?} not found", kind = singular(key), name = key.name)]
    Missing {
        /// What is not there.
        key: Key,
    },
    /// An object that the pod refers to has not been read yet.
    #[error("failed to sync {kind} cache: {name:?} has not been read yet", kind = singular(key), name = key.name)]
    Unread {
        /// What is not read.
        key: Key,
    },
    /// The object has no such key.
    #[error("couldn't find key {entry} in {kind} {namespace}/{name}", kind = camel(key), namespace = key.namespace, name = key.name)]
    NoEntry {
        /// The object.
        key: Key,
        /// What it lacks.
        entry: Str,
    },
    /// A volume refers to a key that its object lacks.
    #[error("references non-existent {what} key: {entry}")]
    NoVolumeKey {
        /// `config` or `secret`.
        what: &'static str,
        /// What is lacking.
        entry: Str,
    },
    /// The downward API has no such field.
    #[error("unsupported fieldPath: {path}")]
    FieldPath {
        /// As the pod names it.
        path: Str,
    },
    /// The downward API has no such resource.
    #[error("unsupported container resource: {resource}")]
    ResourceField {
        /// As the pod names it.
        resource: Str,
    },
    /// No container of that name.
    #[error("container {container} not found")]
    NoContainer {
        /// As the pod names it.
        container: Str,
    },
    /// The agent cannot make volumes of that kind.
    #[error("no volume plugin matched: volume {volume:?} is of a kind that this node cannot make")]
    VolumeKind {
        /// The volume.
        volume: Str,
    },
    /// A claim is not bound to a volume yet.
    #[error("persistentvolumeclaim {claim:?} is not bound")]
    Unbound {
        /// The claim.
        claim: Str,
    },
    /// A path of a host is not what the volume says it is.
    #[error("hostPath type check failed: {path} is not a {what}", path = path.display())]
    HostPathType {
        /// The path.
        path: PathBuf,
        /// What it was to be.
        what: &'static str,
    },
    /// The files of a volume are too many.
    #[error("the files of the volume have {size} bytes, the limit is {limit}")]
    TooLarge {
        /// All of them.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// A path that leaves its volume.
    #[error("path {path:?} must stay within the volume")]
    Escape {
        /// As the pod names it.
        path: Str,
    },
    /// A container mounts a volume that the pod does not have.
    #[error("cannot find volume {volume:?} to mount into container {container:?}")]
    NoVolume {
        /// The volume.
        volume: Str,
        /// Who mounts it.
        container: Str,
    },
    /// The file system refused.
    #[error("{what}: {why}")]
    Files {
        /// What was done.
        what: String,
        /// What the system said.
        why: String,
    },
}

impl Error {
    pub(super) fn files(what: impl Into<String>, error: &io::Error) -> Self {
        Self::Files { what: what.into(), why: error.to_string() }
    }
}

fn singular(key: &Key) -> String {
    let resource = key.kind.resource();
    resource.strip_suffix('s').unwrap_or(resource).to_owned()
}

fn camel(key: &Key) -> &'static str {
    match key.kind.resource() {
        "configmaps" => "ConfigMap",
        "secrets" => "Secret",
        other => other,
    }
}

impl Error {
    /// Whether a change of an object that the pod refers to is what mends it.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Unread { .. } | Self::NoVolumeKey { .. } | Self::Unbound { .. }
        )
    }
}
