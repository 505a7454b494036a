//! Rules of services (`pkg/apis/core/validation/validation.go`: `ValidateServiceCreate`, `ValidateServiceUpdate`).
//!
//! Not allocation: that an address is free and lies in the cluster's range is asked where it is allocated. Cluster
//! addresses and families are in `cluster_ips`, traffic and load balancers in `traffic`.

mod cluster_ips;
mod traffic;

use std::collections::BTreeSet;

use orch_core::{Scope, names};
use serde_json::Value;

use super::address;
use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules::{self, Seen};

/// Longest time that a client keeps its endpoint, in seconds.
const AFFINITY_SECONDS_MAX: i64 = 86_400;

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

pub(super) fn service(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_label);
    any_service(object, None);
}

pub(super) fn service_update(change: &Change<'_, '_>) {
    change.metadata();
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    cluster_ips::changes(&new, &old);
    traffic::changes(&new, &old);
    any_service(&change.new, Some(&change.old));
}

pub(super) fn service_status(change: &Change<'_, '_>) {
    change.metadata();
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    let spec = change.new.field("spec");
    traffic::load_balancer_status(&status.field("loadBalancer"), &old.field("loadBalancer"), &spec);
}

/// Whether the service has no address of its own.
fn is_headless(spec: &At<'_, '_>) -> bool {
    matches!(spec.field("clusterIPs").list(), [Value::String(only)] if only == "None")
}

/// The texts of a list.
fn texts<'v>(at: &At<'v, '_>) -> BTreeSet<&'v str> {
    at.list().iter().filter_map(Value::as_str).collect()
}

/// `validateService`.
fn any_service(object: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let old_spec = old.map(|old| old.field("spec"));
    let old_texts = |name: &str| old_spec.map_or_else(BTreeSet::new, |spec| texts(&spec.field(name)));
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    topology(&meta);
    kind(&spec);
    ports(&spec);
    rules::labels(&spec.field("selector"));
    session_affinity(&spec);
    cluster_ips::cluster_ips(&spec, &old_texts("clusterIPs"));
    let existing = old_texts("externalIPs");
    for external in spec.field("externalIPs").items() {
        let before = external.faults().count();
        let ip = address::ip(&external, &existing);
        if let (Some(ip), true) = (ip, external.faults().count() == before) {
            address::endpoint(&external, ip);
        }
    }
    spec.field("type").required_one_of(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    port_numbers(&spec);
    source_ranges(&meta, &spec, old);
    traffic::traffic(&spec);
}

/// Two annotations that say the same must agree.
fn topology(meta: &At<'_, '_>) {
    if let (Some(mode), Some(hints)) = (rules::annotation(meta, MODE), rules::annotation(meta, HINTS))
        && mode != hints
    {
        let annotations = meta.field("annotations");
        annotations
            .key(MODE)
            .invalid_text(format!("must match annotations[{HINTS}] when both are specified"));
    }
}

/// What the types of service need and forbid.
fn kind(spec: &At<'_, '_>) {
    let (headless, kind) = (is_headless(spec), spec.get_text("type"));
    if spec.field("ports").is_empty() && !headless && kind != "ExternalName" {
        spec.field("ports").required("");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let ips = spec.field("clusterIPs");
            ips.index(0).invalid_text(format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"].map(|name| spec.field(name)) {
                if field.is_set() && !(field.value().is_array() && field.is_empty()) {
                    field.forbidden("may not be set for ExternalName services");
                }
            }
            let name = spec.field("externalName");
            let target = Value::from(name.text().strip_suffix('.').unwrap_or(name.text()));
            name.with(&target).required_name(names::dns1123_subdomain);
        }
        _ => {}
    }
}

fn ports(spec: &At<'_, '_>) {
    let ports = spec.field("ports");
    let mut seen = Seen::new();
    for port in ports.items() {
        let name = port.field("name");
        if name.is_empty() {
            if ports.len() > 1 {
                name.required("");
            }
        } else {
            name.named(names::dns1123_label);
            if !seen.insert(name.text()) {
                name.duplicate();
            }
        }
        rules::port_number(&port.field("port"));
        port.field("protocol").required_one_of(rules::PROTOCOLS);
        rules::port_number_or_name(&port.field("targetPort"));
        let app = port.field("appProtocol");
        if app.is_set() {
            app.named(names::qualified_name);
        }
    }
}

/// Ports of nodes where they are allowed, and no port twice.
fn port_numbers(spec: &At<'_, '_>) {
    let ports = spec.field("ports");
    let is_cluster_ip = spec.get_text("type") == "ClusterIP";
    for node_port in ports.items().filter(|port| is_cluster_ip && port.field("nodePort").number() != 0) {
        node_port.field("nodePort").forbidden("may not be used when `type` is 'ClusterIP'");
    }
    let mut seen = Seen::new();
    for port in ports.items() {
        let node_port = port.field("nodePort");
        if node_port.number() != 0 && !seen.insert((port.get_text("protocol"), node_port.number())) {
            node_port.duplicate();
        }
    }
    let mut seen = Seen::new();
    for port in ports.items() {
        let (protocol, number) = (port.get_text("protocol"), port.field("port").number());
        if !seen.insert((protocol, number)) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}",
                quote(protocol)
            );
            port.duplicate_as(shown, "");
        }
    }
}

fn session_affinity(spec: &At<'_, '_>) {
    let affinity = spec.field("sessionAffinity");
    affinity.required_one_of(&["ClientIP", "None"]);
    let config = spec.field("sessionAffinityConfig");
    match affinity.text() {
        "None" if config.is_set() => config.forbidden("must not be set when session affinity is None"),
        "ClientIP" => {
            let client = config.field("clientIP");
            let timeout = client.field("timeoutSeconds");
            match [config, client, timeout].iter().find(|part| !part.is_set()) {
                Some(missing) => missing.required("when session affinity type is ClientIP"),
                None if !(1..=AFFINITY_SECONDS_MAX).contains(&timeout.number()) => timeout
                    .invalid_number(format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}")),
                None => {}
            }
        }
        _ => {}
    }
}

/// Blocks of addresses that a load balancer lets in, as a field or as an annotation.
fn source_ranges(meta: &At<'_, '_>, spec: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    const RULE: &str = "may only be used when `type` is 'LoadBalancer'";
    let is_load_balancer = spec.get_text("type") == "LoadBalancer";
    // Upstream writes this field with a capital.
    let ranges = spec.field_shown("loadBalancerSourceRanges", "LoadBalancerSourceRanges");
    if !ranges.is_empty() {
        if !is_load_balancer {
            ranges.forbidden(RULE);
        }
        let old_spec = old.map(|old| old.field("spec"));
        let before =
            old_spec.map_or_else(BTreeSet::new, |spec| texts(&spec.field("loadBalancerSourceRanges")));
        let existing = before.into_iter().map(str::trim).collect();
        for range in ranges.items() {
            address::cidr(&range, range.text().trim(), &existing);
        }
        return;
    }
    let Some(text) = rules::annotation(meta, SOURCE_RANGES) else { return };
    let annotations = meta.field("annotations");
    let annotation = annotations.key(SOURCE_RANGES);
    if !is_load_balancer {
        annotation.forbidden(RULE);
    }
    let unchanged =
        old.is_some_and(|old| rules::annotation(&old.field("metadata"), SOURCE_RANGES) == Some(text));
    if !unchanged && !text.trim().is_empty() {
        for range in text.trim().split(',') {
            address::cidr(&annotation, range.trim(), &BTreeSet::new());
        }
    }
}
