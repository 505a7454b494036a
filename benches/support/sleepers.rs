//! A runtime whose containers start at once and sleep until they are stopped: what a benchmark or a test uses to see what
//! everything else costs. Not here: images, logs, files.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use orch::NodeSpec;
use orch::core::network::Attachment;
use orch::core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, Error, ImageId, Result, Runtime,
    RuntimeEvent, RuntimeInfo, SandboxId, SandboxSpec, SandboxStatus,
};
use orch::core::{Env, Str};

/// A node with that runtime and room for 250 pods.
pub(crate) fn node(name: impl Into<String>) -> NodeSpec {
    let runtime = |env: &Env| Arc::new(Sleepers::new(env.clone())) as Arc<dyn Runtime>;
    NodeSpec::new(name).cpu("32").memory("128Gi").pods(250).runtime(runtime)
}

#[derive(Default)]
struct State {
    pods: BTreeMap<SandboxId, SandboxStatus>,
    watchers: Vec<mpsc::UnboundedSender<RuntimeEvent>>,
}

struct Sleepers {
    env: Env,
    ids: AtomicU64,
    state: Mutex<State>,
}

impl Sleepers {
    fn new(env: Env) -> Self {
        Self { env, ids: AtomicU64::default(), state: Mutex::default() }
    }

    fn id(&self, of: &str) -> Str {
        format!("{of}-{}", self.ids.fetch_add(1, Ordering::Relaxed)).into()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

#[async_trait]
impl Runtime for Sleepers {
    fn info(&self) -> RuntimeInfo {
        RuntimeInfo { name: "sleepers".into(), version: "1".into() }
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        Ok(self.state().pods.values().cloned().collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        let (sender, receiver) = mpsc::unbounded();
        self.state().watchers.push(sender);
        Ok(receiver.boxed())
    }

    async fn run_pod(&self, spec: &SandboxSpec, _: &Attachment) -> Result<SandboxId> {
        let id = SandboxId(self.id("pod"));
        let status = SandboxStatus { id: id.clone(), spec: spec.clone(), containers: Vec::new() };
        self.state().pods.insert(id.clone(), status);
        Ok(id)
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        self.state().pods.remove(sandbox);
        Ok(())
    }

    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        let id = ContainerId(self.id(&sandbox.0));
        let (name, attempt, image) = (spec.name.clone(), spec.attempt, spec.image.clone());
        let (image_id, state) = (ImageId(image.clone()), ContainerState::Running { started: self.env.now() });
        let status = ContainerStatus { id: id.clone(), name, attempt, image, image_id, state };
        let mut state = self.state();
        let pod = state.pods.get_mut(sandbox).ok_or_else(|| Error::NotFound { id: sandbox.0.clone() })?;
        pod.containers.push(status);
        Ok(id)
    }

    async fn stop(&self, container: &ContainerId, _: Duration) -> Result<()> {
        let finished = self.env.now();
        let mut state = self.state();
        let State { pods, watchers } = &mut *state;
        let Some((pod, _)) = container.0.rsplit_once('-') else { return Ok(()) };
        let Some((id, pod)) = pods.get_key_value(&SandboxId(pod.into())) else { return Ok(()) };
        let (id, mut pod) = (id.clone(), pod.clone());
        for status in pod.containers.iter_mut().filter(|status| status.id == *container) {
            let ContainerState::Running { started } = status.state else { continue };
            let (reason, message) = (Str::default(), Str::default());
            status.state = ContainerState::Exited { code: 0, started, finished, reason, message };
            let event = RuntimeEvent::Exited { sandbox: id.clone(), status: status.clone() };
            watchers.retain(|watcher| watcher.unbounded_send(event.clone()).is_ok());
        }
        pods.insert(id, pod);
        Ok(())
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        let keep = |pod: &mut SandboxStatus| pod.containers.retain(|status| status.id != *container);
        self.state().pods.values_mut().for_each(keep);
        Ok(())
    }
}
