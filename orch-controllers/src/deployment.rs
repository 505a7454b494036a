//! Deployments: one ReplicaSet for each template they ever had, and the way from the old to the new
//! (`pkg/controller/deployment`).
//!
//! It owns its ReplicaSets, their number of replicas and their revision annotations, and its own status; never a pod.
//! Invariants, in every state between any two writes: the ReplicaSets together ask for no more pods than `replicas` and
//! `maxSurge`, and a rollout takes away no pod that is needed for `replicas` less `maxUnavailable` available ones.

mod facts;
mod progress;
mod revision;
mod rolling;
mod scale;
mod status;
mod turn;

pub use facts::DeploymentFacts;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Live, Object, Result, Str, kind};
use serde_json::json;

use crate::failure::{Failure, Failures, is_create};
use crate::names;
use crate::owner::{Claims, Parent, adopt, parents_of, release};
use crate::pod::PodFacts;
use crate::replicaset::ReplicaSetFacts;
use facts::Strategy;
use turn::Turn;

/// Rolls Deployments out.
///
/// ```
/// use orch_controllers::deployment::DeploymentController;
/// use orch_core::controller::Controller;
/// assert_eq!(DeploymentController::default().name(), "deployment-controller");
/// ```
#[derive(Debug, Default)]
pub struct DeploymentController {
    failures: Failures,
}

/// What is known of one Deployment.
#[derive(Debug)]
pub struct Observed {
    now: Timestamp,
    row: Arc<Row<DeploymentFacts>>,
    parent: Parent,
    sets: Claims<ReplicaSetFacts>,
    /// The hash of the template, which the ReplicaSet of it would have in its name.
    hash: String,
    /// Whether there is a ReplicaSet of that name.
    taken: bool,
    /// The uids of ReplicaSets with pods that may still run; only for the strategy `Recreate`.
    running: BTreeSet<Str>,
    failure: Option<Failure>,
}

impl Controller for DeploymentController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "deployment-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<DeploymentFacts>().of::<ReplicaSetFacts>().of::<PodFacts>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        if change.key().kind == kind::DEPLOYMENTS {
            out(change.key().clone());
        } else if change.key().kind == kind::REPLICA_SETS {
            for set in change.states() {
                let of = (kind::DEPLOYMENTS, "Deployment");
                parents_of(set, of, view, |facts: &DeploymentFacts| &facts.selector, out);
            }
        } else if change.key().kind == kind::PODS {
            change.states().filter_map(|pod| waits_for(pod, view)).for_each(out);
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let Some(row) = view.of::<DeploymentFacts>().get(key) else {
            self.failures.forget(key);
            return None;
        };
        let facts = &row.facts;
        let parent = Parent { object: row.object.clone(), api_version: "apps/v1", kind: "Deployment" };
        let mut sets = Claims::find(view, &parent, &facts.selector, |_| true);
        sets.owned.sort_by(|left, right| age(left).cmp(&age(right)));
        let hash = facts.template.hash(facts.collisions.unwrap_or(0));
        let name = names::hashed(&key.name, &hash);
        let taken = view.of::<ReplicaSetFacts>().get(&key.sibling(kind::REPLICA_SETS, name)).is_some();
        let running = match facts.strategy {
            Strategy::Recreate => running(view, &sets.owned),
            Strategy::Rolling { .. } => BTreeSet::new(),
        };
        if sets.owned.iter().any(|set| set.facts.template == facts.template) {
            self.failures.forget(key);
        }
        let failure = self.failures.of(key);
        Some(Observed { now, row: Arc::clone(row), parent, sets, hash, taken, running, failure })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let (facts, sets) = (&observed.row.facts, &observed.sets);
        if facts.selector.is_everything() {
            return selects_all(observed);
        }
        if let Some(revision) = sets.wait_for {
            return Plan::new().when_seen(kind::DEPLOYMENTS, revision);
        }
        if !sets.adopt.is_empty() || !sets.release.is_empty() {
            let adopted = sets.adopt.iter().map(|set| adopt(&set.object, &observed.parent));
            let released = sets.release.iter().map(|set| release(&set.object, &observed.parent));
            return adopted.chain(released).fold(Plan::new(), Plan::write);
        }
        let mut turn = Turn::new(observed);
        if observed.parent.is_terminating() {
            return turn.finish();
        }
        progress::pause(&mut turn);
        revision::sync(&mut turn);
        if facts.paused || scale::is_asked_for(&turn) {
            scale::scale(&mut turn);
            if facts.paused {
                revision::clean_up(&mut turn);
            }
            return turn.finish();
        }
        match facts.strategy {
            Strategy::Rolling { .. } => rolling::roll(&mut turn),
            Strategy::Recreate => rolling::recreate(&mut turn),
        }
        progress::estimate(&mut turn);
        turn.finish()
    }

    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note> {
        self.failures.take_in(key, &[kind::REPLICA_SETS], (plan, results), |write, error| {
            let name = &write.key.name;
            if is_create(write) {
                (progress::CREATE_ERROR, format!("Failed to create new replica set {name:?}: {error}"))
            } else {
                ("FailedDelete", format!("Failed to delete replica set {name:?}: {error}"))
            }
        })
    }
}

/// Oldest first, in order of name when created in the same second.
fn age<P>(row: &Row<P>) -> (Option<Timestamp>, &Key) {
    (row.object.header().created, row.object.key())
}

/// The Deployment whose next step may wait for this pod to end.
fn waits_for(pod: &Object, view: &dyn View) -> Option<Key> {
    let owner = pod.header().controller().filter(|owner| &*owner.kind == "ReplicaSet")?;
    let set = view.of::<ReplicaSetFacts>().get(&pod.key().sibling(kind::REPLICA_SETS, owner.name.clone()))?;
    let owner = set.object.header().controller().filter(|owner| &*owner.kind == "Deployment")?;
    let deployment =
        view.of::<DeploymentFacts>().get(&pod.key().sibling(kind::DEPLOYMENTS, owner.name.clone()))?;
    matches!(deployment.facts.strategy, Strategy::Recreate).then(|| deployment.object.key().clone())
}

/// The ReplicaSets with pods that have not ended.
fn running(view: &dyn View, sets: &[Arc<Row<ReplicaSetFacts>>]) -> BTreeSet<Str> {
    let uids = sets.iter().map(|set| set.object.uid().clone());
    uids.filter(|uid| view.of::<PodFacts>().owned_by(uid).any(|pod| !pod.facts.phase.is_terminal())).collect()
}

fn selects_all(observed: &Observed) -> Plan {
    let object = &observed.row.object;
    let message = "This deployment is selecting all pods. A non-empty selector is required.";
    let plan = Plan::new().note(Note::warning(object.key(), object.uid(), "SelectingAll", message));
    let current = crate::status::read(object);
    let desired = vec![("observedGeneration", json!(object.header().generation))];
    match crate::status::write(object, &current, desired) {
        Some(write) => plan.write(write),
        None => Plan::new(),
    }
}

#[cfg(test)]
mod tests;
