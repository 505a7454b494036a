//! The quality-of-service class of a pod (`pkg/apis/core/v1/helper/qos/qos.go`). Pure.

use orch_core::Quantity;
use serde_json::Value;

use crate::tree::{Get, Tree};

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` when every container has limits for cpu and memory and requests the same; `BestEffort` when none has
/// either; `Burstable` otherwise.
pub(crate) fn qos_class(spec: &Tree) -> &'static str {
    // Resources of the whole pod decide alone.
    if let Some(resources) =
        spec.object_at("resources").filter(|r| !r.is_unset("requests") || !r.is_unset("limits"))
    {
        return class(&amounts(resources, "requests"), &amounts(resources, "limits"), true);
    }
    let containers = spec.list("containers").iter().chain(spec.list("initContainers"));
    let (mut requests, mut limits) = (Amounts::default(), Amounts::default());
    let mut limited = true;
    for container in containers {
        let empty = Tree::new();
        let resources = container.object_at("resources").unwrap_or(&empty);
        let own = amounts(resources, "limits");
        limited &= own.iter().all(Option::is_some);
        add(&mut limits, own);
        add(&mut requests, amounts(resources, "requests"));
    }
    class(&requests, &limits, limited)
}

/// Of cpu and memory, where there is any.
type Amounts = [Option<Quantity>; COMPUTE.len()];

fn class(requests: &Amounts, limits: &Amounts, limited: bool) -> &'static str {
    if [requests, limits].into_iter().flatten().all(Option::is_none) {
        "BestEffort"
    } else if limited && limits.iter().all(Option::is_some) && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn amounts(resources: &Tree, list: &str) -> Amounts {
    let Some(list) = resources.object_at(list) else { return Amounts::default() };
    COMPUTE.map(|resource| {
        let amount: Quantity = list.at(resource).and_then(Value::as_str)?.parse().ok()?;
        (!amount.is_zero()).then_some(amount)
    })
}

fn add(total: &mut Amounts, more: Amounts) {
    for (sum, amount) in total.iter_mut().zip(more) {
        if let Some(amount) = amount {
            *sum = Some(sum.map_or(amount, |sum| sum + amount));
        }
    }
}
