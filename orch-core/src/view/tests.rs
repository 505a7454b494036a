use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::{Cache, Needs, Projection, Table, View};
use crate::selector::Selector;
use crate::{Change, Event, Key, Kind, Live, Object, Registry, Revision, kind};

struct Pod {
    node: String,
}

impl Projection for Pod {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(object: &Live) -> Self {
        Self { node: object.tree()["spec"]["nodeName"].as_str().unwrap_or_default().to_owned() }
    }

    fn index(_: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        out("node", &facts.node);
    }
}

struct Any;

impl Projection for Any {
    fn kind() -> Option<Kind> {
        None
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

fn pod(namespace: &str, name: &str, app: &str, node: &str, owner: &str, revision: u64) -> Live {
    let tree = json!({"spec": {"nodeName": node}, "metadata": {"name": name, "namespace": namespace,
        "labels": {"app": app}, "ownerReferences": [{"uid": owner, "name": "o", "kind": "K", "apiVersion": "v1"}]}});
    let info = Registry::built_in().get(kind::PODS).unwrap();
    let object = Object::encode(&info, &tree).unwrap().at(Revision(revision));
    Live::fresh(object, Arc::new(tree))
}

fn put(now: Live, before: Option<Object>) -> Event {
    Event::Changed(Arc::new(Change::new(now.revision(), Some(now), before)))
}

#[test]
fn a_table_knows_the_row_before_the_last_change_only() {
    let mut cache = Cache::new(&Needs::new().of::<Pod>());
    let states = ["n1", "n2"].map(|node| pod("a", "x", "web", node, "o", if node == "n1" { 1 } else { 2 }));
    let first = Change::new(Revision(1), Some(states[0].clone()), None);
    let second = Change::new(Revision(2), Some(states[1].clone()), Some(states[0].object().clone()));
    let last = Change::new(Revision(3), None, Some(states[1].object().clone()));
    let mut before = |change: &Change| {
        cache.apply(None, &Event::Changed(Arc::new(change.clone())));
        let table = (&cache as &dyn View).of::<Pod>();
        let known = |change| table.before(change).map(|row| row.facts.node.clone());
        (known(&first), known(&second), known(&last))
    };
    assert_eq!(before(&first), (None, None, None));
    assert_eq!(before(&second), (None, Some("n1".into()), None));
    assert_eq!(before(&last), (None, None, Some("n2".into())));
}

#[test]
fn changes_of_the_initial_state_say_nothing_of_progress() {
    let mut cache = Cache::new(&Needs::new().of::<Pod>());
    cache.apply(None, &put(pod("a", "x", "web", "n1", "o", 9), None));
    assert_eq!((cache.is_synced(None), cache.revision(kind::PODS)), (false, Revision::ZERO));
    cache.apply(None, &Event::Progress(Revision(12)));
    assert_eq!((cache.is_synced(None), cache.revision(kind::PODS)), (true, Revision(12)));
    cache.apply(None, &put(pod("a", "x", "web", "n2", "o", 13), None));
    assert_eq!(cache.revision(kind::NODES), Revision(13), "a joint feed is as far with every kind");
}

#[test]
fn kinds_with_feeds_of_their_own_lag_alone() {
    let mut cache = Cache::new(&Needs::new().of::<Pod>());
    cache.apply(Some(kind::PODS), &Event::Progress(Revision(5)));
    cache.apply(Some(kind::NODES), &Event::Progress(Revision(8)));
    assert_eq!((cache.revision(kind::PODS), cache.revision(kind::NODES)), (Revision(5), Revision(8)));
}

#[test]
#[should_panic(expected = "is not among the declared needs")]
fn an_undeclared_projection_is_a_mistake_of_the_program() {
    let cache = Cache::new(&Needs::new().of::<Pod>());
    let view: &dyn View = &cache;
    let _ = view.of::<Any>();
}

#[test]
fn a_projection_of_every_kind_finds_namespaces_in_each() {
    let mut table = Table::<Any>::default();
    table.put(&pod("a", "x", "web", "", "o", 1));
    table.put(&pod("b", "x", "web", "", "o", 2));
    let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
    let map = Object::encode(&info, &json!({"metadata": {"name": "m", "namespace": "a"}})).unwrap();
    table.put(&map.into());
    let names: Vec<_> = table.in_namespace("a").map(|row| row.object.key().to_string()).collect();
    assert_eq!(names, ["configmaps/a/m", "pods/a/x"]);
}

proptest! {
    /// Every way to look rows up agrees with a scan, after any changes.
    #[test]
    fn indexes_agree_with_a_scan(ops in prop::collection::vec((0..3_usize, 0..4_usize, 0..3_usize, 0..3_usize, 0..2_usize, any::<bool>()), 1..40)) {
        let (namespaces, names) = (["a", "b", "aa"], ["w", "x", "y", "z"]);
        let (apps, nodes, owners) = (["web", "db", ""], ["n1", "n2", ""], ["o1", "o2"]);
        let mut table = Table::<Pod>::default();
        let mut model: BTreeMap<Key, Live> = BTreeMap::new();
        for (at, (namespace, name, app, node, owner, delete)) in ops.into_iter().enumerate() {
            let live = pod(namespaces[namespace], names[name], apps[app], nodes[node], owners[owner], at as u64 + 1);
            let before = model.get(live.key()).map(|live| live.object().clone());
            if delete {
                let Some(before) = before else { continue };
                model.remove(before.key());
                table.apply(&Change::new(Revision(at as u64 + 1), None, Some(before)));
            } else {
                model.insert(live.key().clone(), live.clone());
                table.apply(&Change::new(live.revision(), Some(live), before));
            }
        }
        prop_assert_eq!(table.len(), model.len());
        let scan = |wanted: &dyn Fn(&Live) -> bool| -> Vec<Key> {
            model.values().filter(|live| wanted(live)).map(|live| live.key().clone()).collect()
        };
        for node in nodes {
            let found: Vec<_> = table.indexed("node", node).map(|row| row.object.key().clone()).collect();
            prop_assert_eq!(found, scan(&|live| live.field("spec.nodeName") == Some(node)));
        }
        for owner in owners {
            let found: Vec<_> = table.owned_by(owner).map(|row| row.object.key().clone()).collect();
            prop_assert_eq!(found, scan(&|live| live.header().owners.iter().any(|o| &*o.uid == owner)));
        }
        for namespace in namespaces {
            for query in ["app=web", "app!=web", ""] {
                let selector = query.parse::<Selector>().unwrap();
                let found: Vec<_> = table.selected(namespace, &selector).iter().map(|row| row.object.key().clone()).collect();
                let wanted = |live: &Live| &*live.key().namespace == namespace && selector.matches(|label| live.label(label));
                prop_assert_eq!(found, scan(&wanted), "{} in {}", query, namespace);
            }
        }
    }
}

#[test]
fn a_table_of_every_kind_is_found_by_kind_and_namespace() {
    let mut table = Table::<Any>::default();
    table.put(&pod("a", "x", "web", "", "o", 1));
    table.put(&pod("b", "x", "web", "", "o", 2));
    let lease = json!({"metadata": {"name": "l", "namespace": "a"}});
    let lease = Object::encode(&Registry::built_in().get(kind::LEASES).unwrap(), &lease).unwrap();
    table.put(&lease.clone().into());
    let names = |kind, namespace| {
        table.of_kind(kind, namespace).map(|row| row.object.key().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(kind::PODS, "a"), ["pods/a/x"]);
    assert_eq!(names(kind::LEASES, "a"), ["leases.coordination.k8s.io/a/l"]);
    assert!(names(kind::LEASES, "b").is_empty());
    assert_eq!(table.in_namespace("a").count(), 2);
    table.apply(&Change::new(Revision(3), None, Some(lease)));
    assert_eq!(table.in_namespace("a").count(), 1, "a kind without rows is forgotten");
}

#[test]
fn the_slowest_feed_says_how_far_the_whole_view_is() {
    let mut cache = Cache::new(&Needs::new().of::<Any>());
    cache.apply(Some(kind::PODS), &Event::Progress(Revision(5)));
    cache.apply(Some(kind::NODES), &Event::Progress(Revision(8)));
    assert_eq!(cache.behind(Revision(5)), None);
    assert_eq!(cache.behind(Revision(6)), Some(kind::PODS));
    let mut joint = Cache::new(&Needs::new().of::<Any>());
    joint.apply(None, &Event::Progress(Revision(5)));
    assert_eq!(joint.behind(Revision(5)), None);
    assert!(joint.behind(Revision(6)).is_some_and(|kind| joint.revision(kind) == Revision(5)));
}

#[test]
fn facts_remember_when_they_were_seen_to_change() {
    struct Seen(String, jiff::Timestamp);
    impl Projection for Seen {
        fn kind() -> Option<Kind> {
            Some(kind::PODS)
        }

        fn project(object: &Live) -> Self {
            Self(
                object.tree()["spec"]["nodeName"].as_str().unwrap_or_default().to_owned(),
                jiff::Timestamp::default(),
            )
        }

        fn remember(&mut self, before: Option<&Self>, now: jiff::Timestamp) {
            self.1 = before.filter(|before| before.0 == self.0).map_or(now, |before| before.1);
        }
    }
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let mut cache = Cache::new(&Needs::new().of::<Seen>());
    for (second, node, seen) in [(10, "n1", 10), (20, "n1", 10), (30, "n2", 30)] {
        cache.set_now(at(second));
        cache.apply(None, &put(pod("a", "x", "web", node, "o", 1), None));
        let view: &dyn View = &cache;
        assert_eq!(view.of::<Seen>().iter().next().map(|row| row.facts.1), Some(at(seen)));
    }
}
