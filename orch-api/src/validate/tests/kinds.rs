//! Faults of the kinds that came later: what each must say, what it must not, and what an update keeps.

use serde_json::json;

use super::{created, status_written, updated};
use orch_core::kind;

#[test]
fn jobs_end() {
    let restart = |policy: &str| json!({"spec": {"template": {"spec": {"restartPolicy": policy}}}});
    created(
        kind::JOBS,
        restart("Always"),
        &[r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#],
    );
    created(kind::JOBS, restart("OnFailure"), &[]);
    created(
        kind::JOBS,
        json!({"spec": {"parallelism": -1, "maxFailedIndexes": 1}}),
        &[
            "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
            "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
        ],
    );
    created(
        kind::JOBS,
        json!({"spec": {"completionMode": "Indexed", "completions": null}}),
        &["spec.completions: Required value: when completion mode is Indexed"],
    );
    created(
        kind::JOBS,
        json!({"spec": {"managedBy": "me"}}),
        &[r#"spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")"#],
    );
}

#[test]
fn a_job_has_the_selector_that_the_server_makes() {
    created(
        kind::JOBS,
        json!({"spec": {"selector": {"matchLabels": {"app": "a"}}}}),
        &[
            r#"spec.selector: Invalid value: {"matchLabels":{"app":"a","batch.kubernetes.io/controller-uid":"u"}}: `selector` not auto-generated"#,
            r#"spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"a","controller-uid":"u","job-name":"a"}: `selector` does not match template `labels`"#,
        ],
    );
    created(
        kind::JOBS,
        json!({"spec": {"template": {"metadata": {"labels": {"job-name": "b"}}}}}),
        &[
            r#"spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"a","controller-uid":"u","job-name":"b"}: must be 'a'"#,
        ],
    );
    updated(
        kind::JOBS,
        json!({}),
        json!({"spec": {"completions": 2}}),
        &["spec.completions: Invalid value: 2: field is immutable"],
    );
    let node = json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}});
    updated(kind::JOBS, json!({"spec": {"suspend": true}}), node, &[]);
}

