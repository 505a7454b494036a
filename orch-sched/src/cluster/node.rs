//! What is known of a node by itself: not what runs on it.
//!
//! Invariant: two facts are equal exactly when no plugin can tell the nodes apart; heartbeats make no difference.

use orch_core::object::Part;
use orch_core::{Key, Live, Object, Str};

use super::affinity::Taint;
use super::resource::{Amounts, Resources, quantity};

/// A node.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    object: Object,
    taints: Vec<Taint>,
    unschedulable: bool,
    allocatable: Amounts,
    pods: i64,
    hash: u64,
}

impl NodeFacts {
    pub(crate) fn read(live: &Live, resources: &mut Resources) -> Self {
        let tree = live.tree();
        let (spec, status) = (&tree["spec"], &tree["status"]);
        let room =
            if status["allocatable"].is_object() { &status["allocatable"] } else { &status["capacity"] };
        Self {
            taints: spec["taints"].as_array().into_iter().flatten().filter_map(Taint::read).collect(),
            unschedulable: spec["unschedulable"] == true,
            allocatable: Amounts::read(room, resources),
            pods: quantity(&room["pods"]).value(),
            hash: hash(live.key()),
            object: live.object().clone(),
        }
    }

    /// Whether a plugin can tell them apart; conditions, images and the like are not looked at.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |part| self.object.part(part) == other.object.part(part);
        self.allocatable == other.allocatable
            && self.pods == other.pods
            && same(Part::Spec)
            && (same(Part::Metadata) || self.object.uid() == other.object.uid() && self.same_metadata(other))
    }

    fn same_metadata(&self, other: &Self) -> bool {
        let annotations = |object: &Object| object.part_to::<serde_json::Value>(Part::Metadata).ok();
        let (one, two) = (annotations(&self.object), annotations(&other.object));
        let field =
            |tree: &Option<serde_json::Value>, name: &str| tree.as_ref().map(|tree| tree[name].clone());
        ["labels", "annotations"].iter().all(|name| field(&one, name) == field(&two, name))
    }

    /// The object as it was when one of these facts last changed.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Str {
        &self.object.key().name
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.object.label(key)
    }

    /// Its taints.
    #[must_use]
    pub fn taints(&self) -> &[Taint] {
        &self.taints
    }

    /// Whether it is cordoned off.
    #[must_use]
    pub fn is_unschedulable(&self) -> bool {
        self.unschedulable
    }

    /// What pods can use.
    #[must_use]
    pub fn allocatable(&self) -> &Amounts {
        &self.allocatable
    }

    /// How many pods it takes.
    #[must_use]
    pub fn allowed_pods(&self) -> i64 {
        self.pods
    }

    /// A number that follows from the name alone, to break ties by.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// FNV-1a: stable across versions of the compiler, unlike std's hashers.
fn hash(key: &Key) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    key.name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
