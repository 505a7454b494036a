//! Rules of resources: names, amounts, requests and limits, claims (`validateResourceRequirements`,
//! `ValidateResourceQuantityValue`, `validatePodResourceClaims`).
//!
//! Sources: `pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper/helpers.go`. Not quota. The invariant: a
//! request is never larger than its limit.

mod aggregate;

use std::collections::BTreeSet;

use orch_core::{Quantity, names};
use serde_json::Value;

use super::super::at::{At, quote};
use super::super::rules::Seen;
use super::Whose;

const HUGE_PAGES: &str = "hugepages-";

/// Objects that quotas count: whole numbers only.
const INTEGERS: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Names without a domain that are resources at all.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

fn is_huge_pages(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// Whether a resource is Kubernetes' own.
pub(in super::super) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a resource is one that a vendor defines.
pub(in super::super) fn is_extended(name: &str) -> bool {
    const QUOTA: &str = "requests.";
    !is_native(name) && !name.starts_with(QUOTA) && names::qualified_name(&format!("{QUOTA}{name}")).is_ok()
}

fn is_compute(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
}

/// Whether requests may be lower than limits.
pub(in super::super) fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// An amount is not negative, and of what is counted it is whole.
pub(in super::super) fn amount(at: &At<'_, '_>, name: &str) -> Quantity {
    let amount = at.quantity();
    if amount.is_negative() {
        at.invalid_as(quote(&amount.to_string()), "must be greater than or equal to 0");
    }
    let is_integer = INTEGERS.contains(&name) || (name.contains('/') && is_extended(name));
    if is_integer && amount.milli_value() % 1000 != 0 {
        at.invalid_as(quote(&amount.to_string()), "must be an integer");
    }
    amount
}

/// An amount is not negative.
pub(in super::super) fn valid_amount(at: &At<'_, '_>) {
    let value = at.quantity().value();
    if value < 0 {
        at.invalid_as(value, "must be a valid resource quantity");
    }
}

/// An amount is more than nothing.
pub(in super::super) fn positive_amount(at: &At<'_, '_>) {
    let amount = at.quantity();
    if amount.is_negative() || amount.is_zero() {
        at.invalid_as(quote(&amount.to_string()), "must be greater than zero");
    }
}

/// A resource is Kubernetes' own or has a domain; whether it is valid.
pub(in super::super) fn any_name(at: &At<'_, '_>, name: &str) -> bool {
    if let Err(messages) = names::qualified_name(name) {
        messages.into_iter().for_each(|message| at.invalid_as(quote(name), message));
        return false;
    }
    let is_quota = is_huge_pages(name) || name.starts_with("requests.hugepages-");
    if !name.contains('/') && !is_quota && !STANDARD.contains(&name) && !INTEGERS.contains(&name) {
        at.invalid_as(quote(name), "must be a standard resource type or fully qualified");
        return false;
    }
    true
}

/// The name of a resource of a container.
pub(in super::super) fn container_name(at: &At<'_, '_>, name: &str) {
    if is_compute(name) {
        return;
    }
    any_name(at, name);
    if !name.contains('/') {
        if name != "ephemeral-storage" && !is_huge_pages(name) {
            at.invalid_as(quote(name), "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        at.invalid_as(quote(name), "doesn't follow extended resource name standard");
    }
}

/// The name of a resource of a whole pod.
fn pod_name(at: &At<'_, '_>, name: &str) {
    if any_name(at, name) && !is_compute(name) && !is_huge_pages(name) {
        at.unsupported_as(quote(name), &["cpu", HUGE_PAGES, "memory"]);
    }
}

/// Requests, limits and claims of a container.
pub(super) fn container(at: &At<'_, '_>, claims: &BTreeSet<&str>) {
    requirements(at, container_name, claims);
}

/// What the pod itself costs.
pub(in super::super) fn overhead(at: &At<'_, '_>) {
    for (name, limit) in at.entries() {
        one_amount(&limit, name, container_name);
    }
}

/// Requests and limits of a pod as a whole (KEP-2837).
pub(super) fn pod_level(spec: &At<'_, '_>, claims: &BTreeSet<&str>) {
    let at = spec.field("resources");
    if !at.is_set() {
        return;
    }
    if spec.field("os").get_text("name") == "windows" {
        at.forbidden("may not be set for a windows pod");
        return;
    }
    if at.has("claims") {
        at.field("claims").forbidden("claims may not be set for Resources at pod-level");
    }
    requirements(&at, pod_name, claims);
    aggregate::fits(spec, &at);
}

type NameRule = fn(&At<'_, '_>, &str);

/// Name and amount of one entry; the amount.
fn one_amount(at: &At<'_, '_>, name: &str, name_rule: NameRule) -> Quantity {
    name_rule(at, name);
    let amount = amount(at, name);
    if is_huge_pages(name) && !is_multiple(amount, name) {
        let written = amount.to_string();
        at.invalid_as(quote(&written), format!("{written} is not positive integer multiple of {name}"));
    }
    amount
}

/// Whether huge pages of that size add up to the amount.
fn is_multiple(amount: Quantity, name: &str) -> bool {
    let size = name.trim_start_matches(HUGE_PAGES).parse::<Quantity>().ok();
    let size = size.filter(|size| size.milli_value() % 1000 == 0).map(Quantity::value);
    size.is_some_and(|size| size > 0 && amount.value() % size == 0)
}

fn requirements(at: &At<'_, '_>, name_rule: NameRule, claims: &BTreeSet<&str>) {
    let (limits, requests) = (at.field("limits"), at.field("requests"));
    let (mut has_compute, mut has_huge_pages) = (false, false);
    let mut note = |name: &str| {
        has_compute |= is_compute(name);
        has_huge_pages |= is_huge_pages(name);
    };
    for (name, limit) in limits.entries() {
        one_amount(&limit, name, name_rule);
        note(name);
    }
    for (name, request) in requests.entries() {
        let amount = one_amount(&request, name, name_rule);
        note(name);
        let limit = limits.get(name);
        if limit == request.value() {
            continue;
        }
        if !limit.is_null() {
            // An unreadable limit is reported already.
            let before = limits.faults().count();
            let limit = limits.with(limit).quantity();
            limits.faults().truncate(before);
            let relation = if amount != limit && !may_overcommit(name) {
                "equal to"
            } else if amount > limit {
                "less than or equal to"
            } else {
                continue;
            };
            let why = format!("must be {relation} {name} limit of {limit}");
            requests.invalid_as(quote(&amount.to_string()), why);
        } else if !may_overcommit(name) {
            limits.required("Limit must be set for non overcommitable resources");
        }
    }
    if has_huge_pages && !has_compute {
        at.forbidden("HugePages require cpu or memory");
    }
    container_claims(&at.field("claims"), claims);
}

/// Names of the resource claims of a pod.
pub(super) fn claim_names<'v>(claims: &At<'v, '_>) -> BTreeSet<&'v str> {
    claims.items().map(|claim| claim.get_text("name")).filter(|name| !name.is_empty()).collect()
}

/// The claims that a container uses.
fn container_claims(at: &At<'_, '_>, pod_claims: &BTreeSet<&str>) {
    // A claim as a whole (no request), or one of its requests.
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for claim in at.items() {
        let (name, request) = (claim.with(claim.get("name")), claim.field("request"));
        if name.is_empty() {
            name.required("");
        } else if seen.contains(&(name.text(), "")) {
            name.duplicate();
        } else {
            request.optional_name(names::dns1123_label);
            let is_new = seen.insert((name.text(), request.text()));
            if !is_new {
                name.duplicate_as(quote(&format!("{}/{}", name.text(), request.text())), "");
            } else if request.is_empty() {
                let with_requests =
                    seen.range((name.text(), "\0")..).take_while(|(other, _)| *other == name.text());
                with_requests.for_each(|_| name.duplicate());
            }
        }
        if !pod_claims.contains(name.text()) {
            let known: Vec<&str> = pod_claims.iter().copied().collect();
            let rest =
                if known.is_empty() { " which is empty".into() } else { format!(": {}", known.join(", ")) };
            name.not_found_because(format!("must be one of the names in pod.spec.resourceClaims{rest}"));
        }
    }
}

/// The resource claims of a pod.
pub(super) fn pod_claims<'v>(claims: &At<'v, '_>, whose: Whose<'_, 'v>) {
    let mut seen = Seen::new();
    for claim in claims.items() {
        if whose.is_mirror() {
            At::root(&Value::Null, claims.faults())
                .shown("[]")
                .forbidden("static pods do not support resource claims");
            continue;
        }
        let name = claim.field("name");
        if name.is_empty() {
            name.required("");
        } else if !seen.insert(name.text()) {
            name.duplicate();
        } else {
            name.named(names::dns1123_label);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"].map(|name| claim.field(name));
        match sources.iter().filter(|source| source.is_set()).count() {
            0 => claim.invalid("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            1 => {}
            _ => claim.invalid(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
        }
        let given = sources.iter().filter(|source| source.is_set());
        given.for_each(|source| source.named(names::dns1123_subdomain));
    }
}
