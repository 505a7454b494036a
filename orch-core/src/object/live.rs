//! An object in flight: the stored state and, while it is fresh, the tree that its writer had in hand.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

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
    /// Shared by the clones of a live event, not by the object: it dies with the event.
    tree: Option<Arc<OnceLock<Arc<Value>>>>,
}

impl Live {
    /// An object with the tree that it was encoded from.
    #[must_use]
    pub fn fresh(object: Object, tree: Arc<Value>) -> Self {
        Self { object, tree: Some(Arc::new(OnceLock::from(tree))) }
    }

    /// An object whose writer had no tree in hand: the first who asks decodes it for all that share the event.
    #[must_use]
    pub fn shared(object: Object) -> Self {
        Self { object, tree: Some(Arc::default()) }
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

    /// Whether a tree is kept, or will be once somebody asks for it.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.tree.is_some()
    }

    /// The object as a tree; decodes when the writer's tree is gone. `resourceVersion` and `managedFields` are not in it.
    #[must_use]
    pub fn tree(&self) -> Arc<Value> {
        let decode = || Arc::new(self.object.body_tree());
        match &self.tree {
            Some(shared) => Arc::clone(shared.get_or_init(decode)),
            None => decode(),
        }
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
