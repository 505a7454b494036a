//! The volume binder: what a claim or a volume needs next (`syncClaim`, `syncVolume` in
//! `persistentvolume/pv_controller.go`).
//!
//! There is no resync: a volume that becomes free asks every claim of its class that still waits.

use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::object::Part;
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Object, Revision, Str, Write, kind};
use serde_json::{Value, json};

use super::bind::{bind, phase, write_status};
use super::facts::{BY_CLAIM, BY_VOLUME, Claim, ClaimRef, Class, NO_CLASS, UNBOUND, Volume, default_class};
use super::matching::{Choice, Strictness, best, why_not};
use super::{STORAGE_PROVISIONER, reclaim};
use crate::facts::claim_entry;

/// Binds claims and volumes to each other and reclaims volumes whose claim is gone.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct VolumeBinderController;

/// What a turn is about.
pub enum Observed {
    /// A claim.
    Claim(Box<OneClaim>),
    /// A volume.
    Volume(Box<reclaim::OneVolume>),
}

/// A claim and what it could be bound to.
pub struct OneClaim {
    claim: Arc<Row<Claim>>,
    /// The volume that it names or, when it names none, the best for it.
    volume: Option<Arc<Row<Volume>>>,
    class: Option<Arc<Row<Class>>>,
    default_class: Option<Str>,
    volumes_seen: Revision,
}

impl Controller for VolumeBinderController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "persistentvolume-binder"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Claim>().of::<Volume>().of::<Class>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let (key, claims) = (change.key(), view.of::<Claim>());
        if key.kind != kind::STORAGE_CLASSES {
            out(key.clone());
        }
        if key.kind == kind::PERSISTENT_VOLUME_CLAIMS {
            let volumes = view.of::<Volume>().indexed(BY_CLAIM, &claim_entry(&key.namespace, &key.name));
            volumes.for_each(|volume| out(volume.object.key().clone()));
            if let Some(claim) = claims.get(key).filter(|claim| !claim.facts.volume.is_empty()) {
                out(Key::cluster(kind::PERSISTENT_VOLUMES, claim.facts.volume.clone()));
            }
        } else if key.kind == kind::PERSISTENT_VOLUMES {
            claims.indexed(BY_VOLUME, &key.name).for_each(|claim| out(claim.object.key().clone()));
            change.states().filter_map(named_claim).for_each(|claim| out(claim.key()));
            if let Some(volume) = view.of::<Volume>().get(key)
                && volume.facts.claim.is_none()
                && &*volume.facts.phase == "Available"
            {
                waiting(view, &volume.facts.class, out);
            }
        } else {
            waiting(view, &key.name, out);
            // It may have become, or ceased to be, the default.
            waiting(view, NO_CLASS, out);
        }
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let (claims, volumes, classes) = (view.of::<Claim>(), view.of::<Volume>(), view.of::<Class>());
        if key.kind == kind::PERSISTENT_VOLUMES {
            let volume = Arc::clone(volumes.get(key)?);
            return Some(Observed::Volume(Box::new(reclaim::OneVolume::new(volume, claims, view))));
        }
        let claim = claims.get(key)?;
        let class = claim.facts.class.as_ref().filter(|class| !class.is_empty());
        let class = class.and_then(|class| classes.get(&Key::cluster(kind::STORAGE_CLASSES, class.clone())));
        let waits = class.is_some_and(|class| class.facts.waits_for_consumer);
        let volume = if claim.facts.volume.is_empty() {
            best(claim, volumes, if waits { Choice::Named } else { Choice::Any })
        } else {
            volumes.get(&Key::cluster(kind::PERSISTENT_VOLUMES, claim.facts.volume.clone()))
        };
        Some(Observed::Claim(Box::new(OneClaim {
            volume: volume.cloned(),
            class: class.cloned(),
            default_class: default_class(classes),
            volumes_seen: view.revision(kind::PERSISTENT_VOLUMES),
            claim: Arc::clone(claim),
        })))
    }

    fn plan(&self, observed: &Observed) -> Plan {
        match observed {
            Observed::Claim(claim) if claim.claim.facts.bind_completed => claim.keep(),
            Observed::Claim(claim) => claim.find(),
            Observed::Volume(volume) => volume.plan(),
        }
    }
}

fn named_claim(volume: &Object) -> Option<ClaimRef> {
    ClaimRef::read(&volume.part_to(Part::Spec).unwrap_or_default())
}

/// The claims of a class that have no volume yet.
fn waiting(view: &dyn View, class: &str, out: &mut dyn FnMut(Key)) {
    // Volumes without a class are for claims that name none, too.
    let classes = [class, NO_CLASS];
    for class in &classes[..if class.is_empty() { 2 } else { 1 }] {
        view.of::<Claim>().indexed(UNBOUND, class).for_each(|claim| out(claim.object.key().clone()));
    }
}

