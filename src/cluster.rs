//! A running cluster, as its user holds it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::Resource;
use orch_core::network::{Connection, Network, dial};
use orch_core::runtime::Runtime;
use orch_core::{Api, Env, Event, Key, Kind, Object, Objects, PodLogs, Revision, Select, Str};
use orch_net::DnsServer;
use orch_runtime::agent::MemoryDisk;
use orch_runtime::simulated::SimulatedRuntime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::apply::{self, Applied, Rehearse};
use crate::logs::ClusterLogs;
use crate::parts::Parts;
use crate::{ClusterBuilder, Error, Part};

/// A cluster in this process. Cloning copies a pointer; the cluster runs until [`Cluster::shutdown`], or until the last
/// clone is dropped: then its tasks end at their next wait, but nobody waits for them.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) api: Arc<dyn Api>,
    /// Made when it is asked for.
    #[cfg(feature = "rest")]
    pub(crate) rest: std::sync::OnceLock<orch_api::rest::Rest>,
    pub(crate) rehearse: Rehearse,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) dns: Option<DnsServer>,
    pub(crate) parts: Parts,
    pub(crate) directory: Mutex<Option<Directory>>,
}

/// Where the nodes keep volumes.
pub(crate) enum Directory {
    /// Made for this cluster: goes with it.
    Temporary(tempfile::TempDir),
    /// The user's: stays.
    Given(PathBuf),
    /// In memory: goes with its last clone.
    Memory(PathBuf, MemoryDisk),
}

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Given(path) | Self::Memory(path, _) => path,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.env.crash();
    }
}

impl Cluster {
    /// Composes a cluster; without further words it has no node.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    #[cfg(feature = "rest")]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The Api that every part talks to, as its administrator.
    #[must_use]
    pub fn api(&self) -> Arc<dyn Api> {
        Arc::clone(&self.0.api)
    }

    /// The network of its pods and Services.
    #[must_use]
    pub fn network(&self) -> Arc<dyn Network> {
        Arc::clone(&self.0.network)
    }

    /// Clock, randomness and tasks.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// The objects of one of Kubernetes' kinds. The namespace is empty for cluster-scoped kinds, and for all namespaces in
    /// lists.
    #[must_use]
    pub fn of<T: Resource + Serialize + DeserializeOwned>(&self, namespace: &str) -> Objects<T> {
        Objects::new(self.api(), namespace)
    }

    /// The objects of any kind, as values of `T`.
    #[must_use]
    pub fn of_kind<T: Serialize + DeserializeOwned>(&self, kind: Kind, namespace: &str) -> Objects<T> {
        Objects::of_kind(self.api(), kind, namespace)
    }

    /// Applies manifests in YAML or JSON, as `kubectl apply` does. The whole set is tried first on a copy of the cluster's
    /// state: when anything is refused, nothing is applied.
    ///
    /// # Errors
    /// [`Error::Refused`] with every fault; [`Error::Api`] when the cluster changed between trial and application.
    pub async fn apply(&self, manifests: &str) -> Result<Vec<Applied>, Error> {
        self.apply_files(&[("<manifests>".to_owned(), manifests.as_bytes().to_vec())]).await
    }

    /// Applies the contents of files, given with their names.
    ///
    /// # Errors
    /// As [`Cluster::apply`]; every fault names its file and line.
    pub async fn apply_files(&self, files: &[(String, Vec<u8>)]) -> Result<Vec<Applied>, Error> {
        apply::run(&self.0.api, &self.0.rehearse, files).await
    }

    /// Waits until the objects of a kind in a namespace (empty: in all, or cluster-scoped) are as described; answers them.
    ///
    /// # Errors
    /// [`Error::Timeout`], by the cluster's clock.
    pub async fn wait_for<T>(
        &self,
        namespace: &str,
        limit: Duration,
        holds: impl Fn(&[T]) -> bool + Send,
    ) -> Result<Vec<T>, Error>
    where
        T: Resource + Serialize + DeserializeOwned + Clone + Send,
    {
        let select = Select::kind(Kind::named(T::GROUP, T::URL_PATH_SEGMENT));
        let select = if namespace.is_empty() { select } else { select.namespace(namespace) };
        let wait = self.watch_until(&select, holds);
        match self.0.env.timeout(limit, wait).await {
            Some(answer) => answer,
            None => Err(Error::Timeout { what: format!("{} in {namespace:?}", T::KIND), limit }),
        }
    }

