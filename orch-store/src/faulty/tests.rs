use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use orch_core::{
    Env, Error, Event, Key, Object, Put, Read, Registry, Revision, Select, Store, Watches, WriteOutcome,
    kind, sim,
};
use serde_json::json;

use super::{Faults, Faulty};
use crate::MemStore;

fn node(name: &str) -> Object {
    let tree = json!({"metadata": {"name": name}});
    Object::encode(&Registry::built_in().get(kind::NODES).unwrap(), &tree).unwrap()
}

fn faulty(env: Env, faults: Faults) -> Faulty<MemStore> {
    Faulty::new(Arc::new(MemStore::new(Arc::new(Registry::built_in()))), env, faults)
}

/// Creates that many nodes below the faults.
async fn fill(store: &Faulty<MemStore>, count: u64) {
    let nodes = (0..count).map(|number| Put::create(node(&format!("n{number}"))));
    assert!(store.inner().commit(nodes.collect()).await.iter().all(Result::is_ok));
}

#[test]
fn a_conflict_is_true_somebody_else_was_first() {
    sim::run(1, |env| async move {
        let store = faulty(env, Faults::quiet().conflicts(1.0));
        fill(&store, 1).await;
        let put = || Put::replace(node("n0"), Revision(1));
        let error = store.commit(vec![put()]).await.remove(0).unwrap_err();
        assert!(error.is_conflict());
        assert_eq!(error.outcome(), WriteOutcome::NotApplied);
        let key = Key::cluster(kind::NODES, "n0");
        assert_eq!(
            store.get(&key, Revision::ZERO).await.unwrap().revision(),
            Revision(2),
            "the other's write"
        );
        assert_eq!(store.injected().conflicts, 1);
        store.commit(vec![put()]).await.remove(0).unwrap_err();
        assert_eq!(store.injected().conflicts, 1, "a write that is stale anyway needs no help");
        store.heal();
        store.commit(vec![Put::replace(node("n0"), Revision(2))]).await.remove(0).unwrap();
    });
}

#[test]
fn a_lost_answer_may_hide_any_number_of_the_writes_from_the_first_on() {
    sim::run(1, |env| async move {
        let store = faulty(env, Faults::quiet().unknown(1.0));
        let mut applied = std::collections::BTreeSet::new();
        for round in 0..40 {
            let names: Vec<String> = (0..3).map(|number| format!("r{round}-{number}")).collect();
            let answers = store.commit(names.iter().map(|name| Put::create(node(name))).collect()).await;
            assert!(
                answers.iter().all(|answer| answer.as_ref().unwrap_err().outcome() == WriteOutcome::Unknown)
            );
            let mut there = Vec::new();
            for name in &names {
                there
                    .push(store.get(&Key::cluster(kind::NODES, name.as_str()), Revision::ZERO).await.is_ok());
            }
            assert!(there.is_sorted_by(|before, after| before >= after), "{there:?}");
            applied.insert(there.iter().filter(|there| **there).count());
        }
        assert_eq!(applied.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        let injected = store.injected();
        assert_eq!(injected.unknown_applied + injected.unknown_not_applied, 120);
    });
}

#[test]
fn an_unavailable_store_writes_nothing() {
    sim::run(1, |env| async move {
        let store = faulty(env, Faults::quiet().unavailable(1.0));
        let answers = store.commit(vec![Put::create(node("a")), Put::create(node("b"))]).await;
        assert_eq!(answers.len(), 2);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable { .. }))));
        assert!(matches!(store.list(&Select::default(), None, 0).await, Err(Error::Unavailable { .. })));
        assert!(matches!(
            store.watch(&Select::default(), None).await.map(|_| ()),
            Err(Error::Unavailable { .. })
        ));
        assert_eq!(store.inner().revision(), Revision::ZERO);
        assert_eq!(store.injected().unavailable, 3);
    });
}

#[test]
fn a_slow_call_takes_time_before_and_after() {
    sim::run(1, |env| async move {
        let store = faulty(env.clone(), Faults::quiet().delays(1.0, Duration::from_secs(10)));
        let before = env.elapsed();
        store.commit(vec![Put::create(node("a"))]).await.remove(0).unwrap();
        let took = env.elapsed() - before;
        assert!(took > Duration::ZERO && took <= Duration::from_secs(20), "{took:?}");
        assert_eq!(store.injected().delays, 1);
    });
}

/// What a watch tells until it ends.
async fn tell(store: &Faulty<MemStore>, from: Revision) -> (Vec<Revision>, Option<Error>) {
    let mut told = Vec::new();
    let Ok(mut watch) = store.watch(&Select::kind(kind::NODES), Some(from)).await else {
        return (told, None);
    };
    while let Some(event) = watch.next().await {
        match event {
            Ok(Event::Changed(change)) => told.push(change.revision),
            Ok(Event::Progress(_)) => break,
            Err(error) => return (told, Some(error)),
        }
    }
    (told, None)
}

