//! What watches the decisions of parts: a scheduler, a runtime and the plans of controllers, passed through unchanged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use orch_core::controller::Plan;
use orch_core::engine::Inspect;
use orch_core::network::Attachment;
use orch_core::runtime::{
    ContainerId, ContainerSpec, ContainerState, Images, Result, Runtime, RuntimeEvent, RuntimeInfo,
    SandboxId, SandboxSpec, SandboxStatus, Streams,
};
use orch_core::scheduler::{Decision, Explanation, Outcome, Scheduler};
use orch_core::view::{Needs, View};
use orch_core::{Change, Key, Kind, Str};

use super::hub::Hub;
use super::{Happening, Running};

/// Tells the hub of every plan.
pub(super) struct Plans {
    pub(super) hub: Hub,
    pub(super) needs: Needs,
}

impl Inspect for Plans {
    fn needs(&self) -> Needs {
        self.needs.clone()
    }

    fn plan(&self, controller: &str, key: &Key, _now: Timestamp, view: &dyn View, plan: &Plan) {
        self.hub.happened(&Happening::Planned { controller, key, view, plan });
    }
}

/// A scheduler that tells the hub what it was told and what it decided.
pub(super) struct Watched {
    inner: Box<dyn Scheduler>,
    hub: Hub,
}

impl Watched {
    /// A scheduler that starts now.
    pub(super) fn start(inner: Box<dyn Scheduler>, hub: Hub) -> Self {
        hub.happened(&Happening::SchedulerStarted);
        Self { inner, hub }
    }
}

impl Scheduler for Watched {
    fn kinds(&self) -> Vec<Kind> {
        self.inner.kinds()
    }

    fn apply(&mut self, change: &Change) {
        self.hub.happened(&Happening::Told { change });
        self.inner.apply(change);
    }

    fn decide(&mut self, now: Timestamp, max: usize, out: &mut Vec<Decision>) {
        let before = out.len();
        self.inner.decide(now, max, out);
        out[before..].iter().for_each(|decision| self.hub.happened(&Happening::Decided { decision }));
    }

    fn outcome(&mut self, pod: &Key, uid: &str, outcome: Outcome) {
        self.hub.happened(&Happening::Concluded { pod, uid, outcome: &outcome });
        self.inner.outcome(pod, uid, outcome);
    }

    fn next_wake(&self) -> Option<Timestamp> {
        self.inner.next_wake()
    }

    fn explain(&self, pod: &Key, node: Option<&str>) -> Explanation {
        self.inner.explain(pod, node)
    }

    fn fork(&self) -> Box<dyn Scheduler> {
        self.inner.fork()
    }
}

/// The runtime of a node that tells the hub of every container that starts.
pub(super) struct WatchedRuntime {
    inner: Arc<dyn Runtime>,
    hub: Hub,
    node: Str,
}

impl WatchedRuntime {
    pub(super) fn new(inner: Arc<dyn Runtime>, hub: Hub, node: &str) -> Self {
        Self { inner, hub, node: node.into() }
    }
}

/// What runs in a state.
fn running(node: &Str, state: Vec<SandboxStatus>) -> impl Iterator<Item = Running> {
    state.into_iter().flat_map(move |sandbox| {
        let node = node.clone();
        let SandboxSpec { pod, uid, .. } = sandbox.spec;
        let alive = sandbox.containers.into_iter();
        let alive = alive.filter(|container| matches!(container.state, ContainerState::Running { .. }));
        alive.map(move |container| Running {
            node: node.clone(),
            pod: pod.clone(),
            uid: uid.clone(),
            container: container.name,
            id: container.id,
        })
    })
}

/// Every container that runs on the nodes that are up.
pub(super) async fn all_running(hub: &Hub) -> Vec<Running> {
    let mut all = Vec::new();
    for (node, runtime) in hub.runtimes() {
        // A node that goes down meanwhile has nothing that runs.
        let state = runtime.state().await.unwrap_or_default();
        if !hub.is_down(&node) {
            all.extend(running(&node, state));
        }
    }
    all.sort();
    all
}

#[async_trait]
impl Runtime for WatchedRuntime {
    fn info(&self) -> RuntimeInfo {
        self.inner.info()
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        self.hub.called(&self.node);
        self.inner.state().await
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        self.inner.events().await
    }

    async fn run_pod(&self, spec: &SandboxSpec, attachment: &Attachment) -> Result<SandboxId> {
        self.hub.called(&self.node);
        self.inner.run_pod(spec, attachment).await
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        self.hub.called(&self.node);
        self.inner.remove_pod(sandbox).await
    }

    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        self.hub.called(&self.node);
        let id = self.inner.start(sandbox, spec).await?;
        let all = all_running(&self.hub).await;
        // One that has ended again is no news.
        if let Some(container) = all.iter().find(|running| running.id == id && running.node == self.node) {
            self.hub.started(container, &all);
        }
        Ok(id)
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> Result<()> {
        self.hub.called(&self.node);
        self.inner.stop(container, grace).await
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        self.hub.called(&self.node);
        self.inner.remove(container).await
    }

    fn images(&self) -> Option<&dyn Images> {
        self.inner.images()
    }

    fn streams(&self) -> Option<&dyn Streams> {
        self.inner.streams()
    }
}
