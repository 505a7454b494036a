//! Composes a cluster from its parts.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use orch_api::LocalApi;
use orch_core::controller::Controller;
use orch_core::engine::Engine;
use orch_core::network::Network;
use orch_core::runtime::Runtime;
use orch_core::scheduler::Scheduler;
use orch_core::{Api, Env, KindInfo, Quantity, Registry, Store};
use orch_net::{DnsServer, LoopbackNetwork, LoopbackOptions, MemNetwork, MemOptions, Names, Proxy};
use orch_runtime::agent::{Agent, AgentConfig, Timings as AgentTimings};
use orch_runtime::task::{Context, TaskImages, TaskRuntime, Termination};
use orch_sched::{FrameworkScheduler, RunOptions};
use orch_store::{MemStore, Overlay};

use crate::apply::Rehearse;
use crate::cluster::{Directory, Inner, RunningNode};
use crate::{Cluster, Error, NodeSpec, Timings};

type AddController = Box<dyn FnOnce(Engine) -> Engine + Send>;
type Through = Box<dyn FnOnce(Arc<dyn Api>) -> Arc<dyn Api> + Send>;

/// Composes a cluster. Every part has a default; each can be replaced by the user's own.
///
/// ```
/// use orch::core::sim;
/// use orch::{Cluster, NodeSpec};
/// sim::run(7, |env| async move {
///     let cluster = Cluster::builder().env(env).nodes([NodeSpec::new("n1")]).start().await.unwrap();
///     cluster.settle().await.unwrap();
///     let nodes = cluster.of::<k8s_openapi::api::core::v1::Node>("").list().await.unwrap();
///     assert_eq!(nodes.len(), 1);
///     cluster.shutdown().await.unwrap();
/// });
/// ```
#[derive(Default)]
pub struct ClusterBuilder {
    env: Option<Env>,
    registry: Option<Arc<Registry>>,
    store: Option<Arc<dyn Store>>,
    network: Option<(Arc<dyn Network>, Names)>,
    scheduler: Option<Box<dyn Scheduler>>,
    controllers: Vec<AddController>,
    kinds: Vec<KindInfo>,
    nodes: Vec<NodeSpec>,
    images: TaskImages,
    bad_images: Vec<String>,
    timings: Timings,
    directory: Option<PathBuf>,
    through: Option<Through>,
}

impl ClusterBuilder {
    /// Clock, randomness and tasks; by default the real clock. A virtual one comes with a network in memory.
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The registry of kinds, when the store needs it too.
    #[must_use]
    pub fn registry(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Where objects are kept; by default in memory. What it holds already is taken over.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The network of pods and Services, and the names that it resolves; by default on loopback addresses, or in memory
    /// when time is virtual.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>, names: Names) -> Self {
        self.network = Some((network, names));
        self
    }

    /// What places pods; by default the framework scheduler with Kubernetes' profile.
    #[must_use]
    pub fn scheduler(mut self, scheduler: impl Scheduler + 'static) -> Self {
        self.scheduler = Some(Box::new(scheduler));
        self
    }

    /// A controller besides Kubernetes' own.
    #[must_use]
    pub fn controller(mut self, controller: impl Controller) -> Self {
        self.controllers.push(Box::new(|engine| engine.with(controller)));
        self
    }

