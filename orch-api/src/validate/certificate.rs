//! Rules of requests for certificates (`pkg/apis/certificates/validation/validation.go`).
//!
//! That a request is a PEM block of the right type is checked; its signature is not, for that needs cryptography, which this
//! crate has only where it serves TLS. The invariant: a decision is made once, and a certificate is issued once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orch_core::Scope::Cluster;
use orch_core::names;
use serde_json::Value;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules::Seen;
use super::same::same;

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(super) fn request(object: &At<'_, '_>) {
    whole(object, false);
}

fn whole(object: &At<'_, '_>, any_certificate: bool) {
    meta::object(object, Cluster, |_| Ok(()));
    let spec = object.field("spec");
    pem_request(&spec.field("request"));
    let usages = spec.field("usages");
    if usages.is_empty() {
        usages.required("");
    }
    usages.items().for_each(|usage| usage.one_of(USAGES));
    let mut seen = Seen::new();
    usages.items().filter(|usage| !seen.insert(usage.text())).for_each(|usage| usage.duplicate());
    let signer = spec.field("signerName");
    if signer.text() == "kubernetes.io/legacy-unknown" {
        signer.invalid_text("the legacy signerName is not allowed via this API version");
    } else {
        signer_name(&signer);
    }
    let lifetime = spec.field("expirationSeconds");
    if lifetime.is_set() && lifetime.number() < 600 {
        lifetime.invalid_number("may not specify a duration less than 600 seconds (10 minutes)");
    }
    let status = object.field("status");
    conditions(&status.field("conditions"));
    let certificate = status.field("certificate");
    if !any_certificate && let Some(why) = certificate_fault(certificate.text()) {
        certificate.invalid_as(quote("<certificate data>"), why);
    }
}

/// The texts of PEM blocks, with their types.
fn blocks(pem: &str) -> Vec<(&str, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((kind, body)) = after.split_once("-----") else { break };
        let Some((body, after)) = body.split_once(&format!("-----END {kind}-----")) else { break };
        let text: String = body.split_whitespace().collect();
        found.push((kind, STANDARD.decode(text).ok()));
        rest = after;
    }
    found
}

fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

/// A sequence of ASN.1 whose length is that of the bytes.
fn is_der_sequence(bytes: &[u8]) -> bool {
    let Some((0x30, rest)) = bytes.split_first().map(|(tag, rest)| (*tag, rest)) else { return false };
    let Some((first, rest)) = rest.split_first() else { return false };
    if *first < 0x80 {
        return usize::from(*first) == rest.len();
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) || rest.len() < count {
        return false;
    }
    let (length, rest) = rest.split_at(count);
    length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)) == rest.len()
}

fn pem_request(request: &At<'_, '_>) {
    let text = decoded(request.text());
    match blocks(&text).first() {
        Some(("CERTIFICATE REQUEST", Some(der))) if is_der_sequence(der) => {}
        Some(("CERTIFICATE REQUEST", Some(_))) => request.invalid_text("asn1: structure error"),
        _ => request.invalid_text("PEM block type must be CERTIFICATE REQUEST"),
    }
}

fn certificate_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let text = decoded(text);
    let all = blocks(&text);
    if all.is_empty() {
        return Some("must contain at least one CERTIFICATE PEM block".to_owned());
    }
    all.iter().find_map(|(kind, der)| match (*kind, der) {
        ("CERTIFICATE", Some(der)) if is_der_sequence(der) => None,
        ("CERTIFICATE", _) => Some("x509: malformed certificate".to_owned()),
        (kind, _) => Some(format!("only CERTIFICATE PEM blocks are allowed, found {}", quote(kind))),
    })
}

/// `example.com/name` (`ValidateSignerName`).
fn signer_name(signer: &At<'_, '_>) {
    const DOMAIN_MAX: usize = names::SUBDOMAIN_MAX;
    const WHOLE_MAX: usize = DOMAIN_MAX + 1 + names::SUBDOMAIN_MAX + names::LABEL_MAX + 1;
    let text = signer.text();
    if text.is_empty() {
        return signer.required("");
    }
    let parts: Vec<&str> = text.split('/').collect();
    let [domain, path] = parts[..] else {
        return signer
            .invalid_text("must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    if domain.len() > DOMAIN_MAX {
        signer.too_long(DOMAIN_MAX);
    }
    let report = |part: &str, label: &str, messages: Vec<String>| {
        for message in messages {
            signer.invalid_as(quote(part), format!("validating label {}: {message}", quote(label)));
        }
    };
    let bad = domain.split('.').find_map(|label| Some((label, names::dns1123_label(label).err()?)));
    if let Some((label, messages)) = bad {
        report(domain, label, messages);
    }
    if !domain.contains('.') {
        signer.invalid_as(quote(domain), "should be a domain with at least two segments separated by dots");
    }
    let bad = path.split('.').find_map(|label| Some((label, names::dns1123_subdomain(label).err()?)));
    if let Some((label, messages)) = bad {
        report(path, label, messages);
    }
    if text.len() > WHOLE_MAX {
        signer.too_long(WHOLE_MAX);
    }
}

fn conditions(list: &At<'_, '_>) {
    let mut seen = Seen::new();
    for condition in list.items() {
        let (kind, status) = (condition.field("type"), condition.field("status"));
        if kind.is_empty() {
            kind.required("");
        }
        if matches!(kind.text(), "Approved" | "Denied" | "Failed") {
            status.required_one_of(&["True"]);
        } else {
            status.required_one_of(&["False", "True", "Unknown"]);
        }
        let other = match kind.text() {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !other.is_empty() && seen.has(other) {
            list.invalid_as(quote(kind.text()), "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
    }
}

pub(super) fn request_update(change: &Change<'_, '_>) {
    update(change, Part::Whole);
}

pub(super) fn request_status(change: &Change<'_, '_>) {
    update(change, Part::Status);
}

pub(super) fn request_approval(change: &Change<'_, '_>) {
    update(change, Part::Approval);
}

/// What is written.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    Status,
    Approval,
}

/// The conditions of a type.
fn of_type<'v>(status: &At<'v, '_>, kind: &str) -> Vec<&'v Value> {
    let list = status.get("conditions").as_array().into_iter().flatten();
    list.filter(|condition| condition.get("type").is_some_and(|known| known == kind)).collect()
}

fn update(change: &Change<'_, '_>, part: Part) {
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    let certificate = status.field("certificate");
    let issued = old.get_text("certificate");
    whole(&change.new, certificate.text() == issued);
    let conditions = status.field("conditions");
    let lists = |kind: &str| (of_type(&status, kind), of_type(&old, kind));
    for kind in ["Approved", "Denied", "Failed"] {
        let (now, before) = lists(kind);
        if now.len() < before.len() {
            conditions.forbidden(format!("updates may not remove a condition of type {}", quote(kind)));
        }
    }
    let decisions: &[&str] = if part == Part::Approval { &[] } else { &["Approved", "Denied"] };
    for kind in decisions.iter().copied() {
        let (now, before) = lists(kind);
        if now.len() > before.len() {
            conditions.forbidden(format!("updates may not add a condition of type {}", quote(kind)));
        } else if now.len() == before.len() && !now.iter().zip(&before).all(|(now, before)| same(now, before))
        {
            conditions.forbidden(format!("updates may not modify a condition of type {}", quote(kind)));
        }
    }
    if certificate.text() != issued {
        if part != Part::Status {
            certificate.forbidden("updates may not set certificate content");
        } else if !issued.is_empty() {
            certificate.forbidden("updates may not modify existing certificate content");
        }
    }
    change.metadata();
}
