//! Claims of a pod: where their volumes can be reached, which volume is bound to them, what has to be made.
//!
//! As `pkg/scheduler/framework/plugins/volumebinding`. Left out: the capacity that CSI drivers report
//! (`CSIStorageCapacity`) and volumes that are migrated to CSI. It binds nothing itself: it says what has to be done.
//! Invariant: a volume that was set aside for one claim is not offered to another.

mod facts;

use std::collections::BTreeMap;

use orch_core::scheduler::ClaimStep;
use orch_core::{Change, Key, Kind, Str, kind};

use crate::cluster::{ClaimName, Node, Pod};
use crate::framework::{
    Check, ClusterEvent, Filter, Plugin, PreFilter, Prefilter, Refusal, Remedy, Reserve, Reserved, Signature,
};
use facts::{Binding, Claim, StorageClass, Volume};

const CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUME: &str = "node(s) didn't find available persistent volumes to bind";
const VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";

/// A pod goes where the volumes of its claims are or can be made.
#[derive(Clone, Debug, Default)]
pub struct VolumeBinding {
    claims: BTreeMap<Key, Claim>,
    volumes: BTreeMap<Str, Volume>,
    classes: BTreeMap<Str, StorageClass>,
    /// Volumes that were set aside: the claim, and the uid of the pod.
    taken: BTreeMap<Str, (Key, Str)>,
    /// Claims whose node was chosen: the node, and the uid of the pod.
    chosen: BTreeMap<Key, (Str, Str)>,
}

/// What has to happen to a claim.
enum Step<'a> {
    Bind(&'a Key, &'a Claim, &'a Volume),
    Provision(&'a Key, &'a Claim),
}

impl Plugin for VolumeBinding {
    fn name(&self) -> &'static str {
        "VolumeBinding"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![kind::PERSISTENT_VOLUME_CLAIMS, kind::PERSISTENT_VOLUMES, kind::STORAGE_CLASSES]
    }

    fn apply(&mut self, change: &Change) {
        let key = change.key();
        match (key.kind, &change.now) {
            (kind::PERSISTENT_VOLUME_CLAIMS, Some(live)) => {
                self.claims.insert(key.clone(), Claim::read(live));
            }
            (kind::PERSISTENT_VOLUME_CLAIMS, None) => {
                self.claims.remove(key);
            }
            (kind::PERSISTENT_VOLUMES, Some(live)) => {
                self.volumes.insert(key.name.clone(), Volume::read(live));
            }
            (kind::PERSISTENT_VOLUMES, None) => {
                self.volumes.remove(&key.name);
            }
            (kind::STORAGE_CLASSES, Some(live)) => {
                self.classes.insert(key.name.clone(), StorageClass::read(live));
            }
            (kind::STORAGE_CLASSES, None) => {
                self.classes.remove(&key.name);
            }
            _ => {}
        }
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        if !pod.spec().claims.is_empty() {
            signature.add(&(pod.namespace(), &pod.key().name, pod.uid(), &pod.spec().claims));
        }
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { .. } => true,
            ClusterEvent::NodeChanged { before, node } => {
                before.object().header().labels != node.facts().object().header().labels
            }
            ClusterEvent::Object { change } if change.key().kind == kind::PERSISTENT_VOLUME_CLAIMS => {
                claim_keys(pod).any(|(key, _)| key == *change.key())
            }
            ClusterEvent::Object { change } => change.now.is_some(),
            _ => false,
        }
    }
}

fn claim_keys(pod: &Pod) -> impl Iterator<Item = (Key, &ClaimName)> {
    pod.spec().claims.iter().map(|name| {
        let text = match name {
            ClaimName::Named(name) => name.clone(),
            ClaimName::Ephemeral(volume) => format!("{}-{volume}", pod.key().name).into(),
        };
        (pod.key().sibling(kind::PERSISTENT_VOLUME_CLAIMS, text), name)
    })
}

impl PreFilter for VolumeBinding {
    fn pre_filter(&self, pod: &Pod) -> Result<Prefilter, Refusal> {
        if pod.spec().claims.is_empty() {
            return Ok(Prefilter::Skip);
        }
        let mut unbound = false;
        for (key, name) in claim_keys(pod) {
            let claim = self.claim(pod, &key, name).map_err(Refusal::unresolvable)?;
            unbound |= !claim.is_bound() && !self.waits_for_consumer(claim);
        }
        if unbound { Err(Refusal::unresolvable(UNBOUND)) } else { Ok(Prefilter::All) }
    }
}

impl VolumeBinding {
    /// The claim, or what is wrong with it (`pkg/scheduler/framework/plugins/volumebinding/volume_binding.go`).
    fn claim(&self, pod: &Pod, key: &Key, name: &ClaimName) -> Result<&Claim, String> {
        let text = &key.name;
        let ephemeral = matches!(name, ClaimName::Ephemeral(_));
        let Some(claim) = self.claims.get(key) else {
            return Err(if ephemeral {
                format!(
                    "waiting for ephemeral volume controller to create the persistentvolumeclaim {text:?}"
                )
            } else {
                format!("persistentvolumeclaim {text:?} not found")
            });
        };
        if claim.is_lost {
            let volume = &claim.volume;
            return Err(format!(
                "persistentvolumeclaim {text:?} bound to non-existent persistentvolume {volume:?}"
            ));
        }
        if claim.is_terminating {
            return Err(format!("persistentvolumeclaim {text:?} is being deleted"));
        }
        if ephemeral && claim.controller.as_ref() != Some(pod.uid()) {
            return Err(format!(
                "PVC {}/{text} was not created for pod {}/{} (pod is not owner)",
                key.namespace,
                pod.namespace(),
                pod.key().name
            ));
        }
        Ok(claim)
    }

