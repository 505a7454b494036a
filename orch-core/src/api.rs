//! The seam that the parts of a cluster talk to: Kubernetes' verbs with Kubernetes' meaning, as data.

mod ext;
mod write;

pub use ext::ApiExt;
pub use write::{
    Conflicts, DeleteOptions, DryRun, FieldValidation, Patch, Precondition, Propagation, Verb, Write,
    WriteOptions,
};

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Live, Read, Registry, Result, Str};

/// Who acts: the name and groups that authorisation, audit and events see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// For example `system:serviceaccount:kube-system:deployment-controller`.
    pub name: Str,
    /// For example `system:masters`.
    pub groups: Vec<Str>,
    /// What tells it from others of that name at other times: that of a service account. Empty for others.
    pub uid: Str,
    /// What else is known of who it is, for example the pod that a token is for.
    pub extra: BTreeMap<Str, Vec<Str>>,
}

impl User {
    /// A user without groups.
    #[must_use]
    pub fn new(name: impl Into<Str>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The service account of one of Kubernetes' own controllers.
    #[must_use]
    pub fn controller(name: &str) -> Self {
        Self::new(format!("system:serviceaccount:kube-system:{name}"))
    }
}

/// Kubernetes' API, in process or remote. A handle is bound to one user.
///
/// # To ensure correctness
/// Every part of a cluster talks through this and none holds a handle on another. A write that was answered with an
/// object is durable as far as the store is, and visible to every later read. Every error says whether the write may have
/// happened ([`Error::outcome`](crate::Error::outcome)). Writes of a batch are independent and applied in their order; a
/// write never sees half of another. An update without a precondition is a server-side read, modify, retry.
/// Dropping the future of a write may leave each of its writes done or not, never half done.
#[async_trait]
pub trait Api: Read {
    /// Does the writes; the answers stand in the order of the writes. An answer is the object as it is after the write;
    /// for a deletion that removed it, its last state at the revision of the deletion; for a dry run, what it would be.
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>>;

    /// The same cluster, acting as another user. The caller vouches that it may.
    fn impersonate(&self, user: &User) -> Arc<dyn Api>;

    /// The kinds of the cluster.
    fn registry(&self) -> &Registry;
}
