//! Volumes of pods and persistent volumes: modes, types, projections.

use serde_json::Value;

use super::container::{field_source, pull_policy};
use super::storage::claim_spec;
use crate::tree::{Get, Set, Tree};

/// `0644`
const MODE: i64 = 420;

/// One volume of a pod; without a source it is an empty directory.
pub(super) fn volume(volume: &mut Tree) {
    if !volume.iter().any(|(field, value)| field != "name" && !value.is_null()) {
        volume.make("emptyDir");
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.object_mut(source) {
            source.default_to("defaultMode", MODE);
        }
    }
    if let Some(downward) = volume.object_mut("downwardAPI") {
        downward.objects_mut("items").for_each(field_source);
    }
    if let Some(projected) = volume.object_mut("projected") {
        projected.objects_mut("sources").for_each(projection);
    }
    if let Some(ephemeral) = volume.object_mut("ephemeral")
        && let Some(template) = ephemeral.object_mut("volumeClaimTemplate")
    {
        template.make("metadata");
        claim_spec(template.make("spec"));
    }
    if let Some(image) = volume.object_mut("image") {
        let policy = pull_policy(image.text("reference"));
        image.default_text("pullPolicy", policy);
    }
    source(volume);
}

fn projection(source: &mut Tree) {
    if let Some(token) = source.object_mut("serviceAccountToken") {
        token.default_to("expirationSeconds", 3600);
    }
    if let Some(downward) = source.object_mut("downwardAPI") {
        downward.objects_mut("items").for_each(field_source);
    }
}

/// The sources that pods and persistent volumes share.
pub(super) fn source(volume: &mut Tree) {
    let texts: [(&str, &[(&str, &str)]); 4] = [
        ("iscsi", &[("iscsiInterface", "default")]),
        ("rbd", &[("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")]),
        ("azureDisk", &[("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4")]),
        ("scaleIO", &[("storageMode", "ThinProvisioned"), ("fsType", "xfs")]),
    ];
    for (source, fields) in texts {
        if let Some(source) = volume.object_mut(source) {
            fields.iter().for_each(|(field, value)| source.default_text(field, value));
        }
    }
    if let Some(disk) = volume.object_mut("azureDisk") {
        disk.default_to("readOnly", false);
    }
    if let Some(path) = volume.object_mut("hostPath") {
        path.default_to("type", Value::from(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_without_source_is_an_empty_directory() {
        let mut tree = json!({"name": "a"}).as_object().cloned().unwrap();
        volume(&mut tree);
        assert_eq!(Value::Object(tree.clone()), json!({"name": "a", "emptyDir": {}}));
        volume(&mut tree);
        assert_eq!(Value::Object(tree), json!({"name": "a", "emptyDir": {}}));
    }

    #[test]
    fn modes_and_lifetimes_are_filled_in() {
        let mut tree = json!({"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}},
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}});
        volume(tree.as_object_mut().unwrap());
        assert_eq!(tree["projected"]["defaultMode"], 420);
        assert_eq!(tree["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3600);
        assert_eq!(
            tree["projected"]["sources"][1]["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"],
            "v1"
        );
    }
}
