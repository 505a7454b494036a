//! One turn at work: the ReplicaSets as they are to be, and the writes that make them so.

use std::collections::BTreeMap;

use orch_core::controller::{Note, Plan};
use orch_core::view::Row;
use orch_core::{Write, kind};
use serde_json::{Map, Value, json};

use super::facts::DeploymentFacts;
use super::{Observed, status};
use crate::condition::Conditions;
use crate::replicaset::ReplicaSetFacts;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// A ReplicaSet as it is to be.
#[derive(Debug)]
pub(super) struct Set<'a> {
    pub(super) row: &'a Row<ReplicaSetFacts>,
    pub(super) replicas: i32,
    pub(super) min_ready_secs: i32,
    /// Annotations that change.
    changes: BTreeMap<String, String>,
}

impl<'a> Set<'a> {
    fn new(row: &'a Row<ReplicaSetFacts>) -> Self {
        let ReplicaSetFacts { replicas, min_ready_secs, .. } = row.facts;
        Self { row, replicas, min_ready_secs, changes: BTreeMap::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.row.object.key().name
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.changes.get(name).map(String::as_str).or_else(|| self.row.facts.annotation(name))
    }

    /// Sets an annotation; says whether that changes it.
    pub(super) fn annotate(&mut self, name: &str, value: &str) -> bool {
        let changed = self.annotation(name) != Some(value);
        if changed {
            self.changes.insert(name.to_owned(), value.to_owned());
        }
        changed
    }

    /// A number in an annotation; one that is no number is none.
    pub(super) fn number(&self, annotation: &str) -> Option<i32> {
        self.annotation(annotation)?.parse().ok().filter(|number| *number >= 0)
    }

    pub(super) fn revision(&self) -> i64 {
        self.annotation(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
    }

    /// Whether the ReplicaSet's controller has acted on what is asked of it. Until then it may still act on something that
    /// was asked before, and its status says nothing about the future.
    pub(super) fn is_observed(&self) -> bool {
        self.row.facts.observed_generation >= self.row.object.header().generation
    }

    /// Pods that are available and will not be taken away by what is asked already; `None` when that is not known.
    pub(super) fn available(&self) -> Option<i32> {
        self.is_observed().then(|| self.row.facts.available.min(self.replicas))
    }

    fn write(&self) -> Option<Write> {
        let facts = &self.row.facts;
        let mut patch = Map::new();
        if !self.changes.is_empty() {
            patch.insert("metadata".into(), json!({"annotations": self.changes}));
        }
        let mut spec = Map::new();
        if self.replicas != facts.replicas {
            spec.insert("replicas".into(), json!(self.replicas));
        }
        if self.min_ready_secs != facts.min_ready_secs {
            spec.insert("minReadySeconds".into(), json!(self.min_ready_secs));
        }
        if !spec.is_empty() {
            patch.insert("spec".into(), Value::Object(spec));
        }
        let object = &self.row.object;
        let write = || Write::merge(object.key().clone(), Value::Object(patch.clone()));
        (!patch.is_empty()).then(|| write().of(object.uid()).at(object.revision()))
    }
}

/// A turn of one Deployment.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) observed: &'a Observed,
    pub(super) facts: &'a DeploymentFacts,
    /// Oldest first.
    pub(super) sets: Vec<Set<'a>>,
    /// The one of the current template.
    pub(super) new: Option<usize>,
    /// A ReplicaSet to create: its tree.
    pub(super) create: Option<Value>,
    /// ReplicaSets to delete.
    pub(super) delete: Vec<usize>,
    /// The status as it is.
    pub(super) current: Value,
    pub(super) conditions: Conditions,
    pub(super) collisions: Option<i32>,
    /// The revision annotation of the Deployment, when it changes.
    pub(super) revision: Option<String>,
    pub(super) again_after: Option<std::time::Duration>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        let facts = &observed.row.facts;
        let sets: Vec<Set<'a>> = observed.sets.owned.iter().map(|row| Set::new(row)).collect();
        let new = sets.iter().position(|set| set.row.facts.template == facts.template);
        let current = crate::status::read(&observed.row.object);
        let conditions = Conditions::read(&current);
        let collisions = facts.collisions;
        Self {
            observed,
            facts,
            sets,
            new,
            create: None,
            delete: Vec::new(),
            current,
            conditions,
            collisions,
            revision: None,
            again_after: None,
        }
    }

    /// The old ReplicaSets, oldest first.
    pub(super) fn old(&self) -> impl Iterator<Item = usize> + use<'a> {
        let new = self.new;
        (0..self.sets.len()).filter(move |at| Some(*at) != new)
    }

    /// How many pods the ReplicaSets ask for together.
    pub(super) fn total(&self) -> i32 {
        self.sets.iter().map(|set| set.replicas).sum()
    }

    /// Changes the number of replicas of a ReplicaSet; says whether it changed.
    pub(super) fn scale(&mut self, at: usize, replicas: i32) -> bool {
        let changed = self.sets[at].replicas != replicas;
        if changed {
            self.sets[at].replicas = replicas;
            self.note_size(at);
        }
        changed
    }

    /// Writes down for which size of the Deployment a ReplicaSet has its size.
    pub(super) fn note_size(&mut self, at: usize) {
        let (desired, max) = (self.facts.replicas, self.facts.replicas + self.facts.max_surge());
        self.sets[at].annotate(DESIRED, &desired.to_string());
        self.sets[at].annotate(MAX, &max.to_string());
    }

    /// The plan: first ReplicaSets, then the status, then the revision annotation, whose write ends the observed revision.
    pub(super) fn finish(self) -> Plan {
        let deployment = &self.observed.row.object;
        let mut plan = Plan::new();
        if let Some(tree) = &self.create {
            let write = Write::create_tree(kind::REPLICA_SETS, tree.clone());
            let replicas = tree["spec"]["replicas"].as_i64().unwrap_or(0);
            let message = format!("Scaled up replica set {} from 0 to {replicas}", write.key.name);
            plan = self.told(plan, replicas > 0, message).write(write);
        }
        for set in &self.sets {
            let Some(write) = set.write() else { continue };
            let before = set.row.facts.replicas;
            let direction = if before < set.replicas { "up" } else { "down" };
            let message =
                format!("Scaled {direction} replica set {} from {before} to {}", set.name(), set.replicas);
            plan = self.told(plan, before != set.replicas, message).write(write);
        }
        for at in &self.delete {
            let object = &self.sets[*at].row.object;
            plan = plan.write(Write::delete(object.key().clone()).of(object.uid()).at(object.revision()));
        }
        if let Some(write) = status::write(&self) {
            plan = plan.write(write);
        }
        if let Some(revision) = &self.revision {
            let patch = json!({"metadata": {"annotations": {REVISION: revision}}});
            plan = plan.write(Write::merge(deployment.key().clone(), patch).of(deployment.uid()));
        }
        match self.again_after {
            Some(after) => plan.again_after(after),
            None => plan,
        }
    }

    /// Adds a note about the write that is added next, if there is something to tell.
    fn told(&self, plan: Plan, tell: bool, message: String) -> Plan {
        let (deployment, next) = (&self.observed.row.object, plan.writes.len());
        let note = || Note::normal(deployment.key(), deployment.uid(), "ScalingReplicaSet", message);
        if tell { plan.note(note().after(next)) } else { plan }
    }
}
