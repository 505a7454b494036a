//! Cluster addresses of a service and their families (`ValidateServiceClusterIPsRelatedFields`).
//!
//! Not allocation. The invariant of an update: the first address and the first family stay.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::address;
use super::super::at::At;
use super::super::rules::Seen;
use super::is_headless;

const SINGLE_STACK: &str = "SingleStack";

/// Addresses and families agree with each other; `existing` may be spelled as they are.
pub(super) fn cluster_ips(spec: &At<'_, '_>, existing: &BTreeSet<&str>) {
    if spec.get_text("type") == "ExternalName" {
        return;
    }
    let ips = spec.field("clusterIPs");
    first_matches(spec, &ips);
    families(spec);
    let before = ips.faults().count();
    let mut parsed = Vec::new();
    for (index, ip) in ips.items().enumerate() {
        if index > 0 || ip.text() != "None" {
            parsed.push(address::ip(&ip, existing));
        } else if ips.len() > 1 {
            ips.invalid("'None' must be the first and only value");
        }
    }
    let all_valid = ips.faults().count() == before;
    if ips.len() > 2 {
        ips.invalid("may only hold up to 2 values");
    }
    if !all_valid {
        return;
    }
    if ips.len() > 1 && !address::is_dual_stack(parsed.iter().copied().flatten()) {
        ips.invalid("may specify no more than one IP for each IP family");
    }
    if is_headless(spec) {
        return;
    }
    for (index, (ip, family)) in parsed.into_iter().zip(spec.field("ipFamilies").list()).enumerate() {
        let is_v6 = ip.is_some_and(address::is_v6);
        let expected = match family.as_str() {
            Some("IPv4") if is_v6 => "an IPv4",
            Some("IPv6") if !is_v6 => "an IPv6",
            _ => continue,
        };
        ips.index(index)
            .invalid_text(format!("expected {expected} value as indicated by `ipFamilies[{index}]`"));
    }
}

fn first_matches(spec: &At<'_, '_>, ips: &At<'_, '_>) {
    match (spec.get_text("clusterIP"), ips.list().first()) {
        ("", None) => {}
        ("", Some(_)) => ips.invalid("must be empty when `clusterIP` is not specified"),
        (_, None) => ips.required(""),
        (ip, Some(first)) if first.as_str() != Some(ip) => ips.invalid("first value must match `clusterIP`"),
        _ => {}
    }
}

fn families(spec: &At<'_, '_>) {
    let mut seen = Seen::new();
    for family in spec.field("ipFamilies").items() {
        family.one_of(&["IPv4", "IPv6"]);
        if !seen.insert(family.text()) {
            family.duplicate();
        }
    }
    let policy = spec.field("ipFamilyPolicy");
    policy.optional_one_of(&["PreferDualStack", "RequireDualStack", SINGLE_STACK]);
}

/// `validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`.
pub(super) fn changes(new: &At<'_, '_>, old: &At<'_, '_>) {
    if [new, old].iter().any(|spec| spec.get_text("type") == "ExternalName") {
        return;
    }
    let (new_headless, old_headless) = (is_headless(new), is_headless(old));
    if !(new_headless && old_headless) {
        changed_ips(new, old);
    }
    if !new_headless && !old_headless {
        changed_families(new, old);
    }
}

fn changed_ips(new: &At<'_, '_>, old: &At<'_, '_>) {
    let (ips, before) = (new.field("clusterIPs"), old.field("clusterIPs"));
    let shown = ips.value();
    let refuse = |index: usize, why: &str| ips.index(index).with(shown).invalid(why);
    if before.len() == ips.len() {
        for (index, _) in
            before.list().iter().zip(ips.list()).enumerate().filter(|(_, (old, new))| old != new)
        {
            refuse(index, "may not change once set");
        }
        return;
    }
    match (ips.list().first(), before.list().first()) {
        (None, _) => refuse(0, "primary clusterIP can not be unset"),
        (Some(new), Some(old)) if new != old => refuse(0, "may not change once set"),
        _ => {}
    }
    if before.len() > ips.len() && ips.len() == 1 {
        releases_second(new, "clusterIP");
    }
}

fn changed_families(new: &At<'_, '_>, old: &At<'_, '_>) {
    let (families, before) = (new.field("ipFamilies"), old.field("ipFamilies"));
    let refuse = |shown: &Value, why: &str| families.index(0).with(shown).invalid(why);
    if before.len() == families.len() {
        for _ in before.list().iter().zip(families.list()).filter(|(old, new)| old != new) {
            refuse(families.value(), "may not change once set");
        }
        return;
    }
    if before.len() > families.len() && new.field("clusterIPs").is_empty() {
        refuse(families.value(), "primary ipFamily can not be unset");
    }
    if let (Some(new_first), Some(old_first)) = (families.list().first(), before.list().first())
        && new_first != old_first
    {
        refuse(new.get("clusterIPs"), "may not change once set");
    }
    if before.len() > families.len() && families.len() == 1 {
        releases_second(new, "ipFamily");
    }
}

fn releases_second(spec: &At<'_, '_>, what: &str) {
    let policy = spec.field("ipFamilyPolicy");
    if policy.text() != SINGLE_STACK {
        policy.invalid(format!("must be set to 'SingleStack' when releasing the secondary {what}"));
    }
}
