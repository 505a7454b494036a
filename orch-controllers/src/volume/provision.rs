//! The provisioner of node directories: a volume for a claim is a directory of the node where its first pod will run.
//!
//! The directory's path follows from the volume's name. Nobody is asked to make it: the agent of the node does when it
//! mounts a volume of this provisioner, and removes it when the volume terminates (see
//! [`DIRECTORY_FINALIZER`]). Capacity is not enforced.
//!
//! Invariant: a claim gets at most one volume, since its name follows from the claim's uid.

use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Object, Revision, Str, Write, kind};
use serde_json::{Value, json};

use super::facts::{BY_HOSTNAME, BY_SELECTED_NODE, Claim, Class, HOSTNAME, UNBOUND, Volume};
use super::{DIRECTORY_FINALIZER, NODE_DIRECTORY, PROVISIONED_BY, SELECTED_NODE, VOLUME_FINALIZER};
use crate::facts::{self, Node};

/// Makes volumes of the storage classes whose provisioner is [`NODE_DIRECTORY`], and deletes them.
///
/// ```
/// use orch_controllers::volume::NodeDirectoryProvisioner;
/// use orch_core::controller::Controller;
/// assert_eq!(NodeDirectoryProvisioner::new("/srv/volumes").name(), "node-directory-provisioner");
/// ```
#[derive(Clone, Debug)]
pub struct NodeDirectoryProvisioner {
    root: Str,
}

impl NodeDirectoryProvisioner {
    /// Directories stand under that path of each node: absolute, without `..`. What it is on the node is the agent's affair.
    #[must_use]
    pub fn new(root: impl Into<Str>) -> Self {
        Self { root: root.into() }
    }
}

impl Default for NodeDirectoryProvisioner {
    /// Under [`ROOT`](super::ROOT).
    fn default() -> Self {
        Self::new(super::ROOT)
    }
}

/// What a turn is about.
pub enum Observed {
    /// A claim of such a class that needs a volume.
    Claim(Box<OneClaim>),
    /// A volume that was released, or that terminates.
    Volume(Box<OneVolume>),
}

/// A claim, its class, and the node chosen for it.
pub struct OneClaim {
    claim: Arc<Row<Claim>>,
    class: Arc<Row<Class>>,
    node: Option<Object>,
    nodes_seen: Revision,
}

/// A volume that is a directory.
pub struct OneVolume {
    volume: Arc<Row<Volume>>,
    node_is_there: bool,
    nodes_seen: Revision,
}

impl Controller for NodeDirectoryProvisioner {
    type Observed = Observed;

    fn name(&self) -> &str {
        "node-directory-provisioner"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Claim>().of::<Volume>().of::<Class>().of::<Node>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        let mut claims = |index, value: &str| {
            view.of::<Claim>().indexed(index, value).for_each(|claim| out(claim.object.key().clone()));
        };
        if key.kind == kind::STORAGE_CLASSES {
            claims(UNBOUND, &key.name);
        } else if key.kind == kind::NODES {
            if change.now.is_none() || change.before.is_none() {
                claims(BY_SELECTED_NODE, &key.name);
                let hostname = change.object().label(HOSTNAME).unwrap_or_default();
                let volumes = view.of::<Volume>().indexed(BY_HOSTNAME, hostname);
                volumes.for_each(|volume| out(volume.object.key().clone()));
            }
        } else {
            out(key.clone());
        }
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let nodes = view.of::<Node>();
        let nodes_seen = view.revision(kind::NODES);
        if key.kind == kind::PERSISTENT_VOLUMES {
            let volume =
                Arc::clone(view.of::<Volume>().get(key).filter(|volume| volume.facts.is_directory())?);
            let hostname = volume.object.label(HOSTNAME).unwrap_or_default();
            let node_is_there = nodes.indexed(facts::BY_HOSTNAME, hostname).next().is_some();
            return Some(Observed::Volume(Box::new(OneVolume { volume, node_is_there, nodes_seen })));
        }
        let claim = view.of::<Claim>().get(key)?;
        let waits = claim.facts.volume.is_empty() && !claim.object.header().is_terminating();
        if !waits || claim.facts.provisioner.as_deref() != Some(NODE_DIRECTORY) {
            return None;
        }
        let class = Key::cluster(kind::STORAGE_CLASSES, claim.facts.class.clone()?);
        let class =
            view.of::<Class>().get(&class).filter(|class| &*class.facts.provisioner == NODE_DIRECTORY)?;
        if view.of::<Volume>().get(&volume_key(&claim.object)).is_some() {
            return None;
        }
        let node = claim.facts.selected_node.as_ref();
        let node = node.and_then(|node| nodes.get(&Key::cluster(kind::NODES, node.clone())));
        Some(Observed::Claim(Box::new(OneClaim {
            node: node.map(|node| node.object.clone()),
            class: Arc::clone(class),
            claim: Arc::clone(claim),
            nodes_seen,
        })))
    }

