//! What a write means: preconditions, revisions, batches. After the create, update and delete cases of
//! `staging/src/k8s.io/apiserver/pkg/storage/testing/store_tests.go`.

use orch_core::{ConflictCause, Error, Key, Object, Put, Result, Revision, Select, kind};
use serde_json::json;

use super::kit::{Harness, value};

#[track_caller]
fn refused_as_stale(answer: Result<Revision>, key: &Key, expected: Revision, actual: Revision) {
    match answer {
        Err(Error::Conflict { key: of, cause }) => {
            assert_eq!((&of, cause), (key, ConflictCause::Revision { expected, actual }));
        }
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[track_caller]
fn refused_as_absent(answer: Result<Revision>, key: &Key) {
    match answer {
        Err(Error::NotFound { key: of }) => assert_eq!(of, *key),
        other => panic!("expected not found, got {other:?}"),
    }
}

#[track_caller]
fn refused_as_taken(answer: Result<Revision>, key: &Key) {
    match answer {
        Err(Error::AlreadyExists { key: of }) => assert_eq!(of, *key),
        other => panic!("expected already exists, got {other:?}"),
    }
}

/// A create is answered with the revision at which the object is found.
pub async fn create_answers_with_a_revision(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    assert!(harness.get(object.key()).await.is_none());
    let revision = harness.create(&object).await;
    assert!(revision > Revision::ZERO);
    let found = harness.get(object.key()).await.expect("it is there now");
    assert_eq!(found.revision(), revision);
    assert_eq!(found.key(), object.key());
}

/// A create of a name that is taken is refused and changes nothing.
pub async fn create_of_a_taken_name_changes_nothing(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let revision = harness.create(&object).await;
    refused_as_taken(harness.put(Put::create(harness.config("a", "x", "2"))).await, object.key());
    let found = harness.get(object.key()).await.expect("it is still there");
    assert_eq!((value(&found), found.revision()), ("1".into(), revision));
    assert_eq!(harness.list(&Select::default()).await.1, revision, "a refusal has no revision");
}

/// A write that is given another object at a revision is done only while that object is there and at it.
pub async fn a_premise_is_judged_with_the_write(harness: &Harness) {
    let other = harness.config("a", "other", "1");
    let first = harness.create(&other).await;
    let object = harness.config("a", "x", "1");
    let given = |at| Put::create(object.clone()).given(other.key().clone(), at);
    let second = harness.replace(&harness.config("a", "other", "2"), first).await;
    refused_as_stale(harness.put(given(first)).await, other.key(), first, second);
    assert!(harness.get(object.key()).await.is_none(), "nothing was written");
    assert!(harness.put(given(second)).await.is_ok());
    let gone = harness.put(Put::delete(other.key().clone(), second)).await;
    let last = harness.config("a", "y", "1");
    refused_as_absent(
        harness.put(Put::create(last.clone()).given(other.key().clone(), second)).await,
        other.key(),
    );
    assert!(harness.get(last.key()).await.is_none(), "nothing was written");
    assert_eq!(
        harness.list(&Select::default()).await.1,
        gone.expect("it was there"),
        "a refusal has no revision"
    );
}

/// An absent object is not found.
pub async fn get_of_an_absent_object_is_not_found(harness: &Harness) {
    harness.create(&harness.config("a", "x", "1")).await;
    for key in [
        Key::new(kind::CONFIG_MAPS, "a", "y"),
        Key::new(kind::CONFIG_MAPS, "b", "x"),
        Key::new(kind::PODS, "a", "x"),
    ] {
        refused_as_absent(harness.store.get(&key, Revision::ZERO).await.map(|live| live.revision()), &key);
    }
}

/// A read that must not be older than a past revision shows the current state.
pub async fn get_at_least_a_past_revision_is_current(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let first = harness.create(&object).await;
    let second = harness.replace(&harness.config("a", "x", "2"), first).await;
    for at_least in [Revision::ZERO, first, second] {
        let found = harness.store.get(object.key(), at_least).await.expect("it is there");
        assert_eq!((value(&found), found.revision()), ("2".into(), second));
    }
}

/// A read at a revision that has not come is `Ahead`.
pub async fn get_of_a_future_revision_is_ahead(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let revision = harness.create(&object).await;
    let future = Revision(revision.0 + 1_000_000);
    match harness.store.get(object.key(), future).await {
        Err(Error::Ahead { requested, current }) => assert_eq!((requested, current), (future, revision)),
        other => panic!("expected ahead, got {other:?}"),
    }
}

/// A replacement happens only at the revision that it expects.
pub async fn replace_expects_the_revision(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let first = harness.create(&object).await;
    let second = harness.replace(&harness.config("a", "x", "2"), first).await;
    assert!(second > first);
    for stale in [first, Revision::ZERO, Revision(second.0 + 9)] {
        let answer = harness.put(Put::replace(harness.config("a", "x", "3"), stale)).await;
        refused_as_stale(answer, object.key(), stale, second);
    }
    let found = harness.get(object.key()).await.expect("it is there");
    assert_eq!((value(&found), found.revision()), ("2".into(), second));
}

/// An absent object cannot be replaced.
pub async fn replace_of_an_absent_object_is_not_found(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    refused_as_absent(harness.put(Put::replace(object.clone(), Revision(1))).await, object.key());
    let revision = harness.create(&object).await;
    harness.delete(&object, revision).await;
    refused_as_absent(harness.put(Put::replace(object.clone(), revision)).await, object.key());
    assert!(harness.get(object.key()).await.is_none());
}

/// Writing the same content again is a write: it has a revision of its own.
pub async fn the_same_content_is_a_write_too(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let first = harness.create(&object).await;
    let second = harness.replace(&object, first).await;
    assert!(second > first);
    assert_eq!(harness.get(object.key()).await.map(|found| found.revision()), Some(second));
}

/// A deletion happens only at the revision that it expects.
pub async fn delete_expects_the_revision(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let first = harness.create(&object).await;
    let second = harness.replace(&object, first).await;
    refused_as_stale(
        harness.put(Put::delete(object.key().clone(), first)).await,
        object.key(),
        first,
        second,
    );
    assert!(harness.get(object.key()).await.is_some());
    harness.delete(&object, second).await;
    assert!(harness.get(object.key()).await.is_none());
}

/// An absent object cannot be deleted, not even one that was deleted before.
pub async fn delete_of_an_absent_object_is_not_found(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    refused_as_absent(harness.put(Put::delete(object.key().clone(), Revision(1))).await, object.key());
    let revision = harness.create(&object).await;
    harness.delete(&object, revision).await;
    refused_as_absent(harness.put(Put::delete(object.key().clone(), revision)).await, object.key());
}

/// A deletion that expects an older object of the same name does not hit the new one.
pub async fn a_stale_delete_spares_a_new_object_of_the_name(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let old = harness.create(&object).await;
    harness.delete(&object, old).await;
    let new = harness.create(&object).await;
    refused_as_stale(harness.put(Put::delete(object.key().clone(), old)).await, object.key(), old, new);
    assert!(harness.get(object.key()).await.is_some());
}

/// A deletion has a revision of its own, later than that of the last state.
pub async fn a_deletion_has_its_own_revision(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let created = harness.create(&object).await;
    let deleted = harness.delete(&object, created).await;
    assert!(deleted > created);
    assert_eq!(harness.list(&Select::default()).await.1, deleted);
}

/// After its deletion a name is free.
pub async fn a_name_is_free_after_its_deletion(harness: &Harness) {
    let object = harness.config("a", "x", "1");
    let first = harness.create(&object).await;
    let gone = harness.delete(&object, first).await;
    let again = harness.create(&harness.config("a", "x", "2")).await;
    assert!(again > gone);
    assert_eq!(harness.get(object.key()).await.map(|found| value(&found)), Some("2".into()));
}

/// One counter serves all kinds and namespaces.
pub async fn revisions_are_one_counter(harness: &Harness) {
    let mut last = Revision::ZERO;
    for round in 0..5 {
        let name = format!("x{round}");
        let objects = [
            harness.config("a", &name, ""),
            harness.config("b", &name, ""),
            harness.node(&name),
            harness.pod(&name, "", ""),
        ];
        for object in objects {
            let revision = harness.create(&object).await;
            assert!(revision > last, "{revision} after {last}");
            last = revision;
        }
    }
}

/// Each write of a batch has its own precondition and answer, in order; those that fail do not stop the others, and each
/// sees what came before it.
pub async fn writes_of_a_batch_are_independent(harness: &Harness) {
    let taken = harness.config("a", "taken", "1");
    let at = harness.create(&taken).await;
    let (new, absent) = (harness.config("a", "new", "1"), harness.config("a", "absent", "1"));
    let answers = harness
        .store
        .commit(vec![
            Put::create(new.clone()),
            Put::create(new.clone()),
            Put::replace(absent.clone(), Revision(1)),
            Put::replace(harness.config("a", "taken", "2"), at),
            Put::replace(harness.config("a", "taken", "3"), at),
            Put::create(absent.clone()),
        ])
        .await;
    let [first, again, missing, replaced, stale, last] =
        <[_; 6]>::try_from(answers).expect("one answer for each write");
    let (first, replaced, last) = (
        first.expect("the name is free"),
        replaced.expect("at its revision"),
        last.expect("the name is free"),
    );
    assert!(at < first && first < replaced && replaced < last, "each has a revision, in order");
    refused_as_taken(again, new.key());
    refused_as_absent(missing, absent.key());
    refused_as_stale(stale, taken.key(), at, replaced);
    assert_eq!(harness.get(taken.key()).await.map(|found| value(&found)), Some("2".into()));
    assert_eq!(harness.names(&Select::default()).await, ["absent", "new", "taken"]);
}

/// A batch without writes has no answers and no revision.
pub async fn an_empty_batch_is_nothing(harness: &Harness) {
    let before = harness.list(&Select::default()).await.1;
    assert!(harness.store.commit(Vec::new()).await.is_empty());
    assert_eq!(harness.list(&Select::default()).await.1, before);
}

/// What goes in comes out: body, managed fields and everything that the header says.
pub async fn what_goes_in_comes_out(harness: &Harness) {
    let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"": "\u{0}\u{1f600}\"\\", "n": "x".repeat(5000)},
        "metadata": {"name": "x", "namespace": "a", "uid": "u-1", "generation": 7, "labels": {"l": "é", "a": ""},
            "finalizers": ["example/one", "two"], "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30,
            "annotations": {"big": "y".repeat(9000)}, "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p",
                "uid": "o-1", "controller": true, "blockOwnerDeletion": false}],
            "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:data": {}}}]},
        "unknown": [1, 1.5, -0.0, 1e300, u64::MAX, i64::MIN, null, true, {"deep": [[[]]]}]});
    let put = harness.object(kind::CONFIG_MAPS, &tree);
    let first = harness.create(&put).await;
    same(&harness.get(put.key()).await.expect("it is there"), &put, first);
    let bare = harness.config("a", "x", "1");
    let second = harness.replace(&bare, first).await;
    same(&harness.get(put.key()).await.expect("it is there"), &bare, second);
    let listed = harness.list(&Select::default()).await.0;
    same(&listed[0], &bare, second);
}

