//! Rules of network policies, of the cluster's address ranges and addresses, and of the older form of endpoints.
//!
//! Sources: `pkg/apis/networking/validation/validation.go`, `pkg/apis/core/validation/validation.go`. Not the network: no
//! address is allocated here. The invariant: what a policy excludes is a part of what it includes.

use std::collections::BTreeSet;

use orch_core::Scope::{Cluster, Namespaced};
use orch_core::names::{self, Validity};
use serde_json::Value;

use super::address;
use super::at::{At, Faults};
use super::common::segments;
use super::meta::{self, Change};
use super::rules;
use super::same::same;

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

pub(super) fn network_policy(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    policy_spec(&object.field("spec"), &BTreeSet::new());
}

pub(super) fn network_policy_update(change: &Change<'_, '_>) {
    change.metadata();
    let old = change.old.field("spec");
    let mut existing = BTreeSet::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for peer in old.field(direction).items().flat_map(|rule| blocks(rule.get(peers))) {
            existing.insert(peer);
        }
    }
    policy_spec(&change.new.field("spec"), &existing);
}

/// The address ranges of peers.
fn blocks(peers: &Value) -> Vec<&str> {
    let blocks = peers.as_array().into_iter().flatten().filter_map(|peer| peer.get("ipBlock"));
    let ranges = blocks.flat_map(|block| {
        let except = block.get("except").and_then(Value::as_array).into_iter().flatten();
        block.get("cidr").into_iter().chain(except)
    });
    ranges.filter_map(Value::as_str).collect()
}

fn policy_spec(spec: &At<'_, '_>, existing: &BTreeSet<&str>) {
    rules::label_selector(&spec.field("podSelector"));
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.field(direction).items() {
            rule.field("ports").items().for_each(|port| policy_port(&port));
            rule.field(peers).items().for_each(|one| peer(&one, existing));
        }
    }
    let types = spec.field("policyTypes");
    if types.len() > 2 {
        return types.invalid("may not specify more than two policyTypes");
    }
    types.items().for_each(|kind| kind.one_of(&["Ingress", "Egress"]));
}

fn policy_port(port: &At<'_, '_>) {
    let (number, end) = (port.field("port"), port.field("endPort"));
    port.field("protocol").optional_one_of(PROTOCOLS);
    match number.value() {
        Value::Null if end.is_set() => {
            end.invalid_number("may not be specified when `port` is not specified");
        }
        Value::Null => {}
        Value::String(_) => {
            if end.is_set() {
                end.invalid_number("may not be specified when `port` is non-numeric");
            }
            number.named(names::port_name);
        }
        _ => {
            rules::port_number(&number);
            if end.is_set() {
                if end.number() < number.number() {
                    end.invalid_as(number.number(), "must be greater than or equal to `port`");
                }
                rules::port_number(&end);
            }
        }
    }
}

