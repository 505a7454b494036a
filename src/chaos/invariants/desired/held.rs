//! Nothing waits to be gone, but what persons hold.

use orch_core::{Live, kind};

use crate::chaos::invariants::tree::{list, node_of};
use crate::chaos::{Truth, World};

pub(super) fn settled(world: &World<'_>) -> Result<(), String> {
    for live in world.truth.all().filter(|live| live.header().is_terminating()) {
        let held = match live.key().kind {
            kind::PODS => is_lost(world, live) || is_held(world, live),
            kind::NAMESPACES => is_held(world, live) || has_held(world, live),
            _ => is_held(world, live),
        };
        if !held {
            let finalizers = &live.header().finalizers;
            return Err(format!(
                "{} is being deleted and still there; finalizers {finalizers:?}",
                live.key()
            ));
        }
    }
    Ok(())
}

/// Whether the node of a pod cannot say that it has ended.
fn is_lost(world: &World<'_>, pod: &Live) -> bool {
    let node = node_of(pod);
    world.down.contains(node) || world.cut.contains(node)
}

/// Whether a namespace holds something that is held.
fn has_held(world: &World<'_>, namespace: &Live) -> bool {
    let inside = |live: &&Live| live.key().namespace == namespace.key().name;
    world.truth.all().filter(inside).any(|live| {
        live.header().is_terminating()
            && (is_held(world, live) || (live.key().kind == kind::PODS && is_lost(world, live)))
    })
}

/// Whether one of its finalizers has a reason to hold an object.
fn is_held(world: &World<'_>, live: &Live) -> bool {
    let truth = world.truth;
    live.header().finalizers.iter().any(|finalizer| match &**finalizer {
        "orphan" => false,
        "foregroundDeletion" => truth.dependents(live.uid()).any(|dependent| blocks(dependent, live)),
        "kubernetes.io/pvc-protection" => is_used(truth, live),
        "kubernetes.io/pv-protection" => live.tree()["status"]["phase"] == "Bound",
        "orch.local/node-directory" => !world.down.is_empty() || !world.cut.is_empty(),
        _ => true,
    })
}

fn blocks(dependent: &Live, owner: &Live) -> bool {
    let mut owners = dependent.header().owners.iter();
    owners.any(|reference| reference.uid == *owner.uid() && reference.block_owner_deletion == Some(true))
}

/// Whether a pod that has a node names the claim.
fn is_used(truth: &Truth, claim: &Live) -> bool {
    let key = claim.key();
    truth.in_namespace(kind::PODS, &key.namespace).any(|pod| {
        let names = |volume: &serde_json::Value| {
            volume["persistentVolumeClaim"]["claimName"] == *key.name
                || (volume["ephemeral"].is_object()
                    && volume["name"]
                        .as_str()
                        .is_some_and(|name| *key.name == *format!("{}-{name}", pod.key().name)))
        };
        !node_of(pod).is_empty() && list(&pod.tree()["spec"]["volumes"]).iter().any(names)
    })
}
