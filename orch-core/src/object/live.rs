//! An object in flight: the stored state and, while it is fresh, the tree that its writer had in hand.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{Object, Part};

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
    /// Shared by the clones of a live event, not by the object: they die with the event.
    trees: Option<Arc<Trees>>,
}

/// What was decoded for a live event, or never needed to be.
#[derive(Default)]
struct Trees {
    whole: OnceLock<Arc<Value>>,
    metadata: OnceLock<Arc<Value>>,
    spec: OnceLock<Arc<Value>>,
    status: OnceLock<Arc<Value>>,
}

impl Trees {
    fn of(&self, part: Part) -> &OnceLock<Arc<Value>> {
        match part {
            Part::Metadata => &self.metadata,
            Part::Spec => &self.spec,
            Part::Status => &self.status,
        }
    }
}

/// The tree of one part of an object; `null` when the part is absent.
#[derive(Clone, Debug)]
pub struct PartTree(Arc<Value>, Option<Part>);

impl PartTree {
    /// The tree alone, when it is not a part of a larger one that is kept alive with it.
    #[must_use]
    pub fn alone(&self) -> Option<&Arc<Value>> {
        self.1.is_none().then_some(&self.0)
    }
}

impl Deref for PartTree {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self.1 {
            Some(part) => &self.0[part.name()],
            None => &self.0,
        }
    }
}

impl Live {
    /// An object with the tree that it was encoded from.
    #[must_use]
    pub fn fresh(object: Object, tree: Arc<Value>) -> Self {
        let trees = Trees { whole: OnceLock::from(tree), ..Trees::default() };
        Self { object, trees: Some(Arc::new(trees)) }
    }

    /// An object whose writer had the tree of one part in hand, the one that it replaced. Whoever asks first for another
    /// part decodes that for all that share the event.
    ///
    /// ```
    /// use orch_core::object::Part;
    /// use orch_core::{Live, Object, Registry, kind};
    /// use serde_json::json;
    /// let info = Registry::built_in().get(kind::PODS).unwrap();
    /// let tree = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"nodeName": "n1"}});
    /// let status = json!({"phase": "Running"});
    /// let object = Object::encode(&info, &tree).unwrap().with_status(&info, &status).unwrap();
    /// let live = Live::spliced(object, Part::Status, status.into());
    /// assert_eq!(live.part_tree(Part::Status)["phase"], "Running");
    /// assert_eq!(live.part_tree(Part::Spec)["nodeName"], "n1");
    /// ```
    #[must_use]
    pub fn spliced(object: Object, part: Part, tree: Arc<Value>) -> Self {
        Self::shared(object).knowing(part, tree)
    }

    /// An object whose writer had no tree in hand: the first who asks decodes it for all that share the event.
    #[must_use]
    pub fn shared(object: Object) -> Self {
        Self { object, trees: Some(Arc::default()) }
    }

    /// The same, knowing the tree of one part already; objects may share it. What is decoded already stays.
    ///
    /// ```
    /// # use orch_core::object::Part;
    /// # use orch_core::{Live, Object, Registry, kind};
    /// # use serde_json::{Value, json};
    /// # use std::sync::Arc;
    /// # let info = Registry::built_in().get(kind::PODS).unwrap();
    /// let spec = Arc::new(json!({"nodeName": "n1"}));
    /// let pod = |name: &str| json!({"metadata": {"name": name, "namespace": "b"}, "spec": Value::clone(&spec)});
    /// let live = |name: &str| Live::shared(Object::encode(&info, &pod(name)).unwrap()).knowing(Part::Spec, Arc::clone(&spec));
    /// assert!(std::ptr::eq(&*live("a").part_tree(Part::Spec), &*live("b").part_tree(Part::Spec)));
    /// ```
    #[must_use]
    pub fn knowing(self, part: Part, tree: Arc<Value>) -> Self {
        if let Some(trees) = &self.trees {
            trees.of(part).get_or_init(|| tree);
        }
        self
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
        self.trees.is_some()
    }

    /// The object as a tree; decodes when the writer's tree is gone. `resourceVersion` and `managedFields` are not in it.
    #[must_use]
    pub fn tree(&self) -> Arc<Value> {
        let decode = || Arc::new(self.object.body_tree());
        match &self.trees {
            Some(shared) => Arc::clone(shared.whole.get_or_init(decode)),
            None => decode(),
        }
    }

    /// The object as a tree, if it is at hand.
    ///
    /// ```
    /// # use orch_core::{Live, Object, Registry, kind};
    /// # use serde_json::json;
    /// # let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
    /// # let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}});
    /// # let object = Object::encode(&info, &tree).unwrap();
    /// let live = Live::shared(object);
    /// assert_eq!(live.tree_at_hand(), None);
    /// assert_eq!(live.tree(), live.tree_at_hand().unwrap());
    /// ```
    #[must_use]
    pub fn tree_at_hand(&self) -> Option<Arc<Value>> {
        self.trees.as_ref()?.whole.get().map(Arc::clone)
    }

    /// One part as a tree; decodes no more than that part, and nothing when a tree is at hand.
    ///
    /// # Panics
    /// Never: a part is valid JSON by construction.
    #[must_use]
    pub fn part_tree(&self, part: Part) -> PartTree {
        let decode = || {
            let json = self.object.part(part).unwrap_or(b"null");
            Arc::new(serde_json::from_slice(json).expect("a part is valid JSON by construction"))
        };
        let Some(shared) = &self.trees else { return PartTree(decode(), None) };
        match shared.whole.get() {
            Some(whole) => PartTree(Arc::clone(whole), Some(part)),
            None => PartTree(Arc::clone(shared.of(part).get_or_init(decode)), None),
        }
    }

    /// The same at another revision.
    #[must_use]
    pub fn at(&self, revision: crate::Revision) -> Self {
        Self { object: self.object.at(revision), trees: self.trees.clone() }
    }
}

impl From<Object> for Live {
    fn from(object: Object) -> Self {
        Self { object, trees: None }
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
