//! Rules of the table and of pods.

use orch_core::{Registry, kind};
use serde_json::{Value, json};

use super::qos::qos_class;
use super::*;

#[test]
fn every_kind_of_kubernetes_has_a_row_and_a_type() {
    let registry = Registry::built_in();
    for info in registry.kinds() {
        let strategy = Strategy::of(&info);
        assert!(strategy.ty.is_some(), "{}", info.kind);
        assert!(!std::ptr::eq(strategy.row, &raw const CUSTOM), "{}", info.kind);
        assert_eq!(strategy.part("status").is_some(), info.has(Subresource::Status), "{}", info.kind);
    }
    let custom = orch_core::KindInfo::new(
        orch_core::Kind::named("shop.example", "widgets"),
        "v1",
        "Widget",
        orch_core::Scope::Namespaced,
    );
    let strategy = Strategy::of(&custom);
    assert!(strategy.ty.is_none() && strategy.row.needs_revision());
    assert_eq!(strategy.row.generation, Generation::Content);
    assert!(Strategy::of(&registry.get(kind::LEASES).unwrap()).row.creates_on_update());
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn qos(containers: Value, expected: &str) {
    let spec: Tree = serde_json::from_value(json!({"containers": containers})).unwrap();
    assert_eq!(qos_class(&spec), expected);
}

#[test]
fn the_quality_of_service_follows_from_the_resources() {
    qos(json!([{"name": "a"}]), "BestEffort");
    qos(json!([{"resources": {"requests": {"cpu": "0"}}}]), "BestEffort");
    qos(json!([{"resources": {"requests": {"cpu": "1"}}}]), "Burstable");
    let both = json!({"cpu": "1", "memory": "1Gi"});
    qos(json!([{"resources": {"requests": both, "limits": both}}]), "Guaranteed");
    qos(
        json!([{"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": both}}]),
        "Guaranteed",
    );
    qos(json!([{"resources": {"requests": both, "limits": both}}, {}]), "Burstable");
    qos(json!([{"resources": {"limits": both}}]), "Burstable");
}

#[test]
fn label_keys_become_expressions_once() {
    let mut tree = json!({
        "metadata": {"labels": {"hash": "x"}},
        "spec": {"topologySpreadConstraints": [{"labelSelector": {}, "matchLabelKeys": ["hash", "absent"]}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"a": "b"}}, "mismatchLabelKeys": ["hash"]}]}}},
    });
    let fields = tree.as_object_mut().unwrap();
    pod::create(fields);
    pod::create(fields);
    assert_eq!(
        tree["spec"]["topologySpreadConstraints"][0]["labelSelector"],
        json!({"matchExpressions": [{"key": "hash", "operator": "In", "values": ["x"]}]})
    );
    let term =
        &tree["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(
        term["labelSelector"],
        json!({"matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "hash", "operator": "NotIn", "values": ["x"]}]})
    );
}

#[test]
fn the_time_of_a_volumes_phase_is_that_of_its_change() {
    let info = Registry::built_in().get(kind::PERSISTENT_VOLUMES).unwrap();
    let row = Strategy::of(&info).row;
    let old: Tree =
        serde_json::from_value(json!({"phase": "Pending", "lastPhaseTransitionTime": "then"})).unwrap();
    for (phase, time) in [("Pending", "then"), ("Available", "now")] {
        let mut new = old.clone();
        new.put("phase", phase);
        (row.status)(&mut new, &|field| old.get(field).cloned(), "now");
        assert_eq!(new["lastPhaseTransitionTime"], time, "{phase}");
    }
}
