//! Columns: what they are called and how the cell of one is made. The tables of the kinds of workloads are here.
//!
//! Most cells are one of a few shapes; the rest are functions of their own. A column whose description is the documentation
//! of a field says which one, and the text comes from where the fields are described.

use jiff::Timestamp;
use orch_core::{Kind, kind};
use serde_json::Value;

use super::format::{ago, at, labels, list, selector, text};
use super::{batch, cells, pod};

/// A column of a table.
///
/// ```
/// use orch_api::printers;
/// let column = &printers::columns(orch_core::kind::PODS)[6];
/// assert_eq!((column.name, column.kind(), column.format(), column.priority), ("Node", "string", "", 1));
/// assert_eq!(column.documented(), Some("core.v1.PodSpec.nodeName"));
/// ```
#[derive(Clone, Copy)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// Zero for what is always shown, one for wide output.
    pub priority: i32,
    kind: &'static str,
    description: &'static str,
    documented: &'static str,
    pub(super) cell: Cell,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// How a cell is made.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    /// The object's name.
    Name,
    /// How long ago the object was created.
    Age,
    /// When the object was created.
    Created,
    /// The text at a path, or what stands for none.
    Text(&'static str, &'static str),
    /// The number at a path, or zero.
    Number(&'static str),
    /// How many elements or entries there are at a path.
    Length(&'static str),
    /// Whether the flag at a path is set, or what holds without one.
    Flag(&'static str, bool),
    /// How long ago the time at a path was.
    Ago(&'static str, &'static str),
    /// The labels at a path.
    Labels(&'static str),
    /// The selector at a path, or what stands for an empty one.
    Selector(&'static str, &'static str),
    /// One field of each element of the list at a path, with commas.
    Each(&'static str, &'static str),
    /// Something that only this kind has.
    Of(fn(&Value) -> Value),
    /// The same, with the time.
    At(fn(&Value, Timestamp) -> Value),
}

impl Cell {
    pub(super) fn of(self, tree: &Value, now: Timestamp) -> Value {
        match self {
            Self::Name => text(tree, "metadata.name").into(),
            Self::Age => ago(tree, "metadata.creationTimestamp", now, "<unknown>").into(),
            Self::Created => text(tree, "metadata.creationTimestamp").into(),
            Self::Text(path, absent) => match text(tree, path) {
                "" => absent.into(),
                text => text.into(),
            },
            Self::Number(path) => at(tree, path).as_i64().unwrap_or_default().into(),
            Self::Length(path) => match at(tree, path) {
                Value::Array(list) => list.len().into(),
                Value::Object(map) => map.len().into(),
                _ => 0.into(),
            },
            Self::Flag(path, absent) => at(tree, path).as_bool().unwrap_or(absent).into(),
            Self::Ago(path, absent) => ago(tree, path, now, absent).into(),
            Self::Labels(path) => labels(at(tree, path)).into(),
            Self::Selector(path, absent) => selector(at(tree, path), absent).into(),
            Self::Each(path, field) => {
                list(at(tree, path)).map(|one| text(one, field)).collect::<Vec<_>>().join(",").into()
            }
            Self::Of(cell) => cell(tree),
            Self::At(cell) => cell(tree, now),
        }
    }
}

impl Column {
    /// The type in the words of OpenAPI: `string`, `integer`, `boolean` or `date`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// `name` for the column with the name of the object, else empty.
    #[must_use]
    pub fn format(&self) -> &'static str {
        if matches!(self.cell, Cell::Name) { "name" } else { "" }
    }

    /// What the column shows, in one sentence; empty where it is [`documented`](Self::documented).
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The field whose documentation describes the column: group, version, type and field.
    #[must_use]
    pub fn documented(&self) -> Option<&'static str> {
        Some(self.documented).filter(|field| !field.is_empty())
    }

    pub(super) const fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    pub(super) const fn typed(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(super) const fn says(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    pub(super) const fn of(mut self, field: &'static str) -> Self {
        self.documented = field;
        self
    }
}

pub(super) const fn column(name: &'static str, cell: Cell) -> Column {
    Column { name, priority: 0, kind: "string", description: "", documented: "", cell }
}

/// A column that shows the text of a field.
pub(super) const fn words(name: &'static str, path: &'static str) -> Column {
    column(name, Cell::Text(path, ""))
}

pub(super) const fn number(name: &'static str, path: &'static str) -> Column {
    column(name, Cell::Number(path)).typed("integer")
}

pub(super) const fn flag(name: &'static str, path: &'static str) -> Column {
    column(name, Cell::Flag(path, false)).typed("boolean")
}

pub(super) const NAME: Column = column("Name", Cell::Name).of("meta.v1.ObjectMeta.name");
pub(super) const AGE: Column = column("Age", Cell::Age).of("meta.v1.ObjectMeta.creationTimestamp");
/// When an object without a table of its own was created.
pub(super) const CREATED: Column =
    column("Created At", Cell::Created).typed("date").of("meta.v1.ObjectMeta.creationTimestamp");

/// Of a kind that is not built in.
pub(super) const OTHER: &[Column] = &[NAME, AGE.typed("date")];
pub(super) const NAME_AGE: &[Column] = &[NAME, AGE];
pub(super) const NAME_CREATED: &[Column] = &[NAME, CREATED];

/// Of a Scale, whatever it is the scale of (`printScale`).
pub(super) const SCALE: &[Column] = &[
    NAME,
    number("Desired", "spec.replicas").of("autoscaling.v1.ScaleSpec.replicas"),
    number("Available", "status.replicas").of("autoscaling.v1.ScaleStatus.replicas"),
    AGE,
];

const IN_TEMPLATE: &str = "spec.template.spec.containers";

const fn containers(path: &'static str) -> Column {
    column("Containers", Cell::Each(path, "name")).wide().says("The names of the template's containers.")
}

const fn images(path: &'static str) -> Column {
    column("Images", Cell::Each(path, "image")).wide().says("The images of the template's containers.")
}

const fn selects(path: &'static str) -> Column {
    column("Selector", Cell::Selector(path, "<none>")).wide()
}

pub(super) static TABLES: &[(Kind, &[Column])] = &[
    (
        kind::PODS,
        &[
            NAME,
            column("Ready", Cell::Of(pod::ready)).says("How many of the pod's containers are ready."),
            column("Status", Cell::Of(pod::status)).says("What the pod's containers do, in one word."),
            column("Restarts", Cell::At(pod::restarts))
                .says("How often containers were started again, and when that was last."),
            AGE,
            column("IP", Cell::Of(pod::ip)).wide().of("core.v1.PodStatus.podIP"),
            column("Node", Cell::Text("spec.nodeName", "<none>")).wide().of("core.v1.PodSpec.nodeName"),
            column("Nominated Node", Cell::Text("status.nominatedNodeName", "<none>"))
                .wide()
                .of("core.v1.PodStatus.nominatedNodeName"),
            column("Readiness Gates", Cell::Of(pod::gates)).wide().of("core.v1.PodSpec.readinessGates"),
        ],
    ),
    (
        kind::POD_TEMPLATES,
        &[
            NAME,
            column("Containers", Cell::Each("template.spec.containers", "name"))
                .says("The names of the template's containers."),
            column("Images", Cell::Each("template.spec.containers", "image"))
                .says("The images of the template's containers."),
            column("Pod Labels", Cell::Labels("template.metadata.labels"))
                .says("The labels of the template."),
        ],
    ),
    (
        kind::REPLICATION_CONTROLLERS,
        &[
            NAME,
            number("Desired", "spec.replicas").of("core.v1.ReplicationControllerSpec.replicas"),
            number("Current", "status.replicas").of("core.v1.ReplicationControllerStatus.replicas"),
            number("Ready", "status.readyReplicas").of("core.v1.ReplicationControllerStatus.readyReplicas"),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
            column("Selector", Cell::Labels("spec.selector"))
                .wide()
                .of("core.v1.ReplicationControllerSpec.selector"),
        ],
    ),
    (
        kind::REPLICA_SETS,
        &[
            NAME,
            number("Desired", "spec.replicas").of("apps.v1.ReplicaSetSpec.replicas"),
            number("Current", "status.replicas").of("apps.v1.ReplicaSetStatus.replicas"),
            number("Ready", "status.readyReplicas").of("apps.v1.ReplicaSetStatus.readyReplicas"),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
            selects("spec.selector").of("apps.v1.ReplicaSetSpec.selector"),
        ],
    ),
    (
        kind::DEPLOYMENTS,
        &[
            NAME,
            column("Ready", Cell::Of(cells::ready_of_replicas))
                .says("How many of the wanted pods are ready."),
            column("Up-to-date", Cell::Number("status.updatedReplicas"))
                .of("apps.v1.DeploymentStatus.updatedReplicas"),
            column("Available", Cell::Number("status.availableReplicas"))
                .of("apps.v1.DeploymentStatus.availableReplicas"),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
            column("Selector", Cell::Selector("spec.selector", ""))
                .wide()
                .of("apps.v1.DeploymentSpec.selector"),
        ],
    ),
    (
        kind::STATEFUL_SETS,
        &[
            NAME,
            column("Ready", Cell::Of(cells::ready_of_replicas))
                .says("How many of the wanted pods are ready."),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
        ],
    ),
    (
        kind::DAEMON_SETS,
        &[
            NAME,
            number("Desired", "status.desiredNumberScheduled")
                .of("apps.v1.DaemonSetStatus.desiredNumberScheduled"),
            number("Current", "status.currentNumberScheduled")
                .of("apps.v1.DaemonSetStatus.currentNumberScheduled"),
            number("Ready", "status.numberReady").of("apps.v1.DaemonSetStatus.numberReady"),
            number("Up-to-date", "status.updatedNumberScheduled")
                .of("apps.v1.DaemonSetStatus.updatedNumberScheduled"),
            number("Available", "status.numberAvailable").of("apps.v1.DaemonSetStatus.numberAvailable"),
            column("Node Selector", Cell::Labels("spec.template.spec.nodeSelector"))
                .of("core.v1.PodSpec.nodeSelector"),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
            selects("spec.selector").of("apps.v1.DaemonSetSpec.selector"),
        ],
    ),
    (
        kind::JOBS,
        &[
            NAME,
            column("Status", Cell::Of(batch::job_status)).says("How far the job is."),
            column("Completions", Cell::Of(batch::completions)).of("batch.v1.JobStatus.succeeded"),
            column("Duration", Cell::At(batch::duration)).says("How long the job took, or takes so far."),
            AGE,
            containers(IN_TEMPLATE),
            images(IN_TEMPLATE),
            selects("spec.selector").of("batch.v1.JobSpec.selector"),
        ],
    ),
    (
        kind::CRON_JOBS,
        &[
            NAME,
            words("Schedule", "spec.schedule").of("batch.v1.CronJobSpec.schedule"),
            column("Timezone", Cell::Text("spec.timeZone", "<none>")).of("batch.v1.CronJobSpec.timeZone"),
            column("Suspend", Cell::Of(batch::suspend)).typed("boolean").of("batch.v1.CronJobSpec.suspend"),
            column("Active", Cell::Length("status.active"))
                .typed("integer")
                .of("batch.v1.CronJobStatus.active"),
            column("Last Schedule", Cell::Ago("status.lastScheduleTime", "<none>"))
                .of("batch.v1.CronJobStatus.lastScheduleTime"),
            AGE,
            containers("spec.jobTemplate.spec.template.spec.containers"),
            images("spec.jobTemplate.spec.template.spec.containers"),
            selects("spec.jobTemplate.spec.selector").of("batch.v1.JobSpec.selector"),
        ],
    ),
    (
        kind::CONTROLLER_REVISIONS,
        &[
            NAME,
            column("Controller", Cell::Of(cells::controller)).says("The object that controls this one."),
            column("Revision", Cell::Number("revision")).of("apps.v1.ControllerRevision.revision"),
            AGE,
        ],
    ),
    (
        kind::HORIZONTAL_POD_AUTOSCALERS,
        &[
            NAME,
            column("Reference", Cell::Of(batch::scale_target))
                .of("autoscaling.v2.HorizontalPodAutoscalerSpec.scaleTargetRef"),
            column("Targets", Cell::Of(batch::metrics))
                .of("autoscaling.v2.HorizontalPodAutoscalerSpec.metrics"),
            column("MinPods", Cell::Of(batch::min_pods))
                .of("autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas"),
            column("MaxPods", Cell::Number("spec.maxReplicas"))
                .of("autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas"),
            column("Replicas", Cell::Number("status.currentReplicas"))
                .of("autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas"),
            AGE,
        ],
    ),
    (
        kind::POD_DISRUPTION_BUDGETS,
        &[
            NAME,
            column("Min Available", Cell::Of(cells::min_available))
                .says("How many pods must stay available."),
            column("Max Unavailable", Cell::Of(cells::max_unavailable))
                .says("How many pods may be unavailable."),
            number("Allowed Disruptions", "status.disruptionsAllowed")
                .says("How many pods may be disrupted now."),
            AGE,
        ],
    ),
];
