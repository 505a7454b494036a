//! The six guarantees of a watch, in etcd's words (`Documentation/learning/api_guarantees.md`), and where it may begin and end.
//! After `staging/src/k8s.io/apiserver/pkg/storage/testing/watcher_tests.go`.

use std::sync::Arc;

use futures::StreamExt;
use orch_core::{Change, Error, Event, Put, Revision, Select, kind};

use super::kit::{Harness, tell_all, value};

/// Writes a fixed story over two kinds; gives the last revision.
async fn story(harness: &Harness) -> Revision {
    let a = harness.create(&harness.config("x", "a", "1")).await;
    let b = harness.create(&harness.config("x", "b", "1")).await;
    harness.create(&harness.node("n")).await;
    let a = harness.replace(&harness.config("x", "a", "2"), a).await;
    harness.delete(&harness.config("x", "b", ""), b).await;
    harness.create(&harness.config("x", "b", "2")).await;
    let a = harness.replace(&harness.config("x", "a", "3"), a).await;
    harness.delete(&harness.config("x", "a", ""), a).await
}

fn signs(changes: &[Arc<Change>]) -> Vec<String> {
    tell_all(changes).iter().map(|told| told.split('@').next().unwrap_or_default().to_owned()).collect()
}

const STORY: [&str; 7] = ["+a", "+b", "~a", "-b", "+b", "~a", "-a"];

/// Changes come in order of revision.
pub async fn watch_is_ordered(harness: &Harness) {
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    story(harness).await;
    let changes = follow.take(STORY.len()).await;
    assert_eq!(signs(&changes), STORY);
    assert!(changes.windows(2).all(|pair| pair[0].revision < pair[1].revision));
}

/// No change comes twice, not even when the watch is opened again after each.
pub async fn watch_is_unique(harness: &Harness) {
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    let last = story(harness).await;
    let mut changes = Vec::new();
    while follow.seen < last {
        changes.push(follow.change().await);
        follow.drop_watch();
    }
    assert_eq!(signs(&changes), STORY);
}

/// No change between two that came is left out, however many there are and however late they are read.
pub async fn watch_is_reliable(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let mut follow = harness.follow(&what).await;
    let mut at = harness.create(&harness.config("x", "a", "0")).await;
    for round in 1..500 {
        at = harness.replace(&harness.config("x", "a", &round.to_string()), at).await;
    }
    for round in 0..500 {
        let change = follow.change().await;
        assert_eq!(value(change.object()), round.to_string());
        assert_eq!(change.before.as_ref().map(value), (round > 0).then(|| (round - 1).to_string()));
    }
}

/// What one revision wrote comes whole: the full states after and before, as they were written.
pub async fn watch_is_atomic(harness: &Harness) {
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    let big = "x".repeat(100_000);
    let (old, new) = (harness.config("x", "a", &big), harness.config("x", "a", "small"));
    let created = harness.create(&old).await;
    let replaced = harness.replace(&new, created).await;
    let deleted = harness.delete(&new, replaced).await;
    let changes = follow.take(3).await;
    let states =
        |at: usize| (changes[at].before.clone(), changes[at].now.clone().map(|live| live.into_object()));
    let same = |found: Option<orch_core::Object>, put: &orch_core::Object, revision| {
        found.is_some_and(|found| found.same_content(put) && found.revision() == revision)
    };
    let ((none, first), (before, second), (last, gone)) = (states(0), states(1), states(2));
    assert!(none.is_none() && gone.is_none());
    assert!(same(first, &old, created) && same(before, &old, created) && same(second, &new, replaced));
    assert!(same(last, &new, replaced) && changes[2].revision == deleted);
}

/// A watch that broke off goes on from any revision seen, as if it had never ended.
pub async fn watch_is_resumable(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let start = harness.follow(&what).await.seen;
    let last = story(harness).await;
    let whole = harness.follow_from(&what, start).until(last).await;
    assert_eq!(signs(&whole), STORY);
    for from in start.0..=last.0 {
        let rest = harness.follow_from(&what, Revision(from)).until(last).await;
        let expected: Vec<_> = whole.iter().filter(|change| change.revision.0 > from).cloned().collect();
        assert_eq!(tell_all(&rest), tell_all(&expected), "from {from}");
    }
}

/// Progress promises that everything up to it has come; a watch that is opened promises it for the revision that is current
/// then, even when nothing selected has changed.
pub async fn watch_is_bookmarkable(harness: &Harness) {
    let pods = Select::kind(kind::PODS);
    let mut follow = harness.follow(&pods).await;
    let start = follow.seen;
    for round in 0..5 {
        let last = harness.create(&harness.config("x", &format!("a{round}"), "")).await;
        assert!(follow.until(last).await.is_empty());
        assert!(follow.seen >= last);
    }
    let pod = harness.create(&harness.pod("p", "", "")).await;
    let last = harness.create(&harness.config("x", "b", "")).await;
    assert_eq!(follow.until(last).await.len(), 1);
    let mut again = harness.follow_from(&pods, start);
    let mut came = false;
    while again.seen < last {
        match again.next().await {
            Event::Changed(change) => came |= change.revision == pod,
            Event::Progress(revision) => {
                assert!(came || revision < pod, "progress {revision} without the change")
            }
        }
    }
}

