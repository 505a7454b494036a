//! The seam to what keeps objects.

use async_trait::async_trait;

use crate::{Key, Live, Read, Result, Revision};

/// What must be true for a write to happen. There is no unconditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No object of that key.
    Absent,
    /// The object is at exactly that revision.
    At(Revision),
}

/// One write: an object to put or a key to delete, with its precondition.
///
/// ```
/// use orch_core::{Expect, Key, Put, Revision, kind};
/// let gone = Put::delete(Key::cluster(kind::NODES, "n1"), Revision(4));
/// assert_eq!(gone.expect(), Expect::At(Revision(4)));
/// ```
#[derive(Clone, Debug)]
pub struct Put {
    key: Key,
    now: Option<Live>,
    expect: Expect,
    premise: Option<Box<(Key, Revision)>>,
}

impl Put {
    /// Stores a new object.
    #[must_use]
    pub fn create(object: impl Into<Live>) -> Self {
        let now = object.into();
        Self { key: now.key().clone(), now: Some(now), expect: Expect::Absent, premise: None }
    }

    /// Replaces the object that is at that revision.
    #[must_use]
    pub fn replace(object: impl Into<Live>, at: Revision) -> Self {
        let now = object.into();
        Self { key: now.key().clone(), now: Some(now), expect: Expect::At(at), premise: None }
    }

    /// Deletes the object that is at that revision.
    #[must_use]
    pub fn delete(key: Key, at: Revision) -> Self {
        Self { key, now: None, expect: Expect::At(at), premise: None }
    }

    /// Done only if another object is at that revision as well, judged at the same moment: nothing is put into a namespace
    /// that goes meanwhile. Refused as `NotFound` or `Conflict` of that other object.
    ///
    /// ```
    /// use orch_core::{Key, Put, Revision, kind};
    /// let namespace = Key::cluster(kind::NAMESPACES, "shop");
    /// let put = Put::delete(Key::new(kind::PODS, "shop", "web"), Revision(4)).given(namespace.clone(), Revision(2));
    /// assert_eq!(put.premise(), Some(&(namespace, Revision(2))));
    /// ```
    #[must_use]
    pub fn given(self, other: Key, at: Revision) -> Self {
        Self { premise: Some(Box::new((other, at))), ..self }
    }

    /// Another object and the revision that it must be at.
    #[must_use]
    pub fn premise(&self) -> Option<&(Key, Revision)> {
        self.premise.as_deref()
    }

    /// Whose write it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The new state; `None` for a deletion.
    #[must_use]
    pub fn now(&self) -> Option<&Live> {
        self.now.as_ref()
    }

    /// The precondition.
    #[must_use]
    pub fn expect(&self) -> Expect {
        self.expect
    }

    /// The parts: key, new state, precondition. [`Put::premise`] is not among them.
    #[must_use]
    pub fn into_parts(self) -> (Key, Option<Live>, Expect) {
        (self.key, self.now, self.expect)
    }
}

/// Keeps objects. What goes in comes out; it knows nothing of defaults, owners or users.
///
/// # To ensure correctness
/// Writes of a batch are independent: each has its own precondition, result and revision, and they are applied in their
/// order. A batch is for speed, not for atomicity across objects. A write that was answered with a revision is in every
/// later read and in every watch. Revisions grow by at least one with every write that succeeds, deletions too.
/// Dropping the future of a commit may leave each of its writes done or not, never half done.
#[async_trait]
pub trait Store: Read {
    /// Applies writes; the answers stand in the order of the writes.
    ///
    /// Each answer is the revision of the new state or of the deletion, or an error:
    /// `AlreadyExists` (expected absent), `NotFound` or `Conflict` (expected at a revision), the same of the other object that
    /// it is given ([`Put::given`]), `TooLarge`, `Unavailable`, or `OutcomeUnknown`.
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>>;
}
