//! Rules of devices that pods ask for: classes, claims and their templates (`pkg/apis/resource/validation/validation.go`).
//!
//! What drivers say they have is in `slice`. Expressions must be there and short; whether they compile is decided where CEL
//! is. The invariant: a claim asks for the same as long as it exists.

mod slice;
mod status;

pub(super) use slice::{slice, slice_update};
pub(super) use status::claim_status;

use orch_core::Scope::{Cluster, Namespaced};
use orch_core::names;
use serde_json::Value;

use super::at::At;
use super::meta::{self, Change};
use super::rules::{self, Seen};
use super::storage::source::csi_driver as driver;

const REQUESTS_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const EXPRESSION_MAX: usize = 10 * 1024;
const PARAMETERS_MAX: usize = 10 * 1024;
const ID_MAX: usize = 32;

/// At most so many; `false` if there are more, and nothing else is said then.
fn few(list: &At<'_, '_>, max: usize) -> bool {
    let few = list.len() <= max;
    if !few {
        list.too_many(max);
    }
    few
}

/// The elements of a list, each with another key; duplicates are reported at the element.
fn set(list: &At<'_, '_>, max: usize, key: &str, rule: impl Fn(&At<'_, '_>)) {
    if !few(list, max) {
        return;
    }
    list.items().for_each(|one| rule(&one));
    let mut seen = Seen::new();
    for one in list.items() {
        let name = if key.is_empty() { one.text() } else { one.get_text(key) };
        if !seen.insert(name) {
            one.duplicate_as(super::at::quote(name), "");
        }
    }
}

/// Names of requests and of their alternatives, as `name` and `name/alternative`.
fn request_names(devices: &At<'_, '_>) -> Vec<String> {
    let mut names = Vec::new();
    for request in devices.field("requests").items() {
        let name = request.get_text("name");
        names.push(name.to_owned());
        let alternatives = request.field("firstAvailable");
        names.extend(alternatives.items().map(|one| format!("{name}/{}", one.get_text("name"))));
    }
    names
}

pub(super) fn class(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    class_spec(&object.field("spec"));
}

pub(super) fn class_update(change: &Change<'_, '_>) {
    meta::object(&change.new, Cluster, names::dns1123_subdomain);
    change.metadata();
    class_spec(&change.new.field("spec"));
}

fn class_spec(spec: &At<'_, '_>) {
    selectors(&spec.field("selectors"));
    let config = spec.field("config");
    if few(&config, REQUESTS_MAX) {
        config.items().for_each(|one| configuration(&one));
    }
    let extended = spec.field("extendedResourceName");
    if extended.is_set() && !super::pod::resources::is_extended(extended.text()) {
        extended.invalid_text("must be a valid extended resource name");
    }
}

pub(super) fn claim(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    claim_spec(&object.field("spec"));
}

pub(super) fn claim_update(change: &Change<'_, '_>) {
    meta::object(&change.new, Namespaced, names::dns1123_subdomain);
    change.metadata();
    rules::immutable(&change.new.field("spec"), change.old.get("spec"));
}

pub(super) fn template(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    let spec = object.field("spec");
    meta::template(&spec.field("metadata"));
    claim_spec(&spec.field("spec"));
}

pub(super) fn template_update(change: &Change<'_, '_>) {
    change.metadata();
    rules::immutable(&change.new.field("spec"), change.old.get("spec"));
}

fn claim_spec(spec: &At<'_, '_>) {
    let devices = spec.field("devices");
    let names = request_names(&devices);
    set(&devices.field("requests"), REQUESTS_MAX, "name", request);
    let constraints = devices.field("constraints");
    if few(&constraints, REQUESTS_MAX) {
        constraints.items().for_each(|one| constraint(&one, &names));
    }
    let config = devices.field("config");
    if few(&config, REQUESTS_MAX) {
        for one in config.items() {
            references(&one.field("requests"), &names);
            configuration(&one);
        }
    }
}

fn request(request: &At<'_, '_>) {
    request.field("name").named(names::dns1123_label);
    let (exactly, first) = (request.field("exactly"), request.field("firstAvailable"));
    const ONE: &str = "exactly one of `exactly` or `firstAvailable` is required";
    match (exactly.is_set(), !first.is_empty()) {
        (false, false) => request.required(ONE),
        (true, true) => request.invalid_as("null", format!("{ONE}, but multiple fields are set")),
        (true, false) => wanted(&exactly),
        (false, true) => set(&first, ALTERNATIVES_MAX, "name", |one| {
            one.field("name").named(names::dns1123_label);
            wanted(one);
        }),
    }
}

