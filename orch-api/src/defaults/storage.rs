//! Volumes of the cluster, claims to them and their classes.

use super::volume::source;
use crate::tree::{Get, Set, Tree};

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_PersistentVolume`.
pub(crate) fn persistent_volume(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_text("persistentVolumeReclaimPolicy", "Retain");
    spec.default_text("volumeMode", "Filesystem");
    source(spec);
    tree.make("status").default_text("phase", "Pending");
}

/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_PersistentVolumeClaim`.
pub(crate) fn persistent_volume_claim(tree: &mut Tree) {
    let spec = tree.make("spec");
    claim_spec(spec);
    same_source(spec);
    tree.make("status").default_text("phase", "Pending");
}

/// A claim's spec, also in templates.
pub(super) fn claim_spec(spec: &mut Tree) {
    spec.default_text("volumeMode", "Filesystem");
    spec.make("resources");
}

/// The older `dataSource` and the newer `dataSourceRef` say the same, unless the newer names another namespace
/// (`pkg/registry/core/persistentvolumeclaim/strategy.go`, `NormalizeDataSources`).
fn same_source(spec: &mut Tree) {
    let namespaced = spec.object_at("dataSourceRef").is_some_and(|source| !source.is_unset("namespace"));
    let (old, new) = (spec.at("dataSource").cloned(), spec.at("dataSourceRef").cloned());
    match (old, new) {
        (Some(old), None) => spec.put("dataSourceRef", old),
        (None, Some(new)) if !namespaced => spec.put("dataSource", new),
        _ => {}
    }
}

/// `pkg/apis/storage/v1/defaults.go`.
pub(crate) fn storage_class(tree: &mut Tree) {
    tree.default_text("reclaimPolicy", "Delete");
    tree.default_text("volumeBindingMode", "Immediate");
}
