//! One run: start, faults and users for a while, then heal, converge, and be quiet.
//!
//! Everything that goes wrong comes from the timeline, so that a run without some of its items is a run too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orch_core::view::Needs;
use orch_core::{Api, Env, Key, Registry, Select, Str};
use orch_store::{Faults, Faulty, MemStore};

use super::fault::{Fault, Trouble};
use super::hub::Hub;
use super::layer::Layer;
use super::panics::Catch;
use super::reach::Reach;
use super::record::Recorded;
use super::setup::Setup;
use super::timeline::{Item, Timeline};
use super::user;
use super::watchers::{Plans, Watched, WatchedRuntime, all_running};
use super::{Chaos, Phase, Report, RunOptions, Workload};
use crate::{Cluster, Part};

/// How long an armed crash waits for the part to write.
const ARMED: Duration = Duration::from_secs(20);
/// How long it must stay quiet.
const QUIET: Duration = Duration::from_secs(30);
/// How long it must have converged before it must be quiet: longer than a container takes to be ready.
const CALM: Duration = Duration::from_secs(6);
/// Between two repairs by users while the cluster heals, and how many there are.
const REPAIR: (Duration, u32) = (Duration::from_secs(60), 5);
/// First and longest wait between two looks at whether it has converged.
const LOOK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

/// A run under way.
pub(super) struct Run {
    env: Env,
    /// Of faults and users: ends when the cluster is to heal.
    troubles: Env,
    hub: Hub,
    store: Faulty<Recorded<MemStore>>,
    reach: Reach,
    cluster: Cluster,
    /// The Api as users have it.
    users: Arc<dyn Api>,
    bad_store: Bad,
    bad_line: Bad,
}

/// What is wrong with something, by the numbers of the faults.
type Bad = Arc<Mutex<BTreeMap<usize, Faults>>>;

/// Runs a seed to its end, or to the first promise that is broken.
pub(super) async fn run(chaos: &Chaos, seed: u64, env: Env, options: &RunOptions) -> Report {
    let catch = Catch::begin();
    let mut workload = chaos.make_workload();
    let (run, timeline) = match Run::start(chaos, &env, &mut *workload, options).await {
        Ok(started) => started,
        Err(error) => return Report::not_started(seed, &error),
    };
    let drive = async {
        run.trouble(&timeline, options, chaos.span).await;
        run.heal(&mut *workload).await;
        if run.converge(chaos, &mut *workload, &catch).await {
            run.be_quiet().await;
            run.end().await;
        }
    };
    tokio::select! {
        biased;
        () = run.hub.broken() => {}
        () = drive => {}
    }
    if let Some(panic) = catch.first() {
        run.hub.fail("panic", panic);
    }
    let report = Report::of(seed, &run.hub, run.env.elapsed(), &timeline, run.reach.requests());
    // Shutting down waits for tasks; after a broken promise nobody cares how.
    let shutdown = run.cluster.shutdown();
    let ended = env.timeout(Duration::from_secs(60), shutdown).await;
    run.hub.release();
    report.ended(ended.is_some())
}

impl Run {
    async fn start(
        chaos: &Chaos,
        env: &Env,
        workload: &mut dyn Workload,
        options: &RunOptions,
    ) -> Result<(Self, Timeline), crate::Error> {
        let setup = Setup::draw(&env.child("setup"));
        let invariants = chaos.make_invariants();
        let needs = invariants.iter().fold(Needs::new(), |needs, invariant| needs.and(&invariant.needs()));
        let hub = Hub::new(env, invariants, options.trace, chaos.access);
        let registry = Arc::new(Registry::built_in());
        let recorded = Recorded::new(MemStore::new(Arc::clone(&registry)), hub.clone());
        let quiet = if setup.per_kind { Faults::quiet().per_kind() } else { Faults::quiet() };
        let store = Faulty::new(Arc::new(recorded), env.child("store"), quiet);
        let reach = Reach::new(chaos.access, env, &registry);
        let (layer, scheduler, runtimes) = (hub.clone(), hub.clone(), hub.clone());
        let by = reach.clone();
        let isolated = setup.isolated;
        let mut builder = chaos
            .compose(&env.child("compose"))
            .env(env.clone())
            .registry(registry)
            .store(store.clone())
            .parts_through(move |api| Arc::new(Layer::new(by.to(api), layer, isolated)))
            .scheduler_through(move |inner| Box::new(Watched::start(inner, scheduler.clone())))
            .runtimes_through(move |node, inner| Arc::new(WatchedRuntime::new(inner, runtimes.clone(), node)))
            .inspect(Arc::new(Plans { hub: hub.clone(), needs }));
        if isolated {
            builder = builder.isolate_controllers();
        }
        if let Some(skew) = setup.skew(env) {
            builder = builder.skew(skew);
        }
        let cluster = builder.start().await?;
        hub.attach(cluster.clone());
        let timeline = Timeline::draw(env, chaos, &cluster.parts(), workload);
        hub.set_patience(timeline.patience());
        let run = Self {
            env: env.clone(),
            troubles: env.child("troubles"),
            hub,
            store,
            users: reach.to(cluster.api()),
            reach,
            cluster,
            bad_store: Bad::default(),
            bad_line: Bad::default(),
        };
        Ok((run, timeline))
    }

