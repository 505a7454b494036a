//! Volumes, claims and classes.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{UNSET, access_modes, age};
use super::{Printer, printer};
use crate::tree::Get;

pub(super) const PRINTERS: &[(&str, &str, Printer)] = &[
    (
        "",
        "persistentvolumes",
        printer(
            &[
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("Reclaim Policy", "string", 0),
                ("Status", "string", 0),
                ("Claim", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Reason", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            volume,
        ),
    ),
    (
        "",
        "persistentvolumeclaims",
        printer(
            &[
                ("Status", "string", 0),
                ("Volume", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            claim,
        ),
    ),
    (
        "storage.k8s.io",
        "storageclasses",
        printer(
            &[
                ("Provisioner", "string", 0),
                ("ReclaimPolicy", "string", 0),
                ("VolumeBindingMode", "string", 0),
                ("AllowVolumeExpansion", "string", 0),
                ("Age", "string", 0),
            ],
            class,
        ),
    ),
    (
        "storage.k8s.io",
        "volumeattachments",
        printer(
            &[
                ("Attacher", "string", 0),
                ("PV", "string", 0),
                ("Node", "string", 0),
                ("Attached", "boolean", 0),
                ("Age", "string", 0),
            ],
            |tree, now| {
                let spec = &tree["spec"];
                let attached = tree["status"].at("attached").cloned().unwrap_or(Value::Bool(false));
                vec![
                    spec.text("attacher").into(),
                    spec["source"].text("persistentVolumeName").into(),
                    spec.text("nodeName").into(),
                    attached,
                    age(tree, now),
                ]
            },
        ),
    ),
    (
        "storage.k8s.io",
        "csinodes",
        printer(&[("Drivers", "integer", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree["spec"].list("drivers").len().into(), age(tree, now)]
        }),
    ),
];

fn terminating<'a>(tree: &Value, phase: &'a str) -> &'a str {
    if tree["metadata"].at("deletionTimestamp").is_some() { "Terminating" } else { phase }
}

fn storage_class(tree: &Value) -> &str {
    match tree["metadata"]["annotations"].text("volume.beta.kubernetes.io/storage-class") {
        "" => tree["spec"].text("storageClassName"),
        class => class,
    }
}

fn or_unset(text: &str) -> Value {
    if text.is_empty() { UNSET.into() } else { text.into() }
}

fn volume(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let claim = match spec["claimRef"].text("name") {
        "" => String::new(),
        name => format!("{}/{name}", spec["claimRef"].text("namespace")),
    };
    vec![
        spec["capacity"].text("storage").into(),
        access_modes(spec.list("accessModes")).into(),
        spec.text("persistentVolumeReclaimPolicy").into(),
        terminating(tree, status.text("phase")).into(),
        claim.into(),
        storage_class(tree).into(),
        or_unset(spec.text("volumeAttributesClassName")),
        status.text("reason").into(),
        age(tree, now),
        or_unset(spec.text("volumeMode")),
    ]
}

fn claim(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    // What is bound is told of the volume, and only then.
    let is_bound = !spec.text("volumeName").is_empty();
    let (capacity, modes) = if is_bound {
        (status["capacity"].text("storage"), access_modes(status.list("accessModes")))
    } else {
        ("", String::new())
    };
    vec![
        terminating(tree, status.text("phase")).into(),
        spec.text("volumeName").into(),
        capacity.into(),
        modes.into(),
        storage_class(tree).into(),
        or_unset(spec.text("volumeAttributesClassName")),
        age(tree, now),
        or_unset(spec.text("volumeMode")),
    ]
}

fn class(tree: &Value, now: Timestamp) -> Vec<Value> {
    let or = |field: &str, other: &str| match tree.text(field) {
        "" => Value::from(other),
        text => text.into(),
    };
    let expands = tree.at("allowVolumeExpansion").cloned().unwrap_or(Value::Bool(false));
    vec![
        tree.text("provisioner").into(),
        or("reclaimPolicy", "Delete"),
        or("volumeBindingMode", "Immediate"),
        expands,
        age(tree, now),
    ]
}
