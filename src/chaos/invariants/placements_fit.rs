//! What the scheduler decides fits what it knows: resources, taints, selectors, affinity, ports, volumes, by brute force.
//!
//! Sources: <https://kubernetes.io/docs/concepts/scheduling-eviction/> and [`fit`](super::fit). What it knows is what it
//! was told and what it has decided itself: a pod counts on a node from the decision to bind it until it is told otherwise
//! or the decision was refused (`AssumePod` and `ForgetPod` of `pkg/scheduler/backend/cache`). A new scheduler knows
//! nothing. Lenient where it may know more than can be seen from outside: room that it keeps for a pod whose claims are
//! being prepared, or that it has promised, is not counted. Victims of preemption are less important than the pod that
//! needs room (<https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orch_core::object::Part;
use orch_core::scheduler::{Decision, Outcome, Verdict};
use orch_core::{Change, Key, Live, Object, Str, kind};
use serde_json::Value;

use super::fit::{Demand, Supply, misfit};
use super::tree::{is_terminal, node_of, text};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Debug, Default)]
pub struct PlacementsFit {
    nodes: BTreeMap<Str, (Object, Supply)>,
    pods: BTreeMap<Key, Pod>,
    /// Pods that count on a node.
    on: BTreeMap<Str, BTreeSet<Key>>,
    /// The volume of a claim.
    claims: BTreeMap<Key, Str>,
    /// What the node of a volume must be like.
    volumes: BTreeMap<Str, Vec<Value>>,
}

#[derive(Debug)]
struct Pod {
    object: Object,
    demand: Arc<Demand>,
    /// Where it counts.
    node: Option<Str>,
    /// It counts there by the scheduler's own decision.
    is_assumed: bool,
}

impl Invariant for PlacementsFit {
    fn name(&self) -> &str {
        "placements-fit"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::SchedulerStarted => *self = Self::default(),
            Happening::Told { change } => self.told(change),
            Happening::Concluded { pod, uid, outcome: Outcome::Refused(_) } => self.refused(pod, uid),
            Happening::Decided { decision } => return self.decided(decision),
            _ => {}
        }
        Ok(())
    }
}

impl PlacementsFit {
    fn told(&mut self, change: &Change) {
        let key = change.key();
        match (key.kind, &change.now) {
            (kind::NODES, Some(live)) => self.node(live),
            (kind::NODES, None) => _ = self.nodes.remove(&key.name),
            (kind::PODS, Some(live)) => self.pod(live),
            (kind::PODS, None) => {
                let gone = change.before.as_ref().map(Object::uid);
                let known = self.pods.get(key).map(|pod| pod.object.uid());
                if gone.is_none() || gone == known {
                    self.forget(key);
                }
            }
            (kind::PERSISTENT_VOLUME_CLAIMS, Some(live)) => {
                let volume = text(&live.tree()["spec"]["volumeName"]).into();
                self.claims.insert(key.clone(), volume);
            }
            (kind::PERSISTENT_VOLUMES, Some(live)) => {
                let terms = live.tree().pointer("/spec/nodeAffinity/required/nodeSelectorTerms").cloned();
                let terms = terms.and_then(|terms| terms.as_array().cloned()).unwrap_or_default();
                self.volumes.insert(key.name.clone(), terms);
            }
            (kind::PERSISTENT_VOLUME_CLAIMS, None) => _ = self.claims.remove(key),
            (kind::PERSISTENT_VOLUMES, None) => _ = self.volumes.remove(&key.name),
            _ => {}
        }
    }

    fn node(&mut self, live: &Live) {
        // Most changes of a node are heartbeats.
        let same = |(known, _): &&(Object, Supply)| {
            known.part(Part::Spec) == live.part(Part::Spec)
                && known.header().labels == live.header().labels
                && ["allocatable", "capacity"].iter().all(|field| {
                    known.part_field(Part::Status, field) == live.part_field(Part::Status, field)
                })
        };
        if self.nodes.get(&live.key().name).filter(same).is_none() {
            let known = (live.object().clone(), Supply::read(live, &live.tree()));
            self.nodes.insert(live.key().name.clone(), known);
        }
    }

