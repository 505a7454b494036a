//! Allocation as a table and as a property: no address twice.

use orch_core::Env;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn allocator() -> (Allocator, impl Sized) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let env = {
        let _inside = runtime.enter();
        Env::simulated(1)
    };
    (Allocator::new("10.0.0.0/29".parse().unwrap(), env), runtime)
}

fn spec(value: Value) -> Tree {
    serde_json::from_value(value).unwrap()
}

fn message(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_address_is_given_once_and_again_when_free() {
    let (allocator, _runtime) = allocator();
    let mut ips = Vec::new();
    for _ in 0..6 {
        let mut service = spec(json!({"type": "ClusterIP"}));
        let claim = allocator.allocate(&mut service, None).unwrap();
        allocator.keep(&claim);
        ips.push(service["clusterIP"].as_str().unwrap().to_owned());
    }
    ips.sort();
    assert_eq!(ips, (1..=6).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>());
    let mut one_more = spec(json!({"type": "ClusterIP"}));
    let faults = allocator.allocate(&mut one_more, None).unwrap_err();
    assert!(message(&faults).contains("range is full"));
    let gone = spec(json!({"type": "ClusterIP", "clusterIP": "10.0.0.3", "clusterIPs": ["10.0.0.3"]}));
    allocator.keep(&Claim::giving_back(&gone));
    allocator.allocate(&mut one_more, None).unwrap();
    assert_eq!(one_more["clusterIPs"], json!(["10.0.0.3"]));
}

#[test]
fn what_is_asked_for_is_given_or_refused_in_kubernetes_words() {
    let (allocator, _runtime) = allocator();
    let ask = |ip: &str| spec(json!({"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip]}));
    let claim = allocator.allocate(&mut ask("10.0.0.2"), None).unwrap();
    assert_eq!(
        message(&allocator.allocate(&mut ask("10.0.0.2"), None).unwrap_err()),
        "spec.clusterIPs: Invalid value: [\"10.0.0.2\"]: failed to allocate IP 10.0.0.2: provided IP is already allocated"
    );
    allocator.abandon(&claim);
    allocator.allocate(&mut ask("10.0.0.2"), None).unwrap();
    assert_eq!(
        message(&allocator.allocate(&mut ask("8.8.8.8"), None).unwrap_err()),
        "spec.clusterIPs: Invalid value: [\"8.8.8.8\"]: failed to allocate IP 8.8.8.8: the provided network does not \
         match the current range"
    );
    let mut port = spec(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}));
    assert_eq!(
        message(&allocator.allocate(&mut port, None).unwrap_err()),
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is \
         30000-32767"
    );
}

#[test]
fn a_node_port_serves_two_protocols_of_one_service() {
    let (allocator, _runtime) = allocator();
    let both = json!([{"port": 53, "protocol": "TCP", "nodePort": 30053}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]);
    let mut dns = spec(json!({"type": "NodePort", "ports": both}));
    allocator.allocate(&mut dns, None).unwrap();
    let mut other = spec(json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30053}, {"port": 2}]}));
    let faults = allocator.allocate(&mut other, None).unwrap_err();
    assert_eq!(
        message(&faults),
        "spec.ports[0].nodePort: Invalid value: 30053: provided port is already allocated"
    );
    assert_eq!(allocator.pools().held(), (1, 1), "a refused service takes nothing");
}

