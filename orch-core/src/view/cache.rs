//! The view that one feed keeps: every declared projection.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Projection, Table, View};
use crate::{Change, Event, Kind, Revision, Select};

/// What a part looks at.
#[derive(Clone, Default)]
pub struct Needs {
    tables: BTreeMap<TypeId, Maker>,
}

#[derive(Clone, Copy)]
struct Maker {
    name: &'static str,
    kind: fn() -> Option<Kind>,
    make: fn() -> Box<dyn AnyTable>,
}

impl Needs {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A projection besides what is needed already.
    #[must_use]
    pub fn of<P: Projection>(mut self) -> Self {
        let make = || Box::new(Table::<P>::default()) as Box<dyn AnyTable>;
        self.tables.insert(TypeId::of::<P>(), Maker { name: type_name::<P>(), kind: P::kind, make });
        self
    }

    /// What either needs.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.tables.extend(other.tables.iter().map(|(id, maker)| (*id, *maker)));
        self
    }

    /// The kinds looked at, sorted; `None` for every kind.
    #[must_use]
    pub fn kinds(&self) -> Option<Vec<Kind>> {
        let mut kinds = self.tables.values().map(|maker| (maker.kind)()).collect::<Option<Vec<_>>>()?;
        kinds.sort_unstable();
        kinds.dedup();
        Some(kinds)
    }

    /// Whether a change of that kind can matter.
    #[must_use]
    pub fn includes(&self, kind: Kind) -> bool {
        self.tables.values().any(|maker| (maker.kind)().is_none_or(|needed| needed == kind))
    }

    /// The selection that feeds it.
    #[must_use]
    pub fn select(&self) -> Select {
        Select::kinds(self.kinds().unwrap_or_default())
    }
}

impl std::fmt::Debug for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<_> = self.tables.values().map(|maker| maker.name).collect();
        names.sort_unstable();
        f.debug_list().entries(names).finish()
    }
}

trait AnyTable: Send + Sync {
    fn apply(&mut self, change: &Change, now: Timestamp);
    fn as_any(&self) -> &dyn Any;
}

impl<P: Projection> AnyTable for Table<P> {
    fn apply(&mut self, change: &Change, now: Timestamp) {
        self.set_now(now);
        Self::apply(self, change);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A view kept up to date by the events of one feed, or of one feed a kind.
#[derive(Default)]
pub struct Cache {
    tables: BTreeMap<TypeId, (Option<Kind>, Box<dyn AnyTable>)>,
    joint: Seen,
    by_kind: ByKind,
    now: Timestamp,
}

/// How far a feed is; `None` before its initial state is complete.
type Seen = Option<Revision>;

/// How far the feed of each kind is, in order of kind: copied after every event, so that it is one piece of memory.
#[derive(Clone, Debug, Default)]
struct ByKind(Vec<(Kind, Seen)>);

impl ByKind {
    fn get(&self, kind: Kind) -> Seen {
        self.0.binary_search_by_key(&kind, |(kind, _)| *kind).ok().and_then(|at| self.0[at].1)
    }

    fn entry(&mut self, kind: Kind) -> &mut Seen {
        let at = self.0.binary_search_by_key(&kind, |(kind, _)| *kind).unwrap_or_else(|at| {
            self.0.insert(at, (kind, None));
            at
        });
        &mut self.0[at].1
    }
}

impl Cache {
    /// An empty view of those needs.
    #[must_use]
    pub fn new(needs: &Needs) -> Self {
        let tables = needs.tables.iter().map(|(id, maker)| (*id, ((maker.kind)(), (maker.make)()))).collect();
        Self { tables, ..Self::default() }
    }

    /// What is taken in from now on is seen at that time.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Takes in one event of the joint feed (`None`) or of the feed of one kind.
    pub fn apply(&mut self, feed: Option<Kind>, event: &Event) {
        let seen = match feed {
            None => &mut self.joint,
            Some(kind) => self.by_kind.entry(kind),
        };
        match event {
            Event::Changed(change) => {
                // Objects of the initial state come in any order of kind: their revisions say nothing yet.
                *seen = seen.map(|seen| seen.max(change.revision));
                let kind = change.key().kind;
                for (of, table) in self.tables.values_mut() {
                    if of.is_none_or(|of| of == kind) {
                        table.apply(change, self.now);
                    }
                }
            }
            Event::Progress(revision) => *seen = (*seen).max(Some(*revision)),
        }
    }

    /// How far the view is, taken out of it.
    #[must_use]
    pub fn seen(&self) -> Progress {
        Progress { joint: self.joint, by_kind: self.by_kind.clone() }
    }

    /// Whether the whole initial state of a feed has been taken in.
    #[must_use]
    pub fn is_synced(&self, feed: Option<Kind>) -> bool {
        match feed {
            None => self.joint.is_some(),
            Some(kind) => self.by_kind.get(kind).is_some(),
        }
    }
}

impl View for Cache {
    fn revision(&self, kind: Kind) -> Revision {
        self.by_kind.get(kind).max(self.joint).unwrap_or_default()
    }

    fn behind(&self, revision: Revision) -> Option<Kind> {
        let lagging = self.by_kind.0.iter().find(|(_, seen)| seen.is_none_or(|seen| seen < revision));
        let joint = self.joint.is_some_and(|joint| joint < revision);
        // The joint feed follows every kind, so any kind tells how far it is.
        lagging.map(|(kind, _)| *kind).or_else(|| joint.then_some(crate::kind::NAMESPACES))
    }

    fn table(&self, projection: TypeId) -> Option<&dyn Any> {
        self.tables.get(&projection).map(|(_, table)| table.as_any())
    }
}

/// How far a view was at some time.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    joint: Seen,
    by_kind: ByKind,
}

impl Progress {
    /// With a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Revision {
        self.by_kind.get(kind).max(self.joint).unwrap_or_default()
    }

    /// Of a feed: the joint one (`None`) or that of a kind.
    #[must_use]
    pub fn of_feed(&self, feed: Option<Kind>) -> Revision {
        match feed {
            None => self.joint.unwrap_or_default(),
            Some(kind) => self.by_kind.get(kind).unwrap_or_default(),
        }
    }

    /// Of the feed that is furthest behind.
    #[must_use]
    pub fn least(&self) -> Revision {
        let by_kind = self.by_kind.0.iter().map(|(_, seen)| seen.unwrap_or_default()).min();
        by_kind.into_iter().chain(self.joint).min().unwrap_or_default()
    }
}
