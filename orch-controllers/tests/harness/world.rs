//! The world in which a scenario happens.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use orch_api::LocalApi;
use orch_core::controller::Plan;
use orch_core::{
    Api, ApiExt, Env, Event, Key, Kind, Live, Patch, Registry, Result, Revision, Select, Verb, Watch, Write,
    kind,
};
use orch_store::MemStore;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kubelet::{self, Act};
use crate::lane::{Lane, Make};
use crate::laws::{Allowed, Transition, Truth, is_allowed};

/// Rounds in which a healed world must settle: each lets every controller and every pod make a step.
const ROUNDS: usize = 400;

/// What a user does next.
#[derive(Clone, Debug)]
pub(crate) enum User {
    /// A write as it is.
    Write(Write),
    /// Deletes a pod that a controller made, the one of that index.
    DeletePod(usize),
}

/// A few objects, edits, controllers, and what must be true.
pub(crate) struct Scenario {
    /// Created first; the first one is what the scenario is about. Those labelled `bystander` nobody may touch.
    pub(crate) objects: Vec<Value>,
    pub(crate) edits: Vec<User>,
    pub(crate) controllers: Vec<(Make, &'static [Allowed])>,
    /// What the kubelet may do besides helping.
    pub(crate) acts: &'static [Act],
    /// After every write of anybody.
    pub(crate) law: fn(&Transition<'_>) -> Result<(), String>,
    /// In the end.
    pub(crate) settled: fn(&Truth) -> Result<(), String>,
    /// Whether a view knows more than its objects: when they were seen.
    pub(crate) remembers: bool,
}

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Deliver {
        lane: usize,
        feed: usize,
        events: usize,
    },
    Turn {
        lane: usize,
        key: usize,
        fate: Fate,
    },
    Kubelet {
        pod: usize,
        act: usize,
    },
    User,
    Wait {
        secs: u64,
    },
    Crash {
        lane: usize,
    },
    /// All goes well for a moment: everything is delivered, every key has a turn, every pod is helped.
    Calm,
}

/// What becomes of a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Done,
    /// Done, and done again.
    Twice,
    /// Somebody else writes to everything it is about to write to.
    Conflicts,
    /// Crashes after so many writes.
    Prefix(usize),
    /// Crashes having done those of a set.
    Subset(u32),
}

/// What happens before the world heals.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        8 => Just(Fate::Done),
        2 => Just(Fate::Twice),
        1 => Just(Fate::Conflicts),
        1 => (0..5_usize).prop_map(Fate::Prefix),
        1 => any::<u32>().prop_map(Fate::Subset),
    ];
    let step = prop_oneof![
        6 => (0..3_usize, 0..4_usize, 1..12_usize).prop_map(|(lane, feed, events)| Step::Deliver { lane, feed, events }),
        6 => (0..3_usize, 0..8_usize, fate).prop_map(|(lane, key, fate)| Step::Turn { lane, key, fate }),
        6 => (0..12_usize, 0..6_usize).prop_map(|(pod, act)| Step::Kubelet { pod, act }),
        1 => Just(Step::User),
        1 => (1..8_u64).prop_map(|secs| Step::Wait { secs }),
        1 => (0..3_usize).prop_map(|lane| Step::Crash { lane }),
        1 => Just(Step::Calm),
    ];
    prop::collection::vec(step, 0..200)
}

/// Plays a scenario.
pub(crate) fn run(scenario: Scenario, seed: u64, steps: &[Step]) {
    orch_core::sim::run(seed, |env| async move {
        let mut world = World::start(scenario, env).await;
        for step in steps {
            world.step(step).await;
        }
        world.settle().await;
    });
}

struct World {
    scenario: Scenario,
    env: Env,
    store: MemStore,
    api: Arc<dyn Api>,
    lanes: Vec<Lane>,
    truth: Truth,
    all: Watch,
    asked: Vec<Value>,
    bystanders: Vec<(Key, Revision)>,
    edits: std::vec::IntoIter<User>,
    touched: u64,
    /// What was written, for whoever reads a failure.
    trace: Vec<String>,
}

