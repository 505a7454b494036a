//! What statuses say is true once the cluster is at rest.
//!
//! Sources: the API reference of each `status`, and the code that writes it: `pkg/controller/replicaset/
//! replica_set_utils.go`, `pkg/controller/deployment/sync.go` (`calculateStatus`), `pkg/controller/statefulset/
//! stateful_set_control.go` (`updateStatus`), `staging/src/k8s.io/endpointslice`, `pkg/controller/volume/persistentvolume/
//! pv_controller.go`, `pkg/controller/nodelifecycle`, `pkg/controller/namespace`. Not judged: objects that are being
//! deleted, and what is in a namespace that is. That no volume is bound to two claims holds at every step, see
//! [`storage`].

mod nodes;
mod services;
mod storage;
mod workloads;

use orch_core::{Key, Live, kind};

use crate::chaos::{Happening, Invariant, Truth, World};

/// See the module.
#[derive(Debug, Default)]
pub struct Statuses {
    bindings: storage::Bindings,
    nodes: nodes::Nodes,
}

impl Invariant for Statuses {
    fn name(&self) -> &str {
        "statuses"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        self.nodes.take(change);
        self.bindings.take(actor, change)
    }

    fn settled(&mut self, world: &World<'_>) -> Result<(), String> {
        self.nodes.settled(world)?;
        namespaces(world.truth)?;
        workloads::settled(world)?;
        services::settled(world.truth)?;
        storage::settled(world.truth)
    }
}

/// Whether an object is one whose status must be true: it stays, and so does its namespace.
fn is_judged(truth: &Truth, live: &Live) -> bool {
    let namespace = || truth.get(&Key::cluster(kind::NAMESPACES, live.key().namespace.clone()));
    !live.header().is_terminating()
        && (live.key().namespace.is_empty()
            || namespace().is_none_or(|namespace| !namespace.header().is_terminating()))
}

fn namespaces(truth: &Truth) -> Result<(), String> {
    for live in truth.of(kind::NAMESPACES) {
        let expected = if live.header().is_terminating() { "Terminating" } else { "Active" };
        if super::tree::phase_of(live) != expected {
            return Err(format!(
                "{} is {expected}, and its phase is {:?}",
                live.key(),
                super::tree::phase_of(live)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
