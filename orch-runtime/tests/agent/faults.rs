//! A runtime that fails and loses events now and then: the agent converges all the same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use orch_core::network::Attachment;
use orch_core::runtime::{
    ContainerId, ContainerSpec, Error, Images, Result, Runtime, RuntimeEvent, RuntimeInfo, SandboxId,
    SandboxSpec, SandboxStatus, Streams,
};
use orch_core::{Env, Key, kind, sim};
use serde_json::json;

use crate::world::World;

/// Every call fails one time in `odds`, before or after it was done; an event is lost as often.
struct Flaky {
    inner: Arc<dyn Runtime>,
    env: Env,
    odds: u64,
}

impl Flaky {
    fn fails(&self) -> Result<()> {
        if self.env.below(self.odds) == 0 {
            Err(Error::Unavailable { why: "a fault".into() })
        } else {
            Ok(())
        }
    }

    async fn call<T>(&self, done: impl Future<Output = Result<T>>) -> Result<T> {
        self.fails()?;
        self.env.sleep(Duration::from_millis(self.env.below(200))).await;
        let answer = done.await?;
        self.fails()?;
        Ok(answer)
    }
}

#[async_trait]
impl Runtime for Flaky {
    fn info(&self) -> RuntimeInfo {
        self.inner.info()
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        self.call(self.inner.state()).await
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        self.fails()?;
        let (env, odds) = (self.env.clone(), self.odds);
        let lose = move |event| if env.below(odds) == 0 { RuntimeEvent::Lost } else { event };
        Ok(self.inner.events().await?.map(lose).boxed())
    }

    async fn run_pod(&self, spec: &SandboxSpec, attachment: &Attachment) -> Result<SandboxId> {
        self.call(self.inner.run_pod(spec, attachment)).await
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        self.call(self.inner.remove_pod(sandbox)).await
    }

    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        self.call(self.inner.start(sandbox, spec)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> Result<()> {
        self.call(self.inner.stop(container, grace)).await
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        self.call(self.inner.remove(container)).await
    }

    fn images(&self) -> Option<&dyn Images> {
        self.inner.images()
    }

    fn streams(&self) -> Option<&dyn Streams> {
        self.inner.streams()
    }
}

fn converges(seed: u64) {
    sim::run(seed, |env| async move {
        let mut world = World::new(&env).await;
        let flaky = Flaky { inner: Arc::clone(&world.runtime), env: env.child("faults"), odds: 5 };
        world.runtime = Arc::new(flaky);
        world.start_agent();
        let spec = json!({"initContainers": [{"name": "i", "image": "exit:1"}], "containers": [
            {"name": "c", "image": "server:1", "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1}},
            {"name": "d", "image": "pause:1"}]});
        let web = world.pod("web", spec).await;
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "exit:1", "args": ["0", "2"]}]});
        let job = world.pod("job", spec).await;
        world.until_ready(&web).await;
        world.until(&job, |status| matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"))).await;
        for pod in [&web, &job] {
            world.delete(pod).await;
            world.until_gone(pod).await;
        }
        world.secs(120).await;
        let left = loop {
            if let Ok(left) = world.runtime.state().await {
                break left;
            }
        };
        assert!(left.is_empty(), "seed {seed}: {left:?}");
        assert!(world.read(&Key::cluster(kind::NODES, "n1")).await.is_some());
    });
}

#[test]
fn an_agent_converges_on_a_runtime_that_fails() {
    (0..40).for_each(converges);
}
