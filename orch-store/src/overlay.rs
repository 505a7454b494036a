//! A layer over a store that keeps what is written to it to itself.
//!
//! For dry runs: a whole set of manifests is tried on the layer first, each object in the sight of those before it, and the
//! store below changes in nothing. The layer takes an object from below when it is first written to, and only then.
//!
//! Invariant: what is in the layer hides what is below. Its revisions are later than all those of the store below.

mod list;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use orch_core::{
    Change, Error, Event, Key, Live, Object, Page, Put, Read, Registry, Result, Revision, Select, Store, Str,
    Watch, Watches,
};
use tokio::sync::RwLock;

use crate::MemStore;
use crate::revision::current;

/// How far the layer's revisions are from those below: more writes than a store sees while a dry run lasts.
const GAP: u64 = 1 << 40;

/// A copy-on-write layer over any store. Cloning copies a pointer: clones are the same layer.
///
/// Over a store that stands still it keeps every promise of a store. When others write below meanwhile, objects that the
/// layer has not touched are read as they are below by then, those that it has stay as they were, and a watch tells only
/// what the layer writes.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Key, Object, Put, Read, Registry, Revision, Store, kind};
/// use orch_store::{MemStore, Overlay};
/// orch_core::sim::run(1, |_| async move {
///     let registry = Arc::new(Registry::built_in());
///     let base = MemStore::new(Arc::clone(&registry));
///     let node = |name: &str| {
///         let tree = serde_json::json!({"metadata": {"name": name}});
///         Object::encode(&registry.get(kind::NODES).unwrap(), &tree).unwrap()
///     };
///     base.commit(vec![Put::create(node("a"))]).await.remove(0).unwrap();
///     let layer = Overlay::over(Arc::new(base.clone()), Arc::clone(&registry)).await.unwrap();
///     let writes = vec![Put::create(node("b")), Put::delete(Key::cluster(kind::NODES, "a"), Revision(1))];
///     assert!(layer.commit(writes).await.iter().all(Result::is_ok));
///     assert!(layer.get(node("a").key(), Revision::ZERO).await.unwrap_err().is_not_found());
///     assert!(base.get(node("a").key(), Revision::ZERO).await.is_ok(), "nothing has happened below");
/// });
/// ```
#[derive(Clone)]
pub struct Overlay(Arc<Layer>);

struct Layer {
    base: Arc<dyn Store>,
    registry: Arc<Registry>,
    /// What was written, and what was there before.
    top: MemStore,
    /// Where the layer's revisions begin.
    origin: Revision,
    /// The keys for which the layer answers, with the revision of the store below at which it took them.
    covered: RwLock<Covered>,
}

type Covered = BTreeMap<Key, Revision>;

impl Overlay {
    /// An empty layer over a store. The registry is that of the cluster.
    ///
    /// # Errors
    /// When the store below cannot be read.
    pub async fn over(base: Arc<dyn Store>, registry: Arc<Registry>) -> Result<Self> {
        let origin = Revision(current(&*base).await?.0 + GAP);
        let top = MemStore::builder(Arc::clone(&registry)).origin(origin).build();
        Ok(Self(Arc::new(Layer { base, registry, top, origin, covered: RwLock::default() })))
    }

    /// The keys that were written to or tried to, in order.
    pub async fn touched(&self) -> Vec<Key> {
        self.0.covered.read().await.keys().cloned().collect()
    }

    /// Forgets the layer's own history up to and including that revision.
    pub fn compact(&self, revision: Revision) {
        self.0.top.compact(revision);
    }
}

impl Layer {
    /// Makes the layer answer for a key.
    async fn cover(&self, covered: &mut Covered, key: &Key, below: Revision) -> Result<()> {
        if covered.contains_key(key) {
            return Ok(());
        }
        let below = match self.base.get(key, Revision::ZERO).await {
            Ok(live) => {
                let revision = live.revision();
                self.top.seed(live.object());
                below.max(revision)
            }
            Err(Error::NotFound { .. }) => below,
            Err(error) => return Err(error),
        };
        covered.insert(key.clone(), below);
        Ok(())
    }

