use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use orch_core::{
    Env, Error, Event, Key, Object, Put, Read, Registry, Result, Revision, Select, Store, Watch, kind,
};
use serde_json::json;

use super::MemStore;

fn object(namespace: &str, name: &str, value: &str) -> Object {
    let tree = json!({"metadata": {"name": name, "namespace": namespace}, "data": {"k": value}});
    Object::encode(&Registry::built_in().get(kind::CONFIG_MAPS).unwrap(), &tree).unwrap()
}

fn pod(name: &str, node: &str) -> Object {
    let tree = json!({"metadata": {"name": name, "namespace": "a"}, "spec": {"nodeName": node}});
    Object::encode(&Registry::built_in().get(kind::PODS).unwrap(), &tree).unwrap()
}

fn store() -> MemStore {
    MemStore::new(Arc::new(Registry::built_in()))
}

async fn one(store: &MemStore, put: Put) -> Result<Revision> {
    store.commit(vec![put]).await.remove(0)
}

/// What the watch has ready, as `revision[+-~]name` or `revision`.
fn ready(watch: &mut Watch) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(Some(event)) = watch.next().now_or_never() {
        seen.push(match event {
            Ok(Event::Progress(revision)) => revision.to_string(),
            Ok(Event::Changed(change)) => {
                let sign = match (&change.before, &change.now) {
                    (None, _) => '+',
                    (_, None) => '-',
                    _ => '~',
                };
                format!("{}{sign}{}", change.revision, change.key().name)
            }
            Err(error) => error.to_string(),
        });
    }
    seen
}

#[tokio::test]
async fn a_page_of_an_old_revision_is_served_from_history() {
    let store = store();
    for name in ["a", "b", "c", "d", "e"] {
        one(&store, Put::create(object("x", name, "old"))).await.unwrap();
    }
    let what = Select::kind(kind::CONFIG_MAPS).namespace("x");
    let first = store.list(&what, None, 2).await.unwrap();
    assert_eq!(first.remaining, Some(3));
    one(&store, Put::replace(object("x", "c", "new"), Revision(3))).await.unwrap();
    one(&store, Put::delete(Key::new(kind::CONFIG_MAPS, "x", "d"), Revision(4))).await.unwrap();
    one(&store, Put::create(object("x", "d", "again"))).await.unwrap();
    one(&store, Put::delete(Key::new(kind::CONFIG_MAPS, "x", "e"), Revision(5))).await.unwrap();
    one(&store, Put::create(object("x", "bb", "late"))).await.unwrap();
    let rest = store.list(&what, first.next.clone(), 0).await.unwrap();
    assert_eq!(rest.revision, Revision(5));
    assert_eq!(format!("{:?}", rest.items), "[configmaps/x/c@3, configmaps/x/d@4, configmaps/x/e@5]");
    assert_eq!(rest.items[0].body_tree()["data"]["k"], "old");
    store.compact(Revision(6));
    let error = store.list(&what, first.next, 0).await.unwrap_err();
    assert!(matches!(error, Error::Compacted { oldest: Revision(6), .. }), "{error}");
}

#[tokio::test]
async fn a_bound_pod_leaves_one_route_and_enters_another() {
    let store = store();
    let watch = |node: &str| Select::kind(kind::PODS).field("spec.nodeName", node);
    let mut pending = store.watch(&watch(""), None).await.unwrap();
    let mut bound = store.watch(&watch("n1"), None).await.unwrap();
    let mut other = store.watch(&watch("n2"), None).await.unwrap();
    for watch in [&mut pending, &mut bound, &mut other] {
        assert_eq!(ready(watch), ["0"]);
    }
    one(&store, Put::create(pod("p", ""))).await.unwrap();
    assert_eq!(ready(&mut pending), ["1+p"]);
    one(&store, Put::replace(pod("p", "n1"), Revision(1))).await.unwrap();
    assert_eq!(ready(&mut pending), ["2-p"]);
    assert_eq!(ready(&mut bound), ["2+p"]);
    one(&store, Put::replace(pod("p", "n1"), Revision(2))).await.unwrap();
    assert_eq!(ready(&mut bound), ["3~p"]);
    one(&store, Put::delete(Key::new(kind::PODS, "a", "p"), Revision(3))).await.unwrap();
    assert_eq!(ready(&mut bound), ["4-p"]);
    assert_eq!(ready(&mut other), ["4"], "only how far the store is");
}

#[tokio::test]
async fn a_slow_watcher_resumes_from_history_and_ends_only_when_that_is_gone() {
    let store = MemStore::builder(Arc::new(Registry::built_in())).history_entries(30_000).build();
    let what = Select::kind(kind::CONFIG_MAPS);
    let mut slow = store.watch(&what, None).await.unwrap();
    let mut lost = store.watch(&what, None).await.unwrap();
    assert_eq!((ready(&mut slow), ready(&mut lost)), (vec!["0".into()], vec!["0".into()]));
    let mut last = one(&store, Put::create(object("x", "a", ""))).await.unwrap();
    for _ in 1..25_000 {
        last = one(&store, Put::replace(object("x", "a", ""), last)).await.unwrap();
    }
    assert_eq!(ready(&mut slow).len(), 25_000, "far more than a route lists");
    for _ in 0..10_000 {
        last = one(&store, Put::replace(object("x", "a", ""), last)).await.unwrap();
    }
    assert_eq!(ready(&mut slow).len(), 10_000);
    assert_eq!(ready(&mut lost), ["revision 0 is compacted: the oldest one kept is 5000"]);
    assert!(lost.next().await.is_none());
}

