//! Scenarios of volumes.

use orch_controllers::volume::{
    ClaimProtectionController, NodeDirectoryProvisioner, VolumeBinderController, VolumeProtectionController,
};
use orch_core::{Key, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::laws::{same, text};
use crate::world::{Fate, Step, run};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

const BINDS: &[Allowed] = &[
    Allowed::Patch(
        kind::PERSISTENT_VOLUME_CLAIMS,
        &["status", "metadata.annotations", "spec.volumeName", "spec.storageClassName"],
    ),
    Allowed::Patch(kind::PERSISTENT_VOLUMES, &["status", "metadata.annotations", "spec.claimRef"]),
];
const PROVISIONS: &[Allowed] = &[
    Allowed::Create(kind::PERSISTENT_VOLUMES),
    Allowed::Delete(kind::PERSISTENT_VOLUMES),
    Allowed::Patch(kind::PERSISTENT_VOLUMES, &["metadata.finalizers"]),
    Allowed::Patch(kind::PERSISTENT_VOLUME_CLAIMS, &["metadata.annotations"]),
];
const HOLDS: &[Allowed] = &[
    Allowed::Patch(kind::PERSISTENT_VOLUMES, &["metadata.finalizers"]),
    Allowed::Patch(kind::PERSISTENT_VOLUME_CLAIMS, &["metadata.finalizers"]),
];

fn binder() -> Box<dyn Decide> {
    Box::new(VolumeBinderController::default())
}

fn provisioner() -> Box<dyn Decide> {
    Box::new(NodeDirectoryProvisioner::default())
}

fn holds_claims() -> Box<dyn Decide> {
    Box::new(ClaimProtectionController::default())
}

fn holds_volumes() -> Box<dyn Decide> {
    Box::new(VolumeProtectionController::default())
}

fn claim(name: &str, class: &str, size: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
        "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}})
}

fn volume(name: &str, size: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "storageClassName": "static", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/data"}}})
}

fn key(name: &str) -> Key {
    Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "default", name)
}

/// A volume goes from one claim to no other, and a claim names only a volume that names it.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    for volume in transition.after.of(kind::PERSISTENT_VOLUMES) {
        let before = transition.before.get(volume.key()).unwrap_or_default();
        let after = volume.tree();
        let (before, now) = (text(&before, "/spec/claimRef/uid"), text(&after, "/spec/claimRef/uid"));
        if !before.is_empty() && !now.is_empty() && before != now {
            return Err(format!("{} goes to another claim", volume.key()));
        }
    }
    for claim in transition.after.of(kind::PERSISTENT_VOLUME_CLAIMS) {
        let tree = claim.tree();
        let name = text(&tree, "/spec/volumeName");
        if name.is_empty() {
            continue;
        }
        let volume = transition.after.get(&Key::cluster(kind::PERSISTENT_VOLUMES, name)).unwrap_or_default();
        same("the claim that the volume names", text(&volume, "/spec/claimRef/uid"), &**claim.uid())?;
    }
    Ok(())
}

fn controllers() -> Vec<(Make, &'static [Allowed])> {
    vec![(binder, BINDS), (provisioner, PROVISIONS), (holds_claims, HOLDS), (holds_volumes, HOLDS)]
}

fn fitting() -> Scenario {
    let objects = vec![
        claim("small", "static", "1Gi"),
        claim("big", "static", "9Gi"),
        claim("huge", "static", "99Gi"),
        volume("v2", "2Gi"),
        volume("v10", "10Gi"),
        volume("v3", "3Gi"),
    ];
    let more = Write::create_tree(kind::PERSISTENT_VOLUME_CLAIMS, claim("more", "static", "1Gi"));
    let edits = vec![User::Write(more), User::Write(Write::delete(key("small")))];
    let settled = |truth: &Truth| {
        let phase = |name: &str| truth.get(&key(name)).map(|tree| text(&tree, "/status/phase").to_owned());
        let has = |name: &str| {
            let volume = truth.get(&Key::cluster(kind::PERSISTENT_VOLUMES, name)).unwrap_or_default();
            text(&volume, "/spec/claimRef/name").to_owned()
        };
        // A binder that had seen only the large volume yet gave it to a small claim: then there is none for the big one.
        let of_large = has("v10");
        let big = if matches!(&*of_large, "small" | "more") { "Pending" } else { "Bound" };
        same("big", phase("big").as_deref(), Some(big))?;
        same("more", phase("more").as_deref(), Some("Bound"))?;
        same("huge", phase("huge").as_deref(), Some("Pending"))?;
        same("small", phase("small"), None)?;
        let phases =
            truth.of(kind::PERSISTENT_VOLUMES).map(|volume| text(&volume.tree(), "/status/phase").to_owned());
        let bound = 1 + usize::from(big == "Bound");
        same("volumes bound", phases.filter(|phase| phase == "Bound").count(), bound)
    };
    Scenario { objects, edits, controllers: controllers(), acts: &[], law, settled, remembers: true }
}

fn directories() -> Scenario {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"},
        "provisioner": "orch.local/node-directory", "volumeBindingMode": "WaitForFirstConsumer"});
    let node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}}});
    let choose = |name: &str| {
        let patch = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}});
        User::Write(Write::merge(key(name), patch))
    };
    let edits = vec![
        choose("a"),
        choose("b"),
        User::Write(Write::delete(key("a"))),
        User::Write(Write::delete(Key::cluster(kind::NODES, "n1"))),
    ];
    let objects = vec![claim("a", "local", "1Gi"), claim("b", "local", "1Gi"), class, node];
    let settled = |truth: &Truth| {
        same("a", truth.0.contains_key(&key("a")), false)?;
        // The node may have gone before there was a volume for it: then another one is to be chosen.
        let b = truth.get(&key("b")).unwrap_or_default();
        let bound = text(&b, "/status/phase") == "Bound";
        let chosen = b.pointer("/metadata/annotations/volume.kubernetes.io~1selected-node").is_some();
        same("b is bound or given back", bound || !chosen, true)?;
        same("volumes", truth.of(kind::PERSISTENT_VOLUMES).count(), usize::from(bound))
    };
    Scenario { objects, edits, controllers: controllers(), acts: &[], law, settled, remembers: true }
}

scenario! {
    /// Claims and volumes find each other; what is released is taken by nobody.
    claims_get_the_volumes_that_suit = fitting();
    /// Volumes are made on the chosen node and go with their claim and node.
    directories_come_and_go = directories();
}

/// The binder sees one volume become available, and crashes after that turn.
#[test]
fn the_volume_that_is_seen_first_is_taken() {
    let steps = [
        Step::User,
        Step::Calm,
        Step::Deliver { lane: 0, feed: 1, events: 2 },
        Step::Turn { lane: 0, key: 2, fate: Fate::Subset(u32::MAX) },
    ];
    run(fitting(), 0, &steps);
}
