//! StatefulSets: pods with an identity that outlives them (`pkg/controller/statefulset`).
//!
//! It owns the pods of its ordinals, the claims made from its templates, the revisions of its template and its own status.
//! Invariants: never two pods of one identity; with `OrderedReady` a pod is created only when all before it are ready, and
//! deleted only when all after it are gone; a rolling update makes no more than `maxUnavailable` pods unavailable.

mod claim;
mod facts;
mod identity;
mod revision;
mod status;
mod steps;
mod update;

pub use facts::{ClaimFacts, RevisionFacts, StatefulSetFacts};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Live, Object, Result, Str, kind};

use crate::failure::{Failure, Failures, is_create};
use crate::owner::{Claims, Parent, adopt, parents_of, release};
use crate::pod::PodFacts;
use revision::Revisions;

/// Runs the pods of every StatefulSet.
///
/// ```
/// use orch_controllers::statefulset::StatefulSetController;
/// use orch_core::controller::Controller;
/// assert_eq!(StatefulSetController::default().name(), "statefulset-controller");
/// ```
#[derive(Debug, Default)]
pub struct StatefulSetController {
    failures: Failures,
}

/// What is known of one StatefulSet.
#[derive(Debug)]
pub struct Observed {
    now: Timestamp,
    row: Arc<Row<StatefulSetFacts>>,
    parent: Parent,
    pods: Claims<PodFacts>,
    revisions: Revisions,
    /// The claims of its ordinals and of pods that are to go, by name.
    claims: BTreeMap<Str, Arc<Row<ClaimFacts>>>,
    /// Ordinals whose name is that of somebody else's pod.
    taken: BTreeSet<i32>,
    failure: Option<Failure>,
}

impl Controller for StatefulSetController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "statefulset-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<StatefulSetFacts>().of::<PodFacts>().of::<RevisionFacts>().of::<ClaimFacts>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        if change.key().kind == kind::STATEFUL_SETS {
            out(change.key().clone());
            return;
        }
        for child in change.states() {
            set_of_claim(child).into_iter().for_each(&mut *out);
            namesakes(child, view).for_each(&mut *out);
            let of = (kind::STATEFUL_SETS, "StatefulSet");
            parents_of(child, of, view, |facts: &StatefulSetFacts| &facts.selector, out);
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let Some(row) = view.of::<StatefulSetFacts>().get(key) else {
            self.failures.forget(key);
            return None;
        };
        let facts = &row.facts;
        let parent = Parent { object: row.object.clone(), api_version: "apps/v1", kind: "StatefulSet" };
        let is_member = |pod: &Row<PodFacts>| identity::ordinal(&key.name, &pod.object.key().name).is_some();
        let mut pods = Claims::find(view, &parent, &facts.selector, is_member);
        pods.owned.retain(|pod| is_member(pod));
        let ordinals: BTreeSet<i32> = facts.ordinals().chain(ordinals(key, &pods.owned)).collect();
        let owned: BTreeSet<i32> = ordinals_of(key, &pods.owned);
        let occupied = |ordinal: &i32| {
            let pod = key.sibling(kind::PODS, identity::pod_name(&key.name, *ordinal));
            !owned.contains(ordinal) && view.of::<PodFacts>().get(&pod).is_some()
        };
        Some(Observed {
            now,
            row: Arc::clone(row),
            claims: claims(view, row, &ordinals),
            taken: facts.ordinals().filter(occupied).collect(),
            revisions: Revisions::find(view, &parent, facts),
            pods,
            parent,
            failure: self.failures.of(key),
        })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let plan = claim_children(observed);
        if !plan.is_empty() {
            return plan;
        }
        let (current, update, write) = match observed.revisions.resolve(observed) {
            // A set that is going makes nothing anew: in the foreground its revisions are collected before it.
            revision::Resolved::Missing(_) if observed.parent.is_terminating() => return Plan::new(),
            revision::Resolved::Missing(create) => return Plan::new().write(create),
            revision::Resolved::Known { current, update, bump } => (current, update, bump),
        };
        let mut plan = write.into_iter().fold(Plan::new(), Plan::write);
        if !observed.parent.is_terminating() {
            plan = steps::plan(observed, &current, &update, plan);
        }
        let plan = status::plan(observed, &current, &update, plan);
        revision::truncate(observed, &current, &update, plan)
    }

    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note> {
        let kinds = [kind::PODS, kind::PERSISTENT_VOLUME_CLAIMS];
        self.failures.take_in(key, &kinds, (plan, results), |write, error| {
            let what = if write.key.kind == kind::PODS { "Pod" } else { "Claim" };
            let (reason, verb) =
                if is_create(write) { ("FailedCreate", "create") } else { ("FailedDelete", "delete") };
            let (name, set) = (&write.key.name, &key.name);
            (reason, format!("{verb} {what} {name} in StatefulSet {set} failed error: {error}"))
        })
    }
}

