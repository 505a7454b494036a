//! Rules of how a pod resolves names (`validatePodDNSConfig`, `ValidateHostAliases`).
//!
//! Not resolving. Bounds are those of glibc's resolver, raised where newer versions allow it.

use std::collections::BTreeSet;

use orch_core::names;
use serde_json::Value;

use super::super::address;
use super::super::at::At;
use super::super::rules;

/// In the order in which upstream lists them.
pub(super) const POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCHES_CHARS_MAX: usize = 2048;

pub(super) fn config(config: &At<'_, '_>, policy: &str) {
    let (servers, searches) = (config.field("nameservers"), config.field("searches"));
    if policy == "None" {
        if !config.is_set() {
            config.required("must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers.is_empty() {
            servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None");
            return;
        }
    }
    if !config.is_set() {
        return;
    }
    if servers.len() > NAMESERVERS_MAX {
        servers.invalid(format!("must not have more than {NAMESERVERS_MAX} nameservers"));
    }
    for server in servers.items() {
        address::ip(&server, &BTreeSet::new());
    }
    if searches.len() > SEARCHES_MAX {
        searches.invalid(format!("must not have more than {SEARCHES_MAX} search paths"));
    }
    let chars: usize = searches.items().map(|search| search.len() + 1).sum();
    if chars.saturating_sub(1) > SEARCHES_CHARS_MAX {
        searches.invalid(format!(
            "must not have more than {SEARCHES_CHARS_MAX} characters (including spaces) in the search list"
        ));
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        let without_dot = Value::from(search.text().strip_suffix('.').unwrap_or(search.text()));
        search.with(&without_dot).named(rules::subdomain_with_underscore);
    }
    for option in config.field("options").items().filter(|option| option.field("name").is_empty()) {
        option.required("must not be empty");
    }
}

pub(super) fn host_aliases(aliases: &At<'_, '_>) {
    for alias in aliases.items() {
        address::ip(&alias.field("ip"), &BTreeSet::new());
        alias.field("hostnames").items().for_each(|host| host.named(names::dns1123_subdomain));
    }
}
