//! What an invariant is: it sees everything that happens, and says when a promise is broken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::controller::Plan;
use orch_core::runtime::ContainerId;
use orch_core::scheduler::{Decision, Outcome};
use orch_core::view::{Needs, View};
use orch_core::{Change, Key, Str};

use super::Truth;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Faults strike and users act: safety must hold.
    Faults,
    /// No more faults, users have put right what they broke: the cluster must converge.
    Healing,
    /// It has converged: nothing may be written any more but heartbeats and the like.
    Quiet,
}

/// What an invariant may look at besides what happens.
#[non_exhaustive]
pub struct World<'a> {
    /// The state of the store; a change that happens is in it already.
    pub truth: &'a Truth,
    /// Virtual time since the beginning.
    pub at: Duration,
    /// The same as wall time, without any part's skew.
    pub now: Timestamp,
    /// Where the run is.
    pub phase: Phase,
    /// When the phase began.
    pub since: Duration,
    /// Nodes whose machine is down.
    pub down: &'a std::collections::BTreeSet<Str>,
    /// Nodes that do not reach the Api.
    pub cut: &'a std::collections::BTreeSet<Str>,
    /// The longest that a view may be late by the faults of this run, retries and back-off of watches included.
    pub patience: Duration,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Running {
    /// The node.
    pub node: Str,
    /// The pod.
    pub pod: Key,
    /// This very pod.
    pub uid: Str,
    /// Its name in the pod.
    pub container: Str,
    /// Its id.
    pub id: ContainerId,
}

/// Something that happened.
#[non_exhaustive]
pub enum Happening<'a> {
    /// A write of the store. The change has the states before and after.
    Changed {
        /// Who asked for it: `user`, a controller's name, `scheduler`, `node/NAME`; `fault` when a fault wrote, and
        /// `bootstrap`.
        actor: &'a str,
        /// What was written.
        change: &'a Arc<Change>,
    },
    /// A controller has made a plan, on that view, and is about to carry it out.
    Planned {
        /// Its name.
        controller: &'a str,
        /// What the plan is about.
        key: &'a Key,
        /// What the controller knew; the projections of [`Invariant::needs`] are in it.
        view: &'a dyn View,
        /// What it is going to do.
        plan: &'a Plan,
    },
    /// The scheduler was told of a change.
    Told {
        /// As it was told, perhaps late.
        change: &'a Change,
    },
    /// The scheduler (anew since then, when it forgot everything) has decided.
    Decided {
        /// What.
        decision: &'a Decision,
    },
    /// The scheduler was told what became of a decision.
    Concluded {
        /// The pod.
        pod: &'a Key,
        /// This very pod.
        uid: &'a str,
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// The scheduler has started: it knows nothing.
    SchedulerStarted,
    /// The agent of a node has started: it knows what its runtime has, and what it reads from now on.
    AgentStarted {
        /// The node.
        node: &'a str,
    },
    /// A container was started.
    Started {
        /// Which.
        container: &'a Running,
        /// Every container that runs on any node that is up, this one included, in order.
        running: &'a [Running],
    },
    /// Something that a user or a fault did, in words.
    Noted {
        /// What.
        what: &'a str,
    },
}

/// A promise. It sees everything that happens, in order, and answers an error when the promise is broken: a sentence that
/// names the objects.
///
/// ```
/// use orch::chaos::{Happening, Invariant, World};
/// /// No namespace is ever called `forbidden`.
/// struct NoForbidden;
/// impl Invariant for NoForbidden {
///     fn name(&self) -> &str { "no-forbidden" }
///     fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
///         match what {
///             Happening::Changed { change, .. } if &*change.key().name == "forbidden" => Err(format!("{} is there", change.key())),
///             _ => Ok(()),
///         }
///     }
/// }
/// assert_eq!(NoForbidden.name(), "no-forbidden");
/// ```
pub trait Invariant: Send {
    /// Its name, for reports.
    fn name(&self) -> &str;

    /// What it needs in the views of controllers, to look at their plans.
    fn needs(&self) -> Needs {
        Needs::new()
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// The promise is broken, and how.
    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String>;

    /// Whether the promise is kept now that nothing goes wrong any more. Asked again and again while the cluster heals,
    /// until it is or patience ends.
    ///
    /// # Errors
    /// What is not as it should be.
    fn settled(&mut self, _world: &World<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of which invariant.
    pub invariant: String,
    /// When, in virtual time.
    pub at: Duration,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.6}s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
