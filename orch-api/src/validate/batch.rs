//! Rules of jobs and cron jobs (`pkg/apis/batch/validation/validation.go`).
//!
//! The status of a job is in `status`, the policies of failure and success in `policy`. Not the schedule's language: that is
//! `cron`. The invariant of an update: a job keeps its selector, and its template unless it is suspended.

mod policy;
mod status;

pub(super) use status::job_status;

use orch_core::selector::Selector;
use orch_core::{Scope, names};
use serde_json::Value;

use super::at::{At, quote};
use super::common::{at_most, domain_prefixed_path, non_negative};
use super::cron;
use super::meta::{self, Change};
use super::pod::{self, Whose};
use super::rules;
use super::same::same;
use crate::defaults::batch::{JOB_NAME, JOB_UID};

const INDEXED: &str = "Indexed";
/// Pods of an indexed job that run at the same time.
const PARALLELISM_MAX: i64 = 100_000;
const FAILED_INDEXES_MAX: i64 = 100_000;
/// Above so many completions the bounds below hold.
const MANY_COMPLETIONS: i64 = 100_000;
const PARALLELISM_OF_MANY: i64 = 10_000;
const FAILED_INDEXES_OF_MANY: i64 = 10_000;
const MANAGER_MAX: usize = 63;

pub(super) fn job(object: &At<'_, '_>) {
    whole_job(object, true);
}

/// A job; one from before the prefixed labels need not have them.
fn whole_job(object: &At<'_, '_>, prefixed_labels: bool) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    generated_selector(object, prefixed_labels);
    let spec = object.field("spec");
    job_spec(&spec);
    let completions = spec.field("completions").number();
    if is_indexed(&spec) && completions > 0 {
        let meta = object.field("metadata");
        let name = meta.field("name");
        let last = format!("{}-{}", name.text(), completions - 1);
        if names::dns1123_label(&last).is_err() {
            name.invalid_text(format!("will not able to create pod with invalid DNS label: {last}"));
        }
    }
}

fn is_indexed(spec: &At<'_, '_>) -> bool {
    spec.get_text("completionMode") == INDEXED
}

/// Unless the author chooses, the selector and the labels are those that the server makes.
fn generated_selector(object: &At<'_, '_>, prefixed_labels: bool) {
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    let selector = spec.field("selector");
    if spec.field("manualSelector").is_true() || !selector.is_set() {
        return;
    }
    let (uid, name) = (meta.field("uid"), meta.get_text("name"));
    if uid.is_empty() {
        uid.required("");
    }
    let template = spec.field("template");
    let template = template.field("metadata");
    let labels = template.field("labels");
    let mut keys = vec![(JOB_UID[0], uid.text()), (JOB_NAME[0], name)];
    if prefixed_labels {
        keys.extend([(JOB_UID[1], uid.text()), (JOB_NAME[1], name)]);
    }
    keys.iter().for_each(|(key, value)| has_label(&labels, key, value));
    let expected = |key: &str| keys.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    if Selector::from_value(selector.value()).is_ok_and(|selector| !selector.matches(expected)) {
        selector.invalid("`selector` not auto-generated");
    }
}

fn has_label(labels: &At<'_, '_>, key: &str, value: &str) {
    let label = labels.key(key);
    if !label.is_set() {
        label.required(format!("must be '{value}'"));
    } else if label.text() != value {
        label.invalid_as(labels.value(), format!("must be '{value}'"));
    }
}

fn job_spec(spec: &At<'_, '_>) {
    common_spec(spec);
    let selector = spec.field("selector");
    if selector.is_set() {
        rules::label_selector(&selector);
    } else {
        selector.required("");
    }
    if let Ok(selector) = Selector::from_value(selector.value()) {
        let template = spec.field("template");
        let meta = template.field("metadata");
        let labels = meta.field("labels");
        if !selector.matches(|key| labels.get(key).as_str()) {
            labels.invalid("`selector` does not match template `labels`");
        }
    }
}

/// What holds for jobs and for templates of jobs (`validateJobSpec`).
fn common_spec(spec: &At<'_, '_>) {
    non_negative(
        spec,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
        ],
    );
    let (per_index, manager) = (spec.field("backoffLimitPerIndex"), spec.field("managedBy"));
    if spec.has("maxFailedIndexes") && !per_index.is_set() {
        per_index.required("when maxFailedIndexes is specified");
    }
    if manager.is_set() {
        domain_prefixed_path(&manager);
        if manager.len() > MANAGER_MAX {
            manager.too_long(MANAGER_MAX);
        }
    }
    completion_mode(spec);
    policy::failure(spec);
    policy::success(spec);
    policy::replacement(spec);
    let template = spec.field("template");
    pod::template(&template, Whose::Template);
    restart_policy(&template, spec.has("podFailurePolicy"));
}

