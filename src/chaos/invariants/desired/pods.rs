//! No pod waits that could run, and none is bound to a node that is not there.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::{Key, Live, Str, kind};

use crate::chaos::World;
use crate::chaos::invariants::fit::{Demand, Supply, misfit};
use crate::chaos::invariants::tree::{controller, is_terminal, node_of, phase_of};

pub(super) fn settled(world: &World<'_>, stuck: &BTreeSet<Str>) -> Result<(), String> {
    let truth = world.truth;
    let mut waiting = Vec::new();
    for pod in truth.of(kind::PODS) {
        let node = node_of(pod);
        if !node.is_empty() && truth.get(&Key::cluster(kind::NODES, node)).is_none() {
            return Err(format!("{} is bound to {node}, which is not there", pod.key()));
        }
        let excused = controller(pod.header(), "StatefulSet").is_some_and(|set| stuck.contains(set));
        if phase_of(pod) != "Pending" || pod.header().is_terminating() || excused {
            continue;
        }
        if node.is_empty() {
            waiting.push(pod);
        } else if !world.down.contains(node) && !world.cut.contains(node) {
            return Err(format!("{} is bound to {node} and does not run", pod.key()));
        }
    }
    if waiting.is_empty() { Ok(()) } else { unplaced(world, &waiting) }
}

/// Whether one of the pods without a node would fit somewhere.
fn unplaced(world: &World<'_>, waiting: &[&Live]) -> Result<(), String> {
    let truth = world.truth;
    let demand = |pod: &Live| Demand::read(&pod.key().name, &pod.tree()["spec"]);
    let mut on: BTreeMap<&str, Vec<Demand>> = BTreeMap::new();
    for pod in truth.of(kind::PODS).filter(|pod| !node_of(pod).is_empty() && !is_terminal(pod)) {
        on.entry(node_of(pod)).or_default().push(demand(pod));
    }
    for pod in waiting {
        let (wants, tree) = (demand(pod), pod.tree());
        let other = tree["spec"]["schedulerName"].as_str().is_some_and(|name| name != "default-scheduler");
        // Where a claim lets it run is the volumes' affair.
        if wants.gated || other || !wants.claims.is_empty() {
            continue;
        }
        for node in truth.of(kind::NODES) {
            let name = &node.key().name;
            let supply = Supply::read(node, &node.tree());
            let others = on.get(&**name).map(Vec::as_slice).unwrap_or_default();
            if misfit(&wants, &supply, others.iter()).is_none() {
                return Err(format!("{} has no node and fits on {name}", pod.key()));
            }
        }
    }
    Ok(())
}
