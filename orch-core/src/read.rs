//! What store and Api share: get, list and watch, each at a revision.
//!
//! Written once so that a view does not care what is behind it. See [`Read`] for the six guarantees of a watch.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::selector::{FieldSelector, Selector};
use crate::{Key, Kind, Live, Object, Result, Revision, Str};

/// Which objects a list or a watch is about. The default is every object of every kind.
///
/// ```
/// use orch_core::{Select, kind};
/// let pods = Select::kind(kind::PODS).namespace("shop").field("spec.nodeName", "n1");
/// assert_eq!(pods.required_field("spec.nodeName"), Some("n1"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Select {
    /// The kinds, sorted; empty means all, those registered later included.
    pub kinds: Vec<Kind>,
    /// One namespace; `None` means all and cluster-scoped objects too.
    pub namespace: Option<Str>,
    /// On labels.
    pub labels: Selector,
    /// On `metadata.name`, `metadata.namespace` and the kinds' selectable fields. A field that a kind does not declare
    /// matches no object of it.
    pub fields: FieldSelector,
}

impl Select {
    /// Every object of one kind.
    #[must_use]
    pub fn kind(kind: Kind) -> Self {
        Self { kinds: vec![kind], ..Self::default() }
    }

    /// Every object of these kinds; none given means of all kinds.
    #[must_use]
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self { kinds, ..Self::default() }
    }

    /// Only in that namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Str>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only with these labels.
    #[must_use]
    pub fn labels(mut self, labels: Selector) -> Self {
        self.labels = labels;
        self
    }

    /// Only with these fields.
    #[must_use]
    pub fn fields(mut self, fields: FieldSelector) -> Self {
        self.fields = fields;
        self
    }

    /// Only where that field has that value, besides what is selected already.
    #[must_use]
    pub fn field(mut self, path: &str, value: &str) -> Self {
        let term = FieldSelector::equals(path, value);
        self.fields = FieldSelector::new(self.fields.terms().iter().chain(term.terms()).cloned());
        self
    }

    /// The value that a field must have in every object selected, when there is one: what a watch can be routed by.
    #[must_use]
    pub fn required_field(&self, path: &str) -> Option<&str> {
        self.fields.required(path)
    }

    /// Whether the object is selected.
    #[must_use]
    pub fn matches(&self, object: &Object) -> bool {
        self.covers(object.key())
            && self.labels.matches(|name| object.label(name))
            && self
                .fields
                .terms()
                .iter()
                .all(|term| object.field(&term.field).is_some_and(|value| term.matches(value)))
    }

    /// Whether an object of that key can be selected, its labels and fields aside.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        (self.kinds.is_empty() || self.kinds.binary_search(&key.kind).is_ok())
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

/// Objects of a list, in order of their keys, all as of one revision.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// At most as many as asked for.
    pub items: Vec<Object>,
    /// Of the whole list, the same on every page: a watch from here misses nothing.
    pub revision: Revision,
    /// Give it to the next call to go on; `None` on the last page.
    pub next: Option<Str>,
    /// How many follow, when that is known.
    pub remaining: Option<u64>,
}

impl Page {
    /// A last page.
    #[must_use]
    pub fn new(items: Vec<Object>, revision: Revision) -> Self {
        Self { items, revision, next: None, remaining: None }
    }

    /// A page that is followed by others.
    #[must_use]
    pub fn followed(mut self, next: Str, remaining: Option<u64>) -> Self {
        self.next = Some(next);
        self.remaining = remaining;
        self
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// Of the write; a deletion has one of its own. What a [`Feed`](crate::Feed) found by listing again, because history
    /// was gone, stands at the revision that it had seen before: an object's own revision may be later.
    pub revision: Revision,
    /// The state after, at `revision`; `None` when the object was deleted, or left the selection.
    pub now: Option<Live>,
    /// The state before; `None` when the object was created, entered the selection, or was there when the watch began.
    pub before: Option<Object>,
}

impl Change {
    /// A change with at least one state.
    #[must_use]
    pub fn new(revision: Revision, now: Option<Live>, before: Option<Object>) -> Self {
        debug_assert!(now.is_some() || before.is_some(), "a change has a state before or after");
        Self { revision, now, before }
    }