    /// The changes below after a revision, before the layer took over, as far as they have come.
    async fn changes_below(
        &self,
        covered: &Covered,
        what: &Select,
        from: Revision,
    ) -> Result<Vec<Arc<Change>>> {
        let mut changes = Vec::new();
        let mut watch = match self.base.watch(what, Some(from)).await {
            Ok(watch) => watch,
            // The layer's own revisions begin later: there is nothing in between.
            Err(Error::Ahead { .. }) => return Ok(changes),
            Err(error) => return Err(error),
        };
        loop {
            match watch.next().await.transpose()? {
                Some(Event::Changed(change)) => {
                    if covered.get(change.key()).is_none_or(|below| change.revision <= *below) {
                        changes.push(change);
                    }
                }
                Some(Event::Progress(_)) => return Ok(changes),
                None => {
                    return Err(Error::Unavailable {
                        part: "store".into(),
                        why: "the watch below ended".into(),
                    });
                }
            }
        }
    }
}

#[async_trait]
impl Read for Overlay {
    fn watches(&self) -> Watches {
        self.0.base.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        let covered = self.0.covered.read().await;
        let current = self.0.top.revision();
        if at_least > current {
            return Err(Error::Ahead { requested: at_least, current });
        }
        if covered.contains_key(key) {
            self.0.top.get(key, Revision::ZERO).await
        } else {
            self.0.base.get(key, Revision::ZERO).await
        }
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        let covered = self.0.covered.read().await;
        self.0.page(&covered, what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        let layer = &self.0;
        let covered = layer.covered.read().await;
        match from {
            Some(from) if from >= layer.origin => layer.top.watch(what, Some(from)).await,
            Some(from) => {
                let above = layer.top.watch(what, Some(layer.origin)).await?;
                let below = layer.changes_below(&covered, what, from).await?;
                Ok(begin_with(below, above))
            }
            None => {
                let page = layer.page(&covered, what, None, 0).await?;
                let above = layer.top.watch(what, Some(page.revision)).await?;
                let mut objects = page.items;
                objects.sort_by_key(Object::revision);
                let change = |object: Object| Change::new(object.revision(), Some(Live::from(object)), None);
                Ok(begin_with(objects.into_iter().map(|object| Arc::new(change(object))).collect(), above))
            }
        }
    }
}

fn begin_with(changes: Vec<Arc<Change>>, then: Watch) -> Watch {
    stream::iter(changes).map(|change| Ok(Event::Changed(change))).chain(then).boxed()
}

#[async_trait]
impl Store for Overlay {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        let layer = &self.0;
        let mut covered = layer.covered.write().await;
        let below = match current(&*layer.base).await {
            Ok(below) => below,
            Err(error) => return writes.iter().map(|_| Err(error.clone())).collect(),
        };
        let (mut failed, mut able) = (BTreeMap::new(), Vec::new());
        for (at, put) in writes.into_iter().enumerate() {
            let mut keys = std::iter::once(put.key()).chain(put.premise().map(|(other, _)| other));
            let mut covering = Ok(());
            while let (Ok(()), Some(key)) = (&covering, keys.next()) {
                covering = layer.cover(&mut covered, key, below).await;
            }
            drop(keys);
            match covering {
                Ok(()) => able.push(put),
                Err(error) => _ = failed.insert(at, error),
            }
        }
        let (count, mut answers) = (failed.len() + able.len(), layer.top.commit(able).await.into_iter());
        (0..count).filter_map(|at| failed.remove(&at).map(Err).or_else(|| answers.next())).collect()
    }
}

impl fmt::Debug for Overlay {
    /// Never what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overlay@{}", self.0.top.revision())
    }
}

#[cfg(test)]
mod tests;
