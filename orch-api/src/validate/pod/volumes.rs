//! Rules of a pod's volumes (`ValidateVolumes`, `validateVolumeSource`).
//!
//! Sources that persistent volumes know as well are in `storage::source`, projected volumes in `projected`. Not mounting.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::names;
use serde_json::Value;

use super::super::at::At;
use super::super::rules;
use super::super::storage::claim;
use super::super::storage::source::{self, Holder, Source, source};
use super::{Whose, containers, projected};

/// What containers have to know of a volume.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It can be a block device.
    Claim,
    Other,
}

/// What a volume of a pod can be made of, in upstream's order.
const SOURCES: &[Source] = &[
    Source { key: "emptyDir", shown: "emptyDir", refused: None, rule: empty_dir },
    source("hostPath", source::host_path),
    source("gitRepo", git_repo),
    Source {
        key: "gcePersistentDisk",
        shown: "persistentDisk",
        refused: Some("gcePersistentDisk"),
        rule: source::gce_disk,
    },
    source("awsElasticBlockStore", source::aws_disk),
    source("secret", secret),
    source("nfs", source::nfs),
    source("iscsi", source::iscsi),
    source("glusterfs", source::glusterfs),
    source("flocker", source::flocker),
    source("persistentVolumeClaim", persistent_volume_claim),
    source("rbd", source::rbd),
    source("cinder", source::cinder),
    Source { key: "cephfs", shown: "cephfs", refused: Some("cephFS"), rule: source::ceph_fs },
    source("quobyte", source::quobyte),
    // The missing letter is upstream's.
    Source {
        key: "downwardAPI",
        shown: "downwardAPI",
        refused: Some("downwarAPI"),
        rule: projected::downward_api,
    },
    source("fc", source::fibre_channel),
    source("flexVolume", source::flex_volume),
    source("configMap", config_map),
    source("azureFile", source::azure_file),
    source("vsphereVolume", source::vsphere),
    source("photonPersistentDisk", source::photon),
    source("portworxVolume", source::portworx),
    source("azureDisk", source::azure_disk),
    source("storageos", source::storage_os),
    source("projected", projected::projected),
    source("scaleIO", source::scale_io),
    source("csi", csi),
    source("ephemeral", ephemeral),
    source("image", image),
];

/// The volumes that are valid.
pub(super) fn volumes<'v>(list: &At<'v, '_>, whose: Whose<'_, 'v>) -> BTreeMap<&'v str, Kind> {
    let mut valid = BTreeMap::new();
    let replaced = of_claim_templates(list, whose.claim_templates(), &mut valid);
    let created = created_claims(list, whose.pod_name());
    let kept = list.list().iter().filter(|volume| {
        replaced.is_empty()
            || !volume.get("name").and_then(Value::as_str).is_some_and(|name| replaced.contains(name))
    });
    for (index, volume) in kept.enumerate() {
        let volume = list.item(volume, replaced.len() + index);
        let before = volume.faults().count();
        let name = volume.field("name");
        source::exactly_one(&volume, SOURCES, &Holder { volume: name.text(), is_pod: whose.is_pod() });
        composed_names(&volume, whose.pod_name());
        name.required_name(names::dns1123_label);
        if valid.contains_key(name.text()) {
            name.duplicate();
        }
        if volume.faults().count() == before {
            let is_claim = volume.has("persistentVolumeClaim") || volume.has("ephemeral");
            valid.insert(name.text(), if is_claim { Kind::Claim } else { Kind::Other });
        }
        if !created.is_empty() {
            let claim = volume.field("persistentVolumeClaim");
            let claim = claim.field("claimName");
            if created.contains(claim.text()) {
                claim.invalid_text("must not reference a PVC that gets created for an ephemeral volume");
            }
        }
    }
    valid
}

/// Volumes that a stateful set adds; their names, which take the place of the template's own.
fn of_claim_templates<'v>(
    list: &At<'v, '_>,
    claims: &'v [Value],
    valid: &mut BTreeMap<&'v str, Kind>,
) -> BTreeSet<&'v str> {
    static UNNAMED: Value = Value::Null;
    let mut names_seen = BTreeSet::new();
    for claim in claims {
        let value = claim.pointer("/metadata/name").unwrap_or(&UNNAMED);
        let name = value.as_str().unwrap_or("");
        if !names_seen.insert(name) {
            continue;
        }
        let volume = list.item(value, names_seen.len() - 1);
        let before = volume.faults().count();
        if name.is_empty() {
            volume.shown("persistentVolumeClaim").shown("claimName").required("");
        }
        volume.shown("name").required_name(names::dns1123_label);
        if volume.faults().count() == before {
            valid.insert(name, Kind::Claim);
        }
    }
    names_seen
}

/// Names of the claims that are made for ephemeral volumes of a pod.
fn created_claims(list: &At<'_, '_>, pod: &str) -> BTreeSet<String> {
    let ephemeral = list.items().filter(|volume| !pod.is_empty() && volume.has("ephemeral"));
    ephemeral.map(|volume| format!("{pod}-{}", volume.get_text("name"))).collect()
}

/// Rules of the name that come from what it is composed with.
fn composed_names(volume: &At<'_, '_>, pod: &str) {
    let name = volume.field("name");
    let iscsi = volume.field("iscsi");
    if iscsi.has("initiatorName")
        && source::too_long_for_initiator(name.text(), iscsi.get_text("targetPortal"))
    {
        name.invalid_text(source::INITIATOR_RULE);
    }
    if !pod.is_empty() && !name.is_empty() && volume.has("ephemeral") {
        let claim = format!("{pod}-{}", name.text());
        for message in names::dns1123_subdomain(&claim).err().into_iter().flatten() {
            name.invalid_text(format!("PVC name {}: {message}", super::super::at::quote(&claim)));
        }
    }
}

fn empty_dir(at: &At<'_, '_>, _: &Holder<'_>) {
    let limit = at.field("sizeLimit");
    if limit.is_set() && limit.quantity().is_negative() {
        limit.forbidden("SizeLimit field must be a valid resource quantity");
    }
}

fn git_repo(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["repository"]);
    rules::descending_path(&at.field("directory"));
}

fn secret(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["secretName"]);
    rules::file_mode(&at.field("defaultMode"));
    at.field("items").items().for_each(|item| key_to_path(&item));
}

fn config_map(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["name"]);
    rules::file_mode(&at.field("defaultMode"));
    at.field("items").items().for_each(|item| key_to_path(&item));
}

/// A key and the file that it becomes.
pub(super) fn key_to_path(item: &At<'_, '_>) {
    item.require(&["key", "path"]);
    rules::unreserved_path(&item.field("path"));
    rules::file_mode(&item.field("mode"));
}

fn persistent_volume_claim(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["claimName"]);
}

fn csi(at: &At<'_, '_>, _: &Holder<'_>) {
    source::csi_driver(&at.field("driver"));
    let secret = at.field("nodePublishSecretRef");
    if !secret.is_set() {
        return;
    }
    let name = secret.field("name");
    if name.is_empty() {
        name.required("");
    } else {
        // Upstream reports an invalid name one level higher.
        at.with(secret.value()).field("name").named(names::dns1123_subdomain);
    }
}

fn ephemeral(at: &At<'_, '_>, _: &Holder<'_>) {
    let template = at.field("volumeClaimTemplate");
    if template.is_set() { claim::claim_template(&template) } else { template.required("") }
}

fn image(at: &At<'_, '_>, holder: &Holder<'_>) {
    if holder.is_pod {
        at.require(&["reference"]);
    }
    at.field("pullPolicy").required_one_of(containers::PULL_POLICIES);
}
