//! The node agent: what the kubelet does, written against [`Runtime`], [`Api`] and [`Network`].
//!
//! A state machine without I/O takes what happens (pods that change, containers that exit, answers, the time) and asks
//! for what is to be done; a driver does it, everything at the same time. There is no task per pod or probe, and
//! [`run_all`] drives any number of agents on one task.
//!
//! Not here, though the kubelet has it: gRPC and HTTPS probes, redirects of HTTP probes, ephemeral containers, resize in
//! place, `restartPolicyRules` that restart all containers, service account tokens and trust bundles in projected volumes,
//! CSI and other volume plugins, size limits of `emptyDir`, eviction under pressure, image garbage collection, static
//! pods, `/etc/hosts` and `resolv.conf` files.
//!
//! Invariants: a pod of another uid is another pod; a pod is never shown terminal while a container of it runs; after a
//! crash at any point an agent on the same runtime and Api converges.

mod admit;
mod backoff;
mod check;
mod command;
mod conditions;
mod config;
mod core;
mod driver;
mod env;
mod error;
mod expand;
mod feeds;
mod fields;
mod files;
mod http;
mod member;
mod memory;
mod node;
mod phase;
mod pod;
mod probe;
mod qos;
mod references;
mod services;
mod shown;
mod sources;
mod spec;
#[cfg(test)]
mod testing;
mod text;
mod volumes;
mod worker;

pub use config::{AgentConfig, Doubling, Taint, Timings};
pub use memory::MemoryDisk;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use orch_core::network::Network;
use orch_core::runtime::{Runtime, RuntimeEvent};
use orch_core::{Api, Env, Part, Recorder, User};

use self::command::{Action, Command, Input, Now};
use self::core::Core;
use self::driver::{Answers, Edges, batches, events};
use self::feeds::Feeds;
use self::files::{Disk, Files};
use self::worker::Abilities;

/// The agent of one node, ready to run.
///
/// ```
/// # orch_core::sim::run(1, |env| async move {
/// use std::sync::Arc;
/// use orch_api::LocalApi;
/// use orch_core::network::Network;
/// use orch_core::runtime::Runtime;
/// use orch_core::{Api, ApiExt, Registry};
/// use orch_net::{MemNetwork, MemOptions};
/// use orch_runtime::agent::{Agent, AgentConfig};
/// use orch_runtime::task::{Context, TaskImages, TaskRuntime};
/// # let registry = Arc::new(Registry::built_in());
/// # let store = Arc::new(orch_store::MemStore::new(Arc::clone(&registry)));
/// # let api = LocalApi::builder(store, env.clone(), registry).build();
/// # api.bootstrap().await.unwrap();
/// let api: Arc<dyn Api> = Arc::new(api);
/// let network: Arc<dyn Network> = Arc::new(MemNetwork::new(&env, MemOptions::default()));
/// let images = TaskImages::default();
/// images.register("hello:1", |context: Context| async move { context.log("hello") }).unwrap();
/// let runtime: Arc<dyn Runtime> = Arc::new(TaskRuntime::builder(&env, network.clone()).images(images).build());
///
/// let agent = Agent::new(&env.child("agent"), &api, &runtime, &network, AgentConfig::new("n1"));
/// env.spawn(agent.run());
///
/// let pod = api.create(serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hello", "namespace": "default"},
///     "spec": {"nodeName": "n1", "restartPolicy": "Never", "containers": [{"name": "hello", "image": "hello:1"}]},
/// })).await.unwrap();
/// env.sleep(std::time::Duration::from_secs(10)).await;
/// assert_eq!(api.read(pod.key()).await.unwrap().field("status.phase"), Some("Succeeded"));
/// # });
/// ```
///
/// It acts as the user `system:node:NAME`. Dropping it, or its environment's crash, leaves the containers as they are: the
/// next agent of the node takes them over.
pub struct Agent {
    core: Core,
    feeds: Feeds,
    edges: Arc<Edges>,
    events: BoxStream<'static, RuntimeEvent>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    part: Part,
    /// Commands under way, heartbeats and idle probes aside.
    counted: usize,
}

struct Done {
    answers: Answers,
    counts: bool,
}

