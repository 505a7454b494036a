//! Scenarios of the EndpointSlice controller.

use std::collections::BTreeSet;

use orch_controllers::endpointslice::EndpointSliceController;
use orch_core::{Key, Live, Write, kind};
use serde_json::{Value, json};

use crate::kubelet::Act;
use crate::lane::{Decide, Make};
use crate::laws::{is_ready, same, text};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

const ALLOWED: &[Allowed] = &[
    Allowed::CreateOwned(kind::ENDPOINT_SLICES),
    Allowed::DeleteOwned(kind::ENDPOINT_SLICES),
    Allowed::Patch(kind::ENDPOINT_SLICES, &["metadata.labels", "ports", "endpoints"]),
];

fn controller() -> Box<dyn Decide> {
    Box::new(EndpointSliceController::default())
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}})
}

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
}

fn pod(name: &str, port: i64) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": port}]}]}})
}

fn key(name: &str) -> Key {
    Key::new(kind::PODS, "default", name)
}

fn address(name: &str, ip: &str) -> User {
    let patch = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
    User::Write(Write::merge_status(key(name), patch))
}

fn relabel(name: &str, app: &str) -> User {
    User::Write(Write::merge(key(name), json!({"metadata": {"labels": {"app": app}}})))
}

fn merge(patch: Value) -> User {
    User::Write(Write::merge(Key::new(kind::SERVICES, "default", "web"), patch))
}

/// The slices of others are left alone, and none overflows.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    for slice in transition.after.of(kind::ENDPOINT_SLICES) {
        let count = slice.tree()["endpoints"].as_array().map_or(0, Vec::len);
        if count > 100 {
            return Err(format!("{count} endpoints in a slice"));
        }
    }
    Ok(())
}

fn is_backend(pod: &Live) -> bool {
    let tree = pod.tree();
    let ended = matches!(text(&tree, "/status/phase"), "Failed" | "Succeeded");
    pod.label("app") == Some("web")
        && !ended
        && !text(&tree, "/status/podIP").is_empty()
        && pod.field("spec.nodeName") == Some("n1")
}

/// Address, port and readiness of each endpoint.
fn settled(truth: &Truth) -> Result<(), String> {
    let backends = truth.of(kind::PODS).filter(|pod| is_backend(pod)).map(|pod| {
        let tree = pod.tree();
        let port = tree["spec"]["containers"][0]["ports"][0]["containerPort"].as_i64();
        (text(&tree, "/status/podIP").to_owned(), port, is_ready(pod))
    });
    let wanted: BTreeSet<_> = backends.collect();
    let (mut served, mut count) = (BTreeSet::new(), 0);
    for slice in truth.controlled(&Key::new(kind::SERVICES, "default", "web"), kind::ENDPOINT_SLICES) {
        let tree = slice.tree();
        for endpoint in tree["endpoints"].as_array().into_iter().flatten() {
            count += 1;
            let address = endpoint["addresses"][0].as_str().unwrap_or_default().to_owned();
            served.insert((
                address,
                tree["ports"][0]["port"].as_i64(),
                endpoint["conditions"]["ready"] == true,
            ));
        }
    }
    same("each stands once", count, served.len())?;
    same("endpoints", served, wanted)
}

fn moving() -> Scenario {
    let objects = vec![
        service(),
        node(),
        pod("a", 8080),
        pod("b", 8080),
        pod("c", 9090),
        pod("d", 8080),
        pod("e", 9090),
    ];
    let edits = vec![
        address("a", "10.1.0.1"),
        address("b", "10.1.0.2"),
        address("c", "10.1.0.3"),
        relabel("a", "other"),
        address("d", "10.1.0.4"),
        User::DeletePod(1),
        relabel("a", "web"),
        address("e", "10.1.0.5"),
        merge(json!({"metadata": {"labels": {"team": "x"}}})),
        relabel("c", "other"),
        User::DeletePod(0),
    ];
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(controller, ALLOWED)];
    let acts = &[Act::Unready, Act::Fail];
    Scenario { objects, edits, controllers, acts, law, settled, remembers: true }
}

scenario! {
    /// Pods come, get addresses, move between ports and services, fail and go.
    endpoints_are_the_pods_behind_a_service = moving();
}