#[track_caller]
fn same(found: &Object, put: &Object, revision: Revision) {
    assert_eq!(found.revision(), revision);
    assert_eq!(found.header(), put.header());
    assert!(found.same_content(put), "body and managed fields");
    assert_eq!(found.to_tree(), put.at(revision).to_tree());
}

/// Kinds that only a user knows are kept like any other.
pub async fn a_users_own_kind_is_kept(harness: &Harness) {
    let tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "spec": {"color": "red"},
        "metadata": {"name": "w", "namespace": "a"}});
    let widget = harness.object(Harness::widgets(), &tree);
    harness.create(&widget).await;
    let found = harness.get(widget.key()).await.expect("it is there");
    assert_eq!(found.body_tree(), tree);
    let red = Select::kind(Harness::widgets()).field("spec.color", "red");
    assert_eq!(harness.names(&red).await, ["w"]);
    assert!(harness.names(&Select::kind(Harness::widgets()).field("spec.color", "blue")).await.is_empty());
}

/// Kubernetes' users rely on objects of about a mebibyte (`Secret` and `ConfigMap` are limited to that).
pub async fn an_object_of_a_mebibyte_is_kept(harness: &Harness) {
    let object = harness.config("a", "big", &"x".repeat(1 << 20));
    harness.create(&object).await;
    assert_eq!(harness.get(object.key()).await.map(|found| value(&found).len()), Some(1 << 20));
}

