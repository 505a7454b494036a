//! Whether what containers ask for fits into what their pod asks for (`validatePodResourceConsistency`).
//!
//! Sums as `staging/src/k8s.io/component-helpers/resource/helpers.go`: containers run together, those before the pod one
//! after another beside the sidecars started so far. Amounts that cannot be read are reported elsewhere.

use std::collections::BTreeMap;

use orch_core::Quantity;
use serde_json::Value;

use super::super::super::at::{At, quote};

type Amounts<'v> = BTreeMap<&'v str, Quantity>;

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
    for (name, needed) in aggregate(spec, "requests") {
        at_least(&requests, name, needed, "requests");
    }
    for (name, needed) in aggregate(spec, "limits").into_iter().filter(|(name, _)| super::is_huge_pages(name))
    {
        at_least(&limits, name, needed, "limits");
    }
    for (index, container) in spec.field("containers").items().enumerate() {
        for (name, limit) in amounts(&container, "limits") {
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

fn read(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn amounts<'v>(container: &At<'v, '_>, list: &str) -> Amounts<'v> {
    let resources = container.get("resources").get(list).and_then(Value::as_object);
    let entries = resources.into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str(), read(value)?))).collect()
}

/// What all containers need together.
fn aggregate<'v>(spec: &At<'v, '_>, list: &str) -> Amounts<'v> {
    let mut total = Amounts::new();
    for container in spec.field("containers").items() {
        add(&mut total, &amounts(&container, list));
    }
    let (mut sidecars, mut before) = (Amounts::new(), Amounts::new());
    for container in spec.field("initContainers").items() {
        let own = amounts(&container, list);
        let mut together = sidecars.clone();
        add(&mut together, &own);
        if container.get_text("restartPolicy") == "Always" {
            add(&mut total, &own);
            sidecars.clone_from(&together);
        }
        raise(&mut before, &together);
    }
    raise(&mut total, &before);
    total
}

fn add<'v>(sum: &mut Amounts<'v>, more: &Amounts<'v>) {
    for (name, amount) in more {
        *sum.entry(name).or_insert(Quantity::ZERO) += *amount;
    }
}

fn raise<'v>(most: &mut Amounts<'v>, other: &Amounts<'v>) {
    for (name, amount) in other {
        let entry = most.entry(name).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}
