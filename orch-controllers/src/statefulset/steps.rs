//! What is done about each ordinal, in order (`pkg/controller/statefulset/stateful_set_control.go`).
//!
//! Living replicas come first, from the first ordinal up; then those beyond the range go, from the last down; then the
//! update. With `OrderedReady` the first that has to wait ends the turn.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use orch_core::controller::{Note, Plan};
use orch_core::object::Part;
use orch_core::view::Row;
use orch_core::{Write, kind};
use serde_json::{Value, json};

use super::claim::{self, Claimed};
use super::facts::{Management, Update};
use super::identity::{self, POD_INDEX, POD_NAME};
use super::revision::{RevisionRow, template_of};
use super::{Observed, update};
use crate::failure::BURST;
use crate::pod::{Phase, PodFacts};

pub(super) type Pod = Row<PodFacts>;

/// The steps of one turn.
pub(super) struct Steps<'a> {
    pub(super) observed: &'a Observed,
    pub(super) current: &'a RevisionRow,
    pub(super) update: &'a RevisionRow,
    /// The pods that are there, by ordinal.
    pub(super) pods: BTreeMap<i32, &'a Pod>,
    /// Read when something is to be made.
    spec: OnceCell<Value>,
    plan: Plan,
    /// Creates and deletes that this turn may still make.
    budget: usize,
}

/// Adds what is to be done about pods and claims.
pub(super) fn plan(observed: &Observed, current: &RevisionRow, update: &RevisionRow, plan: Plan) -> Plan {
    let set = &observed.row.object.key().name;
    let pods = observed.pods.owned.iter();
    let pods =
        pods.filter_map(|pod| Some((identity::ordinal(set, &pod.object.key().name)?, &**pod))).collect();
    let budget = observed.failure.as_ref().map_or(BURST, |failure| failure.burst.min(BURST));
    let mut steps = Steps { observed, current, update, pods, spec: OnceCell::new(), plan, budget };
    let _ = steps.run();
    let facts = &observed.row.facts;
    let next = steps
        .pods
        .values()
        .filter_map(|pod| pod.facts.available_in(facts.min_ready_secs, observed.now))
        .min();
    match next {
        Some(after) => steps.plan.again_after(after),
        None => steps.plan,
    }
}

impl<'a> Steps<'a> {
    fn spec(&self) -> &Value {
        self.spec.get_or_init(|| self.observed.row.object.part_to(Part::Spec).unwrap_or_default())
    }

    fn is_ordered(&self) -> bool {
        self.observed.row.facts.management == Management::Ordered
    }

