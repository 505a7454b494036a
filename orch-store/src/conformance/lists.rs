//! What a list means: order, selection, pages at one revision. After the list cases of
//! `staging/src/k8s.io/apiserver/pkg/storage/testing/store_tests.go`.

use orch_core::selector::FieldSelector;
use orch_core::{Error, Object, Page, Revision, Select, Str, kind};

use super::kit::{Harness, value};

/// More pages than any list of the suite has.
const PAGES: u32 = 100;

/// Puts a few objects of several kinds and namespaces; gives the last revision.
async fn fill(harness: &Harness) -> Revision {
    let mut last = Revision::ZERO;
    for name in ["c", "a", "b"] {
        last = harness.create(&harness.config("one", name, "")).await;
    }
    for (namespace, name) in [("two", "b"), ("on", "z"), ("one-more", "a")] {
        last = harness.create(&harness.config(namespace, name, "")).await;
    }
    for (name, app, node) in [("p1", "web", "n1"), ("p2", "web", ""), ("p3", "db", "n1")] {
        last = harness.create(&harness.pod(name, app, node)).await;
    }
    harness.create(&harness.node("n2")).await.max(harness.create(&harness.node("n1")).await).max(last)
}

fn keys(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| object.key().to_string()).collect()
}

/// A list is in order of keys, and its revision is that of the last write.
pub async fn a_list_is_in_order_of_keys(harness: &Harness) {
    let last = fill(harness).await;
    let (items, revision) = harness.list(&Select::default()).await;
    assert_eq!(revision, last);
    assert_eq!(items.len(), 11);
    assert!(items.windows(2).all(|pair| pair[0].key() < pair[1].key()), "{items:?}");
}

/// A list of nothing has the revision of the store.
pub async fn a_list_of_nothing_has_a_revision(harness: &Harness) {
    assert!(harness.names(&Select::default()).await.is_empty());
    let last = harness.create(&harness.node("n1")).await;
    let (items, revision) = harness.list(&Select::kind(kind::PODS)).await;
    assert!(items.is_empty());
    assert_eq!(revision, last);
}

/// Kinds and namespace bound a list; a namespace is not a prefix of a longer one.
pub async fn a_list_is_of_its_kinds_and_namespace(harness: &Harness) {
    fill(harness).await;
    let listed = async |what: &Select| keys(&harness.list(what).await.0);
    assert_eq!(
        listed(&Select::kind(kind::CONFIG_MAPS).namespace("one")).await,
        ["configmaps/one/a", "configmaps/one/b", "configmaps/one/c"]
    );
    assert_eq!(listed(&Select::kind(kind::NODES)).await, ["nodes/n1", "nodes/n2"]);
    assert_eq!(listed(&Select::kinds([kind::PODS, kind::NODES])).await.len(), 5);
    assert_eq!(listed(&Select::default().namespace("two")).await, ["configmaps/two/b"]);
    assert_eq!(listed(&Select::default().namespace("shop")).await.len(), 3);
    assert!(listed(&Select::kind(kind::SECRETS)).await.is_empty());
    assert!(listed(&Select::kind(kind::CONFIG_MAPS).namespace("o")).await.is_empty());
    assert!(
        listed(&Select::kind(kind::NODES).namespace("one")).await.is_empty(),
        "cluster-scoped objects are in none"
    );
}

/// Labels and fields select; a field that a kind does not declare selects nothing of it.
pub async fn a_list_selects_by_labels_and_fields(harness: &Harness) {
    fill(harness).await;
    let pods = || Select::kind(kind::PODS);
    let fields = |text: &str| pods().fields(text.parse::<FieldSelector>().expect("a field selector"));
    let labels = |text: &str| pods().labels(text.parse().expect("a label selector"));
    for (what, expected) in [
        (labels("app=web"), &["p1", "p2"][..]),
        (labels("app!=web"), &["p3"]),
        (labels("!app"), &[]),
        (fields("spec.nodeName=n1"), &["p1", "p3"]),
        (fields("spec.nodeName="), &["p2"]),
        (fields("spec.nodeName!=n1"), &["p2"]),
        (fields("metadata.name=p2"), &["p2"]),
        (fields("metadata.name=p2,spec.nodeName=n1"), &[]),
        (fields("metadata.namespace=shop,metadata.name!=p2"), &["p1", "p3"]),
        (fields("metadata.namespace=one"), &[]),
        (labels("app=web").field("spec.nodeName", "n1"), &["p1"]),
        (fields("spec.unknown="), &[]),
        (fields("spec.unknown!=x"), &[]),
        (Select::default().field("spec.nodeName", ""), &["p2"]),
        (Select::default().field("metadata.name", "n1"), &["n1"]),
    ] {
        assert_eq!(harness.names(&what).await, expected, "{what:?}");
    }
}

/// Deleted objects are in no later list.
pub async fn a_deleted_object_is_not_listed(harness: &Harness) {
    let object = harness.config("a", "x", "");
    let revision = harness.create(&object).await;
    harness.delete(&object, revision).await;
    assert!(harness.names(&Select::default()).await.is_empty());
}

async fn page(harness: &Harness, what: &Select, page: Option<Str>, limit: u32) -> Page {
    let page = harness.store.list(what, page, limit).await.expect("a page");
    assert!(page.items.len() <= limit as usize, "at most as many as asked for");
    page
}

/// The rest of a list.
async fn rest(
    harness: &Harness,
    what: &Select,
    mut next: Option<Str>,
    limit: u32,
    of: Revision,
) -> Vec<Object> {
    let (mut items, mut pages) = (Vec::new(), 0);
    while next.is_some() {
        let page = page(harness, what, next, limit).await;
        assert_eq!(page.revision, of, "every page is of the first one's revision");
        items.extend(page.items);
        next = page.next;
        pages += 1;
        assert!(pages < PAGES, "the list never ends");
    }
    items
}

