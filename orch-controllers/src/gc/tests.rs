use orch_core::Registry;
use serde_json::{Value, json};

use super::*;
use crate::by_hand::{ByHand, body, lines, notes};

fn collector() -> GarbageCollector {
    let registry = Registry::built_in();
    GarbageCollector::new(move |api_version, kind| registry.by_api_version(api_version, kind))
}

fn world() -> ByHand<GarbageCollector> {
    ByHand::new(collector())
}

fn owner(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "shop"}})
}

fn reference(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": format!("{name}-uid"),
        "blockOwnerDeletion": true})
}

fn pod(owners: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "ownerReferences": owners}})
}

fn dying(mut object: Value, finalizer: &str) -> Value {
    object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    object["metadata"]["finalizers"] = json!([finalizer, "other/one"]);
    object
}

fn key() -> Key {
    Key::new(kind::PODS, "shop", "p")
}

fn owner_key(name: &str) -> Key {
    Key::new(kind::REPLICA_SETS, "shop", name)
}

/// What becomes of a pod with these owners among these objects.
#[track_caller]
fn check(objects: &[Value], owners: &[Value], expected: &[&str]) -> Plan {
    let mut world = world();
    objects.iter().for_each(|object| _ = world.put(object.clone()));
    world.put(pod(owners));
    let plan = world.plan(&key());
    assert_eq!(lines(&plan), expected);
    for write in &plan.writes {
        assert_eq!(write.precondition.uid.as_deref(), Some("p-uid"));
        assert_eq!(write.precondition.revision, Some(world.object(&key()).revision()));
    }
    plan
}

#[test]
fn an_object_without_owners_or_with_one_that_exists_stays() {
    check(&[], &[], &[]);
    check(&[owner("a")], &[reference("a")], &[]);
}

#[test]
fn an_object_whose_owners_are_gone_is_deleted_in_the_background() {
    check(&[], &[reference("a")], &["delete pods/shop/p Background"]);
    check(&[], &[reference("a"), reference("b")], &["delete pods/shop/p Background"]);
}

#[test]
fn another_object_of_the_owners_name_or_in_another_namespace_is_not_the_owner() {
    let mut other = owner("a");
    other["metadata"]["uid"] = "another".into();
    check(&[other], &[reference("a")], &["delete pods/shop/p Background"]);
    let mut elsewhere = owner("a");
    elsewhere["metadata"]["namespace"] = "other".into();
    check(&[elsewhere], &[reference("a")], &["delete pods/shop/p Background"]);
    let mut wrong_kind = reference("a");
    wrong_kind["kind"] = "Deployment".into();
    check(&[owner("a")], &[wrong_kind], &["delete pods/shop/p Background"]);
}

#[test]
fn an_owner_of_an_unknown_kind_may_exist() {
    let mut unknown = reference("a");
    unknown["apiVersion"] = "shop.example/v1".into();
    check(&[], &[unknown.clone()], &[]);
    check(&[], &[unknown, reference("b")], &[]);
}

#[test]
fn dangling_references_beside_an_owner_that_exists_are_removed() {
    let plan = check(&[owner("a")], &[reference("a"), reference("b")], &["merge pods/shop/p"]);
    assert_eq!(body(&plan.writes[0])["metadata"]["ownerReferences"], json!([reference("a")]));
}

#[test]
fn an_owner_that_waits_is_let_go_by_an_object_that_stays() {
    let waiting = dying(owner("b"), FOREGROUND);
    let plan = check(&[owner("a"), waiting], &[reference("a"), reference("b")], &["merge pods/shop/p"]);
    assert_eq!(body(&plan.writes[0])["metadata"]["ownerReferences"], json!([reference("a")]));
}

