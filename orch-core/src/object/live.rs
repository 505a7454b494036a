//! An object in flight: the stored state and, while it is fresh, the tree that its writer had in hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::Object;

/// An [`Object`] with its decoded tree, when the write that made it left one. In-process watchers of live events decode
/// nothing; whoever comes later decodes for itself, and nothing is cached in the shared object.
///
/// ```
/// use orch_core::{Live, Object, Registry, kind};
/// use serde_json::json;
/// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
/// let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}});
/// let object = Object::encode(&info, &tree).unwrap();
/// let live = Live::fresh(object.clone(), tree.into());
/// assert_eq!(live.tree()["kind"], "ConfigMap");
/// assert_eq!(Live::from(object).tree()["kind"], "ConfigMap");
/// ```
#[derive(Clone)]
pub struct Live {
    object: Object,
    tree: Option<Arc<Value>>,
}

impl Live {
    /// An object with the tree that it was encoded from.
    #[must_use]
    pub fn fresh(object: Object, tree: Arc<Value>) -> Self {
        Self { object, tree: Some(tree) }
    }

    /// The stored state.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Gives up the tree.
    #[must_use]
    pub fn into_object(self) -> Object {
        self.object
    }

    /// Whether the writer's tree is still there.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.tree.is_some()
    }

    /// The object as a tree; decodes when the writer's tree is gone. `resourceVersion` and `managedFields` are not in it.
    #[must_use]
    pub fn tree(&self) -> Arc<Value> {
        self.tree.clone().unwrap_or_else(|| Arc::new(self.object.body_tree()))
    }

    /// The same at another revision.
    #[must_use]
    pub fn at(&self, revision: crate::Revision) -> Self {
        Self { object: self.object.at(revision), tree: self.tree.clone() }
    }
}

impl From<Object> for Live {
    fn from(object: Object) -> Self {
        Self { object, tree: None }
    }
}

impl Deref for Live {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
