//! The simulated runtime: a container is a state machine that does nothing, in virtual time or real.
//!
//! For chaos, scale and conformance: any image is accepted, and what becomes of a container is drawn from the seed. It
//! runs no code: nothing happens in a container but what its [`Profile`] says. A container costs memory and an entry
//! among the dues; there is one task a runtime, and one for each container that listens. Invariant: one seed, one
//! history; and what is drawn for a container depends only on the runtime's environment, the pod's uid, the container's
//! name, its attempt, and how often that was tried.
//!
//! # Annotations
//!
//! They say for one pod what its containers do, and go before the profile. Each is written `sim.orch.local/NAME` for all
//! containers of the pod or `sim.orch.local/NAME.CONTAINER` for one, which goes first. A length of time is written `5s`,
//! `250ms`, `2m`, `1h`, or `1s..5s` to be drawn between the two; a probability is a number from 0 to 1, `true` or `false`.
//! A container whose annotations cannot be read does not start.
//!
//! | name | value | what it says |
//! |---|---|---|
//! | `start-latency` | length of time | how long a start takes |
//! | `start-fails` | probability | that a start fails |
//! | `pull-latency` | length of time | how much longer a start takes because the image is pulled for it |
//! | `pull-fails` | probability | that a start fails because the image cannot be pulled (`ErrImagePull`) |
//! | `runs-for` | length of time | how long it runs before it ends by itself |
//! | `exit-code` | 0 to 255, or several: `0,0,1` | one of them is the code then; 137 is `OOMKilled`, 134 a panic |
//! | `stop-latency` | length of time | how long it takes to end when it is asked to |
//! | `ignores-stop` | probability | that it does not end when it is asked to, and is killed after the grace period |
//! | `ready-after` | length of time | how long after its start its probes succeed |
//! | `probe-fails` | probability | that a probe of the ready container fails, each for itself |
//! | `hangs` | probability | that it answers no probe and ignores being asked to end |
//! | `last-word` | text | its termination message when it ends by itself |
//!
//! # Probes and ports
//!
//! A container listens at its TCP ports ([`ContainerSpec::ports`](orch_core::runtime::ContainerSpec)) while it runs. An
//! HTTP request is answered with 200 and who answers, in JSON, or with 503 while the container is not ready; requests of
//! probes (`kube-probe/`) also fail by draw. Everything else comes back as it was sent. Commands end with code 1 while the
//! container is not ready or when that is drawn, so that exec probes follow readiness.

mod annotations;
mod container;
mod control;
mod draws;
mod events;
mod faults;
mod images;
mod machine;
mod ports;
mod profile;
mod span;
mod world;

pub use control::RunningContainer;
pub use faults::Faults;
pub use profile::Profile;
pub use span::Span;

use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use orch_core::network::{Attachment, Network};
use orch_core::runtime::{
    ContainerId, ContainerSpec, Error, ExecOutput, ImageId, Images, LogLine, LogQuery, Result, Runtime,
    RuntimeEvent, RuntimeInfo, SandboxId, SandboxSpec, SandboxStatus, Streams,
};
use orch_core::{Env, Key, Str, kind};
use tokio::sync::oneshot;

use crate::task::ImageName;
use draws::{Life, Pull};
use machine::{Plan, Subject};
use world::World;

type Profiles = Arc<dyn Fn(&SandboxSpec, &ContainerSpec) -> Option<Profile> + Send + Sync>;

/// A runtime whose containers are simulated.
///
/// ```
/// # orch_core::sim::run(1, |env| async move {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use orch_core::network::{Join, Network};
/// use orch_core::runtime::{ContainerSpec, ContainerState, Runtime, SandboxSpec};
/// use orch_core::{Key, kind};
/// use orch_net::{MemNetwork, MemOptions};
/// use orch_runtime::simulated::{Profile, SimulatedRuntime};
///
/// let network = Arc::new(MemNetwork::new(&env, MemOptions::default()));
/// let job = Profile::default().runs_for(Duration::from_secs(3600)).exit_codes([3]);
/// let runtime = SimulatedRuntime::builder(&env, network.clone())
///     .profiles(move |_pod, container| container.image.contains("job").then(|| job.clone()))
///     .build();
///
/// let pod = Key::new(kind::PODS, "shop", "job-1");
/// let attachment = network.attach(&Join::new(pod.clone(), "u1".into(), "n1".into())).await.unwrap();
/// let sandbox = runtime.run_pod(&SandboxSpec::new(pod, "u1".into(), "n1".into()), &attachment).await.unwrap();
/// runtime.start(&sandbox, &ContainerSpec::new("main", "shop/job")).await.unwrap();
/// let web = runtime.start(&sandbox, &ContainerSpec::new("side", "any/image:1")).await.unwrap();
/// assert_eq!(runtime.containers().len(), 2);
/// env.sleep(Duration::from_secs(3601)).await;
/// let state = runtime.state().await.unwrap();
/// assert!(matches!(state[0].containers[0].state, ContainerState::Exited { code: 3, .. }));
/// assert!(runtime.exit(&web, 137));
/// # });
/// ```
pub struct SimulatedRuntime {
    world: Arc<World>,
    profiles: Profiles,
    defaults: Profile,
    driven: Once,
}