#[test]
fn policies_of_jobs_say_one_thing() {
    let failure = |rule: serde_json::Value| json!({"spec": {"podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [rule]}}});
    created(
        kind::JOBS,
        failure(json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2]}})),
        &[],
    );
    created(
        kind::JOBS,
        failure(json!({"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [2, 0]}})),
        &[
            r#"spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set"#,
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0]: must be ordered",
        ],
    );
    created(
        kind::JOBS,
        failure(json!({"action": "Count"})),
        &[
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ],
    );
    let success = json!({"spec": {"completionMode": "Indexed", "completions": 3,
        "successPolicy": {"rules": [{"succeededIndexes": "0-9", "succeededCount": 4}]}}});
    created(
        kind::JOBS,
        success,
        &[
            r#"spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-9": error parsing succeededIndexes: too large index: "9""#,
            "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)",
            "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 0 (the number of indexes in the specified succeededIndexes field)",
        ],
    );
}

#[test]
fn a_job_that_ended_stays_ended() {
    let condition = |kind: &str| json!({"type": kind, "status": "True"});
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z");
    let done = json!({"status": {"startTime": start, "completionTime": end,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")], "succeeded": 1}});
    status_written(kind::JOBS, json!({"status": {"startTime": start}}), done.clone(), &[]);
    status_written(
        kind::JOBS,
        json!({"status": {"startTime": start, "active": 1}}),
        done.clone(),
        &["status.active: Invalid value: 1: active>0 is invalid for finished job"],
    );
    status_written(
        kind::JOBS,
        done,
        json!({"status": {"conditions": [], "completionTime": null}}),
        &[
            "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
            "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
        ],
    );
}

#[test]
fn cron_jobs_have_a_schedule() {
    let spec = |patch: serde_json::Value| json!({"spec": patch});
    created(
        kind::CRON_JOBS,
        spec(json!({"schedule": "nope"})),
        &[r#"spec.schedule: Invalid value: "nope": expected exactly 5 fields, found 1: [nope]"#],
    );
    created(
        kind::CRON_JOBS,
        spec(json!({"timeZone": "Nope/Zone"})),
        &[r#"spec.timeZone: Invalid value: "Nope/Zone": unknown time zone Nope/Zone"#],
    );
    created(kind::CRON_JOBS, spec(json!({"timeZone": "Europe/Berlin"})), &[]);
    created(
        kind::CRON_JOBS,
        spec(json!({"schedule": "CRON_TZ=UTC * * * * *", "concurrencyPolicy": "Some"})),
        &[
            r#"spec.schedule: Invalid value: "CRON_TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"#,
            r#"spec.concurrencyPolicy: Unsupported value: "Some": supported values: "Allow", "Forbid", "Replace""#,
        ],
    );
    created(
        kind::CRON_JOBS,
        json!({"metadata": {"name": "a".repeat(53)}}),
        &[&format!(
            "metadata.name: Invalid value: \"{}\": must be no more than 52 characters",
            "a".repeat(53)
        )],
    );
    created(
        kind::CRON_JOBS,
        spec(json!({"jobTemplate": {"spec": {"selector": {}, "manualSelector": true}}})),
        &[
            "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated",
            r#"spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false""#,
        ],
    );
}

#[test]
fn daemon_sets_and_controllers_select_their_template() {
    const MISMATCH: &str = r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#;
    created(kind::DAEMON_SETS, json!({"spec": {"selector": {"matchLabels": {"app": "b"}}}}), &[MISMATCH]);
    created(
        kind::DAEMON_SETS,
        json!({"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}}),
        &[
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ],
    );
    updated(
        kind::DAEMON_SETS,
        json!({}),
        json!({"spec": {"selector": {"matchLabels": {"app": "a", "x": "y"}}, "template": {"metadata": {"labels": {"x": "y"}}}}}),
        &[r#"spec.selector: Invalid value: {"matchLabels":{"app":"a","x":"y"}}: field is immutable"#],
    );
    created(kind::REPLICATION_CONTROLLERS, json!({"spec": {"selector": {"app": "b"}}}), &[MISMATCH]);
    created(
        kind::REPLICATION_CONTROLLERS,
        json!({"spec": {"selector": null, "replicas": null, "template": null}}),
        &["spec.selector: Required value", "spec.replicas: Required value", "spec.template: Required value"],
    );
    status_written(
        kind::REPLICATION_CONTROLLERS,
        json!({}),
        json!({"status": {"readyReplicas": 1}}),
        &["status.readyReplicas: Invalid value: 1: cannot be greater than status.replicas"],
    );
}

#[test]
fn autoscalers_know_what_they_scale_and_by_what() {
    let spec = |patch: serde_json::Value| json!({"spec": patch});
    created(
        kind::HORIZONTAL_POD_AUTOSCALERS,
        spec(json!({"minReplicas": 9, "scaleTargetRef": {"apiVersion": null}})),
        &[
            "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`",
            r#"spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group"#,
        ],
    );
    created(
        kind::HORIZONTAL_POD_AUTOSCALERS,
        spec(json!({"maxReplicas": 0, "minReplicas": null})),
        &["spec.maxReplicas: Required value: must be set and greater than 0"],
    );
    created(
        kind::HORIZONTAL_POD_AUTOSCALERS,
        spec(
            json!({"metrics": [{"type": "Pods", "resource": {"name": "cpu", "target": {"type": "Value"}}}]}),
        ),
        &[
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
        ],
    );
    created(
        kind::HORIZONTAL_POD_AUTOSCALERS,
        spec(
            json!({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]}}}),
        ),
        &[
            "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
        ],
    );
}

#[test]
fn budgets_say_one_amount() {
    created(
        kind::POD_DISRUPTION_BUDGETS,
        json!({"spec": {"minAvailable": 1, "maxUnavailable": 1}}),
        &[
            r#"spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"a"}},"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set"#,
        ],
    );
    created(
        kind::POD_DISRUPTION_BUDGETS,
        json!({"spec": {"minAvailable": "101%", "unhealthyPodEvictionPolicy": "Never"}}),
        &[
            r#"spec.minAvailable: Invalid value: "101%": must not be greater than 100%"#,
            r#"spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget""#,
        ],
    );
    status_written(
        kind::POD_DISRUPTION_BUDGETS,
        json!({}),
        json!({"status": {"currentHealthy": -1}}),
        &["status.currentHealthy: Invalid value: -1: must be greater than or equal to 0"],
    );
}

#[test]
fn ingresses_lead_somewhere() {
    let path = |patch: serde_json::Value| {
        let base = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}});
        json!({"spec": {"rules": [{"http": {"paths": [super::merged(base, patch)]}}]}})
    };
    created(
        kind::INGRESSES,
        json!({"spec": {"rules": null}}),
        &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
    );
    created(
        kind::INGRESSES,
        path(json!({"pathType": null})),
        &["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
    );
    created(
        kind::INGRESSES,
        path(json!({"path": "/a//b/.."})),
        &[
            r#"spec.rules[0].http.paths[0].path: Invalid value: "/a//b/..": must not contain '//'"#,
            r#"spec.rules[0].http.paths[0].path: Invalid value: "/a//b/..": cannot end with '/..'"#,
        ],
    );
    created(
        kind::INGRESSES,
        path(json!({"backend": {"service": {"port": {"name": "http"}}}})),
        &[
            r#"spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number"#,
        ],
    );
    created(
        kind::INGRESSES,
        json!({"spec": {"rules": [{"host": "10.0.0.1"}], "tls": [{"hosts": ["*.a.example.com"], "secretName": "t"}]}}),
        &[r#"spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address"#],
    );
    created(
        kind::INGRESS_CLASSES,
        json!({"spec": {"parameters": {"kind": "K", "name": "k", "scope": "Namespace"}}}),
        &["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    );
    updated(
        kind::INGRESS_CLASSES,
        json!({}),
        json!({"spec": {"controller": "example.com/other"}}),
        &[r#"spec.controller: Invalid value: "example.com/other": field is immutable"#],
    );
}

#[test]
fn policies_of_the_network_name_peers() {
    let ingress = |rule: serde_json::Value| json!({"spec": {"ingress": [rule]}});
    created(
        kind::NETWORK_POLICIES,
        ingress(json!({"from": [{}]})),
        &["spec.ingress[0].from[0]: Required value: must specify a peer"],
    );
    created(
        kind::NETWORK_POLICIES,
        ingress(
            json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8", "11.0.0.0/16"]}, "podSelector": {}}]}),
        ),
        &[
            r#"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`"#,
            r#"spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`"#,
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ],
    );
    created(
        kind::NETWORK_POLICIES,
        ingress(
            json!({"ports": [{"port": 80, "endPort": 79}, {"endPort": 3}, {"port": "http", "endPort": 3}]}),
        ),
        &[
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
            "spec.ingress[0].ports[1].endPort: Invalid value: 3: may not be specified when `port` is not specified",
            "spec.ingress[0].ports[2].endPort: Invalid value: 3: may not be specified when `port` is non-numeric",
        ],
    );
}

#[test]
fn addresses_and_ranges_are_in_one_form() {
    created(
        kind::IP_ADDRESSES,
        json!({"metadata": {"name": "2001:DB8::1"}, "spec": {"parentRef": {"name": ""}}}),
        &[
            r#"metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")"#,
            "spec.parentRef.name: Required value",
        ],
    );
    created(
        kind::SERVICE_CIDRS,
        json!({"spec": {"cidrs": ["10.0.0.0/16", "10.1.0.0/16"]}}),
        &[
            r#"spec.cidrs: Invalid value: ["10.0.0.0/16","10.1.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"#,
        ],
    );
    updated(kind::SERVICE_CIDRS, json!({}), json!({"spec": {"cidrs": ["10.96.0.0/16", "fd00::/112"]}}), &[]);
    updated(
        kind::SERVICE_CIDRS,
        json!({}),
        json!({"spec": {"cidrs": ["10.97.0.0/16"]}}),
        &[r#"spec.cidrs[0]: Invalid value: "10.97.0.0/16": field is immutable"#],
    );
    created(
        kind::ENDPOINTS,
        json!({"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 0}, {"port": 1, "protocol": "TCP"}]}, {}]}),
        &[
            "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            "subsets[0].ports[0].name: Required value",
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "subsets[0].ports[0].protocol: Required value",
            "subsets[0].ports[1].name: Required value",
            "subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`",
        ],
    );
}

#[test]
fn roles_have_rules_and_bindings_keep_their_role() {
    created(
        kind::ROLES,
        json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
        &[
            "rules[0].verbs: Required value: verbs must contain at least one value",
            r#"rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs"#,
        ],
    );
    created(kind::ROLES, json!({"metadata": {"name": "system:a"}}), &[]);
    created(
        kind::ROLE_BINDINGS,
        json!({"roleRef": {"apiGroup": "x", "kind": "Nope", "name": ""}, "subjects": null}),
        &[
            r#"roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io""#,
            r#"roleRef.kind: Unsupported value: "Nope": supported values: "Role", "ClusterRole""#,
            "roleRef.name: Required value",
        ],
    );
    created(
        kind::CLUSTER_ROLE_BINDINGS,
        json!({"subjects": [{"kind": "ServiceAccount", "name": "a"}, {"kind": "Robot", "name": "b"}]}),
        &[
            "subjects[0].namespace: Required value",
            r#"subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group""#,
        ],
    );
    updated(
        kind::ROLE_BINDINGS,
        json!({}),
        json!({"roleRef": {"name": "edit"}}),
        &[
            r#"roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"edit"}: cannot change roleRef"#,
        ],
    );
}

#[test]
fn quotas_count_what_can_be_counted() {
    created(
        kind::RESOURCE_QUOTAS,
        json!({"spec": {"hard": {"pods": "1.5", "gadgets": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}}),
        &[
            r#"spec.hard[gadgets]: Invalid value: "gadgets": must be a standard resource type or fully qualified"#,
            r#"spec.hard[pods]: Invalid value: "1500m": must be an integer"#,
            r#"spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: unsupported scope applied to resource"#,
            r#"spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes"#,
        ],
    );
    updated(
        kind::RESOURCE_QUOTAS,
        json!({}),
        json!({"spec": {"scopes": ["NotBestEffort"]}}),
        &[r#"spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable"#],
    );
    let limit = |patch: serde_json::Value| json!({"spec": {"limits": [patch]}});
    created(
        kind::LIMIT_RANGES,
        limit(
            json!({"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "3"}}),
        ),
        &[
            r#"spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1"#,
            r#"spec.limits[0].default[cpu]: Invalid value: "1": default value 3 is greater than max value 1"#,
        ],
    );
    created(
        kind::LIMIT_RANGES,
        limit(json!({"type": "Pod", "default": {"cpu": "1"}})),
        &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    );
    created(
        kind::LIMIT_RANGES,
        limit(json!({"type": "PersistentVolumeClaim"})),
        &[
            "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
        ],
    );
}
