//! Everything a store holds, behind one lock: objects, history, routes.
//!
//! Not here: locking and waking (`mem.rs`). Invariant: tables, history and routes tell of the same writes whenever the lock
//! is free.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use orch_core::{Change, ConflictCause, Error, Key, Kind, Live, Object, Put, Result, Revision, Select};

use super::Bounds;
use super::log::Log;
use super::routes::{Routes, Sleepers};
use super::table::{Scope, Table, deletion_at};

pub(super) struct State {
    tables: BTreeMap<Kind, Table>,
    pub(super) log: Log,
    pub(super) routes: Routes,
    bounds: Bounds,
}

/// What is left to do when the lock is free again.
#[derive(Default)]
pub(super) struct After {
    /// To be woken.
    pub(super) wake: Vec<Sleepers>,
    /// To be freed.
    pub(super) free: Vec<Arc<Change>>,
    /// To be freed.
    pub(super) trees: Vec<Live>,
}

/// A stretch of a list.
pub(super) struct Stretch {
    pub(super) items: Vec<Object>,
    pub(super) end: End,
}

/// Where a stretch of a list ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing follows.
    Last,
    /// It is full, and there is at least one more object.
    Full,
    /// So many objects were looked at: go on behind that key.
    At(Key),
}

/// How far a stretch of a list goes.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    /// Objects given.
    pub(super) items: usize,
    /// Objects looked at.
    pub(super) visits: usize,
}

impl State {
    pub(super) fn new(bounds: Bounds, origin: Revision) -> Self {
        Self { tables: BTreeMap::new(), log: Log::new(bounds, origin), routes: Routes::default(), bounds }
    }

    /// Puts an object that is older than history, unless one of its name is there.
    pub(super) fn seed(&mut self, object: &Object) {
        debug_assert!(object.revision() <= self.log.floor(), "history does not know it");
        let table = self.tables.entry(object.key().kind).or_default();
        if let Err(error) = table.create(object) {
            debug_assert!(false, "{error}");
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Object> {
        self.tables.get(&key.kind)?.get(&key.namespace, &key.name)
    }

    /// An object must be at exactly that revision.
    fn require(&self, key: &Key, expected: Revision) -> Result<()> {
        match self.get(key).map(Object::revision) {
            Some(actual) if actual == expected => Ok(()),
            Some(actual) => {
                let cause = ConflictCause::Revision { expected, actual };
                Err(Error::Conflict { key: key.clone(), cause })
            }
            None => Err(Error::NotFound { key: key.clone() }),
        }
    }

    /// Applies one write.
    pub(super) fn apply(&mut self, put: Put, after: &mut After) -> Result<Revision> {
        if let Some((other, at)) = put.premise() {
            self.require(other, *at)?;
        }
        let (key, now, expect) = put.into_parts();
        let revision = self.log.current().next();
        let table = self.tables.entry(key.kind).or_default();
        let (now, before, previous) = match now {
            None => {
                let exists = table.get(&key.namespace, &key.name).is_some();
                let before = table.delete(&key, deletion_at(&key, expect, exists)?, revision)?;
                let previous = before.revision();
                (None, Some(before), previous)
            }
            Some(live) => {
                let (size, limit) = (live.size(), self.bounds.object_bytes);
                if size > limit {
                    return Err(Error::TooLarge { key, size, limit });
                }
                let live = live.at(revision);
                match expect {
                    orch_core::Expect::Absent => {
                        let previous = table.create(live.object())?;
                        (Some(live), None, previous)
                    }
                    orch_core::Expect::At(at) => {
                        let before = table.replace(live.object(), at)?;
                        (Some(live), Some(before), at)
                    }
                }
            }
        };
        let mut change = Change::new(revision, now, before);
        if !self.routes.append(&change, &mut after.wake)
            && let Some(live) = change.now.take_if(|live| live.is_fresh())
        {
            // Nobody is there to take the tree.
            change.now = Some(Live::from(live.object().clone()));
            after.trees.push(live);
        }
        self.log.push(Arc::new(change), previous, &mut after.free);
        while self.log.is_over() {
            self.forget_oldest(after);
        }
        Ok(revision)
    }

    /// Forgets the history up to and including a revision.
    pub(super) fn compact(&mut self, revision: Revision, after: &mut After) {
        while self.log.floor() < revision.min(self.log.current()) {
            self.forget_oldest(after);
        }
    }

    fn forget_oldest(&mut self, after: &mut After) {
        let Some(change) = self.log.pop() else { return };
        if change.now.is_none()
            && let Some(table) = self.tables.get_mut(&change.key().kind)
        {
            table.forget(change.key(), change.revision);
        }
        after.free.push(change);
    }

    /// How many objects are selected, when that can be told without looking at them.
    pub(super) fn count(&self, what: &Select) -> Option<u64> {
        let plain = what.labels.is_everything() && what.fields.is_everything();
        let tables =
            self.tables.iter().filter(|(kind, _)| what.kinds.is_empty() || what.kinds.contains(kind));
        plain.then(|| tables.map(|(_, table)| table.len(what.namespace.as_deref()) as u64).sum())
    }

    /// The objects selected as of `at`, behind `after`, in order of keys.
    pub(super) fn stretch(
        &self,
        what: &Select,
        at: Revision,
        after: Option<&Key>,
        limit: Limit,
    ) -> Result<Stretch> {
        if at < self.log.floor() {
            return Err(Error::Compacted { requested: at, oldest: self.log.floor() });
        }
        let (mut items, mut end, mut visits) = (Vec::new(), End::Last, 0);
        let mut visit = |object: &Object| {
            if what.matches(object) {
                if items.len() == limit.items {
                    end = End::Full;
                    return ControlFlow::Break(());
                }
                items.push(object.clone());
            }
            visits += 1;
            if visits >= limit.visits {
                end = End::At(object.key().clone());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let namespace = what.namespace.as_deref().or(what.required_field("metadata.namespace"));
        let scope = Scope { namespace, name: what.required_field("metadata.name"), after };
        for (kind, table) in &self.tables {
            if after.is_some_and(|after| *kind < after.kind)
                || !(what.kinds.is_empty() || what.kinds.contains(kind))
            {
                continue;
            }
            let after = after.filter(|after| after.kind == *kind);
            if table.scan(Scope { after, ..scope }, &self.log, at, &mut visit).is_break() {
                break;
            }
        }
        Ok(Stretch { items, end })
    }
}