/// Makes a [`SimulatedRuntime`].
pub struct Builder {
    env: Env,
    network: Arc<dyn Network>,
    profiles: Profiles,
    defaults: Profile,
}

impl Builder {
    /// What containers do: asked before each start; `None` means the defaults. Also asked before each pull of an image,
    /// which is for no pod: then the sandbox is empty, and the container has an image and no name.
    #[must_use]
    pub fn profiles<F, P>(mut self, profiles: F) -> Self
    where
        F: Fn(&SandboxSpec, &ContainerSpec) -> P + Send + Sync + 'static,
        P: Into<Option<Profile>>,
    {
        self.profiles = Arc::new(move |pod, container| profiles(pod, container).into());
        self
    }

    /// What containers do of which nothing else is said.
    #[must_use]
    pub fn defaults(mut self, defaults: Profile) -> Self {
        self.defaults = defaults;
        self
    }

    /// The runtime.
    #[must_use]
    pub fn build(self) -> SimulatedRuntime {
        SimulatedRuntime {
            world: Arc::new(World::new(self.env.child("runtime"), self.network)),
            profiles: self.profiles,
            defaults: self.defaults,
            driven: Once::new(),
        }
    }
}

impl SimulatedRuntime {
    /// A runtime for one node. Everything of it lives in a child of that environment, and listens through that network.
    #[must_use]
    pub fn builder(env: &Env, network: Arc<dyn Network>) -> Builder {
        let defaults = Profile::default();
        Builder { env: env.clone(), network, profiles: Arc::new(|_, _| None), defaults }
    }

    /// Makes a call with what goes wrong with it. Without a call before, nobody needs the machine to be driven.
    async fn call<T: Send>(
        &self,
        subject: Subject<'_>,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let world = &self.world;
        self.driven.call_once(|| _ = world.env.spawn(Arc::clone(world).drive()));
        world.env.edge().await;
        let fate = world.machine().fate(subject);
        let unavailable = |why: &str| Err(Error::Unavailable { why: why.to_owned() });
        let done = async {
            self.sleep(fate.latency).await;
            if fate.fails_before {
                return unavailable("simulated: the call was lost");
            }
            let answer = call.await;
            if fate.fails_after { unavailable("simulated: the answer was lost") } else { answer }
        };
        tokio::select! {
            biased;
            () = world.env.stopped() => unavailable("the runtime has stopped"),
            answer = done => answer,
        }
    }

    async fn sleep(&self, duration: Duration) {
        if !duration.is_zero() {
            self.world.env.sleep(duration).await;
        }
    }

    fn profile(&self, pod: &SandboxSpec, container: &ContainerSpec) -> Profile {
        (self.profiles)(pod, container).unwrap_or_else(|| self.defaults.clone())
    }

    fn is_quiet(&self) -> bool {
        self.world.machine().is_quiet
    }

    async fn start_container(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        ImageName::parse(&spec.image)?;
        let (pod, stream) = match self.world.machine().plan(sandbox, spec)? {
            Plan::Started(id) => return Ok(id),
            Plan::New { pod, stream } => (pod, stream),
        };
        let mut profile = self.profile(&pod, spec);
        let pull = annotations::apply(&pod.annotations, &spec.name, &mut profile)?;
        self.pulled(&spec.image, &Pull::draw(&pull.latency, pull.fails, stream.fork("pull"))).await?;
        let life = Life::draw(&profile, stream.fork("life"));
        self.sleep(life.start_latency).await;
        if life.start_fails && !self.is_quiet() {
            let why = "simulated: it was drawn to fail".to_owned();
            return Err(Error::Start { container: spec.name.clone(), why });
        }
        let started = self.world.change(|machine, now| machine.start(sandbox, spec, life, stream, now));
        let (id, doors) = started?;
        if let Some(doors) = doors {
            let (is_open, opened) = oneshot::channel();
            self.world.env.spawn(ports::serve(Arc::clone(&self.world), doors, is_open));
            // The sender is dropped once it listens or has given up; a container that could not listen has ended.
            let _ = opened.await;
        }
        Ok(id)
    }

