//! A node of a cluster: what it has, and which runtime it uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::runtime::{ContainerSpec, Runtime, SandboxSpec};
use orch_core::{Env, Quantity};
use orch_runtime::simulated::Profile;

use crate::Error;

/// Which runtime a node has.
#[derive(Clone)]
pub(crate) enum RuntimeChoice {
    /// The task runtime, with the cluster's images.
    Task,
    /// The simulated runtime, with what its containers do.
    Simulated(Profiles),
    /// The user's own, made in the node's environment.
    Own(MakeRuntime),
}

/// Makes a runtime.
pub(crate) type MakeRuntime = Arc<dyn Fn(&Env) -> Arc<dyn Runtime> + Send + Sync>;
/// What simulated containers do.
pub(crate) type Profiles = Arc<dyn Fn(&SandboxSpec, &ContainerSpec) -> Profile + Send + Sync>;

/// A node that a cluster will have. By default 4 CPUs, 8 GiB of memory, 110 pods and the task runtime.
///
/// ```
/// let node = orch::NodeSpec::new("n1").cpu("500m").memory("1Gi").label("disk", "ssd");
/// assert_eq!(node.name(), "n1");
/// ```
#[derive(Clone)]
pub struct NodeSpec {
    pub(crate) name: String,
    pub(crate) capacity: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<(String, String, String)>,
    pub(crate) runtime: RuntimeChoice,
}

impl NodeSpec {
    /// A node of that name.
    pub fn new(name: impl Into<String>) -> Self {
        let capacity = [("cpu", "4"), ("memory", "8Gi"), ("pods", "110"), ("ephemeral-storage", "100Gi")];
        Self {
            name: name.into(),
            capacity: capacity.map(|(resource, amount)| (resource.into(), amount.into())).into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            runtime: RuntimeChoice::Task,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its CPUs, as a quantity such as `4` or `500m`. A malformed one is refused when the cluster starts.
    #[must_use]
    pub fn cpu(self, cpu: &str) -> Self {
        self.resource("cpu", cpu)
    }

    /// Its memory, as a quantity such as `8Gi`.
    #[must_use]
    pub fn memory(self, memory: &str) -> Self {
        self.resource("memory", memory)
    }

    /// How many pods it takes.
    #[must_use]
    pub fn pods(self, pods: u32) -> Self {
        self.resource("pods", &pods.to_string())
    }

    /// Any resource, extended ones such as `example.com/gpu` too.
    #[must_use]
    pub fn resource(mut self, name: &str, amount: &str) -> Self {
        self.capacity.insert(name.to_owned(), amount.to_owned());
        self
    }

    /// A label besides the well-known ones.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A taint; the effect is `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[must_use]
    pub fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        self.taints.push((key.to_owned(), value.to_owned(), effect.to_owned()));
        self
    }

    /// A runtime of the user's own in place of the task runtime.
    #[must_use]
    pub fn runtime(mut self, make: impl Fn(&Env) -> Arc<dyn Runtime> + Send + Sync + 'static) -> Self {
        self.runtime = RuntimeChoice::Own(Arc::new(make));
        self
    }

    /// The simulated runtime in place of the task runtime: every image runs, and does what its profile says, which pods may
    /// overrule by annotations.
    ///
    /// ```
    /// use std::time::Duration;
    /// use orch::NodeSpec;
    /// use orch::runtime::simulated::Profile;
    /// let slow = NodeSpec::new("n1").simulated(|_, _| Profile::default().start_latency(Duration::from_secs(1)));
    /// assert_eq!(slow.name(), "n1");
    /// ```
    #[must_use]
    pub fn simulated(
        mut self,
        profiles: impl Fn(&SandboxSpec, &ContainerSpec) -> Profile + Send + Sync + 'static,
    ) -> Self {
        self.runtime = RuntimeChoice::Simulated(Arc::new(profiles));
        self
    }
}

impl NodeSpec {
    /// The capacity as quantities.
    pub(crate) fn quantities(&self) -> Result<BTreeMap<String, Quantity>, Error> {
        let parse = |(resource, amount): (&String, &String)| match amount.parse() {
            Ok(quantity) => Ok((resource.clone(), quantity)),
            Err(error) => Err(Error::Builder {
                field: format!("node {:?}: {resource}", self.name),
                why: format!("{amount:?} is not a quantity such as 500m or 8Gi: {error}"),
            }),
        };
        self.capacity.iter().map(parse).collect()
    }
}

/// What is kept of a container's log, over all its starts in order.
pub(crate) async fn logs(runtime: &dyn Runtime, uid: &str, container: &str) -> Vec<orch_core::Str> {
    let Some(streams) = runtime.streams() else { return Vec::new() };
    let state = runtime.state().await.unwrap_or_default();
    let statuses = state.into_iter().filter(|pod| &*pod.spec.uid == uid).flat_map(|pod| pod.containers);
    let mut lines = Vec::new();
    for status in statuses.filter(|status| &*status.name == container) {
        let kept =
            streams.logs(&status.id, &orch_core::runtime::LogQuery::default()).await.unwrap_or_default();
        lines.extend(kept.into_iter().map(|line| line.text));
    }
    lines
}
