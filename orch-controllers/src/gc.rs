//! Garbage collection: objects whose owners are gone are deleted, after them or before them
//! (`pkg/controller/garbagecollector`).
//!
//! There is no graph besides the view: owners are looked up by name and uid, dependents by the index of owners. An owner
//! is *absent* only when the view of its kind is not older than the dependent and does not have it. The reference was
//! written after the owner was created, so a view of that age has seen the owner; when it is not there, it was deleted,
//! and a uid never comes back. Until then the plan is to look again when the view is there. The deletion carries the
//! dependent's uid and revision, so an owner that was taken in the meantime saves it.
//!
//! Invariant: nothing is deleted that has an owner which exists, or which may exist.

mod owners;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Needs, View};
use orch_core::{
    Api, Change, Header, Key, Kind, KindInfo, Object, OwnerReference, Propagation, Revision, Write, kind,
};
use serde_json::json;

use crate::facts::Meta;
use owners::Owner;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Finds a kind by `apiVersion` and `kind`.
type Resolve = Arc<dyn Fn(&str, &str) -> Option<Arc<KindInfo>> + Send + Sync>;

/// Deletes what nobody owns any more.
///
/// ```
/// use orch_controllers::gc::GarbageCollector;
/// use orch_core::Registry;
/// use orch_core::controller::Controller;
/// let registry = Registry::built_in();
/// let collector = GarbageCollector::new(move |api_version, kind| registry.by_api_version(api_version, kind));
/// assert_eq!(collector.needs().kinds(), None, "it looks at every kind");
/// ```
#[derive(Clone)]
pub struct GarbageCollector {
    resolve: Resolve,
}

impl GarbageCollector {
    /// Owners are of the kinds that `resolve` knows; an object with an owner of another kind is never deleted.
    pub fn new(resolve: impl Fn(&str, &str) -> Option<Arc<KindInfo>> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve) }
    }

    /// Owners are of the kinds of that cluster.
    #[must_use]
    pub fn of(api: Arc<dyn Api>) -> Self {
        Self::new(move |api_version, kind| api.registry().by_api_version(api_version, kind))
    }

    /// The key that a reference means when an object of that namespace makes it. `None` when the kind is unknown, or
    /// namespaced while the object is not.
    fn owner_key(&self, namespace: &str, owner: &OwnerReference) -> Option<Key> {
        let info = (self.resolve)(&owner.api_version, &owner.kind)?;
        if !info.is_namespaced() {
            return Some(Key::cluster(info.kind, owner.name.clone()));
        }
        (!namespace.is_empty()).then(|| Key::new(info.kind, namespace, owner.name.clone()))
    }
}

impl fmt::Debug for GarbageCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GarbageCollector")
    }
}

/// An object, its owners and its dependents.
pub struct Observed {
    object: Object,
    owners: Vec<(OwnerReference, Owner)>,
    dependents: Dependents,
    /// A kind that the view is behind with, so that there may be more dependents.
    behind: Option<Kind>,
}

/// What the decision needs of an object's dependents.
#[derive(Clone, Copy, Debug, Default)]
struct Dependents {
    any: bool,
    /// One that blocks the foreground deletion of the object.
    blocking: bool,
    /// One that is being deleted in the foreground itself.
    foreground: bool,
}

fn is_foreground(header: &Header) -> bool {
    header.is_terminating() && header.has_finalizer(FOREGROUND)
}

fn is_orphaning(header: &Header) -> bool {
    header.is_terminating() && header.has_finalizer(ORPHAN)
}

impl Controller for GarbageCollector {
    type Observed = Observed;