/// Keys that begin alike, or are alike but for kind or namespace, are different objects.
pub async fn keys_that_look_alike_are_different_objects(harness: &Harness) {
    let objects = [
        harness.config("a", "x", "1"),
        harness.config("a", "x-1", "2"),
        harness.config("a-1", "x", "3"),
        harness.config("ax", "x", "4"),
        harness.pod("x", "", ""),
        harness.config("shop", "x", "5"),
        harness.node("x"),
    ];
    for object in &objects {
        harness.create(object).await;
    }
    for object in &objects {
        assert!(harness.get(object.key()).await.expect("it is there").same_content(object));
    }
    let first = harness.get(objects[0].key()).await.expect("it is there");
    harness.delete(&first, first.revision()).await;
    for object in &objects[1..] {
        assert!(harness.get(object.key()).await.is_some(), "{:?}", object.key());
    }
}

/// What is shown to people who debug names objects and never what is in them.
pub async fn debug_output_keeps_secrets(harness: &Harness) {
    let tree = json!({"metadata": {"name": "s", "namespace": "a"}, "data": {"password": "aHVudGVyMg=="}});
    let secret = harness.object(kind::SECRETS, &tree);
    let what = Select::kind(kind::SECRETS);
    let mut follow = harness.follow(&what).await;
    let revision = harness.create(&secret).await;
    let change = follow.change().await;
    let stale = harness.put(Put::create(secret.clone())).await;
    let page = harness.store.list(&what, None, 0).await;
    let shown = format!(
        "{change:?} {stale:?} {page:?} {:?} {:?}",
        Put::replace(secret.clone(), revision),
        harness.get(secret.key()).await
    );
    assert!(!shown.contains("aHVudGVyMg") && !shown.contains("password"), "{shown}");
}
