//! What differs from kind to kind, as a table: one row a kind, one generic pipeline for all.
//!
//! After the strategies of `pkg/registry/*/*/strategy.go`. A row holds facts and pure functions on trees; it reads no
//! other object. Kinds that the table does not know have the row of custom resources.

mod more;
mod narrow;
mod pod;
mod qos;

#[cfg(test)]
mod tests;

pub(crate) use more::approve;
pub(crate) use narrow::{metadata_with_status, narrow};
pub(crate) use pod::grace_secs;
pub(crate) use qos::qos_class;

use orch_core::{KindInfo, Subresource};
use serde_json::{Value, json};

use crate::schema::{self, TypeRef};
use crate::tree::{Get, Set, Tree};
use crate::{defaults, services};

/// Of what changes `metadata.generation` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// It is not set.
    Not,
    /// Of the spec.
    Spec,
    /// Of the spec and of annotations.
    SpecAndAnnotations,
    /// Of everything but metadata and status, as of custom resources.
    Content,
    /// Of everything but metadata, and of labels.
    ContentAndLabels,
}

/// How an object of a kind is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// At once, if nothing waits for it.
    Plain,
    /// With a grace period.
    Graceful,
    /// In phases, by the finalizers of its spec.
    Phased,
    /// At once, and the garbage collector has nothing to do with it.
    Uncollected,
}

/// What a client may leave out or do in an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updates {
    /// A revision need not be given.
    Unconditional,
    /// A revision must be given.
    AtRevision,
    /// A revision need not be given, and an absent object is created.
    OrCreate,
    /// A revision must be given, and an absent object is created.
    AtRevisionOrCreate,
}

/// A field of the status that is written over: it is decoded only when it is asked for.
pub(crate) type Before<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// A kind's own rules.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) generation: Generation,
    pub(crate) deletion: Deletion,
    pub(crate) updates: Updates,
    /// Fills in what the client left out.
    pub(crate) defaults: fn(&mut Tree),
    /// The status of a new object.
    pub(crate) initial_status: fn(&Tree, &str) -> Option<Value>,
    /// Completes a status that is written over an older one.
    pub(crate) status: fn(&mut Tree, Before<'_>, &str),
    /// Completes a new object.
    pub(crate) create: fn(&mut Tree),
    /// Completes an object that is written over an older one.
    pub(crate) update: fn(&mut Tree, &Tree),
}

const fn row(defaults: fn(&mut Tree)) -> Row {
    Row {
        generation: Generation::Not,
        deletion: Deletion::Plain,
        updates: Updates::Unconditional,
        defaults,
        initial_status: |_, _| None,
        status: |_, _, _| {},
        create: |_| {},
        update: |_, _| {},
    }
}

impl Row {
    const fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    const fn deletion(mut self, deletion: Deletion) -> Self {
        self.deletion = deletion;
        self
    }

    const fn updates(mut self, updates: Updates) -> Self {
        self.updates = updates;
        self
    }

    const fn initial_status(mut self, status: fn(&Tree, &str) -> Option<Value>) -> Self {
        self.initial_status = status;
        self
    }

