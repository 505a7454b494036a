//! Rules of stateful sets (`pkg/apis/apps/validation/validation.go`: `ValidateStatefulSetSpec`).
//!
//! Not rollout. The invariant of an update: what gives pods their identity stays.

use orch_core::{Scope, names};

use super::at::{At, Faults, show};
use super::meta::{self, Change};
use super::pod::{self, Whose};
use super::rules;
use super::same;
use super::storage::claim;
use super::workload;

/// What of the spec may change.
const MUTABLE: &[&str] = &[
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
];

pub(super) fn stateful_set(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_label);
    let spec = object.field("spec");
    strategies(&spec);
    spec.field("volumeClaimTemplates")
        .items()
        .for_each(|template| claim::claim_spec(&template.field("spec")));
    numbers(&spec);
    spec.field("serviceName").optional_name(names::dns1123_label);
    selector_and_template(&spec, Template::Judged);
}

pub(super) fn stateful_set_update(change: &Change<'_, '_>) {
    change.metadata();
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    strategies(&new);
    numbers(&new);
    let before = new.faults().count();
    selector_and_template(&new, Template::Judged);
    if new.faults().count() > before && !is_valid(&old) {
        // What is stored broke the rules already: the template is not judged, or nobody could change anything.
        new.faults().truncate(before);
        selector_and_template(&new, Template::Tolerated);
    }
    if !same::same_but(new.value(), old.value(), MUTABLE) {
        new.forbidden(
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

fn is_valid(spec: &At<'_, '_>) -> bool {
    let faults = Faults::default();
    let spec = At::root(spec.value(), &faults);
    strategies(&spec);
    numbers(&spec);
    selector_and_template(&spec, Template::Judged);
    faults.count() == 0
}

fn strategies(spec: &At<'_, '_>) {
    let policy = spec.field("podManagementPolicy");
    match policy.text() {
        "" => policy.required(""),
        "OrderedReady" | "Parallel" => {}
        _ => policy.invalid("must be 'OrderedReady' or 'Parallel'"),
    }
    let strategy = spec.field("updateStrategy");
    let rolling = strategy.field("rollingUpdate");
    match strategy.get_text("type") {
        "" => strategy.required(""),
        "OnDelete" if rolling.is_set() => rolling.invalid("only allowed for updateStrategy 'RollingUpdate'"),
        "OnDelete" => {}
        "RollingUpdate" => rolling_update(&rolling),
        _ => strategy.invalid_as(show(strategy.value()), "must be 'RollingUpdate' or 'OnDelete'"),
    }
    let retention = spec.field("persistentVolumeClaimRetentionPolicy");
    for name in ["whenDeleted", "whenScaled"] {
        if retention.is_set() {
            retention.field(name).one_of(&["Retain", "Delete"]);
        }
    }
}

fn rolling_update(rolling: &At<'_, '_>) {
    rolling.field("partition").non_negative();
    let unavailable = rolling.field("maxUnavailable");
    if unavailable.is_set() {
        rules::int_or_percent(&unavailable);
        if rules::int_or_percent_value(&unavailable) == 0 {
            unavailable.invalid("cannot be 0");
        }
        rules::at_most_100_percent(&unavailable);
    }
}

fn numbers(spec: &At<'_, '_>) {
    spec.field("replicas").non_negative();
    spec.field("minReadySeconds").non_negative();
    spec.field("ordinals").field("start").non_negative();
}

/// Whether the template has to be valid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Template {
    Judged,
    Tolerated,
}

fn selector_and_template(spec: &At<'_, '_>, judgement: Template) {
    let template = spec.field("template");
    if let Some(selector) = workload::selector(spec, "statefulset", "") {
        workload::selects_template(&template, &selector);
        if judgement == Template::Judged {
            let claims = spec.field("volumeClaimTemplates");
            pod::template(&template, Whose::StatefulSet(claims.list()));
        }
        // Upstream looks at these twice.
        pod::template_metadata(&template, &template.field("metadata"));
    }
    workload::runs_forever(&template, "StatefulSet");
}

pub(super) fn stateful_set_status(change: &Change<'_, '_>) {
    const PARTS: &[&str] = &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    const ALL: &[&str] = &[
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    workload::counts(&change.new.field("status"), ALL, PARTS, "status.readyReplicas");
    change.metadata();
    workload::collisions(change);
}