#[test]
fn a_dropped_watch_goes_on_where_it_broke_off() {
    sim::run(3, |env| async move {
        let store = faulty(env, Faults::quiet().dropped_watches(0.3));
        fill(&store, 50).await;
        let mut told = Vec::new();
        while told.len() < 50 {
            let (more, error) = tell(&store, told.last().copied().unwrap_or_default()).await;
            assert!(matches!(error, None | Some(Error::Unavailable { .. })));
            told.extend(more);
        }
        assert_eq!(told, (1..=50).map(Revision).collect::<Vec<_>>());
        assert!(store.injected().dropped_watches > 5);
    });
}

#[test]
fn compacted_history_stays_compacted() {
    sim::run(1, |env| async move {
        let store = faulty(env, Faults::quiet());
        fill(&store, 10).await;
        let page = store.list(&Select::default(), None, 3).await.unwrap();
        store.set(Faults::quiet().compactions(1.0));
        let refused = store.watch(&Select::default(), Some(Revision(4))).await.map(|_| ());
        let compacted = Error::Compacted { requested: Revision(4), oldest: Revision(10) }.to_string();
        assert_eq!(refused.unwrap_err().to_string(), compacted);
        store.heal();
        assert!(store.watch(&Select::default(), Some(Revision(9))).await.is_err());
        assert!(store.watch(&Select::default(), Some(Revision(10))).await.is_ok());
        store.list(&Select::default(), page.next, 3).await.expect("the page is of the revision that is kept");
        assert_eq!(store.injected().compactions, 1);
    });
}

#[test]
fn a_watch_that_is_behind_a_compaction_ends() {
    sim::run(1, |env| async move {
        let store = faulty(env, Faults::quiet());
        let mut watch = store.watch(&Select::kind(kind::NODES), Some(Revision::ZERO)).await.unwrap();
        fill(&store, 10).await;
        assert!(matches!(watch.next().await, Some(Ok(_))));
        store.set(Faults::quiet().compactions(1.0));
        let error = loop {
            match watch.next().await.expect("it ends with an error") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Compacted { oldest: Revision(10), .. }), "{error}");
        assert!(watch.next().await.is_none());
    });
}

#[test]
fn each_kind_lags_on_its_own() {
    sim::run(5, |env| async move {
        let faults = Faults::quiet().lag(1.0, Duration::from_secs(60)).per_kind();
        let store = faulty(env.clone(), faults);
        assert_eq!(store.watches(), Watches::PerKind);
        assert!(matches!(
            store.watch(&Select::default(), None).await.map(|_| ()),
            Err(Error::NotAllowed { .. })
        ));
        let pod = json!({"metadata": {"name": "p", "namespace": "a"}});
        let pod = Object::encode(&Registry::built_in().get(kind::PODS).unwrap(), &pod).unwrap();
        let mut first = std::collections::BTreeSet::new();
        for round in 0..20 {
            let start = Some(store.inner().revision());
            let mut nodes = store.watch(&Select::kind(kind::NODES), start).await.unwrap();
            let mut pods = store.watch(&Select::kind(kind::PODS), start).await.unwrap();
            let writes = vec![Put::create(node(&format!("n{round}"))), Put::create(pod.clone())];
            let at = store.inner().commit(writes).await.remove(1).unwrap();
            let changed = async |watch: &mut orch_core::Watch| {
                while !matches!(watch.next().await, Some(Ok(Event::Changed(_)))) {}
                env.elapsed()
            };
            let (node_at, pod_at) = futures::join!(changed(&mut nodes), changed(&mut pods));
            first.insert(node_at < pod_at);
            store.inner().commit(vec![Put::delete(pod.key().clone(), at)]).await;
        }
        assert_eq!(first.len(), 2, "now one kind is ahead, now the other");
        assert!(store.injected().lags >= 40);
    });
}

#[test]
fn one_seed_makes_the_same_faults_and_one_fault_moves_no_other() {
    let run = |faults: Faults| {
        sim::run(11, move |env| async move {
            let store = faulty(env, faults);
            let mut refused = Vec::new();
            for round in 0..100 {
                let answer = store.commit(vec![Put::create(node(&format!("n{round}")))]).await.remove(0);
                refused.push(matches!(answer, Err(Error::Unavailable { .. })));
            }
            refused
        })
    };
    let quiet = Faults::quiet().unavailable(0.3);
    let refused = run(quiet.clone());
    assert_eq!(refused, run(quiet.clone()));
    assert_eq!(refused, run(quiet.conflicts(0.5).unknown(0.5).delays(0.5, Duration::from_secs(1))));
    assert!(refused.contains(&true) && refused.contains(&false));
}
