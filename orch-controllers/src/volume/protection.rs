//! Claims and volumes in use are not removed: a finalizer holds them (`pkg/controller/volume/pvcprotection`,
//! `pkg/controller/volume/pvprotection`).
//!
//! A claim is in use while a pod that has been assigned to a node names it; a volume while it is bound. Which pods start
//! with a claim that terminates is not decided here: agents refuse those.

use jiff::Timestamp;
use orch_core::controller::{Controller, Plan};
use orch_core::view::{Needs, Projection, View};
use orch_core::{Change, Key, Live, Object, Revision, Str, Write, kind};
use serde_json::json;

use super::facts::{Claim, Volume};
use super::{CLAIM_FINALIZER, VOLUME_FINALIZER};
use crate::facts::{BY_CLAIM, Pod, claim_entry};

/// Holds claims that pods use.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ClaimProtectionController;

/// Holds volumes that are bound.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct VolumeProtectionController;

/// An object that may be in use.
pub struct Observed {
    object: Object,
    in_use: bool,
    pods_seen: Revision,
}

impl Controller for ClaimProtectionController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "pvc-protection-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Claim>().of::<Pod>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        if key.kind == kind::PERSISTENT_VOLUME_CLAIMS {
            out(key.clone());
        } else if let (None, Some(before)) = (&change.now, &change.before) {
            // The last pod of a claim may be gone. Until then a pod does not let go of a claim.
            let claims = match view.of::<Pod>().before(change) {
                Some(was) => was.facts.claims.clone(),
                None => Pod::project(&Live::from(before.clone())).claims,
            };
            for claim in claims {
                let claim = key.sibling(kind::PERSISTENT_VOLUME_CLAIMS, claim);
                if view.of::<Claim>().get(&claim).is_some_and(|claim| claim.object.header().is_terminating())
                {
                    out(claim);
                }
            }
        }
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let object = view.of::<Claim>().get(key)?.object.clone();
        let mut pods = view.of::<Pod>().indexed(BY_CLAIM, &claim_entry(&key.namespace, &key.name));
        let in_use = pods.any(|pod| !pod.facts.node.is_empty());
        Some(Observed { object, in_use, pods_seen: view.revision(kind::PODS) })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let object = &observed.object;
        let lets_go = object.header().is_terminating() && object.header().has_finalizer(CLAIM_FINALIZER);
        if lets_go && !observed.in_use && observed.pods_seen < object.revision() {
            // A pod from before the deletion may not be in the view yet.
            return Plan::new().when_seen(kind::PODS, object.revision());
        }
        hold(observed, CLAIM_FINALIZER)
    }
}

impl Controller for VolumeProtectionController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "pv-protection-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Volume>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        out(change.key().clone());
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let volume = view.of::<Volume>().get(key)?;
        let in_use = &*volume.facts.phase == "Bound";
        Some(Observed { object: volume.object.clone(), in_use, pods_seen: Revision::ZERO })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        hold(observed, VOLUME_FINALIZER)
    }
}

/// The finalizer is there from the beginning, and goes when the object terminates and is not in use.
fn hold(observed: &Observed, finalizer: &str) -> Plan {
    let object = &observed.object;
    let header = object.header();
    let finalizers: Vec<Str> = match (header.is_terminating(), header.has_finalizer(finalizer)) {
        (false, false) => header.finalizers.iter().cloned().chain([finalizer.into()]).collect(),
        (true, true) if !observed.in_use => {
            header.finalizers.iter().filter(|name| &***name != finalizer).cloned().collect()
        }
        _ => return Plan::new(),
    };
    let patch = json!({"metadata": {"finalizers": finalizers}});
    Plan::new().write(Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision()))
}
