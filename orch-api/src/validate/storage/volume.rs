//! Rules of persistent volumes (`ValidatePersistentVolume`, `ValidatePersistentVolumeUpdate`).
//!
//! Sources: `pkg/apis/core/validation/validation.go`, `pkg/volume/validation/pv_validation.go`. Not the binding to a
//! claim. The invariant of an update: where the data comes from stays.

use orch_core::{Scope, names};
use serde_json::Value;

use super::super::at::{At, show};
use super::super::meta::{self, Change};
use super::super::pod::{affinity, resources};
use super::super::rules;
use super::super::same;
use super::claim::{self, VOLUME_MODES};
use super::source::{self, Holder, Source, source};

/// What a persistent volume can be made of, in upstream's order.
const SOURCES: &[Source] = &[
    source("hostPath", source::host_path),
    Source {
        key: "gcePersistentDisk",
        shown: "persistentDisk",
        refused: Some("gcePersistentDisk"),
        rule: source::gce_disk,
    },
    source("awsElasticBlockStore", source::aws_disk),
    source("glusterfs", source::glusterfs),
    source("flocker", source::flocker),
    source("nfs", source::nfs),
    source("rbd", source::rbd),
    source("quobyte", source::quobyte),
    Source { key: "cephfs", shown: "cephfs", refused: Some("cephFS"), rule: source::ceph_fs },
    source("iscsi", source::iscsi_volume),
    source("cinder", source::cinder_volume),
    source("fc", source::fibre_channel),
    Source { key: "flexVolume", shown: "flexVolume", refused: None, rule: source::flex_volume },
    source("azureFile", source::azure_file),
    source("vsphereVolume", source::vsphere),
    source("photonPersistentDisk", source::photon),
    source("portworxVolume", source::portworx),
    source("azureDisk", source::azure_disk),
    source("scaleIO", source::scale_io),
    source("local", local),
    source("storageos", source::storage_os_volume),
    source("csi", csi),
];

/// Sources that take mount options from an annotation.
const WITH_MOUNT_OPTIONS: &[&str] = &[
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
];

fn local(at: &At<'_, '_>, _: &Holder<'_>) {
    let path = at.field("path");
    if path.is_empty() { path.required("") } else { rules::no_backsteps(&path) }
}

fn csi(at: &At<'_, '_>, _: &Holder<'_>) {
    const SECRETS: &[&str] = &[
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ];
    source::csi_driver(&at.field("driver"));
    at.require(&["volumeHandle"]);
    for secret in SECRETS.iter().map(|name| at.field(name)).filter(At::is_set) {
        secret.field("name").required_name(names::dns1123_subdomain);
        secret.field("namespace").required_name(names::dns1123_label);
    }
}

pub(in super::super) fn volume(object: &At<'_, '_>) {
    core_rules(object);
    mount_options(object);
}

pub(in super::super) fn volume_update(change: &Change<'_, '_>) {
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    volume(&change.new);
    core_rules(&change.new);
    if SOURCES.iter().any(|source| is_other_source(source.key, &new, &old)) {
        new.field("persistentvolumesource")
            .forbidden("spec.persistentvolumesource is immutable after creation");
    }
    // Upstream reports these two without `spec`.
    let shown = At::root(new.value(), new.faults());
    rules::immutable(&shown.field("volumeMode"), old.get("volumeMode"));
    if old.has("nodeAffinity")
        && !affinity::same_but_renamed_labels(new.get("nodeAffinity"), old.get("nodeAffinity"))
    {
        let node_affinity = shown.field("nodeAffinity");
        node_affinity.invalid("field is immutable, except for updating from beta label to GA");
    }
    let class = new.field("volumeAttributesClassName");
    if old.has("volumeAttributesClassName") && !class.is_set() {
        class.forbidden("update from non-nil value to nil is forbidden");
    }
}

/// A secret for expansion may be added; nothing else of a source changes.
fn is_other_source(key: &str, new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    const EXPAND: &str = "controllerExpandSecretRef";
    let (new, old) = (new.field(key), old.field(key));
    if new.is_set() != old.is_set() {
        return true;
    }
    let adds_secret = key == "csi" && new.has(EXPAND) && !old.has(EXPAND);
    !same::same_but(new.value(), old.value(), if adds_secret { &[EXPAND] } else { &[] })
}

pub(in super::super) fn volume_status(change: &Change<'_, '_>) {
    change.metadata();
}

