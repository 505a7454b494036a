//! The one loop: it runs every controller.
//!
//! Deduplication, exclusion per key, backoff, the concurrency limit, the barrier, events and shutdown live here, once.
//! The loop decides nothing about objects; who wants to look at every plan, gives an [`Inspect`]. Invariants: no two turns of a controller run for one key at a time; no turn
//! begins on a view that lacks the controller's own writes for that key, nor on one that is known to show what is gone; a
//! key that asks for a turn gets one.

mod barrier;
mod queue;
mod turn;

pub use queue::Backoff;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::controller::{Controller, Note, Plan};
use crate::view::{Cache, Needs, View};
use crate::{Api, Change, Env, Event, Informer, Key, Kind, Live, Part, Result, User};
use queue::Queue;

/// Events taken in under one lock: enough to amortise it, few enough that observers wait microseconds.
const BATCH: usize = 512;
/// Turns of one controller under way at once. A turn is one batch of writes; Kubernetes runs 5 workers a controller.
const CONCURRENCY: usize = 16;

/// A [`Controller`] without its `Observed`, as the loop sees it.
pub(crate) trait Decide: Send + Sync {
    fn name(&self) -> &str;
    fn needs(&self) -> Needs;
    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key));
    fn decide(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Plan>;
    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note>;
}

impl<C: Controller> Decide for C {
    fn name(&self) -> &str {
        Controller::name(self)
    }

    fn needs(&self) -> Needs {
        Controller::needs(self)
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        Controller::keys(self, change, view, out);
    }

    fn decide(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Plan> {
        self.observe(key, now, view).map(|observed| self.plan(&observed))
    }

    fn outcome(&self, key: &Key, plan: &Plan, results: &[Result<Live>]) -> Vec<Note> {
        Controller::outcome(self, key, plan, results)
    }
}

/// Looks at every plan before it is carried out, with the view it was made on: audits, checks, metrics. Changes nothing.
///
/// It is asked while the view stands still, so it answers at once; what it counts or keeps is its own.
pub trait Inspect: Send + Sync {
    /// What it looks at besides what the controllers need.
    fn needs(&self) -> Needs {
        Needs::new()
    }

    /// A controller has decided what to do about an object. A plan may be empty.
    fn plan(&self, controller: &str, key: &Key, now: Timestamp, view: &dyn View, plan: &Plan);
}

/// Runs controllers on one shared view.
///
/// Each controller acts as the user `system:serviceaccount:kube-system:NAME`, and is a crash domain of its own under
/// the engine's environment. `examples/custom_controller.rs` shows one at work.
pub struct Engine {
    api: Arc<dyn Api>,
    env: Env,
    controllers: Vec<Arc<dyn Decide>>,
    inspect: Vec<Arc<dyn Inspect>>,
    backoff: Backoff,
    concurrency: usize,
}

impl Engine {
    /// An engine without controllers.
    #[must_use]
    pub fn new(api: Arc<dyn Api>, env: Env) -> Self {
        Self {
            api,
            env,
            controllers: Vec::new(),
            inspect: Vec::new(),
            backoff: Backoff::default(),
            concurrency: CONCURRENCY,
        }
    }

    /// Adds a controller.
    #[must_use]
    pub fn with(mut self, controller: impl Controller) -> Self {
        self.controllers.push(Arc::new(controller));
        self
    }

    /// Has every plan of every controller looked at, by this one besides those given before.
    #[must_use]
    pub fn inspect(mut self, inspect: Arc<dyn Inspect>) -> Self {
        self.inspect.push(inspect);
        self
    }

    /// The names of its controllers, in the order they were added.
    pub fn controllers(&self) -> impl Iterator<Item = &str> {
        self.controllers.iter().map(|controller| controller.name())
    }

    /// The Api that the controllers talk to.
    #[must_use]
    pub fn api(&self) -> &Arc<dyn Api> {
        &self.api
    }

    /// How long a key waits after a failure.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Turns of one controller under way at once; at least one.
    #[must_use]
    pub fn concurrency(mut self, turns: usize) -> Self {
        self.concurrency = turns.max(1);
        self
    }

