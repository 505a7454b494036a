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

/// Of one actor, by kind; no kind means every kind.
pub(super) type Rules = &'static [(Option<Kind>, &'static [May])];

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

const REPLICA_SET: Rules = &[
    (Some(kind::PODS), &[CreateOf("ReplicaSet"), DeleteOf("ReplicaSet"), OWNERS]),
    (Some(kind::REPLICA_SETS), &[STATUS]),
];

const DEPLOYMENT: Rules = &[
    (
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
    (Some(kind::DEPLOYMENTS), &[STATUS, REVISION]),
];

const STATEFUL_SET: Rules = &[
    (
        Some(kind::PODS),
        &[
            CreateOf("StatefulSet"),
            DeleteOf("StatefulSet"),
            OWNERS,
            Write("metadata.labels[statefulset.kubernetes.io/pod-name]"),
            Write("metadata.labels[apps.kubernetes.io/pod-index]"),
        ],
    ),
    (Some(kind::PERSISTENT_VOLUME_CLAIMS), &[Create, OWNERS]),
    (
        Some(kind::CONTROLLER_REVISIONS),
        &[CreateOf("StatefulSet"), DeleteOf("StatefulSet"), OWNERS, Write("revision")],
    ),
    (Some(kind::STATEFUL_SETS), &[STATUS]),
];

const ENDPOINT_SLICE: Rules = &[(
    Some(kind::ENDPOINT_SLICES),
    &[CreateOf("Service"), Delete, Write("endpoints"), Write("ports"), Write("metadata.labels")],
)];

const NAMESPACE: Rules = &[(None, &[Delete]), (Some(kind::NAMESPACES), &[STATUS, Write("spec.finalizers")])];

const NODE: Rules =
    &[(Some(kind::NODES), &[CONDITIONS, Write("spec.taints")]), (Some(kind::PODS), &[CONDITIONS])];

const BINDER: Rules = &[
    (
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
    (Some(kind::PERSISTENT_VOLUMES), &[STATUS, Write("spec.claimRef"), BOUND_BY_CONTROLLER]),
];

const PROVISIONS: Rules = &[
    (Some(kind::PERSISTENT_VOLUMES), &[Create, Delete, FINALIZERS]),
    (Some(kind::PERSISTENT_VOLUME_CLAIMS), &[SELECTED_NODE]),
];

const SCHEDULER: Rules = &[
    (Some(kind::PODS), &[Delete, Write("spec.nodeName"), CONDITIONS, Write("status.nominatedNodeName")]),
    (Some(kind::PERSISTENT_VOLUME_CLAIMS), &[SELECTED_NODE]),
    (Some(kind::PERSISTENT_VOLUMES), &[Write("spec.claimRef"), BOUND_BY_CONTROLLER]),
];

const AGENT: Rules = &[
    (Some(kind::PODS), &[Delete, STATUS]),
    (Some(kind::NODES), &[Create, STATUS, Write("metadata.labels")]),
    (Some(kind::LEASES), &[Create, Write("spec")]),
    (Some(kind::PERSISTENT_VOLUMES), &[FINALIZERS]),
];

/// What an actor may do; `None` when the table does not know it.
pub(super) fn rules(actor: &str) -> Option<Rules> {
    Some(match actor {
        "replicaset-controller" => REPLICA_SET,
        "deployment-controller" => DEPLOYMENT,
        "statefulset-controller" => STATEFUL_SET,
        "endpointslice-controller" => ENDPOINT_SLICE,
        "namespace-controller" => NAMESPACE,
        "generic-garbage-collector" => &[(None, &[Delete, OWNERS, FINALIZERS])],
        "pod-garbage-collector" => &[(Some(kind::PODS), &[Delete, Write("status.phase"), CONDITIONS])],
        "node-controller" => NODE,
        "taint-eviction-controller" => &[(Some(kind::PODS), &[Delete, CONDITIONS])],
        "clusterrole-aggregation-controller" => &[(Some(kind::CLUSTER_ROLES), &[Write("rules")])],
        "event-ttl-controller" => &[(Some(kind::EVENTS), &[Delete])],
        "persistentvolume-binder" => BINDER,
        "node-directory-provisioner" => PROVISIONS,
        "pvc-protection-controller" => &[(Some(kind::PERSISTENT_VOLUME_CLAIMS), &[FINALIZERS])],
        "pv-protection-controller" => &[(Some(kind::PERSISTENT_VOLUMES), &[FINALIZERS])],
        "scheduler" => SCHEDULER,
        _ if actor.starts_with("node/") => AGENT,
        _ => return None,
    })
}

/// What everybody may do to Events: make them, and count them.
const EVENTS: &[May] = &[Create, Write("count"), Write("lastTimestamp")];

/// The permissions among these for a kind.
pub(super) fn of(rules: Rules, kind: Kind) -> impl Iterator<Item = May> {
    let events = if kind == kind::EVENTS { EVENTS } else { &[] };
    let is_of = move |(of, _): &&(Option<Kind>, &'static [May])| of.is_none_or(|of| of == kind);
    rules.iter().filter(is_of).flat_map(|(_, may)| may.iter()).chain(events).copied()
}