    fn pod(&mut self, live: &Live) {
        let key = live.key();
        let known = self.pods.get(key).filter(|pod| pod.object.uid() == live.uid());
        let demand = match known.filter(|pod| pod.object.part(Part::Spec) == live.part(Part::Spec)) {
            Some(pod) => Arc::clone(&pod.demand),
            None => Arc::new(Demand::read(&key.name, &live.tree()["spec"])),
        };
        let assumed = known.filter(|pod| pod.is_assumed).and_then(|pod| pod.node.clone());
        self.forget(key);
        if is_terminal(live) {
            return;
        }
        let (node, is_assumed) = match (node_of(live), assumed) {
            ("", Some(node)) => (Some(node), true),
            ("", None) => (None, false),
            (node, _) => (Some(node.into()), false),
        };
        if let Some(node) = &node {
            self.on.entry(node.clone()).or_default().insert(key.clone());
        }
        self.pods.insert(key.clone(), Pod { object: live.object().clone(), demand, node, is_assumed });
    }

    fn forget(&mut self, key: &Key) {
        if let Some(pod) = self.pods.remove(key) {
            self.vacate(key, pod.node.as_ref());
        }
    }

    fn vacate(&mut self, key: &Key, node: Option<&Str>) {
        if let Some(pods) = node.and_then(|node| self.on.get_mut(node)) {
            pods.remove(key);
        }
    }

    fn refused(&mut self, key: &Key, uid: &str) {
        let Some(pod) = self.pods.get_mut(key).filter(|pod| **pod.object.uid() == *uid && pod.is_assumed)
        else {
            return;
        };
        pod.is_assumed = false;
        let node = pod.node.take();
        self.vacate(key, node.as_ref());
    }

    fn decided(&mut self, decision: &Decision) -> Result<(), String> {
        let Decision { pod: key, uid, verdict } = decision;
        let (node, binds) = match verdict {
            Verdict::Bind { node, .. } => (node, true),
            Verdict::Prepare { node, .. } => (node, false),
            Verdict::Preempt { victims, .. } => return self.preempted(key, uid, victims),
            _ => return Ok(()),
        };
        // What was decided before no longer counts: the pod is placed anew.
        self.refused(key, uid);
        let Some(pod) = self.pods.get(key).filter(|pod| pod.object.uid() == uid) else {
            return Err(format!("{key} ({uid}) was placed on {node}, and the scheduler was not told of it"));
        };
        if let Some(at) = &pod.node {
            return Err(format!("{key} ({uid}) was placed on {node}, and it is bound to {at}"));
        }
        if pod.demand.gated {
            return Err(format!("{key} ({uid}) was placed on {node} in spite of its scheduling gates"));
        }
        let Some((_, supply)) = self.nodes.get(node) else {
            return Err(format!("{key} ({uid}) was placed on {node}, and the scheduler knows no such node"));
        };
        let others = self.on.get(node).into_iter().flatten().filter_map(|key| self.pods.get(key));
        let misfit = misfit(&pod.demand, supply, others.map(|other| &*other.demand));
        if let Some(why) = misfit.or_else(|| self.unreachable(key, &pod.demand, supply)) {
            return Err(format!("{key} ({uid}) was placed on {node} and does not fit: {why}"));
        }
        if binds {
            self.assume(key, node);
        }
        Ok(())
    }

    fn assume(&mut self, key: &Key, node: &Str) {
        if let Some(pod) = self.pods.get_mut(key) {
            (pod.node, pod.is_assumed) = (Some(node.clone()), true);
            self.on.entry(node.clone()).or_default().insert(key.clone());
        }
    }

    /// A volume of the pod that cannot be reached from the node.
    fn unreachable(&self, key: &Key, demand: &Demand, node: &Supply) -> Option<String> {
        let volume = |claim: &Str| {
            let claim = key.sibling(kind::PERSISTENT_VOLUME_CLAIMS, claim.clone());
            self.claims.get(&claim).filter(|volume| !volume.is_empty())
        };
        let far = |volume: &&Str| {
            self.volumes.get(*volume).is_some_and(|terms| !terms.is_empty() && !node.matches_any(terms))
        };
        let volume = demand.claims.iter().filter_map(volume).find(far)?;
        Some(format!("its volume {volume} is not to be had there"))
    }

    fn preempted(&self, key: &Key, uid: &Str, victims: &[(Key, Str)]) -> Result<(), String> {
        let Some(pod) = self.pods.get(key).filter(|pod| pod.object.uid() == uid) else {
            return Err(format!("{key} ({uid}) preempts, and the scheduler was not told of it"));
        };
        if pod.demand.never_preempts {
            return Err(format!("{key} ({uid}) preempts, and its policy is Never"));
        }
        let known = |(victim, uid): &&(Key, Str)| {
            let other = self.pods.get(victim).filter(|other| other.object.uid() == uid);
            other.is_some_and(|other| other.demand.priority >= pod.demand.priority)
        };
        match victims.iter().find(known) {
            Some((victim, _)) => Err(format!("{key} ({uid}) preempts {victim}, which is no less important")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