    /// A kind of the user's own.
    #[must_use]
    pub fn kind(mut self, kind: KindInfo) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Nodes besides those given before.
    #[must_use]
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = NodeSpec>) -> Self {
        self.nodes.extend(nodes);
        self
    }

    /// The images that the task runtime knows; they may grow while the cluster runs.
    #[must_use]
    pub fn images(mut self, images: TaskImages) -> Self {
        self.images = images;
        self
    }

    /// One more image. A malformed name is refused when the cluster starts.
    #[must_use]
    pub fn image<F, Fut>(mut self, name: &str, function: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Termination + Send,
    {
        if let Err(error) = self.images.register(name, function) {
            self.bad_images.push(error.to_string());
        }
        self
    }

    /// How long the cluster waits.
    #[must_use]
    pub fn timings(mut self, timings: Timings) -> Self {
        self.timings = timings;
        self
    }

    /// Where nodes keep volumes. The directory stays after shutdown; by default a temporary one is made and removed.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Puts a layer between the Api and the parts (scheduler, controllers, agents, proxy): lag, faults, counting.
    #[must_use]
    pub fn parts_through(
        mut self,
        layer: impl FnOnce(Arc<dyn Api>) -> Arc<dyn Api> + Send + 'static,
    ) -> Self {
        self.through = Some(Box::new(layer));
        self
    }

    /// Starts every part. The Api answers when this returns; the parts are at work.
    ///
    /// # Errors
    /// [`Error::Builder`] for what was given wrongly, [`Error::Network`], [`Error::Directory`], [`Error::Api`] when the
    /// store cannot be read or written.
    pub async fn start(mut self) -> Result<Cluster, Error> {
        if let Some(why) = self.bad_images.pop() {
            return Err(Error::Builder { field: "image".into(), why });
        }
        let nodes = self.nodes.iter().map(NodeSpec::quantities).collect::<Result<Vec<_>, _>>()?;
        let env = self.env.take().unwrap_or_else(Env::real);
        let registry = self.registry.take().unwrap_or_else(|| Arc::new(Registry::built_in()));
        for kind in std::mem::take(&mut self.kinds) {
            let taken =
                |error: orch_core::Taken| Error::Builder { field: "kind".into(), why: error.to_string() };
            registry.register(kind).map_err(taken)?;
        }
        let store = self.store.take().unwrap_or_else(|| Arc::new(MemStore::new(Arc::clone(&registry))));
        let (network, names) = self.make_network(&env)?;
        let directory = self.make_directory()?;
        let new_api = new_api(&env, &registry, &*network, &self.timings);
        let local = new_api(Arc::clone(&store));
        local.bootstrap().await?;
        let api: Arc<dyn Api> = Arc::new(local);
        let parts = match self.through.take() {
            Some(layer) => layer(Arc::clone(&api)),
            None => Arc::clone(&api),
        };
        self.start_control_plane(&env, &parts, &directory);
        let dns = start_network(&env, &parts, &network, names).await?;
        let mut running = BTreeMap::new();
        for (node, capacity) in self.nodes.iter().zip(nodes) {
            running.insert(
                node.name.clone(),
                self.start_node(&env, &parts, &network, &directory, node, capacity),
            );
        }
        let (nodes, directory) = (Mutex::new(running), Mutex::new(Some(directory)));
        let rehearse = rehearse(store, Arc::clone(&registry), new_api);
        Ok(Cluster::new(Inner { env, api, rehearse, network, dns, nodes, directory }))
    }

    fn make_network(&mut self, env: &Env) -> Result<(Arc<dyn Network>, Names), Error> {
        if let Some(given) = self.network.take() {
            return Ok(given);
        }
        let names = Names::default();
        let network: Arc<dyn Network> = if env.is_virtual() {
            Arc::new(MemNetwork::new(env, MemOptions::default().names(names.clone())))
        } else {
            Arc::new(LoopbackNetwork::lease(env, LoopbackOptions::default().names(names.clone()))?)
        };
        Ok((network, names))
    }

    fn make_directory(&self) -> Result<Directory, Error> {
        match &self.directory {
            Some(path) => std::fs::create_dir_all(path)
                .map(|()| Directory::Given(path.clone()))
                .map_err(|source| Error::Directory { path: path.clone(), source }),
            None => tempfile::Builder::new()
                .prefix("orch-")
                .tempdir()
                .map(Directory::Temporary)
                .map_err(|source| Error::Directory { path: std::env::temp_dir(), source }),
        }
    }

    fn start_control_plane(&mut self, env: &Env, api: &Arc<dyn Api>, directory: &Directory) {
        let mut config = orch_controllers::Config::default();
        config.node_lifecycle.grace = self.timings.node_grace;
        config.pod_gc.quarantine = self.timings.pod_gc_quarantine;
        config.event_ttl = self.timings.event_ttl;
        config.volume_root = volumes(directory).to_string_lossy().into();
        let engine =
            orch_controllers::with_config(Engine::new(Arc::clone(api), env.child("controllers")), &config);
        let added = std::mem::take(&mut self.controllers);
        added.into_iter().fold(engine, |engine, add| add(engine)).start();
        let scheduler = self.scheduler.take().unwrap_or_else(|| Box::new(FrameworkScheduler::default()));
        orch_sched::start(api, &env.child("scheduler"), scheduler, RunOptions::default());
    }

    fn start_node(
        &self,
        env: &Env,
        api: &Arc<dyn Api>,
        network: &Arc<dyn Network>,
        directory: &Directory,
        node: &NodeSpec,
        capacity: BTreeMap<String, Quantity>,
    ) -> RunningNode {
        let env = env.child(&format!("node/{}", node.name));
        let root = directory.path().join(&node.name);
        let runtime: Arc<dyn Runtime> = match &node.runtime {
            Some(make) => make(&env),
            None => {
                let builder = TaskRuntime::builder(&env, Arc::clone(network)).images(self.images.clone());
                Arc::new(builder.root(root.join("containers")).build())
            }
        };
        let mut config = AgentConfig::new(node.name.as_str()).data_dir(root);
        config.capacity = capacity;
        config.labels = node.labels.clone();
        config = node.taints.iter().fold(config, |config, (key, value, effect)| {
            config.taint(key.as_str(), value.as_str(), effect.as_str())
        });
        let renewal = self.timings.node_lease_renewal;
        config = config.timings(|timings: &mut AgentTimings| timings.lease_renew = renewal);
        env.spawn(Agent::new(&env, api, &runtime, network, config).run());
        let (parts, part, name, root) =
            (Arc::clone(api), env.child("reclaim"), node.name.clone(), volumes(directory));
        env.spawn(async move { orch_runtime::reclaim::run(parts, part, &name, root).await });
        RunningNode { env, runtime }
    }
}

