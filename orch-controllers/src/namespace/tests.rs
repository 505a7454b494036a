use serde_json::{Value, json};

use super::*;
use crate::by_hand::{ByHand, body, lines};

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"a": "b"}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"finalizers": ["kubernetes", "other"]}, "status": {"phase": "Terminating"}})
}

fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}})
}

fn terminating(mut object: Value, finalizers: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    object["metadata"]["finalizers"] = finalizers;
    object
}

fn key() -> Key {
    Key::cluster(kind::NAMESPACES, "shop")
}

fn world() -> ByHand<NamespaceController> {
    let mut world = ByHand::new(NamespaceController);
    assert_eq!(world.put(namespace()), [key()]);
    world
}

#[test]
fn an_empty_namespace_is_let_go_through_finalize() {
    let world = world();
    let plan = world.plan(&key());
    assert_eq!(lines(&plan), ["update namespaces/shop finalize"]);
    assert_eq!(body(&plan.writes[0])["spec"]["finalizers"], json!(["other"]));
    assert_eq!(body(&plan.writes[0])["metadata"]["labels"], json!({"a": "b"}), "the rest stays");
    assert_eq!(plan.writes[0].precondition.revision, Some(world.object(&key()).revision()));
}

#[test]
fn a_namespace_that_does_not_terminate_or_is_let_go_already_is_left_alone() {
    let mut world = world();
    let mut done = namespace();
    done["spec"]["finalizers"] = json!(["other"]);
    world.put(done);
    assert!(world.plan(&key()).is_empty());
    let mut alive = namespace();
    alive["metadata"]["deletionTimestamp"] = Value::Null;
    assert!(world.put(alive).is_empty());
    assert!(world.plan(&key()).is_empty());
}

#[test]
fn pods_go_first_and_with_their_own_grace() {
    let mut world = world();
    assert_eq!(world.put(object("v1", "ConfigMap", "c")), [key()]);
    assert_eq!(world.put(object("v1", "Pod", "p")), [key()]);
    assert_eq!(lines(&world.plan(&key())), ["delete pods/shop/p Background"]);
    world.put(terminating(object("v1", "Pod", "p"), json!(["x/y"])));
    let plan = world.plan(&key());
    assert_eq!(lines(&plan), ["merge namespaces/shop status"], "it waits for the pod and says so");
    let conditions = body(&plan.writes[0])["status"]["conditions"].clone();
    let of =
        |kind: &str| conditions.as_array().unwrap().iter().find(|one| one["type"] == kind).unwrap().clone();
    assert_eq!(
        of("NamespaceContentRemaining")["message"],
        "Some resources are remaining: pods. has 1 resource instances"
    );
    assert_eq!(
        of("NamespaceFinalizersRemaining")["message"],
        "Some content in the namespace has finalizers remaining: x/y in 1 resource instances"
    );
    assert_eq!(of("NamespaceDeletionContentFailure")["status"], "False");
    let mut told = namespace();
    told["status"]["conditions"] = conditions;
    world.put(told);
    assert!(world.plan(&key()).is_empty(), "told once");
    assert_eq!(world.remove(&Key::new(kind::PODS, "shop", "p")), [key()]);
    let plan = world.plan(&key());
    assert_eq!(lines(&plan), ["delete configmaps/shop/c Background", "merge namespaces/shop status"]);
}

#[test]
fn every_kind_is_covered_and_other_namespaces_are_not() {
    let mut world = world();
    let widgets = Kind::named("shop.example", "widgets");
    world.register(widgets, "v1", "Widget", orch_core::Scope::Namespaced);
    world.put(object("shop.example/v1", "Widget", "w"));
    world.put(object("v1", "Event", "e"));
    let mut elsewhere = object("v1", "ConfigMap", "c");
    elsewhere["metadata"]["namespace"] = "other".into();
    assert!(world.put(elsewhere).is_empty());
    assert_eq!(
        lines(&world.plan(&key())),
        ["delete events/shop/e Background", "delete widgets.shop.example/shop/w Background"]
    );
}

#[test]
fn deletions_are_bounded_and_go_on() {
    let mut world = world();
    for at in 0..=BURST {
        world.put(object("v1", "ConfigMap", &format!("c{at:04}")));
    }
    let plan = world.plan(&key());
    assert_eq!((plan.writes.len(), plan.again_after), (BURST, Some(std::time::Duration::ZERO)));
}

#[test]
fn a_view_that_is_behind_lets_nothing_go() {
    use orch_core::view::Cache;
    use orch_core::{Event, Live, Registry};
    use std::sync::Arc;
    let info = Registry::built_in().get(kind::NAMESPACES).unwrap();
    let object = Object::encode(&info, &namespace()).unwrap().at(Revision(9));
    let mut cache = Cache::new(&NamespaceController.needs());
    cache.apply(
        Some(kind::NAMESPACES),
        &Event::Changed(Arc::new(Change::new(Revision(9), Some(Live::from(object)), None))),
    );
    cache.apply(Some(kind::NAMESPACES), &Event::Progress(Revision(9)));
    cache.apply(Some(kind::PODS), &Event::Progress(Revision(8)));
    let plan = |cache: &Cache| {
        let observed = NamespaceController.observe(&key(), crate::by_hand::START, cache).unwrap();
        NamespaceController.plan(&observed)
    };
    assert_eq!(plan(&cache), Plan::new().when_seen(kind::PODS, Revision(9)));
    cache.apply(Some(kind::PODS), &Event::Progress(Revision(9)));
    assert_eq!(lines(&plan(&cache)), ["update namespaces/shop finalize"]);
}