    async fn pulled(&self, image: &str, pull: &Pull) -> Result<()> {
        self.sleep(pull.latency).await;
        if pull.fails && !self.is_quiet() {
            let why = "simulated: it was drawn to fail".to_owned();
            return Err(Error::ImagePull { image: image.into(), why });
        }
        Ok(())
    }
}

#[async_trait]
impl Runtime for SimulatedRuntime {
    fn info(&self) -> RuntimeInfo {
        RuntimeInfo { name: "simulated".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    async fn state(&self) -> Result<Vec<SandboxStatus>> {
        self.call(Subject::Runtime, async { Ok(self.world.machine().state()) }).await
    }

    async fn events(&self) -> Result<BoxStream<'static, RuntimeEvent>> {
        self.call(Subject::Runtime, async { Ok(self.world.machine().listeners.listen()) }).await
    }

    async fn run_pod(&self, spec: &SandboxSpec, attachment: &Attachment) -> Result<SandboxId> {
        let run = async { Ok(self.world.change(|machine, now| machine.run_pod(spec, attachment, now))) };
        self.call(Subject::Runtime, run).await
    }

    async fn remove_pod(&self, sandbox: &SandboxId) -> Result<()> {
        let remove = async {
            let ending = self.world.change(|machine, now| machine.remove_pod(sandbox, now));
            for container in &ending {
                self.world.over(container).await;
            }
            Ok(())
        };
        self.call(Subject::Sandbox(sandbox), remove).await
    }

    async fn start(&self, sandbox: &SandboxId, spec: &ContainerSpec) -> Result<ContainerId> {
        self.call(Subject::Sandbox(sandbox), self.start_container(sandbox, spec)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> Result<()> {
        let stop = async {
            self.world.change(|machine, now| machine.stop(container, grace, now));
            self.world.over(container).await;
            Ok(())
        };
        self.call(Subject::Container(container), stop).await
    }

    async fn remove(&self, container: &ContainerId) -> Result<()> {
        let remove = async {
            if self.world.change(|machine, now| machine.remove(container, now)) {
                self.world.over(container).await;
            }
            Ok(())
        };
        self.call(Subject::Container(container), remove).await
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }

    fn streams(&self) -> Option<&dyn Streams> {
        Some(self)
    }
}

#[async_trait]
impl Images for SimulatedRuntime {
    async fn present(&self, image: &str) -> Result<Option<ImageId>> {
        let present = async { Ok(self.world.machine().images.present(&ImageName::parse(image)?)) };
        self.call(Subject::Runtime, present).await
    }

    async fn pull(&self, image: &str) -> Result<ImageId> {
        let pull = async {
            let name = ImageName::parse(image)?;
            let nobody = SandboxSpec::new(Key::new(kind::PODS, "", ""), Str::default(), Str::default());
            let profile = self.profile(&nobody, &ContainerSpec::new("", image));
            let stream = self.world.machine().images.pull(&name);
            self.pulled(image, &Pull::draw(&profile.pull_latency, profile.pull_fails, stream)).await?;
            Ok(self.world.machine().images.put(name))
        };
        self.call(Subject::Runtime, pull).await
    }

    async fn list(&self) -> Result<Vec<Str>> {
        self.call(Subject::Runtime, async { Ok(self.world.machine().images.names()) }).await
    }
}

#[async_trait]
impl Streams for SimulatedRuntime {
    async fn exec(&self, container: &ContainerId, command: &[Str], limit: Duration) -> Result<ExecOutput> {
        self.call(Subject::Container(container), self.world.exec(container, command, limit)).await
    }

    async fn logs(&self, container: &ContainerId, query: &LogQuery) -> Result<Vec<LogLine>> {
        let logs = async { Ok(self.world.machine().find(container)?.made.log.read(query)) };
        self.call(Subject::Container(container), logs).await
    }
}

impl fmt::Debug for SimulatedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedRuntime({} containers)", self.world.machine().containers.len())
    }
}

impl Drop for SimulatedRuntime {
    fn drop(&mut self) {
        // The containers are the runtime's: nobody else could end them.
        self.world.env.crash();
    }
}
