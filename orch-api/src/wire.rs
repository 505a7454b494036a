//! What both ends of the REST API need: how hyper's tasks run, and which deletions are answered with the object.

use std::future::Future;

use orch_core::{Env, Kind};

/// Runs hyper's tasks in an environment.
#[derive(Clone)]
pub(crate) struct Tasks(pub(crate) Env);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Kinds whose deletion is answered with the object, also when that is gone (`ReturnDeletedObject` of
/// `pkg/registry/*/*/storage`).
const SHOWN: [(&str, &str); 7] = [
    ("", "pods"),
    ("", "services"),
    ("", "persistentvolumes"),
    ("", "persistentvolumeclaims"),
    ("", "serviceaccounts"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
];

/// Whether a deletion is answered with the object.
pub(crate) fn shows_deleted(kind: Kind) -> bool {
    SHOWN.contains(&(kind.group(), kind.resource()))
}
