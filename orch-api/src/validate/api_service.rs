//! Rules of the services that serve parts of the API (`kube-aggregator/pkg/apis/apiregistration/validation/validation.go`),
//! and of reviews, which are answered and never stored (`pkg/apis/authorization/validation/validation.go`,
//! `pkg/apis/authentication/validation/validation.go`).
//!
//! Not access itself: who may do what is decided elsewhere.

use orch_core::Scope::Cluster;
use orch_core::names;
use serde_json::Value;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules;

pub(super) fn api_service(object: &At<'_, '_>) {
    let spec = object.field("spec");
    let (group, version) = (spec.field("group"), spec.field("version"));
    let expected = format!("{}.{}", version.text(), group.text());
    meta::object(object, Cluster, names::path_segment_name);
    let meta = object.field("metadata");
    let name = meta.field("name");
    if !name.is_empty() && names::path_segment_name(name.text()).is_ok() && name.text() != expected {
        name.invalid_text(format!("must be `spec.version+\".\"+spec.group`: {}", quote(&expected)));
    }
    if group.is_empty() && version.text() != "v1" {
        group.required("only v1 may have an empty group and it better be legacy kube");
    }
    group.optional_name(names::dns1123_subdomain);
    version.named(names::dns1035_label);
    for (name, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = spec.field(name);
        if !(1..=max).contains(&priority.number()) {
            priority.invalid_number(format!("must be positive and less than {max}"));
        }
    }
    served_by(&spec);
}

fn served_by(spec: &At<'_, '_>) {
    let (service, authority) = (spec.field("service"), spec.field("caBundle"));
    let insecure = spec.field("insecureSkipTLSVerify");
    if !service.is_set() {
        if !authority.is_empty() {
            let size = authority.text().trim_end_matches('=').len() * 3 / 4;
            authority
                .invalid_as(quote(&format!("{size} bytes")), "local APIServices may not have a caBundle");
        }
        if insecure.is_true() {
            insecure.invalid("local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    }
    service.require(&["namespace", "name"]);
    service_port(&service.field("port"));
    if insecure.is_true() && !authority.is_empty() {
        insecure.invalid("may not be true if caBundle is present");
    }
}

/// The port of a service that is called.
pub(super) fn service_port(port: &At<'_, '_>) {
    if let Err(messages) = names::port_number(port.number()) {
        port.invalid_number(format!("port is not valid: {}", messages.join(", ")));
    }
}

pub(super) fn api_service_update(change: &Change<'_, '_>) {
    change.metadata();
    api_service(&change.new);
}

pub(super) fn api_service_status(change: &Change<'_, '_>) {
    change.metadata();
    for condition in change.new.field("status").field("conditions").items() {
        condition.field("status").one_of(&["True", "False", "Unknown"]);
    }
}

/// A review of somebody's access.
pub(super) fn access_review(object: &At<'_, '_>) {
    let spec = object.field("spec");
    attributes(&spec);
    if spec.field("user").is_empty() && spec.field("groups").is_empty() {
        spec.field("user").invalid_text("at least one of user or group must be specified");
    }
    selectors(&spec);
    no_metadata(object, &[], "must be empty");
}

/// A review of one's own access.
pub(super) fn self_access_review(object: &At<'_, '_>) {
    let spec = object.field("spec");
    attributes(&spec);
    selectors(&spec);
    no_metadata(object, &[], "must be empty");
}

/// A review of access within one namespace.
pub(super) fn local_access_review(object: &At<'_, '_>) {
    let spec = object.field("spec");
    attributes(&spec);
    if spec.field("user").is_empty() && spec.field("groups").is_empty() {
        spec.field("user").invalid_text("at least one of user or group must be specified");
    }
    selectors(&spec);
    no_metadata(object, &["namespace"], "must be empty except for namespace");
    let (resource, other) = (spec.field("resourceAttributes"), spec.field("nonResourceAttributes"));
    let namespace = resource.field("namespace");
    if resource.is_set() && namespace.text() != object.field("metadata").get_text("namespace") {
        namespace.invalid_text("must match metadata.namespace");
    }
    if other.is_set() {
        other.invalid("disallowed on this kind of request");
    }
}

/// A review of one's own rules in a namespace, or of who one is, asks for nothing that could be wrong.
pub(super) fn any_review(_: &At<'_, '_>) {}

/// Seconds that a token is good for at least.
const TOKEN_SECS_MIN: i64 = 600;

/// A request for a token (`pkg/apis/authentication/validation`).
pub(super) fn token_request(object: &At<'_, '_>) {
    let spec = object.field("spec");
    let secs = spec.field("expirationSeconds");
    if secs.number() < TOKEN_SECS_MIN {
        secs.invalid_number("may not specify a duration less than 10 minutes");
    }
    if secs.number() > 1 << 32 {
        secs.invalid_number("may not specify a duration larger than 2^32 seconds");
    }
}

/// A review of a token.
pub(super) fn token_review(object: &At<'_, '_>) {
    let spec = object.field("spec");
    if spec.field("token").is_empty() {
        spec.field("token").required("token is required for TokenReview in authentication");
    }
}

fn attributes(spec: &At<'_, '_>) {
    let (resource, other) = (spec.field("resourceAttributes"), spec.field("nonResourceAttributes"));
    match (resource.is_set(), other.is_set()) {
        (true, true) => other.invalid("cannot be specified in combination with resourceAttributes"),
        (false, false) => {
            resource.invalid("exactly one of nonResourceAttributes or resourceAttributes must be specified");
        }
        _ => {}
    }
}

fn selectors(spec: &At<'_, '_>) {
    let resource = spec.field("resourceAttributes");
    for name in ["fieldSelector", "labelSelector"] {
        let selector = resource.field(name);
        if !selector.is_set() {
            continue;
        }
        let (raw, list) = (selector.field("rawSelector"), selector.field("requirements"));
        if !raw.is_empty() && !list.is_empty() {
            raw.invalid_text("may not specified at the same time as requirements");
        }
        if raw.is_empty() && list.is_empty() {
            list.required(format!(
                "when spec.resourceAttributes.{name} is specified, requirements or rawSelector is required"
            ));
        }
        list.items().for_each(|requirement| requirement_rule(&requirement, name == "labelSelector"));
    }
}

/// Operators that are not known are for newer servers to understand.
fn requirement_rule(requirement: &At<'_, '_>, is_label: bool) {
    let (key, values) = (requirement.field("key"), requirement.field("values"));
    match requirement.get_text("operator") {
        "In" | "NotIn" if values.is_empty() => {
            values.required("must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        _ => {}
    }
    if is_label {
        rules::label_name(&key);
        values.items().for_each(|value| value.named(names::label_value));
    } else if key.is_empty() {
        key.required("must be specified");
    }
}

fn no_metadata(object: &At<'_, '_>, except: &[&str], message: &str) {
    let meta = object.field("metadata");
    let given = |(name, value): (&String, &Value)| {
        name != "managedFields" && !except.contains(&name.as_str()) && !super::same::same(value, &Value::Null)
    };
    if meta.map().is_some_and(|map| map.iter().any(given)) {
        meta.invalid(message);
    }
}
