#![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

use serde_json::{Value, json};

use super::*;
use crate::by_hand::{ByHand, body, lines};

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "labels": {"team": "a"}},
        "spec": {"clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"], "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]}})
}

fn pod(name: &str, ip: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {ZONE: "z1"}}})
}

fn key() -> Key {
    Key::new(kind::SERVICES, "shop", "web")
}

fn world() -> ByHand<EndpointSliceController> {
    let mut world = ByHand::new(EndpointSliceController);
    world.put(service());
    world.put(node());
    world
}

/// The slice that a plan of one create makes.
#[track_caller]
fn created(world: &ByHand<EndpointSliceController>) -> Value {
    let plan = world.plan(&key());
    assert_eq!(plan.writes.len(), 1, "{:?}", lines(&plan));
    assert!(lines(&plan)[0].starts_with("create endpointslices"));
    body(&plan.writes[0])
}

#[track_caller]
fn check(change: impl Fn(&mut Value, &mut Value), expected: Value) {
    let mut world = ByHand::new(EndpointSliceController);
    world.put(node());
    let (mut service, mut pod) = (service(), pod("a", "10.1.0.1"));
    change(&mut service, &mut pod);
    world.put(service);
    world.put(pod);
    assert_eq!(created(&world)["endpoints"], expected);
}

fn conditions(ready: bool, serving: bool, terminating: bool) -> Value {
    json!({"ready": ready, "serving": serving, "terminating": terminating})
}

