//! The rows of the kinds that have no controller of their own yet, and of those that extend a cluster.
//!
//! After `pkg/registry/*/*/strategy.go`, and the strategies of `apiextensions-apiserver` and `kube-aggregator`. The same
//! pipeline as for all kinds; what a row says here is what differs.

use serde_json::{Value, json};

use super::Generation::{Content, Spec};
use super::Updates::{AtRevision, AtRevisionOrCreate, OrCreate};
use super::{Before, Row, row};
use crate::defaults::batch::{JOB_NAME, JOB_UID};
use crate::defaults::{batch, extension, network};
use crate::tree::{Get, Set, Tree};

/// Group, resource and row, as in the table of the kinds that came first.
pub(super) static ROWS: &[(&str, &str, Row)] = &[
    ("", "endpoints", row(batch::endpoints).updates(OrCreate)),
    ("", "limitranges", row(batch::limit_range).updates(OrCreate)),
    ("", "podtemplates", row(batch::pod_template).generation(Content)),
    (
        "",
        "replicationcontrollers",
        row(batch::replication_controller)
            .generation(Spec)
            .initial_status(|_, _| Some(json!({"replicas": 0})))
            .status(|status, _, _| status.default_to("replicas", 0)),
    ),
    ("", "resourcequotas", row(batch::resource_quota).initial_status(empty)),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        row(extension::admission_policy).generation(Spec).updates(AtRevision),
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        row(extension::admission_policy_binding).generation(Spec).updates(AtRevision),
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        row(extension::mutating_webhooks).generation(Content).updates(AtRevision),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        row(extension::admission_policy).generation(Spec).updates(AtRevision).initial_status(empty),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        row(extension::admission_policy_binding).generation(Spec).updates(AtRevision),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        row(extension::validating_webhooks).generation(Content).updates(AtRevision),
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        row(extension::custom_resource_definition)
            .generation(Spec)
            .updates(AtRevision)
            .initial_status(definition_status)
            .status(|status, _, _| extension::definition_status(status))
            .update(|new, _| extension::add_stored_version(new)),
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        row(extension::api_service).updates(AtRevision).initial_status(api_service_status),
    ),
    (
        "apps",
        "daemonsets",
        row(batch::daemon_set)
            .generation(Spec)
            .initial_status(|_, _| {
                let mut status = Tree::new();
                batch::daemon_set_status(&mut status);
                Some(status.into())
            })
            .status(|status, _, _| batch::daemon_set_status(status))
            .create(|tree| template_generation(tree, None))
            .update(|new, old| template_generation(new, Some(old))),
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        row(batch::autoscaler)
            .initial_status(|_, _| Some(json!({"currentMetrics": null, "desiredReplicas": 0})))
            .status(|status, _, _| batch::autoscaler_status(status)),
    ),
    ("batch", "cronjobs", row(batch::cron_job).generation(Spec).initial_status(empty)),
    ("batch", "jobs", row(batch::job).generation(Spec).initial_status(empty).create(job_selector)),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        row(network::spec)
            .initial_status(empty)
            .status(request_status)
            .update(|new, old| new.copy_from(old, "spec")),
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        row(extension::flow_schema).generation(Spec).initial_status(empty),
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        row(extension::priority_level).generation(Spec).initial_status(empty),
    ),
    (
        "networking.k8s.io",
        "ingresses",
        row(network::ingress)
            .generation(Spec)
            .initial_status(|_, _| Some(json!({"loadBalancer": {}})))
            .status(|status, _, _| _ = status.make("loadBalancer")),
    ),
    ("networking.k8s.io", "ingressclasses", row(network::ingress_class).generation(Spec)),
    ("networking.k8s.io", "ipaddresses", row(network::spec)),
    ("networking.k8s.io", "networkpolicies", row(network::network_policy).generation(Spec)),
    ("networking.k8s.io", "servicecidrs", row(network::spec).initial_status(empty)),
    ("node.k8s.io", "runtimeclasses", row(crate::defaults::none).updates(AtRevisionOrCreate)),
    (
        "policy",
        "poddisruptionbudgets",
        row(batch::disruption_budget)
            .generation(Spec)
            .updates(AtRevision)
            .initial_status(|_, _| {
                let mut status = Tree::new();
                batch::disruption_budget_status(&mut status);
                Some(status.into())
            })
            .status(|status, _, _| batch::disruption_budget_status(status)),
    ),
    ("rbac.authorization.k8s.io", "clusterrolebindings", row(network::role_binding).updates(OrCreate)),
    ("rbac.authorization.k8s.io", "clusterroles", row(network::role).updates(OrCreate)),
    ("rbac.authorization.k8s.io", "rolebindings", row(network::role_binding).updates(OrCreate)),
    ("rbac.authorization.k8s.io", "roles", row(network::role).updates(OrCreate)),
    ("resource.k8s.io", "deviceclasses", row(network::spec).generation(Spec)),
    ("resource.k8s.io", "resourceclaims", row(extension::resource_claim).initial_status(empty)),
    ("resource.k8s.io", "resourceclaimtemplates", row(extension::resource_claim_template)),
    (
        "resource.k8s.io",
        "resourceslices",
        row(extension::resource_slice).generation(Spec).create(extension::date_taints),
    ),
    ("storage.k8s.io", "csidrivers", row(extension::csi_driver).updates(AtRevision).update(count_from_none)),
    ("storage.k8s.io", "csinodes", row(extension::csi_node).updates(AtRevision)),
    ("storage.k8s.io", "csistoragecapacities", row(crate::defaults::none).updates(AtRevision)),
    (
        "storage.k8s.io",
        "volumeattachments",
        row(extension::volume_attachment)
            .updates(AtRevision)
            .initial_status(|_, _| Some(json!({"attached": false})))
            .status(|status, _, _| extension::volume_attachment_status(status)),
    ),
    ("storage.k8s.io", "volumeattributesclasses", row(crate::defaults::none)),
];