    /// The latest state known: after the change or, when it is gone, before it.
    ///
    /// # Panics
    /// Never: a change has at least one state.
    #[must_use]
    pub fn object(&self) -> &Object {
        self.now
            .as_ref()
            .map(Live::object)
            .or(self.before.as_ref())
            .expect("a change has a state before or after")
    }

    /// Whose change it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.object().key()
    }

    /// Both states there are: before, then after.
    pub fn states(&self) -> impl Iterator<Item = &Object> {
        self.before.iter().chain(self.now.as_ref().map(Live::object))
    }

    /// The change as a watcher of `select` sees it: an object that enters is created, one that leaves is deleted.
    /// `None` when neither state is selected.
    #[must_use]
    pub fn seen_by(self: &Arc<Self>, select: &Select) -> Option<Arc<Self>> {
        if !select.covers(self.key()) {
            return None;
        }
        let now = self.now.as_ref().is_some_and(|live| select.matches(live));
        let before = self.before.as_ref().is_some_and(|object| select.matches(object));
        match (before, now) {
            (false, false) => None,
            _ if before == self.before.is_some() && now == self.now.is_some() => Some(Arc::clone(self)),
            _ => Some(Arc::new(Self {
                revision: self.revision,
                now: self.now.clone().filter(|_| now),
                before: self.before.clone().filter(|_| before),
            })),
        }
    }
}

/// What a watch yields.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change; cloning copies a pointer.
    Changed(Arc<Change>),
    /// Everything up to that revision has been yielded (a bookmark). Never goes back.
    Progress(Revision),
}

/// A running watch. Dropping it ends it.
pub type Watch = BoxStream<'static, Result<Event>>;

/// What a watch over several kinds promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watches {
    /// One watch serves any kinds, in order of revision across them: the view is consistent.
    Joint,
    /// Each kind has a watch of its own and lags on its own, as over REST. A watch over several kinds is refused or not
    /// ordered across them.
    PerKind,
}

/// Reads at a revision. One counter serves all kinds.
///
/// # To ensure correctness
/// A watch is, in etcd's words (`Documentation/learning/api_guarantees.md`):
/// *ordered* (by revision), *unique* (a change never comes twice), *reliable* (no change between two that were yielded
/// is left out), *atomic* (what one revision wrote comes whole), *resumable* (from any revision whose history is kept,
/// by a new watch) and *bookmarkable* ([`Event::Progress`] promises everything up to it). When it cannot hold that, it
/// ends with [`Error::Compacted`](crate::Error::Compacted), nothing less. Any other error ends it too and may be resumed
/// from the last revision seen.
///
/// Dropping any returned future or stream is safe.
#[async_trait]
pub trait Read: Send + Sync {
    /// Whether one watch can serve several kinds in revision order.
    fn watches(&self) -> Watches {
        Watches::Joint
    }

    /// The object as of a revision not older than `at_least`; waits for it where reads can lag. [`Revision::ZERO`] asks
    /// for the current state: a read begun after a write was acknowledged sees it.
    ///
    /// # Errors
    /// `NotFound`; `Ahead` when `at_least` will not come; `Unavailable`.
    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live>;

    /// Objects in order of their keys as of the current revision; with `page` from an earlier answer, the rest as of that
    /// answer's revision. `limit` 0 means all.
    ///
    /// # Errors
    /// `Compacted` when the history of a page's revision is gone; `BadPage`; `Unavailable`.
    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page>;

    /// Changes after the revision `from`. `None` begins with the current state: each object as a change without a state
    /// before, in order of revision.
    ///
    /// A watch that has caught up with the revision that was current when it was opened yields [`Event::Progress`] with
    /// at least that revision, even when nothing selected has changed: opening a watch is a way to ask for progress.
    ///
    /// # Errors
    /// `Compacted` (now or later, in the stream), `Ahead` when `from` has not come yet, `Unavailable`.
    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch>;
}