    async fn watch_until<T>(
        &self,
        select: &Select,
        holds: impl Fn(&[T]) -> bool + Send,
    ) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned + Clone + Send,
    {
        loop {
            let mut present: BTreeMap<Key, T> = BTreeMap::new();
            // Until the first progress the initial state is not complete, and says nothing.
            let mut complete = false;
            let mut events = self.0.api.watch(select, None).await?;
            // Whatever ends the watch, a new one begins from the present state.
            while let Some(Ok(event)) = events.next().await {
                match event {
                    Event::Progress(_) => complete = true,
                    Event::Changed(change) => match &change.now {
                        Some(live) => _ = present.insert(change.key().clone(), live.to()?),
                        None => _ = present.remove(change.key()),
                    },
                }
                if complete {
                    let values: Vec<T> = present.values().cloned().collect();
                    if holds(&values) {
                        return Ok(values);
                    }
                }
            }
        }
    }

    /// Where its nodes keep volumes, until it is shut down: on the machine's disk, or on [`Cluster::memory_disk`].
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        let directory = self.0.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.as_ref().map(|directory| directory.path().to_owned())
    }

    /// The disk in memory that its nodes keep volumes on, until it is shut down; `None` when that is the machine's.
    #[must_use]
    pub fn memory_disk(&self) -> Option<MemoryDisk> {
        match &*self.0.directory.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Directory::Memory(_, disk)) => Some(disk.clone()),
            _ => None,
        }
    }

    /// Waits until nothing is left to do but heartbeats, event expiry, schedules and back-off.
    ///
    /// # Errors
    /// [`Error::Api`] when the store cannot be read.
    pub async fn settle(&self) -> Result<(), Error> {
        let activity = self.0.env.activity();
        loop {
            let before = activity.writes();
            let page = self.0.api.list(&Select::kind(orch_core::kind::NAMESPACES), None, 1).await?;
            if activity.idle_at(page.revision).await == before {
                return Ok(());
            }
        }
    }

    /// Every object that stands in a namespace.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn objects_in(&self, namespace: &str) -> Result<Vec<Object>, Error> {
        Ok(self.0.api.list(&Select::default().namespace(namespace), None, 0).await?.items)
    }

    /// Opens a connection from outside to a name or address, as a pod of that namespace would resolve it.
    ///
    /// # Errors
    /// As [`Network::connect`].
    pub async fn connect(&self, namespace: &str, host: &str, port: u16) -> std::io::Result<Connection> {
        dial(&*self.0.network, namespace, None, host, port).await
    }

    /// Where its DNS answers over UDP and TCP; nowhere when time is virtual.
    #[must_use]
    pub fn dns(&self) -> Option<SocketAddr> {
        self.0.dns.as_ref().map(DnsServer::address)
    }

    /// The lines that a container of a pod has logged, as far as they are kept.
    ///
    /// # Errors
    /// [`Error::Api`] when the pod is not there; [`Error::NoNode`] when its node does not run here.
    pub async fn logs(&self, namespace: &str, pod: &str, container: &str) -> Result<Vec<Str>, Error> {
        let key = Key::new(orch_core::kind::PODS, namespace, pod);
        let live = self.0.api.get(&key, Revision::ZERO).await?;
        let node = live.field("spec.nodeName").unwrap_or_default().to_owned();
        let runtime = self.runtime(&node).ok_or(Error::NoNode { name: node })?;
        Ok(crate::node::logs(&*runtime, live.uid(), container).await)
    }

    /// Reads logs of its pods, for a REST server. It keeps the cluster neither running nor alive.
    ///
    /// ```
    /// # orch::core::sim::run(7, |env| async move {
    /// use futures::StreamExt;
    /// use orch::core::{ApiExt, Key, LogOptions, kind};
    /// use orch::runtime::task::Context;
    /// let talk = |context: Context| async move {
    ///     context.log("hello");
    ///     context.stopped().await
    /// };
    /// let nodes = [orch::NodeSpec::new("n1")];
    /// let cluster = orch::Cluster::builder().env(env).nodes(nodes).image("talk:1", talk).start().await.unwrap();
    /// let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
    ///     "spec": {"containers": [{"name": "c", "image": "talk:1"}]}});
    /// cluster.api().create(pod).await.unwrap();
    /// cluster.settle().await.unwrap();
    /// let (key, mut options) = (Key::new(kind::PODS, "default", "a"), LogOptions::of("c"));
    /// options.is_followed = true;
    /// let pod = cluster.api().read(&key).await.unwrap();
    /// let mut lines = cluster.pod_logs().open(&pod, &options).await.unwrap();
    /// assert_eq!(&*lines.next().await.unwrap().text, "hello");
    /// cluster.api().one(orch::core::Write::delete(key)).await.unwrap();
    /// assert!(lines.next().await.is_none(), "the container has ended");
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn pod_logs(&self) -> Arc<dyn PodLogs> {
        Arc::new(ClusterLogs(Arc::downgrade(&self.0)))
    }

    /// Everything of it that can crash alone, in a fixed order.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.0.parts.all()
    }

    /// Whether a part is there and has not crashed since it was last started.
    #[must_use]
    pub fn is_running(&self, part: &Part) -> bool {
        self.0.parts.is_running(part)
    }

    /// A part crashes: its tasks stop where they wait, what it remembers is lost, nobody tells the cluster. It may be asked
    /// for from inside a call of that very part: the call never comes back then. What is down stays as it is.
    ///
    /// ```
    /// use orch::{Cluster, Part};
    /// orch::core::sim::run(7, |env| async move {
    ///     let cluster = Cluster::builder().env(env).start().await.unwrap();
    ///     cluster.crash(&Part::Scheduler).unwrap();
    ///     assert!(!cluster.is_running(&Part::Scheduler));
    ///     cluster.restart(&Part::Scheduler).unwrap();
    ///     cluster.settle().await.unwrap();
    ///     assert!(cluster.crash(&Part::Node("n9".into())).is_err());
    ///     cluster.shutdown().await.unwrap();
    /// });
    /// ```
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn crash(&self, part: &Part) -> Result<(), Error> {
        self.0.parts.crash(part)
    }

    /// Starts a part anew, with a random stream of its own; one that runs crashes first. A node is a machine that boots: it
    /// has no containers and a new agent. An agent comes back to the containers that it had left.
    ///
    /// # Errors
    /// [`Error::NoPart`]; [`Error::NoNode`] for the agent of a node that is down.
    pub fn restart(&self, part: &Part) -> Result<(), Error> {
        self.0.parts.restart(part)
    }

    /// The simulated runtime of a node that runs, to make its containers end or hang; `None` when the node has another one.
    #[must_use]
    pub fn simulated(&self, node: &str) -> Option<Arc<SimulatedRuntime>> {
        self.0.parts.machine(node)?.simulated
    }

    /// The runtime of a node that runs.
    #[must_use]
    pub fn runtime(&self, node: &str) -> Option<Arc<dyn Runtime>> {
        self.0.parts.machine(node).map(|machine| machine.runtime)
    }

    /// A node dies: its agent and containers stop at once, nobody tells the cluster. It comes back by
    /// [`Cluster::restart`].
    ///
    /// # Errors
    /// [`Error::NoNode`] when no node of that name runs.
    pub fn kill_node(&self, name: &str) -> Result<(), Error> {
        let part = Part::Node(name.into());
        if !self.is_running(&part) {
            return Err(Error::NoNode { name: name.to_owned() });
        }
        self.crash(&part)
    }

    /// Ends every part and waits for it: no task, connection, listener or directory of the cluster is left when it returns.
    /// Clones that are still held can no longer do anything; with the last of them and of its network goes the socket that
    /// holds the cluster's block of addresses.
    ///
    /// # Errors
    /// [`Error::Directory`] when the volumes cannot be removed.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.0.env.shutdown().await;
        self.0.parts.clear();
        match self.0.directory.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Directory::Temporary(directory)) => {
                let path = directory.path().to_owned();
                directory.close().map_err(|source| Error::Directory { path, source })
            }
            Some(Directory::Given(_) | Directory::Memory(..)) | None => Ok(()),
        }
    }
}
