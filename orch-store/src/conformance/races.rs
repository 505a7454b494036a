//! What holds when several write and read at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use orch_core::{Change, Key, Object, Put, Revision, Select, kind};

use super::kit::{Harness, value};

/// Writers of a case.
const WRITERS: usize = 8;
/// Writes of each of them.
const WRITES: usize = 25;

/// Adds one to a counter, as often as it takes.
async fn increment(harness: &Harness) {
    loop {
        let key = Key::new(kind::CONFIG_MAPS, "x", "counter");
        let found = harness.get(&key).await.expect("nobody deletes it");
        let next = value(&found).parse::<u64>().expect("a number") + 1;
        let put = Put::replace(harness.config("x", "counter", &next.to_string()), found.revision());
        match harness.put(put).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
        harness.env.edge().await;
    }
}

/// Writers of one object that read, change and write lose no update.
pub async fn concurrent_writers_lose_no_update(harness: &Harness) {
    harness.create(&harness.config("x", "counter", "0")).await;
    join_all((0..WRITERS).map(|_| async {
        for _ in 0..WRITES {
            increment(harness).await;
        }
    }))
    .await;
    let found = harness.get(&Key::new(kind::CONFIG_MAPS, "x", "counter")).await.expect("nobody deletes it");
    assert_eq!(value(&found), (WRITERS * WRITES).to_string());
}

/// Of those who create one name at once, one succeeds.
pub async fn one_of_concurrent_creates_succeeds(harness: &Harness) {
    for round in 0..WRITES {
        let object = harness.config("x", &round.to_string(), "");
        let creates = join_all((0..WRITERS).map(|_| harness.put(Put::create(object.clone())))).await;
        assert_eq!(creates.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert!(creates.into_iter().filter_map(Result::err).all(|error| error.is_conflict()));
    }
}

/// Creates, replaces and deletes its own objects.
async fn churn(harness: &Harness, writer: usize) {
    for round in 0..WRITES {
        let object = harness.config("x", &format!("{writer}-{}", round % 3), &round.to_string());
        match harness.get(object.key()).await {
            None => _ = harness.create(&object).await,
            Some(found) if round % 4 == 3 => _ = harness.delete(&object, found.revision()).await,
            Some(found) => _ = harness.replace(&object, found.revision()).await,
        }
        harness.env.edge().await;
    }
}

fn apply(state: &mut BTreeMap<Key, Object>, change: &Change) {
    let before = match &change.now {
        Some(now) => state.insert(change.key().clone(), now.object().clone()),
        None => state.remove(change.key()),
    };
    let (known, told) = (before.map(|state| state.revision()), change.before.as_ref().map(Object::revision));
    assert_eq!(told, known, "the state before is the one that came before");
}

fn shown(state: impl IntoIterator<Item = Object>) -> Vec<(Key, Revision)> {
    state.into_iter().map(|object| (object.key().clone(), object.revision())).collect()
}

/// A list and a watch from its revision leave no gap: replayed onto the list, the changes give every later list.
pub async fn list_then_watch_has_no_gap(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let observe = async {
        for _ in 0..10 {
            let (items, revision) = harness.list(&what).await;
            assert!(items.iter().all(|object| object.revision() <= revision), "a list is as of its revision");
            let mut state: BTreeMap<_, _> =
                items.into_iter().map(|object| (object.key().clone(), object)).collect();
            harness.env.edge().await;
            let (later, until) = harness.list(&what).await;
            let mut follow = harness.follow_from(&what, revision);
            for change in follow.until(until).await.iter().filter(|change| change.revision <= until) {
                apply(&mut state, change);
            }
            assert_eq!(shown(state.into_values()), shown(later));
        }
    };
    futures::join!(observe, join_all((0..WRITERS).map(|writer| churn(harness, writer))));
}

/// A watch from the current state, opened amid writes, leaves no gap either.
pub async fn watch_from_the_state_has_no_gap(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let observe = async {
        let mut observed: Vec<(BTreeMap<Key, Object>, _)> = Vec::new();
        for _ in 0..5 {
            let follow = harness.follow(&what).await;
            let mut state = BTreeMap::new();
            follow.initial.iter().for_each(|change| apply(&mut state, change));
            observed.push((state, follow));
            harness.env.edge().await;
        }
        observed
    };
    let (observed, _) = futures::join!(observe, join_all((0..WRITERS).map(|writer| churn(harness, writer))));
    let (items, revision) = harness.list(&what).await;
    for (mut state, mut follow) in observed {
        let changes: Vec<Arc<Change>> = follow.until(revision).await;
        changes.iter().for_each(|change| apply(&mut state, change));
        assert_eq!(shown(state.into_values()), shown(items.clone()));
    }
}

/// A write that was answered is in every read that begins later.
pub async fn an_answered_write_is_in_every_later_read(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    join_all((0..WRITERS).map(|writer| {
        let what = &what;
        async move {
            for round in 0..WRITES {
                let object = harness.config("x", &format!("{writer}-{round}"), "");
                let revision = harness.create(&object).await;
                let live = harness.store.get(object.key(), revision).await.expect("it was created");
                assert_eq!(live.revision(), revision);
                let (items, listed) = harness.list(what).await;
                assert!(listed >= revision);
                assert!(items.iter().any(|item| item.key() == object.key()));
            }
        }
    }))
    .await;
}
