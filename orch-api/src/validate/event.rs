//! Rules of events (`pkg/apis/core/validation/events.go`), as `v1` and as `events.k8s.io/v1`.
//!
//! Not the deduplication of events. An event of the core group is judged as leniently as upstream does: only its
//! namespace and, when it has an event time, the fields of the newer form.

use orch_core::{Scope, names};
use serde_json::Value;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules;

/// Longest action, reason and reporting instance, in bytes.
const SHORT_MAX: usize = 128;
/// Longest message, in bytes.
const NOTE_MAX: usize = 1024;

/// The fields that have another name in `events.k8s.io/v1`: as it is sent, and as faults call it.
const RENAMED: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingController"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("deprecatedSource", "source"),
];

fn is_new_form(object: &At<'_, '_>) -> bool {
    object.get_text("apiVersion").starts_with("events.k8s.io/")
}

/// A field by its name in faults.
fn field<'v, 'c>(object: &'c At<'v, '_>, shown: &'c str) -> At<'v, 'c> {
    let renamed = RENAMED.iter().find(|(_, name)| is_new_form(object) && *name == shown);
    object.field_shown(renamed.map_or(shown, |(sent, _)| sent), shown)
}

pub(super) fn event(object: &At<'_, '_>) {
    let before = object.faults().count();
    any_form(object);
    if !is_new_form(object) {
        // Its own rules ask nothing of the metadata; the common ones are asked when those are kept.
        if object.faults().count() == before {
            let meta = object.field("metadata");
            meta::object_of_any_kind(&meta, Some(Scope::Namespaced), names::path_segment_name);
        }
        return;
    }
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    series(object);
    if !object.has("eventTime") {
        object.field("eventTime").required("");
    }
    let kind = object.field("type");
    if !matches!(kind.text(), "Normal" | "Warning") {
        kind.invalid_as(quote(""), format!("has invalid value: {}", kind.text()));
    }
    for unset in ["firstTimestamp", "lastTimestamp", "count", "source"].map(|name| field(object, name)) {
        if !super::same::same(unset.value(), &Value::Null) {
            unset.invalid_as(quote(""), "needs to be unset");
        }
    }
}

pub(super) fn event_update(change: &Change<'_, '_>) {
    let (new, old) = (&change.new, &change.old);
    any_form(new);
    if !is_new_form(new) {
        return;
    }
    change.metadata();
    if !super::same::same(new.get("series"), old.get("series")) {
        series(new);
    }
    const FIXED: &[&str] = &[
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "reason",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingController",
        "reportingInstance",
    ];
    for name in FIXED {
        rules::immutable(&field(new, name), field(old, name).value());
    }
}

/// `ValidateEventSeries`.
fn series(object: &At<'_, '_>) {
    let series = object.field("series");
    if !series.is_set() {
        return;
    }
    let count = series.field("count");
    if count.number() < 2 {
        count.invalid_as(quote(""), "should be at least 2");
    }
    series.require(&["lastObservedTime"]);
}

/// What holds for both forms (`legacyValidateEvent`).
fn any_form(object: &At<'_, '_>) {
    let meta = object.field("metadata");
    let namespace = meta.get_text("namespace");
    let involved = field(object, "involvedObject");
    let involved_namespace = involved.field("namespace");
    let matches = match (object.has("eventTime"), involved_namespace.text()) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, other) => namespace == other,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !matches {
        involved_namespace.invalid_text("does not match event.namespace");
    }
    if object.has("eventTime") {
        let shown = if is_new_form(object) { "reportingController" } else { "reportingComponent" };
        let controller = object.field_shown(shown, shown);
        if controller.is_empty() {
            controller.required("");
        }
        controller.named(names::qualified_name);
        bounded(&object.field("reportingInstance"));
        bounded(&object.field("action"));
        bounded(&object.field("reason"));
        let message = field(object, "message");
        if message.len() > NOTE_MAX {
            message.invalid_as(quote(""), format!("can have at most {NOTE_MAX} characters"));
        }
    }
    // Upstream reports the namespace without `metadata`.
    let shown = object.with(meta.value());
    shown.field("namespace").named(names::dns1123_subdomain);
}

fn bounded(at: &At<'_, '_>) {
    if at.is_empty() {
        at.required("");
    }
    if at.len() > SHORT_MAX {
        at.invalid_as(quote(""), format!("can have at most {SHORT_MAX} characters"));
    }
}