/// Adopts and releases; nothing else is done before that is settled.
fn claim_children(observed: &Observed) -> Plan {
    let (parent, pods) = (&observed.parent, &observed.pods);
    let released = pods.release.iter().map(|pod| release(&pod.object, parent));
    let adopted = pods.adopt.iter().map(|pod| adopt(&pod.object, parent));
    let revisions = observed.revisions.orphans.iter().map(|revision| adopt(&revision.object, parent));
    let plan = released.chain(adopted).chain(revisions).fold(Plan::new(), Plan::write);
    let wait_for = pods.wait_for.max(observed.revisions.wait_for);
    wait_for.map_or(plan.clone(), |revision| plan.when_seen(kind::STATEFUL_SETS, revision))
}

fn ordinals<'a>(key: &'a Key, pods: &'a [Arc<Row<PodFacts>>]) -> impl Iterator<Item = i32> + 'a {
    pods.iter().filter_map(|pod| identity::ordinal(&key.name, &pod.object.key().name))
}

fn ordinals_of(key: &Key, pods: &[Arc<Row<PodFacts>>]) -> BTreeSet<i32> {
    ordinals(key, pods).collect()
}

fn claims(
    view: &dyn View,
    row: &Row<StatefulSetFacts>,
    ordinals: &BTreeSet<i32>,
) -> BTreeMap<Str, Arc<Row<ClaimFacts>>> {
    let key = row.object.key();
    let names = ordinals.iter().flat_map(|ordinal| {
        row.facts.claims.iter().map(move |template| identity::claim_name(template, &key.name, *ordinal))
    });
    let find = |name: String| {
        let claim = view.of::<ClaimFacts>().get(&key.sibling(kind::PERSISTENT_VOLUME_CLAIMS, name))?;
        Some((claim.object.key().name.clone(), Arc::clone(claim)))
    };
    names.filter_map(find).collect()
}

/// The StatefulSet of a claim that goes with a pod: the claim's controller is the pod then.
fn set_of_claim(claim: &Object) -> Option<Key> {
    let owner = claim.header().controller().filter(|owner| &*owner.kind == "Pod")?;
    let (set, _) = owner.name.rsplit_once('-')?;
    Some(claim.key().sibling(kind::STATEFUL_SETS, set))
}

/// The StatefulSets that would give their pod or claim this name: whosever it is, they wait for it while it is there.
fn namesakes<'a>(child: &'a Object, view: &'a dyn View) -> impl Iterator<Item = Key> + 'a {
    let key = child.key();
    let (owner, ordinal) = key.name.rsplit_once('-').unwrap_or_default();
    let is_ordinal = !ordinal.is_empty() && ordinal.bytes().all(|digit| digit.is_ascii_digit());
    let is_claim = key.kind == kind::PERSISTENT_VOLUME_CLAIMS;
    // A claim's name begins with that of its template: either may have dashes.
    let claims = owner.match_indices('-').filter(move |_| is_claim).map(|(at, _)| &owner[at + 1..]);
    let pods = [owner].into_iter().filter(move |_| key.kind == kind::PODS);
    let sets = pods.chain(claims).filter(move |_| is_ordinal);
    let sets = sets.map(|set| key.sibling(kind::STATEFUL_SETS, set));
    sets.filter(|set| view.of::<StatefulSetFacts>().get(set).is_some())
}

#[cfg(test)]
mod tests;
