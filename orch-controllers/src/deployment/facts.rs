//! What is kept of a Deployment.

use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::view::{Projection, Row};
use orch_core::{Kind, Live, Object, Str, kind};

use crate::json::{annotations, int32, text};
use crate::owner::{BY_SELECTOR, selector_entry};
use crate::scaled::{IntOrPercent, Rounding};
use crate::template::{Fingerprint, TEMPLATE_HASH};

/// How pods are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// All old ones end before the first new one starts.
    Recreate,
    /// Step by step.
    Rolling { surge: IntOrPercent, unavailable: IntOrPercent },
}

/// The facts about a Deployment that its controller decides on. The template itself stays in the object's body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeploymentFacts {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.selector`; one that cannot be read selects nothing.
    pub selector: Selector,
    pub(super) paused: bool,
    pub(super) strategy: Strategy,
    pub(super) min_ready_secs: i32,
    /// `None` when no progress is expected.
    pub(super) progress_deadline_secs: Option<i32>,
    /// `None` when every old ReplicaSet is kept.
    pub(super) history_limit: Option<i32>,
    pub(super) template: Fingerprint,
    pub(super) annotations: Box<[(Str, Str)]>,
    pub(super) collisions: Option<i32>,
    pub(super) status: Counts,
}

/// The counts of a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) replicas: i32,
    pub(super) updated: i32,
    pub(super) ready: i32,
    pub(super) available: i32,
    pub(super) observed_generation: i64,
}

impl Projection for DeploymentFacts {
    fn kind() -> Option<Kind> {
        Some(kind::DEPLOYMENTS)
    }

    fn project(object: &Live) -> Self {
        let spec = object.part_tree(Part::Spec);
        // The largest number is how Kubernetes says "never".
        let limit = |field: &str| int32(&spec[field]).filter(|number| *number != i32::MAX);
        let facts = Self {
            replicas: int32(&spec["replicas"]).unwrap_or(1),
            selector: Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing()),
            paused: spec["paused"].as_bool().unwrap_or(false),
            strategy: strategy(&spec["strategy"]),
            min_ready_secs: int32(&spec["minReadySeconds"]).unwrap_or(0),
            progress_deadline_secs: limit("progressDeadlineSeconds"),
            history_limit: limit("revisionHistoryLimit"),
            template: Fingerprint::of(&spec["template"], Some(TEMPLATE_HASH)),
            annotations: annotations(object),
            collisions: None,
            status: Counts::default(),
        };
        facts.with_status(object)
    }

    fn project_after(object: &Live, before: &Row<Self>) -> Self {
        let is_same = |part| object.part(part) == before.object.part(part);
        if !is_same(Part::Spec) {
            return Self::project(object);
        }
        let mut facts = before.facts.clone();
        if !is_same(Part::Metadata) {
            facts.annotations = annotations(object);
        }
        facts.with_status(object)
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        out(BY_SELECTOR, &selector_entry(&object.key().namespace, &facts.selector));
    }
}

fn strategy(strategy: &serde_json::Value) -> Strategy {
    if text(&strategy["type"]) == "Recreate" {
        return Strategy::Recreate;
    }
    let bound =
        |field: &str| IntOrPercent::read(&strategy["rollingUpdate"][field]).unwrap_or(IntOrPercent::Int(0));
    Strategy::Rolling { surge: bound("maxSurge"), unavailable: bound("maxUnavailable") }
}

impl DeploymentFacts {
    fn with_status(mut self, object: &Live) -> Self {
        let status = object.part_tree(Part::Status);
        let count = |field: &str| int32(&status[field]).unwrap_or(0);
        self.collisions = int32(&status["collisionCount"]);
        self.status = Counts {
            replicas: count("replicas"),
            updated: count("updatedReplicas"),
            ready: count("readyReplicas"),
            available: count("availableReplicas"),
            observed_generation: status["observedGeneration"].as_i64().unwrap_or(0),
        };
        self
    }

    /// How many pods may be there beyond `replicas`.
    pub(super) fn max_surge(&self) -> i32 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::Rolling { surge, .. } => surge.of(self.replicas, Rounding::Up),
        }
    }

    /// How many of `replicas` may be unavailable. When neither bound allows a step, one.
    pub(super) fn max_unavailable(&self) -> i32 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::Rolling { unavailable, .. } => {
                let bound = unavailable.of(self.replicas, Rounding::Down);
                let bound = if bound == 0 && self.max_surge() == 0 { 1 } else { bound };
                bound.min(self.replicas)
            }
        }
    }

    pub(super) fn min_available(&self) -> i32 {
        self.replicas - self.max_unavailable()
    }
}
