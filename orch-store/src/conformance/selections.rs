//! What a watch of a selection sees: objects enter and leave it. After the predicates of
//! `staging/src/k8s.io/apiserver/pkg/storage/testing/watcher_tests.go`.

use orch_core::selector::FieldSelector;
use orch_core::{Select, Watches, kind};

use super::kit::{Harness, tell_all};

/// What pods go through in every case: `p` is created, bound, relabelled twice, moved and deleted; `q` is created bound.
async fn story(harness: &Harness) -> orch_core::Revision {
    let mut at = harness.create(&harness.pod("p", "web", "")).await;
    for (app, node) in [("web", "n1"), ("db", "n1"), ("web", "n1"), ("web", "n2")] {
        at = harness.replace(&harness.pod("p", app, node), at).await;
    }
    harness.delete(&harness.pod("p", "", ""), at).await;
    harness.create(&harness.pod("q", "web", "n1")).await
}

fn told(changes: &[std::sync::Arc<orch_core::Change>], start: orch_core::Revision) -> Vec<String> {
    let told = tell_all(changes);
    told.iter()
        .map(|told| {
            let (sign, revision) = told.split_once('@').unwrap_or_default();
            format!("{}{sign}", revision.parse::<u64>().map_or(0, |revision| revision - start.0))
        })
        .collect()
}

/// A watch sees the story as `expected` (place in the story, sign, name), live and replayed.
async fn check(harness: &Harness, what: &Select, expected: &[&str]) {
    let start = harness.list(&Select::default()).await.1;
    let mut live = harness.follow(what).await;
    let last = story(harness).await;
    assert_eq!(told(&live.all(expected.len(), last).await, start), expected, "live, {what:?}");
    let replayed = harness.follow_from(what, start).until(last).await;
    assert_eq!(told(&replayed, start), expected, "replayed, {what:?}");
    let at = harness.get(harness.pod("q", "", "").key()).await.expect("the story ends with it").revision();
    harness.delete(&harness.pod("q", "", ""), at).await;
}

fn fields(text: &str) -> Select {
    Select::kind(kind::PODS).fields(text.parse::<FieldSelector>().expect("a field selector"))
}

fn labels(text: &str) -> Select {
    Select::kind(kind::PODS).labels(text.parse().expect("a label selector"))
}

/// By a field that is required to have a value: an object that comes to have it is created, one that loses it is deleted.
pub async fn watch_by_field_sees_objects_enter_and_leave(harness: &Harness) {
    check(harness, &fields("spec.nodeName=n1"), &["2+p", "3~p", "4~p", "5-p", "7+q"]).await;
    check(harness, &fields("spec.nodeName="), &["1+p", "2-p"]).await;
    check(harness, &fields("spec.nodeName=n3"), &[]).await;
    check(harness, &fields("spec.nodeName!=n1"), &["1+p", "2-p", "5+p", "6-p"]).await;
}

/// By labels, likewise.
pub async fn watch_by_labels_sees_objects_enter_and_leave(harness: &Harness) {
    check(harness, &labels("app=web"), &["1+p", "2~p", "3-p", "4+p", "5~p", "6-p", "7+q"]).await;
    check(harness, &labels("app notin (web)"), &["3+p", "4-p"]).await;
    check(harness, &labels("app=web").field("spec.nodeName", "n1"), &["2+p", "3-p", "4+p", "5-p", "7+q"])
        .await;
}

/// By the name of one object, by namespace, and by what no object has.
pub async fn watch_by_name_sees_one_object(harness: &Harness) {
    check(harness, &fields("metadata.name=q"), &["7+q"]).await;
    check(harness, &fields("metadata.name=p").namespace("shop"), &["1+p", "2~p", "3~p", "4~p", "5~p", "6-p"])
        .await;
    check(harness, &fields("metadata.name=p").namespace("shop-2"), &[]).await;
    check(harness, &fields("metadata.name=q,metadata.namespace=shop"), &["7+q"]).await;
    check(harness, &fields("metadata.name=q,spec.nodeName=n2"), &[]).await;
}

/// A field that the kind does not declare selects nothing, whatever it is compared with.
pub async fn watch_by_an_undeclared_field_sees_nothing(harness: &Harness) {
    check(harness, &fields("spec.unknown="), &[]).await;
    check(harness, &fields("spec.unknown!=x"), &[]).await;
    let what = Select::kind(kind::CONFIG_MAPS).field("spec.nodeName", "");
    let mut follow = harness.follow(&what).await;
    let last = harness.create(&harness.config("shop", "a", "")).await;
    assert!(follow.until(last).await.is_empty());
}

/// Kind and namespace bound a watch; objects without a namespace are in none.
pub async fn watch_is_of_its_kind_and_namespace(harness: &Harness) {
    let mut config = harness.follow(&Select::kind(kind::CONFIG_MAPS).namespace("a")).await;
    let mut nodes = harness.follow(&Select::kind(kind::NODES)).await;
    let mut none = harness.follow(&Select::kind(kind::NODES).namespace("a")).await;
    for object in [
        harness.config("a", "x", ""),
        harness.config("a-1", "y", ""),
        harness.node("n"),
        harness.pod("p", "", ""),
    ] {
        harness.create(&object).await;
    }
    let last = harness.create(&harness.config("a", "z", "")).await;
    let names = |changes: Vec<std::sync::Arc<orch_core::Change>>| {
        changes.iter().map(|change| change.key().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(config.all(2, last).await), ["configmaps/a/x", "configmaps/a/z"]);
    assert_eq!(names(nodes.all(1, last).await), ["nodes/n"]);
    assert!(none.until(last).await.is_empty());
}

/// One watch over several kinds, or all, is in order across them, kinds of a user's own included. (Where each kind has a
/// watch of its own, that is not promised.)
pub async fn watch_of_several_kinds_is_ordered_across_them(harness: &Harness) {
    if harness.store.watches() == Watches::PerKind {
        return;
    }
    let mut all = harness.follow(&Select::default()).await;
    let mut some = harness.follow(&Select::kinds([kind::PODS, kind::NODES])).await;
    let mut shop = harness.follow(&Select::default().namespace("shop")).await;
    let widget = serde_json::json!({"metadata": {"name": "w", "namespace": "shop"}});
    let widget = harness.object(Harness::widgets(), &widget);
    let objects = [
        harness.pod("p", "", ""),
        harness.config("a", "x", ""),
        harness.node("n"),
        widget,
        harness.pod("q", "", ""),
    ];
    let mut last = orch_core::Revision::ZERO;
    for object in &objects {
        last = harness.create(object).await;
    }
    let names = |changes: Vec<std::sync::Arc<orch_core::Change>>| {
        changes.iter().map(|change| change.key().name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(all.all(5, last).await), ["p", "x", "n", "w", "q"]);
    assert_eq!(names(some.all(3, last).await), ["p", "n", "q"]);
    assert_eq!(names(shop.all(3, last).await), ["p", "w", "q"]);
}