fn endpoint(name: &str, ip: &str, conditions: &Value) -> Value {
    json!({"addresses": [ip], "conditions": conditions, "nodeName": "n1", "zone": "z1",
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": name, "uid": format!("{name}-uid")}})
}

#[test]
fn a_ready_pod_is_an_endpoint() {
    let mut world = world();
    assert_eq!(world.put(pod("a", "10.1.0.1")), [key()]);
    let slice = created(&world);
    assert_eq!(slice["endpoints"], json!([endpoint("a", "10.1.0.1", &conditions(true, true, false))]));
    assert_eq!(slice["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    assert_eq!(slice["addressType"], "IPv4");
    assert_eq!(
        slice["metadata"]["labels"],
        json!({"team": "a", "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"})
    );
    assert_eq!(slice["metadata"]["ownerReferences"][0]["uid"], "web-uid");
}

#[test]
fn conditions_say_ready_serving_terminating() {
    let unready = |pod: &mut Value| pod["status"]["conditions"][0]["status"] = "False".into();
    let terminating = |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    check(|_, pod| unready(pod), json!([endpoint("a", "10.1.0.1", &conditions(false, false, false))]));
    check(|_, pod| terminating(pod), json!([endpoint("a", "10.1.0.1", &conditions(false, true, true))]));
    let publish = |service: &mut Value| service["spec"]["publishNotReadyAddresses"] = true.into();
    check(
        |service, pod| {
            publish(service);
            unready(pod);
        },
        json!([endpoint("a", "10.1.0.1", &conditions(true, false, false))]),
    );
}

#[test]
fn pods_that_ended_or_have_no_address_or_another_family_are_no_endpoints() {
    check(|_, pod| pod["status"]["phase"] = "Failed".into(), json!([]));
    check(|_, pod| pod["status"]["phase"] = "Succeeded".into(), json!([]));
    check(|_, pod| pod["status"] = json!({"phase": "Pending"}), json!([]));
    check(|_, pod| pod["status"]["podIPs"] = json!([{"ip": "fd00::1"}]), json!([]));
    check(|_, pod| pod["metadata"]["labels"] = json!({"app": "other"}), json!([]));
    check(|_, pod| pod["spec"]["nodeName"] = "gone".into(), json!([]));
}

#[test]
fn a_pod_of_the_services_subdomain_has_its_hostname() {
    let mut expected = endpoint("a", "10.1.0.1", &conditions(true, true, false));
    expected["hostname"] = "a-0".into();
    let named = |pod: &mut Value, subdomain: &str| {
        pod["spec"]["hostname"] = "a-0".into();
        pod["spec"]["subdomain"] = subdomain.into();
    };
    check(|_, pod| named(pod, "web"), json!([expected]));
    check(|_, pod| named(pod, "db"), json!([endpoint("a", "10.1.0.1", &conditions(true, true, false))]));
}

#[test]
fn services_without_a_selector_are_not_touched() {
    for change in [json!({"selector": null}), json!({"selector": {}}), json!({"type": "ExternalName"})] {
        let mut world = world();
        let mut service = service();
        for (field, value) in change.as_object().unwrap() {
            service["spec"][field] = value.clone();
        }
        world.put(service);
        world.put(pod("a", "10.1.0.1"));
        assert!(world.plan(&key()).is_empty(), "{change}");
    }
}

/// Puts what a plan creates into the view.
fn take_in(world: &mut ByHand<EndpointSliceController>) {
    for write in world.plan(&key()).writes {
        assert!(matches!(write.verb, orch_core::Verb::Create(_)), "{}", crate::by_hand::line(&write));
        world.put(body(&write));
    }
}

#[test]
fn nothing_is_written_twice() {
    let mut world = world();
    world.put(pod("a", "10.1.0.1"));
    take_in(&mut world);
    assert!(world.plan(&key()).is_empty());
}

#[test]
fn a_service_without_pods_has_one_empty_slice() {
    let mut world = world();
    assert_eq!(created(&world)["ports"], json!([]));
    take_in(&mut world);
    assert!(world.plan(&key()).is_empty());
    world.put(pod("a", "10.1.0.1"));
    let plan = world.plan(&key());
    assert_eq!(plan.writes.len(), 1, "the empty slice becomes the first one: {:?}", lines(&plan));
    assert_eq!(body(&plan.writes[0])["endpoints"][0]["addresses"], json!(["10.1.0.1"]));
    assert_eq!(body(&plan.writes[0])["ports"][0]["port"], 8080);
}

#[test]
fn slices_hold_a_hundred_and_only_those_that_must_change_are_written() {
    let mut world = world();
    let name = |at: usize| format!("p{at:03}");
    for at in 0..250 {
        world.put(pod(&name(at), &format!("10.1.0.{at}")));
    }
    let plan = world.plan(&key());
    let sizes: Vec<_> =
        plan.writes.iter().map(|write| body(write)["endpoints"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    take_in(&mut world);
    assert!(world.plan(&key()).is_empty());
    world.put(pod("new", "10.1.1.1"));
    let plan = world.plan(&key());
    assert_eq!(plan.writes.len(), 1, "{:?}", lines(&plan));
    assert_eq!(body(&plan.writes[0])["endpoints"].as_array().unwrap().len(), 51);
    let gone = Key::new(kind::PODS, "shop", name(0));
    assert_eq!(world.remove(&gone), [key()]);
    let plan = world.plan(&key());
    assert_eq!(plan.writes.len(), 1, "the room in the slice that changes is taken: {:?}", lines(&plan));
}

#[test]
fn a_pod_whose_labels_change_concerns_the_services_before_and_after() {
    let mut world = world();
    let mut other = service();
    other["metadata"]["name"] = "db".into();
    other["spec"]["selector"] = json!({"app": "db"});
    world.put(other);
    world.put(pod("a", "10.1.0.1"));
    let mut moved = pod("a", "10.1.0.1");
    moved["metadata"]["labels"]["app"] = "db".into();
    assert_eq!(world.put(moved), [Key::new(kind::SERVICES, "shop", "db"), key()]);
}

#[test]
fn changes_that_no_endpoint_shows_concern_nobody() {
    let mut world = world();
    world.put(pod("a", "10.1.0.1"));
    let mut same = pod("a", "10.1.0.1");
    same["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": 3}]);
    assert!(world.put(same).is_empty());
    let mut renewed = node();
    renewed["status"] = json!({"conditions": []});
    assert!(world.put(renewed).is_empty());
    let mut elsewhere = node();
    elsewhere["metadata"]["labels"][ZONE] = "z2".into();
    assert_eq!(world.put(elsewhere), [key()]);
}

#[test]
fn pods_with_other_numbers_of_a_named_port_stand_in_another_slice() {
    let mut world = world();
    world.put(pod("a", "10.1.0.1"));
    let mut other = pod("b", "10.1.0.2");
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 9090.into();
    world.put(other);
    let ports: Vec<_> =
        world.plan(&key()).writes.iter().map(|write| body(write)["ports"][0]["port"].clone()).collect();
    assert_eq!(ports, [json!(8080), json!(9090)]);
}

#[test]
fn slices_of_an_older_service_of_that_name_are_deleted() {
    let mut world = world();
    world.put(pod("a", "10.1.0.1"));
    take_in(&mut world);
    let mut service = service();
    service["metadata"]["uid"] = "another".into();
    world.put(service);
    let plan = lines(&world.plan(&key()));
    assert_eq!(plan.len(), 2, "{plan:?}");
    assert!(plan[0].starts_with("create") && plan[1].starts_with("delete"), "{plan:?}");
}

#[test]
fn a_terminating_service_gets_no_new_slices() {
    let mut world = world();
    let mut service = service();
    service["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    world.put(service);
    world.put(pod("a", "10.1.0.1"));
    assert!(world.plan(&key()).is_empty());
}

#[test]
fn labels_of_the_service_are_followed_without_touching_endpoints() {
    let mut world = world();
    world.put(pod("a", "10.1.0.1"));
    take_in(&mut world);
    let mut service = service();
    service["metadata"]["labels"] = json!({"tier": "x"});
    service["spec"]["clusterIP"] = "None".into();
    world.put(service);
    let plan = world.plan(&key());
    assert_eq!(
        body(&plan.writes[0]),
        json!({"metadata": {"labels": {"team": null, "tier": "x", "service.kubernetes.io/headless": ""}}})
    );
}
