//! A feed over a store that fails: what it yields, replayed, is what the store holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orch_core::{
    Change, Env, Event, Feed, Key, Kind, Object, Put, Read, Registry, Revision, Select, Store, kind, sim,
};
use orch_store::{Faults, Faulty, MemStore};
use serde_json::json;

/// Writes of a story, and how long it takes.
const WRITES: u64 = 300;

fn pick<T: Copy>(env: &Env, of: &[T]) -> T {
    of[usize::try_from(env.below(of.len() as u64)).expect("an index")]
}

fn object(registry: &Registry, kind: Kind, name: &str, env: &Env) -> Object {
    let node = pick(env, &["", "n1", "n2"]);
    let tree = json!({"metadata": {"name": name, "namespace": "a", "uid": &*env.uuid()}, "spec": {"nodeName": node}});
    Object::encode(&registry.get(kind).expect("built in"), &tree).expect("well formed")
}

/// Creates, replaces and deletes a few objects below the faults, now and then in bursts.
async fn churn(store: Arc<MemStore>, env: Env) {
    let registry = Registry::built_in();
    for _ in 0..WRITES {
        let kind = pick(&env, &[kind::PODS, kind::CONFIG_MAPS]);
        let object = object(&registry, kind, &format!("x{}", env.below(6)), &env);
        let put = match store.get(object.key(), Revision::ZERO).await {
            Err(_) => Put::create(object),
            Ok(found) if env.below(3) == 0 => Put::delete(object.key().clone(), found.revision()),
            Ok(found) => Put::replace(object, found.revision()),
        };
        assert!(store.commit(vec![put]).await[0].is_ok());
        if env.below(4) == 0 {
            env.sleep(Duration::from_millis(env.below(300))).await;
        }
    }
}

/// What a consumer knows, from changes alone.
#[derive(Default)]
struct Replayed {
    known: BTreeMap<Key, Object>,
    progress: Revision,
}

impl Replayed {
    fn apply(&mut self, change: &Change, what: &Select) {
        assert!(change.states().all(|state| what.matches(state)), "{change:?}");
        let known = self.known.remove(change.key()).map(|object| object.revision());
        assert_eq!(
            change.before.as_ref().map(Object::revision),
            known,
            "the state before is the one told of before"
        );
        if let Some(now) = &change.now {
            assert!(
                known.is_none_or(|known| known < now.revision()),
                "a state comes once and never goes back"
            );
            self.known.insert(change.key().clone(), now.object().clone());
        }
    }

    /// Follows a feed until it is as far as the store then is.
    async fn follow(mut self, mut feed: Feed, what: Select, until: impl Fn() -> Option<Revision>) -> Self {
        while until().is_none_or(|revision| self.progress < revision) {
            match feed.next().await {
                Event::Changed(change) => self.apply(&change, &what),
                Event::Progress(revision) => {
                    assert!(revision >= self.progress, "progress never goes back");
                    self.progress = revision;
                }
            }
        }
        self
    }
}

fn shown<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<String> {
    objects.into_iter().map(|object| format!("{object:?}")).collect()
}

async fn run(env: Env, faults: Faults, what: Select) -> u64 {
    let store = Arc::new(MemStore::new(Arc::new(Registry::built_in())));
    let faulty = Faulty::new(Arc::clone(&store), env.child("store"), faults);
    let feed = Feed::new(Arc::new(faulty.clone()), env.child("feed"), what.clone());
    let (poker, writer) = (feed.poker(), env.child("writer"));
    let done = Arc::new(std::sync::OnceLock::new());
    let (told, below) = (Arc::clone(&done), Arc::clone(&store));
    let write = async {
        churn(Arc::clone(&below), writer).await;
        faulty.heal();
        told.set(below.revision()).expect("set once");
        poker.notify_one();
    };
    let follow = Replayed::default().follow(feed, what.clone(), || done.get().copied());
    let limit = Duration::from_secs(3600);
    let (replayed, ()) =
        env.timeout(limit, async { futures::join!(follow, write) }).await.expect("the feed catches up");
    let listed = store.list(&what, None, 0).await.expect("below there are no faults");
    assert_eq!(shown(replayed.known.values()), shown(&listed.items));
    let injected = faulty.injected();
    injected.compactions + injected.dropped_watches + injected.unavailable
}

fn check(faults: &Faults, what: &Select) {
    let struck: u64 = (0..30).map(|seed| sim::run(seed, |env| run(env, faults.clone(), what.clone()))).sum();
    assert!(*faults == Faults::quiet() || struck > 20, "the faults did strike: {struck}");
}

#[test]
fn a_feed_over_a_quiet_store_replays_it() {
    check(&Faults::quiet(), &Select::default());
}

#[test]
fn a_feed_over_a_rough_store_replays_it() {
    check(&Faults::rough(), &Select::default());
    check(&Faults::rough().compactions(0.2).dropped_watches(0.2), &Select::default());
}

#[test]
fn a_feed_of_a_selection_replays_it() {
    let faults = Faults::rough().compactions(0.1).dropped_watches(0.1);
    check(&faults, &Select::kind(kind::PODS).field("spec.nodeName", "n1"));
    check(&faults.clone().per_kind(), &Select::kind(kind::PODS).field("spec.nodeName", ""));
    check(&faults, &Select::kind(kind::CONFIG_MAPS).namespace("a"));
}
