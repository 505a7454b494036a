//! The status of a StatefulSet (`pkg/controller/statefulset/stateful_set_control.go`, `updateStatus`).

use orch_core::controller::Plan;
use serde_json::json;

use super::Observed;
use super::facts::Update;
use super::identity;
use super::revision::RevisionRow;
use super::steps::Pod;
use crate::pod::Phase;
use crate::status::{self, count};

/// Adds the write of the status.
pub(super) fn plan(observed: &Observed, current: &RevisionRow, update: &RevisionRow, plan: Plan) -> Plan {
    let (facts, object) = (&observed.row.facts, &observed.row.object);
    let number = |test: &dyn Fn(&Pod) -> bool| {
        i32::try_from(observed.pods.owned.iter().filter(|pod| test(pod)).count()).unwrap_or(i32::MAX)
    };
    let has = |pod: &Pod, revision: &RevisionRow| {
        !pod.object.header().is_terminating()
            && pod.object.label(identity::REVISION) == Some(&*revision.object.key().name)
    };
    let is_ready = |pod: &Pod| pod.facts.phase == Phase::Running && pod.facts.ready;
    let replicas = number(&|_| true);
    let ready = number(&is_ready);
    let available =
        number(&|pod| is_ready(pod) && pod.facts.is_available(facts.min_ready_secs, observed.now));
    let updated = number(&|pod| has(pod, update));
    let rolling = matches!(facts.update, Update::Rolling { .. });
    let complete = rolling && [updated, ready, replicas].iter().all(|number| *number == facts.replicas);
    let current = if complete { update } else { current };
    let desired = vec![
        ("observedGeneration", json!(object.header().generation)),
        ("replicas", json!(replicas)),
        ("readyReplicas", count(ready)),
        ("availableReplicas", json!(available)),
        ("currentReplicas", count(number(&|pod| has(pod, current)))),
        ("updatedReplicas", count(updated)),
        ("currentRevision", json!(&*current.object.key().name)),
        ("updateRevision", json!(&*update.object.key().name)),
        ("collisionCount", json!(observed.revisions.collisions)),
    ];
    match status::write(object, &status::read(object), desired) {
        Some(write) => plan.write(write),
        None => plan,
    }
}
