//! A write as data: verb, subresource, precondition, options.

use std::sync::Arc;

use serde_json::Value;

use crate::{Key, Kind, Revision, Str, Subresource};

/// What a write does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verb {
    /// Creates the object from a tree. On the subresources `binding` and `eviction` the tree is a `Binding` or `Eviction`. On
    /// `token` it is a `TokenRequest`, nothing is stored, and the answer is the request with its token, not the account.
    Create(Arc<Value>),
    /// Replaces the object, or its subresource, by a tree.
    Update(Arc<Value>),
    /// Changes parts of it.
    Patch(Patch),
    /// Deletes it, with grace and finalizers.
    Delete(DeleteOptions),
}

/// How to change parts of an object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Patch {
    /// A JSON merge patch (RFC 7386): `null` removes a field, lists are replaced whole.
    Merge(Arc<Value>),
    /// A JSON patch (RFC 6902): a list of operations, done in order or not at all.
    Json(Arc<Value>),
    /// Kubernetes' strategic merge patch: lists are merged by the merge keys of the kind's type. Kinds without a type refuse it.
    Strategic(Arc<Value>),
    /// Server-side apply: the fields that the write's field manager wants, of an object that may be absent.
    Apply {
        /// The fields, as a part of an object.
        config: Arc<Value>,
        /// What happens with fields that others manage and that have another value.
        conflicts: Conflicts,
    },
}

/// What an apply does with fields that other managers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The write is refused.
    #[default]
    Refuse,
    /// The fields are taken over.
    Force,
}

/// What must be true of the object for the write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// It is this very object, not a later one of the same name.
    pub uid: Option<Str>,
    /// It is at this revision; [`Revision::ZERO`]: it is absent.
    pub revision: Option<Revision>,
}

/// What happens to dependents when an object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are collected after it is gone.
    #[default]
    Background,
    /// It stays until those that block its deletion are gone.
    Foreground,
    /// They stay and lose this owner.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// Seconds that a pod has to end by itself; `None` means its own period, 0 means remove the object at once.
    pub grace_secs: Option<i64>,
    /// `None` means the kind's default.
    pub propagation: Option<Propagation>,
}

/// Whether a write is only tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// It is done.
    #[default]
    Off,
    /// Everything but the store's commit is done.
    All,
}

/// What happens with fields that the kind does not have, and with duplicate ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped.
    #[default]
    Ignore,
    /// They are dropped and warned about.
    Warn,
    /// The write is refused.
    Strict,
}

/// What goes with every write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Only try.
    pub dry_run: DryRun,
    /// Unknown fields.
    pub field_validation: FieldValidation,
    /// Who manages the fields that are written.
    pub field_manager: Option<Str>,
    /// The `apiVersion` of the object that a patch changes; `None` for that in which the object is stored. A whole object
    /// says its own.
    pub api_version: Option<Str>,
}

/// One write to one object.
///
/// ```
/// use orch_core::{Key, Revision, Verb, Write, kind};
/// use serde_json::json;
/// let web = Key::new(kind::DEPLOYMENTS, "shop", "web");
/// let write = Write::merge(web, json!({"spec": {"replicas": 3}})).at(Revision(8));
/// assert_eq!(write.precondition.revision, Some(Revision(8)));
/// assert!(matches!(write.verb, Verb::Patch(_)));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Write {
    /// The object. The name may be empty in a create whose tree has `generateName`.
    pub key: Key,
    /// The part that is written.
    pub subresource: Subresource,
    /// What is done.
    pub verb: Verb,
    /// When it is done.
    pub precondition: Precondition,
    /// How it is done.
    pub options: WriteOptions,
}

impl Write {
    /// A write of that verb to the object itself.
    #[must_use]
    pub fn new(key: Key, verb: Verb) -> Self {
        Self {
            key,
            subresource: Subresource::None,
            verb,
            precondition: Precondition::default(),
            options: WriteOptions::default(),
        }
    }

    /// Creates the object. Whoever makes many from one tree shares it and leaves the name to the key, or to `generateName`: an
    /// Api may work out once what is the same for all of them.
    #[must_use]
    pub fn create(key: Key, tree: impl Into<Arc<Value>>) -> Self {
        Self::new(key, Verb::Create(tree.into()))
    }