/// Without a revision, a watch begins with the objects there are, in order of revision, and tells when that is done.
pub async fn watch_begins_with_the_state(harness: &Harness) {
    let a = harness.create(&harness.config("x", "a", "1")).await;
    harness.create(&harness.config("x", "b", "1")).await;
    let c = harness.create(&harness.config("x", "c", "1")).await;
    harness.replace(&harness.config("x", "a", "2"), a).await;
    let last = harness.delete(&harness.config("x", "c", ""), c).await;
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    assert_eq!(signs(&follow.initial), ["+b", "+a"], "the one written first comes first");
    assert!(follow.initial.iter().all(|change| change.before.is_none()));
    for change in &follow.initial {
        assert_eq!(change.now.as_ref().map(|now| now.revision()), Some(change.revision));
    }
    assert_eq!(value(follow.initial[1].object()), "2");
    assert!(follow.seen >= last);
    harness.create(&harness.config("x", "d", "1")).await;
    assert_eq!(signs(&follow.take(1).await), ["+d"], "and goes on from there");
}

/// A watch of nothing says at once that it has seen everything.
pub async fn watch_of_nothing_tells_progress(harness: &Harness) {
    let follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    assert!(follow.initial.is_empty());
    let last = harness.create(&harness.node("n")).await;
    let follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    assert!(follow.initial.is_empty() && follow.seen >= last);
}

/// A watch after a revision replays what came later and nothing else.
pub async fn watch_replays_history(harness: &Harness) {
    let first = harness.create(&harness.config("x", "a", "1")).await;
    let second = harness.replace(&harness.config("x", "a", "2"), first).await;
    let mut follow = harness.follow_from(&Select::kind(kind::CONFIG_MAPS), first);
    let change = follow.change().await;
    assert_eq!((change.revision, value(change.object())), (second, "2".into()));
    assert_eq!(change.before.as_ref().map(|before| before.revision()), Some(first));
}

/// A watch cannot begin at a revision that has not come.
pub async fn watch_from_the_future_is_ahead(harness: &Harness) {
    let current = harness.create(&harness.node("n")).await;
    let future = Revision(current.0 + 1_000_000);
    match harness.store.watch(&Select::kind(kind::NODES), Some(future)).await.map(|_| ()) {
        Err(Error::Ahead { requested, .. }) => assert_eq!(requested, future),
        other => panic!("expected ahead, got {other:?}"),
    }
}

/// A watch cannot begin before the history that is kept; from the compacted revision on it can.
pub async fn watch_from_compacted_history_is_compacted(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let first = harness.create(&harness.config("x", "a", "1")).await;
    let second = harness.replace(&harness.config("x", "a", "2"), first).await;
    let third = harness.replace(&harness.config("x", "a", "3"), second).await;
    if !harness.compact(second).await {
        return;
    }
    let error = match harness.store.watch(&what, Some(first)).await {
        Err(error) => error,
        Ok(mut watch) => match watch.next().await {
            Some(Err(error)) => error,
            other => panic!("expected compacted, got {other:?}"),
        },
    };
    match error {
        Error::Compacted { requested, oldest } => {
            assert!(requested == first && oldest > first && oldest <= second)
        }
        other => panic!("expected compacted, got {other}"),
    }
    let mut follow = harness.follow_from(&what, second);
    assert_eq!(follow.change().await.revision, third);
    let follow = harness.follow(&what).await;
    assert_eq!(signs(&follow.initial), ["+a"], "the current state is never compacted");
}

/// A deletion carries the last state and a later revision of its own; a new object of the name is created.
pub async fn watch_tells_a_deletion_in_full(harness: &Harness) {
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    let created = harness.create(&harness.config("x", "a", "last")).await;
    let deleted = harness.delete(&harness.config("x", "a", ""), created).await;
    let again = harness.create(&harness.config("x", "a", "new")).await;
    let changes = follow.take(3).await;
    assert_eq!(signs(&changes), ["+a", "-a", "+a"]);
    let last = changes[1].before.as_ref().expect("a deletion has the state before");
    assert_eq!((value(last).as_str(), last.revision(), changes[1].revision), ("last", created, deleted));
    assert_eq!(changes[2].revision, again);
}

/// Each write of a batch is a change of its own; refused writes are none.
pub async fn watch_tells_each_write_of_a_batch(harness: &Harness) {
    let mut follow = harness.follow(&Select::kind(kind::CONFIG_MAPS)).await;
    let (a, b) = (harness.config("x", "a", "1"), harness.config("x", "b", "1"));
    let writes = vec![Put::create(a.clone()), Put::create(a.clone()), Put::create(b.clone()), Put::create(b)];
    let answers = harness.store.commit(writes).await;
    let done: Vec<Revision> = answers.into_iter().flatten().collect();
    let changes = follow.take(2).await;
    assert_eq!(changes.iter().map(|change| change.revision).collect::<Vec<_>>(), done);
    harness.replace(&harness.config("x", "a", "2"), done[0]).await;
    assert_eq!(signs(&follow.take(1).await), ["~a"]);
}

/// Dropping a watch disturbs no other, and any number may run.
pub async fn watches_do_not_disturb_each_other(harness: &Harness) {
    let what = Select::kind(kind::CONFIG_MAPS);
    let mut follows = Vec::new();
    for _ in 0..20 {
        follows.push(harness.follow(&what).await);
    }
    harness.create(&harness.config("x", "a", "1")).await;
    for follow in follows.iter_mut().step_by(2) {
        assert_eq!(signs(&follow.take(1).await), ["+a"]);
    }
    let mut rest: Vec<_> = follows.into_iter().skip(1).step_by(2).collect();
    harness.create(&harness.config("x", "b", "1")).await;
    for follow in &mut rest {
        assert_eq!(signs(&follow.take(2).await), ["+a", "+b"]);
    }
}