    /// Starts the controllers as tasks of the environment; they end when it stops.
    pub fn start(self) {
        let needs = self.controllers.iter().map(|controller| controller.needs());
        let looked_at = self.inspect.iter().map(|inspect| inspect.needs());
        let needs = needs.chain(looked_at).fold(Needs::new(), |all, needs| all.and(&needs));
        let view = Arc::new(RwLock::new(Cache::new(&needs)));
        let informer = Informer::new(&self.api, &self.env, &needs);
        let mut lanes = Vec::new();
        for controller in self.controllers {
            let env = self.env.child(controller.name());
            let lane = Arc::new(Lane {
                kinds: controller.needs().kinds(),
                queue: Mutex::new(Queue::new(self.backoff)),
                wake: Notify::new(),
                part: env.activity().part(),
                api: self.api.impersonate(&User::controller(controller.name())),
                poker: informer.poker(),
                view: Arc::clone(&view),
                inspect: self.inspect.clone(),
                controller,
                env,
            });
            lane.part.follows(informer.poker());
            lanes.push(Arc::clone(&lane));
            lane.env.clone().spawn(turn::run(lane, self.concurrency));
        }
        self.env.clone().spawn(feed(informer, view, lanes, self.env));
    }
}

/// One controller at work.
struct Lane {
    controller: Arc<dyn Decide>,
    inspect: Vec<Arc<dyn Inspect>>,
    /// What the controller follows; `None` for every kind.
    kinds: Option<Vec<Kind>>,
    api: Arc<dyn Api>,
    env: Env,
    view: Arc<RwLock<Cache>>,
    queue: Mutex<Queue>,
    wake: Notify,
    part: Part,
    poker: crate::Poker,
}

impl Lane {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follows(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    fn report(&self) {
        self.part.pending(self.queue().pending());
    }
}

/// Takes in what the informer yields and hands out the keys that it concerns.
async fn feed(mut informer: Informer, view: Arc<RwLock<Cache>>, lanes: Vec<Arc<Lane>>, env: Env) {
    let scopes = informer.scopes().to_vec();
    let mut is_synced = false;
    loop {
        let mut batch = vec![informer.next().await];
        while batch.len() < BATCH
            && let Some(event) = informer.ready()
        {
            batch.push(event);
        }
        let (keys, seen) = {
            let mut cache = view.write().unwrap_or_else(PoisonError::into_inner);
            cache.set_now(env.now());
            let keys = take_in(&mut cache, &lanes, &batch);
            // What has been synced stays so.
            is_synced = is_synced || scopes.iter().all(|scope| cache.is_synced(*scope));
            (keys, is_synced.then(|| cache.seen()))
        };
        let Some(seen) = seen else {
            lanes.iter().zip(keys).for_each(|(lane, keys)| lane.queue().add_all(keys));
            continue;
        };
        let least = seen.least();
        for (lane, keys) in lanes.iter().zip(keys) {
            let (pending, is_ready) = {
                let mut queue = lane.queue();
                queue.add_all(keys);
                queue.unpark(&|kind| seen.of(kind));
                queue.open();
                (queue.pending(), queue.is_ready())
            };
            lane.part.pending(pending);
            lane.part.seen(least);
            if is_ready {
                lane.wake.notify_one();
            }
        }
    }
}

/// Applies a batch; answers each lane's keys.
fn take_in(cache: &mut Cache, lanes: &[Arc<Lane>], batch: &[(Option<Kind>, Event)]) -> Vec<Vec<Key>> {
    let mut keys: Vec<Vec<Key>> = lanes.iter().map(|_| Vec::new()).collect();
    for (scope, event) in batch {
        cache.apply(*scope, event);
        let Event::Changed(change) = event else { continue };
        let kind = change.key().kind;
        for (lane, keys) in lanes.iter().zip(&mut keys).filter(|(lane, _)| lane.follows(kind)) {
            // Changes in a row often concern one owner.
            lane.controller.keys(change, &*cache, &mut |key| {
                if keys.last() != Some(&key) {
                    keys.push(key);
                }
            });
        }
    }
    keys
}
