//! The store in memory: the reference for what a store means.
//!
//! Current objects stand in ordered tables, every change in one history that is bounded in entries and bytes; a list of an
//! older revision undoes what history says came after. Watches are routed by an index and read from the history. Nothing
//! is durable. Invariant: what can be seen through [`Read`] and [`Store`] is as if every write happened at one instant,
//! in order of revision.

mod log;
mod order;
mod page;
mod routes;
mod shelf;
mod state;
mod table;
mod watcher;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use futures::StreamExt;
use orch_core::{
    Error, Key, Live, Object, Page, Put, Read, Registry, Result, Revision, Select, Store, Str, Watch,
};

pub(crate) use self::page::Place;
use self::page::Token;
use self::routes::{Route, Target};
use self::state::{After, End, Limit, State};
use self::watcher::Watcher;

/// Changes that history keeps by default. At Kubernetes' usual rates (some hundred writes a second in a large cluster) that
/// is the five minutes after which its API server compacts etcd.
pub const HISTORY_ENTRIES: usize = 100_000;
/// Bytes that history keeps by default: old states only, the current ones do not count.
pub const HISTORY_BYTES: usize = 128 << 20;
/// Bytes of one object by default: what etcd takes in one request (`--max-request-bytes`).
pub const OBJECT_BYTES: usize = 1_572_864;
/// Objects that a long list looks at under one lock: a writer waits for less than a millisecond.
const STRETCH: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Bounds {
    entries: usize,
    bytes: usize,
    object_bytes: usize,
}

/// Keeps objects in memory. Cloning copies a pointer: clones are the same store.
///
/// ```
/// use std::sync::Arc;
/// use futures::StreamExt;
/// use orch_core::{Event, Object, Put, Read, Registry, Revision, Select, Store, kind};
/// use orch_store::MemStore;
/// # orch_core::sim::run(1, |_| async {
/// let registry = Arc::new(Registry::built_in());
/// let store = MemStore::new(Arc::clone(&registry));
/// let tree = serde_json::json!({"metadata": {"name": "a", "namespace": "shop"}, "data": {"k": "v"}});
/// let object = Object::encode(&registry.get(kind::CONFIG_MAPS).unwrap(), &tree).unwrap();
/// let written = store.commit(vec![Put::create(object.clone()), Put::create(object.clone())]).await;
/// assert_eq!(*written[0].as_ref().unwrap(), Revision(1));
/// assert!(written[1].as_ref().unwrap_err().is_conflict(), "each write has its own precondition");
/// let mut watch = store.watch(&Select::kind(kind::CONFIG_MAPS), Some(Revision::ZERO)).await.unwrap();
/// let Some(Ok(Event::Changed(change))) = watch.next().await else { panic!() };
/// assert_eq!(change.object().key(), object.key());
/// # });
/// ```
#[derive(Clone)]
pub struct MemStore {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
}

struct Shared {
    state: RwLock<State>,
    /// Of the last write of which all routes know.
    current: AtomicU64,
}

/// Bounds of a [`MemStore`].
#[derive(Debug)]
#[must_use]
pub struct MemStoreBuilder {
    registry: Arc<Registry>,
    bounds: Bounds,
    origin: Revision,
}

impl MemStoreBuilder {
    /// Changes that history keeps at most; [`HISTORY_ENTRIES`] by default.
    pub fn history_entries(mut self, entries: usize) -> Self {
        self.bounds.entries = entries;
        self
    }

    /// Bytes of old states that history keeps at most; [`HISTORY_BYTES`] by default.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// The size of the largest object that is taken; [`OBJECT_BYTES`] by default.
    pub fn object_bytes(mut self, bytes: usize) -> Self {
        self.bounds.object_bytes = bytes;
        self
    }

    /// The revision at which the store begins, zero by default: what is older counts as compacted.
    pub fn origin(mut self, revision: Revision) -> Self {
        self.origin = revision;
        self
    }

    /// The store, empty.
    #[must_use]
    pub fn build(self) -> MemStore {
        let state = RwLock::new(State::new(self.bounds, self.origin));
        let current = AtomicU64::new(self.origin.0);
        MemStore { shared: Arc::new(Shared { state, current }), registry: self.registry }
    }
}

