//! Rules of nodes (`pkg/apis/core/validation/validation.go`: `ValidateNode`, `ValidateNodeUpdate`).
//!
//! Not the node agent's own checks. The settings of the removed dynamic kubelet configuration are dropped by the API
//! server before they are validated, so they are not judged here either.

use std::collections::BTreeSet;

use orch_core::{Scope, names};
use serde_json::Value;

use super::at::{At, quote, show};
use super::meta::{self, Change};
use super::pod::{resources, scheduling};
use super::rules::{self, Seen};
use super::{address, same};

pub(super) fn node(object: &At<'_, '_>) {
    meta::object(object, Scope::Cluster, names::dns1123_subdomain);
    let meta = object.field("metadata");
    let (spec, status) = (object.field("spec"), object.field("status"));
    annotations(&meta);
    // Upstream reports taints under `metadata`.
    taints(&meta.with(spec.value()).field("taints"));
    capacity(&status);
    swap(&status, &meta);
    declared_features(&status.field("declaredFeatures"));
    pod_cidrs(&spec.field("podCIDRs"));
}

pub(super) fn node_update(change: &Change<'_, '_>) {
    node(&change.new);
    changes(change);
}

/// Also of a status: upstream asks the same of both.
pub(super) fn changes(change: &Change<'_, '_>) {
    change.metadata();
    let meta = change.new.field("metadata");
    let (spec, status) = (change.new.field("spec"), change.new.field("status"));
    let old = change.old.field("spec");
    annotations(&meta);
    capacity(&status);
    declared_features(&status.field("declaredFeatures"));
    addresses(&status.field("addresses"));
    let (cidrs, before) = (spec.field("podCIDRs"), old.field("podCIDRs"));
    let refuse = || cidrs.forbidden("node updates may not change podCIDR except from \"\" to valid");
    if before.len() != cidrs.len() && !before.is_empty() {
        refuse();
    } else {
        before.list().iter().zip(cidrs.list()).filter(|(old, new)| old != new).for_each(|_| refuse());
    }
    let provider = spec.field("providerID");
    if !old.field("providerID").is_empty() && old.get_text("providerID") != provider.text() {
        provider.forbidden("node updates may not change providerID except from \"\" to valid");
    }
    taints(&meta.with(spec.value()).field("taints"));
    let external = spec.field("externalID");
    if !same::same(external.value(), old.get("externalID")) {
        external.forbidden("may not be updated");
    }
}

/// Taints of the time before they were fields.
fn annotations(meta: &At<'_, '_>) {
    const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
    let Some(text) = rules::annotation(meta, TAINTS).filter(|text| !text.is_empty()) else { return };
    let annotations = meta.field("annotations");
    match serde_json::from_str::<Value>(text) {
        Ok(list) => taints(&annotations.with(&list).shown(TAINTS)),
        Err(error) => annotations.invalid_as(quote(TAINTS), error.to_string()),
    }
}

fn taints(at: &At<'_, '_>) {
    let mut seen = Seen::new();
    for taint in at.items() {
        rules::label_name(&taint.field("key"));
        let value = taint.field("value");
        if let Err(messages) = names::label_value(value.text()) {
            value.invalid_text(messages.join(";"));
        }
        let effect = taint.field("effect");
        if effect.is_empty() {
            effect.required("")
        } else {
            scheduling::taint_effect(&effect)
        }
        if !seen.insert((effect.text(), taint.get_text("key"))) {
            let shown = format!(
                "{{\"Key\":{},\"Value\":{},\"Effect\":{},\"TimeAdded\":{}}}",
                quote(taint.get_text("key")),
                quote(value.text()),
                quote(effect.text()),
                taint.get("timeAdded")
            );
            taint.duplicate_as(shown, "taints must be unique by key and effect pair");
        }
    }
}

fn capacity(status: &At<'_, '_>) {
    for list in ["capacity", "allocatable"].map(|name| status.field(name)) {
        for (name, _) in list.entries() {
            resources::amount(&list.field(name), name);
        }
    }
}

fn swap(status: &At<'_, '_>, meta: &At<'_, '_>) {
    let info = status.field("nodeInfo");
    let swap = info.field("swap");
    if swap.has("capacity") && swap.field("capacity").number() <= 0 {
        let shown = meta.with(swap.value());
        shown.shown("nodeSwapStatus").field("capacity").invalid_number("must be greater than zero");
    }
}

fn addresses(at: &At<'_, '_>) {
    let mut seen = Seen::new();
    for address in at.items() {
        let (kind, text) = (address.get_text("type"), address.get_text("address"));
        if !seen.insert((kind, text)) {
            address.duplicate_as(format!("{{\"Type\":{},\"Address\":{}}}", quote(kind), quote(text)), "");
        }
    }
}

/// Names like `MyFeature/mySubFeature`, sorted.
fn declared_features(at: &At<'_, '_>) {
    let mut before = None;
    for feature in at.items() {
        let name = feature.text();
        if let Some(previous) = before {
            if previous == name {
                feature.duplicate();
            } else if previous > name {
                feature.invalid_text("list must be sorted alphabetically");
            }
        }
        before = Some(name);
        if name.len() > names::SUBDOMAIN_MAX {
            let rule = format!("must be no more than {} characters", names::SUBDOMAIN_MAX);
            feature.invalid_text(format!("invalid feature name {}: {rule}", quote(name)));
        } else if !is_feature_name(name) {
            feature.invalid_text(format!(
                "invalid feature name {}: must start with an UpperCamelCase segment, with subsequent segments \
                 separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric \
                 characters and slashes",
                quote(name)
            ));
        }
    }
}

fn is_feature_name(name: &str) -> bool {
    let segment = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_alphabetic())
            && segment.bytes().all(|c| c.is_ascii_alphanumeric())
    };
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.split('/').all(segment)
}

fn pod_cidrs(at: &At<'_, '_>) {
    let ips: Vec<_> =
        at.items().filter_map(|cidr| address::cidr(&cidr, cidr.text(), &BTreeSet::new())).collect();
    if at.len() > 1 && (at.len() > 2 || !address::is_dual_stack(ips.into_iter())) {
        at.invalid_as(show(at.value()), "may specify no more than one CIDR for each IP family");
    }
}
