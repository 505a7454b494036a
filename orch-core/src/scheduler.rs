//! The seam to what places pods: a pure decider that owns its queue and knows no store.

mod explanation;

pub use explanation::{Explanation, NodeVerdict};

use jiff::Timestamp;

use crate::{Change, Error, Key, Kind, Str};

/// Decides where pods run.
///
/// # To ensure correctness
/// Pure: the answers follow from the changes, outcomes and times it was given, and from its configuration. A pod that was
/// decided on is not decided on again before its outcome was told; until then the decision counts as done (a pod that is
/// bound takes its room). A pod that was deleted, or bound by somebody else, is forgotten. An object may be put twice and a
/// change may come late, since over REST each kind lags on its own.
///
/// `examples/custom_scheduler.rs` implements it whole; a plugin for the framework scheduler of `orch-sched` is shorter.
pub trait Scheduler: Send {
    /// The kinds whose changes it wants, pods and nodes among them.
    fn kinds(&self) -> Vec<Kind>;

    /// Takes in a change of one of these kinds.
    fn apply(&mut self, change: &Change);

    /// Decides on at most `max` pods, the most urgent first, and appends the decisions in that order. Nothing appended
    /// means nothing can be decided now.
    fn decide(&mut self, now: Timestamp, max: usize, out: &mut Vec<Decision>);

    /// Tells what became of a decision.
    fn outcome(&mut self, pod: &Key, uid: &str, outcome: Outcome);

    /// When to call [`Scheduler::decide`] again though nothing changes: the end of a backoff, a permit or a timer.
    fn next_wake(&self) -> Option<Timestamp>;

    /// Why a pod is where it is or is nowhere, for one node or for all.
    fn explain(&self, pod: &Key, node: Option<&str>) -> Explanation;

    /// An independent copy: a what-if, at the cost of what differs.
    fn fork(&self) -> Box<dyn Scheduler>;
}

/// What a scheduler decided about one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The pod.
    pub pod: Key,
    /// This very pod, not a later one of that name.
    pub uid: Str,
    /// What is to be done.
    pub verdict: Verdict,
}

/// What is to be done about a pod.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Bind it.
    Bind {
        /// To this node.
        node: Str,
        /// Name and uid of other objects that it rests on, such as the pod's claims: it is refused unless each of these very
        /// objects is still there and does not terminate. Over REST each is a read more.
        rests_on: Vec<(Key, Str)>,
    },
    /// Prepare its claims for the node, then tell; the pod is decided on again when the claims are bound.
    Prepare {
        /// The node that was chosen.
        node: Str,
        /// What its claims need.
        claims: Vec<ClaimStep>,
    },
    /// Delete these pods to make room, and nominate the node; the pod is decided on again when they are gone.
    Preempt {
        /// The node that was chosen.
        node: Str,
        /// Name and uid of each victim.
        victims: Vec<(Key, Str)>,
        /// Why it does not fit now.
        explanation: Explanation,
    },
    /// Leave it: it waits for something that is not a node, such as a gate or a permit.
    Hold {
        /// For people; becomes the message of the condition.
        why: String,
    },
    /// No node fits now.
    Unschedulable {
        /// Counts a reason.
        explanation: Explanation,
    },
}

impl Verdict {
    /// Bind it to this node; nothing else matters.
    ///
    /// ```
    /// use orch_core::scheduler::Verdict;
    /// assert_eq!(Verdict::bind("n1"), Verdict::Bind { node: "n1".into(), rests_on: Vec::new() });
    /// ```
    pub fn bind(node: impl Into<Str>) -> Self {
        Self::Bind { node: node.into(), rests_on: Vec::new() }
    }
}

/// What a claim needs before its pod can be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimStep {
    /// Have a volume made for the node that was chosen.
    Provision {
        /// The claim.
        claim: Key,
        /// This very claim.
        uid: Str,
    },
    /// Bind it to a volume that is there.
    Bind {
        /// The claim.
        claim: Key,
        /// This very claim.
        uid: Str,
        /// The volume.
        volume: Key,
    },
}

/// What became of a decision.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Done.
    Done,
    /// Not done.
    Refused(Error),
    /// Done or not: a change will tell.
    Unknown,
}