fn completion_mode(spec: &At<'_, '_>) {
    let mode = spec.field("completionMode");
    mode.optional_one_of(&["NonIndexed", INDEXED]);
    match mode.text() {
        INDEXED => indexed(spec),
        "NonIndexed" | "" => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"].map(|name| spec.field(name)) {
                if field.is_set() {
                    field.invalid_number("requires indexed completion mode");
                }
            }
        }
        _ => {}
    }
}

fn indexed(spec: &At<'_, '_>) {
    let (completions, parallelism) = (spec.field("completions"), spec.field("parallelism"));
    let failed = spec.field("maxFailedIndexes");
    if !completions.is_set() {
        completions.required("when completion mode is Indexed");
    }
    at_most(
        &parallelism,
        PARALLELISM_MAX,
        "must be less than or equal to 100000 when completion mode is Indexed",
    );
    if completions.is_set() {
        at_most(&failed, completions.number(), "must be less than or equal to completions");
    }
    at_most(&failed, FAILED_INDEXES_MAX, "must be less than or equal to 100000");
    if completions.number() > MANY_COMPLETIONS && spec.has("backoffLimitPerIndex") {
        if !failed.is_set() {
            failed.required("must be specified when completions is above 100000");
        }
        let rule = "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit \
                    per index";
        at_most(&parallelism, PARALLELISM_OF_MANY, rule);
        at_most(&failed, FAILED_INDEXES_OF_MANY, rule);
    }
}

/// Pods of a job end.
fn restart_policy(template: &At<'_, '_>, has_failure_policy: bool) {
    let spec = template.field("spec");
    let policy = spec.field("restartPolicy");
    match policy.text() {
        "" | "Always" => policy.required("valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if has_failure_policy => {
            policy.invalid_text("only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => policy.one_of(&["OnFailure", "Never"]),
    }
}

pub(super) fn job_update(change: &Change<'_, '_>) {
    let (spec, old) = (change.new.field("spec"), change.old.field("spec"));
    let labels = |key: &str| {
        let template = old.field("template");
        template.get("metadata").pointer("/labels").is_some_and(|labels| labels.get(key).is_some())
    };
    whole_job(&change.new, labels(JOB_UID[1]) && labels(JOB_NAME[1]));
    change.metadata();
    job_spec(&spec);
    completions_update(&spec, &old);
    rules::immutable(&spec.field("selector"), old.get("selector"));
    template_update(change, &spec, &old);
    for name in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        rules::immutable(&spec.field(name), old.get(name));
    }
}

/// The completions of an indexed job change together with its parallelism.
fn completions_update(spec: &At<'_, '_>, old: &At<'_, '_>) {
    let completions = spec.field("completions");
    if !is_indexed(spec) {
        rules::immutable(&completions, old.get("completions"));
    } else if completions.is_set()
        && completions.value() != old.get("completions")
        && completions.number() != spec.field("parallelism").number()
    {
        completions.invalid_number("can only be modified in tandem with spec.parallelism");
    }
}

/// A job that is suspended, and whose pods are gone, may be scheduled elsewhere and with other resources
/// (`pkg/registry/batch/job/strategy.go`, `shouldAllowMutablePodTemplate`).
fn template_update(change: &Change<'_, '_>, spec: &At<'_, '_>, old: &At<'_, '_>) {
    let template = spec.field("template");
    if !may_change_template(&change.old) {
        return rules::immutable(&template, old.get("template"));
    }
    let mut expected = old.get("template").clone();
    copy(&mut expected, template.value(), "/metadata", &["annotations", "labels"]);
    copy(&mut expected, template.value(), "/spec", &["nodeSelector", "tolerations", "schedulingGates"]);
    copy_node_affinity(&mut expected, template.value());
    for list in ["containers", "initContainers"] {
        copy_resources(&mut expected, template.value(), list);
    }
    if !same(template.get("spec"), expected.get("spec").unwrap_or(&Value::Null)) {
        let shown = template.field("spec");
        rules::immutable(&shown, expected.get("spec").unwrap_or(&Value::Null));
    }
}

fn may_change_template(old: &At<'_, '_>) -> bool {
    let (spec, status) = (old.field("spec"), old.field("status"));
    let suspended = |condition: &At<'_, '_>| {
        condition.get_text("type") == "Suspended" && condition.get_text("status") == "True"
    };
    let conditions = status.field("conditions");
    let is_suspended = conditions.items().any(|condition| suspended(&condition));
    spec.field("suspend").is_true()
        && (!status.has("startTime") || is_suspended)
        && status.field("active").number() == 0
}

/// Takes over fields of one object.
fn copy(to: &mut Value, from: &Value, place: &str, fields: &[&str]) {
    let Some(to) = to.pointer_mut(place).and_then(Value::as_object_mut) else { return };
    for field in fields {
        match from.pointer(place).and_then(|from| from.get(field)) {
            Some(value) => _ = to.insert((*field).to_owned(), value.clone()),
            None => _ = to.remove(*field),
        }
    }
}

fn copy_node_affinity(to: &mut Value, from: &Value) {
    if from.pointer("/spec/affinity").is_some_and(|affinity| !affinity.is_null())
        && let Some(spec) = to.pointer_mut("/spec").and_then(Value::as_object_mut)
        && spec.get("affinity").is_none_or(Value::is_null)
    {
        spec.insert("affinity".to_owned(), Value::Object(serde_json::Map::new()));
    }
    copy(to, from, "/spec/affinity", &["nodeAffinity"]);
    if from.pointer("/spec/affinity").is_none_or(Value::is_null)
        && let Some(spec) = to.pointer_mut("/spec").and_then(Value::as_object_mut)
        && spec.get("affinity").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
    {
        spec.remove("affinity");
    }
}

fn copy_resources(to: &mut Value, from: &Value, list: &str) {
    let place = format!("/spec/{list}");
    let Some(new) = from.pointer(&place).and_then(Value::as_array) else { return };
    let Some(old) = to.pointer_mut(&place).and_then(Value::as_array_mut) else { return };
    if old.len() != new.len() {
        return;
    }
    for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old.get("name") == new.get("name")) {
        copy(old, new, "", &["resources"]);
    }
}

