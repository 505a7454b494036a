//! The status of a ReplicaSet (`pkg/controller/replicaset/replica_set_utils.go`).
//!
//! Pods that the plan deletes count as terminating already. Upstream counts them once more as available, and says with the
//! same write that it has acted: whoever goes by that (a Deployment) takes too many others away.

use std::collections::BTreeSet;

use orch_core::controller::Plan;
use orch_core::view::Row;
use orch_core::{Key, Verb, Write};
use serde_json::json;

use super::Observed;
use crate::condition::{Condition, Conditions};
use crate::pod::{PodFacts, is_active, is_terminating};
use crate::status::{self, count};

type Pod = Row<PodFacts>;

const FAILURE: &str = "ReplicaFailure";

/// Adds the write of the status and the time at which the next pod becomes available.
pub(super) fn plan(observed: &Observed, mut plan: Plan) -> Plan {
    let (facts, object) = (&observed.row.facts, &observed.row.object);
    let pods = &observed.pods;
    let doomed: BTreeSet<Key> =
        plan.writes.iter().filter(|write| is_delete(write)).map(|write| write.key.clone()).collect();
    let stays = |pod: &Pod| is_active(pod) && !doomed.contains(pod.object.key());
    let counted = || pods.owned.iter().filter(|pod| stays(pod)).chain(&pods.adopt);
    let number = |test: &dyn Fn(&Pod) -> bool| {
        i32::try_from(counted().filter(|pod| test(pod)).count()).unwrap_or(i32::MAX)
    };
    let labelled = number(&|pod| {
        let mut labels = facts.template_labels.iter();
        labels.all(|(name, value)| pod.object.label(name) == Some(value))
    });
    let available = number(&|pod| pod.facts.is_available(facts.min_ready_secs, observed.now));
    let terminating = pods.owned.iter().filter(|pod| is_terminating(pod)).count() + doomed.len();
    let current = status::read(object);
    let desired = vec![
        ("replicas", json!(number(&|_| true))),
        ("fullyLabeledReplicas", count(labelled)),
        ("readyReplicas", count(number(&|pod| pod.facts.ready))),
        ("availableReplicas", count(available)),
        ("terminatingReplicas", json!(terminating)),
        ("observedGeneration", json!(object.header().generation)),
        ("conditions", conditions(observed, &current).into_tree()),
    ];
    if let Some(write) = status::write(object, &current, desired) {
        plan = plan.write(write);
    }
    let next = counted().filter_map(|pod| pod.facts.available_in(facts.min_ready_secs, observed.now)).min();
    match next {
        Some(after) => plan.again_after(after),
        None => plan,
    }
}

fn is_delete(write: &Write) -> bool {
    matches!(write.verb, Verb::Delete(_))
}

/// Says that pods cannot be created or deleted while that lasts.
fn conditions(observed: &Observed, current: &serde_json::Value) -> Conditions {
    let mut conditions = Conditions::read(current);
    match observed.failure.as_ref().filter(|failure| failure.lasts) {
        Some(failure) if conditions.get(FAILURE).is_none() => {
            let condition = Condition::new(FAILURE, "True", failure.reason, failure.message.as_str());
            conditions.set(condition.tree(observed.now));
        }
        Some(_) => {}
        None => conditions.remove(FAILURE),
    }
    conditions
}
