//! Defaults of the kinds that came later. What a running server answered is replayed in `local::tests::kinds`; here are the
//! branches that those objects do not take.

use serde_json::{Value, json};

use super::super::{batch, extension, network};
use super::check;
use crate::tree::Tree;

/// Every function of these kinds.
pub(super) const ALL: &[fn(&mut Tree)] = &[
    batch::job,
    batch::cron_job,
    batch::daemon_set,
    batch::daemon_set_status,
    batch::replication_controller,
    batch::pod_template,
    batch::limit_range,
    batch::resource_quota,
    batch::endpoints,
    batch::autoscaler,
    batch::autoscaler_status,
    batch::disruption_budget,
    network::ingress,
    network::ingress_class,
    network::network_policy,
    network::role,
    network::role_binding,
    network::spec,
    extension::csi_driver,
    extension::csi_node,
    extension::volume_attachment,
    extension::validating_webhooks,
    extension::mutating_webhooks,
    extension::admission_policy,
    extension::admission_policy_binding,
    extension::flow_schema,
    extension::priority_level,
    extension::resource_claim,
    extension::resource_claim_template,
    extension::resource_slice,
    extension::custom_resource_definition,
    extension::definition_status,
    extension::api_service,
];

/// The spec after the defaults.
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn spec(defaults: fn(&mut Tree), spec: Value) -> Value {
    let mut tree: Tree = serde_json::from_value(json!({"spec": spec})).unwrap();
    defaults(&mut tree);
    tree["spec"].take()
}

#[test]
fn a_job_runs_once_unless_it_says_how_wide() {
    let job = |patch: Value| spec(batch::job, patch);
    assert_eq!(job(json!({}))["completions"], 1);
    let wide = job(json!({"parallelism": 3}));
    assert_eq!((&wide["completions"], &wide["parallelism"]), (&Value::Null, &json!(3)));
    let queue = job(json!({"completions": 5}));
    assert_eq!((&queue["completions"], &queue["parallelism"]), (&json!(5), &json!(1)));
    assert_eq!(job(json!({"backoffLimitPerIndex": 1}))["backoffLimit"], 2_147_483_647);
    let failure = json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]});
    let policy = job(json!({"podFailurePolicy": failure}));
    assert_eq!(policy["podReplacementPolicy"], "Failed");
    assert_eq!(policy["podFailurePolicy"]["rules"][0]["onPodConditions"][0]["status"], "True");
}

#[test]
fn a_daemon_set_that_waits_has_no_pace() {
    let strategy = |strategy: Value| {
        let spec = spec(batch::daemon_set, json!({"updateStrategy": strategy}));
        spec["updateStrategy"].clone()
    };
    assert_eq!(strategy(json!({"type": "OnDelete"})), json!({"type": "OnDelete"}));
    assert_eq!(
        strategy(json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})),
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    );
}

#[test]
fn a_limit_is_the_default_of_what_is_asked() {
    let item = |item: Value| spec(batch::limit_range, json!({"limits": [item]}))["limits"][0].clone();
    assert_eq!(
        item(json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Mi"}})),
        json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Mi"},
            "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2", "memory": "1Mi"}})
    );
    let pods = json!({"type": "Pod", "max": {"cpu": "2"}});
    assert_eq!(item(pods.clone()), pods);
}

#[test]
fn scaling_has_a_pace_once_it_has_a_behaviour() {
    let found = spec(batch::autoscaler, json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}));
    let policy = |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    assert_eq!(
        found["behavior"],
        json!({
            "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                "policies": [policy("Pods", 4), policy("Percent", 100)]},
            "scaleDown": {"selectPolicy": "Disabled", "policies": [policy("Percent", 100)]},
        })
    );
    assert_eq!(found["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
}

#[test]
fn network_policies_are_of_the_directions_they_speak_of() {
    let types = |patch: Value| spec(network::network_policy, patch)["policyTypes"].clone();
    assert_eq!(types(json!({})), json!(["Ingress"]));
    assert_eq!(types(json!({"egress": [{}]})), json!(["Ingress", "Egress"]));
    assert_eq!(types(json!({"egress": [{}], "policyTypes": ["Egress"]})), json!(["Egress"]));
}

#[test]
fn subjects_are_of_the_group_of_their_kind() {
    check(
        network::role_binding,
        json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
    );
}

#[test]
fn levels_and_flows_have_numbers() {
    assert_eq!(
        spec(extension::flow_schema, json!({"priorityLevelConfiguration": {"name": "p"}}))["matchingPrecedence"],
        1000
    );
    assert_eq!(
        spec(
            extension::priority_level,
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}})
        ),
        json!({"type": "Limited", "limited": {"nominalConcurrencyShares": 30, "lendablePercent": 0,
            "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}}}})
    );
    assert_eq!(
        spec(extension::priority_level, json!({"type": "Exempt", "exempt": {}})),
        json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})
    );
}

#[test]
fn a_request_is_for_one_device() {
    let request = |request: Value| {
        let requests = json!({"devices": {"requests": [{"name": "r", "exactly": request}]}});
        spec(extension::resource_claim, requests)["devices"]["requests"][0]["exactly"].clone()
    };
    assert_eq!(request(json!({})), json!({"allocationMode": "ExactCount", "count": 1}));
    assert_eq!(request(json!({"allocationMode": "All"})), json!({"allocationMode": "All"}));
    assert_eq!(
        request(json!({"count": 2, "tolerations": [{"key": "k"}]})),
        json!({"allocationMode": "ExactCount", "count": 2, "tolerations": [{"key": "k", "operator": "Equal"}]})
    );
}

#[test]
fn a_definition_names_its_lists_and_its_first_version() {
    check(
        extension::custom_resource_definition,
        json!({"spec": {
            "names": {"kind": "Widget", "plural": "widgets"},
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s", "namespace": "n"}}}},
            "versions": [{"name": "v1", "storage": false}, {"name": "v2", "storage": true}],
        }}),
        json!({
            "spec": {
                "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
                "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {
                    "service": {"name": "s", "namespace": "n", "port": 443}}}},
                "versions": [{"name": "v1", "storage": false}, {"name": "v2", "storage": true}],
            },
            "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": ["v2"]},
        }),
    );
}

#[test]
fn webhooks_are_asked_about_everything_and_refuse() {
    check(
        extension::mutating_webhooks,
        json!({"webhooks": [{"clientConfig": {"service": {"name": "s"}}, "rules": [{}], "timeoutSeconds": 3}]}),
        json!({"webhooks": [{
            "clientConfig": {"service": {"name": "s", "port": 443}}, "rules": [{"scope": "*"}], "timeoutSeconds": 3,
            "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "reinvocationPolicy": "Never",
        }]}),
    );
}
