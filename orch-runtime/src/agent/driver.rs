//! Does what the state machine asks for: the only I/O of the agent. All commands of an agent run at the same time on the
//! task that drives it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use orch_core::network::Network;
use orch_core::runtime::{self, ContainerId, LogQuery, Mount, Runtime, RuntimeEvent};
use orch_core::{Api, ApiExt, Env, Error, Key, Object, Recorder, Result, Select, Str, Verb, kind};

use super::check::Asker;
use super::command::{Action, Command, Outcome, StartError};
use super::files::Files;
use super::volumes::{MountPlan, Prepared, pod_dir};

/// What an agent works with.
pub(super) struct Edges {
    pub(super) env: Env,
    pub(super) api: Arc<dyn Api>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) network: Arc<dyn Network>,
    pub(super) files: Arc<dyn Files>,
    pub(super) recorder: Recorder,
    pub(super) node: Str,
}

/// Answers to one or several commands, and how many writes they were, heartbeats aside.
pub(super) struct Answers {
    pub(super) answers: Vec<(Option<Str>, Outcome)>,
    pub(super) writes: usize,
}

/// Writes of a batch: many enough that a full node (110 pods) needs two.
const BATCH: usize = 64;

/// Groups writes of pods, so that a node that starts many pods writes few times.
pub(super) fn batches(commands: Vec<Command>) -> Vec<Vec<Command>> {
    let is_write = |command: &Command| matches!(command.action, Action::Status(_) | Action::Delete(_));
    let (writes, others): (Vec<_>, Vec<_>) = commands.into_iter().partition(is_write);
    let mut batches: Vec<Vec<Command>> = others.into_iter().map(|command| vec![command]).collect();
    let mut writes = writes.into_iter().peekable();
    while writes.peek().is_some() {
        batches.push(writes.by_ref().take(BATCH).collect());
    }
    batches
}

impl Edges {
    /// Does a batch of commands.
    pub(super) async fn execute(self: Arc<Self>, batch: Vec<Command>) -> Answers {
        self.env.edge().await;
        self.env.while_running().await;
        let is_write = matches!(
            batch.first().map(|command| &command.action),
            Some(Action::Status(_) | Action::Delete(_))
        );
        if is_write {
            return self.write(batch).await;
        }
        let (mut answers, mut writes) = (Vec::new(), 0);
        for Command { pod, action } in batch {
            writes += usize::from(matches!(action, Action::Node(_)));
            let outcome = self.one(action).await;
            answers.push((pod, outcome));
        }
        Answers { answers, writes }
    }

    async fn write(&self, batch: Vec<Command>) -> Answers {
        let (mut pods, mut writes) = (Vec::new(), Vec::new());
        for Command { pod, action } in batch {
            if let Action::Status(write) | Action::Delete(write) = action {
                pods.push((pod, matches!(write.verb, Verb::Delete(_)), write.key.clone()));
                writes.push(write);
            }
        }
        let mut results = self.api.write(writes).await.into_iter();
        let mut done = 0;
        let answers = pods.into_iter().map(|(pod, is_delete, key)| {
            let result = results.next().unwrap_or(Err(Error::OutcomeUnknown { key }));
            done += usize::from(result.is_ok());
            let outcome =
                if is_delete { Outcome::Deleted(result.map(|_| ())) } else { Outcome::Status(result) };
            (pod, outcome)
        });
        Answers { answers: answers.collect(), writes: done }
    }

    async fn one(&self, action: Action) -> Outcome {
        match action {
            Action::Make(volumes) => Outcome::Made(self.make(&volumes)),
            Action::Services { namespace } => Outcome::Services(self.services(namespace).await),
            Action::Attach(join) => Outcome::Attached(self.network.attach(&join).await),
            Action::Detach(attachment) => Outcome::Detached(self.network.detach(&attachment).await),
            Action::Leave(join) => Outcome::Detached(match self.network.attach(&join).await {
                Ok(attachment) => self.network.detach(&attachment).await,
                Err(error) => Err(error),
            }),
            Action::RunSandbox(spec, attachment) => {
                Outcome::Sandbox(self.runtime.run_pod(&spec, &attachment).await)
            }
            Action::RemoveSandbox(sandbox) => Outcome::SandboxGone(self.runtime.remove_pod(&sandbox).await),
            Action::Clear(dir) => Outcome::Cleared(self.files.remove(&dir)),
            Action::Sweep { data_dir, keep } => {
                self.sweep(&data_dir, &keep);
                Outcome::Done
            }
            Action::Tell(notes) => {
                let writes = self.recorder.writes(self.api.registry(), &self.env, notes.iter());
                for error in self.api.write(writes).await.into_iter().filter_map(Result::err) {
                    tracing::debug!(%error, "event not recorded");
                }
                Outcome::Told
            }
            Action::Status(write) => Outcome::Status(self.api.one(write).await),
            Action::Delete(write) => Outcome::Deleted(self.api.one(write).await.map(|_| ())),
            Action::State => Outcome::State(self.runtime.state().await),
            Action::NodeAddress => Outcome::NodeAddress(self.network.node(&self.node).await),
            Action::Node(write) => Outcome::Node(self.api.one(write).await),
            Action::Heartbeat(write) => Outcome::Heartbeat(self.api.one(write).await),
            Action::Lease(write) => Outcome::Lease(self.api.one(write).await),
            container => self.container(container).await,
        }
    }