fn peer(peer: &At<'_, '_>, existing: &BTreeSet<&str>) {
    let selectors = ["podSelector", "namespaceSelector"].map(|name| peer.field(name));
    selectors.iter().for_each(rules::label_selector);
    let block = peer.field("ipBlock");
    let selects = selectors.iter().any(At::is_set);
    if block.is_set() {
        ip_block(&block, existing);
    }
    match (block.is_set(), selects) {
        (false, false) => peer.required("must specify a peer"),
        (true, true) => peer.forbidden("may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn ip_block(block: &At<'_, '_>, existing: &BTreeSet<&str>) {
    let cidr = block.field("cidr");
    if cidr.is_empty() {
        return cidr.required("");
    }
    address::cidr(&cidr, cidr.text(), existing);
    let Some(whole) = address::parse_cidr(cidr.text()) else { return };
    for except in block.field("except").items() {
        address::cidr(&except, except.text(), existing);
        let Some(part) = address::parse_cidr(except.text()) else { continue };
        if !address::contains(whole, part.0) || whole.1 >= part.1 {
            except.invalid_text("must be a strict subset of `cidr`");
        }
    }
}

/// The name of an address object is the address.
fn address_name(name: &str) -> Validity {
    let (value, faults) = (Value::from(name), Faults::default());
    address::canonical_ip(&At::root(&value, &faults));
    let messages: Vec<String> = faults.into_vec().into_iter().map(|fault| fault.detail).collect();
    if messages.is_empty() { Ok(()) } else { Err(messages) }
}

pub(super) fn ip_address(object: &At<'_, '_>) {
    meta::object(object, Cluster, address_name);
    let spec = object.field("spec");
    let parent = spec.field("parentRef");
    if !parent.is_set() {
        return parent.required("");
    }
    parent.field("group").optional_name(names::dns1123_subdomain);
    segments(&parent, &["resource", "name"]);
    parent.field("namespace").optional_name(names::path_segment_name);
}

pub(super) fn ip_address_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    rules::immutable(&spec.field("parentRef"), change.old.field("spec").get("parentRef"));
}

pub(super) fn service_cidr(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    ranges(&object.field("spec").field("cidrs"));
}

fn ranges(cidrs: &At<'_, '_>) {
    match cidrs.len() {
        0 => return cidrs.required("at least one CIDR required"),
        1 | 2 => {}
        _ => {
            let shown = format!("{{\"CIDRs\":{}}}", cidrs.value());
            return cidrs.invalid_as(shown, "may only hold up to 2 values");
        }
    }
    cidrs.items().for_each(|cidr| canonical_cidr(&cidr));
    let families: Vec<bool> = cidrs
        .list()
        .iter()
        .filter_map(|cidr| Some(address::is_v6(address::parse_cidr(cidr.as_str()?)?.0)))
        .collect();
    if families.len() == 2 && families[0] == families[1] {
        cidrs.invalid(
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        );
    }
}

/// A range in the one form that there is of it (`IsValidCIDR`).
fn canonical_cidr(cidr: &At<'_, '_>) {
    let before = cidr.faults().count();
    address::cidr(cidr, cidr.text(), &BTreeSet::new());
    if cidr.faults().count() == before
        && let Some((ip, prefix)) = address::parse_cidr(cidr.text())
        && cidr.text() != format!("{ip}/{prefix}")
    {
        cidr.invalid_text(format!("must be in canonical form (\"{ip}/{prefix}\")"));
    }
}

pub(super) fn service_cidr_update(change: &Change<'_, '_>) {
    const RULE: &str = "field is immutable";
    change.metadata();
    let (spec, old) = (change.new.field("spec"), change.old.field("spec"));
    let (new, old) = (spec.field("cidrs"), old.field("cidrs"));
    let differs = |at: usize| new.list().get(at) != old.list().get(at);
    match (old.len(), new.len()) {
        (before, now) if before == now => {
            (0..now).filter(|at| differs(*at)).for_each(|at| new.index(at).invalid_text(RULE));
        }
        (1, 2) => {
            if differs(0) {
                new.index(0).invalid_text(RULE);
            }
            ranges(&new);
        }
        _ => new.invalid(RULE),
    }
}

pub(super) fn service_cidr_status(change: &Change<'_, '_>) {
    change.metadata();
}

pub(super) fn endpoints(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    subsets(&object.field("subsets"));
}

pub(super) fn endpoints_update(change: &Change<'_, '_>) {
    change.metadata();
    meta::object(&change.new, Namespaced, names::dns1123_subdomain);
    let list = change.new.field("subsets");
    if !same(list.value(), change.old.get("subsets")) {
        subsets(&list);
    }
}

fn subsets(list: &At<'_, '_>) {
    for subset in list.items() {
        let (ready, other) = (subset.field("addresses"), subset.field("notReadyAddresses"));
        if ready.is_empty() && other.is_empty() {
            subset.required("must specify `addresses` or `notReadyAddresses`");
        }
        ready.items().chain(other.items()).for_each(|one| endpoint(&one));
        let ports = subset.field("ports");
        for port in ports.items() {
            let name = port.field("name");
            if name.is_empty() && ports.len() > 1 {
                name.required("");
            } else {
                name.optional_name(names::dns1123_label);
            }
            rules::port_number(&port.field("port"));
            port.field("protocol").required_one_of(rules::PROTOCOLS);
            let application = port.field("appProtocol");
            if application.is_set() {
                application.named(names::qualified_name);
            }
        }
    }
}

fn endpoint(one: &At<'_, '_>) {
    let (ip, node) = (one.field("ip"), one.field("nodeName"));
    address::ip(&ip, &BTreeSet::new());
    one.field("hostname").optional_name(names::dns1123_label);
    if node.is_set() {
        node.named(names::dns1123_subdomain);
    }
    match address::parse(ip.text()) {
        Some(parsed) => address::endpoint(&ip, parsed),
        None => ip.invalid_text("must be a valid IP address"),
    }
}