    /// Ends the turn if pods come one after the other.
    fn wait(&self) -> ControlFlow<()> {
        if self.is_ordered() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn is_available(&self, pod: &Pod) -> bool {
        let min_ready_secs = self.observed.row.facts.min_ready_secs;
        pod.facts.is_available(min_ready_secs, self.observed.now) && !pod.object.header().is_terminating()
    }

    fn run(&mut self) -> ControlFlow<()> {
        let facts = &self.observed.row.facts;
        for ordinal in facts.ordinals() {
            match self.pods.get(&ordinal).copied() {
                Some(pod) => self.keep(ordinal, pod)?,
                None => self.create(ordinal)?,
            }
        }
        let condemned: Vec<(i32, &Pod)> = self
            .pods
            .iter()
            .rev()
            .filter(|(ordinal, _)| !facts.has(**ordinal))
            .map(|(o, pod)| (*o, *pod))
            .collect();
        let fixes: Vec<Write> = condemned
            .iter()
            .flat_map(|(ordinal, pod)| claim::fix_owners(self.observed, &pod.object, *ordinal))
            .collect();
        if !fixes.is_empty() {
            // A claim that is to go with its pod must know it before the pod goes.
            self.write_all(fixes);
            return ControlFlow::Break(());
        }
        let unhealthy = self.first_unavailable(&condemned);
        for (ordinal, pod) in condemned {
            self.remove(pod, unhealthy == Some(ordinal))?;
        }
        if facts.update != Update::OnDelete {
            update::roll(self);
        }
        ControlFlow::Continue(())
    }

    /// The first ordinal that is not available: of the living, or else of those that are to go.
    fn first_unavailable(&self, condemned: &[(i32, &Pod)]) -> Option<i32> {
        let facts = &self.observed.row.facts;
        let living =
            facts.ordinals().find(|ordinal| self.pods.get(ordinal).is_none_or(|pod| !self.is_available(pod)));
        living.or_else(|| {
            condemned.iter().rev().find(|(_, pod)| !self.is_available(pod)).map(|(ordinal, _)| *ordinal)
        })
    }

    /// A pod that is to run: replaced when it has ended, else waited for and kept as it should be.
    fn keep(&mut self, ordinal: i32, pod: &'a Pod) -> ControlFlow<()> {
        let is_terminating = pod.object.header().is_terminating();
        if pod.facts.phase.is_terminal() {
            if !is_terminating {
                self.delete(pod);
            }
            return self.wait();
        }
        if pod.facts.phase == Phase::Pending
            && !is_terminating
            && let Claimed::Missing(claims) = claim::of_ordinal(self.observed, self.spec(), ordinal)
        {
            self.create_claims(claims, &pod.object.key().name);
        }
        if pod.facts.phase != Phase::Running || !self.is_available(pod) {
            self.wait()?;
        }
        let fixes = claim::fix_owners(self.observed, &pod.object, ordinal);
        self.write_all(fixes);
        if pod.object.label(POD_NAME) != Some(&pod.object.key().name) && !is_terminating {
            let labels = json!({POD_NAME: &*pod.object.key().name, POD_INDEX: ordinal.to_string()});
            let patch = json!({"metadata": {"labels": labels}});
            self.write_all(vec![Write::merge(pod.object.key().clone(), patch).of(pod.object.uid())]);
        }
        ControlFlow::Continue(())
    }

    /// A pod that is missing: first its claims, then itself.
    fn create(&mut self, ordinal: i32) -> ControlFlow<()> {
        let observed = self.observed;
        let name = identity::pod_name(&observed.row.object.key().name, ordinal);
        if observed.taken.contains(&ordinal) {
            let set = &observed.row.object;
            let message = format!(
                "create Pod {name} in StatefulSet {} failed error: a pod of that name belongs to somebody else",
                set.key().name
            );
            self.note(Note::warning(set.key(), set.uid(), "FailedCreate", message));
            return self.wait();
        }
        match claim::of_ordinal(observed, self.spec(), ordinal) {
            Claimed::Stale => {}
            Claimed::Missing(claims) => self.create_claims(claims, &name),
            Claimed::Ready if self.budget == 0 => {}
            Claimed::Ready => {
                let revision = self.revision_of(ordinal);
                let template = template_of(observed, revision);
                let revision = revision.object.key().name.clone();
                let (key, pod) = identity::pod(&observed.parent, self.spec(), &template, &revision, ordinal);
                self.budget -= 1;
                self.told("SuccessfulCreate", &format!("create Pod {name} in StatefulSet {{}} successful"));
                self.write_all(vec![Write::create(key, pod)]);
            }
        }
        self.wait()
    }

    /// Below the partition pods keep the current revision.
    fn revision_of(&self, ordinal: i32) -> &'a RevisionRow {
        let facts = &self.observed.row.facts;
        match facts.update {
            Update::Rolling { partition, .. } if ordinal - facts.start < partition => self.current,
            _ => self.update,
        }
    }

    /// A pod beyond the range.
    fn remove(&mut self, pod: &'a Pod, is_first_unavailable: bool) -> ControlFlow<()> {
        if pod.object.header().is_terminating() {
            return self.wait();
        }
        let healthy = self.is_available(pod) && pod.facts.phase == Phase::Running;
        if self.is_ordered() && !healthy && !is_first_unavailable {
            return ControlFlow::Break(());
        }
        self.delete(pod);
        self.wait()
    }

    /// Deletes a pod, as the object and revision that were observed.
    pub(super) fn delete(&mut self, pod: &Pod) {
        if self.budget == 0 {
            return;
        }
        self.budget -= 1;
        let object = &pod.object;
        self.told(
            "SuccessfulDelete",
            &format!("delete Pod {} in StatefulSet {{}} successful", object.key().name),
        );
        self.write_all(vec![Write::delete(object.key().clone()).of(object.uid()).at(object.revision())]);
    }

    fn create_claims(&mut self, claims: Vec<(orch_core::Key, Value)>, pod: &str) {
        for (key, tree) in claims {
            let message = format!("create Claim {} Pod {pod} in StatefulSet {{}} success", key.name);
            self.told("SuccessfulCreate", &message);
            debug_assert!(key.kind == kind::PERSISTENT_VOLUME_CLAIMS);
            self.write_all(vec![Write::create(key, tree)]);
        }
    }

    /// Adds a note about the write that is added next; `{}` stands for the set.
    fn told(&mut self, reason: &str, message: &str) {
        let (set, next) = (&self.observed.row.object, self.plan.writes.len());
        let message = message.replace("{}", &set.key().name);
        self.note(Note::normal(set.key(), set.uid(), reason, message).after(next));
    }

    fn note(&mut self, note: Note) {
        self.plan.notes.push(note);
    }

    fn write_all(&mut self, writes: Vec<Write>) {
        self.plan.writes.extend(writes);
    }
}
