//! What is kept of a ReplicaSet.

use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::view::{Projection, Row};
use orch_core::{Kind, Live, Object, Str, kind};

use crate::json::{annotations, find, int32, pairs};
use crate::owner::{BY_SELECTOR, selector_entry};
use crate::template::{Fingerprint, TEMPLATE_HASH};

/// The facts about a ReplicaSet that controllers decide on. The template itself stays in the object's body.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplicaSetFacts {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.minReadySeconds`.
    pub min_ready_secs: i32,
    /// `spec.selector`; one that cannot be read selects nothing.
    pub selector: Selector,
    /// `status.replicas`.
    pub actual: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// `status.terminatingReplicas`.
    pub terminating: Option<i32>,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    pub(crate) template: Fingerprint,
    pub(crate) template_labels: Box<[(Str, Str)]>,
    pub(crate) annotations: Box<[(Str, Str)]>,
}

impl Projection for ReplicaSetFacts {
    fn kind() -> Option<Kind> {
        Some(kind::REPLICA_SETS)
    }

    fn project(object: &Live) -> Self {
        let spec = object.part_tree(Part::Spec);
        let facts = Self {
            replicas: int32(&spec["replicas"]).unwrap_or(1),
            min_ready_secs: int32(&spec["minReadySeconds"]).unwrap_or(0),
            selector: Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing()),
            template: Fingerprint::of(&spec["template"], Some(TEMPLATE_HASH)),
            template_labels: pairs(&spec["template"]["metadata"]["labels"]),
            annotations: annotations(object),
            ..Self::default()
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

impl ReplicaSetFacts {
    fn with_status(mut self, object: &Live) -> Self {
        let status = object.part_tree(Part::Status);
        let count = |field: &str| int32(&status[field]).unwrap_or(0);
        self.actual = count("replicas");
        self.ready = count("readyReplicas");
        self.available = count("availableReplicas");
        self.terminating = int32(&status["terminatingReplicas"]);
        self.observed_generation = status["observedGeneration"].as_i64().unwrap_or(0);
        self
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.annotations, name)
    }
}
