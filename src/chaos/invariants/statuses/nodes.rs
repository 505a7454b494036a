//! Nodes: their condition `Ready` is whether they answer, and their taints say the same.

use std::collections::BTreeSet;

use orch_core::{Change, Live, Str, kind};
use serde_json::Value;

use crate::chaos::World;
use crate::chaos::invariants::tree::{condition, holds, list, text};

/// Nodes that have ever been ready: those that have an agent.
#[derive(Debug, Default)]
pub(super) struct Nodes(BTreeSet<Str>);

impl Nodes {
    pub(super) fn take(&mut self, change: &Change) {
        if change.key().kind != kind::NODES || self.0.contains(&change.key().name) {
            return;
        }
        if change.now.as_ref().is_some_and(|live| holds(&live.tree()["status"], "Ready")) {
            self.0.insert(change.key().name.clone());
        }
    }

    pub(super) fn settled(&self, world: &World<'_>) -> Result<(), String> {
        for node in world.truth.of(kind::NODES).filter(|node| !node.header().is_terminating()) {
            self.node(world, node)?;
        }
        Ok(())
    }

    fn node(&self, world: &World<'_>, node: &Live) -> Result<(), String> {
        let (tree, key) = (node.tree(), node.key());
        let ready = condition(&tree["status"], "Ready").map_or("", |ready| text(&ready["status"]));
        let lost = world.down.contains(&key.name) || world.cut.contains(&key.name);
        match (lost, ready) {
            (false, "True") => {}
            (false, _) if self.0.contains(&key.name) => {
                return Err(format!("{key} answers, and its Ready is {ready:?}"));
            }
            (true, "True") => return Err(format!("{key} does not answer, and its Ready is True")),
            _ => {}
        }
        taints(node, &tree["spec"], ready)
    }
}

fn taints(node: &Live, spec: &Value, ready: &str) -> Result<(), String> {
    let (not_ready, unreachable) = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");
    let has = |key: &str, effect: &str| {
        list(&spec["taints"]).iter().any(|taint| taint["key"] == key && taint["effect"] == effect)
    };
    let cordoned = spec["unschedulable"] == true;
    // What drives pods away comes at a pace, and not at all while no node answers.
    let expected = [
        (not_ready, "NoSchedule", ready == "False", true),
        (unreachable, "NoSchedule", ready == "Unknown", true),
        (not_ready, "NoExecute", ready == "False", false),
        (unreachable, "NoExecute", ready == "Unknown", false),
        ("node.kubernetes.io/unschedulable", "NoSchedule", cordoned, true),
    ];
    for (key, effect, wanted, at_once) in expected {
        let found = has(key, effect);
        // A node that has never said anything has the taint of its admission.
        if (found && !wanted && !ready.is_empty()) || (!found && wanted && at_once) {
            let word = if found { "has" } else { "lacks" };
            return Err(format!("{} {word} the taint {key}:{effect}; its Ready is {ready:?}", node.key()));
        }
    }
    Ok(())
}