#[tokio::test]
async fn the_writers_tree_is_in_the_live_event_and_not_in_history() {
    let store = store();
    let what = Select::kind(kind::CONFIG_MAPS);
    let mut watch = store.watch(&what, None).await.unwrap();
    assert_eq!(ready(&mut watch), ["0"]);
    let tree = Arc::new(json!({"metadata": {"name": "a", "namespace": "x"}}));
    let live = orch_core::Live::fresh(object("x", "a", "v"), Arc::clone(&tree));
    one(&store, Put::create(live)).await.unwrap();
    let Some(Ok(Event::Changed(change))) = watch.next().await else { panic!() };
    assert!(Arc::ptr_eq(&change.now.as_ref().unwrap().tree(), &tree));
    drop(change);
    assert!(ready(&mut watch).is_empty());
    assert_eq!(Arc::strong_count(&tree), 1, "every watcher has taken it");
    let mut late = store.watch(&what, Some(Revision::ZERO)).await.unwrap();
    let Some(Ok(Event::Changed(change))) = late.next().await else { panic!() };
    assert!(!change.now.as_ref().unwrap().is_fresh());
}

#[tokio::test]
async fn unrelated_writes_wake_nobody_and_progress_is_told_once() {
    let store = store();
    let mut watch = store.watch(&Select::kind(kind::PODS), None).await.unwrap();
    assert_eq!(ready(&mut watch), ["0"]);
    let (waker, count) = futures_test_waker();
    let poll = |watch: &mut Watch| watch.poll_next_unpin(&mut std::task::Context::from_waker(&waker));
    assert!(poll(&mut watch).is_pending());
    one(&store, Put::create(object("x", "a", ""))).await.unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(matches!(poll(&mut watch), std::task::Poll::Ready(Some(Ok(Event::Progress(Revision(1)))))));
    one(&store, Put::create(object("x", "b", ""))).await.unwrap();
    assert!(poll(&mut watch).is_pending(), "or a busy store would keep an idle reader busy");
    one(&store, Put::create(pod("p", ""))).await.unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
}

fn futures_test_waker() -> (std::task::Waker, Arc<std::sync::atomic::AtomicUsize>) {
    struct Count(Arc<std::sync::atomic::AtomicUsize>);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = Arc::default();
    (Arc::new(Count(Arc::clone(&count))).into(), count)
}

/// Reads until the revision in which both writers are done; checks that no change is missing, late or twice.
async fn follow(store: MemStore, what: Select, end: Revision) -> usize {
    let mut watch = store.watch(&what, Some(Revision::ZERO)).await.unwrap();
    let (mut states, mut seen, mut count) = (BTreeMap::new(), Revision::ZERO, 0);
    while seen < end {
        match watch.next().await.unwrap().unwrap() {
            Event::Progress(revision) => {
                assert!(revision >= seen);
                seen = revision;
            }
            Event::Changed(change) => {
                assert!(change.revision > seen);
                seen = change.revision;
                count += 1;
                let known =
                    states.insert(change.key().clone(), change.now.as_ref().map(|now| now.revision()));
                assert_eq!(known.flatten(), change.before.as_ref().map(Object::revision), "{change:?}");
            }
        }
    }
    count
}

#[test]
fn threads_that_write_and_watch_at_once_miss_nothing() {
    const WRITES: u64 = 4000;
    let store = store();
    let run = |future: std::pin::Pin<Box<dyn Future<Output = usize>>>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime
            .block_on(async { Env::real().timeout(Duration::from_secs(60), future).await })
            .expect("a wake-up was lost")
    };
    let write = async |store: MemStore, node: &'static str| {
        for round in 0..WRITES / 2 {
            let pod = pod(&format!("{node}-{}", round % 5), if round % 3 == 0 { "" } else { node });
            let put = match store.get(pod.key(), Revision::ZERO).await {
                Err(_) => Put::create(pod),
                Ok(found) if round % 7 == 0 => Put::delete(pod.key().clone(), found.revision()),
                Ok(found) => Put::replace(pod, found.revision()),
            };
            one(&store, put).await.unwrap();
        }
        0
    };
    let selects = [
        Select::default(),
        Select::kind(kind::PODS),
        Select::kind(kind::PODS).field("metadata.namespace", "a"),
    ];
    std::thread::scope(|scope| {
        let watchers: Vec<_> = selects
            .into_iter()
            .map(|what| {
                let store = store.clone();
                scope.spawn(move || run(Box::pin(follow(store, what, Revision(WRITES)))))
            })
            .collect();
        for node in ["n1", "n2"] {
            let store = store.clone();
            scope.spawn(move || run(Box::pin(write(store, node))));
        }
        let counts: Vec<u64> = watchers.into_iter().map(|watcher| watcher.join().unwrap() as u64).collect();
        assert_eq!(counts, [WRITES; 3]);
    });
}
