//! ReplicaSets: as many pods of one template as asked for (`pkg/controller/replicaset/replica_set.go`).
//!
//! It owns the pods that it creates or adopts, their number and its own status, nothing else. Invariants: a pod is deleted
//! only as the object and revision that were observed; a name follows from what was observed, so the same plan twice makes
//! no second pod.

mod facts;
mod manage;
mod rank;
mod status;

pub use facts::ReplicaSetFacts;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Live, Result, Str, kind};

use crate::failure::{BURST, Failure, Failures, is_create};
use crate::names;
use crate::owner::{Claims, Parent, parents_of};
use crate::pod::{PodFacts, is_active};

/// Keeps the number of pods of every ReplicaSet.
///
/// ```
/// use orch_controllers::replicaset::ReplicaSetController;
/// use orch_core::controller::Controller;
/// use orch_core::kind;
/// let needs = ReplicaSetController::default().needs();
/// assert_eq!(needs.kinds().unwrap(), [kind::PODS, kind::REPLICA_SETS]);
/// ```
#[derive(Debug, Default)]
pub struct ReplicaSetController {
    failures: Failures,
}

/// What is known of one ReplicaSet.
#[derive(Debug)]
pub struct Observed {
    now: Timestamp,
    row: Arc<Row<ReplicaSetFacts>>,
    parent: Parent,
    pods: Claims<PodFacts>,
    /// Names that new pods may have, as many as are missing.
    names: Vec<String>,
    /// On how many pods of its siblings each node runs.
    related: BTreeMap<Str, usize>,
    failure: Option<Failure>,
}

impl Controller for ReplicaSetController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "replicaset-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<ReplicaSetFacts>().of::<PodFacts>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        if change.key().kind == kind::REPLICA_SETS {
            out(change.key().clone());
        } else if change.key().kind == kind::PODS {
            for pod in change.states() {
                let of = (kind::REPLICA_SETS, "ReplicaSet");
                parents_of(pod, of, view, |facts: &ReplicaSetFacts| &facts.selector, out);
            }
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let Some(row) = view.of::<ReplicaSetFacts>().get(key) else {
            self.failures.forget(key);
            return None;
        };
        let parent = Parent { object: row.object.clone(), api_version: "apps/v1", kind: "ReplicaSet" };
        let pods = Claims::find(view, &parent, &row.facts.selector, is_active);
        let active = pods.owned.iter().filter(|pod| is_active(pod)).count() + pods.adopt.len();
        let wanted = usize::try_from(row.facts.replicas).unwrap_or(0);
        if active == wanted {
            self.failures.forget(key);
        }
        let missing = wanted.saturating_sub(active).min(BURST);
        let related = if active > wanted { related(view, &parent) } else { BTreeMap::new() };
        let names = free_names(view, &parent, missing);
        Some(Observed {
            now,
            row: Arc::clone(row),
            parent,
            pods,
            names,
            related,
            failure: self.failures.of(key),
        })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let plan = manage::plan(observed);
        let plan = status::plan(observed, plan);
        match observed.pods.wait_for {
            Some(revision) => plan.when_seen(kind::REPLICA_SETS, revision),
            None => plan,
        }
    }

    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note> {
        self.failures.take_in(key, &[kind::PODS], (plan, results), |write, error| {
            if is_create(write) {
                ("FailedCreate", format!("Error creating: {error}"))
            } else {
                ("FailedDelete", format!("Error deleting: {error}"))
            }
        })
    }
}

/// Names of new pods, none of which the view knows.
fn free_names(view: &dyn View, parent: &Parent, missing: usize) -> Vec<String> {
    let (key, uid) = (parent.object.key(), parent.object.uid());
    let pods = view.of::<PodFacts>();
    let mut names: Vec<String> = Vec::with_capacity(missing);
    for index in 0.. {
        if names.len() == missing {
            break;
        }
        let name = names::child(&key.name, uid, parent.object.revision(), index);
        if pods.get(&key.sibling(kind::PODS, name.as_str())).is_none() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Active pods by node of every ReplicaSet that has the same controller: a pod that shares its node with many of them is
/// missed least.
fn related(view: &dyn View, parent: &Parent) -> BTreeMap<Str, usize> {
    let sets = view.of::<ReplicaSetFacts>();
    let mut uids = vec![parent.object.uid().clone()];
    if let Some(owner) = parent.object.header().controller() {
        let siblings = sets.owned_by(&owner.uid).map(|sibling| sibling.object.uid().clone());
        uids.extend(siblings.filter(|uid| uid != parent.object.uid()));
    }
    let mut related = BTreeMap::new();
    for pod in uids.iter().flat_map(|uid| view.of::<PodFacts>().owned_by(uid)).filter(|pod| is_active(pod)) {
        *related.entry(pod.facts.node.clone()).or_default() += 1;
    }
    related
}

#[cfg(test)]
mod tests;
