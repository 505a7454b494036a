//! The environment that a part is given: clock, randomness, tasks, and the domain in which it crashes.
//!
//! No crate reads a clock, sleeps, draws randomness or spawns in any other way. Invariants: one seed, one trace; a
//! child's draws depend on its name and the root's seed alone; every task is awaited by [`Env::shutdown`]; after a crash
//! no future of the part is polled again.

mod activity;
mod random;
mod task;

pub use activity::{Activity, Part};
pub use task::Task;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Str;

/// Clock, randomness and tasks of one part. Cloning copies a pointer; [`Env::child`] makes a part's own.
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::time::Duration;
/// let draws = |seed| orch_core::sim::run(seed, |env| async move {
///     let before = env.now();
///     env.sleep(Duration::from_secs(3600)).await;
///     assert_eq!(env.now().duration_since(before).as_secs(), 3600);
///     env.child("agent").below(1_000_000)
/// });
/// assert_eq!(draws(7), draws(7));
/// assert_ne!(draws(7), draws(8));
/// # }
/// ```
#[derive(Clone)]
pub struct Env(Arc<Inner>);

struct Inner {
    path: Str,
    seed: u64,
    clock: Clock,
    skew: SignedDuration,
    random: Mutex<StdRng>,
    edges: bool,
    stop: CancellationToken,
    /// Those of its children too.
    tasks: TaskTracker,
    parent: Option<Env>,
    activity: Activity,
}

/// Wall time is the time since `began`, added to `epoch`: virtual when tokio's clock is paused.
#[derive(Clone, Copy)]
struct Clock {
    epoch: Timestamp,
    began: Instant,
    virtual_time: bool,
}

impl Env {
    /// The real clock, seeded by the operating system.
    #[must_use]
    pub fn real() -> Self {
        Self::seeded(random::from_system())
    }

    /// The real clock with a seed: names and uids repeat, times do not.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where clocks are read")]
    pub fn seeded(seed: u64) -> Self {
        let clock = Clock { epoch: Timestamp::now(), began: Instant::now(), virtual_time: false };
        Self::root(seed, clock, false)
    }

    /// Virtual time from 2026-01-01 on: for a runtime whose clock is paused, as in [`sim::run`](crate::sim::run).
    /// Edge calls yield as the seed says.
    #[cfg(feature = "sim")]
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where clocks are read")]
    pub fn simulated(seed: u64) -> Self {
        let epoch = Timestamp::constant(1_767_225_600, 0);
        Self::root(seed, Clock { epoch, began: Instant::now(), virtual_time: true }, true)
    }

    fn root(seed: u64, clock: Clock, edges: bool) -> Self {
        Self(Arc::new(Inner {
            path: Str::default(),
            seed,
            clock,
            skew: SignedDuration::ZERO,
            random: Mutex::new(random::stream(seed, "")),
            edges,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            parent: None,
            activity: Activity::default(),
        }))
    }

    /// The environment of a part: its own random stream and crash domain, the same clock. When this environment stops,
    /// so does the child.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        self.skewed_child(name, SignedDuration::ZERO)
    }

    /// A child whose wall clock goes wrong by `skew`.
    #[must_use]
    pub fn skewed_child(&self, name: &str, skew: SignedDuration) -> Self {
        let path: Str = format!("{}/{name}", self.0.path).into();
        Self(Arc::new(Inner {
            random: Mutex::new(random::stream(self.0.seed, &path)),
            path,
            seed: self.0.seed,
            clock: self.0.clock,
            skew: self.0.skew + skew,
            edges: self.0.edges,
            stop: self.0.stop.child_token(),
            tasks: TaskTracker::new(),
            parent: Some(self.clone()),
            activity: self.0.activity.clone(),
        }))
    }

    /// Where this environment stands under the root, for example `/agent/n1`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether time is virtual: then no real socket and no real delay may be waited for.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.0.clock.virtual_time
    }

    /// Wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.epoch.checked_add(self.elapsed()).map_or(Timestamp::MAX, |now| now + self.0.skew)
    }

    /// Time since the root was made; never goes back, has no skew.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.clock.began.elapsed()
    }

    /// Waits.
    #[expect(clippy::disallowed_methods, reason = "the one place where time is waited for")]
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until [`Env::elapsed`] says so.
    #[expect(clippy::disallowed_methods, reason = "the one place where time is waited for")]
    pub async fn sleep_until(&self, elapsed: Duration) {
        tokio::time::sleep_until(self.0.clock.began + elapsed).await;
    }

    /// The future's answer, or `None` when it takes longer.
    #[expect(clippy::disallowed_methods, reason = "the one place where time is waited for")]
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }

    /// A random number.
    #[must_use]
    pub fn draw(&self) -> u64 {
        random::draw(&mut self.random())
    }

    /// A random number below `bound`; 0 when the bound is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        random::below(&mut self.random(), bound)
    }

    /// A random number in [0, 1).
    #[must_use]
    pub fn fraction(&self) -> f64 {
        random::fraction(&mut self.random())
    }

    /// A version 4 UUID, as in `metadata.uid`.
    #[must_use]
    pub fn uuid(&self) -> Str {
        random::uuid(&mut self.random())
    }

    /// Five characters of the alphabet that Kubernetes uses for generated names
    /// (`apimachinery/pkg/util/rand/rand.go`).
    #[must_use]
    pub fn name_suffix(&self) -> String {
        random::name_suffix(&mut self.random(), 5)
    }

    fn random(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.0.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a future as a task of this part. The task ends when the future does or the environment stops: then the future
    /// is dropped at the point where it waits. Dropping the [`Task`] does not end it.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let ancestors = std::iter::successors(Some(self), |env| env.0.parent.as_ref());
        let tokens = ancestors.map(|env| env.0.tasks.token()).collect();
        task::spawn(tokens, self.0.stop.clone(), future)
    }

    /// Who is at work in the whole tree of this environment.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// A point where other parts may come first: every call to an edge passes one. Does nothing outside simulations; there
    /// the seed decides.
    pub async fn edge(&self) {
        if self.0.edges && self.below(4) == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Ends every task of this part and its children at the point where it waits, as a crash would. One that was woken
    /// before has no turn any more. A task that is at work right now, perhaps the one that calls this, ends when it waits
    /// next; [`Env::while_running`] is such a wait.
    pub fn crash(&self) {
        self.0.stop.cancel();
    }

    /// Completes at once while the environment runs, and never once it has stopped: where a part passes this, it does not
    /// get any further after a crash, not even in a turn that was under way.
    pub async fn while_running(&self) {
        if self.is_stopped() {
            std::future::pending().await
        }
    }

    /// Waits until no task of this part and its children is left, and what they held is given back. After [`Env::crash`].
    pub async fn ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Completes when the environment stops.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Whether the environment has stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Ends this part and its children and waits until no task of them is left. On the root it comes last.
    pub async fn shutdown(&self) {
        self.crash();
        self.ended().await;
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({:?}, seed {})", self.0.path, self.0.seed)
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