    const fn status(mut self, status: fn(&mut Tree, Before<'_>, &str)) -> Self {
        self.status = status;
        self
    }

    const fn create(mut self, create: fn(&mut Tree)) -> Self {
        self.create = create;
        self
    }

    const fn update(mut self, update: fn(&mut Tree, &Tree)) -> Self {
        self.update = update;
        self
    }

    /// Whether an absent object is created by an update.
    pub(crate) fn creates_on_update(&self) -> bool {
        matches!(self.updates, Updates::OrCreate | Updates::AtRevisionOrCreate)
    }

    /// Whether an update must say on which revision it builds.
    pub(crate) fn needs_revision(&self) -> bool {
        matches!(self.updates, Updates::AtRevision | Updates::AtRevisionOrCreate)
    }
}

static CUSTOM: Row = row(defaults::none).generation(Generation::Content).updates(Updates::AtRevision);

static ROWS: &[(&str, &str, Row)] = &[
    ("", "configmaps", row(defaults::config_map)),
    ("", "events", row(defaults::event).deletion(Deletion::Uncollected).updates(Updates::OrCreate)),
    (
        "",
        "namespaces",
        row(defaults::namespace)
            .deletion(Deletion::Phased)
            .initial_status(|_, _| Some(json!({"phase": "Active"})))
            .create(namespace_create)
            .update(|new, old| copy_spec_field(new, old, "finalizers")),
    ),
    (
        "",
        "nodes",
        row(defaults::node)
            .initial_status(|tree, _| tree.get("status").cloned())
            .status(|status, _, _| defaults::node_status(status)),
    ),
    (
        "",
        "persistentvolumeclaims",
        row(defaults::persistent_volume_claim)
            .initial_status(pending)
            .create(|tree| protect(tree, "kubernetes.io/pvc-protection")),
    ),
    (
        "",
        "persistentvolumes",
        row(defaults::persistent_volume)
            .initial_status(|_, now| Some(json!({"phase": "Pending", "lastPhaseTransitionTime": now})))
            .status(volume_status)
            .create(|tree| protect(tree, "kubernetes.io/pv-protection")),
    ),
    (
        "",
        "pods",
        row(defaults::pod)
            .generation(Generation::Spec)
            .deletion(Deletion::Graceful)
            .initial_status(pod::initial_status)
            .status(pod::status)
            .create(pod::create)
            .update(pod::update),
    ),
    ("", "secrets", row(defaults::secret)),
    ("", "serviceaccounts", row(defaults::none)),
    (
        "",
        "services",
        row(defaults::service)
            .updates(Updates::OrCreate)
            .initial_status(|_, _| Some(json!({"loadBalancer": {}})))
            .status(|status, _, _| defaults::service_status(status))
            .update(service_update),
    ),
    ("apps", "controllerrevisions", row(defaults::none)),
    (
        "apps",
        "deployments",
        row(defaults::deployment)
            .generation(Generation::SpecAndAnnotations)
            .initial_status(|_, _| Some(json!({})))
            .status(|status, _, _| defaults::conditions(status, &["lastTransitionTime", "lastUpdateTime"])),
    ),
    (
        "apps",
        "replicasets",
        row(defaults::replica_set)
            .generation(Generation::Spec)
            .initial_status(|_, _| Some(json!({"replicas": 0})))
            .status(|status, _, _| {
                status.default_to("replicas", 0);
                defaults::conditions(status, &["lastTransitionTime"]);
            }),
    ),
    (
        "apps",
        "statefulsets",
        row(defaults::stateful_set)
            .generation(Generation::Spec)
            .initial_status(|_, _| Some(json!({"replicas": 0, "availableReplicas": 0})))
            .status(|status, _, _| {
                status.default_to("replicas", 0);
                status.default_to("availableReplicas", 0);
                defaults::conditions(status, &["lastTransitionTime"]);
            }),
    ),
    ("coordination.k8s.io", "leases", row(defaults::lease).updates(Updates::AtRevisionOrCreate)),
    (
        "discovery.k8s.io",
        "endpointslices",
        row(defaults::endpoint_slice).generation(Generation::ContentAndLabels),
    ),
    ("scheduling.k8s.io", "priorityclasses", row(defaults::priority_class).generation(Generation::Spec)),
    ("storage.k8s.io", "storageclasses", row(defaults::storage_class)),
];

/// The rules of a kind and, when it is one of Kubernetes' own, its type.
#[derive(Clone, Copy)]
pub(crate) struct Strategy {
    pub(crate) row: &'static Row,
    pub(crate) ty: Option<TypeRef>,
}

impl Strategy {
    /// The rules of a registered kind.
    pub(crate) fn of(info: &KindInfo) -> Self {
        let (group, resource) = (info.kind.group(), info.kind.resource());
        let row = ROWS
            .iter()
            .chain(more::ROWS)
            .find(|(g, r, _)| *r == resource && *g == group)
            .map_or(&CUSTOM, |(_, _, row)| row);
        Self { row, ty: schema::lookup(group, &info.versions[0], &info.name) }
    }

    /// The type of a part of the object.
    pub(crate) fn part(&self, field: &str) -> Option<TypeRef> {
        Some(self.ty?.field(field)?.ty())
    }

    /// Whether the status is a thing of its own that other writes do not touch.
    pub(crate) fn owns_status(info: &KindInfo) -> bool {
        info.has(Subresource::Status)
    }
}

fn pending(_: &Tree, _: &str) -> Option<Value> {
    Some(json!({"phase": "Pending"}))
}

fn volume_status(status: &mut Tree, old: Before<'_>, now: &str) {
    status.default_text("phase", "Pending");
    let time = "lastPhaseTransitionTime";
    if status.get("phase") != old("phase").as_ref() && status.get(time) == old(time).as_ref() {
        status.put(time, now);
    }
}

/// Keeps storage that is in use (`plugin/pkg/admission/storage/storageobjectinuseprotection`).
fn protect(tree: &mut Tree, finalizer: &str) {
    let metadata = tree.make("metadata");
    if !metadata.list("finalizers").iter().any(|known| known == finalizer) {
        metadata.make_list("finalizers").push(finalizer.into());
    }
}

/// Kubernetes' own finalizer holds a namespace until its content is gone.
fn namespace_create(tree: &mut Tree) {
    let spec = tree.make("spec");
    if !spec.list("finalizers").iter().any(|name| name == "kubernetes") {
        spec.make_list("finalizers").push("kubernetes".into());
    }
}

fn copy_spec_field(new: &mut Tree, old: &Tree, field: &str) {
    let empty = Tree::new();
    new.make("spec").copy_from(old.object_at("spec").unwrap_or(&empty), field);
}

fn service_update(new: &mut Tree, old: &Tree) {
    if let (Some(spec), Some(old)) = (new.object_mut("spec"), old.object_at("spec")) {
        services::carry_over(spec, old);
    }
}
