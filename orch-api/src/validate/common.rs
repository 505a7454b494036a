//! Rules that the kinds of several groups share: references, domain-prefixed names, conditions, plain names.
//!
//! Sources: `staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go`,
//! `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go`. As in `rules`, each takes the place it
//! judges and reports there.

use orch_core::names;

use super::at::{At, quote};
use super::rules::{self, Seen};

/// A text that must be there and can stand in a path.
pub(super) fn segment(at: &At<'_, '_>) {
    at.required_name(names::path_segment_name);
}

/// Each of these fields must be there and can stand in a path.
pub(super) fn segments(at: &At<'_, '_>, fields: &[&str]) {
    fields.iter().for_each(|name| segment(&at.field(name)));
}

/// `example.com/path` (`IsDomainPrefixedPath`).
pub(super) fn domain_prefixed_path(at: &At<'_, '_>) {
    let text = at.text();
    if text.is_empty() {
        return at.required("");
    }
    let Some((host, path)) = text.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty())
    else {
        return at.invalid_text("must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    for message in names::dns1123_subdomain(host).err().into_iter().flatten() {
        at.invalid_as(quote(host), message);
    }
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(valid) {
        at.invalid_as(
            quote(path),
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
        );
    }
}

/// A name with so many labels at least (`IsFullyQualifiedName`, `IsFullyQualifiedDomainName`).
pub(super) fn qualified_domain(at: &At<'_, '_>, labels: usize, words: &str) {
    let text = at.text();
    if text.is_empty() {
        return at.required("");
    }
    if let Err(messages) = names::dns1123_subdomain(text) {
        return at.invalid_text(messages.join(","));
    }
    if text.split('.').count() < labels {
        at.invalid_text(format!("should be a domain with at least {words} segments separated by dots"));
    }
}

/// Conditions in their general form (`ValidateConditions`).
pub(super) fn conditions(list: &At<'_, '_>) {
    const REASON_MAX: usize = 1024;
    const MESSAGE_MAX: usize = 32 * 1024;
    let mut seen = Seen::new();
    for condition in list.items() {
        let kind = condition.field("type");
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        rules::label_name(&kind);
        condition.field("status").one_of(&["False", "True", "Unknown"]);
        let generation = condition.field("observedGeneration");
        if generation.number() < 0 {
            generation.invalid_number("must be greater than or equal to zero");
        }
        let (time, reason) = (condition.field("lastTransitionTime"), condition.field("reason"));
        if !time.is_set() {
            time.required("");
        }
        if reason.is_empty() {
            reason.required("");
        } else {
            condition_reason(&reason);
            if reason.len() > REASON_MAX {
                reason.too_long(REASON_MAX);
            }
        }
        let message = condition.field("message");
        if message.len() > MESSAGE_MAX {
            message.too_long(MESSAGE_MAX);
        }
    }
}

fn condition_reason(at: &At<'_, '_>) {
    let text = at.text().as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_,:".contains(byte);
    let valid = text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(inner)
        && text.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if !valid {
        at.invalid_text(
            "a condition reason must start with alphabetic character, optionally followed by a string of \
             alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. \
             'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for \
             validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
        );
    }
}

/// The number, unless it is absent, is not larger than that.
pub(super) fn at_most(at: &At<'_, '_>, max: i64, message: &str) {
    if at.number() > max {
        at.invalid_number(message);
    }
}

/// All these numbers are not negative.
pub(super) fn non_negative(at: &At<'_, '_>, fields: &[&str]) {
    fields.iter().for_each(|name| at.field(name).non_negative());
}
