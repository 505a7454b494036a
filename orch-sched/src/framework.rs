//! The framework scheduler: Kubernetes' extension points over an incremental model of the cluster.
//!
//! Pure: no store, no clock, no I/O; randomness is the seed that breaks ties. Every node is considered. Pods that no plugin
//! can tell apart share what is known of the nodes, and after a placement one node is looked at again. Invariant: it
//! decides what a scheduler that looks at everything anew would decide.

mod class;
mod cycle;
mod explain;
mod intake;
mod lens;
mod plugin;
mod profile;
mod queue;
mod rescue;
mod settle;
mod signature;
mod table;
#[cfg(test)]
mod tests;
mod tournament;
mod trial;

pub use plugin::{
    Bounds, Candidate, Check, ClusterEvent, Filter, Fork, Leaving, Permission, Permit, Plugin, PostFilter,
    PreEnqueue, PreFilter, Prefilter, QueueSort, Refusal, Remedy, Reserve, Reserved, Scope, Score,
};
pub use profile::{Profile, Using};
pub use signature::Signature;
pub use trial::Trial;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use orch_core::scheduler::{Decision, Explanation, Outcome, Scheduler};
use orch_core::{Change, Key, Kind, Str, kind};

use crate::Error;
use crate::cluster::{Cluster, Column, PodId};
use class::Classes;
use profile::Plugins;
use queue::{Queue, Record};

/// How a framework scheduler behaves, its plugins aside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Which pods it places: those whose `spec.schedulerName` this is.
    pub scheduler_name: Str,
    /// Breaks ties.
    pub seed: u64,
    /// How long a pod waits after its first attempt; doubled with every further one.
    pub initial_backoff: SignedDuration,
    /// The longest that a pod waits between attempts when something helps.
    pub max_backoff: SignedDuration,
    /// When a pod that fits nowhere is tried again though nothing helped.
    pub flush_after: SignedDuration,
    /// How long the claims of a pod may take to be bound before it is decided on again.
    pub bind_timeout: SignedDuration,
}

/// Kubernetes' (`pkg/scheduler/apis/config/v1/defaults.go`, `pkg/scheduler/backend/queue/scheduling_queue.go`).
impl Default for Options {
    fn default() -> Self {
        Self {
            scheduler_name: "default-scheduler".into(),
            seed: 0,
            initial_backoff: SignedDuration::from_secs(1),
            max_backoff: SignedDuration::from_secs(10),
            flush_after: SignedDuration::from_mins(5),
            bind_timeout: SignedDuration::from_secs(600),
        }
    }
}

impl Options {
    /// Another seed to break ties by.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Places the pods that ask for a scheduler of that name.
    #[must_use]
    pub fn scheduler_name(mut self, name: impl Into<Str>) -> Self {
        self.scheduler_name = name.into();
        self
    }
}

/// A scheduler made of plugins.
///
/// ```
/// use orch_core::scheduler::Scheduler;
/// use orch_core::{Change, Live, Object, Registry, Revision, kind};
/// use orch_sched::FrameworkScheduler;
/// use serde_json::json;
/// # use orch_core::scheduler::Verdict;
/// let registry = Registry::built_in();
/// let put = |kind, tree: serde_json::Value| {
///     let object = Object::encode(&registry.get(kind).unwrap(), &tree).unwrap();
///     Change::new(Revision(1), Some(Live::from(object)), None)
/// };
/// let mut scheduler = FrameworkScheduler::default();
/// scheduler.apply(&put(kind::NODES, json!({"metadata": {"name": "n1"},
///     "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}})));
/// scheduler.apply(&put(kind::PODS, json!({"metadata": {"name": "web", "namespace": "shop"},
///     "spec": {"schedulerName": "default-scheduler", "containers": [{"resources": {"requests": {"cpu": "1"}}}]}})));
/// let mut decisions = Vec::new();
/// scheduler.decide(jiff::Timestamp::UNIX_EPOCH, 10, &mut decisions);
/// assert_eq!(decisions[0].verdict, Verdict::bind("n1"));
/// ```
#[derive(Clone)]
pub struct FrameworkScheduler {
    options: Options,
    plugins: Plugins,
    cluster: Cluster,
    classes: Classes,
    queue: Queue,
    records: Column<Option<Record>>,
    /// Pods that are kept out of the queue and that nobody was told of yet.
    untold: BTreeSet<PodId>,
    /// Placed pods that wait for a permit, and until when.
    waiting: BTreeMap<PodId, Timestamp>,
    /// Pods that are to go, and for whom.
    leaving: BTreeMap<PodId, PodId>,
    /// The latest time that it was told.
    now: Timestamp,
    sequence: u64,
    method: Method,
}

/// How nodes are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Method {
    /// Only what changed.
    #[default]
    Incremental,
    /// All of them, each time: the reference that tests hold the other to.
    #[cfg(test)]
    Anew,
}

impl Default for FrameworkScheduler {
    /// Kubernetes' default profile and options.
    fn default() -> Self {
        Self::new(Profile::kubernetes(), Options::default())
            .expect("the default profile has one plugin a single point")
    }
}

impl FrameworkScheduler {
    /// A scheduler that knows nothing yet.
    ///
    /// # Errors
    /// When the profile cannot be used.
    pub fn new(profile: Profile, options: Options) -> Result<Self, Error> {
        Ok(Self {
            options,
            plugins: Plugins::new(profile)?,
            cluster: Cluster::default(),
            classes: Classes::default(),
            queue: Queue::default(),
            records: Column::default(),
            untold: BTreeSet::new(),
            waiting: BTreeMap::new(),
            leaving: BTreeMap::new(),
            now: Timestamp::UNIX_EPOCH,
            sequence: 0,
            method: Method::default(),
        })
    }

    /// What it knows of nodes and pods; pods that it decided to bind count on their nodes.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn record(&self, id: PodId) -> Option<&Record> {
        if (id.0 as usize) < self.records.len() { self.records.get(id.0).as_ref() } else { None }
    }

    fn record_mut(&mut self, id: PodId) -> Option<&mut Record> {
        if (id.0 as usize) < self.records.len() { self.records.get_mut(id.0).as_mut() } else { None }
    }
}

impl Scheduler for FrameworkScheduler {
    fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.plugins.kinds().chain([kind::NODES, kind::PODS]).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    fn apply(&mut self, change: &Change) {
        self.take_in(change);
    }

    fn decide(&mut self, now: Timestamp, max: usize, out: &mut Vec<Decision>) {
        self.now = self.now.max(now);
        self.decide_up_to(out.len().saturating_add(max), out);
    }

    fn outcome(&mut self, pod: &Key, uid: &str, outcome: Outcome) {
        if let Some(id) = self.cluster.pod_id(pod)
            && &**self.cluster.pod(id).uid() == uid
        {
            self.conclude(id, &outcome);
        }
    }

    fn next_wake(&self) -> Option<Timestamp> {
        self.queue.next_wake().into_iter().chain(self.waiting.values().copied()).min()
    }

    fn explain(&self, pod: &Key, node: Option<&str>) -> Explanation {
        self.account(pod, node)
    }

    fn fork(&self) -> Box<dyn Scheduler> {
        Box::new(self.clone())
    }
}
