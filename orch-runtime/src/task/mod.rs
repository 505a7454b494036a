//! The task runtime: a container is an async Rust function, registered under an image name.
//!
//! For embedding, tests, simulation and examples: no engine, no processes, real sockets or none. It isolates nothing but
//! names: functions share this process. Each container is a crash domain of its own, so killing one drops its future at
//! the point where it waits; a function that never waits cannot be killed.

mod container;
mod context;
mod exec;
mod images;
mod name;
mod outcome;

pub use context::Context;
pub(crate) use images::digest;
pub use images::{TaskImage, TaskImages};
pub use name::ImageName;
pub use outcome::{Answer, Termination};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use orch_core::network::{Attachment, Network};
use orch_core::runtime::{
    ContainerId, ContainerSpec, Error, ExecOutput, ImageId, Images, LogLine, LogQuery, Result, Runtime,
    RuntimeEvent, RuntimeInfo, SandboxId, SandboxSpec, SandboxStatus, Streams,
};
use orch_core::{Env, Str};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use container::Container;
use context::Inner;
use images::Shelf;

use crate::inside::files::{Files, Layers};
use crate::inside::log::Log;

/// Events kept for a slow listener before it is told that some were lost: every container of a full node (110 pods) ends
/// at once, several times over.
const EVENTS: usize = 1024;

/// A runtime whose containers are async functions.
///
/// ```
/// # orch_core::sim::run(1, |env| async move {
/// use std::sync::Arc;
/// use orch_core::network::{Join, Network};
/// use orch_core::runtime::{ContainerSpec, ContainerState, Images, Runtime, SandboxSpec};
/// use orch_core::{Key, kind};
/// use orch_net::{MemNetwork, MemOptions};
/// use orch_runtime::task::{Context, TaskImages, TaskRuntime};
///
/// let images = TaskImages::default();
/// images.register("shop/job", |context: Context| async move { context.args().len() as i32 }).unwrap();
/// let network = Arc::new(MemNetwork::new(&env, MemOptions::default()));
/// let runtime = TaskRuntime::builder(&env, network.clone()).images(images).build();
///
/// let pod = Key::new(kind::PODS, "shop", "job-1");
/// let attachment = network.attach(&Join::new(pod.clone(), "u1".into(), "n1".into())).await.unwrap();
/// let sandbox = runtime.run_pod(&SandboxSpec::new(pod, "u1".into(), "n1".into()), &attachment).await.unwrap();
/// runtime.pull("shop/job").await.unwrap();
/// let mut spec = ContainerSpec::new("job", "shop/job");
/// spec.args = vec!["a".into(), "b".into()];
/// runtime.start(&sandbox, &spec).await.unwrap();
/// env.sleep(std::time::Duration::from_secs(1)).await;
/// let state = runtime.state().await.unwrap();
/// assert!(matches!(state[0].containers[0].state, ContainerState::Exited { code: 2, .. }));
/// # });
/// ```
pub struct TaskRuntime {
    env: Env,
    network: Arc<dyn Network>,
    source: TaskImages,
    layers: Arc<Layers>,
    events: broadcast::Sender<RuntimeEvent>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sandboxes: BTreeMap<SandboxId, Sandbox>,
    /// The images that are here.
    present: Shelf,
}

struct Sandbox {
    spec: SandboxSpec,
    attachment: Attachment,
    /// In the order they were started.
    containers: Vec<Arc<Container>>,
}

/// Makes a [`TaskRuntime`].
pub struct Builder {
    env: Env,
    network: Arc<dyn Network>,
    images: TaskImages,
    layers: Layers,
}

impl Builder {
    /// Where images come from.
    #[must_use]
    pub fn images(mut self, images: TaskImages) -> Self {
        self.images = images;
        self
    }