#[test]
fn dependents_of_an_owner_in_foreground_deletion_go_first() {
    let mut world = world();
    world.put(owner("a"));
    world.put(pod(&[reference("a")]));
    assert_eq!(world.put(dying(owner("a"), FOREGROUND)), [key(), owner_key("a")]);
    assert!(world.plan(&owner_key("a")).is_empty(), "it waits");
    assert_eq!(lines(&world.plan(&key())), ["delete pods/shop/p Background"]);
    assert_eq!(world.remove(&key()), [owner_key("a")]);
    let plan = world.plan(&owner_key("a"));
    assert_eq!(lines(&plan), ["merge replicasets.apps/shop/a"]);
    assert_eq!(body(&plan.writes[0])["metadata"]["finalizers"], json!(["other/one"]));
}

#[test]
fn a_dependent_that_does_not_block_is_not_waited_for() {
    let mut world = world();
    let mut free = reference("a");
    free["blockOwnerDeletion"] = false.into();
    world.put(pod(&[free]));
    world.put(dying(owner("a"), FOREGROUND));
    assert_eq!(lines(&world.plan(&owner_key("a"))), ["merge replicasets.apps/shop/a"]);
}

#[test]
fn a_dependent_with_dependents_goes_in_the_foreground_too() {
    let mut world = world();
    world.put(dying(owner("a"), FOREGROUND));
    let mut middle = owner("b");
    middle["metadata"]["ownerReferences"] = json!([reference("a")]);
    world.put(middle);
    world.put(pod(&[reference("b")]));
    assert_eq!(lines(&world.plan(&owner_key("b"))), ["delete replicasets.apps/shop/b Foreground"]);
    assert!(world.plan(&key()).is_empty(), "its own owner does not wait yet");
}