/// The controller appends eleven characters to the name of a cron job.
const CRON_JOB_NAME_MAX: usize = 52;

pub(super) fn cron_job(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    cron_job_spec(&object.field("spec"), None);
    let meta = object.field("metadata");
    let name = meta.field("name");
    if name.len() > CRON_JOB_NAME_MAX {
        name.invalid_text("must be no more than 52 characters");
    }
}

pub(super) fn cron_job_update(change: &Change<'_, '_>) {
    change.metadata();
    cron_job_spec(&change.new.field("spec"), Some(&change.old.field("spec")));
}

fn cron_job_spec(spec: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let (schedule, zone) = (spec.field("schedule"), spec.field("timeZone"));
    if schedule.is_empty() {
        schedule.required("");
    } else {
        let had_zone = old.is_some_and(|old| old.get_text("schedule").contains("TZ"));
        schedule_format(&schedule, had_zone, zone.is_set());
    }
    spec.field("startingDeadlineSeconds").non_negative();
    if old.is_none_or(|old| old.get("timeZone") != zone.value()) {
        time_zone(&zone);
    }
    spec.field("concurrencyPolicy").required_one_of(&["Allow", "Forbid", "Replace"]);
    let jobs = spec.field("jobTemplate");
    job_template(&jobs.field("spec"));
    non_negative(spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"]);
}

fn schedule_format(schedule: &At<'_, '_>, had_zone: bool, has_zone: bool) {
    if let Err(why) = cron::schedule(schedule.text()) {
        schedule.invalid_text(why);
    }
    match (schedule.text().contains("TZ"), had_zone) {
        (true, true) if has_zone => {
            schedule.invalid_text("cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
        (true, false) => {
            schedule.invalid_text("cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
        _ => {}
    }
}

/// A name of the time zone database. Which names there are is the database's own question: what can be one is taken, unless
/// no region of that name exists.
fn time_zone(zone: &At<'_, '_>) {
    let name = zone.text();
    if !zone.is_set() {
        return;
    }
    if name.is_empty() {
        return zone.invalid_text("timeZone must be nil or non-empty string");
    }
    let character = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    let valid = |part: &str| {
        !matches!(part, "." | "..")
            && !part.starts_with('-')
            && (1..=14).contains(&part.len())
            && part.bytes().all(character)
    };
    let unknown = || zone.invalid_as(quote(name), format!("unknown time zone {name}"));
    if !name.split('/').all(valid) {
        return unknown();
    }
    if name.eq_ignore_ascii_case("local") {
        zone.invalid_text(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    } else if !super::zones::is_known(name) {
        unknown();
    }
}

fn job_template(spec: &At<'_, '_>) {
    common_spec(spec);
    let (selector, manual) = (spec.field("selector"), spec.field("manualSelector"));
    if selector.is_set() {
        selector.invalid("`selector` will be auto-generated");
    }
    if manual.is_true() {
        manual.unsupported(&["nil", "false"]);
    }
}