    /// Whether it is bound once a pod needs it. A claim that names its volume is bound at once.
    fn waits_for_consumer(&self, claim: &Claim) -> bool {
        let waits = |class: &StorageClass| class.binding == Binding::WaitForFirstConsumer;
        claim.volume.is_empty() && self.classes.get(&claim.class).is_some_and(waits)
    }

    /// What has to happen to the pod's claims if it goes to the node.
    fn plan<'a>(&'a self, pod: &Pod, node: &Node<'_>, keys: &'a [Key]) -> Result<Vec<Step<'a>>, Refusal> {
        let (mut reasons, mut unbound) = (Vec::new(), Vec::new());
        let mut refuse = |reason: &'static str| {
            if !reasons.contains(&reason.into()) {
                reasons.push(reason.into());
            }
        };
        for key in keys {
            match self.claims.get(key) {
                Some(claim) if !claim.is_bound() => unbound.push((key, claim)),
                Some(claim) => match self.volumes.get(&claim.volume) {
                    None => refuse(VOLUME_GONE),
                    Some(volume) if !volume.is_reachable_from(node.facts()) => refuse(CONFLICT),
                    Some(_) => {}
                },
                None => refuse(NO_VOLUME),
            }
        }
        unbound.sort_by_key(|(key, claim)| (claim.request, *key));
        let mut steps: Vec<Step<'a>> = Vec::new();
        for (key, claim) in unbound {
            let used = |volume: &Volume| {
                let in_steps =
                    |step: &Step<'_>| matches!(step, Step::Bind(_, _, other) if other.name == volume.name);
                steps.iter().any(in_steps)
                    || self.taken.get(&volume.name).is_some_and(|(other, _)| other != key)
            };
            match self.step(pod, node, key, claim, used) {
                Some(step) => steps.push(step),
                None => refuse(NO_VOLUME),
            }
        }
        if reasons.is_empty() { Ok(steps) } else { Err(Refusal { remedy: Remedy::None, reasons }) }
    }

    fn step<'a>(
        &'a self,
        pod: &Pod,
        node: &Node<'_>,
        key: &'a Key,
        claim: &'a Claim,
        used: impl Fn(&Volume) -> bool,
    ) -> Option<Step<'a>> {
        let chosen = self.chosen.get(key).filter(|(_, by)| by != pod.uid()).map(|(node, _)| node);
        if let Some(selected) = claim.selected_node.as_ref().or(chosen) {
            return (selected == node.name()).then_some(Step::Provision(key, claim));
        }
        let candidates = self.volumes.values().filter(|volume| !used(volume));
        if let Some(volume) = facts::best(candidates, key, claim, node.facts()) {
            return Some(Step::Bind(key, claim, volume));
        }
        let class = self.classes.get(&claim.class)?;
        class.provisions_for(node.facts()).then_some(Step::Provision(key, claim))
    }
}

impl Filter for VolumeBinding {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        let keys: Vec<Key> = claim_keys(pod).map(|(key, _)| key).collect();
        self.plan(pod, node, &keys).map(|_| ())
    }
}

impl Reserve for VolumeBinding {
    fn reserve(&mut self, pod: &Pod, node: &Node<'_>) -> Result<Reserved, Refusal> {
        let keys: Vec<Key> = claim_keys(pod).map(|(key, _)| key).collect();
        let (mut todo, mut taken, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        let steps = self.plan(pod, node, &keys)?;
        if steps.is_empty() {
            return Ok(Reserved::Ready);
        }
        for step in steps {
            match step {
                Step::Bind(key, claim, volume) => {
                    taken.push((volume.name.clone(), (key.clone(), pod.uid().clone())));
                    if !volume.is_bound_to(key, claim) {
                        let (uid, volume) =
                            (claim.uid.clone(), Key::cluster(kind::PERSISTENT_VOLUMES, volume.name.clone()));
                        todo.push(ClaimStep::Bind { claim: key.clone(), uid, volume });
                    }
                }
                Step::Provision(key, claim) => {
                    chosen.push((key.clone(), (node.name().clone(), pod.uid().clone())));
                    if claim.selected_node.is_none() {
                        todo.push(ClaimStep::Provision { claim: key.clone(), uid: claim.uid.clone() });
                    }
                }
            }
        }
        self.taken.extend(taken);
        self.chosen.extend(chosen);
        Ok(if todo.is_empty() { Reserved::Wait } else { Reserved::Prepare(todo) })
    }

    fn unreserve(&mut self, pod: &Pod) {
        self.taken.retain(|_, (_, by)| by != pod.uid());
        self.chosen.retain(|_, (_, by)| by != pod.uid());
    }

    /// Its claims: one that was deleted and made again has no volume, and with the pod bound nobody would choose a node for
    /// it. In Kubernetes such a pod waits for ever.
    fn rests_on(&self, pod: &Pod) -> Vec<(Key, Str)> {
        let claims = claim_keys(pod);
        claims.filter_map(|(key, _)| self.claims.get(&key).map(|claim| (key, claim.uid.clone()))).collect()
    }
}
