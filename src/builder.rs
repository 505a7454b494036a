//! Composes a cluster from its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use orch_api::tokens::TokenSigner;
use orch_api::{LocalApi, LocalApiBuilder};
use orch_core::controller::Controller;
use orch_core::engine::{Engine, Inspect};
use orch_core::network::Network;
use orch_core::runtime::Runtime;
use orch_core::scheduler::Scheduler;
use orch_core::{Api, Env, KindInfo, Registry, Store, Str};
use orch_net::{DnsServer, LoopbackNetwork, LoopbackOptions, MemNetwork, MemOptions, Names};
use orch_runtime::agent::MemoryDisk;
use orch_runtime::task::{Context, TaskImages, Termination};
use orch_sched::FrameworkScheduler;
use orch_store::{MemStore, Overlay};

use crate::apply::Rehearse;
use crate::cluster::{Directory, Inner};
use crate::node::RuntimeChoice;
use crate::parts::Parts;
use crate::recipes::{ControllerRecipe, NodeRecipe, Recipes, RuntimeLayer, SchedulerLayer, Skew};
use crate::{Cluster, Error, NodeSpec, Part, Timings};

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
    scheduler_layers: Vec<SchedulerLayer>,
    runtime_layers: Vec<RuntimeLayer>,
    controllers: Vec<ControllerRecipe>,
    is_isolated: bool,
    is_alone: bool,
    inspect: Vec<Arc<dyn Inspect>>,
    skew: Option<Skew>,
    kinds: Vec<KindInfo>,
    nodes: Vec<NodeSpec>,
    images: TaskImages,
    bad_images: Vec<String>,
    timings: Timings,
    directory: Option<PathBuf>,
    memory_disk: Option<MemoryDisk>,
    through: Option<Through>,
    tokens: Option<Arc<dyn TokenSigner>>,
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

    /// A layer around the scheduler, and around the layers given before, each time it starts.
    #[must_use]
    pub fn scheduler_through(
        mut self,
        layer: impl Fn(Box<dyn Scheduler>) -> Box<dyn Scheduler> + Send + Sync + 'static,
    ) -> Self {
        self.scheduler_layers.push(Box::new(layer));
        self
    }

    /// A layer around the runtime of a node, by the node's name, each time a machine starts: counting, checks, faults. Layers
    /// stand around each other in the order they are given.
    #[must_use]
    pub fn runtimes_through(
        mut self,
        layer: impl Fn(&str, Arc<dyn Runtime>) -> Arc<dyn Runtime> + Send + Sync + 'static,
    ) -> Self {
        self.runtime_layers.push(Box::new(layer));
        self
    }

    /// A controller besides Kubernetes' own. The same instance goes on when its engine starts again after a crash.
    #[must_use]
    pub fn controller(mut self, controller: impl Controller) -> Self {
        let (name, controller) = (controller.name().into(), Arc::new(controller));
        let add = Box::new(move |engine: Engine| engine.with(Arc::clone(&controller)));
        self.controllers.push(ControllerRecipe { name, add });
        self
    }

    /// A controller besides Kubernetes' own that is made anew each time its engine starts: what it remembers is lost in a
    /// crash. The first one is made at once.
    #[must_use]
    pub fn controller_made_by<C: Controller>(mut self, make: impl Fn() -> C + Send + Sync + 'static) -> Self {
        let first = make();
        let (name, first) = (first.name().into(), Mutex::new(Some(first)));
        let add = Box::new(move |engine: Engine| {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            engine.with(first.unwrap_or_else(&make))
        });
        self.controllers.push(ControllerRecipe { name, add });
        self
    }

    /// Each controller in an engine of its own, with a view of its own: a crash domain each ([`Part::Controller`]). Without,
    /// one engine runs all on one view ([`Part::Controllers`]), which costs less.
    #[must_use]
    pub fn isolate_controllers(mut self) -> Self {
        self.is_isolated = true;
        self
    }

    /// The API alone, as a kube-apiserver without anything else: no scheduler, and no controllers but those given. What is
    /// written stays as it is; namespaces that are deleted stay until somebody finalizes them; pods need a service account
    /// that is there.
    ///
    /// ```
    /// # orch::core::sim::run(1, |env| async move {
    /// use orch::core::{ApiExt, Key, kind};
    /// use serde_json::json;
    /// let cluster = orch::Cluster::builder().env(env).alone().start().await.unwrap();
    /// let web = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "default"},
    ///     "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
    ///         "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}});
    /// cluster.api().create(web).await.unwrap();
    /// cluster.settle().await.unwrap();
    /// let web = cluster.api().read(&Key::new(kind::REPLICA_SETS, "default", "web")).await.unwrap();
    /// assert_eq!(web.tree()["status"]["replicas"], 0, "nobody makes pods");
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Looks at every plan of every controller with the view it was made on, besides those given before.
    #[must_use]
    pub fn inspect(mut self, inspect: Arc<dyn Inspect>) -> Self {
        self.inspect.push(inspect);
        self
    }

    /// How far the wall clock of a part goes wrong, asked each time it starts. A node's holds for its containers and its
    /// agent; what is said of the agent comes on top.
    #[must_use]
    pub fn skew(mut self, skew: impl Fn(&Part) -> SignedDuration + Send + Sync + 'static) -> Self {
        self.skew = Some(Box::new(skew));
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

    /// Nodes keep volumes on one disk in memory, under `/var/lib/orch` or the given directory: nothing is made on the machine's
    /// disk, and the paths of volumes are the same in each run. Each node needs a runtime of its own: the functions of the
    /// task runtime open files of the machine.
    #[must_use]
    pub fn memory_disk(mut self) -> Self {
        self.memory_disk = Some(MemoryDisk::default());
        self
    }

    /// Who signs tokens of service accounts; without, there are none. The same key must stand behind the REST server's
    /// authenticator.
    ///
    /// ```
    /// # #[cfg(feature = "rest")]
    /// # orch::core::sim::run(1, |env| async move {
    /// use std::sync::Arc;
    /// use orch::core::{ApiExt, Key, Subresource, Write, kind};
    /// use serde_json::json;
    /// let key = orch::api::rest::TokenKey::new().unwrap();
    /// let cluster = orch::Cluster::builder().env(env).tokens(Arc::new(key)).start().await.unwrap();
    /// let web = Key::new(kind::SERVICE_ACCOUNTS, "default", "web");
    /// let account = json!({"metadata": {"name": "web", "namespace": "default"}});
    /// cluster.api().one(Write::create(web.clone(), account)).await.unwrap();
    /// let request = Write::create(web, json!({"spec": {"expirationSeconds": 600}})).to(Subresource::Token);
    /// let answer = cluster.api().one(request).await.unwrap();
    /// assert!(answer.tree()["status"]["token"].as_str().unwrap().starts_with("ey"));
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn tokens(mut self, signer: Arc<dyn TokenSigner>) -> Self {
        self.tokens = Some(signer);
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
        if let Some(node) = self
            .nodes
            .iter()
            .find(|node| self.memory_disk.is_some() && matches!(node.runtime, RuntimeChoice::Task))
        {
            let why =
                format!("node {:?} runs tasks, which need files: give it a runtime of its own", node.name);
            return Err(Error::Builder { field: "memory_disk".into(), why });
        }
        let nodes = nodes(std::mem::take(&mut self.nodes))?;
        self.check_controllers()?;
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
        // Nodes do not mount the tokens of service accounts yet.
        let (is_alone, tokens) = (self.is_alone, self.tokens.take());
        let admission = move |api: LocalApiBuilder| {
            let api = if is_alone { api.service_accounts().quotas_counted_elsewhere() } else { api };
            match &tokens {
                Some(signer) => api.tokens(Arc::clone(signer)),
                None => api,
            }
        };
        let new_api = new_api(&env, &registry, &*network, &self.timings, admission);
        let local = new_api(Arc::clone(&store));
        local.bootstrap().await?;
        let api: Arc<dyn Api> = Arc::new(local);
        let parts = match self.through.take() {
            Some(layer) => layer(Arc::clone(&api)),
            None => Arc::clone(&api),
        };
        let dns = start_dns(&env, &*network, &names).await?;
        let rehearse = rehearse(store, registry, new_api);
        let is_isolated = self.is_isolated;
        let recipes = self.recipes(env.clone(), parts, Arc::clone(&network), names, &directory, nodes);
        let parts = Parts::start(recipes, is_isolated);
        let directory = Mutex::new(Some(directory));
        Ok(Cluster::new(Inner {
            env,
            api,
            #[cfg(feature = "rest")]
            rest: std::sync::OnceLock::new(),
            rehearse,
            network,
            dns,
            parts,
            directory,
        }))
    }

    fn recipes(
        self,
        env: Env,
        api: Arc<dyn Api>,
        network: Arc<dyn Network>,
        names: Names,
        directory: &Directory,
        nodes: BTreeMap<Str, NodeRecipe>,
    ) -> Recipes {
        // The nodes of a process share its file system, and volumes have unique names.
        let volumes = directory.path().join("volumes");
        let scheduler = self.scheduler.unwrap_or_else(|| Box::new(FrameworkScheduler::default()));
        let own = if self.is_alone { Vec::new() } else { controllers(&self.timings, &volumes) };
        Recipes {
            is_alone: self.is_alone,
            env,
            api,
            network,
            names,
            controllers: own.into_iter().chain(self.controllers).collect(),
            inspect: self.inspect,
            scheduler: Mutex::new(scheduler),
            scheduler_layers: self.scheduler_layers,
            nodes,
            runtime_layers: self.runtime_layers,
            images: self.images,
            memory_disk: self.memory_disk,
            lease_renewal: self.timings.node_lease_renewal,
            directory: directory.path().to_owned(),
            volumes,
            skew: self.skew,
        }
    }

    /// Where each controller is a part of its own, its name must tell it apart.
    fn check_controllers(&self) -> Result<(), Error> {
        let own = orch_controllers::each(&orch_controllers::Config::default());
        let mut names: BTreeSet<Str> = own.into_iter().map(|(name, _)| name.into()).collect();
        let twice = self.controllers.iter().find(|recipe| !names.insert(Arc::clone(&recipe.name)));
        match twice.filter(|_| self.is_isolated) {
            Some(twice) => {
                let why =
                    format!("two are named {:?}: each needs a name of its own to be isolated", &*twice.name);
                Err(Error::Builder { field: "controller".into(), why })
            }
            None => Ok(()),
        }
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
        if let Some(disk) = &self.memory_disk {
            let path = self.directory.clone().unwrap_or_else(|| PathBuf::from("/var/lib/orch"));
            return Ok(Directory::Memory(path, disk.clone()));
        }
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
}

/// Kubernetes' own controllers.
fn controllers(timings: &Timings, volumes: &Path) -> Vec<ControllerRecipe> {
    let mut config = orch_controllers::Config::default();
    config.node_lifecycle.grace = timings.node_grace;
    config.pod_gc.quarantine = timings.pod_gc_quarantine;
    config.event_ttl = timings.event_ttl;
    config.volume_root = volumes.to_string_lossy().into();
    let each = orch_controllers::each(&config).into_iter();
    each.map(|(name, add)| ControllerRecipe { name: name.into(), add }).collect()
}

fn nodes(specs: Vec<NodeSpec>) -> Result<BTreeMap<Str, NodeRecipe>, Error> {
    let mut nodes = BTreeMap::new();
    for spec in specs {
        let (name, capacity): (Str, _) = (spec.name.as_str().into(), spec.quantities()?);
        if nodes.contains_key(&name) {
            let why = format!("two are named {name:?}: each node needs a name of its own");
            return Err(Error::Builder { field: "nodes".into(), why });
        }
        nodes.insert(name, NodeRecipe { spec, capacity });
    }
    Ok(nodes)
}

/// On real sockets, a DNS server for programs outside of the cluster.
async fn start_dns(env: &Env, network: &dyn Network, names: &Names) -> Result<Option<DnsServer>, Error> {
    if env.is_virtual() {
        return Ok(None);
    }
    let address = network.node("cluster-dns").await.map_err(Error::Socket)?;
    Ok(Some(DnsServer::start(env, names.clone(), address).await?))
}

/// Makes an Api over a store, always the same way.
fn new_api<A: Fn(LocalApiBuilder) -> LocalApiBuilder + Send + Sync + 'static>(
    env: &Env,
    registry: &Arc<Registry>,
    network: &dyn Network,
    timings: &Timings,
    admission: A,
) -> impl Fn(Arc<dyn Store>) -> LocalApi + Send + Sync + use<A> {
    let (env, registry, services) = (env.child("api"), Arc::clone(registry), network.ranges().services);
    let toleration = i64::try_from(timings.toleration.as_secs()).unwrap_or(i64::MAX);
    move |store| {
        let builder = LocalApi::builder(store, env.clone(), Arc::clone(&registry))
            .service_range(services)
            .default_toleration_secs(toleration);
        admission(builder).build()
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
