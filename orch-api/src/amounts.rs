//! What containers and pods ask for, added up (`staging/src/k8s.io/component-helpers/resource/helpers.go`): containers run
//! together, those before the pod one after another beside the sidecars started so far.
//!
//! Amounts that cannot be read are passed over: validation reports them.

use std::collections::BTreeMap;

use orch_core::Quantity;
use serde_json::Value;

use crate::tree::Get;

/// Amounts by the name of the resource.
pub(crate) type Amounts<'v> = BTreeMap<&'v str, Quantity>;

/// One amount.
pub(crate) fn read(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The amounts of a list.
pub(crate) fn of(list: Option<&Value>) -> Amounts<'_> {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str(), read(value)?))).collect()
}

/// The `requests` or `limits` of a container, or of a pod as a whole.
pub(crate) fn in_resources<'v>(holder: &'v Value, list: &str) -> Amounts<'v> {
    of(holder.get("resources").and_then(|resources| resources.get(list)))
}

/// What all containers of a pod need together.
pub(crate) fn aggregate<'v>(spec: &'v Value, list: &str) -> Amounts<'v> {
    let mut total = Amounts::new();
    for container in spec.list("containers") {
        add(&mut total, &in_resources(container, list));
    }
    let (mut sidecars, mut before) = (Amounts::new(), Amounts::new());
    for container in spec.list("initContainers") {
        let own = in_resources(container, list);
        let mut together = sidecars.clone();
        add(&mut together, &own);
        if container.text("restartPolicy") == "Always" {
            add(&mut total, &own);
            sidecars.clone_from(&together);
        }
        raise(&mut before, &together);
    }
    raise(&mut total, &before);
    total
}

/// What a pod needs: what it asks for as a whole, else what its containers need together, and what running it takes.
pub(crate) fn of_pod<'v>(spec: &'v Value, list: &str) -> Amounts<'v> {
    let mut total = aggregate(spec, list);
    total.extend(in_resources(spec, list));
    for (name, amount) in of(spec.at("overhead")) {
        // A limit on everything is one only where every container has one.
        if list == "requests" || total.contains_key(name) {
            *total.entry(name).or_insert(Quantity::ZERO) += amount;
        }
    }
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