impl OneClaim {
    /// A claim that has been bound stays bound, or is lost (`syncBoundClaim`).
    fn keep(&self) -> Plan {
        let (object, facts) = (&self.claim.object, &self.claim.facts);
        if facts.volume.is_empty() {
            return self.lost(
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
            );
        }
        let Some(volume) = &self.volume else {
            // The volume was there when the claim came to name it: a view as new as the claim has seen it go.
            if self.volumes_seen < object.revision() {
                return Plan::new().when_seen(kind::PERSISTENT_VOLUMES, object.revision());
            }
            return self
                .lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        };
        match &volume.facts.claim {
            Some(of) if !of.uid.is_empty() && of.uid != *object.uid() => self.lost(
                "ClaimMisbound",
                "Two claims are bound to the same volume, this one is bound incorrectly",
            ),
            _ => bind(&self.claim, volume),
        }
    }

    fn lost(&self, reason: &str, message: &str) -> Plan {
        let object = &self.claim.object;
        if &*self.claim.facts.phase == "Lost" {
            return Plan::new();
        }
        let status = json!({"phase": "Lost", "accessModes": null, "capacity": null});
        let note = Note::warning(object.key(), object.uid(), reason, message);
        Plan::new().write(write_status(object, &status)).note(note.after(0))
    }

    /// A claim that has not been bound yet (`syncUnboundClaim`).
    fn find(&self) -> Plan {
        let facts = &self.claim.facts;
        if self.claim.object.header().is_terminating() {
            return Plan::new();
        }
        match &self.volume {
            Some(volume) if facts.volume.is_empty() => bind(&self.claim, volume),
            Some(volume) => self.asked_for(volume),
            None if facts.volume.is_empty() => self.without_volume(),
            None => self.pending(Plan::new()),
        }
    }

    /// A person named the volume.
    fn asked_for(&self, volume: &Arc<Row<Volume>>) -> Plan {
        let object = &self.claim.object;
        let name = &volume.object.key().name;
        match &volume.facts.claim {
            None => match why_not(volume, &self.claim, Strictness::Class) {
                None => bind(&self.claim, volume),
                Some(why) => {
                    let message = format!("Cannot bind to requested volume \"{name}\": {why}");
                    self.pending(Plan::new().note(Note::warning(
                        object.key(),
                        object.uid(),
                        "VolumeMismatch",
                        message,
                    )))
                }
            },
            Some(of) if of.means(object) => bind(&self.claim, volume),
            Some(_) => {
                let message = format!("volume \"{name}\" already bound to a different claim.");
                self.pending(Plan::new().note(Note::warning(
                    object.key(),
                    object.uid(),
                    "FailedBinding",
                    message,
                )))
            }
        }
    }

    /// No volume suits: one is waited for, made, or cannot be had.
    fn without_volume(&self) -> Plan {
        let (object, facts) = (&self.claim.object, &self.claim.facts);
        let note = |reason: &str, message: String| {
            Plan::new().note(Note::normal(object.key(), object.uid(), reason, message))
        };
        let failed = |message: String| {
            Plan::new().note(Note::warning(object.key(), object.uid(), "ProvisioningFailed", message))
        };
        let Some(class) = facts.class.as_ref().filter(|class| !class.is_empty()) else {
            if let (None, Some(class)) = (&facts.class, &self.default_class) {
                let write = Write::merge(object.key().clone(), json!({"spec": {"storageClassName": class}}));
                return Plan::new().write(write.of(object.uid()).at(object.revision()));
            }
            let message = "no persistent volumes available for this claim and no storage class is set";
            return self.pending(note("FailedBinding", message.to_owned()));
        };
        let Some(class) = &self.class else {
            return self.pending(failed(format!("storageclass.storage.k8s.io \"{class}\" not found")));
        };
        if class.facts.waits_for_consumer && facts.selected_node.is_none() {
            let message = "waiting for first consumer to be created before binding";
            return self.pending(note("WaitForFirstConsumer", message.to_owned()));
        }
        let provisioner = &class.facts.provisioner;
        if provisioner.starts_with("kubernetes.io/") {
            return self.pending(failed(format!("no volume plugin matched name: {provisioner}")));
        }
        if facts.provisioner.as_ref() != Some(provisioner) {
            let annotations: Value =
                STORAGE_PROVISIONER.iter().map(|name| ((*name).to_owned(), json!(provisioner))).collect();
            let write = Write::merge(object.key().clone(), json!({"metadata": {"annotations": annotations}}));
            return Plan::new().write(write.of(object.uid()).at(object.revision()));
        }
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
             system administrator. If volume creation is delayed, please verify that the provisioner is running and \
             correctly registered."
        );
        self.pending(note("ExternalProvisioning", message))
    }

    fn pending(&self, plan: Plan) -> Plan {
        if &*self.claim.facts.phase == "Pending" {
            return plan;
        }
        plan.write(write_status(&self.claim.object, &json!({"phase": "Pending"})))
    }
}

/// Sets a volume's phase and nothing else.
pub(super) fn only_phase(volume: &Row<Volume>, to: &str) -> Plan {
    phase(Plan::new(), volume, to)
}
