//! A controller is a function: observe, then plan. The one loop ([`engine`](crate::engine)) does the rest.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::view::{Needs, View};
use crate::{Change, Key, Kind, Live, Result, Revision, Str, Write};

/// Decides what to do about one object.
///
/// # To ensure correctness
/// [`Controller::plan`] is pure and depends on the observed facts alone. Any of a plan's writes may happen without the
/// others, or twice: each carries the precondition that makes that harmless. Children are named from the parent's uid and
/// what was observed, and created as absent. A controller writes only fields that it owns. Nothing may rest on the view
/// being consistent across kinds, nor on resync.
///
/// ```
/// use orch_core::controller::{Controller, Plan};
/// use orch_core::view::{Needs, View};
/// use orch_core::{Change, Key, Write};
/// /// Deletes every ConfigMap that is labelled `expired`.
/// struct Janitor;
/// # struct Facts; impl orch_core::view::Projection for Facts {
/// #   fn kind() -> Option<orch_core::Kind> { Some(orch_core::kind::CONFIG_MAPS) }
/// #   fn project(_: &orch_core::Live) -> Self { Self } }
/// impl Controller for Janitor {
///     type Observed = Key;
///     fn name(&self) -> &str { "janitor" }
///     fn needs(&self) -> Needs { Needs::new().of::<Facts>() }
///     fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) { out(change.key().clone()) }
///     fn observe(&self, key: &Key, _: jiff::Timestamp, view: &dyn View) -> Option<Key> {
///         view.of::<Facts>().get(key)?.object.label("expired").map(|_| key.clone())
///     }
///     fn plan(&self, key: &Key) -> Plan { Plan::new().write(Write::delete(key.clone())) }
/// }
/// ```
pub trait Controller: Send + Sync + 'static {
    /// Everything the decision depends on, `now` included.
    type Observed: Send;

    /// Stable name: metrics, field manager, events.
    fn name(&self) -> &str;

    /// The kinds and projections it looks at.
    fn needs(&self) -> Needs;

    /// Whom a change concerns. Uses the objects in the change (before and after) and the view, which includes the
    /// change already. A key may be of any kind, and of an object that is gone.
    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key));

    /// Gathers the facts; `None` when there is nothing to do for `key`.
    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Self::Observed>;

    /// Decides. Pure: no clock, no randomness, no I/O.
    fn plan(&self, observed: &Self::Observed) -> Plan;

    /// What became of a plan's writes, in their order, before the key has its next turn. Answers what to tell people of
    /// it. What a controller remembers of outcomes is lost in a crash, so nothing but explanations and pace may rest on it.
    fn outcome(&self, _key: &Key, _plan: &Plan, _results: &[Result<Live>]) -> Vec<Note> {
        Vec::new()
    }
}

/// One instance in several hands, or in one engine after another.
impl<C: Controller> Controller for Arc<C> {
    type Observed = C::Observed;

    fn name(&self) -> &str {
        (**self).name()
    }

    fn needs(&self) -> Needs {
        (**self).needs()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        (**self).keys(change, view, out);
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Self::Observed> {
        (**self).observe(key, now, view)
    }

    fn plan(&self, observed: &Self::Observed) -> Plan {
        (**self).plan(observed)
    }

    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note> {
        (**self).outcome(key, plan, results)
    }
}

/// What to do about one object, and why.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Done in this order in one batch; each must be harmless without the others.
    pub writes: Vec<Write>,
    /// Look again after that time even if nothing changes: a deadline or a schedule, never a poll.
    pub again_after: Option<Duration>,
    /// Look again once the view has that revision of that kind, even if nothing changes.
    pub when_seen: Vec<(Kind, Revision)>,
    /// What to tell people: each becomes an Event.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Looks again at the latest after that time; the shortest of several wins.
    #[must_use]
    pub fn again_after(mut self, after: Duration) -> Self {
        self.again_after = Some(self.again_after.map_or(after, |before| before.min(after)));
        self
    }

    /// Looks again once the view has that revision of that kind: for a plan that rests on something being *absent*, which
    /// a view that lags cannot tell. The kind must be among the needs.
    #[must_use]
    pub fn when_seen(mut self, kind: Kind, revision: Revision) -> Self {
        self.when_seen.push((kind, revision));
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }

    /// Whether it does nothing, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a note is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// As expected.
    Normal,
    /// Somebody should look.
    Warning,
}

impl NoteKind {
    /// The `type` of an Event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Something that people should know of an object: it becomes an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object it is about.
    pub about: Key,
    /// Its uid; empty when it is not known.
    pub uid: Str,
    /// Good or bad news.
    pub kind: NoteKind,
    /// In CamelCase, for machines, as Kubernetes spells it.
    pub reason: Str,
    /// A sentence for people.
    pub message: String,
    /// Only when that write of the plan (its index) was done; `None` always.
    pub after: Option<usize>,
}

impl Note {
    /// Good news.
    #[must_use]
    pub fn normal(about: &Key, uid: &Str, reason: &str, message: impl Into<String>) -> Self {
        let (about, uid) = (about.clone(), uid.clone());
        Self {
            about,
            uid,
            kind: NoteKind::Normal,
            reason: reason.into(),
            message: message.into(),
            after: None,
        }
    }

    /// Bad news.
    #[must_use]
    pub fn warning(about: &Key, uid: &Str, reason: &str, message: impl Into<String>) -> Self {
        Self { kind: NoteKind::Warning, ..Self::normal(about, uid, reason, message) }
    }

    /// Only told when the write of that index in the plan was done.
    #[must_use]
    pub fn after(mut self, write: usize) -> Self {
        self.after = Some(write);
        self
    }
}
