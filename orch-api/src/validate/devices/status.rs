//! What was allocated to a claim and who uses it.
//!
//! Source: `pkg/apis/resource/validation/validation.go`. The invariant: an allocation stays what it is while it is there.

use std::collections::BTreeSet;

use orch_core::names;
use serde_json::Value;

use super::super::address;
use super::super::at::At;
use super::super::common::conditions;
use super::super::meta::Change;
use super::super::pod::affinity;
use super::super::rules::{self, Seen};
use super::super::storage::source::csi_driver as driver;
use super::{configuration, few, parameters, pool_name, reference, references, request_names, set};

const CONSUMERS_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 8;
const DATA_MAX: usize = 10 * 1024;
const BINDING_MAX: usize = 4;

pub(in super::super) fn claim_status(change: &Change<'_, '_>) {
    change.metadata();
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    let spec = change.new.field("spec");
    let names = request_names(&spec.field("devices"));
    let reserved = status.field("reservedFor");
    set(&reserved, CONSUMERS_MAX, "uid", |one| one.require(&["resource", "name", "uid"]));
    let allocation = status.field("allocation");
    let allocated = devices_of(allocation.get("devices").get("results"));
    let devices = status.field("devices");
    devices.items().for_each(|one| device(&one, &allocated));
    let mut seen = Seen::new();
    for one in devices.items() {
        if !seen.insert(["driver", "pool", "device", "shareID"].map(|name| one.get_text(name))) {
            one.duplicate();
        }
    }
    let being_deleted = change.new.field("metadata").has("deletionTimestamp");
    let known = old.get("reservedFor").as_array().map_or(&[][..], Vec::as_slice);
    if !reserved.is_empty() && !allocation.is_set() {
        reserved.forbidden("may not be specified when `allocated` is not set");
    } else if being_deleted && reserved.list().iter().any(|one| !known.contains(one)) {
        reserved.forbidden(
            "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set",
        );
    }
    match (allocation.is_set(), old.has("allocation")) {
        (true, true) => rules::immutable(&allocation, old.get("allocation")),
        (true, false) => results(&allocation, &names),
        _ => {}
    }
}

type Device<'v> = [&'v str; 4];

fn device_of(value: &Value) -> Device<'_> {
    ["driver", "pool", "device", "shareID"].map(|name| value.get(name).and_then(Value::as_str).unwrap_or(""))
}

fn devices_of(results: Option<&Value>) -> BTreeSet<Device<'_>> {
    results.and_then(Value::as_array).into_iter().flatten().map(device_of).collect()
}

fn device(one: &At<'_, '_>, allocated: &BTreeSet<Device<'_>>) {
    driver(&one.field("driver"));
    pool_name(&one.field("pool"));
    one.field("device").named(names::dns1123_label);
    share(&one.field("shareID"));
    if !allocated.contains(&device_of(one.value())) {
        one.invalid("must be an allocated device in the claim");
    }
    let list = one.field("conditions");
    few(&list, CONDITIONS_MAX);
    conditions(&list);
    let data = one.field("data");
    if data.is_set() {
        parameters(&data, DATA_MAX);
    }
    let network = one.field("networkData");
    for (name, max) in [("interfaceName", 256), ("hardwareAddress", 128)] {
        let field = network.field(name);
        if field.len() > max {
            field.too_long(max);
        }
    }
    set(&network.field("ips"), 16, "", address::interface);
}

/// The share of a device that several claims use, as a UUID in lower case.
fn share(id: &At<'_, '_>) {
    const FORM: &str = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                        hexadecimal characters";
    if !id.is_set() {
        return;
    }
    let text = id.text();
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    // Other spellings of a UUID: bare, in braces, as a URN.
    match text.len() {
        36 if !text.bytes().enumerate().all(fits) => {
            id.invalid_text("error validating uid: invalid UUID format");
        }
        36 if text.bytes().any(|byte| byte.is_ascii_uppercase()) => id.invalid_text(FORM),
        36 => {}
        32 | 38 | 45 => id.invalid_text(FORM),
        other => id.invalid_text(format!("error validating uid: invalid UUID length: {other}")),
    }
}

fn results(allocation: &At<'_, '_>, names: &[String]) {
    let devices = allocation.field("devices");
    let (results, config) = (devices.field("results"), devices.field("config"));
    if few(&results, RESULTS_MAX) {
        for result in results.items() {
            reference(&result.field("request"), names);
            driver(&result.field("driver"));
            pool_name(&result.field("pool"));
            result.field("device").named(names::dns1123_label);
            share(&result.field("shareID"));
            binding(&result);
        }
    }
    if few(&config, 2 * RESULTS_MAX) {
        for one in config.items() {
            one.field("source").required_one_of(&["FromClaim", "FromClass"]);
            references(&one.field("requests"), names);
            configuration(&one);
        }
    }
    let selector = allocation.field("nodeSelector");
    if selector.is_set() {
        affinity::node_selector(&selector);
    }
}

/// Conditions that must hold before a pod is bound, and those that end the attempt.
pub(super) fn binding(at: &At<'_, '_>) {
    let (wanted, failed) = (at.field("bindingConditions"), at.field("bindingFailureConditions"));
    for list in [&wanted, &failed] {
        if few(list, BINDING_MAX) {
            list.items().for_each(|one| rules::label_name(&one));
        }
        let mut seen = Seen::new();
        list.items().filter(|one| !seen.insert(one.text())).for_each(|one| one.duplicate());
    }
    for one in failed.items().filter(|one| wanted.list().contains(one.value())) {
        one.invalid_text("bindingFailureConditions must not overlap with bindingConditions");
    }
    match (wanted.is_empty(), failed.is_empty()) {
        (true, false) => wanted.invalid("bindingConditions are required to use bindingFailureConditions"),
        (false, true) => failed.invalid("bindingFailureConditions are required to use bindingConditions"),
        _ => {}
    }
}
