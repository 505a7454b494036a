//! What becomes of a volume by its claim (`syncVolume`, `reclaimVolume` in `persistentvolume/pv_controller.go`).

use std::sync::Arc;

use orch_core::controller::{Note, Plan};
use orch_core::view::{Row, Table, View};
use orch_core::{Revision, Write, kind};
use serde_json::json;

use super::BOUND_BY_CONTROLLER;
use super::binder::only_phase;
use super::facts::{Claim, Volume};

/// A volume and the claim that it names.
pub struct OneVolume {
    volume: Arc<Row<Volume>>,
    /// With the uid that the volume names.
    claim: Option<Arc<Row<Claim>>>,
    claims_seen: Revision,
}

impl OneVolume {
    pub(super) fn new(volume: Arc<Row<Volume>>, claims: &Table<Claim>, view: &dyn View) -> Self {
        let claim = volume
            .facts
            .claim
            .as_ref()
            .and_then(|of| claims.get(&of.key()).filter(|row| *row.object.uid() == of.uid));
        Self { claim: claim.cloned(), claims_seen: view.revision(kind::PERSISTENT_VOLUME_CLAIMS), volume }
    }

    pub(super) fn plan(&self) -> Plan {
        let (object, facts) = (&self.volume.object, &self.volume.facts);
        let Some(of) = facts.claim.as_ref().filter(|of| !of.uid.is_empty()) else {
            return only_phase(&self.volume, "Available");
        };
        let Some(claim) = &self.claim else {
            // The claim was there when the volume came to name it: a view as new as the volume has seen it go.
            if self.claims_seen < object.revision() {
                return Plan::new().when_seen(kind::PERSISTENT_VOLUME_CLAIMS, object.revision());
            }
            return self.released();
        };
        if *claim.facts.volume == *object.key().name {
            return only_phase(&self.volume, "Bound");
        }
        if claim.facts.volume.is_empty() {
            if claim.facts.volume_mode == facts.volume_mode {
                // The claim's own turn binds it.
                return Plan::new();
            }
            let (name, claim) = (&object.key().name, format!("{}/{}", of.namespace, of.name));
            let message = format!(
                "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"{claim}\" due to incompatible volumeMode."
            );
            let other = format!(
                "Cannot bind PersistentVolume \"{name}\" to requested PersistentVolumeClaim due to incompatible volumeMode."
            );
            return Plan::new()
                .note(Note::warning(object.key(), object.uid(), "VolumeMismatch", message))
                .note(Note::warning(&of.key(), &of.uid, "VolumeMismatch", other));
        }
        // The claim has another volume.
        if facts.provisioned_by.is_some() && &*facts.policy == "Delete" {
            self.released()
        } else {
            self.unbind()
        }
    }

    /// The claim is gone. Data of a volume that failed to be reclaimed, or was released before, stays until somebody cares.
    fn released(&self) -> Plan {
        let (object, facts) = (&self.volume.object, &self.volume.facts);
        if !matches!(&*facts.phase, "Released" | "Failed") {
            return only_phase(&self.volume, "Released");
        }
        if &*facts.phase == "Failed" {
            return Plan::new();
        }
        let name = &object.key().name;
        let (reason, message) = match &*facts.policy {
            // Who made it deletes it.
            "Delete" if facts.provisioned_by.is_some() => return Plan::new(),
            "Delete" => (
                "VolumeFailedDelete",
                format!(
                    "error getting deleter volume plugin for volume \"{name}\": no volume plugin matched"
                ),
            ),
            "Recycle" => ("VolumeFailedRecycle", "No recycler plugin found for the volume!".to_owned()),
            _ => return Plan::new(),
        };
        let status = json!({"status": {"phase": "Failed", "message": message}});
        let write = Write::merge_status(object.key().clone(), status).of(object.uid()).at(object.revision());
        Plan::new().write(write).note(Note::warning(object.key(), object.uid(), reason, message).after(0))
    }

    /// The volume is free for other claims; one that a person reserved stays reserved by name.
    fn unbind(&self) -> Plan {
        let object = &self.volume.object;
        let patch = if self.volume.facts.bound_by_controller {
            json!({"spec": {"claimRef": null}, "metadata": {"annotations": {BOUND_BY_CONTROLLER: null}}})
        } else {
            json!({"spec": {"claimRef": {"uid": null, "resourceVersion": null}}})
        };
        Plan::new().write(Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision()))
    }
}
