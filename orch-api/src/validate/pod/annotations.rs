//! Rules of annotations that mean something: of mirror pods, of costs, of profiles of the time before they were fields
//! (`ValidatePodSpecificAnnotations`, `ValidatePodSpecificAnnotationUpdates`).
//!
//! The invariant: an annotation and the field that took its place agree.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::at::{At, quote};
use super::super::rules;
use super::{each_container, scheduling};

pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCALHOST: &str = "localhost/";
const RUNTIME_DEFAULT: &str = "runtime/default";
const DOCKER_DEFAULT: &str = "docker/default";
const UNCONFINED: &str = "unconfined";

/// What annotations of a pod say about its spec.
pub(super) fn annotations(annotations: &At<'_, '_>, spec: &At<'_, '_>) {
    let mut containers = None;
    for (key, value) in annotations.entries() {
        match key {
            MIRROR if spec.field("nodeName").is_empty() => {
                value.invalid_text("must set spec.nodeName if mirror pod annotation is set");
            }
            TOLERATIONS if !value.is_empty() => match serde_json::from_str::<Value>(value.text()) {
                Ok(list) => scheduling::tolerations(&annotations.with(&list).shown(TOLERATIONS)),
                Err(error) => annotations.invalid_as(quote(TOLERATIONS), error.to_string()),
            },
            COST if !is_cost(value.text()) => value.invalid_text("must be a 32bit integer"),
            SECCOMP_POD => seccomp(&annotations.field(key)),
            _ if key.starts_with(SECCOMP) => seccomp(&annotations.field(key)),
            _ => {
                if let Some(container) = key.strip_prefix(APP_ARMOR) {
                    let containers = containers.get_or_insert_with(|| names(spec));
                    app_armor(&value, container, containers);
                }
            }
        }
    }
}

/// A number without a plus and without leading zeros.
fn is_cost(text: &str) -> bool {
    let first = text.bytes().next();
    (text == "0" || first.is_some_and(|first| first == b'-' || matches!(first, b'1'..=b'9')))
        && text.parse::<i32>().is_ok()
}

fn seccomp(at: &At<'_, '_>) {
    match at.text() {
        RUNTIME_DEFAULT | DOCKER_DEFAULT | UNCONFINED => {}
        text => match text.strip_prefix(LOCALHOST) {
            Some(path) => rules::descending_path(&at.with(&Value::from(path))),
            None => at.invalid_text("must be a valid seccomp profile"),
        },
    }
}

/// Names of all containers.
fn names<'v>(spec: &At<'v, '_>) -> BTreeSet<&'v str> {
    let mut names = BTreeSet::new();
    each_container(spec, |container| {
        names.insert(container.get_text("name"));
    });
    names
}

fn app_armor(at: &At<'_, '_>, container: &str, containers: &BTreeSet<&str>) {
    if !containers.contains(container) {
        at.invalid_as(quote(container), "container not found");
    }
    if !matches!(at.text(), "" | RUNTIME_DEFAULT | UNCONFINED) && !at.text().starts_with(LOCALHOST) {
        at.invalid_text(format!("invalid AppArmor profile name: {}", quote(at.text())));
    }
}

/// Profiles in annotations are those in fields.
pub(super) fn agree_with_fields(meta: &At<'_, '_>, spec: &At<'_, '_>) {
    if meta.field("annotations").is_empty() {
        return;
    }
    let of_pod = spec.field("securityContext");
    if let Some(annotation) = rules::annotation(meta, SECCOMP_POD) {
        agrees(&of_pod.field("seccompProfile"), annotation, "seccomp");
    }
    each_container(spec, |container| {
        let context = container.field("securityContext");
        let name = container.get_text("name");
        if let Some(annotation) = rules::annotation(meta, &format!("{SECCOMP}{name}")) {
            agrees(&context.field("seccompProfile"), annotation, "seccomp");
        }
    });
    if spec.field("os").get_text("name") == "windows" {
        return;
    }
    each_container(spec, |container| {
        let context = container.field("securityContext");
        let name = container.get_text("name");
        let Some(annotation) = rules::annotation(meta, &format!("{APP_ARMOR}{name}")) else { return };
        let own = context.field("appArmorProfile");
        let inherited = own.with(of_pod.get("appArmorProfile"));
        agrees(if own.is_set() { &own } else { &inherited }, annotation, "apparmor");
    });
}

fn agrees(profile: &At<'_, '_>, annotation: &str, what: &str) {
    let (kind, path) = (profile.field("type"), profile.field("localhostProfile"));
    let same_type = match kind.text() {
        "Unconfined" => annotation == UNCONFINED,
        "RuntimeDefault" => {
            annotation == RUNTIME_DEFAULT || (what == "seccomp" && annotation == DOCKER_DEFAULT)
        }
        "Localhost" => annotation.starts_with(LOCALHOST),
        _ => true,
    };
    if !same_type {
        kind.forbidden(format!("{what} type in annotation and field must match"));
    } else if kind.text() == "Localhost" && path.value().as_str() != annotation.strip_prefix(LOCALHOST) {
        path.forbidden(format!("{what} profile in annotation and field must match"));
    }
}

/// Annotations that stay as they were.
pub(super) fn changes(new: &At<'_, '_>, old: &At<'_, '_>) {
    let what = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        _ => key.starts_with(APP_ARMOR).then_some("AppArmor annotations"),
    };
    for (key, before) in old.entries() {
        if let (Some(what), true) = (what(key), new.get(key) != before.value()) {
            new.key(key).forbidden(format!("may not remove or update {what}"));
        }
    }
    for (key, added) in new.entries() {
        if let (Some(what), false) = (what(key), old.has(key)) {
            added.forbidden(format!("may not add {what}"));
        }
    }
}
