//! Rules of webhooks that are asked at admission, and what policies of admission have in common with them
//! (`pkg/apis/admissionregistration/validation/validation.go`).
//!
//! Expressions must be there, and compile (`expressions.rs`). Not the calls themselves.

mod expressions;
pub(super) mod policy;

use orch_core::Scope::Cluster;
use orch_core::names;
use serde_json::Value;

use self::expressions::Names;
use super::api_service::service_port;
use super::at::{At, quote};
use super::common::qualified_domain;
use super::meta::{self, Change};
use super::rules::{self, Seen};
use crate::cel::Expected;

const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
const REINVOCATION: &[&str] = &["IfNeeded", "Never"];
/// Versions of the question that this server can ask.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const CONDITIONS_MAX: usize = 64;

/// What a configuration from before a rule existed is let keep.
#[derive(Clone, Copy)]
struct Strict {
    side_effects: bool,
    versions: bool,
    unique_names: bool,
    conditions: bool,
}

pub(super) fn webhooks(object: &At<'_, '_>) {
    configuration(
        object,
        Strict { side_effects: true, versions: true, unique_names: true, conditions: true },
    );
}

pub(super) fn webhooks_update(change: &Change<'_, '_>) {
    let (new, old) = (change.new.field("webhooks"), change.old.field("webhooks"));
    let strict = Strict {
        side_effects: old.items().all(|hook| NO_SIDE_EFFECTS.contains(&hook.get_text("sideEffects"))),
        versions: old.items().all(|hook| {
            let versions = hook.field("admissionReviewVersions");
            versions.is_empty() || versions.list().iter().any(is_accepted)
        }),
        unique_names: {
            let mut seen = Seen::new();
            old.items().all(|hook| seen.insert(hook.get_text("name")))
        },
        conditions: new.len() != old.len()
            || !new
                .items()
                .zip(old.items())
                .all(|(new, old)| super::same::same(new.get("matchConditions"), old.get("matchConditions"))),
    };
    configuration(&change.new, strict);
}

pub(super) fn is_accepted(version: &Value) -> bool {
    version.as_str().is_some_and(|version| REVIEW_VERSIONS.contains(&version))
}

fn configuration(object: &At<'_, '_>, strict: Strict) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let mut seen = Seen::new();
    for hook in object.field("webhooks").items() {
        webhook(&hook, strict);
        review_versions(&hook.field("admissionReviewVersions"), strict.versions);
        let name = hook.field("name");
        if strict.unique_names && !name.is_empty() && !seen.insert(name.text()) {
            name.duplicate();
        }
    }
}

fn webhook(hook: &At<'_, '_>, strict: Strict) {
    qualified_domain(&hook.field("name"), 3, "three");
    hook.field("rules").items().for_each(|rule| rule_with_operations(&rule));
    hook.field("failurePolicy").optional_one_of(FAILURE_POLICIES);
    hook.field("matchPolicy").optional_one_of(MATCH_POLICIES);
    let allowed = if strict.side_effects { NO_SIDE_EFFECTS } else { SIDE_EFFECTS };
    let effects = hook.field("sideEffects");
    if effects.is_set() {
        effects.one_of(allowed);
    } else {
        effects.required(format!("must specify one of {}", allowed.join(", ")));
    }
    let timeout = hook.field("timeoutSeconds");
    if timeout.is_set() && !(1..=30).contains(&timeout.number()) {
        timeout.invalid_number("the timeout value must be between 1 and 30 seconds");
    }
    rules::label_selector(&hook.field("namespaceSelector"));
    rules::label_selector(&hook.field("objectSelector"));
    hook.field("reinvocationPolicy").optional_one_of(REINVOCATION);
    client(&hook.field("clientConfig"));
    if strict.conditions {
        match_conditions(&hook.field("matchConditions"), false);
    }
}

/// Where a webhook is called: a URL or a service.
pub(super) fn client(client: &At<'_, '_>) {
    let (url, service) = (client.field("url"), client.field("service"));
    match (url.is_set(), service.is_set()) {
        (true, false) => webhook_url(&url),
        (false, true) => {
            // Upstream mixes the two up.
            for (name, other) in [("name", "namespace"), ("namespace", "name")] {
                if service.field(other).is_empty() {
                    service.field(name).required("");
                }
            }
            service_port(&service.field("port"));
            service_path(&service.field("path"));
        }
        _ => client.required("exactly one of url or service is required"),
    }
}

