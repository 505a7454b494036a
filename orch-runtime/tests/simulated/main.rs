//! What the simulated runtime promises beyond the conformance suite, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chaos;
mod draws;
mod life;
mod many;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use orch_core::network::{Join, Network};
use orch_core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, ExecOutput, LogQuery, Result, Runtime,
    SandboxId, SandboxSpec, Streams,
};
use orch_core::{Env, Key, Str, kind, sim};
use orch_net::{MemNetwork, MemOptions};
use orch_runtime::simulated::{Profile, SimulatedRuntime};

/// A grace period that nobody needs in full.
const GRACE: Duration = Duration::from_secs(30);

/// A node with a simulated runtime.
struct Node {
    env: Env,
    network: Arc<MemNetwork>,
    runtime: SimulatedRuntime,
}

/// Runs a test on a node whose containers do that.
fn on_node<Fut: Future<Output = ()>>(profile: Profile, body: impl FnOnce(Node) -> Fut) {
    sim::run(7, |env| async move { body(Node::new(&env, profile)).await });
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Node {
    fn new(env: &Env, profile: Profile) -> Self {
        let network = Arc::new(MemNetwork::new(env, MemOptions::default()));
        let runtime = SimulatedRuntime::builder(env, network.clone()).defaults(profile).build();
        Self { env: env.clone(), network, runtime }
    }

    async fn pod(&self, name: &str) -> SandboxId {
        self.annotated(name, &[]).await
    }

    /// A pod with annotations, given without their prefix.
    async fn annotated(&self, name: &str, annotations: &[(&str, &str)]) -> SandboxId {
        let (pod, uid): (_, Str) = (Key::new(kind::PODS, "shop", name), format!("uid-{name}").into());
        let join = Join::new(pod.clone(), uid.clone(), "n1".into());
        let attachment = self.network.attach(&join).await.unwrap();
        let annotation =
            |(name, value): &(&str, &str)| (format!("sim.orch.local/{name}").into(), (*value).into());
        let spec = SandboxSpec::new(pod, uid, "n1".into());
        let spec = spec.annotations(annotations.iter().map(annotation).collect());
        self.runtime.run_pod(&spec, &attachment).await.unwrap()
    }

    async fn start(&self, pod: &SandboxId, name: &str) -> Result<ContainerId> {
        self.runtime.start(pod, &ContainerSpec::new(name, "any/image")).await
    }

    /// A container of a pod of its own that has started.
    async fn run(&self, name: &str) -> ContainerId {
        let pod = self.pod(name).await;
        self.start(&pod, "main").await.unwrap()
    }

    async fn status(&self, id: &ContainerId) -> ContainerStatus {
        let state = self.runtime.state().await.unwrap();
        let mut containers = state.into_iter().flat_map(|sandbox| sandbox.containers);
        containers.find(|container| container.id == *id).unwrap()
    }

    /// Code and reason of a container that has ended.
    async fn ended(&self, id: &ContainerId) -> Option<(i32, String)> {
        match self.status(id).await.state {
            ContainerState::Exited { code, reason, .. } => Some((code, reason.to_string())),
            ContainerState::Running { .. } => None,
        }
    }

    async fn exec(&self, id: &ContainerId, command: &[&str]) -> Result<ExecOutput> {
        let command: Vec<Str> = command.iter().map(|word| (*word).into()).collect();
        self.runtime.exec(id, &command, secs(1)).await
    }

    async fn log(&self, id: &ContainerId) -> Vec<String> {
        let lines = self.runtime.logs(id, &LogQuery::default()).await.unwrap();
        lines.iter().map(|line| line.text.to_string()).collect()
    }
}
