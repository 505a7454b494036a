//! The extension points of the framework scheduler as traits; a built-in plugin and a user's implement the same ones.
//!
//! The points are Kubernetes' (`staging/src/k8s.io/kube-scheduler/framework/interface.go`), their shapes are not: nothing
//! is passed from point to point, and results are shared by all pods of a class. Invariant: what a plugin answers for a
//! pod and a node follows from what it signed of the pod, the node, and its own tables.

use std::any::Any;
use std::borrow::Cow;

use jiff::Timestamp;
use orch_core::scheduler::ClaimStep;
use orch_core::{Change, Key, Kind, Str};

use super::signature::Signature;
use super::trial::Trial;
use crate::cluster::{Cluster, Node, NodeFacts, NodeId, Pod, PodId};

/// What every plugin is.
///
/// ```
/// use orch_sched::cluster::{Node, Pod};
/// use orch_sched::framework::{Check, Filter, FrameworkScheduler, Plugin, Profile, Refusal, Using};
/// /// Places pods on green nodes only.
/// #[derive(Clone)]
/// struct GreenOnly;
/// impl Plugin for GreenOnly {
///     fn name(&self) -> &'static str { "GreenOnly" }
/// }
/// impl Filter for GreenOnly {
///     fn check(&self, _pod: &Pod, node: &Node<'_>) -> Check {
///         node.label("green").map(|_| ()).ok_or_else(|| Refusal::unresolvable("node(s) weren't green"))
///     }
/// }
/// let profile = Profile::kubernetes().with(Using::new(GreenOnly).filter());
/// assert!(FrameworkScheduler::new(profile, Default::default()).is_ok());
/// ```
pub trait Plugin: Fork + Any + Send + Sync {
    /// Its name, unique in a profile; people see it in explanations.
    fn name(&self) -> &'static str;

    /// The kinds besides pods and nodes that it looks at. A change of one of them makes every class that it filters or
    /// scores be evaluated again.
    fn kinds(&self) -> Vec<Kind> {
        Vec::new()
    }

    /// Takes in a change of one of these kinds.
    fn apply(&mut self, _change: &Change) {}

    /// Signs what it reads of a pod. Pods whose signatures agree share every result.
    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add_template(pod);
    }

    /// Which nodes see a placement, for a pod that signed the same.
    fn scope(&self, _pod: &Pod) -> Scope {
        Scope::Node
    }

    /// Whether a pod that it refused may fit now. Only asked for pods that it refused.
    fn helps(&self, _pod: &Pod, _event: &ClusterEvent<'_>) -> bool {
        true
    }
}

/// Copies a plugin for a fork of the scheduler; every plugin that is [`Clone`] has it.
pub trait Fork {
    /// An independent copy.
    fn fork(&self) -> Box<dyn Plugin>;
}

impl<P: Plugin + Clone> Fork for P {
    fn fork(&self) -> Box<dyn Plugin> {
        Box::new(self.clone())
    }
}

/// How far the effect of a placement goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Only its node is seen differently.
    #[default]
    Node,
    /// Every node with the same value of one of these labels is.
    Domains(Vec<Str>),
    /// Every node is.
    Cluster,
}

/// What changed in the cluster, as plugins are asked whether it helps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ClusterEvent<'a> {
    /// A node came.
    NodeAdded {
        /// With the pods that it has.
        node: Node<'a>,
    },
    /// A node changed: labels, taints, allocatable resources, whether it is cordoned off.
    NodeChanged {
        /// Before.
        before: &'a NodeFacts,
        /// After.
        node: Node<'a>,
    },
    /// A pod was counted on a node.
    PodPlaced {
        /// The pod.
        pod: &'a Pod,
    },
    /// A pod no longer counts on a node: deleted, ended, or not bound after all.
    PodGone {
        /// The pod.
        pod: &'a Pod,
    },
    /// A pod that counts on a node changed its labels, or asks for less.
    PodChanged {
        /// Before.
        before: &'a Pod,
        /// After.
        pod: &'a Pod,
    },
    /// An object of a kind that the plugin declared changed.
    Object {
        /// The change.
        change: &'a Change,
    },
}

/// Whether a pod fits a node.
pub type Check = Result<(), Refusal>;

/// Why a pod does not fit a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Whether removing pods from the node could help.
    pub remedy: Remedy,
    /// In Kubernetes' words; never empty.
    pub reasons: Vec<Cow<'static, str>>,
}

/// Whether removing pods from a node could make another fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// It could (Kubernetes' `Unschedulable`).
    Preemption,
    /// It could not (Kubernetes' `UnschedulableAndUnresolvable`).
    None,
}

impl Refusal {
    /// Removing pods could help.
    #[must_use]
    pub fn resolvable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { remedy: Remedy::Preemption, reasons: vec![reason.into()] }
    }

    /// Removing pods could not help.
    #[must_use]
    pub fn unresolvable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { remedy: Remedy::None, reasons: vec![reason.into()] }
    }
}