    fn plan(&self, observed: &Observed) -> Plan {
        match observed {
            Observed::Claim(claim) => claim.plan(&self.root),
            Observed::Volume(volume) => volume.plan(),
        }
    }
}

fn volume_key(claim: &Object) -> Key {
    Key::cluster(kind::PERSISTENT_VOLUMES, format!("pvc-{}", claim.uid()))
}

impl OneClaim {
    fn plan(&self, root: &str) -> Plan {
        let (object, facts) = (&self.claim.object, &self.claim.facts);
        let class = &self.class.object.key().name;
        let failed = |why: &str| {
            let message = format!("failed to provision volume with StorageClass \"{class}\": {why}");
            Note::warning(object.key(), object.uid(), "ProvisioningFailed", message)
        };
        if facts.selected_node.is_none() {
            return if self.class.facts.waits_for_consumer {
                Plan::new()
            } else {
                let why = "a directory stands on one node: volumeBindingMode must be WaitForFirstConsumer";
                Plan::new().note(failed(why))
            };
        }
        if facts.modes.iter().any(|mode| !matches!(&**mode, "ReadWriteOnce" | "ReadWriteOncePod")) {
            return Plan::new().note(failed("only ReadWriteOnce and ReadWriteOncePod are supported"));
        }
        if &*facts.volume_mode != "Filesystem" {
            return Plan::new().note(failed("only volumeMode Filesystem is supported"));
        }
        let Some(node) = &self.node else {
            if self.nodes_seen < object.revision() {
                return Plan::new().when_seen(kind::NODES, object.revision());
            }
            // The scheduler chooses again.
            let patch = json!({"metadata": {"annotations": {SELECTED_NODE: null}}});
            let write = Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision());
            return Plan::new().write(write).note(failed("the selected node is gone").after(0));
        };
        let key = volume_key(object);
        let told = format!("Successfully provisioned volume {}", key.name);
        let note = Note::normal(object.key(), object.uid(), "ProvisioningSucceeded", told).after(0);
        Plan::new().write(Write::create(key.clone(), self.volume(&key.name, root, node))).note(note)
    }

    fn volume(&self, name: &str, root: &str, node: &Object) -> Value {
        let (claim, facts, class) = (&self.claim.object, &self.claim.facts, &self.class);
        let hostname = node.label(HOSTNAME).unwrap_or(&node.key().name);
        let mut spec = json!({
            "capacity": {"storage": facts.request.to_string()}, "accessModes": facts.modes, "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": class.facts.policy, "storageClassName": class.object.key().name,
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.key().namespace,
                "name": claim.key().name, "uid": claim.uid(), "resourceVersion": claim.revision().to_string()},
            "local": {"path": format!("{}/{name}", root.trim_end_matches('/'))},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
                [{"key": HOSTNAME, "operator": "In", "values": [hostname]}]}]}},
        });
        if class.facts.mount_options.is_array() {
            spec["mountOptions"] = class.facts.mount_options.clone();
        }
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "spec": spec,
            "metadata": {"name": name, "labels": {HOSTNAME: hostname}, "annotations": {PROVISIONED_BY: NODE_DIRECTORY},
                "finalizers": [VOLUME_FINALIZER, DIRECTORY_FINALIZER]},
        })
    }
}

impl OneVolume {
    fn plan(&self) -> Plan {
        let (object, facts) = (&self.volume.object, &self.volume.facts);
        let header = object.header();
        let deletes = &*facts.policy == "Delete";
        if !header.is_terminating() {
            if !deletes || &*facts.phase != "Released" {
                return Plan::new();
            }
            let write = Write::delete(object.key().clone()).of(object.uid()).at(object.revision());
            return Plan::new().write(write);
        }
        let is_last = header.finalizers.len() == 1 && header.has_finalizer(DIRECTORY_FINALIZER);
        if !is_last || (deletes && self.node_is_there) {
            return Plan::new();
        }
        if deletes && self.nodes_seen < object.revision() {
            return Plan::new().when_seen(kind::NODES, object.revision());
        }
        // The directory is to be kept, or has gone with its node.
        let patch = json!({"metadata": {"finalizers": null}});
        Plan::new().write(Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision()))
    }
}
