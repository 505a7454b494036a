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

/// What a row of that kind does to a new object, and to a changed one.
fn row_of(kind: orch_core::Kind) -> &'static Row {
    Strategy::of(&Registry::built_in().get(kind).unwrap()).row
}

#[test]
fn a_job_selects_its_pods_by_its_uid() {
    let create = row_of(kind::JOBS).create;
    let job = |patch: Value| {
        let mut tree = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"template": {"metadata": {"labels": {"x": "y"}}}}});
        crate::merge_patch(&mut tree, &patch);
        create(tree.as_object_mut().unwrap());
        tree
    };
    let made = job(json!({}));
    let labels = json!({"x": "y", "job-name": "a", "controller-uid": "u", "batch.kubernetes.io/job-name": "a",
        "batch.kubernetes.io/controller-uid": "u"});
    assert_eq!(made["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(made["metadata"]["labels"], labels);
    assert_eq!(made["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
    let own = job(json!({"metadata": {"labels": {"z": "1"}}}));
    assert_eq!(own["metadata"]["labels"], json!({"z": "1"}));
    let manual = json!({"spec": {"manualSelector": true, "selector": {"matchLabels": {"x": "y"}}}});
    assert_eq!(job(manual)["spec"]["template"]["metadata"]["labels"], json!({"x": "y"}));
}

#[test]
fn templates_of_daemon_sets_are_counted() {
    let row = row_of(kind::DAEMON_SETS);
    let count =
        |tree: &Value| tree["metadata"]["annotations"]["deprecated.daemonset.template.generation"].clone();
    let mut old = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": {"x": 1}}}});
    (row.create)(old.as_object_mut().unwrap());
    assert_eq!(count(&old), "1");
    let mut same = old.clone();
    same["spec"]["minReadySeconds"] = 3.into();
    (row.update)(same.as_object_mut().unwrap(), old.as_object().unwrap());
    assert_eq!(count(&same), "1");
    let mut new = old.clone();
    new["spec"]["template"]["spec"]["x"] = 2.into();
    (row.update)(new.as_object_mut().unwrap(), old.as_object().unwrap());
    assert_eq!(count(&new), "2");
}

#[test]
fn whoever_issues_certificates_does_not_approve_them() {
    let row = row_of(kind::CERTIFICATE_SIGNING_REQUESTS);
    let condition = |kind: &str, at: &str| json!({"type": kind, "status": "True", "lastUpdateTime": at, "lastTransitionTime": at});
    let old = |field: &str| (field == "conditions").then(|| json!([condition("Approved", "t0")]));
    let written = |status: Value| {
        let mut status = status;
        (row.status)(status.as_object_mut().unwrap(), &old, "t1");
        status["conditions"].take()
    };
    let changed = json!({"type": "Approved", "status": "True", "message": "mine"});
    let failed = json!({"type": "Failed", "status": "True"});
    assert_eq!(
        written(json!({"conditions": [failed, changed]})),
        json!([condition("Failed", "t1"), condition("Approved", "t0")])
    );
    // What is added or taken away is for the rules to refuse.
    assert_eq!(written(json!({"conditions": [failed]})), json!([condition("Failed", "t1")]));
    let denied = json!({"type": "Denied", "status": "True"});
    let both = written(json!({"conditions": [changed, denied]}));
    assert_eq!(both, json!([condition("Approved", "t0"), condition("Denied", "t1")]));

    let before = json!({"certificate": "YQ==", "conditions": [condition("Approved", "t0")]});
    let mut status = json!({"certificate": "Yg==", "conditions": [changed, failed]});
    approve(status.as_object_mut().unwrap(), &before, "t1");
    let approved = json!({"type": "Approved", "status": "True", "message": "mine", "lastUpdateTime": "t1", "lastTransitionTime": "t0"});
    assert_eq!(status, json!({"certificate": "YQ==", "conditions": [approved, condition("Failed", "t1")]}));
}

#[test]
fn a_definition_remembers_what_it_stored() {
    let row = row_of(kind::CUSTOM_RESOURCE_DEFINITIONS);
    let version = |name: &str, storage: bool| json!({"name": name, "storage": storage});
    let old = json!({"spec": {"versions": [version("v1", true)]}, "status": {"storedVersions": ["v1"]}});
    let mut new = old.clone();
    new["spec"]["versions"] = json!([version("v1", false), version("v2", true)]);
    (row.update)(new.as_object_mut().unwrap(), old.as_object().unwrap());
    assert_eq!(new["status"]["storedVersions"], json!(["v1", "v2"]));
    let status = (row.initial_status)(new.as_object().unwrap(), "t").unwrap();
    assert_eq!(status["storedVersions"], json!(["v2"]));
}