    fn name(&self) -> &str {
        "generic-garbage-collector"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Meta>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        if key.kind == kind::EVENTS {
            return;
        }
        let (before, now) = (change.before.as_ref(), change.now.as_ref().map(|live| live.header()));
        let was = before.map(Object::header);
        let same_owners = was.map(|was| &was.owners) == now.map(|now| &now.owners);
        let dying = |header: Option<&Header>| {
            header.map(|header| (header.deletion.is_some(), header.finalizers.clone()))
        };
        let same_life = dying(was) == dying(now) && was.map(|was| &was.uid) == now.map(|now| &now.uid);
        if now.is_some_and(|now| {
            !same_owners || (!same_life && (now.is_terminating() || !now.owners.is_empty()))
        }) {
            out(key.clone());
        }
        if let Some(before) = before.filter(|_| !same_life) {
            view.of::<Meta>().owned_by(before.uid()).for_each(|row| out(row.object.key().clone()));
        }
        if before.is_some() && (!same_owners || (!same_life && now.is_none())) {
            // Owners that wait for this one to go, or to be let go.
            for owner in was.into_iter().chain(now).flat_map(|header| header.owners.iter()) {
                let owner = self.owner_key(&key.namespace, owner);
                let waits = |owner: &Key| {
                    view.of::<Meta>().get(owner).is_some_and(|row| row.object.header().is_terminating())
                };
                owner.filter(waits).into_iter().for_each(&mut *out);
            }
        }
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let object = &view.of::<Meta>().get(key)?.object;
        let header = object.header();
        let collected = header.is_terminating() && (is_foreground(header) || is_orphaning(header));
        if header.owners.is_empty() && !collected {
            return None;
        }
        let owner = |reference: &OwnerReference| (reference.clone(), self.look_up(object, reference, view));
        let owners: Vec<_> = header.owners.iter().map(owner).collect();
        let dependents = if is_orphaning(header) {
            self.dependents(object, view, |found| found.any)
        } else if is_foreground(header) {
            self.dependents(object, view, |found| found.blocking)
        } else if owners.iter().any(|(_, owner)| *owner == Owner::Waiting) {
            self.dependents(object, view, |found| found.foreground)
        } else {
            Dependents::default()
        };
        Some(Observed { dependents, behind: view.behind(object.revision()), object: object.clone(), owners })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let object = &observed.object;
        let header = object.header();
        if observed.has(&Owner::Orphaning) {
            return observed.without(&[Owner::Orphaning]);
        }
        if is_orphaning(header) {
            return if observed.dependents.any { Plan::new() } else { observed.let_go(ORPHAN) };
        }
        if is_foreground(header) {
            return if observed.dependents.blocking { Plan::new() } else { observed.let_go(FOREGROUND) };
        }
        if header.is_terminating() || observed.has(&Owner::Unknown) {
            return Plan::new();
        }
        if observed.has(&Owner::Misplaced) {
            let message = "ownerRef of a cluster-scoped object names an owner that stands in a namespace";
            return Plan::new().note(Note::warning(
                object.key(),
                object.uid(),
                "OwnerRefInvalidNamespace",
                message,
            ));
        }
        observed.collect()
    }
}

impl Observed {
    fn has(&self, owner: &Owner) -> bool {
        self.owners.iter().any(|(_, found)| found == owner)
    }

    /// Deletes the object, or only the references that hold it no longer.
    fn collect(&self) -> Plan {
        let waits = self.owners.iter().filter_map(|(_, owner)| match owner {
            Owner::Unproven(kind, revision) => Some((*kind, *revision)),
            _ => None,
        });
        let waits: Vec<(Kind, Revision)> = waits.collect();
        let plan = waits.iter().fold(Plan::new(), |plan, (kind, revision)| plan.when_seen(*kind, *revision));
        if self.has(&Owner::Solid) {
            // A waiting owner would wait for ever for an object that stays.
            let gone = [Owner::Absent, Owner::Waiting];
            return if gone.iter().any(|gone| self.has(gone)) { self.without(&gone) } else { plan };
        }
        if !waits.is_empty() {
            return plan;
        }
        let propagation = if self.has(&Owner::Waiting) && self.dependents.any {
            if self.dependents.foreground && self.object.header().owners.iter().any(blocks) {
                return self.unblocked();
            }
            Propagation::Foreground
        } else if self.object.header().has_finalizer(ORPHAN) {
            Propagation::Orphan
        } else if self.object.header().has_finalizer(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let write = Write::delete(self.object.key().clone()).of(self.object.uid()).at(self.object.revision());
        plan.write(write.propagate(propagation))
    }

    fn merge(&self, metadata: &serde_json::Value) -> Plan {
        let write = Write::merge(self.object.key().clone(), json!({"metadata": metadata}));
        Plan::new().write(write.of(self.object.uid()).at(self.object.revision()))
    }

    /// Removes the references to such owners.
    fn without(&self, gone: &[Owner]) -> Plan {
        let keep: Vec<_> = self
            .owners
            .iter()
            .filter(|(_, owner)| !gone.contains(owner))
            .map(|(reference, _)| reference)
            .collect();
        self.merge(&json!({"ownerReferences": keep}))
    }

    /// Owner and dependent wait for each other: the object blocks its owners no longer.
    fn unblocked(&self) -> Plan {
        let mut owners = self.object.header().owners.to_vec();
        owners.iter_mut().for_each(|owner| owner.block_owner_deletion = Some(false));
        self.merge(&json!({"ownerReferences": owners}))
    }

    /// Removes the finalizer that held the object for its dependents, if the view cannot lack any of them.
    fn let_go(&self, finalizer: &str) -> Plan {
        if let Some(kind) = self.behind {
            return Plan::new().when_seen(kind, self.object.revision());
        }
        let keep: Vec<_> =
            self.object.header().finalizers.iter().filter(|name| &***name != finalizer).collect();
        self.merge(&json!({"finalizers": keep}))
    }
}

fn blocks(owner: &OwnerReference) -> bool {
    owner.block_owner_deletion == Some(true)
}

#[cfg(test)]
mod tests;