impl World {
    async fn start(scenario: Scenario, env: Env) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let api = LocalApi::builder(Arc::new(store.clone()), env.clone(), registry).build();
        api.bootstrap().await.unwrap();
        let api: Arc<dyn Api> = Arc::new(api);
        let mut bystanders = Vec::new();
        for object in &scenario.objects {
            let live = api.create(object.clone()).await.unwrap();
            if live.label("bystander").is_some() {
                bystanders.push((live.key().clone(), live.revision()));
            }
        }
        let all = api.watch(&Select::default(), None).await.unwrap();
        let mut lanes = Vec::new();
        for (make, _) in &scenario.controllers {
            lanes.push(Lane::start(*make, &*api).await);
        }
        let edits = scenario.edits.clone().into_iter();
        let (truth, asked) = (Truth::default(), Vec::new());
        let mut world = Self {
            scenario,
            env,
            store,
            api,
            lanes,
            truth,
            all,
            asked,
            bystanders,
            edits,
            touched: 0,
            trace: Vec::new(),
        };
        world.look();
        world
    }

    /// Brings the truth up to date.
    fn look(&mut self) {
        while let Some(Some(event)) = self.all.next().now_or_never() {
            let Event::Changed(change) = event.unwrap() else { continue };
            match &change.now {
                Some(live) => _ = self.truth.0.insert(live.key().clone(), live.clone()),
                None => _ = self.truth.0.remove(change.key()),
            }
        }
        let first = &self.scenario.objects[0];
        let text = |pointer: &str| first.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = self.api.registry().by_api_version(text("/apiVersion"), text("/kind")).unwrap().kind;
        let key = Key::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        if let Some(tree) = self.truth.get(&key)
            && self.asked.last().is_none_or(|last| last["spec"] != tree["spec"])
        {
            self.asked.push(tree);
        }
    }

    async fn step(&mut self, step: &Step) {
        let (at, now, lanes) = (self.store.revision(), self.env.now(), self.lanes.len());
        match *step {
            Step::Deliver { lane, feed, events } => self.lanes[lane % lanes].deliver(feed, events, at, now),
            Step::Crash { lane } => {
                let api = Arc::clone(&self.api);
                self.lanes[lane % lanes].crash(&*api).await;
            }
            Step::Turn { lane, key, fate } => {
                let lane = lane % lanes;
                let queue = &self.lanes[lane].queue;
                let key = queue.iter().nth(key % queue.len().max(1)).cloned();
                if let Some(key) = key {
                    self.turn(lane, &key, fate).await;
                }
            }
            Step::Kubelet { pod, act } => {
                let acts = self.scenario.acts;
                let act = if act == 0 && !acts.is_empty() { acts[pod % acts.len()] } else { Act::Help };
                let pods = self.pods();
                if let Some(pod) = pods.get(pod % pods.len().max(1)) {
                    self.kubelet(pod, act).await;
                }
            }
            Step::User => {
                if let Some(edit) = self.edits.next() {
                    self.edit(edit).await;
                }
            }
            Step::Calm => _ = self.calm().await,
            Step::Wait { secs } => {
                self.env.sleep(Duration::from_secs(secs)).await;
                let now = self.env.now();
                self.lanes.iter_mut().for_each(|lane| lane.fire(now));
            }
        }
    }

    fn pods(&self) -> Vec<Live> {
        self.truth.of(kind::PODS).filter(|pod| pod.label("bystander").is_none()).cloned().collect()
    }

    async fn kubelet(&mut self, pod: &Live, act: Act) -> bool {
        let Some(write) = kubelet::write(pod, act, self.env.now()) else { return false };
        self.write("kubelet", &write).await.unwrap();
        true
    }

    async fn edit(&mut self, edit: User) {
        let write = match edit {
            User::Write(write) => write,
            User::DeletePod(at) => match self.pods().get(at) {
                Some(pod) => Write::delete(pod.key().clone()),
                None => return,
            },
        };
        let _ = self.write("user", &write).await;
    }

    /// Does one write and checks the law.
    async fn write(&mut self, actor: &str, write: &Write) -> Result<Live> {
        let before = self.truth.clone();
        let result = self.api.write(vec![write.clone()]).await.pop().unwrap();
        self.look();
        self.trace.push(described(actor, write, &result));
        if result.is_ok() {
            let (asked, after) = (&*self.asked, &self.truth);
            let transition = Transition { actor, before: &before, write, after, asked };
            if let Err(fault) = (self.scenario.law)(&transition) {
                panic!("{actor} broke the law: {fault}\n{}", self.trace.join("\n"));
            }
        }
        result
    }

    /// One turn of one key; answers whether anything was written.
    async fn turn(&mut self, lane: usize, key: &Key, fate: Fate) -> bool {
        let now = self.env.now();
        if !self.lanes[lane].may_turn(key) {
            return false;
        }
        self.lanes[lane].queue.remove(key);
        let Some(plan) = self.lanes[lane].decide(key, now, self.scenario.remembers) else { return false };
        if matches!(fate, Fate::Conflicts) {
            self.touch(&plan).await;
        }
        let name = self.lanes[lane].controller.name().to_owned();
        let mut results = Vec::new();
        for (at, write) in plan.writes.iter().enumerate() {
            let lost = match fate {
                Fate::Prefix(done) => at >= done,
                Fate::Subset(done) => done >> (at % 32) & 1 == 0,
                _ => false,
            };
            if lost {
                continue;
            }
            if let Err(fault) = is_allowed(self.scenario.controllers[lane].1, key, write, &self.truth) {
                panic!("{fault}");
            }
            results.push(self.write(&name, write).await);
        }
        if matches!(fate, Fate::Twice) {
            self.again(&name, &plan).await;
        }
        if matches!(fate, Fate::Prefix(_) | Fate::Subset(_)) {
            let api = Arc::clone(&self.api);
            self.lanes[lane].crash(&*api).await;
        } else {
            self.lanes[lane].finish(key, &plan, &results, now);
        }
        results.iter().any(Result::is_ok)
    }

    /// Does a plan again: nothing may change.
    async fn again(&mut self, name: &str, plan: &Plan) {
        let before = self.bodies();
        for write in &plan.writes {
            let _ = self.write(name, write).await;
        }
        assert_eq!(self.bodies(), before, "{name}: twice is not once: {plan:?}");
    }

    fn bodies(&self) -> Vec<(Key, Value)> {
        self.truth.0.values().map(|live| (live.key().clone(), (*live.tree()).clone())).collect()
    }

    /// Somebody writes to everything that the plan is about to write to.
    async fn touch(&mut self, plan: &Plan) {
        for write in &plan.writes {
            let is_ours = self.bystanders.iter().all(|(key, _)| *key != write.key);
            if is_ours && self.truth.0.contains_key(&write.key) {
                self.touched += 1;
                let patch = json!({"metadata": {"annotations": {"touched": self.touched.to_string()}}});
                let _ = self.write("user", &Write::merge(write.key.clone(), patch)).await;
            }
        }
    }

    /// Everything is delivered, every pod is helped: the world comes to the desired state and stays there.
    async fn settle(&mut self) {
        while let Some(edit) = self.edits.next() {
            self.edit(edit).await;
        }
        self.heal().await;
        if let Err(fault) = (self.scenario.settled)(&self.truth) {
            let kinds: Vec<Kind> = self.truth.0.keys().map(|key| key.kind).collect();
            panic!(
                "not the desired state: {fault}\n{kinds:?}\n{}\n{:#?}",
                self.trace.join("\n"),
                self.bodies()
            );
        }
        for (key, revision) in &self.bystanders {
            assert_eq!(
                self.truth.0.get(key).map(|live| live.revision()),
                Some(*revision),
                "{key} was touched"
            );
        }
        let api = Arc::clone(&self.api);
        for lane in &mut self.lanes {
            lane.crash(&*api).await;
            lane.deliver_all(self.store.revision(), self.env.now());
            for key in lane.queue.clone() {
                let plan = lane.decide(&key, self.env.now(), self.scenario.remembers).unwrap_or_default();
                assert_eq!(plan.writes, [], "{key} is not left alone in the desired state");
            }
        }
    }

    /// Everything is delivered, every key has a turn, every pod is helped; answers whether anything was written.
    async fn calm(&mut self) -> bool {
        let mut moved = false;
        for lane in 0..self.lanes.len() {
            let (at, now) = (self.store.revision(), self.env.now());
            self.lanes[lane].fire(now);
            self.lanes[lane].deliver_all(at, now);
            for key in self.lanes[lane].queue.clone() {
                moved |= self.turn(lane, &key, Fate::Done).await;
            }
        }
        for pod in self.pods() {
            moved |= self.kubelet(&pod, Act::Help).await;
        }
        moved
    }

    async fn heal(&mut self) {
        for _ in 0..ROUNDS {
            let moved = self.calm().await;
            let waiting = self.lanes.iter().any(|lane| !lane.queue.is_empty());
            if moved || waiting {
                continue;
            }
            let next = self.lanes.iter().flat_map(|lane| lane.timers.values()).min().copied();
            let Some(next) = next else { return };
            let wait = Duration::try_from(next.duration_since(self.env.now())).unwrap_or_default();
            self.env.sleep(wait).await;
        }
        panic!("it does not settle\n{}", self.trace.join("\n"));
    }
}

/// A write in a line: who, what, at which revision, and how it went.
fn described(actor: &str, write: &Write, result: &Result<Live>) -> String {
    let (verb, tree) = match &write.verb {
        Verb::Create(_) => ("create", String::new()),
        Verb::Patch(Patch::Merge(patch)) => ("merge", patch.to_string()),
        Verb::Delete(_) => ("delete", String::new()),
        _ => ("other", String::new()),
    };
    let at = write.precondition.revision.map(|at| format!("@{at} ")).unwrap_or_default();
    let went = result.as_ref().map_or_else(ToString::to_string, |live| format!("-> {}", live.revision()));
    format!("{actor}: {verb} {} {at}{tree} {went}", write.key)
}
