//! Volumes: claims and volumes find each other, volumes are made for claims and reclaimed, and neither goes while it is
//! in use (`pkg/controller/volume`).
//!
//! [`VolumeBinderController`] binds (`persistentvolume/pv_controller.go`), [`NodeDirectoryProvisioner`] makes volumes that
//! are directories of one node, [`ClaimProtectionController`] and [`VolumeProtectionController`] hold what is in use.
//! Not here: choosing a node for a claim that waits for its first pod (the scheduler's), making and removing directories
//! (the node agent's), resizing, snapshots and attaching.
//!
//! Invariant: a claim names a volume only after the view has shown the volume to name the claim.

mod bind;
mod binder;
mod facts;
mod matching;
mod protection;
mod provision;
mod reclaim;

pub use binder::VolumeBinderController;
pub use protection::{ClaimProtectionController, VolumeProtectionController};
pub use provision::NodeDirectoryProvisioner;

/// The provisioner of volumes that are directories of one node: `provisioner` of a storage class.
pub const NODE_DIRECTORY: &str = "orch.local/node-directory";

/// Where the directories of [`NODE_DIRECTORY`] stand by default.
pub const ROOT: &str = "/var/lib/orch/volumes";

/// What holds a volume of [`NODE_DIRECTORY`] until its directory is removed. The agent of the node that the volume's label
/// `kubernetes.io/hostname` names removes it from a volume that terminates and has no other finalizer, after the
/// directory.
pub const DIRECTORY_FINALIZER: &str = "orch.local/node-directory";

/// Set on both sides when binding is complete on the claim's.
pub(crate) const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Set on a side that this controller, not a person, pointed at the other.
pub(crate) const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
pub(crate) const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Who is to make a volume for a claim, under the present and the former name.
pub(crate) const STORAGE_PROVISIONER: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
pub(crate) const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
pub(crate) const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

#[cfg(test)]
mod tests;
