//! What the cases of the suite are written with: the store under test, objects to put, and a watch that resumes.
//!
//! Not here: any case. Invariant: nothing is assumed of a store but what `orch_core::{Read, Store}` state.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use orch_core::{
    Change, Env, Error, Event, Key, Kind, KindInfo, Object, Put, Registry, Result, Revision, Scope, Select,
    Store, Watch, kind,
};
use serde_json::{Value, json};

/// How long a case may take: it hangs when a store withholds what it promised.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a watch may break off in one case before the store counts as broken.
const RESUMES: u32 = 10_000;

type Compact = Box<dyn Fn(Revision) -> BoxFuture<'static, ()> + Send + Sync>;

/// A store under test, empty, and what the suite needs to know of it.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Env, Registry};
/// use orch_store::{MemStore, conformance::Harness};
/// async fn make(env: Env, registry: Arc<Registry>) -> Harness {
///     let store = MemStore::new(Arc::clone(&registry));
///     let compacted = store.clone();
///     Harness::new(env, registry, store).compacting(move |revision| {
///         let store = compacted.clone();
///         Box::pin(async move { store.compact(revision) })
///     })
/// }
/// # orch_store::conformance::run(make, |harness| Box::pin(orch_store::conformance::create_answers_with_a_revision(harness)));
/// ```
pub struct Harness {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The kinds that it is told of: the built-in ones and [`Harness::widgets`].
    pub registry: Arc<Registry>,
    /// The environment of the case.
    pub env: Env,
    compact: Option<Compact>,
}

impl Harness {
    /// A harness of an empty store.
    pub fn new(env: Env, registry: Arc<Registry>, store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), registry, env, compact: None }
    }

    /// How history up to and including a revision is compacted; without it the cases about compaction pass unproven.
    #[must_use]
    pub fn compacting(
        mut self,
        compact: impl Fn(Revision) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.compact = Some(Box::new(compact));
        self
    }

    /// Compacts, when the store can be told to.
    pub(super) async fn compact(&self, revision: Revision) -> bool {
        match &self.compact {
            Some(compact) => {
                compact(revision).await;
                true
            }
            None => false,
        }
    }

    /// A kind of a user's own.
    #[must_use]
    pub fn widgets() -> Kind {
        Kind::named("shop.example", "widgets")
    }

    pub(super) fn object(&self, kind: Kind, tree: &Value) -> Object {
        let info = self.registry.get(kind).expect("the kinds of the suite are registered");
        Object::encode(&info, tree).expect("the objects of the suite are well formed")
    }

    /// A config map with one value.
    pub(super) fn config(&self, namespace: &str, name: &str, value: &str) -> Object {
        let metadata = json!({"name": name, "namespace": namespace, "uid": format!("{namespace}/{name}")});
        self.object(
            kind::CONFIG_MAPS,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"value": value}}),
        )
    }

    /// A pod with a label `app` and a node.
    pub(super) fn pod(&self, name: &str, app: &str, node: &str) -> Object {
        self.object(
            kind::PODS,
            &json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": node, "containers": []},
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}}}),
        )
    }

    /// A node.
    pub(super) fn node(&self, name: &str) -> Object {
        self.object(kind::NODES, &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}))
    }

    /// Writes one thing.
    pub(super) async fn put(&self, put: Put) -> Result<Revision> {
        let mut answers = self.store.commit(vec![put]).await;
        assert_eq!(answers.len(), 1, "one answer for each write");
        answers.remove(0)
    }

    pub(super) async fn create(&self, object: &Object) -> Revision {
        self.put(Put::create(object.clone())).await.expect("an object of a free name is created")
    }

    pub(super) async fn replace(&self, object: &Object, at: Revision) -> Revision {
        self.put(Put::replace(object.clone(), at))
            .await
            .expect("an object at the expected revision is replaced")
    }

    pub(super) async fn delete(&self, object: &Object, at: Revision) -> Revision {
        let put = Put::delete(object.key().clone(), at);
        self.put(put).await.expect("an object at the expected revision is deleted")
    }

    /// The current state, `None` when absent.
    pub(super) async fn get(&self, key: &Key) -> Option<Object> {
        match self.store.get(key, Revision::ZERO).await {
            Ok(live) => Some(live.into_object()),
            Err(Error::NotFound { key: absent }) if absent == *key => None,
            Err(error) => panic!("get {key}: {error}"),
        }
    }

    /// The whole list on one page.
    pub(super) async fn list(&self, what: &Select) -> (Vec<Object>, Revision) {
        let page = self.store.list(what, None, 0).await.expect("a list without a limit");
        assert!(page.next.is_none(), "without a limit there is one page");
        (page.items, page.revision)
    }

    /// The names listed.
    pub(super) async fn names(&self, what: &Select) -> Vec<String> {
        self.list(what).await.0.iter().map(|object| object.key().name.to_string()).collect()
    }

    /// A watch from the current state, which it has taken in.
    pub(super) async fn follow(&self, what: &Select) -> Follow<'_> {
        Follow::begin(self, what).await
    }

    /// A watch after a revision.
    pub(super) fn follow_from(&self, what: &Select, from: Revision) -> Follow<'_> {
        Follow {
            harness: self,
            what: what.clone(),
            initial: Vec::new(),
            seen: from,
            watch: None,
            left: RESUMES,
        }
    }
}

