//! What is known of claims, volumes and storage classes, and which volume suits a claim.
//!
//! As `staging/src/k8s.io/component-helpers/storage/volume`. Pure facts: who took what is the plugin's.

use orch_core::selector::Selector;
use orch_core::{Key, Live, Object, Str};
use serde_json::Value;

use crate::cluster::{NodeFacts, NodeTerm, quantity};

fn text(value: &Value) -> Str {
    value.as_str().unwrap_or_default().into()
}

fn texts(list: &Value) -> Vec<Str> {
    list.as_array().into_iter().flatten().map(text).collect()
}

fn or<'a>(value: &'a Value, default: &'a str) -> Str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(default).into()
}

/// A claim.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) uid: Str,
    /// Empty for none.
    pub(super) class: Str,
    /// Empty while none was found.
    pub(super) volume: Str,
    pub(super) request: i64,
    pub(super) selected_node: Option<Str>,
    pub(super) is_lost: bool,
    pub(super) is_terminating: bool,
    pub(super) controller: Option<Str>,
    completed: bool,
    access_modes: Vec<Str>,
    volume_mode: Str,
    attributes_class: Str,
    selector: Option<Selector>,
}

impl Claim {
    pub(super) fn read(live: &Live) -> Self {
        let tree = live.tree();
        let (metadata, spec) = (&tree["metadata"], &tree["spec"]);
        let annotations = &metadata["annotations"];
        let old_class = &annotations["volume.beta.kubernetes.io/storage-class"];
        let selector = &spec["selector"];
        Self {
            uid: live.uid().clone(),
            class: if old_class.is_string() { text(old_class) } else { text(&spec["storageClassName"]) },
            volume: text(&spec["volumeName"]),
            request: quantity(&spec["resources"]["requests"]["storage"]).value(),
            selected_node: annotations["volume.kubernetes.io/selected-node"].as_str().map(Str::from),
            is_lost: tree["status"]["phase"] == "Lost",
            is_terminating: live.header().is_terminating(),
            controller: live.header().controller().map(|owner| owner.uid.clone()),
            completed: !annotations["pv.kubernetes.io/bind-completed"].is_null(),
            access_modes: texts(&spec["accessModes"]),
            volume_mode: or(&spec["volumeMode"], "Filesystem"),
            attributes_class: text(&spec["volumeAttributesClassName"]),
            selector: selector
                .is_object()
                .then(|| Selector::from_value(selector).unwrap_or_else(|_| Selector::nothing())),
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        self.completed && !self.volume.is_empty()
    }
}

/// A volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    pub(super) name: Str,
    object: Object,
    class: Str,
    capacity: i64,
    access_modes: Vec<Str>,
    volume_mode: Str,
    attributes_class: Str,
    /// Namespace, name and uid; the uid may be empty.
    claim: Option<(Str, Str, Str)>,
    /// One of them matches the nodes that reach it; `None` for every node.
    nodes: Option<Vec<NodeTerm>>,
    is_available: bool,
}

impl Volume {
    pub(super) fn read(live: &Live) -> Self {
        let tree = live.tree();
        let spec = &tree["spec"];
        let claim = &spec["claimRef"];
        let old_class = &tree["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
        let terms = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"];
        Self {
            name: live.key().name.clone(),
            object: live.object().clone(),
            class: if old_class.is_string() { text(old_class) } else { text(&spec["storageClassName"]) },
            capacity: quantity(&spec["capacity"]["storage"]).value(),
            access_modes: texts(&spec["accessModes"]),
            volume_mode: or(&spec["volumeMode"], "Filesystem"),
            attributes_class: text(&spec["volumeAttributesClassName"]),
            claim: claim
                .is_object()
                .then(|| (text(&claim["namespace"]), text(&claim["name"]), text(&claim["uid"]))),
            nodes: terms.as_array().map(|terms| terms.iter().map(NodeTerm::read).collect()),
            is_available: tree["status"]["phase"] == "Available",
        }
    }

    pub(super) fn is_reachable_from(&self, node: &NodeFacts) -> bool {
        self.nodes.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node)))
    }

    /// Whether it is bound to this very claim.
    pub(super) fn is_bound_to(&self, key: &Key, claim: &Claim) -> bool {
        self.claim.as_ref().is_some_and(|(_, _, uid)| *uid == claim.uid) && self.is_for(key, claim)
    }

    /// Whether it names the claim, by uid or for whichever comes.
    fn is_for(&self, key: &Key, claim: &Claim) -> bool {
        let names = |(namespace, name, uid): &(Str, Str, Str)| {
            *namespace == key.namespace && *name == key.name && (uid.is_empty() || *uid == claim.uid)
        };
        self.claim.as_ref().is_some_and(names)
    }

    fn suits(&self, claim: &Claim) -> bool {
        let selected = |selector: &Selector| selector.matches(|name| self.object.label(name));
        self.class == claim.class
            && self.is_available
            && claim.selector.as_ref().is_none_or(selected)
            && claim.access_modes.iter().all(|mode| self.access_modes.contains(mode))
    }
}

/// The volume for a claim on a node: the one that names the claim, or else the smallest that suits.
pub(super) fn best<'a>(
    volumes: impl Iterator<Item = &'a Volume>,
    key: &Key,
    claim: &Claim,
    node: &NodeFacts,
) -> Option<&'a Volume> {
    let mut smallest: Option<&Volume> = None;
    for volume in volumes {
        let fits = volume.volume_mode == claim.volume_mode
            && volume.attributes_class == claim.attributes_class
            && volume.capacity >= claim.request
            && !volume.object.header().is_terminating();
        if !fits {
            continue;
        }
        if volume.is_for(key, claim) {
            return volume.is_reachable_from(node).then_some(volume);
        }
        if volume.claim.is_none()
            && volume.suits(claim)
            && volume.is_reachable_from(node)
            && smallest.is_none_or(|smallest| volume.capacity < smallest.capacity)
        {
            smallest = Some(volume);
        }
    }
    smallest
}

/// When the claims of a class are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Immediate,
    WaitForFirstConsumer,
}

/// A storage class.
#[derive(Clone, Debug)]
pub(super) struct StorageClass {
    pub(super) binding: Binding,
    provisioner: Str,
    /// Labels with values that a node must have: one of the terms. None means every node.
    topologies: Vec<Vec<(Str, Vec<Str>)>>,
}

impl StorageClass {
    pub(super) fn read(live: &Live) -> Self {
        let tree = live.tree();
        let waits = tree["volumeBindingMode"] == "WaitForFirstConsumer";
        let expression = |expression: &Value| (text(&expression["key"]), texts(&expression["values"]));
        let term = |term: &Value| {
            term["matchLabelExpressions"].as_array().into_iter().flatten().map(expression).collect()
        };
        Self {
            binding: if waits { Binding::WaitForFirstConsumer } else { Binding::Immediate },
            provisioner: text(&tree["provisioner"]),
            topologies: tree["allowedTopologies"].as_array().into_iter().flatten().map(term).collect(),
        }
    }

    /// Whether a volume can be made for a node.
    pub(super) fn provisions_for(&self, node: &NodeFacts) -> bool {
        let has = |(key, values): &(Str, Vec<Str>)| {
            node.label(key).is_some_and(|label| values.iter().any(|value| **value == *label))
        };
        let provisions = !self.provisioner.is_empty() && &*self.provisioner != "kubernetes.io/no-provisioner";
        provisions && (self.topologies.is_empty() || self.topologies.iter().any(|term| term.iter().all(has)))
    }
}