    /// Faults strike and users act, at their times.
    async fn trouble(&self, timeline: &Timeline, options: &RunOptions, span: Duration) {
        for (number, item) in timeline.items().iter().enumerate() {
            if !options.keeps(number) {
                continue;
            }
            self.env.sleep_until(item.at()).await;
            match item {
                Item::Fault(fault) => self.strike(number, fault),
                Item::Step(step) => {
                    let (hub, api, step) = (self.hub.clone(), Arc::clone(&self.users), step.clone());
                    self.env.spawn(async move { user::act(&hub, &*api, &step).await });
                }
            }
        }
        self.env.sleep_until(span).await;
    }

    fn strike(&self, number: usize, fault: &Fault) {
        self.hub.note("fault", &fault.to_string());
        let (hub, cluster, env) = (self.hub.clone(), self.cluster.clone(), self.troubles.clone());
        let lasts = fault.lasts;
        match fault.what.clone() {
            Trouble::Crash { part, writes } => {
                self.troubles.spawn(async move { crash(&hub, &cluster, &env, &part, writes, lasts).await });
            }
            Trouble::Cut { actor } => {
                hub.sever(&actor, true);
                self.troubles.spawn(async move {
                    env.sleep(lasts).await;
                    hub.note("chaos", &format!("{actor} is connected again"));
                    hub.sever(&actor, false);
                });
            }
            Trouble::Store(faults) => {
                let (store, bad) = (self.store.clone(), Arc::clone(&self.bad_store));
                self.spoil(number, *faults, lasts, bad, move |faults| store.set(faults));
            }
            Trouble::Line(faults) => {
                let (reach, bad) = (self.reach.clone(), Arc::clone(&self.bad_line));
                self.spoil(number, *faults, lasts, bad, move |faults| reach.set(faults));
            }
            Trouble::ContainerExits { nth, code } => {
                self.troubles.spawn(async move { exit(&hub, &cluster, nth, code).await });
            }
            Trouble::ContainerHangs { nth } => {
                self.troubles.spawn(async move { hang(&hub, &cluster, &env, nth, lasts).await });
            }
            Trouble::Runtime { node, chance } => {
                self.troubles.spawn(async move { bad_runtime(&cluster, &env, &node, chance, lasts).await });
            }
        }
    }

    /// Something is bad for a while.
    fn spoil(
        &self,
        number: usize,
        faults: Faults,
        lasts: Duration,
        bad: Bad,
        set: impl Fn(Faults) + Send + 'static,
    ) {
        set(worst(&bad, number, Some(faults)));
        let env = self.troubles.clone();
        self.troubles.spawn(async move {
            env.sleep(lasts).await;
            set(worst(&bad, number, None));
        });
    }

    /// No more faults; users put right what they broke.
    async fn heal(&self, workload: &mut dyn Workload) {
        self.troubles.crash();
        self.hub.enter(Phase::Healing);
        self.store.heal();
        self.reach.set(Faults::quiet());
        self.hub.mend();
        // Machines first: an agent comes up with its machine.
        let mut parts = self.cluster.parts();
        parts.sort_by_key(|part| !matches!(part, Part::Node(_)));
        for part in parts {
            restart(&self.hub, &self.cluster, &part);
        }
        for node in self.cluster.parts() {
            if let Part::Node(name) = &node
                && let Some(simulated) = self.cluster.simulated(name)
            {
                simulated.heal();
            }
        }
        self.repair(workload).await;
    }

    /// Users put right what is to be put right; answers one thing that was.
    async fn repair(&self, workload: &mut dyn Workload) -> Option<Key> {
        let writes = self.hub.with_truth(|truth| workload.repair(truth));
        let one = writes.first().map(|write| write.key.clone());
        user::write_all(&self.hub, &*self.users, "repairs", writes).await;
        one
    }

    /// Waits until every promise about the end is kept; says whether that came in time.
    async fn converge(&self, chaos: &Chaos, workload: &mut dyn Workload, catch: &Catch) -> bool {
        let began = self.env.elapsed();
        let (mut wait, mut repairs, mut calm) = (LOOK.0, 1, Duration::ZERO);
        loop {
            self.env.sleep(wait).await;
            if let Some(panic) = catch.first() {
                self.hub.fail("panic", panic);
                return false;
            }
            let mut missing = self.hub.unsettled();
            let wanted = self.hub.with_truth(|truth| workload.satisfied(truth));
            missing.extend(wanted.err().map(|what| ("workload".to_owned(), what)));
            if missing.is_empty() {
                // What a repair made anew, and what came in between, may break later: quiet needs a repair that finds nothing.
                match self.repair(workload).await {
                    // Probes may fail a few times though nothing is wrong: of a container that lives and is not ready yet.
                    None if calm >= CALM => return true,
                    None => {
                        calm += wait;
                        continue;
                    }
                    Some(key) => {
                        missing.push(("workload".to_owned(), format!("{key} was still to be put right")))
                    }
                }
            }
            calm = Duration::ZERO;
            let took = self.env.elapsed() - began;
            if took > chaos.patience {
                let what: Vec<String> =
                    missing.iter().map(|(name, what)| format!("{name}: {what}")).collect();
                self.hub.fail("convergence", format!("after {took:?}: {}", what.join("; ")));
                return false;
            }
            if repairs < REPAIR.1 && took > REPAIR.0 * repairs {
                repairs += 1;
                self.repair(workload).await;
            }
            wait = (wait * 3 / 2).min(LOOK.1);
        }
    }

