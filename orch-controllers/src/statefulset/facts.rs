//! What is kept of a StatefulSet, of its revisions and of its claims.

use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::view::{Projection, Row};
use orch_core::{Kind, Live, Object, Str, kind};
use serde_json::Value;

use crate::json::{int32, list, text};
use crate::owner::{BY_SELECTOR, selector_entry};
use crate::scaled::{IntOrPercent, Rounding};
use crate::template::Fingerprint;

/// In which order pods start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Management {
    /// One after the other, each when those before it are ready.
    Ordered,
    /// All at once.
    Parallel,
}

/// How pods come to a new template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// When somebody deletes them.
    OnDelete,
    /// From the last ordinal down to the partition.
    Rolling { partition: i32, max_unavailable: IntOrPercent },
}

/// What becomes of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    Retain,
    Delete,
}

/// The facts about a StatefulSet that its controller decides on. Templates stay in the object's body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatefulSetFacts {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.ordinals.start`.
    pub start: i32,
    /// `spec.selector`; one that cannot be read selects nothing.
    pub selector: Selector,
    pub(super) min_ready_secs: i32,
    pub(super) management: Management,
    pub(super) update: Update,
    /// Names of the claim templates.
    pub(super) claims: Box<[Str]>,
    pub(super) when_deleted: Retention,
    pub(super) when_scaled: Retention,
    pub(super) history_limit: i32,
    pub(super) template: Fingerprint,
    /// `status.currentRevision`.
    pub(super) current: Str,
    pub(super) collisions: i32,
}

impl Projection for StatefulSetFacts {
    fn kind() -> Option<Kind> {
        Some(kind::STATEFUL_SETS)
    }

    fn project(object: &Live) -> Self {
        let spec = object.part_tree(Part::Spec);
        let retention = |field: &str| match text(&spec["persistentVolumeClaimRetentionPolicy"][field]) {
            "Delete" => Retention::Delete,
            _ => Retention::Retain,
        };
        let claims = list(&spec["volumeClaimTemplates"]).iter();
        let facts = Self {
            replicas: int32(&spec["replicas"]).unwrap_or(1),
            start: int32(&spec["ordinals"]["start"]).unwrap_or(0),
            selector: Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing()),
            min_ready_secs: int32(&spec["minReadySeconds"]).unwrap_or(0),
            management: match text(&spec["podManagementPolicy"]) {
                "Parallel" => Management::Parallel,
                _ => Management::Ordered,
            },
            update: update(&spec["updateStrategy"]),
            claims: claims.map(|claim| text(&claim["metadata"]["name"]).into()).collect(),
            when_deleted: retention("whenDeleted"),
            when_scaled: retention("whenScaled"),
            history_limit: int32(&spec["revisionHistoryLimit"]).unwrap_or(10),
            template: Fingerprint::of(&spec["template"], None),
            current: Str::default(),
            collisions: 0,
        };
        facts.with_status(object)
    }

    fn project_after(object: &Live, before: &Row<Self>) -> Self {
        if object.part(Part::Spec) != before.object.part(Part::Spec) {
            return Self::project(object);
        }
        before.facts.clone().with_status(object)
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        out(BY_SELECTOR, &selector_entry(&object.key().namespace, &facts.selector));
    }
}

fn update(strategy: &Value) -> Update {
    if text(&strategy["type"]) == "OnDelete" {
        return Update::OnDelete;
    }
    let rolling = &strategy["rollingUpdate"];
    let max_unavailable = IntOrPercent::read(&rolling["maxUnavailable"]).unwrap_or(IntOrPercent::Int(1));
    Update::Rolling { partition: int32(&rolling["partition"]).unwrap_or(0), max_unavailable }
}

impl StatefulSetFacts {
    fn with_status(mut self, object: &Live) -> Self {
        let status = object.part_tree(Part::Status);
        self.current = text(&status["currentRevision"]).into();
        self.collisions = int32(&status["collisionCount"]).unwrap_or(0);
        self
    }

    /// The ordinals that are to run, in order.
    pub(super) fn ordinals(&self) -> impl Iterator<Item = i32> + use<> {
        self.start..self.start.saturating_add(self.replicas)
    }

    pub(super) fn has(&self, ordinal: i32) -> bool {
        ordinal >= self.start && ordinal - self.start < self.replicas
    }

    /// How many pods an update may make unavailable; at least one.
    pub(super) fn max_unavailable(&self) -> usize {
        match self.update {
            Update::OnDelete => 0,
            Update::Rolling { max_unavailable, .. } => {
                usize::try_from(max_unavailable.of(self.replicas, Rounding::Down)).unwrap_or(0).max(1)
            }
        }
    }
}

/// A template that a StatefulSet had or has: a ControllerRevision.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RevisionFacts {
    /// `revision`: the highest is the latest.
    pub revision: i64,
    pub(super) template: Fingerprint,
}

impl Projection for RevisionFacts {
    fn kind() -> Option<Kind> {
        Some(kind::CONTROLLER_REVISIONS)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let template = super::revision::template_in(&tree);
        Self { revision: tree["revision"].as_i64().unwrap_or(0), template: Fingerprint::of(&template, None) }
    }
}

/// A claim: all that is needed of it is in its header.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ClaimFacts;

impl Projection for ClaimFacts {
    fn kind() -> Option<Kind> {
        Some(kind::PERSISTENT_VOLUME_CLAIMS)
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Object, Registry};
    use serde_json::json;

    use super::*;
    use crate::deployment::DeploymentFacts;
    use crate::replicaset::ReplicaSetFacts;

    /// States of a workload object that differ in one part each, and in all.
    fn states(kind: Kind) -> Vec<Live> {
        let tree = |labels: Value, replicas: i32, image: &str, status: Value| {
            json!({
                "metadata": {"name": "a", "namespace": "b", "annotations": labels},
                "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}},
                    "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": image}]}}},
                "status": status,
            })
        };
        let counts = json!({"replicas": 2, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 2,
            "terminatingReplicas": 1, "observedGeneration": 3, "currentRevision": "a-1", "collisionCount": 1});
        let trees = [
            tree(json!({}), 1, "one", json!({})),
            tree(json!({"deployment.kubernetes.io/revision": "2"}), 1, "one", json!({})),
            tree(json!({}), 2, "one", json!({})),
            tree(json!({}), 1, "two", json!({})),
            tree(json!({}), 1, "one", counts.clone()),
            tree(json!({"deployment.kubernetes.io/revision": "3"}), 3, "three", counts),
        ];
        let info = Registry::built_in().get(kind).unwrap();
        trees.iter().map(|tree| Live::from(Object::encode(&info, tree).unwrap())).collect()
    }

    #[track_caller]
    fn check<P: Projection + std::fmt::Debug>() {
        let states = states(P::kind().unwrap());
        for (before, now) in states.iter().flat_map(|before| states.iter().map(move |now| (before, now))) {
            let row = Row { facts: P::project(before), object: before.object().clone() };
            let (after, alone) = (P::project_after(now, &row), P::project(now));
            assert_eq!(format!("{after:?}"), format!("{alone:?}"), "{} after {}", now.tree(), before.tree());
        }
    }

    #[test]
    fn facts_after_a_change_are_those_of_the_object_alone() {
        check::<DeploymentFacts>();
        check::<ReplicaSetFacts>();
        check::<StatefulSetFacts>();
    }
}