    async fn container(&self, action: Action) -> Outcome {
        match action {
            Action::Inspect { at, image } => {
                let result = match self.runtime.images() {
                    Some(images) => images.present(&image).await,
                    None => Err(no_images(&image)),
                };
                Outcome::Inspected { at, result }
            }
            Action::Pull { at, image } => {
                let before = self.env.elapsed();
                let result = match self.runtime.images() {
                    Some(images) => images.pull(&image).await,
                    None => Err(no_images(&image)),
                };
                Outcome::Pulled { at, result, took: self.env.elapsed().saturating_sub(before) }
            }
            Action::Start { at, sandbox, mut spec, mounts } => {
                let result = match self.follow(&mounts) {
                    Ok(mounts) => {
                        spec.mounts = mounts;
                        self.runtime.start(&sandbox, &spec).await.map_err(StartError::Runtime)
                    }
                    Err(error) => Err(error),
                };
                Outcome::Started { at, result }
            }
            Action::Stop { at, container, grace } => {
                Outcome::Stopped { at, result: self.runtime.stop(&container, grace).await }
            }
            Action::Forget(container) => {
                if let Err(error) = self.runtime.remove(&container).await {
                    tracing::debug!(%error, "container not removed");
                }
                Outcome::Done
            }
            Action::Hook { at, which, namespace, container, check, limit } => {
                // In a box: its state would make that of every command large.
                let asker = self.asker(&namespace, &container);
                let answer = Box::pin(asker.ask(&check, limit)).await;
                Outcome::Hooked { at, which, container, answer }
            }
            Action::Probe { at, purpose, number, namespace, container, check, limit } => {
                // In a box: its state would make that of every command large.
                let asker = self.asker(&namespace, &container);
                let answer = Box::pin(asker.ask(&check, limit)).await;
                Outcome::Probed { at, purpose, number, container, answer }
            }
            Action::LastWords { at, container } => {
                let words = self.last_words(&container).await;
                Outcome::LastWords { at, container, words }
            }
            _ => Outcome::Done,
        }
    }

    fn asker<'a>(&'a self, namespace: &'a str, container: &'a ContainerId) -> Asker<'a> {
        Asker { env: &self.env, runtime: &*self.runtime, network: &*self.network, namespace, container }
    }

    fn make(&self, volumes: &[Prepared]) -> Result<(), (Str, super::error::Error)> {
        volumes
            .iter()
            .try_for_each(|volume| self.files.make(volume).map_err(|error| (volume.name.clone(), error)))
    }

    fn follow(&self, mounts: &[MountPlan]) -> Result<Vec<Mount>, StartError> {
        let one = |mount: &MountPlan| {
            let host = self.files.follow(mount).map_err(StartError::Mount)?;
            Ok(Mount { host, container: mount.container.clone(), read_only: mount.read_only })
        };
        mounts.iter().map(one).collect()
    }

    async fn services(&self, namespace: Option<Str>) -> Result<Vec<Object>> {
        let mut services = match namespace {
            Some(namespace) => {
                self.api.list(&Select::kind(kind::SERVICES).namespace(namespace), None, 0).await?.items
            }
            None => Vec::new(),
        };
        match self.api.read(&Key::new(kind::SERVICES, "default", "kubernetes")).await {
            Ok(live) => services.push(live.into_object()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(services)
    }

    fn sweep(&self, data_dir: &std::path::Path, keep: &[Str]) {
        for name in self.files.names(&data_dir.join("pods")) {
            if !keep.iter().any(|uid| **uid == name)
                && let Err(error) = self.files.remove(&pod_dir(data_dir, &name))
            {
                tracing::warn!(%error, "directory of a pod that is gone is still there");
            }
        }
    }

    /// The end of a log, at most 80 lines and 2,048 bytes (`MaxContainerTerminationMessageLogLines`).
    async fn last_words(&self, container: &ContainerId) -> String {
        let Some(streams) = self.runtime.streams() else { return String::new() };
        let mut query = LogQuery::default();
        query.tail = Some(80);
        let lines = streams.logs(container, &query).await.unwrap_or_default();
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        let mut from = text.len().saturating_sub(2048);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text[from..].to_owned()
    }
}

fn no_images(image: &str) -> runtime::Error {
    runtime::Error::ImagePull { image: image.into(), why: "the runtime has no images".to_owned() }
}

/// How long a runtime whose events broke off is left alone.
const REOPEN: Duration = Duration::from_secs(1);

/// The events of a runtime, without end. Each time they begin, `Lost` comes first: what happened before must be asked for.
pub(super) fn events(runtime: Arc<dyn Runtime>, env: Env) -> BoxStream<'static, RuntimeEvent> {
    enum State {
        Closed { wait: Duration },
        Open(BoxStream<'static, RuntimeEvent>),
    }
    let next = move |mut state: State| {
        let (runtime, env) = (Arc::clone(&runtime), env.clone());
        async move {
            loop {
                match &mut state {
                    State::Closed { wait } => {
                        env.sleep(*wait).await;
                        match runtime.events().await {
                            Ok(stream) => return Some((RuntimeEvent::Lost, State::Open(stream))),
                            Err(error) => {
                                tracing::debug!(%error, "no events of the runtime");
                                return Some((RuntimeEvent::Lost, State::Closed { wait: REOPEN }));
                            }
                        }
                    }
                    State::Open(stream) => match stream.next().await {
                        Some(event) => return Some((event, state)),
                        None => state = State::Closed { wait: REOPEN },
                    },
                }
            }
        }
    };
    stream::unfold(State::Closed { wait: Duration::ZERO }, next).boxed()
}
