//! Chaos: a whole cluster in virtual time, driven through faults under one seed, with every promise checked at every step.
//!
//! What can go wrong goes wrong: parts crash between any two writes and start again, answers are lost, views lag (each kind
//! on its own, as over REST), machines die and come back, nodes are cut off, containers end and hang, and users change and
//! delete things meanwhile. Then everything heals, and the cluster must converge and be quiet. A cluster, workload, faults
//! and invariants of your own go through the same mill:
//!
//! ```
//! use std::time::Duration;
//! use orch::chaos::{Chaos, Mix};
//! let chaos = Chaos::new().nodes(3).span(Duration::from_secs(20)).mix(Mix::none());
//! let report = chaos.run(7);
//! assert!(report.is_ok(), "{report}");
//! assert_eq!(report.trace, chaos.run(7).trace, "one seed, one trace");
//! assert_ne!(report.trace, chaos.run(8).trace);
//! ```
//!
//! A failure is replayed by its seed ([`Chaos::run`]), read as a trace ([`RunOptions::lines`]) and made small
//! ([`Chaos::shrink`]). Not here: real sockets, processes and disks; nothing here waits for anything but virtual time.

mod fault;
mod hub;
mod invariant;
pub mod invariants;
mod layer;
#[cfg(all(feature = "remote", feature = "rest"))]
mod line;
mod panics;
mod reach;
mod record;
mod report;
mod run;
mod setup;
mod shop;
mod shrink;
mod timeline;
mod town;
mod trace;
mod truth;
mod user;
mod watched;
mod watchers;
mod workload;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use orch_core::Env;

use crate::ClusterBuilder;

use reach::Access;

pub use fault::{Fault, Mix, Trouble};
pub use invariant::{Happening, Invariant, Phase, Running, Violation, World};
pub use report::Report;
pub use shop::Shop;
pub use trace::{Keep, TraceHash};
pub use truth::Truth;
pub use workload::{Step, Workload};

type Compose = Arc<dyn Fn(&Env) -> ClusterBuilder + Send + Sync>;
type MakeWorkload = Arc<dyn Fn() -> Box<dyn Workload> + Send + Sync>;
type MakeInvariant = Arc<dyn Fn() -> Box<dyn Invariant> + Send + Sync>;

/// Runs that a shrink makes at most: a minute or so.
const SHRINK_RUNS: usize = 400;

/// What is driven through faults, and how. Cloning copies pointers; it can be used from many threads at once.
#[derive(Clone)]
pub struct Chaos {
    compose: Compose,
    workload: MakeWorkload,
    invariants: Vec<MakeInvariant>,
    standard: bool,
    mix: Mix,
    span: Duration,
    patience: Duration,
    access: Access,
}

impl Default for Chaos {
    fn default() -> Self {
        Self::new()
    }
}

impl Chaos {
    /// Ten nodes with the simulated runtime, the default workload ([`Shop`]) at a size that the seed draws, the default faults, every
    /// standard invariant, a virtual minute.
    #[must_use]
    pub fn new() -> Self {
        Self {
            compose: town::compose(10),
            workload: Arc::new(|| Box::new(Shop::default())),
            invariants: Vec::new(),
            standard: true,
            mix: Mix::default(),
            span: Duration::from_secs(60),
            patience: Duration::from_secs(1800),
            access: Access::Call,
        }
    }