/// Devices of a class, and how many.
fn wanted(request: &At<'_, '_>) {
    request.field("deviceClassName").required_name(names::dns1123_subdomain);
    selectors(&request.field("selectors"));
    let (mode, count) = (request.field("allocationMode"), request.field("count"));
    match mode.text() {
        "All" if count.number() != 0 => {
            count.invalid_number("must not be specified when allocationMode is 'All'");
        }
        "All" => {}
        "ExactCount" if count.number() <= 0 => count.invalid_number("must be greater than zero"),
        "ExactCount" => {}
        _ => mode.unsupported(&["All", "ExactCount"]),
    }
    request.field("tolerations").items().for_each(|one| toleration(&one));
}

fn selectors(list: &At<'_, '_>) {
    if !few(list, REQUESTS_MAX) {
        return;
    }
    for selector in list.items() {
        let cel = selector.field("cel");
        let expression = cel.field("expression");
        if !cel.is_set() {
            cel.required("");
        } else if expression.len() > EXPRESSION_MAX {
            expression.too_long(EXPRESSION_MAX);
        }
    }
}

fn toleration(toleration: &At<'_, '_>) {
    let [key, operator, value, effect] =
        ["key", "operator", "value", "effect"].map(|name| toleration.field(name));
    key.optional_name(names::qualified_name);
    match operator.text() {
        "Exists" if !value.is_empty() => value.invalid_text("must be empty for operator `Exists`"),
        "Exists" => {}
        "Equal" => value.named(names::label_value),
        _ => operator.required_one_of(&["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        effect.one_of(EFFECTS);
    }
}

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

fn constraint(constraint: &At<'_, '_>, names: &[String]) {
    references(&constraint.field("requests"), names);
    let (same, other) = (constraint.field("matchAttribute"), constraint.field("distinctAttribute"));
    if same.is_set() {
        full_name(&same);
    } else if other.is_set() {
        full_name(&other);
    } else {
        constraint.required(
            "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set",
        );
    }
}

fn references(list: &At<'_, '_>, names: &[String]) {
    set(list, REQUESTS_MAX, "", |one| reference(one, names));
}

/// The name of a request of the claim, or of one of its alternatives.
fn reference(at: &At<'_, '_>, names: &[String]) {
    const RULE: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated \
                        by '/'";
    if at.text().matches('/').count() > 1 {
        return at.invalid_text(RULE);
    }
    for part in at.text().split('/') {
        for message in names::dns1123_label(part).err().into_iter().flatten() {
            at.invalid_as(super::at::quote(part), message);
        }
    }
    if !names.iter().any(|name| name == at.text()) {
        at.invalid_text(RULE);
    }
}

fn configuration(config: &At<'_, '_>) {
    let opaque = config.field("opaque");
    if !opaque.is_set() {
        return opaque.required("");
    }
    driver(&opaque.field("driver"));
    parameters(&opaque.field("parameters"), PARAMETERS_MAX);
}

/// Any object of JSON that is not too large.
fn parameters(at: &At<'_, '_>, max: usize) {
    match at.value() {
        Value::Null => at.required(""),
        value if value.to_string().len() > max => at.too_long(max),
        Value::Object(_) => {}
        _ => at.invalid_as("\"<value omitted>\"", "must be a valid JSON object"),
    }
}

fn full_name(at: &At<'_, '_>) {
    qualified(at, at.text());
    if !at.text().contains('/') {
        at.invalid_text("a fully qualified name must be a domain and a name separated by a slash");
    }
}

/// An identifier, with or without the domain of a driver.
fn qualified(at: &At<'_, '_>, name: &str) {
    let (domain, id) = match name.split_once('/') {
        None => (None, name),
        Some((domain, id)) => (Some(domain), id),
    };
    let value = |text: &str| Value::from(text);
    match domain {
        Some("") => at.invalid_as("\"\"", "the domain must not be empty"),
        Some(domain) => {
            for message in names::dns1123_subdomain(&rules::lowercase(domain)).err().into_iter().flatten() {
                at.invalid_as(value(domain), message);
            }
            if domain.len() > names::LABEL_MAX {
                at.too_long(names::LABEL_MAX);
            }
        }
        None => {}
    }
    if domain.is_some() && id.is_empty() {
        return at.invalid_as("\"\"", "the name must not be empty");
    }
    if id.len() > ID_MAX {
        at.too_long(ID_MAX);
    }
    for message in names::c_identifier(id).err().into_iter().flatten() {
        at.invalid_as(value(id), message);
    }
}

/// The name of a pool: subdomains between slashes.
fn pool_name(at: &At<'_, '_>) {
    if at.is_empty() {
        return at.required("");
    }
    if at.len() > names::SUBDOMAIN_MAX {
        at.too_long(names::SUBDOMAIN_MAX);
    }
    for part in at.text().split('/') {
        for message in names::dns1123_subdomain(part).err().into_iter().flatten() {
            at.invalid_as(super::at::quote(part), message);
        }
    }
}
