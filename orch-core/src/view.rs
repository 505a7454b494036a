//! What a part knows of the cluster: tables of projections, fed by one watch in revision order.
//!
//! A projection holds the few facts that a consumer decides on, not a typed object. In process every kind of a view is at
//! the same revision; over REST each kind lags on its own, so no safety may rest on consistency across kinds.

mod cache;
mod table;

pub use cache::{Cache, Needs, Progress};
pub use table::{Row, Table};

use std::any::{Any, TypeId};

use jiff::Timestamp;

use crate::{Kind, Live, Object, Revision};

/// The facts that a consumer keeps of each object of a kind.
///
/// ```
/// use orch_core::view::{Cache, Needs, Projection, View};
/// use orch_core::{Kind, Live, kind};
/// struct Capacity { pods: u64 }
/// impl Projection for Capacity {
///     fn kind() -> Option<Kind> { Some(kind::NODES) }
///     fn project(object: &Live) -> Self {
///         let tree = object.tree();
///         Self { pods: tree["status"]["capacity"]["pods"].as_str().and_then(|p| p.parse().ok()).unwrap_or(0) }
///     }
/// }
/// let cache = Cache::new(&Needs::new().of::<Capacity>());
/// let view: &dyn View = &cache;
/// assert_eq!(view.of::<Capacity>().iter().map(|row| row.facts.pods).sum::<u64>(), 0);
/// ```
pub trait Projection: Send + Sync + Sized + 'static {
    /// The kind it is about; `None` for every kind, those registered later included.
    fn kind() -> Option<Kind>;

    /// Takes the facts from an object. What the object lacks has its default here: this never fails.
    fn project(object: &Live) -> Self;

    /// What [`Projection::project`] says, given what stood there before under the same key: a projection that takes its
    /// facts from several parts of a large object may keep those of a part whose bytes are the same. Must answer what
    /// `project` does; what [`Projection::remember`] keeps is nobody's business here.
    fn project_after(object: &Live, _before: &Row<Self>) -> Self {
        Self::project(object)
    }

    /// The entries of indexes that the object stands under, besides owner and namespace, each once:
    /// the index's name and the value. Must follow from the object alone.
    fn index(_object: &Object, _facts: &Self, _out: &mut dyn FnMut(&'static str, &str)) {}

    /// Keeps what follows from when the object was seen, not from the object: called once with the facts that were
    /// there before (`None` for an object that was not) and the observer's own time. It must touch nothing that
    /// [`Projection::index`] reads.
    ///
    /// ```
    /// use orch_core::view::Projection;
    /// use orch_core::{Kind, Live, kind};
    /// /// A Lease is stale when it has not been seen to change for long, whatever time stands in it.
    /// struct Heartbeat { renewed: String, seen: jiff::Timestamp }
    /// impl Projection for Heartbeat {
    ///     fn kind() -> Option<Kind> { Some(kind::LEASES) }
    ///     fn project(object: &Live) -> Self {
    ///         let renewed = object.tree()["spec"]["renewTime"].as_str().unwrap_or_default().to_owned();
    ///         Self { renewed, seen: jiff::Timestamp::default() }
    ///     }
    ///     fn remember(&mut self, before: Option<&Self>, now: jiff::Timestamp) {
    ///         self.seen = before.filter(|before| before.renewed == self.renewed).map_or(now, |before| before.seen);
    ///     }
    /// }
    /// let now = jiff::Timestamp::from_second(60).unwrap();
    /// let mut later = Heartbeat { renewed: "1".into(), seen: jiff::Timestamp::default() };
    /// later.remember(Some(&Heartbeat { renewed: "1".into(), seen: jiff::Timestamp::from_second(20).unwrap() }), now);
    /// assert_eq!(later.seen.as_second(), 20);
    /// ```
    fn remember(&mut self, _before: Option<&Self>, _now: Timestamp) {}
}

/// What a part knows of the cluster.
pub trait View: Send + Sync {
    /// How far the view is with a kind: every change up to there is in it.
    fn revision(&self, kind: Kind) -> Revision;

    /// A kind that the view follows and is not yet at that revision with; `None` when every change up to there is in it,
    /// of whatever kind.
    fn behind(&self, _revision: Revision) -> Option<Kind> {
        None
    }

    /// The table of a projection as `Table<P>`, by the `TypeId` of `P`.
    fn table(&self, projection: TypeId) -> Option<&dyn Any>;
}

impl dyn View + '_ {
    /// The table of a projection.
    ///
    /// # Panics
    /// When the part did not declare the projection in its [`Needs`]: a mistake of the program.
    #[must_use]
    pub fn of<P: Projection>(&self) -> &Table<P> {
        self.table(TypeId::of::<P>())
            .and_then(|table| table.downcast_ref())
            .unwrap_or_else(|| panic!("{} is not among the declared needs", std::any::type_name::<P>()))
    }
}

#[cfg(test)]
mod tests;
