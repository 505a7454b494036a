//! Nobody adopts for an owner that is going: what an owner has let go stays free.
//!
//! Sources: `pkg/controller/controller_ref_manager.go` (`RecheckDeletionTimestamp`: adoption is refused once the owner is
//! being deleted) and <https://kubernetes.io/docs/tasks/administer-cluster/use-cascading-deletion/> ("set orphan deletion
//! policy"). The owner may begin to go while an adoption is on its way; but one that was going, or gone, when the object
//! came to be as it was adopted has let it go, and takes nothing back.

use std::collections::HashMap;

use orch_core::{Change, Object, OwnerReference, Revision, Str, kind};

use super::tree::is_person;
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Debug, Default)]
pub struct Adoption {
    /// Since when an object is being deleted, or gone.
    going: HashMap<Str, Revision>,
}

impl Invariant for Adoption {
    fn name(&self) -> &str {
        "adoption"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        let goes = change.now.as_ref().is_none_or(|live| live.header().is_terminating());
        if goes {
            self.going.entry(change.object().uid().clone()).or_insert(change.revision);
        }
        if is_person(actor) { Ok(()) } else { self.adopted(actor, change) }
    }
}

/// The controller that a change gives an object.
fn new_controller<'a>(before: &Object, now: &'a Object) -> Option<&'a OwnerReference> {
    // Claims belong to pods and sets by their retention policy, and are not adopted.
    let is_adopted = [kind::PODS, kind::REPLICA_SETS, kind::CONTROLLER_REVISIONS].contains(&now.key().kind);
    let owner = now.header().controller().filter(|_| is_adopted)?;
    (!before.header().owners.iter().any(|known| known.uid == owner.uid)).then_some(owner)
}

impl Adoption {
    fn adopted(&self, actor: &str, change: &Change) -> Result<(), String> {
        let (Some(before), Some(now)) = (&change.before, &change.now) else { return Ok(()) };
        let Some(owner) = new_controller(before, now) else { return Ok(()) };
        match self.going.get(&owner.uid) {
            Some(since) if *since <= before.revision() => Err(format!(
                "{actor} made {} {} ({}) the owner of {}, and that goes since {since}, before {} was as it was",
                owner.kind,
                owner.name,
                owner.uid,
                now.key(),
                now.key()
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, deleted, owned, plain, pod};
    use super::*;

    #[test]
    fn an_owner_that_was_going_before_takes_nothing_back() {
        let mut bench = Bench::of(Adoption::default());
        let set = plain("apps/v1", "ReplicaSet", "web");
        bench.ok("user", set.clone());
        bench.ok("user", pod("a", ""));
        bench.ok("replicaset-controller", owned(pod("a", ""), "ReplicaSet", "web"));
        bench.ok("user", deleted(set, 0));
        bench.ok("garbage-collector", pod("a", ""));
        bench.bad("replicaset-controller", owned(pod("a", ""), "ReplicaSet", "web"), "goes since");
    }

    #[test]
    fn an_owner_that_begins_to_go_meanwhile_may() {
        let mut bench = Bench::of(Adoption::default());
        let set = plain("apps/v1", "ReplicaSet", "web");
        bench.ok("user", set.clone());
        bench.ok("user", pod("a", ""));
        bench.ok("user", deleted(set, 0));
        bench.ok("replicaset-controller", owned(pod("a", ""), "ReplicaSet", "web"));
    }
}
