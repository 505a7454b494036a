//! How each part of a cluster is started, the first time and again.
//!
//! It keeps what the builder was given; what runs is known by [`parts`](crate::parts). Invariant: a part gets nothing from
//! an earlier start of its own but what the user shares between them, and a node's containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use orch_core::engine::{Engine, Inspect};
use orch_core::network::Network;
use orch_core::runtime::Runtime;
use orch_core::scheduler::Scheduler;
use orch_core::{Api, Env, Quantity, Str};
use orch_net::{Names, Proxy};
use orch_runtime::agent::{Agent, AgentConfig, MemoryDisk, Timings as AgentTimings};
use orch_runtime::simulated::SimulatedRuntime;
use orch_runtime::task::{TaskImages, TaskRuntime};
use orch_sched::RunOptions;

use crate::mortal::Mortal;
use crate::node::RuntimeChoice;
use crate::{NodeSpec, Part};

pub(crate) type Skew = Box<dyn Fn(&Part) -> SignedDuration + Send + Sync>;
pub(crate) type RuntimeLayer = Box<dyn Fn(&str, Arc<dyn Runtime>) -> Arc<dyn Runtime> + Send + Sync>;
pub(crate) type SchedulerLayer = Box<dyn Fn(Box<dyn Scheduler>) -> Box<dyn Scheduler> + Send + Sync>;

/// What adds one controller to an engine, as often as one starts.
pub(crate) struct ControllerRecipe {
    pub(crate) name: Str,
    pub(crate) add: Box<dyn Fn(Engine) -> Engine + Send + Sync>,
}

/// A node as it was ordered.
pub(crate) struct NodeRecipe {
    pub(crate) spec: NodeSpec,
    pub(crate) capacity: BTreeMap<String, Quantity>,
}

/// Everything that parts are started from.
pub(crate) struct Recipes {
    pub(crate) env: Env,
    /// With the user's layer.
    pub(crate) api: Arc<dyn Api>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) names: Names,
    pub(crate) controllers: Vec<ControllerRecipe>,
    /// Whether there is no scheduler.
    pub(crate) is_alone: bool,
    pub(crate) inspect: Vec<Arc<dyn Inspect>>,
    /// Has never run: each start runs a copy.
    pub(crate) scheduler: Mutex<Box<dyn Scheduler>>,
    pub(crate) scheduler_layers: Vec<SchedulerLayer>,
    pub(crate) nodes: BTreeMap<Str, NodeRecipe>,
    pub(crate) runtime_layers: Vec<RuntimeLayer>,
    pub(crate) images: TaskImages,
    pub(crate) memory_disk: Option<MemoryDisk>,
    pub(crate) lease_renewal: Duration,
    /// Below it each node has a directory.
    pub(crate) directory: PathBuf,
    /// Where node-local volumes stand.
    pub(crate) volumes: PathBuf,
    pub(crate) skew: Option<Skew>,
}

/// What runs the containers of a node.
#[derive(Clone)]
pub(crate) struct Machine {
    /// With the user's layers.
    pub(crate) runtime: Arc<dyn Runtime>,
    /// The same below them, where it is simulated.
    pub(crate) simulated: Option<Arc<SimulatedRuntime>>,
}

/// A new start of a part.
pub(crate) struct Start {
    /// The part's own, made for this start.
    pub(crate) env: Env,
    /// That of the start before, crashed.
    pub(crate) before: Option<Env>,
}

impl Start {
    /// Runs a future as the part, once nothing of the start before is left: ports and containers are free by then.
    fn spawn(self, future: impl Future<Output: Send> + Send + 'static) {
        let Self { env, before } = self;
        env.spawn(async move {
            if let Some(before) = before {
                before.ended().await;
            }
            future.await
        });
    }
}

impl Recipes {
    pub(crate) fn skew(&self, part: &Part) -> SignedDuration {
        self.skew.as_ref().map_or(SignedDuration::ZERO, |skew| skew(part))
    }

    fn api(&self, env: &Env) -> Arc<dyn Api> {
        Mortal::over(&self.api, env)
    }