#[test]
fn a_circle_in_foreground_deletion_is_cut() {
    let mut world = world();
    let mut one = dying(owner("a"), FOREGROUND);
    one["metadata"]["ownerReferences"] = json!([reference("b")]);
    let mut two = owner("b");
    two["metadata"]["ownerReferences"] = json!([reference("a")]);
    world.put(one);
    world.put(two.clone());
    let plan = world.plan(&owner_key("b"));
    assert_eq!(lines(&plan), ["merge replicasets.apps/shop/b"]);
    assert_eq!(body(&plan.writes[0])["metadata"]["ownerReferences"][0]["blockOwnerDeletion"], false);
    two["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = false.into();
    world.put(two);
    assert_eq!(lines(&world.plan(&owner_key("b"))), ["delete replicasets.apps/shop/b Foreground"]);
}

#[test]
fn orphans_lose_the_owner_before_it_goes() {
    let mut world = world();
    world.put(owner("a"));
    world.put(pod(&[reference("a"), reference("gone")]));
    world.put(dying(owner("a"), ORPHAN));
    assert!(world.plan(&owner_key("a")).is_empty(), "it waits");
    let plan = world.plan(&key());
    assert_eq!(body(&plan.writes[0])["metadata"]["ownerReferences"], json!([reference("gone")]));
    assert_eq!(world.put(pod(&[])), [key(), owner_key("a")]);
    assert_eq!(body(&world.plan(&owner_key("a")).writes[0])["metadata"]["finalizers"], json!(["other/one"]));
}

#[test]
fn an_orphan_that_terminates_is_let_go_too() {
    let mut pod = pod(&[reference("a")]);
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    let mut world = world();
    world.put(dying(owner("a"), ORPHAN));
    world.put(pod);
    assert_eq!(lines(&world.plan(&key())), ["merge pods/shop/p"]);
}

#[test]
fn what_terminates_already_is_left_alone() {
    let mut world = world();
    let mut dead = pod(&[reference("a")]);
    dead["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    world.put(dead);
    assert!(world.plan(&key()).is_empty());
}

#[test]
fn an_owner_in_a_namespace_cannot_own_what_stands_in_none() {
    let mut world = world();
    world.put(json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n", "ownerReferences": [reference("a")]}}));
    let plan = world.plan(&Key::cluster(kind::NODES, "n"));
    assert!(plan.writes.is_empty());
    assert_eq!(&*notes(&plan)[0].0, "OwnerRefInvalidNamespace");
}

#[test]
fn a_cluster_scoped_owner_owns_in_every_namespace() {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    let owners = [json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n-uid"})];
    check(&[node], &owners, &[]);
    check(&[], &owners, &["delete pods/shop/p Background"]);
}

#[test]
fn a_finalizer_on_the_dependent_decides_how_it_goes() {
    for (finalizer, propagation) in [(ORPHAN, "Orphan"), (FOREGROUND, "Foreground"), ("x/y", "Background")] {
        let mut world = world();
        let mut held = pod(&[reference("a")]);
        held["metadata"]["finalizers"] = json!([finalizer]);
        world.put(held);
        assert_eq!(lines(&world.plan(&key())), [format!("delete pods/shop/p {propagation}")]);
    }
}

#[test]
fn changes_of_status_concern_nobody() {
    let mut world = world();
    world.put(owner("a"));
    world.put(pod(&[reference("a")]));
    let mut running = pod(&[reference("a")]);
    running["status"] = json!({"phase": "Running"});
    assert!(world.put(running).is_empty());
}

mod per_kind {
    use orch_core::view::Cache;
    use orch_core::{Event, Live};

    use super::*;

    fn put(cache: &mut Cache, tree: &Value, revision: u64) {
        let info = Registry::built_in()
            .by_api_version(tree["apiVersion"].as_str().unwrap(), tree["kind"].as_str().unwrap())
            .unwrap();
        let mut tree = tree.clone();
        tree["metadata"]["uid"] = format!("{}-uid", tree["metadata"]["name"].as_str().unwrap()).into();
        let live = Live::from(Object::encode(&info, &tree).unwrap().at(Revision(revision)));
        let change = Change::new(Revision(revision), Some(live), None);
        cache.apply(Some(info.kind), &Event::Changed(Arc::new(change)));
    }

    fn progress(cache: &mut Cache, kind: Kind, revision: u64) {
        cache.apply(Some(kind), &Event::Progress(Revision(revision)));
    }

    fn plan(cache: &Cache, key: &Key) -> Plan {
        let collector = collector();
        collector
            .observe(key, crate::by_hand::START, cache)
            .map(|seen| collector.plan(&seen))
            .unwrap_or_default()
    }

    #[test]
    fn an_owner_is_absent_only_in_a_view_of_its_kind_as_new_as_the_dependent() {
        let mut cache = Cache::new(&collector().needs());
        progress(&mut cache, kind::REPLICA_SETS, 5);
        progress(&mut cache, kind::PODS, 9);
        put(&mut cache, &pod(&[reference("a")]), 9);
        assert_eq!(plan(&cache, &key()), Plan::new().when_seen(kind::REPLICA_SETS, Revision(9)));
        progress(&mut cache, kind::REPLICA_SETS, 9);
        assert_eq!(lines(&plan(&cache, &key())), ["delete pods/shop/p Background"]);
    }

    #[test]
    fn the_absence_of_dependents_is_proven_too() {
        for finalizer in [FOREGROUND, ORPHAN] {
            let mut cache = Cache::new(&collector().needs());
            progress(&mut cache, kind::REPLICA_SETS, 8);
            progress(&mut cache, kind::PODS, 8);
            put(&mut cache, &dying(owner("a"), finalizer), 9);
            assert_eq!(plan(&cache, &owner_key("a")), Plan::new().when_seen(kind::PODS, Revision(9)));
            put(&mut cache, &pod(&[reference("a")]), 9);
            assert!(plan(&cache, &owner_key("a")).is_empty(), "there is one after all");
        }
    }

    #[test]
    fn an_owner_of_a_kind_that_is_not_followed_may_exist() {
        let mut cache = Cache::new(&collector().needs());
        progress(&mut cache, kind::PODS, 9);
        put(&mut cache, &pod(&[reference("a")]), 9);
        assert!(plan(&cache, &key()).is_empty());
    }
}
