//! The writes that bring the number of pods to the number asked for.

use std::sync::Arc;

use orch_core::controller::{Note, Plan};
use orch_core::object::Part;
use orch_core::view::Row;
use orch_core::{Key, Write, kind};
use serde_json::Value;

use super::{Observed, rank};
use crate::failure::BURST;
use crate::owner::{adopt, release};
use crate::pod::{PodFacts, is_active};
use crate::template;

/// Adopts, releases, creates and deletes.
pub(super) fn plan(observed: &Observed) -> Plan {
    let (parent, pods) = (&observed.parent, &observed.pods);
    let mut plan = Plan::new();
    for pod in &pods.release {
        plan = plan.write(release(&pod.object, parent));
    }
    for pod in &pods.adopt {
        plan = plan.write(adopt(&pod.object, parent));
    }
    if parent.is_terminating() || pods.wait_for.is_some() {
        return plan;
    }
    let active: Vec<&Arc<Row<PodFacts>>> = pods.owned.iter().filter(|pod| is_active(pod)).collect();
    let wanted = usize::try_from(observed.row.facts.replicas).unwrap_or(0);
    let burst = observed.failure.as_ref().map_or(BURST, |failure| failure.burst.min(BURST));
    match wanted.checked_sub(active.len() + pods.adopt.len()) {
        Some(0) => plan,
        Some(missing) => create(observed, plan, missing.min(burst)),
        // What is adopted now may be refused: the pods that are too many are known for sure in the next turn.
        None if !pods.adopt.is_empty() => plan,
        None => {
            let surplus = active.len() - wanted;
            delete(observed, plan, active, surplus.min(burst))
        }
    }
}

fn create(observed: &Observed, mut plan: Plan, count: usize) -> Plan {
    let set = &observed.row.object;
    let spec: Value = set.part_to(Part::Spec).unwrap_or(Value::Null);
    // They differ in their names only: the Api works out once what they have in common.
    let pod = template::pod(&spec["template"], &set.key().namespace, &observed.parent.reference());
    let pod = Arc::new(pod);
    for name in observed.names.iter().take(count) {
        let key = set.key().sibling(kind::PODS, name.as_str());
        plan = told(plan, observed, "SuccessfulCreate", format!("Created pod: {name}"));
        plan = plan.write(Write::create(key, Arc::clone(&pod)));
    }
    plan
}

fn delete(observed: &Observed, mut plan: Plan, pods: Vec<&Arc<Row<PodFacts>>>, count: usize) -> Plan {
    for pod in rank::first(pods, &observed.related, count) {
        let key: &Key = pod.object.key();
        plan = told(plan, observed, "SuccessfulDelete", format!("Deleted pod: {}", key.name));
        plan = plan.write(Write::delete(key.clone()).of(pod.object.uid()).at(pod.object.revision()));
    }
    plan
}

/// Adds a note about the write that is added next.
fn told(plan: Plan, observed: &Observed, reason: &str, message: String) -> Plan {
    let (set, next) = (&observed.row.object, plan.writes.len());
    plan.note(Note::normal(set.key(), set.uid(), reason, message).after(next))
}