impl MemStore {
    /// An empty store with the default bounds. The registry is that of the cluster: it tells which kinds a page token may
    /// name.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self::builder(registry).build()
    }

    /// A store with other bounds.
    pub fn builder(registry: Arc<Registry>) -> MemStoreBuilder {
        let bounds = Bounds { entries: HISTORY_ENTRIES, bytes: HISTORY_BYTES, object_bytes: OBJECT_BYTES };
        MemStoreBuilder { registry, bounds, origin: Revision::ZERO }
    }

    /// Forgets the history up to and including that revision: lists of older revisions and watches from before it are
    /// `Compacted` from now on.
    pub fn compact(&self, revision: Revision) {
        let mut after = After::default();
        self.shared.write().compact(revision, &mut after);
    }

    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.shared.current.load(Ordering::Acquire))
    }

    /// Puts an object at its own revision, which is not newer than where the store began, as if it had always been there.
    pub(crate) fn seed(&self, object: &Object) {
        self.shared.write().seed(object);
    }

    /// The first `limit` objects behind `after` as of a revision, and whether there are more.
    pub(crate) fn part(
        &self,
        what: &Select,
        revision: Revision,
        after: Option<Key>,
        limit: usize,
    ) -> Result<(Vec<Object>, bool)> {
        let from = From { revision: Some(revision), after, remaining: None, visits: STRETCH };
        let Collected { objects, more, .. } = self.collect(what, from, limit)?;
        Ok((objects, more))
    }

    /// Objects as of `at`, or as of now, behind `after`. A long list takes the lock several times.
    fn collect(&self, what: &Select, from: From, items: usize) -> Result<Collected> {
        let (mut at, mut after) = (from.revision, from.after);
        let (mut total, mut found) = (from.remaining, Vec::new());
        loop {
            let state = self.shared.read();
            let fresh = at.is_none();
            let revision = *at.get_or_insert(state.log.current());
            if fresh {
                total = state.count(what);
            }
            let limit = Limit { items: items - found.len(), visits: from.visits };
            let stretch = state.stretch(what, revision, after.as_ref(), limit)?;
            drop(state);
            found.extend(stretch.items);
            match stretch.end {
                End::At(key) => after = Some(key),
                End::Last => return Ok(Collected { objects: found, revision, more: false, total }),
                End::Full => return Ok(Collected { objects: found, revision, more: true, total }),
            }
        }
    }

    /// A list as of now. When history runs away under a long one, it is taken under one lock.
    fn collect_now(&self, what: &Select, items: usize) -> Result<Collected> {
        match self.collect(what, From { visits: STRETCH, ..From::default() }, items) {
            Err(Error::Compacted { .. }) => {
                self.collect(what, From { visits: usize::MAX, ..From::default() }, items)
            }
            collected => collected,
        }
    }
}

/// Where a list begins.
#[derive(Default)]
struct From {
    revision: Option<Revision>,
    after: Option<Key>,
    remaining: Option<u64>,
    visits: usize,
}

struct Collected {
    objects: Vec<Object>,
    revision: Revision,
    more: bool,
    /// Objects there are with those that follow, when that is known.
    total: Option<u64>,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// All watchers of a route have taken everything: when that is so for all routes, nobody needs a tree any more.
    fn quiet(&self) {
        let mut state = self.write();
        state.routes.awake -= 1;
        let faded = if state.routes.awake == 0 { state.log.fade() } else { Vec::new() };
        drop(state);
        drop(faded);
    }

    fn leave(&self, route: &Arc<Route>, id: u64) {
        let mut state = self.write();
        let waker = state.routes.leave(route, id);
        let faded = if state.routes.awake == 0 { state.log.fade() } else { Vec::new() };
        drop(state);
        drop((waker, faded));
    }
}

#[async_trait]
impl Read for MemStore {
    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        let state = self.shared.read();
        let current = state.log.current();
        if at_least > current {
            return Err(Error::Ahead { requested: at_least, current });
        }
        state.get(key).cloned().map(Live::from).ok_or_else(|| Error::NotFound { key: key.clone() })
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        let items = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let found = match page {
            None => self.collect_now(what, items)?,
            Some(token) => {
                let token = Token::read(&token, what, &self.registry)?;
                if token.revision > self.revision() {
                    return Err(Error::BadPage);
                }
                let Token { revision, after, remaining } = token;
                let from = From { revision: Some(revision), after: Some(after), remaining, visits: STRETCH };
                self.collect(what, from, items)?
            }
        };
        let Collected { objects, revision, more, total } = found;
        let Some(last) = objects.last().filter(|_| more) else { return Ok(Page::new(objects, revision)) };
        let remaining = total.map(|total| total.saturating_sub(objects.len() as u64));
        let next = Token { revision, after: last.key().clone(), remaining }.write(what);
        Ok(Page::new(objects, revision).followed(next, remaining))
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        let mut state = self.shared.write();
        let (oldest, current) = (state.log.floor(), state.log.current());
        match from {
            Some(requested) if requested > current => return Err(Error::Ahead { requested, current }),
            Some(requested) if requested < oldest => return Err(Error::Compacted { requested, oldest }),
            _ => {}
        }
        let joined = state.routes.join(&Target::of(what), current);
        drop(state);
        let watcher = Watcher::new(Arc::clone(&self.shared), what.clone(), joined, current);
        let watcher = match from {
            Some(revision) => watcher.after(revision),
            None => {
                // Not older than the route, which it joined before.
                let Collected { mut objects, revision, .. } = self.collect_now(what, usize::MAX)?;
                objects.sort_by_key(Object::revision);
                watcher.after(revision).begin_with(objects)
            }
        };
        Ok(watcher.boxed())
    }
}

#[async_trait]
impl Store for MemStore {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        let mut after = After::default();
        let mut state = self.shared.write();
        let results = writes.into_iter().map(|put| state.apply(put, &mut after)).collect();
        self.shared.current.store(state.log.current().0, Ordering::Release);
        drop(state);
        after.wake.into_iter().flatten().for_each(|(_, waker)| waker.wake());
        results
    }
}

impl std::fmt::Debug for MemStore {
    /// Never what it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemStore@{}", self.revision())
    }
}

#[cfg(test)]
mod tests;