fn webhook_url(url: &At<'_, '_>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let text = url.text();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or("") };
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        let why = format!("parse {}: net/url: invalid control character in URL", quote(text));
        return url.required(format!("url must be a valid URL: {why}{FORM}"));
    }
    if scheme != "https" {
        url.invalid_as(quote(scheme), format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        url.invalid_as(quote(host), format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        url.invalid_as(quote(user), "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        url.invalid_as(quote(fragment), "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        url.invalid_as(quote(query), "query parameters are not permitted in the URL");
    }
}

fn service_path(path: &At<'_, '_>) {
    let text = path.text();
    match text {
        "" | "/" => return,
        "//" => return path.invalid_text("segment[0] may not be empty"),
        _ => {}
    }
    if !text.starts_with('/') {
        path.invalid_text("must start with a '/'");
    }
    // Upstream leaves out the first character whatever it is.
    let mut rest = text.chars();
    rest.next();
    let rest = rest.as_str();
    for (at, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            path.invalid_text(format!("segment[{at}] may not be empty"));
            continue;
        }
        for message in names::dns1123_subdomain(step).err().into_iter().flatten() {
            path.invalid_text(format!("segment[{at}]: {message}"));
        }
    }
}

/// The versions of reviews that a webhook takes, admission's and conversion's alike.
pub(super) fn review_versions(versions: &At<'_, '_>, known: bool) {
    let accepted = REVIEW_VERSIONS.join(", ");
    if versions.is_empty() {
        return versions.required(format!("must specify one of {accepted}"));
    }
    let mut seen = Seen::new();
    for version in versions.items() {
        if seen.insert(version.text()) {
            version.named(names::dns1035_label);
        } else {
            version.invalid_text("duplicate version");
        }
    }
    if known && !versions.list().iter().any(is_accepted) {
        versions.invalid(format!("must include at least one of {accepted}"));
    }
}

fn has_all(list: &At<'_, '_>) -> bool {
    list.list().iter().any(|value| value == "*")
}

fn rule_with_operations(rule: &At<'_, '_>) {
    let operations = rule.field("operations");
    if operations.is_empty() {
        operations.required("");
    }
    alone(&operations, "operations");
    operations.items().for_each(|one| one.one_of(&["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]));
    let (groups, versions) = (rule.field("apiGroups"), rule.field("apiVersions"));
    for (list, others) in [(&groups, "API groups"), (&versions, "API versions")] {
        if list.is_empty() {
            list.required("");
        }
        alone(list, others);
    }
    versions.items().filter(At::is_empty).for_each(|version| version.required(""));
    resources(&rule.field("resources"));
    rule.field("scope").optional_one_of(&["*", "Cluster", "Namespaced"]);
}

/// A list with `*` has nothing else.
fn alone(list: &At<'_, '_>, others: &str) {
    if list.len() > 1 && has_all(list) {
        list.invalid(format!("if '*' is present, must not specify other {others}"));
    }
}

fn resources(list: &At<'_, '_>) {
    if list.is_empty() {
        list.required("");
    }
    let (mut all_of, mut any_of) = (Seen::new(), Seen::new());
    let (mut double, mut single, mut plain) = (false, false, false);
    for resource in list.items() {
        let text = resource.text();
        if text.is_empty() {
            resource.required("");
            continue;
        }
        double |= text == "*/*";
        single |= text == "*";
        let Some((name, part)) = text.split_once('/') else {
            plain = text != "*";
            continue;
        };
        if all_of.has(name) {
            resource.invalid_text(format!("if '{name}/*' is present, must not specify {text}"));
        }
        if any_of.has(part) {
            resource.invalid_text(format!("if '*/{part}' is present, must not specify {text}"));
        }
        if part == "*" {
            all_of.insert(name);
        }
        if name == "*" {
            any_of.insert(part);
        }
    }
    if list.len() > 1 && double {
        list.invalid("if '*/*' is present, must not specify other resources");
    }
    if single && plain {
        list.invalid("if '*' is present, must not specify other resources without subresources");
    }
}

fn match_conditions(list: &At<'_, '_>, params: bool) {
    if list.len() > CONDITIONS_MAX {
        list.too_many(CONDITIONS_MAX);
    }
    let mut seen = Seen::new();
    for condition in list.items() {
        let (name, expression) = (condition.field("name"), condition.field("expression"));
        if expression.text().trim().is_empty() {
            expression.required("");
        }
        let known = Names { params, authorizer: true, variables: false };
        expressions::compiles_trimmed(&expression, known, Expected::Bool);
        name.required_name(names::qualified_name);
        if !name.is_empty() && !seen.insert(name.text()) {
            name.duplicate();
        }
    }
}
