//! Rules of ingresses and ingress classes (`pkg/apis/networking/validation/validation.go`).
//!
//! Not routing. The invariant: a backend is a service or a resource, never both.

use orch_core::Scope::{Cluster, Namespaced};
use orch_core::names;
use serde_json::Value;

use super::address;
use super::at::{At, quote};
use super::common::{domain_prefixed_path, segments};
use super::meta::{self, Change};
use super::rules;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const CONTROLLER_MAX: usize = 250;

pub(super) fn ingress(object: &At<'_, '_>) {
    whole(object);
    let meta = object.field("metadata");
    let spec = object.field("spec");
    let class = spec.field("ingressClassName");
    if let Some(annotation) = rules::annotation(&meta, CLASS_ANNOTATION)
        && class.is_set()
        && class.text() != annotation
    {
        let at = object.field("annotations");
        at.field(CLASS_ANNOTATION)
            .invalid_as(quote(annotation), "must match `ingressClassName` when both are specified");
    }
}

pub(super) fn ingress_update(change: &Change<'_, '_>) {
    change.metadata();
    whole(&change.new);
}

fn whole(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    let spec = object.field("spec");
    let (list, default) = (spec.field("rules"), spec.field("defaultBackend"));
    if list.is_empty() && !default.is_set() {
        let shown = if list.is_set() { "[]" } else { "null" };
        spec.invalid_as(shown, "either `defaultBackend` or `rules` must be specified");
    }
    if default.is_set() {
        backend(&default);
    }
    list.items().for_each(|rule| ingress_rule(&rule));
    for tls in spec.field("tls").items() {
        tls.field("hosts").items().for_each(|host| domain(&host));
        tls.field("secretName").optional_name(names::dns1123_subdomain);
    }
    let class = spec.field("ingressClassName");
    if class.is_set() {
        class.named(names::dns1123_subdomain);
    }
}

/// A name, or with an asterisk all names below one.
fn domain(host: &At<'_, '_>) {
    if host.text().contains('*') {
        host.named(names::wildcard_dns1123_subdomain);
    } else {
        host.named(names::dns1123_subdomain);
    }
}

fn ingress_rule(rule: &At<'_, '_>) {
    let host = rule.field("host");
    if !host.is_empty() {
        not_an_address(&host);
        domain(&host);
    }
    let http = rule.field("http");
    if !http.is_set() {
        return;
    }
    let paths = http.field("paths");
    if paths.is_empty() {
        paths.required("");
    }
    paths.items().for_each(|one| path(&one));
}

fn not_an_address(host: &At<'_, '_>) {
    if address::parse(host.text()).is_some() {
        host.invalid_text("must be a DNS name, not an IP address");
    }
}

fn path(one: &At<'_, '_>) {
    let (path, kind) = (one.field("path"), one.field("pathType"));
    match kind.value() {
        // Nothing else is judged then.
        Value::Null => return kind.required("pathType must be specified"),
        _ if matches!(kind.text(), "Exact" | "Prefix") => {
            absolute(&path);
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if path.text().contains(part) {
                    path.invalid_text(format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if path.text().ends_with(end) {
                    path.invalid_text(format!("cannot end with '{end}'"));
                }
            }
        }
        _ if kind.text() == "ImplementationSpecific" => {
            if !path.is_empty() {
                absolute(&path);
            }
        }
        _ => kind.unsupported(&["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&one.field("backend"));
}

fn absolute(path: &At<'_, '_>) {
    if !path.text().starts_with('/') {
        path.invalid_text("must be an absolute path");
    }
}

fn backend(at: &At<'_, '_>) {
    let (service, resource) = (at.field("service"), at.field("resource"));
    let wrong = |message: &str| at.invalid_as(quote(""), message);
    match (service.is_set(), resource.is_set()) {
        (true, true) => wrong("cannot set both resource and service backends"),
        (false, true) => typed_reference(&resource),
        (true, false) => {
            service.field("name").required_name(names::dns1123_label);
            let port = service.field("port");
            let (name, number) = (port.field("name"), port.field("number"));
            match (!name.is_empty(), number.number() != 0) {
                (true, true) => wrong("cannot set both port name & port number"),
                (true, false) => name.named(names::port_name),
                (false, true) => rules::port_number(&number),
                (false, false) => at.required("port name or number is required"),
            }
        }
        (false, false) => wrong("resource or service backend is required"),
    }
}

/// An object of the same namespace, by group, kind and name.
fn typed_reference(at: &At<'_, '_>) {
    let group = at.field("apiGroup");
    if group.is_set() {
        group.named(names::dns1123_subdomain);
    }
    segments(at, &["kind", "name"]);
}

pub(super) fn ingress_status(change: &Change<'_, '_>) {
    change.metadata();
    let (new, old) = (change.new.field("status"), change.old.field("status"));
    let existing = |status: &At<'_, '_>| status.get("loadBalancer").pointer("/ingress").cloned();
    let before = existing(&old).unwrap_or_default();
    let before = before.as_array().into_iter().flatten();
    let before = before.filter_map(|one| one.get("ip")?.as_str()).collect();
    for one in new.field("loadBalancer").field("ingress").items() {
        let (ip, host) = (one.field("ip"), one.field("hostname"));
        if !ip.is_empty() {
            address::ip(&ip, &before);
        }
        if !host.is_empty() {
            host.named(names::dns1123_subdomain);
            not_an_address(&host);
        }
    }
}

pub(super) fn class(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    let controller = spec.field("controller");
    if controller.len() > CONTROLLER_MAX {
        controller.too_long(CONTROLLER_MAX);
    }
    domain_prefixed_path(&controller);
    let parameters = spec.field("parameters");
    if parameters.is_set() {
        typed_reference(&parameters);
        parameters_scope(&parameters);
    }
}

fn parameters_scope(parameters: &At<'_, '_>) {
    let (scope, namespace) = (parameters.field("scope"), parameters.field("namespace"));
    if !scope.is_set() {
        return scope.required("");
    }
    match scope.text() {
        "Namespace" if !namespace.is_set() => {
            namespace.required("`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => namespace.named(names::dns1123_label),
        "Cluster" if namespace.is_set() => {
            namespace.forbidden("`parameters.scope` is set to 'Cluster'");
        }
        "Cluster" => {}
        _ => scope.unsupported(&["Cluster", "Namespace"]),
    }
}

pub(super) fn class_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    rules::immutable(&spec.field("controller"), change.old.field("spec").get("controller"));
    class(&change.new);
}