/// Events taken in before commands are asked for again: bounds how long one agent holds a task that drives many.
const TURN: usize = 256;

impl Agent {
    /// An agent that has done nothing yet; `env` is its own, a child of the cluster's.
    #[must_use]
    pub fn new(
        env: &Env,
        api: &Arc<dyn Api>,
        runtime: &Arc<dyn Runtime>,
        network: &Arc<dyn Network>,
        config: AgentConfig,
    ) -> Self {
        let user =
            User { groups: vec!["system:nodes".into()], ..User::new(format!("system:node:{}", config.node)) };
        let api = api.impersonate(&user);
        let info = runtime.info();
        let abilities = Abilities {
            name: info.name,
            version: info.version,
            has_images: runtime.images().is_some(),
            has_streams: runtime.streams().is_some(),
        };
        let feeds = Feeds::new(&api, env, &config.node);
        let part = env.activity().part();
        part.follows(feeds.poker());
        part.pending(1);
        let files: Arc<dyn Files> = match config.memory_disk.clone() {
            Some(disk) => Arc::new(disk),
            None => Arc::new(Disk),
        };
        let edges = Edges {
            env: env.clone(),
            api,
            runtime: Arc::clone(runtime),
            network: Arc::clone(network),
            files,
            recorder: Recorder::new("kubelet"),
            node: config.node.clone(),
        };
        Self {
            core: Core::new(config, abilities),
            feeds,
            events: events(Arc::clone(runtime), env.clone()),
            edges: Arc::new(edges),
            under_way: FuturesUnordered::new(),
            part,
            counted: 0,
        }
    }

    /// Works until it is dropped.
    pub async fn run(mut self) {
        loop {
            let commands = self.core.step(self.now());
            self.send(commands);
            if self.feeds.follow(self.core.wanted()) {
                self.part.follows(self.feeds.poker());
            }
            self.part.pending(self.counted + self.core.waiting());
            self.part.seen(self.feeds.seen());
            self.next().await;
            for _ in 0..TURN {
                if self.next().now_or_never().is_none() {
                    break;
                }
                if self.is_due() {
                    break;
                }
            }
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.edges.env.elapsed(), wall: self.edges.env.now() }
    }

    fn is_due(&self) -> bool {
        self.core.next_wake().is_some_and(|at| at <= self.edges.env.elapsed())
    }

    fn send(&mut self, commands: Vec<Command>) {
        for batch in batches(commands) {
            let counts = batch.iter().any(|command| self.counts(command));
            self.counted += usize::from(counts);
            let edges = Arc::clone(&self.edges);
            self.under_way.push(async move { Done { answers: edges.execute(batch).await, counts } }.boxed());
        }
    }

    /// Whether the cluster has not settled while the command is under way.
    fn counts(&self, command: &Command) -> bool {
        match (&command.action, &command.pod) {
            (Action::Heartbeat(_) | Action::Lease(_), _) => false,
            (Action::Probe { .. }, Some(pod)) => self.core.awaits_probe(pod),
            _ => true,
        }
    }

    /// Waits for the next thing that happens and takes it in. Dropping the future loses nothing.
    async fn next(&mut self) {
        let wake = self.core.next_wake();
        let env = self.edges.env.clone();
        let timer = async move {
            match wake {
                Some(at) => env.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let inputs = tokio::select! {
            biased;
            Some(done) = self.under_way.next(), if !self.under_way.is_empty() => {
                self.counted -= usize::from(done.counts);
                self.part.wrote(done.answers.writes);
                done.answers.answers.into_iter().map(|(pod, outcome)| Input::Answer { pod, outcome }).collect()
            }
            inputs = self.feeds.next() => inputs,
            Some(event) = self.events.next() => vec![Input::Runtime(event)],
            () = timer => Vec::new(),
        };
        let now = self.now();
        inputs.into_iter().for_each(|input| self.core.take(now, input));
    }
}

/// Drives many agents on one task until it is dropped.
pub async fn run_all(agents: impl IntoIterator<Item = Agent>) {
    let mut running: FuturesUnordered<_> = agents.into_iter().map(Agent::run).collect();
    while running.next().await.is_some() {}
}
