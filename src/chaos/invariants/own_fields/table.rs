//! Who may write what.

use orch_core::{Kind, kind};

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    Create,
    /// What has a controller of that kind.
    CreateOf(&'static str),
    Delete,
    /// What has a controller of that kind.
    DeleteOf(&'static str),
    /// Change that path and what is below it.
    Write(&'static str),
}

use May::{Create, CreateOf, Delete, DeleteOf, Write};

/// Of one actor for one kind; no kind means every kind.
type Rule = (&'static str, Option<Kind>, &'static [May]);

const BIND_COMPLETED: May = Write("metadata.annotations[pv.kubernetes.io/bind-completed]");
const BOUND_BY_CONTROLLER: May = Write("metadata.annotations[pv.kubernetes.io/bound-by-controller]");
const PROVISIONER: May = Write("metadata.annotations[volume.kubernetes.io/storage-provisioner]");
const BETA_PROVISIONER: May = Write("metadata.annotations[volume.beta.kubernetes.io/storage-provisioner]");
const SELECTED_NODE: May = Write("metadata.annotations[volume.kubernetes.io/selected-node]");
const REVISION: May = Write("metadata.annotations[deployment.kubernetes.io/revision]");
const FINALIZERS: May = Write("metadata.finalizers");
const OWNERS: May = Write("metadata.ownerReferences");
const STATUS: May = Write("status");
const CONDITIONS: May = Write("status.conditions");

/// The name of an agent in the table.
const AGENT: &str = "node";

static TABLE: &[Rule] = &[
    ("replicaset-controller", Some(kind::PODS), &[CreateOf("ReplicaSet"), DeleteOf("ReplicaSet"), OWNERS]),
    ("replicaset-controller", Some(kind::REPLICA_SETS), &[STATUS]),
    (
        "deployment-controller",
        Some(kind::REPLICA_SETS),
        &[
            CreateOf("Deployment"),
            DeleteOf("Deployment"),
            OWNERS,
            // Those of the Deployment are copied.
            Write("metadata.annotations"),
            Write("spec.replicas"),
            Write("spec.minReadySeconds"),
        ],
    ),
    ("deployment-controller", Some(kind::DEPLOYMENTS), &[STATUS, REVISION]),
    (
        "statefulset-controller",
        Some(kind::PODS),
        &[
            CreateOf("StatefulSet"),
            DeleteOf("StatefulSet"),
            OWNERS,
            Write("metadata.labels[statefulset.kubernetes.io/pod-name]"),
            Write("metadata.labels[apps.kubernetes.io/pod-index]"),
        ],
    ),
    ("statefulset-controller", Some(kind::PERSISTENT_VOLUME_CLAIMS), &[Create, OWNERS]),
    (
        "statefulset-controller",
        Some(kind::CONTROLLER_REVISIONS),
        &[CreateOf("StatefulSet"), DeleteOf("StatefulSet"), OWNERS, Write("revision")],
    ),
    ("statefulset-controller", Some(kind::STATEFUL_SETS), &[STATUS]),
    (
        "endpointslice-controller",
        Some(kind::ENDPOINT_SLICES),
        &[CreateOf("Service"), Delete, Write("endpoints"), Write("ports"), Write("metadata.labels")],
    ),
    ("namespace-controller", None, &[Delete]),
    ("namespace-controller", Some(kind::NAMESPACES), &[STATUS, Write("spec.finalizers")]),
    ("generic-garbage-collector", None, &[Delete, OWNERS, FINALIZERS]),
    ("pod-garbage-collector", Some(kind::PODS), &[Delete, Write("status.phase"), CONDITIONS]),
    ("node-controller", Some(kind::NODES), &[CONDITIONS, Write("spec.taints")]),
    ("node-controller", Some(kind::PODS), &[CONDITIONS]),
    ("taint-eviction-controller", Some(kind::PODS), &[Delete, CONDITIONS]),
    ("event-ttl-controller", Some(kind::EVENTS), &[Delete]),
    (
        "persistentvolume-binder",
        Some(kind::PERSISTENT_VOLUME_CLAIMS),
        &[
            STATUS,
            Write("spec.volumeName"),
            Write("spec.storageClassName"),
            BIND_COMPLETED,
            BOUND_BY_CONTROLLER,
            PROVISIONER,
            BETA_PROVISIONER,
        ],
    ),
    (
        "persistentvolume-binder",
        Some(kind::PERSISTENT_VOLUMES),
        &[STATUS, Write("spec.claimRef"), BOUND_BY_CONTROLLER],
    ),
    ("node-directory-provisioner", Some(kind::PERSISTENT_VOLUMES), &[Create, Delete, FINALIZERS]),
    ("node-directory-provisioner", Some(kind::PERSISTENT_VOLUME_CLAIMS), &[SELECTED_NODE]),
    ("pvc-protection-controller", Some(kind::PERSISTENT_VOLUME_CLAIMS), &[FINALIZERS]),
    ("pv-protection-controller", Some(kind::PERSISTENT_VOLUMES), &[FINALIZERS]),
    (
        "scheduler",
        Some(kind::PODS),
        &[Delete, Write("spec.nodeName"), CONDITIONS, Write("status.nominatedNodeName")],
    ),
    ("scheduler", Some(kind::PERSISTENT_VOLUME_CLAIMS), &[SELECTED_NODE]),
    ("scheduler", Some(kind::PERSISTENT_VOLUMES), &[Write("spec.claimRef"), BOUND_BY_CONTROLLER]),
    (AGENT, Some(kind::PODS), &[Delete, STATUS]),
    (AGENT, Some(kind::NODES), &[Create, STATUS, Write("metadata.labels")]),
    (AGENT, Some(kind::LEASES), &[Create, Write("spec")]),
    (AGENT, Some(kind::PERSISTENT_VOLUMES), &[FINALIZERS]),
];

/// What everybody may do to Events: make them, and count them.
const EVENTS: &[May] = &[Create, Write("count"), Write("lastTimestamp")];

fn row(actor: &str) -> &str {
    if actor.starts_with("node/") { AGENT } else { actor }
}

/// Whether the table says anything of an actor.
pub(super) fn knows(actor: &str) -> bool {
    TABLE.iter().any(|(name, ..)| *name == row(actor))
}

/// What an actor may do to objects of a kind.
pub(super) fn rules(actor: &str, kind: Kind) -> impl Iterator<Item = May> {
    let events = if kind == kind::EVENTS { EVENTS } else { &[] };
    let of = move |(name, of, _): &&Rule| *name == row(actor) && of.is_none_or(|of| of == kind);
    TABLE.iter().filter(of).flat_map(|(_, _, may)| may.iter()).chain(events).copied()
}
