//! Whether what containers ask for fits into what their pod asks for (`validatePodResourceConsistency`).
//!
//! Amounts that cannot be read are reported elsewhere.

use orch_core::Quantity;
use serde_json::Value;

use super::super::super::at::{At, quote};
use crate::amounts::{aggregate, in_resources, read};

/// Requests and limits of containers fit into `pod`, the resources of the pod.
pub(super) fn fits(spec: &At<'_, '_>, pod: &At<'_, '_>) {
    let (requests, limits) = (pod.field("requests"), pod.field("limits"));
    let at_least = |list: &At<'_, '_>, name: &str, needed: Quantity, what: &str| {
        let given = read(list.get(name));
        if given.is_some_and(|given| needed > given) {
            let shown = given.map(|given| given.to_string()).unwrap_or_default();
            let why = format!("must be greater than or equal to aggregate container {what} of {needed}");
            list.key(name).invalid_as(quote(&shown), why);
        }
    };
    for (name, needed) in aggregate(spec.value(), "requests") {
        at_least(&requests, name, needed, "requests");
    }
    for (name, needed) in
        aggregate(spec.value(), "limits").into_iter().filter(|(name, _)| super::is_huge_pages(name))
    {
        at_least(&limits, name, needed, "limits");
    }
    for (index, container) in spec.field("containers").items().enumerate() {
        for (name, limit) in in_resources(container.value(), "limits") {
            let Some(of_pod) = read(limits.get(name)).filter(|of_pod| limit > *of_pod) else { continue };
            let containers = pod.shown("containers");
            let container = containers.item(&Value::Null, index);
            container.key(name).shown("limits").invalid_as(
                quote(&limit.to_string()),
                format!("must be less than or equal to pod limits of {of_pod}"),
            );
        }
    }
}
