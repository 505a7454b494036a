//! What a driver says it has: slices of a pool of devices.
//!
//! Source: `pkg/apis/resource/validation/validation.go`. The invariant: every device says where it can be used, or its slice
//! does.

use orch_core::names;
use orch_core::{Quantity, Scope};
use serde_json::Value;

use super::super::at::{At, quote};
use super::super::meta::{self, Change};
use super::super::pod::affinity;
use super::super::rules;
use super::super::same::same;
use super::super::storage::source::csi_driver as driver;
use super::status::binding;
use super::{EFFECTS, few, pool_name, qualified, set};

const DEVICES_MAX: usize = 128;
/// With taints, counters or lists of values a device is larger.
const RICH_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const VALUES_MAX: usize = 48;
const VALUE_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
const OPTIONS_MAX: usize = 10;
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];

pub(in super::super) fn slice(object: &At<'_, '_>) {
    meta::object(object, Scope::Cluster, names::dns1123_subdomain);
    slice_spec(&object.field("spec"), None);
}

pub(in super::super) fn slice_update(change: &Change<'_, '_>) {
    change.metadata();
    slice_spec(&change.new.field("spec"), Some(&change.old.field("spec")));
}

fn slice_spec(spec: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let (pool, of) = (spec.field("pool"), spec.field("driver"));
    driver(&of);
    pool_name(&pool.field("name"));
    let (count, generation) = (pool.field("resourceSliceCount"), pool.field("generation"));
    if count.number() <= 0 {
        count.invalid_number("must be greater than zero");
    }
    if generation.number() < 0 {
        generation.invalid_number("must be greater than or equal to zero");
    }
    if let Some(old) = old {
        rules::immutable(&pool.field("name"), old.field("pool").get("name"));
        rules::immutable(&of, old.get("driver"));
        rules::immutable(&spec.field("nodeName"), old.get("nodeName"));
    }
    place(
        spec,
        &["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"],
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required",
        ", but multiple fields are set",
    );
    let (devices, counters) = (spec.field("devices"), spec.field("sharedCounters"));
    if devices.is_set() && counters.is_set() {
        spec.invalid_as("\"\"", "only one of `sharedCounters` or `devices` is allowed");
    }
    let each = spec.field("perDeviceNodeSelection").is_true();
    let max = if devices.items().any(|one| is_rich(&one)) { RICH_DEVICES_MAX } else { DEVICES_MAX };
    let old_devices = old.map(|old| old.get("devices"));
    set(&devices, max, "name", |one| device(one, each, old_devices));
    set(&counters, COUNTER_SETS_MAX, "name", |one| {
        one.field("name").required_name(names::dns1123_label);
        counter_map(&one.field("counters"));
    });
}

fn is_rich(device: &At<'_, '_>) -> bool {
    let attributes = device.field("attributes");
    let lists = attributes.entries().any(|(_, attribute)| LISTS.iter().any(|list| attribute.has(list)));
    lists || !device.field("taints").is_empty() || !device.field("consumesCounters").is_empty()
}

fn counter_map(counters: &At<'_, '_>) {
    if counters.is_empty() {
        return counters.required("");
    }
    if few(counters, COUNTERS_MAX) {
        for (name, _) in counters.entries() {
            for message in names::dns1123_label(name).err().into_iter().flatten() {
                counters.invalid_as(quote(name), message);
            }
        }
    }
}

/// One of these says where devices can be used.
fn place(at: &At<'_, '_>, fields: &[&str], rule: &str, many: &str) {
    let mut given = Vec::new();
    for name in fields {
        let field = at.field(name);
        match *name {
            "nodeName" if field.is_set() && field.is_empty() => {
                field.invalid_text("must be either unset or set to a non-empty string");
                continue;
            }
            "nodeName" if field.is_set() => field.named(names::dns1123_subdomain),
            "nodeSelector" if field.is_set() => affinity::node_selector(&field),
            _ if field.is_false() => {
                field.invalid("must be either unset or set to true");
                continue;
            }
            _ => {}
        }
        if field.is_set() {
            given.push(format!("`{name}`"));
        }
    }
    match given.len() {
        0 => at.required(rule),
        1 => {}
        _ => at.invalid_as(quote(&format!("{{{}}}", given.join(", "))), format!("{rule}{many}")),
    }
}

fn device(device: &At<'_, '_>, each: bool, old: Option<&Value>) {
    device.field("name").named(names::dns1123_label);
    let (attributes, capacity) = (device.field("attributes"), device.field("capacity"));
    let total = attributes.len() + capacity.len();
    if total > ATTRIBUTES_MAX {
        device.invalid_as(total, "the total number of attributes and capacities must not exceed 32");
    }
    let values =
        |attribute: &At<'_, '_>| LISTS.iter().map(|list| attribute.field(list).len()).sum::<usize>().max(1);
    let total: usize = attributes.entries().map(|(_, attribute)| values(&attribute)).sum();
    if total > VALUES_MAX {
        device.invalid_as(total, "the total number of attribute values must not exceed 48");
    }
    for (name, one) in attributes.entries() {
        qualified(&attributes, name);
        attribute(&one);
    }
    let shared = device.field("allowMultipleAllocations").is_true();
    for (name, one) in capacity.entries() {
        qualified(&capacity, name);
        let policy = one.field("requestPolicy");
        if policy.is_set() && !shared {
            policy.forbidden("allowMultipleAllocations must be true");
        } else if policy.is_set() {
            request_policy(&policy, one.field("value").quantity());
        }
    }
    let name = device.get("name");
    let before =
        old.and_then(Value::as_array).into_iter().flatten().find(|old| old.get("name") == Some(name));
    let taints = device.field("taints");
    let kept = before.is_some_and(|old| same(old.get("taints").unwrap_or(&Value::Null), taints.value()));
    if !kept && few(&taints, TAINTS_MAX) {
        taints.items().for_each(|one| taint(&one));
    }
    set(&device.field("consumesCounters"), CONSUMPTIONS_MAX, "counterSet", |one| {
        one.field("counterSet").required_name(names::dns1123_label);
        counter_map(&one.field("counters"));
    });
    device_place(device, each);
    binding(device);
}