    /// Creates the object that a tree describes: namespace and name are its metadata's.
    #[must_use]
    pub fn create_tree(kind: Kind, tree: impl Into<Arc<Value>>) -> Self {
        let tree = tree.into();
        let text = |field: &str| tree["metadata"][field].as_str().unwrap_or_default();
        Self::create(Key::new(kind, text("namespace"), text("name")), Arc::clone(&tree))
    }

    /// Replaces the object.
    #[must_use]
    pub fn update(key: Key, tree: impl Into<Arc<Value>>) -> Self {
        Self::new(key, Verb::Update(tree.into()))
    }

    /// Changes parts of the object by a JSON merge patch.
    #[must_use]
    pub fn merge(key: Key, patch: impl Into<Arc<Value>>) -> Self {
        Self::new(key, Verb::Patch(Patch::Merge(patch.into())))
    }

    /// Applies the fields that a manager wants (server-side apply); conflicts are refused.
    ///
    /// ```
    /// use orch_core::{Key, Patch, Verb, Write, kind};
    /// use serde_json::json;
    /// let key = Key::new(kind::CONFIG_MAPS, "shop", "a");
    /// let write = Write::apply(key, "me", json!({"data": {"k": "v"}})).force();
    /// assert!(matches!(write.verb, Verb::Patch(Patch::Apply { conflicts: orch_core::Conflicts::Force, .. })));
    /// ```
    #[must_use]
    pub fn apply(key: Key, manager: impl Into<Str>, config: impl Into<Arc<Value>>) -> Self {
        let patch = Patch::Apply { config: config.into(), conflicts: Conflicts::Refuse };
        Self::new(key, Verb::Patch(patch)).managed_by(manager)
    }

    /// Takes over fields that others manage; only an apply does.
    #[must_use]
    pub fn force(mut self) -> Self {
        if let Verb::Patch(Patch::Apply { conflicts, .. }) = &mut self.verb {
            *conflicts = Conflicts::Force;
        }
        self
    }

    /// Changes parts of the status: the patch is `{"status": {…}}`.
    #[must_use]
    pub fn merge_status(key: Key, patch: impl Into<Arc<Value>>) -> Self {
        Self::merge(key, patch).to(Subresource::Status)
    }

    /// Assigns a pod to a node, once.
    #[must_use]
    pub fn bind(pod: Key, node: &str) -> Self {
        let tree = serde_json::json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": node},
            "metadata": {"name": &*pod.name, "namespace": &*pod.namespace}});
        Self::create(pod, tree).to(Subresource::Binding)
    }

    /// Deletes the object with the kind's own grace and propagation.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self::new(key, Verb::Delete(DeleteOptions::default()))
    }

    /// To a subresource.
    #[must_use]
    pub fn to(mut self, subresource: Subresource) -> Self {
        self.subresource = subresource;
        self
    }

    /// Only when the object is at that revision.
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.precondition.revision = Some(revision);
        self
    }

    /// Only when it is this very object.
    #[must_use]
    pub fn of(mut self, uid: &Str) -> Self {
        self.precondition.uid = Some(uid.clone());
        self
    }

    /// With a grace period in seconds; only a deletion has one.
    #[must_use]
    pub fn grace(mut self, secs: i64) -> Self {
        if let Verb::Delete(options) = &mut self.verb {
            options.grace_secs = Some(secs);
        }
        self
    }

    /// With a propagation; only a deletion has one.
    #[must_use]
    pub fn propagate(mut self, propagation: Propagation) -> Self {
        if let Verb::Delete(options) = &mut self.verb {
            options.propagation = Some(propagation);
        }
        self
    }

    /// In the name of a field manager.
    #[must_use]
    pub fn managed_by(mut self, manager: impl Into<Str>) -> Self {
        self.options.field_manager = Some(manager.into());
        self
    }

    /// With strict field validation.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.options.field_validation = FieldValidation::Strict;
        self
    }

    /// Only tried.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.options.dry_run = DryRun::All;
        self
    }
}
