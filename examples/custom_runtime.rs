//! A runtime of your own: here every image is there and every container sleeps until it is stopped.
//!
//! ```text
//! cargo run --release --example custom_runtime
//! ```
//!
//! You will see a pod of an image that nobody registered run. Your own would also pass `runtime_conformance!`.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use orch::core::network::Attachment;
use orch::core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, ImageId, Result, Runtime, RuntimeEvent,
    RuntimeInfo, SandboxId, SandboxSpec, SandboxStatus,
};
use orch::core::{Env, Str};
use orch::{Cluster, NodeSpec};

struct Sleepers {
    env: Env,
    ids: AtomicU64,
    pods: Mutex<BTreeMap<SandboxId, SandboxStatus>>,
}

impl Sleepers {
    fn new(env: Env) -> Self {
        Self { env, ids: AtomicU64::default(), pods: Mutex::default() }
    }

    fn id(&self, of: &str) -> Str {
        format!("{of}-{}", self.ids.fetch_add(1, Ordering::Relaxed)).into()
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<SandboxId, SandboxStatus>> {
        self.pods.lock().expect("no holder of the lock panics")
    }
}

#[async_trait]
impl Runtime for Sleepers {
    fn info(&self) -> RuntimeInfo {
        RuntimeInfo { name: "sleepers".into(), version: "1".into() }
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        Ok(self.pods().values().cloned().collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        Ok(futures::stream::pending().boxed())
    }

    async fn run_pod(&self, spec: &SandboxSpec, _: &Attachment) -> Result<SandboxId> {
        let id = SandboxId(self.id("pod"));
        self.pods()
            .insert(id.clone(), SandboxStatus { id: id.clone(), spec: spec.clone(), containers: Vec::new() });
        Ok(id)
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        self.pods().remove(sandbox);
        Ok(())
    }

    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        let id = ContainerId(self.id("container"));
        let (name, attempt, image) = (spec.name.clone(), spec.attempt, spec.image.clone());
        let (image_id, state) = (ImageId(image.clone()), ContainerState::Running { started: self.env.now() });
        let status = ContainerStatus { id: id.clone(), name, attempt, image, image_id, state };
        let mut pods = self.pods();
        let pod = pods
            .get_mut(sandbox)
            .ok_or_else(|| orch::core::runtime::Error::NotFound { id: sandbox.0.clone() })?;
        pod.containers.push(status);
        Ok(id)
    }

    async fn stop(&self, container: &ContainerId, _: Duration) -> Result<()> {
        let finished: Timestamp = self.env.now();
        for status in self.pods().values_mut().flat_map(|pod| &mut pod.containers) {
            if let ContainerState::Running { started } = status.state
                && status.id == *container
            {
                let (reason, message) = (Str::default(), Str::default());
                status.state = ContainerState::Exited { code: 0, started, finished, reason, message };
            }
        }
        Ok(())
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        self.pods().values_mut().for_each(|pod| pod.containers.retain(|status| status.id != *container));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let node =
        NodeSpec::new("n1").runtime(|env: &Env| Arc::new(Sleepers::new(env.clone())) as Arc<dyn Runtime>);
    let cluster = Cluster::builder().nodes([node]).start().await?;
    cluster.apply("{apiVersion: v1, kind: Pod, metadata: {name: nap, namespace: default}, spec: {containers: [{name: main, image: whatever}]}}").await?;
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let running = |pods: &[Pod]| pods.iter().any(|pod| phase(pod).as_deref() == Some("Running"));
    cluster.wait_for("default", Duration::from_secs(10), running).await?;
    println!("the container ran on the user's runtime");
    cluster.of::<Pod>("default").delete("nap").await?;
    cluster.wait_for("default", Duration::from_secs(40), |pods: &[Pod]| pods.is_empty()).await?;
    Ok(cluster.shutdown().await?)
}