/// Decides which pod is next.
pub trait QueueSort: Plugin {
    /// The pod with the least key is next; among equals the one that came first.
    fn key(&self, pod: &Pod, waiting_since: Timestamp) -> (i64, i64);
}

/// Keeps pods out of the queue.
pub trait PreEnqueue: Plugin {
    /// Why the pod must not be placed yet. Asked when the pod comes and when it changes.
    ///
    /// # Errors
    /// What it waits for, for people.
    fn admit(&self, pod: &Pod) -> Result<(), String>;
}

/// What a plugin says of a pod before it looks at nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefilter {
    /// Its filter has nothing to say about the pod. Must follow from the pod alone.
    Skip,
    /// Its filter is to be asked about every node.
    All,
    /// Its filter is to be asked about these nodes; no other fits.
    Only(Vec<Str>),
}

/// Looks at a pod before the nodes.
pub trait PreFilter: Plugin {
    /// What there is to filter.
    ///
    /// # Errors
    /// A refusal that holds on every node.
    fn pre_filter(&self, pod: &Pod) -> Result<Prefilter, Refusal>;
}

/// Decides whether a pod fits a node.
pub trait Filter: Plugin {
    /// Whether the pod fits the node.
    ///
    /// # Errors
    /// Why it does not.
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check;

    /// Whether the pod fits each of the nodes: those that it does not fit are refused and taken out. Same answers as
    /// [`Filter::check`]; a plugin that works on columns is faster this way.
    fn filter_columns(
        &self,
        pod: &Pod,
        cluster: &Cluster,
        nodes: &mut Vec<NodeId>,
        refuse: &mut dyn FnMut(NodeId, Refusal),
    ) {
        nodes.retain(|id| match self.check(pod, &cluster.node(*id)) {
            Ok(()) => true,
            Err(refusal) => {
                refuse(*id, refusal);
                false
            }
        });
    }
}

/// The least and the greatest score over the nodes that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: i64,
    /// The greatest.
    pub max: i64,
}

/// Decides which of the nodes that fit is best.
pub trait Score: Plugin {
    /// Whether it tells nodes apart for that pod. Must follow from the pod alone.
    fn applies(&self, _pod: &Pod) -> bool {
        true
    }

    /// The score of a node; higher is better.
    fn score(&self, pod: &Pod, node: &Node<'_>) -> i64;

    /// Whether [`Score::normalise`] looks at the bounds.
    fn normalises(&self) -> bool {
        false
    }

    /// Brings a score into 0 to 100.
    fn normalise(&self, score: i64, _bounds: Bounds) -> i64 {
        score
    }
}

/// Pods whose removal makes another fit a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How bad it is: the least rank wins, and among equals the seed decides.
    pub rank: [i64; 5],
    /// Who has to go.
    pub victims: Vec<PodId>,
}

/// Makes room when no node fits.
pub trait PostFilter: Plugin {
    /// Whether the pod may do that now. `leaving` says whether pods of lower priority are on their way off the node that
    /// it was promised.
    ///
    /// # Errors
    /// Why it may not.
    fn eligible(&self, pod: &Pod, leaving: Leaving) -> Result<(), String>;

    /// Who has to go from the trial's node so that the pod fits. Only asked about nodes whose refusal has a remedy.
    ///
    /// # Errors
    /// Why that does not help.
    fn candidate(&self, pod: &Pod, trial: &mut Trial<'_>) -> Result<Candidate, Refusal>;
}

/// Whether pods are on their way off a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Some are.
    Some,
    /// None is.
    None,
}

/// What a reservation needs before the pod can be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Nothing.
    Ready,
    /// These steps; the plugin says by [`Plugin::helps`] when to look again.
    Prepare(Vec<ClaimStep>),
    /// What was begun before goes on; the plugin says by [`Plugin::helps`] when to look again.
    Wait,
}

/// Sets things aside for a pod that is about to be bound.
pub trait Reserve: Plugin {
    /// Sets aside what the pod needs on the node.
    ///
    /// # Errors
    /// Why that cannot be done; nothing is set aside then.
    fn reserve(&mut self, pod: &Pod, node: &Node<'_>) -> Result<Reserved, Refusal>;

    /// Gives back what was set aside. May come for a pod that has nothing set aside.
    fn unreserve(&mut self, pod: &Pod);

    /// Name and uid of the objects without which the pod must not be bound: see [`Verdict::Bind`](orch_core::scheduler::Verdict::Bind).
    fn rests_on(&self, pod: &Pod) -> Vec<(Key, Str)> {
        let _ = pod;
        Vec::new()
    }
}

/// Whether a pod that was placed may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Allow,
    /// It keeps its place, until then.
    Wait {
        /// For people.
        why: String,
        /// Then the place is given up.
        until: Timestamp,
    },
    /// It may not, and gives up its place.
    Refuse(Refusal),
}

/// Holds pods back between placement and binding.
pub trait Permit: Plugin {
    /// Whether the pod may be bound to the node on which it counts already. A pod that waits is asked for again after
    /// every change.
    fn permit(&self, pod: &Pod, node: &Node<'_>, cluster: &Cluster, now: Timestamp) -> Permission;
}