#[test]
fn headless_and_external_services_have_no_address() {
    let (allocator, _runtime) = allocator();
    for mut service in [
        json!({"type": "ClusterIP", "clusterIP": "None", "selector": {"a": "b"}}),
        json!({"type": "ExternalName", "externalName": "e.com"}),
    ]
    .map(spec)
    {
        families(&mut service, allocator.family()).unwrap();
        allocator.allocate(&mut service, None).unwrap();
        assert_eq!(allocator.pools().held(), (0, 0));
    }
    let mut headless = spec(json!({"type": "ClusterIP", "clusterIP": "None"}));
    families(&mut headless, "IPv4").unwrap();
    assert_eq!(headless["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(headless["ipFamilyPolicy"], "RequireDualStack");
}

#[test]
fn a_family_that_the_cluster_does_not_have_is_refused() {
    let refused = |fields: Value| {
        let mut service = spec(fields);
        service.put("type", "ClusterIP");
        message(&families(&mut service, "IPv4").expect_err("another family"))
    };
    let dual = "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack \
                services";
    assert_eq!(refused(json!({"ipFamilyPolicy": "RequireDualStack"})), dual);
    assert_eq!(
        refused(json!({"ipFamilies": ["IPv6"]})),
        "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"
    );
    assert_eq!(
        refused(json!({"ipFamilies": ["IPv4", "IPv6"]})),
        "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when \
         multiple IP families are specified"
    );
    let both = refused(json!({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}));
    assert_eq!(
        both,
        format!("{dual}; spec.ipFamilies[1]: Invalid value: \"IPv6\": not configured on this cluster")
    );
    let mut prefers = spec(json!({"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack"}));
    families(&mut prefers, "IPv4").unwrap();
    assert_eq!(prefers["ipFamilies"], json!(["IPv4"]));
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let old = spec(json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]}));
    let mut new = spec(json!({"type": "NodePort", "ports": [{"name": "b", "port": 90},
        {"name": "a", "port": 80}, {"name": "c", "port": 82, "nodePort": 30001}]}));
    carry_over(&mut new, &old);
    assert_eq!((&new["clusterIP"], &new["clusterIPs"]), (&json!("10.0.0.1"), &json!(["10.0.0.1"])));
    assert_eq!(new["ports"][0]["nodePort"], 30002);
    assert!(new["ports"][1].get("nodePort").is_none(), "another port asks for it");
    let mut external = old.clone();
    external.put("type", "ExternalName");
    carry_over(&mut external, &old);
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        assert!(!external.contains_key(field), "{field}");
    }
    let mut inner = old.clone();
    inner.put("type", "ClusterIP");
    carry_over(&mut inner, &old);
    assert!(inner["ports"][0].get("nodePort").is_none() && !inner.contains_key("externalTrafficPolicy"));
    assert_eq!(inner["clusterIP"], "10.0.0.1");
}

proptest! {
    #[test]
    fn no_address_and_no_port_is_held_twice(steps in prop::collection::vec((0..4u8, 0..8usize), 0..60)) {
        let (allocator, _runtime) = allocator();
        let mut services: Vec<Tree> = Vec::new();
        for (step, at) in steps {
            match step {
                0 | 1 => {
                    let kind = if step == 0 { "ClusterIP" } else { "NodePort" };
                    let mut service = spec(json!({"type": kind, "ports": [{"port": 80}]}));
                    if let Ok(claim) = allocator.allocate(&mut service, None) {
                        if at % 4 == 0 {
                            allocator.abandon(&claim);
                        } else {
                            allocator.keep(&claim);
                            services.push(service);
                        }
                    }
                }
                2 if !services.is_empty() => {
                    let gone = services.remove(at % services.len());
                    allocator.keep(&Claim::giving_back(&gone));
                }
                3 if !services.is_empty() => {
                    let at = at % services.len();
                    let mut external = spec(json!({"type": "ExternalName", "externalName": "e.com"}));
                    carry_over(&mut external, &services[at]);
                    let claim = allocator.allocate(&mut external, Some(&services[at])).unwrap();
                    allocator.keep(&claim);
                    services.remove(at);
                }
                _ => {}
            }
        }
        let held: Vec<Held> = services.iter().map(Held::of).collect();
        let ips: std::collections::BTreeSet<_> = held.iter().flat_map(|held| &held.ips).collect();
        prop_assert_eq!(ips.len(), services.len());
        let ports = held.iter().map(|held| held.ports.len()).sum();
        prop_assert_eq!(allocator.pools().held(), (services.len(), ports));
    }
}