fn mount_options(object: &At<'_, '_>) {
    const KEY: &str = "volume.beta.kubernetes.io/mount-options";
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    if rules::annotation(&meta, KEY).is_some() && !WITH_MOUNT_OPTIONS.iter().any(|source| spec.has(source)) {
        let annotations = meta.field("annotations");
        annotations.field(KEY).forbidden("may not specify mount options for this volume type");
    }
}

fn core_rules(object: &At<'_, '_>) {
    meta::object(object, Scope::Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    let (modes, policy, mode) =
        (spec.field("accessModes"), spec.field("persistentVolumeReclaimPolicy"), spec.field("volumeMode"));
    if modes.is_empty() {
        modes.required("");
    }
    claim::access_modes(&modes);
    capacity(&spec.field("capacity"));
    if !policy.is_empty() {
        policy.one_of(&["Delete", "Recycle", "Retain"]);
    }
    node_affinity(&spec);
    let holder = Holder { volume: object.field("metadata").get_text("name"), is_pod: false };
    source::exactly_one(&spec, SOURCES, &holder);
    if spec.has("local") && !spec.has("nodeAffinity") {
        spec.field("nodeAffinity").required("Local volume requires node affinity");
    }
    let host_path = spec.field("hostPath");
    if host_path.is_set() && is_root(host_path.get_text("path")) && policy.text() == "Recycle" {
        policy.forbidden("may not be 'recycle' for a hostPath mount of '/'");
    }
    spec.field("storageClassName").optional_name(names::dns1123_subdomain);
    mode.optional_one_of(VOLUME_MODES);
    let class = spec.field("volumeAttributesClassName");
    if class.is_set() {
        if class.is_empty() {
            class.required("an empty string is disallowed");
        } else {
            class.named(names::dns1123_subdomain);
        }
        if !spec.has("csi") {
            spec.field("csi").required("has to be specified when using volumeAttributesClassName");
        }
    }
}

/// A volume that stands in its attachment, instead of an object of its own.
pub(super) fn inline(spec: &At<'_, '_>) {
    const HERE: &str = "in the context of inline volumes";
    let refuse = |at: &At<'_, '_>| at.forbidden(format!("may not be specified {HERE}"));
    let given = |name: &str| spec.has(name) && !spec.field(name).is_empty();
    if spec.has("claimRef") {
        refuse(&spec.field("claimRef"));
    }
    if given("capacity") {
        refuse(&spec.field("capacity"));
    }
    if !spec.has("csi") {
        spec.field("csi").required(format!("has to be specified {HERE}"));
    }
    let (modes, policy, mode) =
        (spec.field("accessModes"), spec.field("persistentVolumeReclaimPolicy"), spec.field("volumeMode"));
    if modes.is_empty() {
        modes.required("");
    }
    claim::access_modes(&modes);
    if !policy.is_empty() && policy.text() != "Retain" {
        policy.forbidden(format!("may only be Retain {HERE}"));
    }
    if spec.has("nodeAffinity") {
        refuse(&spec.field("nodeAffinity"));
    }
    source::exactly_one(spec, SOURCES, &Holder { volume: "", is_pod: false });
    if spec.has("local") {
        spec.field("nodeAffinity").required("Local volume requires node affinity");
    }
    if given("storageClassName") {
        refuse(&spec.field("storageClassName"));
    }
    if mode.is_set() && mode.text() != "Filesystem" {
        mode.forbidden(format!("may not specify volumeMode other than Filesystem {HERE}"));
    }
}

/// Whether a path means the root when it is cleaned.
fn is_root(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "." | ".."))
}

fn node_affinity(spec: &At<'_, '_>) {
    let node_affinity = spec.field("nodeAffinity");
    let required = node_affinity.field("required");
    if required.is_set() {
        affinity::node_selector(&required);
    } else if node_affinity.is_set() {
        required.required("must specify required node constraints");
    }
}

fn capacity(capacity: &At<'_, '_>) {
    if capacity.is_empty() {
        capacity.required("");
    }
    if !capacity.has("storage") || capacity.len() > 1 {
        let shown = if capacity.is_set() { show(capacity.value()) } else { Value::Null.to_string() };
        capacity.unsupported_as(shown, &["storage"]);
    }
    for (_, amount) in capacity.entries() {
        resources::valid_amount(&amount);
        resources::positive_amount(&amount);
    }
}