/// Where node-local volumes stand; the nodes of a process share its file system, and volumes have unique names.
fn volumes(directory: &Directory) -> PathBuf {
    directory.path().join("volumes")
}

/// The proxy, the names, and on real sockets a DNS server for programs outside of the cluster.
async fn start_network(
    env: &Env,
    api: &Arc<dyn Api>,
    network: &Arc<dyn Network>,
    names: Names,
) -> Result<Option<DnsServer>, Error> {
    env.spawn(Proxy::new(api, env, Arc::clone(network)).run());
    let (follower, parts, names_env) = (names.clone(), Arc::clone(api), env.child("names"));
    env.spawn(async move { follower.follow(parts, names_env).await });
    if env.is_virtual() {
        return Ok(None);
    }
    let address = network.node("cluster-dns").await.map_err(Error::Socket)?;
    Ok(Some(DnsServer::start(env, names, address).await?))
}

/// Makes an Api over a store, always the same way.
fn new_api(
    env: &Env,
    registry: &Arc<Registry>,
    network: &dyn Network,
    timings: &Timings,
) -> impl Fn(Arc<dyn Store>) -> LocalApi + Send + Sync + use<> {
    let (env, registry, services) = (env.child("api"), Arc::clone(registry), network.ranges().services);
    let toleration = i64::try_from(timings.toleration.as_secs()).unwrap_or(i64::MAX);
    move |store| {
        LocalApi::builder(store, env.clone(), Arc::clone(&registry))
            .service_range(services)
            .default_toleration_secs(toleration)
            .build()
    }
}

fn rehearse(
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    new_api: impl Fn(Arc<dyn Store>) -> LocalApi + Send + Sync + 'static,
) -> Rehearse {
    let new_api = Arc::new(new_api);
    Arc::new(move || {
        let (store, registry, new_api) = (Arc::clone(&store), Arc::clone(&registry), Arc::clone(&new_api));
        Box::pin(async move {
            let overlay = Overlay::over(store, registry).await?;
            let api = new_api(Arc::new(overlay));
            api.bootstrap().await?;
            Ok(Arc::new(api) as Arc<dyn Api>)
        })
    })
}
