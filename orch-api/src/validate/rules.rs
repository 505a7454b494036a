//! Rules that many kinds share: labels, selectors, ports, paths, addresses, percentages.
//!
//! Each takes the place it judges and reports there. Not rules about names: those are `orch_core::names`, applied with
//! [`At::named`]. Sources: `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation`,
//! `staging/src/k8s.io/apimachinery/pkg/api/validation`, `pkg/apis/core/validation/validation.go`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use orch_core::names;
use serde_json::Value;

use super::at::{At, quote, show};

/// All keys and values of annotations together, in bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Names of port protocols, in the order upstream lists them.
pub(super) const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// Reports `message` for each fault of `name`, shown as `name`.
fn each_fault(at: &At<'_, '_>, name: &str, validity: names::Validity) {
    for message in validity.err().into_iter().flatten() {
        at.invalid_as(quote(name), message);
    }
}

/// The text as a label key.
pub(super) fn label_name(at: &At<'_, '_>) {
    at.named(names::qualified_name);
}

/// Labels: the faults of keys and values are reported at the map.
pub(super) fn labels(at: &At<'_, '_>) {
    for (key, value) in at.entries() {
        each_fault(at, key, names::qualified_name(key));
        each_fault(at, value.text(), names::label_value(value.text()));
    }
}

/// Annotations: keys as label keys in any case, and a bound for all together.
pub(super) fn annotations(at: &At<'_, '_>) {
    let mut size = 0;
    for (key, value) in at.entries() {
        size += key.len() + value.len();
        each_fault(at, key, names::qualified_name(&lowercase(key)));
    }
    if size > ANNOTATIONS_MAX {
        at.too_long(ANNOTATIONS_MAX);
    }
}

/// In lower case, without a copy when it is already.
pub(super) fn lowercase(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        text.to_ascii_lowercase().into()
    } else {
        text.into()
    }
}

/// In lower case where case does not matter.
pub(super) fn lowercase_if(text: &str, is_caseless: bool) -> Cow<'_, str> {
    if is_caseless { lowercase(text) } else { text.into() }
}

/// `matchLabels` and `matchExpressions`; an absent selector is valid.
pub(super) fn label_selector(at: &At<'_, '_>) {
    if !at.is_set() {
        return;
    }
    labels(&at.field("matchLabels"));
    for requirement in at.field("matchExpressions").items() {
        let values = requirement.field("values");
        let operator = requirement.field("operator");
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                values.required("must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => operator.invalid_text("not a valid selector operator"),
        }
        label_name(&requirement.field("key"));
        values.items().for_each(|value| value.named(names::label_value));
    }
}

/// A port by its number.
pub(super) fn port_number(at: &At<'_, '_>) {
    for message in names::port_number(at.number()).err().into_iter().flatten() {
        at.invalid_number(message);
    }
}

/// A port by its number or its name.
pub(super) fn port_number_or_name(at: &At<'_, '_>) {
    if at.value().is_string() { at.named(names::port_name) } else { port_number(at) }
}

/// A user or group of Unix.
pub(super) fn unix_id(at: &At<'_, '_>) {
    if at.is_set() && !(0..=i64::from(i32::MAX)).contains(&at.number()) {
        at.invalid_number("must be between 0 and 2147483647, inclusive");
    }
}

/// The mode of a file.
pub(super) fn file_mode(at: &At<'_, '_>) {
    if !(0..=0o777).contains(&at.number()) {
        at.invalid_number("must be a number between 0 and 0777 (octal), both inclusive");
    }
}

/// A path without `..`.
pub(super) fn no_backsteps(at: &At<'_, '_>) {
    if has_backsteps(at.text()) {
        at.invalid_text("must not contain '..'");
    }
}

pub(super) fn has_backsteps(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// A relative path without `..`.
pub(super) fn descending_path(at: &At<'_, '_>) {
    if at.text().starts_with('/') {
        at.invalid_text("must be a relative path");
    }
    no_backsteps(at);
}

/// A relative path that does not begin with `..` either: those are the volume's own.
pub(super) fn unreserved_path(at: &At<'_, '_>) {
    descending_path(at);
    let path = at.text();
    if path.starts_with("..") && !path.starts_with("../") {
        at.invalid_text("must not start with '..'");
    }
}

/// A number that is not negative, or a percentage.
pub(super) fn int_or_percent(at: &At<'_, '_>) {
    if at.value().is_string() { at.named(names::percent) } else { at.non_negative() }
}

/// What a percentage counts; `None` for a plain number.
fn percentage(at: &At<'_, '_>) -> Option<i64> {
    let text = at.value().as_str()?;
    names::percent(text).ok()?;
    // The check above leaves only digits; more than a number can hold is more than any bound.
    Some(text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
}

/// The number or the percentage.
pub(super) fn int_or_percent_value(at: &At<'_, '_>) -> i64 {
    percentage(at).or_else(|| at.text().parse().ok()).unwrap_or_else(|| at.number())
}

/// A percentage of at most 100.
pub(super) fn at_most_100_percent(at: &At<'_, '_>) {
    if percentage(at).is_some_and(|percent| percent > 100) {
        at.invalid("must not be greater than 100%");
    }
}

/// A DNS subdomain whose labels may have `_` (`IsDNS1123SubdomainWithUnderscore`).
pub(super) fn subdomain_with_underscore(name: &str) -> names::Validity {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let outer =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label).as_bytes();
        outer(label.first()) && outer(label.last()) && label.iter().copied().all(inner)
    };
    let mut faults = Vec::new();
    if name.len() > names::SUBDOMAIN_MAX {
        faults.push(format!("must be no more than {} characters", names::SUBDOMAIN_MAX));
    }
    if !name.split('.').all(label) {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                    validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
        faults.push(rule.to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// An annotation whose value decides something.
pub(super) fn annotation<'v>(meta: &At<'v, '_>, key: &str) -> Option<&'v str> {
    meta.get("annotations").get(key).and_then(Value::as_str)
}

/// A value must be what it was.
pub(super) fn immutable(new: &At<'_, '_>, old: &Value) {
    if !super::same::same(new.value(), old) {
        new.invalid_as(show(new.value()), "field is immutable");
    }
}

/// What was seen already. Small sets cost no allocation.
pub(super) struct Seen<T> {
    few: [Option<T>; 8],
    many: BTreeSet<T>,
}

impl<T: Copy + Ord> Seen<T> {
    pub(super) fn new() -> Self {
        Self { few: [None; 8], many: BTreeSet::new() }
    }

    pub(super) fn has(&self, value: T) -> bool {
        self.few.contains(&Some(value)) || self.many.contains(&value)
    }

    /// Whether it is new.
    pub(super) fn insert(&mut self, value: T) -> bool {
        if self.has(value) {
            return false;
        }
        match self.few.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(value),
            None => {
                self.many.insert(value);
            }
        }
        true
    }
}
