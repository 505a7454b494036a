//! The history of a store: every change in order of revision, bounded in entries and in bytes.
//!
//! It is also the one place where a live event stands until its watchers have taken it. Not here: who watches. Invariants:
//! revisions are dense, so that an entry is found by counting; the state of any object as of any revision not older than
//! `floor` can be told; only the last entries (`fresh`) may keep the tree of their writer.

use std::collections::VecDeque;
use std::sync::Arc;

use orch_core::{Change, Live, Object, Revision};

use super::Bounds;

/// Changes that may keep their writer's tree at once: a tree takes about seven times the bytes of its object.
const FRESH_ENTRIES: usize = 4096;
/// Encoded bytes of the objects whose trees may be kept: about 60 MiB of trees.
const FRESH_BYTES: usize = 8 << 20;
/// What an entry takes besides its object.
const ENTRY_BYTES: usize = 160;

pub(super) struct Log {
    entries: VecDeque<Entry>,
    floor: Revision,
    bytes: usize,
    fresh: VecDeque<Revision>,
    fresh_bytes: usize,
    bounds: Bounds,
}

pub(super) struct Entry {
    pub(super) change: Arc<Change>,
    /// Of the change of the same key before this one, when history knew it.
    previous: Revision,
    /// The history alone keeps the state before; the state after is in the store as long as it is the current one.
    bytes: usize,
}

impl Log {
    pub(super) fn new(bounds: Bounds, origin: Revision) -> Self {
        Self {
            entries: VecDeque::new(),
            floor: origin,
            bytes: 0,
            fresh: VecDeque::new(),
            fresh_bytes: 0,
            bounds,
        }
    }

    /// Of the last write.
    pub(super) fn current(&self) -> Revision {
        Revision(self.floor.0 + self.entries.len() as u64)
    }

    /// The oldest revision that can be read.
    pub(super) fn floor(&self) -> Revision {
        self.floor
    }

    pub(super) fn change(&self, revision: Revision) -> Option<&Arc<Change>> {
        self.entry(revision).map(|entry| &entry.change)
    }

    fn index(&self, revision: Revision) -> Option<usize> {
        usize::try_from(revision.0.checked_sub(self.floor.0 + 1)?).ok()
    }

    fn entry(&self, revision: Revision) -> Option<&Entry> {
        self.entries.get(self.index(revision)?)
    }

    /// Changes after `after`, oldest first; none when that is compacted.
    pub(super) fn since(&self, after: Revision) -> impl Iterator<Item = &Arc<Change>> {
        let from = self.index(after.next()).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.range(from..).map(|entry| &entry.change)
    }

    /// Adds the next change. What it makes superfluous is to be freed when no lock is held.
    pub(super) fn push(&mut self, change: Arc<Change>, previous: Revision, free: &mut Vec<Arc<Change>>) {
        let bytes = change.before.as_ref().map_or(0, Object::size) + ENTRY_BYTES;
        let entry = Entry { change, previous, bytes };
        self.bytes += bytes;
        if let Some(live) = entry.change.now.as_ref().filter(|live| live.is_fresh()) {
            self.fresh.push_back(live.revision());
            self.fresh_bytes += live.size();
        }
        self.entries.push_back(entry);
        while self.fresh.len() > FRESH_ENTRIES || self.fresh_bytes > FRESH_BYTES {
            free.extend(self.fade_oldest());
        }
    }

    /// Takes the trees out of all entries: everybody who wanted them has them.
    pub(super) fn fade(&mut self) -> Vec<Arc<Change>> {
        std::iter::from_fn(|| self.fade_oldest()).collect()
    }

    /// Takes the tree out of the oldest entry that keeps one; gives the change that had it.
    fn fade_oldest(&mut self) -> Option<Arc<Change>> {
        let revision = self.fresh.pop_front()?;
        let index = self.index(revision)?;
        let entry = self.entries.get_mut(index)?;
        let object = entry.change.now.as_ref()?.object().clone();
        self.fresh_bytes -= object.size();
        let bare = Change::new(revision, Some(Live::from(object)), entry.change.before.clone());
        Some(std::mem::replace(&mut entry.change, Arc::new(bare)))
    }

    /// Whether the history is over its bounds.
    pub(super) fn is_over(&self) -> bool {
        self.entries.len() > self.bounds.entries || self.bytes > self.bounds.bytes
    }

    /// Forgets the oldest change.
    pub(super) fn pop(&mut self) -> Option<Arc<Change>> {
        let entry = self.entries.pop_front()?;
        self.floor = entry.change.revision;
        self.bytes -= entry.bytes;
        if self.fresh.front() == Some(&self.floor) {
            self.fresh.pop_front();
            self.fresh_bytes -= entry.change.object().size();
        }
        Some(entry.change)
    }

    /// The state as of `at` of an object that was last changed at `last`, to `now`. `at` is not compacted.
    pub(super) fn state_at(&self, now: Option<&Object>, mut last: Revision, at: Revision) -> Option<Object> {
        let mut state = now;
        while last > at {
            let Some(entry) = self.entry(last) else { break };
            (state, last) = (entry.change.before.as_ref(), entry.previous);
        }
        state.cloned()
    }
}