    /// So many nodes, `n0` and so on, with the simulated runtime.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.compose = town::compose(nodes);
        self
    }

    /// A cluster of the user's own. Environment, store, registry and the layers are set by the harness; what differs between
    /// seeds is drawn from the environment given.
    #[must_use]
    pub fn cluster(mut self, compose: impl Fn(&Env) -> ClusterBuilder + Send + Sync + 'static) -> Self {
        self.compose = Arc::new(compose);
        self
    }

    /// What users do in each run.
    #[must_use]
    pub fn workload<W: Workload + 'static>(mut self, make: impl Fn() -> W + Send + Sync + 'static) -> Self {
        self.workload = Arc::new(move || Box::new(make()));
        self
    }

    /// One more promise, made anew for each run.
    #[must_use]
    pub fn invariant<I: Invariant + 'static>(mut self, make: impl Fn() -> I + Send + Sync + 'static) -> Self {
        self.invariants.push(Arc::new(move || Box::new(make())));
        self
    }

    /// Only the invariants given by [`Chaos::invariant`], not those of [`invariants`].
    #[must_use]
    pub fn only_given_invariants(mut self) -> Self {
        self.standard = false;
        self
    }

    /// How much goes wrong.
    #[must_use]
    pub fn mix(mut self, mix: Mix) -> Self {
        self.mix = mix;
        self
    }

    /// How long faults strike and users act.
    #[must_use]
    pub fn span(mut self, span: Duration) -> Self {
        self.span = span;
        self
    }

    /// How long the cluster may take to converge once nothing goes wrong any more; by default 30 minutes: twice the longest
    /// back-off, and the tolerations of pods.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Everybody reaches the Api by its REST API: users, scheduler, controllers, agents and proxy each have a remote Api
    /// ([`RemoteApi`](orch_api::remote::RemoteApi)), whose requests go to the server without a socket, over a line that can be bad,
    /// too ([`Mix::line`]). The same seed has another trace then; all promises are the same.
    ///
    /// ```
    /// use std::time::Duration;
    /// use orch::chaos::Chaos;
    /// let chaos = Chaos::new().nodes(3).span(Duration::from_secs(10)).over_rest();
    /// let report = chaos.run(7);
    /// assert!(report.is_ok(), "{report}");
    /// assert_eq!(report.trace, chaos.run(7).trace, "one seed, one trace");
    /// ```
    #[cfg(all(feature = "remote", feature = "rest"))]
    #[must_use]
    pub fn over_rest(mut self) -> Self {
        self.access = Access::Rest;
        self
    }

    /// Runs a seed.
    #[must_use]
    pub fn run(&self, seed: u64) -> Report {
        self.run_with(seed, &RunOptions::default())
    }

    /// Runs a seed, with parts of it left out or its trace kept.
    #[must_use]
    pub fn run_with(&self, seed: u64, options: &RunOptions) -> Report {
        let body =
            || orch_core::sim::run(seed, |env| async move { run::run(self, seed, env, options).await });
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Report::broken(seed, "panic", text.unwrap_or_default())
        })
    }

    /// Looks for the fewest faults and steps with which a seed still breaks the same promise; `None` when it breaks none.
    /// Answers their numbers and the report of the run with them.
    #[must_use]
    pub fn shrink(&self, seed: u64) -> Option<(BTreeSet<usize>, Report)> {
        let first = self.run(seed);
        let broken = first.violation?.invariant;
        let with = |kept: &BTreeSet<usize>| self.run_with(seed, &RunOptions::default().only(kept.clone()));
        let fails =
            |kept: &BTreeSet<usize>| with(kept).violation.is_some_and(|found| found.invariant == broken);
        let kept = shrink::shrink(first.timeline.len(), SHRINK_RUNS, fails);
        let report = self.run_with(seed, &RunOptions::default().only(kept.clone()).lines());
        Some((kept, report))
    }

    fn compose(&self, env: &Env) -> ClusterBuilder {
        (self.compose)(env)
    }

    fn make_workload(&self) -> Box<dyn Workload> {
        (self.workload)()
    }

    fn make_invariants(&self) -> Vec<Box<dyn Invariant>> {
        let standard = if self.standard { invariants::all() } else { Vec::new() };
        standard.into_iter().chain(self.invariants.iter().map(|make| make())).collect()
    }
}

/// How a seed is run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// Only these items of the timeline; `None` means all.
    pub only: Option<BTreeSet<usize>>,
    /// What is kept of the trace.
    pub trace: Keep,
}

impl RunOptions {
    /// Only these items of the timeline, by their numbers.
    #[must_use]
    pub fn only(mut self, items: BTreeSet<usize>) -> Self {
        self.only = Some(items);
        self
    }

    /// With the lines of the trace.
    #[must_use]
    pub fn lines(mut self) -> Self {
        self.trace = Keep::Lines;
        self
    }

    fn keeps(&self, number: usize) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&number))
    }
}
