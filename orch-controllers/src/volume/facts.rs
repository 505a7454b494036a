//! What binding needs of claims, volumes and storage classes.

use orch_core::selector::Selector;
use orch_core::view::{Projection, Table};
use orch_core::{Key, Kind, Live, Object, Quantity, Str, kind};
use serde_json::Value;

use super::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, NODE_DIRECTORY, PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER,
};
use crate::facts::{claim_entry, text};
use crate::json::list;

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// Claims by the volume they name.
pub(super) const BY_VOLUME: &str = "volume";
/// Claims that name no volume, by class; those that name no class either stand under [`NO_CLASS`].
pub(super) const UNBOUND: &str = "unbound";
pub(super) const NO_CLASS: &str = "\0";
/// Claims that wait for a volume on a node, by the node.
pub(super) const BY_SELECTED_NODE: &str = "selected node";
/// Volumes by the claim they name: see [`claim_entry`].
pub(super) const BY_CLAIM: &str = "claim";
/// Volumes that name no claim and are available, by class.
pub(super) const FREE: &str = "free";
/// Volumes that are directories of a node, by the node's hostname.
pub(super) const BY_HOSTNAME: &str = "hostname";
/// Default classes, under the empty value.
pub(super) const DEFAULT: &str = "default";

/// The facts of a claim.
pub(super) struct Claim {
    /// `None` when it names none; the empty class is a name too: of volumes without one.
    pub(super) class: Option<Str>,
    pub(super) volume: Str,
    pub(super) request: Quantity,
    pub(super) modes: Vec<Str>,
    pub(super) volume_mode: Str,
    pub(super) selector: Selector,
    pub(super) bind_completed: bool,
    pub(super) bound_by_controller: bool,
    pub(super) selected_node: Option<Str>,
    pub(super) provisioner: Option<Str>,
    pub(super) phase: Str,
    pub(super) capacity: Value,
    pub(super) status_modes: Value,
}

/// Nearly every access mode list and volume mode is the same; these keep the JSON's spelling.
fn modes(value: &Value) -> Vec<Str> {
    list(value).iter().map(text).collect()
}

fn volume_mode(spec: &Value) -> Str {
    spec["volumeMode"].as_str().unwrap_or("Filesystem").into()
}

fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(Quantity::ZERO)
}

impl Projection for Claim {
    fn kind() -> Option<Kind> {
        Some(kind::PERSISTENT_VOLUME_CLAIMS)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let (annotations, spec, status) = (&tree["metadata"]["annotations"], &tree["spec"], &tree["status"]);
        let named = |name: &str| annotations[name].as_str().filter(|value| !value.is_empty()).map(Str::from);
        // A selector that cannot be read selects nothing.
        let selector = match &spec["selector"] {
            Value::Null => Selector::everything(),
            selector => Selector::from_value(selector).unwrap_or_else(|_| Selector::nothing()),
        };
        Self {
            class: annotations[BETA_CLASS].as_str().or(spec["storageClassName"].as_str()).map(Str::from),
            volume: text(&spec["volumeName"]),
            request: quantity(&spec["resources"]["requests"]["storage"]),
            modes: modes(&spec["accessModes"]),
            volume_mode: volume_mode(spec),
            selector,
            bind_completed: annotations[BIND_COMPLETED].is_string(),
            bound_by_controller: annotations[BOUND_BY_CONTROLLER].is_string(),
            selected_node: named(SELECTED_NODE),
            provisioner: named(STORAGE_PROVISIONER[0]),
            phase: text(&status["phase"]),
            capacity: status["capacity"].clone(),
            status_modes: status["accessModes"].clone(),
        }
    }

    fn index(_: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if facts.volume.is_empty() {
            out(UNBOUND, facts.class.as_deref().unwrap_or(NO_CLASS));
            if let Some(node) = &facts.selected_node {
                out(BY_SELECTED_NODE, node);
            }
        } else {
            out(BY_VOLUME, &facts.volume);
        }
    }
}

/// The claim that a volume names; without a uid it is the next one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimRef {
    pub(super) namespace: Str,
    pub(super) name: Str,
    pub(super) uid: Str,
}

