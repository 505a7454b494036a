//! Chaos on purpose: what a program does to the containers and calls of a runtime while it runs.
//!
//! Everything here is at once and waits for nothing. Invariant: what is done to one container changes no other.

use std::sync::Arc;

use orch_core::runtime::{ContainerId, SandboxSpec};
use orch_core::{Key, Str};

use super::container::Cause;
use super::{Faults, SimulatedRuntime};

/// A container that runs, for a program that chooses among them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name in the pod.
    pub name: Str,
    /// How often it was started before.
    pub attempt: u32,
    /// As in the pod.
    pub image: Str,
    /// The pod's sandbox: its key, uid, node and annotations.
    pub sandbox: Arc<SandboxSpec>,
    /// Whether it answers nothing.
    pub is_hanging: bool,
    /// Whether its probes succeed, those aside that fail by draw.
    pub is_ready: bool,
}

impl RunningContainer {
    /// The pod.
    #[must_use]
    pub fn pod(&self) -> &Key {
        &self.sandbox.pod
    }

    /// This very pod.
    #[must_use]
    pub fn pod_uid(&self) -> &str {
        &self.sandbox.uid
    }
}

impl SimulatedRuntime {
    /// The containers that run, in the order they were started.
    #[must_use]
    pub fn containers(&self) -> Vec<RunningContainer> {
        let running = |machine: &mut super::machine::Machine, now| {
            let running = machine.containers.values().filter(|container| container.is_running());
            let told = running.map(|container| RunningContainer {
                id: container.made.id.clone(),
                name: container.made.spec.name.clone(),
                attempt: container.made.spec.attempt,
                image: container.made.spec.image.clone(),
                sandbox: Arc::clone(&container.made.pod),
                is_hanging: container.is_hanging,
                is_ready: container.is_ready(now),
            });
            told.collect()
        };
        self.world.change(running)
    }

    /// Ends a container with that code, as if its program had: 137 is the end by lack of memory, 134 a panic. Whether
    /// there was one that ran.
    pub fn exit(&self, container: &ContainerId, code: i32) -> bool {
        self.world.change(|machine, now| machine.end(container, Cause::Itself(code), now))
    }

    /// From now on a container answers nothing and ignores being asked to end, or is as before again. Whether there was
    /// one that ran.
    pub fn set_hanging(&self, container: &ContainerId, is_hanging: bool) -> bool {
        let change = |machine: &mut super::machine::Machine, now| {
            machine.change(container, |container| container.set_hanging(is_hanging, now))
        };
        self.world.change(change)
    }

    /// What goes wrong with calls and events from now on. Ends the quiet that [`SimulatedRuntime::heal`] began: containers
    /// that start from now on follow their profiles.
    pub fn set_faults(&self, faults: Faults) {
        self.world.change(|machine, _| (machine.faults, machine.is_quiet) = (faults, false));
    }

    /// Nothing goes wrong from now on: calls have no faults, containers that hang answer again, and those that run or will
    /// start work. Probes do not fail by draw, no start and no pull fails, and a program that would end with a failure
    /// ends with code 0, or goes on until it is stopped if its profile has no 0. Latencies stay.
    pub fn heal(&self) {
        self.world.change(super::machine::Machine::heal);
    }
}