/// Pages of any size, one after the other, are the list.
pub async fn pages_are_one_list(harness: &Harness) {
    fill(harness).await;
    let one = Select::kind(kind::CONFIG_MAPS).namespace("one");
    for what in [Select::default(), Select::kind(kind::CONFIG_MAPS), one, Select::default().namespace("shop")]
    {
        let (whole, revision) = harness.list(&what).await;
        for limit in 1..=12 {
            let first = page(harness, &what, None, limit).await;
            assert_eq!(first.revision, revision);
            let mut items = first.items;
            items.extend(rest(harness, &what, first.next, limit, revision).await);
            assert_eq!(keys(&items), keys(&whole), "limit {limit}");
        }
    }
}

/// Later pages are as of the revision of the first, whatever was written since.
pub async fn pages_do_not_see_later_writes(harness: &Harness) {
    let mut revisions = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        revisions.push(harness.create(&harness.config("x", name, "old")).await);
    }
    let what = Select::kind(kind::CONFIG_MAPS);
    let first = page(harness, &what, None, 2).await;
    let of = first.revision;
    harness.replace(&harness.config("x", "a", "new"), revisions[0]).await;
    let c = harness.replace(&harness.config("x", "c", "new"), revisions[2]).await;
    harness.replace(&harness.config("x", "c", "newer"), c).await;
    harness.delete(&harness.config("x", "d", ""), revisions[3]).await;
    harness.delete(&harness.config("x", "e", ""), revisions[4]).await;
    let again = harness.create(&harness.config("x", "e", "again")).await;
    harness.delete(&harness.config("x", "e", ""), again).await;
    harness.create(&harness.config("x", "cc", "late")).await;
    harness.create(&harness.config("y", "late", "late")).await;
    for limit in [1, 2, 3, 10] {
        let items = rest(harness, &what, first.next.clone(), limit, of).await;
        assert_eq!(keys(&items), ["configmaps/x/c", "configmaps/x/d", "configmaps/x/e", "configmaps/x/f"]);
        assert!(items.iter().all(|object| value(object) == "old" && object.revision() <= of), "{items:?}");
    }
    assert_eq!(harness.names(&what).await, ["a", "b", "c", "cc", "f", "late"]);
}

/// A selection of rare objects pages like any other, and is judged by their state at the list's revision.
pub async fn pages_of_a_selection_are_one_list(harness: &Harness) {
    let mut rare = Vec::new();
    for number in 0..40 {
        let app = if number % 13 == 12 { "rare" } else { "web" };
        let pod = harness.pod(&format!("p{number:02}"), app, "");
        let revision = harness.create(&pod).await;
        if app == "rare" {
            rare.push((pod, revision));
        }
    }
    let what = Select::kind(kind::PODS).labels("app=rare".parse().expect("a label selector"));
    let first = page(harness, &what, None, 1).await;
    assert_eq!(keys(&first.items), ["pods/shop/p12"]);
    harness.replace(&harness.pod("p25", "web", ""), rare[1].1).await;
    harness.create(&harness.pod("p13-new", "rare", "")).await;
    let items = rest(harness, &what, first.next, 1, first.revision).await;
    assert_eq!(keys(&items), ["pods/shop/p25", "pods/shop/p38"]);
}

/// When a page tells how many follow, as many do.
pub async fn remaining_is_the_truth(harness: &Harness) {
    fill(harness).await;
    for what in
        [Select::default(), Select::kind(kind::CONFIG_MAPS), Select::kind(kind::CONFIG_MAPS).namespace("one")]
    {
        let total = harness.list(&what).await.0.len();
        let (mut next, mut seen) = (None, 0);
        loop {
            let page = page(harness, &what, next, 2).await;
            seen += page.items.len();
            assert!(seen <= total, "the list has more than there is");
            if let Some(remaining) = page.remaining {
                assert_eq!(remaining, (total - seen) as u64, "{what:?}");
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(seen, total);
    }
}

/// A page token that the store did not give is refused.
pub async fn a_made_up_page_token_is_refused(harness: &Harness) {
    fill(harness).await;
    let what = Select::kind(kind::CONFIG_MAPS);
    let token = page(harness, &what, None, 2).await.next.expect("there is more");
    let longer = format!("{token}0");
    let shorter = token.get(..token.len() - 1).unwrap_or_default();
    for made_up in ["", "x", "eyJ2IjoibWV0YSJ9", "\u{1f600}", &longer, shorter] {
        match harness.store.list(&what, Some(made_up.into()), 2).await {
            Err(Error::BadPage) => {}
            other => panic!("{made_up:?}: {other:?}"),
        }
    }
}

/// A page whose revision is compacted is refused; a new list is not.
pub async fn a_page_of_compacted_history_is_compacted(harness: &Harness) {
    fill(harness).await;
    let what = Select::kind(kind::CONFIG_MAPS);
    let first = page(harness, &what, None, 2).await;
    let last = harness.create(&harness.config("z", "z", "")).await;
    if !harness.compact(last).await {
        return;
    }
    match harness.store.list(&what, first.next, 2).await {
        Err(Error::Compacted { requested, oldest }) => {
            assert_eq!(requested, first.revision);
            assert!(oldest > requested && oldest <= last, "{oldest}");
        }
        other => panic!("expected compacted, got {other:?}"),
    }
    assert_eq!(harness.names(&what).await.len(), 7);
}