    /// Nothing more is to be written.
    async fn be_quiet(&self) {
        self.hub.enter(Phase::Quiet);
        self.env.sleep(QUIET).await;
        for (invariant, what) in self.hub.unsettled() {
            self.hub.fail(&invariant, format!("it had settled, and then: {what}"));
        }
    }

    /// What the Api lists is what was written.
    async fn end(&self) {
        let listed = self.users.list(&Select::default(), None, 0).await;
        let same = self.hub.with_truth(|truth| {
            listed.as_ref().is_ok_and(|page| {
                page.items.len() == truth.all().count()
                    && page.items.iter().zip(truth.all()).all(|(one, other)| one.is_same(other))
            })
        });
        if !same {
            self.hub.fail("lost", "the list at the end is not what the acknowledged writes make".to_owned());
        }
    }
}

async fn crash(hub: &Hub, cluster: &Cluster, env: &Env, part: &Part, writes: Option<u32>, lasts: Duration) {
    match writes {
        None => {
            if let Part::Node(name) = part {
                hub.set_down(name, true);
            }
            hub.crash(part);
        }
        Some(writes) => {
            let told = hub.arm(part, writes);
            if env.timeout(ARMED, told.notified()).await.is_none() {
                hub.disarm(part);
                return;
            }
        }
    }
    env.sleep(lasts).await;
    restart(hub, cluster, part);
}

/// Starts what is down; an agent waits for its machine.
fn restart(hub: &Hub, cluster: &Cluster, part: &Part) {
    let machine_is_down = matches!(part, Part::Agent(node) if hub.is_down(node));
    if cluster.is_running(part) || machine_is_down {
        return;
    }
    if let Part::Node(name) = part {
        hub.set_down(name, false);
    }
    hub.note("chaos", &format!("{part} starts again"));
    if let Err(error) = cluster.restart(part) {
        hub.fail("harness", error.to_string());
    }
}

/// The worst of all that is wrong with something, with that fault or without.
fn worst(bad: &Bad, number: usize, faults: Option<Faults>) -> Faults {
    let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
    match faults {
        Some(faults) => _ = bad.insert(number, faults),
        None => _ = bad.remove(&number),
    }
    bad.values().fold(Faults::quiet(), |all, one| all.worst(one))
}

async fn exit(hub: &Hub, cluster: &Cluster, nth: u64, code: i32) {
    let Some(container) = nth_running(hub, nth).await else { return };
    hub.note(
        "fault",
        &format!("{} of {} on {} exits with {code}", container.container, container.pod, container.node),
    );
    match (cluster.simulated(&container.node), cluster.runtime(&container.node)) {
        (Some(simulated), _) => _ = simulated.exit(&container.id, code),
        (None, Some(runtime)) => _ = runtime.stop(&container.id, Duration::ZERO).await,
        (None, None) => {}
    }
}

async fn hang(hub: &Hub, cluster: &Cluster, env: &Env, nth: u64, lasts: Duration) {
    let Some(container) = nth_running(hub, nth).await else { return };
    let Some(simulated) = cluster.simulated(&container.node) else { return };
    hub.note("fault", &format!("{} of {} on {} hangs", container.container, container.pod, container.node));
    simulated.set_hanging(&container.id, true);
    env.sleep(lasts).await;
    simulated.set_hanging(&container.id, false);
}

async fn bad_runtime(cluster: &Cluster, env: &Env, node: &Str, chance: f64, lasts: Duration) {
    let Some(simulated) = cluster.simulated(node) else { return };
    let faults = orch_runtime::simulated::Faults::default();
    let faults = faults.fails_before(chance / 2.0).fails_after(chance / 2.0).loses_events(chance);
    simulated.set_faults(faults.latency(Duration::ZERO..Duration::from_millis(500)));
    env.sleep(lasts).await;
    simulated.set_faults(orch_runtime::simulated::Faults::default());
}

async fn nth_running(hub: &Hub, nth: u64) -> Option<super::Running> {
    let all = all_running(hub).await;
    let at = nth.checked_rem(all.len() as u64)?;
    all.into_iter().nth(usize::try_from(at).unwrap_or(0))
}