    /// Where containers keep what they write outside of mounts; a directory of its own is made there, and removed with
    /// the runtime. By default that is the system's directory for temporary files.
    #[must_use]
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.layers = Layers::below(directory.into());
        self
    }

    /// The runtime.
    #[must_use]
    pub fn build(self) -> TaskRuntime {
        TaskRuntime {
            env: self.env.child("runtime"),
            network: self.network,
            source: self.images,
            layers: Arc::new(self.layers),
            events: broadcast::Sender::new(EVENTS),
            state: Mutex::default(),
        }
    }
}

impl TaskRuntime {
    /// A runtime for one node. Its containers live in a child of that environment and talk through that network.
    #[must_use]
    pub fn builder(env: &Env, network: Arc<dyn Network>) -> Builder {
        Builder { env: env.clone(), network, images: TaskImages::default(), layers: Layers::default() }
    }

    fn state_mut(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never the same again, not even after a restart with the same seed: time has gone on.
    fn new_id(&self) -> Str {
        format!("{:016x}{:016x}", self.env.elapsed().as_nanos(), self.env.draw()).into()
    }

    fn find(&self, id: &ContainerId) -> Option<Arc<Container>> {
        let state = self.state_mut();
        let mut containers = state.sandboxes.values().flat_map(|sandbox| &sandbox.containers);
        containers.find(|container| container.id == *id).cloned()
    }

    fn context(
        &self,
        id: &ContainerId,
        sandbox: &Sandbox,
        spec: &ContainerSpec,
        image: &TaskImage,
    ) -> Context {
        let given = |given: &[Str], of_image: &[Str]| {
            if given.is_empty() { of_image.to_vec() } else { given.to_vec() }
        };
        let args = if spec.command.is_empty() { given(&spec.args, &image.args) } else { spec.args.clone() };
        let path = format!("{}/{}/{}", sandbox.spec.uid, spec.name, spec.attempt);
        Context(Arc::new(Inner {
            domain: self.env.child(&path),
            network: Arc::clone(&self.network),
            sandbox: sandbox.spec.clone(),
            attachment: sandbox.attachment.clone(),
            command: given(&spec.command, &image.entrypoint),
            args,
            files: Files::new(&spec.mounts, &spec.working_dir, Arc::clone(&self.layers), &id.0),
            spec: spec.clone(),
            log: Log::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Kills containers and forgets what they wrote.
    async fn clear(&self, containers: &[Arc<Container>]) -> Result<()> {
        // All at once: a future that is dropped while it waits for one end has killed the others.
        containers.iter().for_each(|container| container.kill());
        for container in containers {
            container.stop(&self.env, Duration::ZERO).await?;
            container.context.0.files.clear();
        }
        Ok(())
    }
}

#[async_trait]
impl Runtime for TaskRuntime {
    fn info(&self) -> RuntimeInfo {
        RuntimeInfo { name: "task".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        self.env.edge().await;
        let state = self.state_mut();
        let status = |(id, sandbox): (&SandboxId, &Sandbox)| SandboxStatus {
            id: id.clone(),
            spec: sandbox.spec.clone(),
            containers: sandbox.containers.iter().map(|container| container.status()).collect(),
        };
        Ok(state.sandboxes.iter().map(status).collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        self.env.edge().await;
        let events = stream::unfold(self.events.subscribe(), |mut events| async move {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(broadcast::error::RecvError::Lagged(_)) => RuntimeEvent::Lost,
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            Some((event, events))
        });
        Ok(events.boxed())
    }

    async fn run_pod(&self, spec: &SandboxSpec, attachment: &Attachment) -> Result<SandboxId> {
        self.env.edge().await;
        let mut state = self.state_mut();
        let same = state
            .sandboxes
            .iter()
            .find(|(_, sandbox)| sandbox.spec == *spec && sandbox.attachment == *attachment);
        if let Some((id, _)) = same {
            return Ok(id.clone());
        }
        let id = SandboxId(self.new_id());
        let sandbox = Sandbox { spec: spec.clone(), attachment: attachment.clone(), containers: Vec::new() };
        state.sandboxes.insert(id.clone(), sandbox);
        Ok(id)
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        self.env.edge().await;
        let removed = self.state_mut().sandboxes.remove(sandbox);
        match removed {
            Some(sandbox) => self.clear(&sandbox.containers).await,
            None => Ok(()),
        }
    }

    async fn start(&self, sandbox_id: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        self.env.edge().await;
        let name = ImageName::parse(&spec.image)?;
        if let Some(mount) = spec.mounts.iter().find(|mount| !mount.host.exists()) {
            let why = format!("mount source {} does not exist", mount.host.display());
            return Err(Error::Create { container: spec.name.clone(), why });
        }
        let mut state = self.state_mut();
        let State { sandboxes, present } = &mut *state;
        let Some(sandbox) = sandboxes.get_mut(sandbox_id) else {
            return Err(Error::NotFound { id: sandbox_id.0.clone() });
        };
        let mut started = sandbox.containers.iter().map(|container| (container, &container.context.0.spec));
        if let Some((same, _)) = started.find(|(_, old)| old.name == spec.name && old.attempt == spec.attempt)
        {
            return Ok(same.id.clone());
        }
        let built = present.find(&name).ok_or_else(|| no_image(&spec.image, &name))?;
        let id = ContainerId(self.new_id());
        let context = self.context(&id, sandbox, spec, &built.image);
        let events = self.events.clone();
        let container = Container::start(&self.env, id.clone(), sandbox_id.clone(), context, built, events);
        sandbox.containers.push(container);
        Ok(id)
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> Result<()> {
        self.env.edge().await;
        match self.find(container) {
            Some(container) => container.stop(&self.env, grace).await,
            None => Ok(()),
        }
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        self.env.edge().await;
        let Some(found) = self.find(container) else { return Ok(()) };
        for sandbox in self.state_mut().sandboxes.values_mut() {
            sandbox.containers.retain(|other| other.id != *container);
        }
        self.clear(&[found]).await
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }

    fn streams(&self) -> Option<&dyn Streams> {
        Some(self)
    }
}

#[async_trait]
impl Images for TaskRuntime {
    async fn present(&self, image: &str) -> Result<Option<ImageId>> {
        self.env.edge().await;
        let name = ImageName::parse(image)?;
        Ok(self.state_mut().present.find(&name).map(|built| built.id.clone()))
    }

    async fn pull(&self, image: &str) -> Result<ImageId> {
        self.env.edge().await;
        let name = ImageName::parse(image)?;
        let built = self.source.find(&name).ok_or_else(|| no_image(image, &name))?;
        let id = built.id.clone();
        self.state_mut().present.put(name, built);
        Ok(id)
    }

    async fn list(&self) -> Result<Vec<Str>> {
        self.env.edge().await;
        Ok(self.state_mut().present.names())
    }
}

fn no_image(image: &str, name: &ImageName) -> Error {
    Error::ImagePull {
        image: image.into(),
        why: format!("failed to resolve reference \"{name}\": not found"),
    }
}

#[async_trait]
impl Streams for TaskRuntime {
    async fn exec(&self, container: &ContainerId, command: &[Str], limit: Duration) -> Result<ExecOutput> {
        self.env.edge().await;
        let found = self.find(container).ok_or_else(|| Error::NotFound { id: container.0.clone() })?;
        exec::exec(&found, command, limit).await
    }

    async fn logs(&self, container: &ContainerId, query: &LogQuery) -> Result<Vec<LogLine>> {
        self.env.edge().await;
        let found = self.find(container).ok_or_else(|| Error::NotFound { id: container.0.clone() })?;
        Ok(found.context.0.log.read(query))
    }
}

impl fmt::Debug for TaskRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskRuntime({} sandboxes)", self.state_mut().sandboxes.len())
    }
}

impl Drop for TaskRuntime {
    fn drop(&mut self) {
        // The containers are the runtime's: nobody else could end them.
        self.env.crash();
    }
}