impl ClaimRef {
    pub(super) fn read(spec: &Value) -> Option<Self> {
        let of = spec["claimRef"].as_object()?;
        let field = |name: &str| of.get(name).map(text).unwrap_or_default();
        Some(Self { namespace: field("namespace"), name: field("name"), uid: field("uid") })
    }

    /// Whether that claim may have the volume.
    pub(super) fn means(&self, claim: &Object) -> bool {
        self.namespace == claim.key().namespace
            && self.name == claim.key().name
            && (self.uid.is_empty() || self.uid == *claim.uid())
    }

    pub(super) fn key(&self) -> Key {
        Key::new(kind::PERSISTENT_VOLUME_CLAIMS, self.namespace.clone(), self.name.clone())
    }
}

/// The facts of a volume.
pub(super) struct Volume {
    /// Empty for none.
    pub(super) class: Str,
    pub(super) capacity: Quantity,
    pub(super) modes: Vec<Str>,
    pub(super) volume_mode: Str,
    pub(super) claim: Option<ClaimRef>,
    pub(super) phase: Str,
    pub(super) policy: Str,
    pub(super) provisioned_by: Option<Str>,
    pub(super) bound_by_controller: bool,
}

impl Projection for Volume {
    fn kind() -> Option<Kind> {
        Some(kind::PERSISTENT_VOLUMES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let (annotations, spec) = (&tree["metadata"]["annotations"], &tree["spec"]);
        let class = annotations[BETA_CLASS].as_str().or(spec["storageClassName"].as_str());
        Self {
            class: class.unwrap_or_default().into(),
            capacity: quantity(&spec["capacity"]["storage"]),
            modes: modes(&spec["accessModes"]),
            volume_mode: volume_mode(spec),
            claim: ClaimRef::read(spec),
            phase: text(&tree["status"]["phase"]),
            policy: spec["persistentVolumeReclaimPolicy"].as_str().unwrap_or("Retain").into(),
            provisioned_by: annotations[PROVISIONED_BY].as_str().map(Str::from),
            bound_by_controller: annotations[BOUND_BY_CONTROLLER].is_string(),
        }
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        match &facts.claim {
            Some(claim) => out(BY_CLAIM, &claim_entry(&claim.namespace, &claim.name)),
            None if &*facts.phase == "Available" && !object.header().is_terminating() => {
                out(FREE, &facts.class)
            }
            None => {}
        }
        if facts.is_directory()
            && let Some(hostname) = object.label(HOSTNAME)
        {
            out(BY_HOSTNAME, hostname);
        }
    }
}

/// The label of nodes, and of volumes that stand on one.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";

impl Volume {
    /// Made by the provisioner of node directories.
    pub(super) fn is_directory(&self) -> bool {
        self.provisioned_by.as_deref() == Some(NODE_DIRECTORY)
    }
}

/// The facts of a storage class.
pub(super) struct Class {
    pub(super) provisioner: Str,
    pub(super) waits_for_consumer: bool,
    pub(super) policy: Str,
    pub(super) mount_options: Value,
    is_default: bool,
}

impl Projection for Class {
    fn kind() -> Option<Kind> {
        Some(kind::STORAGE_CLASSES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let annotations = &tree["metadata"]["annotations"];
        Self {
            provisioner: text(&tree["provisioner"]),
            waits_for_consumer: tree["volumeBindingMode"] == "WaitForFirstConsumer",
            policy: tree["reclaimPolicy"].as_str().unwrap_or("Delete").into(),
            mount_options: tree["mountOptions"].clone(),
            is_default: DEFAULT_CLASS.iter().any(|name| annotations[*name] == "true"),
        }
    }

    fn index(_: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if facts.is_default {
            out(DEFAULT, "");
        }
    }
}

/// Of several default classes the youngest counts (`pkg/volume/util/storageclass.go`).
pub(super) fn default_class(classes: &Table<Class>) -> Option<Str> {
    let youngest = classes.indexed(DEFAULT, "").max_by_key(|class| {
        (class.object.header().created, std::cmp::Reverse(class.object.key().name.clone()))
    })?;
    Some(youngest.object.key().name.clone())
}
