//! The machine in time: who may change it, the one task that drives it, and waiting for its containers.
//!
//! Invariant: one task a runtime, whatever it runs; when that task ends with its environment, everything has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orch_core::Env;
use orch_core::Str;
use orch_core::network::Network;
use orch_core::runtime::{ContainerId, Error, ExecOutput, Result};
use tokio::sync::Notify;

use super::container::Now;
use super::machine::{Answer, Asker, Machine};
use crate::inside::KILLED;
use crate::inside::commands::{Surroundings, bounded, fail};

/// The longest sleep at once: far below what clocks can be asked for.
const DAY: Duration = Duration::from_secs(86_400);

/// The machine of one runtime.
pub(super) struct World {
    pub(super) env: Env,
    pub(super) network: Arc<dyn Network>,
    machine: Mutex<Machine>,
    /// The next due is another one.
    changed: Notify,
}

impl World {
    pub(super) fn new(env: Env, network: Arc<dyn Network>) -> Self {
        let machine = Mutex::new(Machine::new(env.draw()));
        Self { env, network, machine, changed: Notify::new() }
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the machine, and has what follows from it done in time.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Machine, Now) -> T) -> T {
        let mut machine = self.machine();
        let now = Now { elapsed: self.env.elapsed(), wall: self.env.now() };
        let before = machine.next();
        let answer = change(&mut machine, now);
        let is_other = machine.next() != before;
        drop(machine);
        if is_other {
            self.changed.notify_one();
        }
        answer
    }

    /// Does what is due, for ever.
    pub(super) fn drive(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        // Made here: a task that ends before it has begun ends the world as well.
        let world = Mortal(self);
        async move {
            let world = &world.0;
            loop {
                let next = world.machine().next();
                let Some(due) = next else {
                    world.changed.notified().await;
                    continue;
                };
                let due = due.min(world.env.elapsed() + DAY);
                tokio::select! {
                    biased;
                    () = world.changed.notified() => {}
                    () = world.env.sleep_until(due) => world.change(Machine::advance),
                }
            }
        }
    }

    /// Waits until a container is over or gone.
    pub(super) async fn over(&self, id: &ContainerId) {
        while let Some(change) = self.change(|machine, _| machine.wait(id)) {
            // The sender is dropped when something has changed: then there is something to look at.
            let _ = change.await;
        }
    }

    /// How a container answers once it does.
    pub(super) async fn answer(&self, id: &ContainerId, asker: Asker) -> Result<Answer> {
        loop {
            match self.change(|machine, now| machine.answer(id, asker, now))? {
                // As above.
                Answer::Later(change) => _ = change.await,
                answer => return Ok(answer),
            }
        }
    }

    /// Runs a command in a container; one that is not ready, or fails by draw, answers every command with code 1.
    pub(super) async fn exec(&self, id: &ContainerId, argv: &[Str], limit: Duration) -> Result<ExecOutput> {
        let killed = || ExecOutput { code: KILLED, ..ExecOutput::default() };
        let is_running = self.change(|machine, _| machine.is_running(id))?;
        if !is_running {
            return Err(Error::NotRunning { id: id.0.clone() });
        }
        let run = async {
            let made = match self.answer(id, Asker::Probe).await {
                Ok(Answer::Yes(made)) => made,
                Ok(_) => return fail(1, "simulated: not ready"),
                Err(_) => return killed(),
            };
            let surroundings = Surroundings {
                env: &self.env,
                hostname: &made.pod.hostname,
                variables: &made.spec.env,
                files: &made.files(),
            };
            tokio::select! {
                biased;
                output = surroundings.run(argv) => bounded(output),
                () = self.over(id) => killed(),
            }
        };
        self.env.timeout(limit, run).await.ok_or_else(|| {
            let program = argv.first().cloned().unwrap_or_default();
            Error::Timeout { what: format!("command {program:?}").into(), limit }
        })
    }
}

/// A world that ends when nobody drives it.
struct Mortal(Arc<World>);

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.machine().die();
    }
}
