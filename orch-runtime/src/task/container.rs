//! One container: a function that runs, and what becomes of it.
//!
//! It knows its sandbox only by id. Invariant: it ends once; by the time its end is told, its future, its tasks and its
//! connections are gone.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use orch_core::runtime::{
    ContainerId, ContainerState, ContainerStatus, Error, Result, RuntimeEvent, SandboxId,
};
use orch_core::{Env, Str};
use tokio::sync::{broadcast, watch};

use super::Context;
use super::images::Built;
use crate::inside::files::Files;
use crate::inside::{self, KILLED, PANICKED};

/// A container that runs or has ended.
pub(super) struct Container {
    pub(super) id: ContainerId,
    sandbox: SandboxId,
    pub(super) context: Context,
    pub(super) built: Arc<Built>,
    started: Timestamp,
    /// Set when it has ended.
    ended: watch::Sender<Option<ContainerState>>,
}

impl Container {
    /// Starts the function; `env` is the runtime's, whose end is the end of every container.
    pub(super) fn start(
        env: &Env,
        id: ContainerId,
        sandbox: SandboxId,
        context: Context,
        built: Arc<Built>,
        events: broadcast::Sender<RuntimeEvent>,
    ) -> Arc<Self> {
        let started = env.now();
        let container =
            Arc::new(Self { id, sandbox, context, built, started, ended: watch::Sender::new(None) });
        env.spawn(Arc::clone(&container).run(events));
        container
    }

    async fn run(self: Arc<Self>, events: broadcast::Sender<RuntimeEvent>) {
        let (context, image) = (self.context.clone(), self.built.image.clone());
        let main = self.context.env().spawn(async move {
            let function = AssertUnwindSafe(async { image.run(context.clone()).await });
            function.catch_unwind().await.unwrap_or_else(|panic| {
                context.log_error(&format!("panicked: {}", text_of(&*panic)));
                PANICKED
            })
        });
        let code = main.await.unwrap_or(KILLED);
        self.kill();
        self.context.0.tasks.close();
        self.context.0.tasks.wait().await;
        let state = ContainerState::Exited {
            code,
            started: self.started,
            finished: self.context.env().now().max(self.started),
            reason: Str::default(),
            message: last_word(&self.context.0.files, &self.context.0.spec.termination_message_path),
        };
        self.ended.send_replace(Some(state));
        // Nobody may be listening; whoever comes asks for the state.
        let _ = events.send(RuntimeEvent::Exited { sandbox: self.sandbox.clone(), status: self.status() });
    }

    pub(super) fn status(&self) -> ContainerStatus {
        let spec = &self.context.0.spec;
        let running = || ContainerState::Running { started: self.started };
        ContainerStatus {
            id: self.id.clone(),
            name: spec.name.clone(),
            attempt: spec.attempt,
            image: spec.image.clone(),
            image_id: self.built.id.clone(),
            state: self.ended.borrow().clone().unwrap_or_else(running),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Drops the function's future and tasks at the point where they wait.
    pub(super) fn kill(&self) {
        self.context.env().crash();
    }

    /// Asks it to end, kills it after the grace period, and waits for the end.
    pub(super) async fn stop(&self, env: &Env, grace: Duration) -> Result<()> {
        if !grace.is_zero() {
            self.context.0.stop.cancel();
            if env.timeout(grace, self.ended()).await.is_some() {
                return Ok(());
            }
        }
        self.kill();
        tokio::select! {
            biased;
            () = self.ended() => Ok(()),
            () = env.stopped() => Err(Error::Unavailable { why: "the runtime has stopped".to_owned() }),
        }
    }

    async fn ended(&self) {
        // The sender is part of `self`: the wait cannot fail.
        let _ = self.ended.subscribe().wait_for(Option::is_some).await;
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// The end of the file that a container leaves (`getTerminationMessage`, `pkg/kubelet/kuberuntime`).
fn last_word(files: &Files, path: &str) -> Str {
    if path.is_empty() {
        return Str::default();
    }
    inside::last_word(&files.read(Path::new(path)).unwrap_or_default())
}