fn device_place(device: &At<'_, '_>, each: bool) {
    const FIELDS: &[&str] = &["nodeName", "nodeSelector", "allNodes"];
    if each {
        const RULE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
                            `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        place(device, FIELDS, RULE, "");
    } else if FIELDS.iter().any(|name| device.has(name)) {
        device.invalid_as(
            "null",
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in \
             the ResourceSlice spec",
        );
    }
}

fn taint(taint: &At<'_, '_>) {
    rules::label_name(&taint.field("key"));
    taint.field("value").optional_name(names::label_value);
    taint.field("effect").required_one_of(EFFECTS);
}

fn attribute(attribute: &At<'_, '_>) {
    let scalars = ["bool", "int", "string", "version"];
    let given = scalars.iter().chain(&LISTS).filter(|name| attribute.has(name)).count();
    for text in ["string", "version"].map(|name| attribute.field(name)).iter().filter(|text| text.is_set()) {
        attribute_text(text);
    }
    if attribute.has("version") {
        version(&attribute.field("version"));
    }
    for name in LISTS {
        let list = attribute.field(name);
        if list.is_set() && list.is_empty() {
            list.invalid("must not be empty if specified");
        }
        for one in list.items().filter(|one| one.value().is_string()) {
            attribute_text(&one);
            if name == "versions" {
                version(&one);
            }
        }
    }
    match given {
        0 => attribute.invalid_as("\"\"", "exactly one value must be specified"),
        1 => {}
        _ => attribute.invalid("exactly one value must be specified"),
    }
}

fn attribute_text(text: &At<'_, '_>) {
    if text.len() > VALUE_MAX {
        text.too_long(VALUE_MAX);
    }
}

/// A version as semver.org writes it.
fn version(at: &At<'_, '_>) {
    let text = at.text();
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let label = |part: &str| word(part) && (number(part) || !part.bytes().all(|byte| byte.is_ascii_digit()));
    let valid = core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(label))
        && build.is_none_or(|build| build.split('.').all(word));
    if !valid {
        at.invalid_text("must be a string compatible with semver.org spec 2.0.0");
    }
}

/// Which parts of a capacity can be asked for.
fn request_policy(policy: &At<'_, '_>, capacity: Quantity) {
    let (values, range) = (policy.field("validValues"), policy.field("validRange"));
    let default = policy.field("default");
    if !values.is_empty() && range.is_set() {
        return policy.forbidden(
            "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
        );
    }
    if !values.is_empty() {
        if !default.is_set() {
            return default.required("required when validValues is defined");
        }
        options(&values, default.quantity(), capacity);
    } else if range.is_set() {
        if !default.is_set() {
            return default.required("required when validRange is defined");
        }
        bounds(&range, default.quantity(), capacity);
    }
}

fn options(values: &At<'_, '_>, default: Quantity, capacity: Quantity) {
    let all: Vec<Quantity> = values.items().map(|value| value.quantity()).collect();
    for (at, pair) in all.windows(2).enumerate().filter(|(_, pair)| pair[0] > pair[1]) {
        let shown = quote(&pair[1].to_string());
        values.index(at + 1).invalid_as(shown, "values must be sorted in ascending order");
    }
    if !few(values, OPTIONS_MAX) {
        return;
    }
    for (at, option) in all.iter().enumerate().filter(|(_, option)| **option > capacity) {
        let message = format!("option is larger than capacity value: {capacity}");
        values.index(at).invalid_as(quote(&option.to_string()), message);
    }
    if !all.contains(&default) {
        let shown = quote(&default.to_string());
        values.invalid_as(shown, "default value is not valid according to the requestPolicy");
    }
}

fn bounds(range: &At<'_, '_>, default: Quantity, capacity: Quantity) {
    let [min, max, step] = ["min", "max", "step"].map(|name| range.field(name));
    if !min.is_set() {
        return min.required("required when validRange is defined");
    }
    let least = min.quantity();
    let wrong = |at: &At<'_, '_>, shown: Quantity, message: String| {
        at.invalid_as(quote(&shown.to_string()), message);
    };
    if least > capacity {
        wrong(&min, least, format!("min is larger than capacity value: {capacity}"));
    }
    if default < least {
        wrong(&min, default, format!("default is less than min: {least}"));
    }
    let most = max.is_set().then(|| max.quantity());
    if let Some(most) = most {
        if least > most {
            wrong(&max, least, format!("min is larger than max: {most}"));
        }
        if most > capacity {
            wrong(&max, most, format!("max is larger than capacity value: {capacity}"));
        }
        if default > most {
            wrong(&max, default, format!("default is more than max: {most}"));
        }
    }
    if !step.is_set() {
        return;
    }
    let by = step.quantity();
    let sum = least + by;
    if sum > capacity {
        wrong(&step, by, format!("one step {sum} is larger than capacity value: {capacity}"));
    }
    for value in std::iter::once(default).chain(most) {
        let rest = value.value().saturating_sub(least.value()).checked_rem(by.value());
        if rest != Some(0) {
            wrong(&step, value, format!("value is not a multiple of a given step ({by}) from ({least})"));
        }
    }
}