/// The registry of the suite: the built-in kinds and one of a user's own.
pub(super) fn registry() -> Arc<Registry> {
    let registry = Registry::built_in();
    let widgets =
        KindInfo::new(Harness::widgets(), "v1", "Widget", Scope::Namespaced).selectable(&["spec.color"]);
    registry.register(widgets).expect("the name is free");
    Arc::new(registry)
}

/// Runs a case in real time, on one thread: for stores that wait for disks or sockets.
///
/// # Panics
/// When the case fails, hangs, or the runtime cannot be built.
pub fn run<M, Made>(make: M, case: impl for<'a> FnOnce(&'a Harness) -> BoxFuture<'a, ()>)
where
    M: FnOnce(Env, Arc<Registry>) -> Made,
    Made: Future<Output = Harness>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { run_in(Env::real(), make, case).await });
}

/// Runs a case in virtual time: for stores that wait by [`Env::sleep`] only.
///
/// # Panics
/// When the case fails or hangs.
pub fn run_virtual<M, Made>(make: M, case: impl for<'a> FnOnce(&'a Harness) -> BoxFuture<'a, ()>)
where
    M: FnOnce(Env, Arc<Registry>) -> Made,
    Made: Future<Output = Harness>,
{
    orch_core::sim::run(1, |env| run_in(env, make, case));
}

async fn run_in<M, Made>(env: Env, make: M, case: impl for<'a> FnOnce(&'a Harness) -> BoxFuture<'a, ()>)
where
    M: FnOnce(Env, Arc<Registry>) -> Made,
    Made: Future<Output = Harness>,
{
    let harness = make(env.clone(), registry()).await;
    let done = env.timeout(LIMIT, case(&harness)).await;
    drop(harness);
    assert!(done.is_some(), "the case hangs: something that was promised did not come");
    env.shutdown().await;
}

/// A watch that is opened again after the last revision seen when it breaks off, and that checks on the way what holds for
/// every watch.
pub(super) struct Follow<'a> {
    harness: &'a Harness,
    what: Select,
    /// The state it began with.
    pub(super) initial: Vec<Arc<Change>>,
    /// Everything up to there has been seen.
    pub(super) seen: Revision,
    watch: Option<Watch>,
    left: u32,
}

