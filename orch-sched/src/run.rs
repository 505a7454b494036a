//! The scheduling loop: feeds a [`Scheduler`], carries its decisions out in batches, tells it what became of them.
//!
//! It decides nothing about pods, and knows no scheduler: any implementation of the trait runs here, in process or against
//! a real Kubernetes cluster. While the writes of one batch are under way the next is decided. Invariants: nothing is
//! decided before the whole initial state is there; every decision's outcome is told; what is under way is bounded.

mod claims;
mod condition;
mod execute;
mod follow;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use orch_core::scheduler::{Outcome, Scheduler};
use orch_core::{Api, Env, Informer, Part, Recorder, Str, Task, User};

use execute::{Executed, Hands, Order};
use follow::Follow;

/// Events taken in before the next decisions: enough to amortise them, few enough that writes that are done do not wait.
const EVENTS: usize = 512;
/// The least time between two looks at the clock's account.
const TICK: Duration = Duration::from_millis(1);

/// How a scheduler is run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// Decisions carried out in one batch of writes, at most.
    pub batch: usize,
    /// Batches under way at once, at most.
    pub pipeline: usize,
    /// Who the Events come from: the name that pods ask for the scheduler by.
    pub component: Str,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { batch: 256, pipeline: 4, component: "default-scheduler".into() }
    }
}

impl RunOptions {
    /// Events come from a scheduler of that name.
    #[must_use]
    pub fn component(mut self, name: impl Into<Str>) -> Self {
        self.component = name.into();
        self
    }
}

/// Runs a scheduler as a task of the environment, until that stops. See [`run`].
pub fn start(api: &Arc<dyn Api>, env: &Env, scheduler: Box<dyn Scheduler>, options: RunOptions) -> Task<()> {
    env.spawn(run(api, env, scheduler, options))
}

/// Runs a scheduler until the future is dropped. It acts as the user `system:kube-scheduler`, and counts as a part at work
/// from the call on, before the future is polled.
///
/// Dropping the future may leave the writes of the batches under way done or not; a scheduler that is started anew finds
/// its way from there.
pub fn run(
    api: &Arc<dyn Api>,
    env: &Env,
    scheduler: Box<dyn Scheduler>,
    options: RunOptions,
) -> impl Future<Output = ()> + Send + use<> {
    let api = api.impersonate(&User::new("system:kube-scheduler"));
    let known = scheduler.kinds().into_iter().filter(|kind| api.registry().get(*kind).is_some()).collect();
    let informer = Informer::of_kinds(&api, env, Some(known));
    let part = env.activity().part();
    part.follows(informer.poker());
    let recorder = Recorder::new(options.component.clone());
    let hands = Hands { api, env: env.clone(), recorder, component: options.component };
    let follow = Follow::new(informer.scopes());
    let (pipeline, batch) = (options.pipeline.max(1), options.batch.max(1));
    let hands = Arc::new(hands);
    let state = Loop { scheduler, hands, env: env.clone(), part, follow, batch, pipeline, pending: 0 };
    state.run(informer)
}

/// What is under way: its answer, and how many things wait for it.
type UnderWay = FuturesUnordered<BoxFuture<'static, (usize, Executed)>>;

struct Loop {
    scheduler: Box<dyn Scheduler>,
    hands: Arc<Hands>,
    env: Env,
    part: Part,
    follow: Follow,
    batch: usize,
    pipeline: usize,
    pending: usize,
}

impl Loop {
    async fn run(mut self, mut informer: Informer) {
        let mut under_way = UnderWay::new();
        loop {
            self.decide(&under_way);
            // What was seen asks for nothing more that is not pending by now.
            self.part.pending(self.pending);
            if let Some(seen) = self.follow.seen() {
                self.part.seen(seen);
            }
            let wait = self.wait(&under_way);
            tokio::select! {
                biased;
                Some((count, executed)) = under_way.next() => {
                    self.pending -= count;
                    self.conclude(executed, &under_way);
                }
                event = informer.next() => {
                    self.follow.take_in(&mut *self.scheduler, &event);
                    for _ in 1..EVENTS {
                        let Some(event) = informer.ready() else { break };
                        self.follow.take_in(&mut *self.scheduler, &event);
                    }
                }
                () = self.env.sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// Decides as far as the pipeline has room.
    fn decide(&mut self, under_way: &UnderWay) {
        while self.follow.seen().is_some() && under_way.len() < self.pipeline {
            let mut decisions = Vec::new();
            self.scheduler.decide(self.env.now(), self.batch, &mut decisions);
            if decisions.is_empty() {
                return;
            }
            let orders: Vec<Order> =
                decisions.into_iter().map(|decision| self.follow.order(decision)).collect();
            let count = orders.len();
            let hands = Arc::clone(&self.hands);
            self.push(under_way, count, Box::pin(async move { (count, hands.execute(orders).await) }));
        }
    }

    fn push(&mut self, under_way: &UnderWay, count: usize, work: BoxFuture<'static, (usize, Executed)>) {
        self.pending += count;
        under_way.push(work);
    }

    /// Tells what became of a batch, and has done what follows from it.
    fn conclude(&mut self, executed: Executed, under_way: &UnderWay) {
        self.part.wrote(executed.wrote);
        for (pod, uid, outcome) in executed.outcomes {
            if let Outcome::Refused(error) = &outcome {
                tracing::debug!(%pod, %error, "decision not carried out");
            }
            self.scheduler.outcome(&pod, &uid, outcome);
        }
        if !executed.events.is_empty() {
            let hands = Arc::clone(&self.hands);
            self.push(under_way, 1, Box::pin(async move { (1, hands.record(executed.events).await) }));
        }
        if !executed.unknown.is_empty() {
            let (hands, count) = (Arc::clone(&self.hands), executed.unknown.len());
            self.push(
                under_way,
                count,
                Box::pin(async move { (count, hands.resolve(executed.unknown).await) }),
            );
        }
    }

    /// How long until the scheduler wants to look again though nothing changes.
    fn wait(&self, under_way: &UnderWay) -> Option<Duration> {
        self.follow.seen()?;
        let wake = self.scheduler.next_wake().filter(|_| under_way.len() < self.pipeline)?;
        Some(Duration::try_from(wake.duration_since(self.env.now())).unwrap_or_default().max(TICK))
    }
}
