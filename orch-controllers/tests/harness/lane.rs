//! One controller at work: its view fed late, its queue, its barrier.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::view::{Cache, Needs, View};
use orch_core::{Api, Change, ConflictCause, Error, Event, Key, Kind, Live, Result, Revision, Select, Watch};

/// A [`Controller`] without its `Observed`.
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

/// How a controller is made: again after each crash.
pub(crate) type Make = fn() -> Box<dyn Decide>;

/// Events of one kind (or of all kinds together) on their way.
struct Feed {
    scope: Option<Kind>,
    watch: Watch,
    pending: VecDeque<Event>,
}

/// A controller and what it has seen.
pub(crate) struct Lane {
    make: Make,
    pub(crate) controller: Box<dyn Decide>,
    cache: Cache,
    feeds: Vec<Feed>,
    pub(crate) queue: BTreeSet<Key>,
    barrier: BTreeMap<(Key, Kind), Revision>,
    pub(crate) timers: BTreeMap<Key, Timestamp>,
    /// What has been delivered, to build the view again in another order.
    known: BTreeMap<Key, (Option<Kind>, Live)>,
}

impl Lane {
    /// Starts, or starts again after a crash: nothing is remembered, everything is listed afresh.
    pub(crate) async fn start(make: Make, api: &dyn Api) -> Self {
        let controller = make();
        let needs = controller.needs();
        let scopes = needs.kinds().map_or_else(|| vec![None], |kinds| kinds.into_iter().map(Some).collect());
        let mut feeds = Vec::new();
        for scope in scopes {
            let select = scope.map_or_else(Select::default, Select::kind);
            let watch = api.watch(&select, None).await.unwrap();
            feeds.push(Feed { scope, watch, pending: VecDeque::new() });
        }
        let cache = Cache::new(&needs);
        let (queue, barrier, timers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { make, controller, cache, feeds, queue, barrier, timers, known: BTreeMap::new() }
    }

    pub(crate) async fn crash(&mut self, api: &dyn Api) {
        *self = Self::start(self.make, api).await;
    }

    /// Takes what the store has yielded by now, without delivering it.
    fn collect(&mut self, at: Revision) {
        for feed in &mut self.feeds {
            while let Some(Some(event)) = feed.watch.next().now_or_never() {
                feed.pending.push_back(event.unwrap());
            }
            // All up to the revision that was current before has been yielded.
            feed.pending.push_back(Event::Progress(at));
        }
    }

    /// Delivers some events of one feed.
    pub(crate) fn deliver(&mut self, feed: usize, events: usize, at: Revision, now: Timestamp) {
        self.collect(at);
        let feed = feed % self.feeds.len();
        let scope = self.feeds[feed].scope;
        self.cache.set_now(now);
        for _ in 0..events {
            let Some(event) = self.feeds[feed].pending.pop_front() else { break };
            self.cache.apply(scope, &event);
            let Event::Changed(change) = event else { continue };
            match &change.now {
                Some(live) => _ = self.known.insert(live.key().clone(), (scope, live.clone())),
                None => _ = self.known.remove(change.key()),
            }
            let queue = &mut self.queue;
            self.controller.keys(&change, &self.cache, &mut |key| _ = queue.insert(key));
        }
    }

    /// Delivers everything.
    pub(crate) fn deliver_all(&mut self, at: Revision, now: Timestamp) {
        for feed in 0..self.feeds.len() {
            self.deliver(feed, usize::MAX, at, now);
        }
    }

    /// Whether the view is complete and shows the controller's own writes for a key.
    pub(crate) fn may_turn(&self, key: &Key) -> bool {
        let synced = self.feeds.iter().all(|feed| self.cache.is_synced(feed.scope));
        let mut barriers = self.barrier.iter().filter(|((owner, _), _)| owner == key);
        synced && barriers.all(|((_, kind), revision)| self.cache.revision(*kind) >= *revision)
    }

    /// Decides about a key, and holds that the order in which facts came does not matter.
    pub(crate) fn decide(&self, key: &Key, now: Timestamp, remembers: bool) -> Option<Plan> {
        let plan = self.controller.decide(key, now, &self.cache);
        if !remembers {
            let again = self.controller.decide(key, now, &self.rebuilt(now));
            assert_eq!(plan, again, "{}: the order of facts matters for {key}", self.controller.name());
        }
        plan
    }

    fn rebuilt(&self, now: Timestamp) -> Cache {
        let mut cache = Cache::new(&self.controller.needs());
        cache.set_now(now);
        for (scope, live) in self.known.values().rev() {
            let change = Change::new(live.revision(), Some(live.clone()), None);
            cache.apply(*scope, &Event::Changed(Arc::new(change)));
        }
        let seen = self.cache.seen();
        for feed in &self.feeds {
            cache.apply(feed.scope, &Event::Progress(seen.of_feed(feed.scope)));
        }
        cache
    }

    /// Draws the consequences of a turn, as the loop of `orch-core` does.
    pub(crate) fn finish(&mut self, key: &Key, plan: &Plan, results: &[Result<Live>], now: Timestamp) {
        self.controller.outcome(key, plan, results);
        for (write, result) in plan.writes.iter().zip(results) {
            let kind = write.key.kind;
            match result {
                Ok(live) => self.raise(key, kind, live.revision()),
                Err(error) => {
                    if let Error::Conflict { cause: ConflictCause::Revision { actual, .. }, .. } = error {
                        self.raise(key, kind, *actual);
                    }
                    self.queue.insert(key.clone());
                }
            }
        }
        for (kind, revision) in &plan.when_seen {
            self.raise(key, *kind, *revision);
            self.queue.insert(key.clone());
        }
        if let Some(after) = plan.again_after {
            self.timers.insert(key.clone(), now.checked_add(after).unwrap_or(Timestamp::MAX));
        }
    }

    fn raise(&mut self, key: &Key, kind: Kind, revision: Revision) {
        if self.controller.needs().includes(kind) {
            let barrier = self.barrier.entry((key.clone(), kind)).or_default();
            *barrier = (*barrier).max(revision);
        }
    }

    /// Moves keys whose time has come to the queue.
    pub(crate) fn fire(&mut self, now: Timestamp) {
        let due: Vec<Key> =
            self.timers.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.timers.remove(&key);
            self.queue.insert(key);
        }
    }
}