    /// Starts one controller, or all of them in one engine.
    pub(crate) fn start_controllers(&self, start: &Start, only: Option<&str>) {
        let engine = Engine::new(self.api(&start.env), start.env.clone());
        let engine = self.inspect.iter().fold(engine, |engine, inspect| engine.inspect(Arc::clone(inspect)));
        let wanted = self.controllers.iter().filter(|recipe| only.is_none_or(|name| *recipe.name == *name));
        wanted.fold(engine, |engine, recipe| (recipe.add)(engine)).start();
    }

    pub(crate) fn start_scheduler(&self, start: Start) {
        let copy = self.scheduler.lock().unwrap_or_else(PoisonError::into_inner).fork();
        let scheduler = self.scheduler_layers.iter().fold(copy, |scheduler, layer| layer(scheduler));
        let (api, options) = (self.api(&start.env), RunOptions::default());
        let run = orch_sched::run(&api, &start.env, scheduler, options);
        start.spawn(run);
    }

    pub(crate) fn start_proxy(&self, start: Start) {
        let proxy = Proxy::new(&self.api(&start.env), &start.env, Arc::clone(&self.network));
        start.spawn(proxy.run());
    }

    pub(crate) fn start_names(&self, start: Start) {
        let follow = self.names.follow(&self.api(&start.env), &start.env);
        start.spawn(follow);
    }

    /// A machine of that name without containers; `env` is its own.
    pub(crate) fn new_machine(&self, env: &Env, node: &NodeRecipe) -> Machine {
        let network = || Arc::clone(&self.network);
        let mut simulated = None;
        let runtime: Arc<dyn Runtime> = match &node.spec.runtime {
            RuntimeChoice::Own(make) => make(env),
            RuntimeChoice::Simulated(profiles) => {
                let profiles = Arc::clone(profiles);
                let builder = SimulatedRuntime::builder(env, network());
                let runtime =
                    Arc::new(builder.profiles(move |pod, container| profiles(pod, container)).build());
                simulated = Some(Arc::clone(&runtime));
                runtime
            }
            RuntimeChoice::Task => {
                let builder = TaskRuntime::builder(env, network()).images(self.images.clone());
                Arc::new(builder.root(self.root(node).join("containers")).build())
            }
        };
        let name = &node.spec.name;
        let runtime = self.runtime_layers.iter().fold(runtime, |runtime, layer| layer(name, runtime));
        Machine { runtime, simulated }
    }

    fn root(&self, node: &NodeRecipe) -> PathBuf {
        self.directory.join(&node.spec.name)
    }

    /// The agent of a node, and what removes its abandoned volumes. They follow the agent of the start before and, where
    /// the machine is new, the old machine.
    pub(crate) fn start_agent(
        &self,
        start: Start,
        machine_before: Option<Env>,
        node: &NodeRecipe,
        runtime: &Arc<dyn Runtime>,
    ) {
        let spec = &node.spec;
        let mut config = AgentConfig::new(spec.name.as_str()).data_dir(self.root(node));
        config.memory_disk = self.memory_disk.clone();
        config.capacity = node.capacity.clone();
        config.labels = spec.labels.clone();
        config = spec.taints.iter().fold(config, |config, (key, value, effect)| {
            config.taint(key.as_str(), value.as_str(), effect.as_str())
        });
        let renewal = self.lease_renewal;
        config = config.timings(|timings: &mut AgentTimings| timings.lease_renew = renewal);
        let (env, api) = (start.env.clone(), self.api(&start.env));
        let agent = Agent::new(&env, &api, runtime, &self.network, config);
        let (name, volumes, reclaim) = (spec.name.clone(), self.volumes.clone(), env.child("reclaim"));
        let disk = self.memory_disk.clone();
        env.spawn(async move {
            match disk {
                Some(disk) => orch_runtime::reclaim::run_on(disk, api, reclaim, &name, volumes).await,
                None => orch_runtime::reclaim::run(api, reclaim, &name, volumes).await,
            }
        });
        start.spawn(async move {
            if let Some(machine) = machine_before {
                machine.ended().await;
            }
            agent.run().await;
        });
    }
}
