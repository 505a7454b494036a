//! The rolling update: from the last ordinal down to the partition, within `maxUnavailable`
//! (`pkg/controller/statefulset/stateful_set_control.go`, KEP-961).

use super::facts::Update;
use super::identity;
use super::steps::{Pod, Steps};

/// Deletes pods of old revisions: those that are unavailable anyway, and others as long as enough are available.
///
/// Upstream deletes none at all while `maxUnavailable` pods are unavailable, so that a set of old pods that cannot become
/// ready, started in parallel, is never repaired; an unavailable old pod costs no availability here.
pub(super) fn roll(steps: &mut Steps<'_>) {
    let facts = &steps.observed.row.facts;
    let Update::Rolling { partition, .. } = facts.update else { return };
    let update = &steps.update.object.key().name;
    let is_old = |ordinal: i32, pod: &Pod| {
        ordinal - facts.start >= partition
            && pod.object.label(identity::REVISION) != Some(update)
            && !pod.object.header().is_terminating()
    };
    let mut unavailable = 0;
    let mut not_to_be_deleted = 0;
    let mut old = Vec::new();
    for ordinal in facts.ordinals() {
        let pod = steps.pods.get(&ordinal).copied();
        let available = pod.is_some_and(|pod| steps.is_available(pod));
        let pod = pod.filter(|pod| is_old(ordinal, pod));
        unavailable += usize::from(!available);
        not_to_be_deleted += usize::from(!available && pod.is_none());
        old.extend(pod.map(|pod| (pod, available)));
    }
    let max = facts.max_unavailable();
    for (deleted, (pod, available)) in old.into_iter().rev().enumerate() {
        if not_to_be_deleted + deleted >= max || (available && unavailable >= max) {
            break;
        }
        unavailable += usize::from(available);
        steps.delete(pod);
    }
}