impl<'a> Follow<'a> {
    async fn begin(harness: &'a Harness, what: &Select) -> Self {
        let mut follow = harness.follow_from(what, Revision::ZERO);
        'again: loop {
            follow.initial.clear();
            let mut watch = match harness.store.watch(what, None).await {
                Ok(watch) => watch,
                Err(error) => {
                    follow.broke(Some(error));
                    continue;
                }
            };
            loop {
                match watch.next().await {
                    Some(Ok(Event::Changed(change))) => follow.initial.push(change),
                    Some(Ok(Event::Progress(revision))) => {
                        follow.seen = revision;
                        follow.watch = Some(watch);
                        return follow;
                    }
                    Some(Err(error)) => {
                        follow.broke(Some(error));
                        continue 'again;
                    }
                    None => {
                        follow.broke(None);
                        continue 'again;
                    }
                }
            }
        }
    }

    fn broke(&mut self, error: Option<Error>) {
        self.watch = None;
        self.left -= 1;
        assert!(self.left > 0, "the watch never lasts: {error:?}");
        if let Some(error @ (Error::Compacted { .. } | Error::Ahead { .. })) = error {
            panic!("history is kept, yet the watch ended: {error}");
        }
    }

    /// Ends the running watch; the next event comes from a new one.
    pub(super) fn drop_watch(&mut self) {
        self.watch = None;
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let Some(watch) = &mut self.watch else {
                match self.harness.store.watch(&self.what, Some(self.seen)).await {
                    Ok(watch) => self.watch = Some(watch),
                    Err(error) => self.broke(Some(error)),
                }
                continue;
            };
            match watch.next().await {
                Some(Ok(event)) => {
                    self.check(&event);
                    return event;
                }
                Some(Err(error)) => self.broke(Some(error)),
                None => self.broke(None),
            }
        }
    }

    /// What holds for every event: order, no repetition, progress that keeps its word, states that fit the selection.
    fn check(&mut self, event: &Event) {
        match event {
            Event::Progress(revision) => {
                assert!(*revision >= self.seen, "progress {revision} after {}", self.seen);
                self.seen = *revision;
            }
            Event::Changed(change) => {
                assert!(change.revision > self.seen, "{change:?} after {}", self.seen);
                self.seen = change.revision;
                for state in change.states() {
                    assert!(self.what.matches(state), "{state:?} is not selected");
                }
                if let Some(now) = &change.now {
                    assert_eq!(
                        now.revision(),
                        change.revision,
                        "the state after is of the change's revision"
                    );
                    assert_eq!(*now.tree(), now.object().body_tree(), "the tree says what the body says");
                }
                if let Some(before) = &change.before {
                    assert!(before.revision() < change.revision, "the state before is older");
                    assert_eq!(before.key(), change.key());
                }
            }
        }
    }

    /// The next change.
    pub(super) async fn change(&mut self) -> Arc<Change> {
        loop {
            if let Event::Changed(change) = self.next().await {
                return change;
            }
        }
    }

    /// Every change up to a revision. When the last of them is not selected, the watch is opened anew: that is how one asks
    /// for progress.
    pub(super) async fn until(&mut self, revision: Revision) -> Vec<Arc<Change>> {
        let mut changes = Vec::new();
        self.drop_watch();
        while self.seen < revision || self.watch.is_none() {
            if let Event::Changed(change) = self.next().await {
                changes.push(change);
            }
        }
        changes
    }

    /// So many changes, from the running watch.
    pub(super) async fn take(&mut self, count: usize) -> Vec<Arc<Change>> {
        let mut changes = Vec::new();
        while changes.len() < count {
            changes.push(self.change().await);
        }
        changes
    }

    /// So many changes from the running watch, then whatever else there may be up to a revision.
    pub(super) async fn all(&mut self, count: usize, revision: Revision) -> Vec<Arc<Change>> {
        let mut changes = self.take(count).await;
        changes.extend(self.until(revision).await);
        changes
    }
}

/// A change as `+name`, `~name` or `-name`, and its revision.
pub(super) fn tell(change: &Change) -> String {
    let sign = match (&change.before, &change.now) {
        (None, _) => '+',
        (_, Some(_)) => '~',
        (_, None) => '-',
    };
    format!("{sign}{}@{}", change.key().name, change.revision)
}

pub(super) fn tell_all(changes: &[Arc<Change>]) -> Vec<String> {
    changes.iter().map(|change| tell(change)).collect()
}

/// `data.value` of a config map.
pub(super) fn value(object: &Object) -> String {
    object.body_tree()["data"]["value"].as_str().unwrap_or_default().to_owned()
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("env", &self.env).finish_non_exhaustive()
    }
}