fn empty(_: &Tree, _: &str) -> Option<Value> {
    Some(json!({}))
}

/// A definition begins with the version that it stores, and nothing is accepted yet.
fn definition_status(tree: &Tree, _: &str) -> Option<Value> {
    let mut new = Tree::new();
    new.put("spec", tree.get("spec").cloned().unwrap_or_default());
    extension::add_stored_version(&mut new);
    let status = new.make("status");
    extension::definition_status(status);
    Some(std::mem::take(status).into())
}

/// What this server serves itself is available at once.
fn api_service_status(tree: &Tree, now: &str) -> Option<Value> {
    let elsewhere = tree.object_at("spec").is_some_and(|spec| spec.at("service").is_some());
    Some(if elsewhere {
        json!({})
    } else {
        json!({"conditions": [{
            "type": "Available", "status": "True", "reason": "Local",
            "message": "Local APIServices are always available", "lastTransitionTime": now,
        }]})
    })
}

/// Counts the templates of a daemon set in an annotation.
fn template_generation(new: &mut Tree, old: Option<&Tree>) {
    let key = batch::TEMPLATE_GENERATION;
    let count = |tree: &Tree| -> Option<i64> {
        tree.object_at("metadata")?.object_at("annotations")?.text(key).parse().ok()
    };
    let template = |tree: &Tree| tree.object_at("spec").and_then(|spec| spec.at("template")).cloned();
    let number = match old {
        None => count(new).unwrap_or(1).max(1),
        Some(old) if template(new) == template(old) => count(old).unwrap_or(1),
        Some(old) => count(old).unwrap_or(0).saturating_add(1),
    };
    new.make("metadata").make("annotations").put(key, number.to_string());
}

/// Unless its author chooses the selector, a job selects its pods by its own uid (`pkg/registry/batch/job/strategy.go`,
/// `generateSelector`).
fn job_selector(tree: &mut Tree) {
    let metadata = tree.make("metadata");
    let (name, uid) = (metadata.text("name").to_owned(), metadata.text("uid").to_owned());
    let spec = tree.make("spec");
    if spec.at("manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let labels = spec.make("template").make("metadata").make("labels");
    for (keys, value) in [(JOB_NAME, &name), (JOB_UID, &uid)] {
        for key in keys {
            labels.entry(key).or_insert_with(|| value.as_str().into());
        }
    }
    let labels = labels.clone();
    spec.make("selector").make("matchLabels").entry(JOB_UID[1]).or_insert_with(|| uid.into());
    // In Go the labels of the job are those of its template: what is added there is added here.
    let metadata = tree.make("metadata");
    if metadata.is_unset("labels") {
        metadata.put("labels", labels);
    }
}

/// The generation begins with the first change of the spec (`pkg/registry/storage/csidriver/strategy.go`).
fn count_from_none(new: &mut Tree, old: &Tree) {
    if new.get("spec") != old.get("spec") {
        let metadata = new.make("metadata");
        let generation = metadata.number("generation").unwrap_or_default();
        metadata.put("generation", generation.saturating_add(1));
    }
}

/// A write of the status changes nothing of the decision; whether it tries to is judged by the rules
/// (`pkg/registry/certificates/certificates/strategy.go`, `preserveConditionInstances`).
fn request_status(status: &mut Tree, old: Before<'_>, now: &str) {
    let before = old("conditions").unwrap_or_default();
    let before = before.as_array().map_or(&[][..], Vec::as_slice);
    for kind in ["Approved", "Denied"] {
        let is_kind = |condition: &&Value| condition.text("type") == kind;
        let known: Vec<&Value> = before.iter().filter(is_kind).collect();
        if status.list("conditions").iter().filter(is_kind).count() == known.len() {
            let new = status.objects_mut("conditions").filter(|condition| condition.text("type") == kind);
            new.zip(known).for_each(|(new, known)| *new = known.as_object().cloned().unwrap_or_default());
        }
    }
    date_conditions(status, before, now);
}

/// A write of the approval changes the conditions and nothing else.
pub(crate) fn approve(status: &mut Tree, before: &Value, now: &str) {
    let conditions = status.remove("conditions");
    *status = before.as_object().cloned().unwrap_or_default();
    match conditions {
        Some(conditions) => status.put("conditions", conditions),
        None => _ = status.remove("conditions"),
    }
    date_conditions(status, before.list("conditions"), now);
}

/// Conditions say when they were written, and since when they are what they are.
fn date_conditions(status: &mut Tree, before: &[Value], now: &str) {
    for condition in status.objects_mut("conditions") {
        condition.default_to("lastUpdateTime", now);
        let is_same = |known: &&Value| {
            ["type", "status"].iter().all(|field| known.text(field) == condition.text(field))
                && !known.text("lastTransitionTime").is_empty()
        };
        let since = before.iter().find(is_same).map_or(now, |known| known.text("lastTransitionTime"));
        condition.default_to("lastTransitionTime", since);
    }
    if status.list("conditions").is_empty() {
        status.remove("conditions");
    }
}
