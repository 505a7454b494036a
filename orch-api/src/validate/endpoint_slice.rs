//! Rules of endpoint slices (`pkg/apis/discovery/validation/validation.go`).
//!
//! Not their contents: which endpoints a slice should list is its controller's business. Endpoints that are as they were
//! stored are not judged again.

use std::collections::BTreeSet;

use orch_core::{Scope, names};

use super::at::At;
use super::meta::{self, Change};
use super::rules::{self, Seen};
use super::{address, same};

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const TOPOLOGY_MAX: usize = 16;
const HINTS_MAX: usize = 8;

pub(super) fn endpoint_slice(object: &At<'_, '_>) {
    outer(object);
    endpoints(&object.field("endpoints"), object.get_text("addressType"));
}

pub(super) fn endpoint_slice_update(change: &Change<'_, '_>) {
    outer(&change.new);
    let list = change.new.field("endpoints");
    let before = list.faults().count();
    endpoints(&list, change.new.get_text("addressType"));
    if list.faults().count() > before && same::same(list.value(), change.old.get("endpoints")) {
        list.faults().truncate(before);
    }
    rules::immutable(&change.new.field("addressType"), change.old.get("addressType"));
}

fn outer(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    object.field("addressType").required_one_of(&["FQDN", "IPv4", "IPv6"]);
    ports(&object.field("ports"));
}

fn ports(ports: &At<'_, '_>) {
    if ports.len() > PORTS_MAX {
        ports.too_many(PORTS_MAX);
        return;
    }
    let mut seen = Seen::new();
    for port in ports.items() {
        let name = port.field("name");
        name.optional_name(names::dns1123_label);
        if !seen.insert(name.text()) {
            name.duplicate_as(super::at::quote(name.text()), "");
        }
        let protocol = port.field("protocol");
        if protocol.is_set() {
            protocol.one_of(rules::PROTOCOLS)
        } else {
            protocol.required("")
        }
        let app = port.field("appProtocol");
        if app.is_set() {
            app.named(names::qualified_name);
        }
    }
}

fn endpoints(endpoints: &At<'_, '_>, address_type: &str) {
    if endpoints.len() > ENDPOINTS_MAX {
        endpoints.too_many(ENDPOINTS_MAX);
        return;
    }
    for endpoint in endpoints.items() {
        addresses(&endpoint.field("addresses"), address_type);
        let node = endpoint.field("nodeName");
        if node.is_set() {
            node.named(names::dns1123_subdomain);
        }
        let topology = endpoint.field("deprecatedTopology");
        if topology.len() > TOPOLOGY_MAX {
            topology.too_many(TOPOLOGY_MAX);
        }
        rules::labels(&topology);
        let host = endpoint.field("hostname");
        if host.is_set() {
            host.named(names::dns1123_label);
        }
        let hints = endpoint.field("hints");
        if hint(&hints.field("forZones"), names::label_value) {
            hint(&hints.field("forNodes"), names::dns1123_subdomain);
        }
    }
}

fn addresses(addresses: &At<'_, '_>, address_type: &str) {
    if addresses.is_empty() {
        addresses.required("must contain at least 1 address");
    } else if addresses.len() > ADDRESSES_MAX {
        addresses.too_many(ADDRESSES_MAX);
    }
    for address in addresses.items() {
        let before = address.faults().count();
        let wrong_family = |what: &str| addresses.with(address.value()).invalid_text(what);
        match address_type {
            "IPv4" => {
                let Some(ip) = address::ip(&address, &BTreeSet::new()) else { continue };
                if address.faults().count() > before {
                    continue;
                }
                if address::is_v6(ip) {
                    wrong_family("must be an IPv4 address");
                }
                address::endpoint(&address, ip);
            }
            "IPv6" => {
                let Some(ip) = address::canonical_ip(&address) else { continue };
                if !address::is_v6(ip) {
                    wrong_family("must be an IPv6 address");
                }
                address::endpoint(&address, ip);
            }
            "FQDN" => domain_name(&address),
            _ => {}
        }
    }
}

/// `IsFullyQualifiedDomainName`.
fn domain_name(at: &At<'_, '_>) {
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    let refuse = |shown: &str, why: String| at.invalid_as(super::at::quote(shown), why);
    if at.is_empty() {
        at.required("");
    } else if let Err(messages) = names::dns1123_subdomain(name) {
        refuse(name, messages.join(","));
    } else if !name.contains('.') {
        refuse(name, "should be a domain with at least two segments separated by dots".into());
    } else {
        let wrong = name.split('.').find_map(|label| Some((label, names::dns1123_label(label).err()?)));
        if let Some((label, messages)) = wrong {
            refuse(label, messages.join(","));
        }
    }
}

/// Zones or nodes that an endpoint is meant for; whether there are not too many.
fn hint(hints: &At<'_, '_>, rule: meta::NameRule) -> bool {
    if hints.len() > HINTS_MAX {
        hints.too_many(HINTS_MAX);
        return false;
    }
    let mut seen = Seen::new();
    for hint in hints.items() {
        let name = hint.field("name");
        if !seen.insert(name.text()) {
            name.duplicate();
        }
        name.named(rule);
    }
    true
}
