//! Jobs, cron jobs, daemon sets, and the older workloads: replication controllers and pod templates.

use serde_json::{Value, json};

use super::pod::template;
use crate::tree::{Get, Set, Tree};

/// `pkg/apis/batch/v1/defaults.go`, `SetDefaults_Job`.
pub(crate) fn job(tree: &mut Tree) {
    let spec = tree.make("spec");
    if spec.at("completions").is_none() && spec.at("parallelism").is_none() {
        spec.put("completions", 1);
    }
    spec.default_to("parallelism", 1);
    let limit = if spec.at("backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
    spec.default_to("backoffLimit", limit);
    spec.default_to("completionMode", "NonIndexed");
    spec.default_to("suspend", false);
    let replacement = if spec.at("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.default_to("podReplacementPolicy", replacement);
    spec.default_to("manualSelector", false);
    job_spec(spec);
    // A new job's are its own until its selector is made, which adds to those of the template.
    if spec["manualSelector"] == true || has_uid_label(spec) {
        labels_of_template(tree);
    }
}

fn has_uid_label(spec: &Tree) -> bool {
    let metadata = spec.object_at("template").and_then(|template| template.object_at("metadata"));
    metadata
        .and_then(|metadata| metadata.object_at("labels"))
        .is_some_and(|labels| labels.contains_key(JOB_UID[1]))
}

/// Labels of the pods of a job, older names first (`pkg/apis/batch/types.go`).
pub(crate) const JOB_NAME: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
pub(crate) const JOB_UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// What a job's spec and that of a job template have in common.
fn job_spec(spec: &mut Tree) {
    template(spec);
    let Some(policy) = spec.object_mut("podFailurePolicy") else { return };
    for rule in policy.objects_mut("rules") {
        rule.objects_mut("onPodConditions").for_each(|pattern| pattern.default_text("status", "True"));
    }
}

/// An object without labels has those of its template.
fn labels_of_template(tree: &mut Tree) {
    let metadata = tree.object_at("spec").and_then(|spec| spec.object_at("template")?.object_at("metadata"));
    let Some(labels) = metadata.and_then(|metadata| metadata.object_at("labels")).cloned() else { return };
    if tree.make("metadata").is_unset("labels") && !labels.is_empty() {
        tree.make("metadata").put("labels", labels);
    }
}

/// `pkg/apis/batch/v1/defaults.go`, `SetDefaults_CronJob`. A job template is not completed as a job is.
pub(crate) fn cron_job(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_text("concurrencyPolicy", "Allow");
    spec.default_to("suspend", false);
    spec.default_to("successfulJobsHistoryLimit", 3);
    spec.default_to("failedJobsHistoryLimit", 1);
    spec.default_to("schedule", "");
    let jobs = spec.make("jobTemplate");
    jobs.make("metadata");
    super::metadata(jobs);
    job_spec(jobs.make("spec"));
}

/// Where the number of a daemon set's template stands (`pkg/apis/apps/v1/conversion.go`).
pub(crate) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// `pkg/apis/apps/v1/defaults.go`, `SetDefaults_DaemonSet`.
pub(crate) fn daemon_set(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("revisionHistoryLimit", 10);
    let strategy = spec.make("updateStrategy");
    strategy.default_text("type", "RollingUpdate");
    if strategy.text("type") == "RollingUpdate" {
        let rolling = strategy.make("rollingUpdate");
        rolling.default_to("maxUnavailable", 1);
        rolling.default_to("maxSurge", 0);
    }
    template(spec);
    daemon_set_status(tree.make("status"));
}

/// The counts are always written.
pub(crate) fn daemon_set_status(status: &mut Tree) {
    for count in ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"] {
        status.default_to(count, 0);
    }
}

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_ReplicationController`.
pub(crate) fn replication_controller(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("replicas", 1);
    if spec.object_at("template").is_some() {
        template(spec);
    }
    let metadata = spec.object_at("template").and_then(|template| template.object_at("metadata"));
    let labels = metadata.and_then(|metadata| metadata.object_at("labels")).cloned();
    if let Some(labels) = labels.filter(|labels| !labels.is_empty())
        && spec.is_unset("selector")
    {
        spec.put("selector", labels);
    }
    labels_of_template(tree);
}

/// The template is that of a workload.
pub(crate) fn pod_template(tree: &mut Tree) {
    template(tree);
}

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_LimitRangeItem`: a container's default limit is the maximum, its default
/// request the default limit, or the minimum.
pub(crate) fn limit_range(tree: &mut Tree) {
    let spec = tree.make("spec");
    if spec.at("limits").is_none() {
        spec.put("limits", Value::Null);
    }
    for item in spec.objects_mut("limits").filter(|item| item.text("type") == "Container") {
        complete(item, "default", "max");
        complete(item, "defaultRequest", "default");
        complete(item, "defaultRequest", "min");
        for field in ["default", "defaultRequest"] {
            if item.is_unset(field) {
                item.remove(field);
            }
        }
    }
}

/// Entries of one map that another lacks.
fn complete(item: &mut Tree, field: &str, from: &str) {
    let Some(more) = item.object_at(from).cloned() else { return };
    let map = item.make(field);
    for (name, value) in more {
        map.entry(name).or_insert(value);
    }
}

/// The `spec` is always written.
pub(crate) fn resource_quota(tree: &mut Tree) {
    tree.make("spec");
}

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_Endpoints`.
pub(crate) fn endpoints(tree: &mut Tree) {
    for subset in tree.objects_mut("subsets") {
        subset.objects_mut("ports").for_each(|port| port.default_text("protocol", "TCP"));
    }
    if tree.contains_key("subsets") && tree.is_unset("subsets") {
        tree.remove("subsets");
    }
}

/// `pkg/apis/autoscaling/v2/defaults.go`.
pub(crate) fn autoscaler(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("minReplicas", 1);
    spec.default_to("maxReplicas", 0);
    spec.make("scaleTargetRef");
    if spec.is_unset("metrics") {
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": AVERAGE_CPU_PERCENT}});
        spec.put("metrics", json!([{"type": "Resource", "resource": cpu}]));
    }
    if let Some(behavior) = spec.object_mut("behavior") {
        let (pods, percent) = (policy("Pods", 4), policy("Percent", 100));
        let up = behavior.make("scaleUp");
        up.default_to("stabilizationWindowSeconds", 0);
        scaling(up, vec![pods, percent.clone()]);
        scaling(behavior.make("scaleDown"), vec![percent]);
    }
    autoscaler_status(tree.make("status"));
}

/// `pkg/apis/autoscaling/types.go`, `DefaultCPUUtilization`.
pub(crate) const AVERAGE_CPU_PERCENT: i64 = 80;

fn policy(kind: &str, value: i64) -> Value {
    json!({"type": kind, "value": value, "periodSeconds": 15})
}

fn scaling(rules: &mut Tree, policies: Vec<Value>) {
    rules.default_to("selectPolicy", "Max");
    rules.default_to("policies", policies);
}

/// What Kubernetes' encoder always writes.
pub(crate) fn autoscaler_status(status: &mut Tree) {
    status.entry("currentMetrics").or_insert(Value::Null);
    status.default_to("desiredReplicas", 0);
}

/// The counts of a budget are always written.
pub(crate) fn disruption_budget_status(status: &mut Tree) {
    for count in ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"] {
        status.default_to(count, 0);
    }
}

/// The `spec` is always written.
pub(crate) fn disruption_budget(tree: &mut Tree) {
    tree.make("spec");
    disruption_budget_status(tree.make("status"));
}
