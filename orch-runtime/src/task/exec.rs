//! Commands in containers: those that an image registers, and a few that every image has.
//!
//! There is no shell. Invariant: a command ends with its container, and with the call that began it.

use std::time::Duration;

use futures::FutureExt;
use orch_core::runtime::{Error, ExecOutput, Result};
use orch_core::{Str, Task};

use super::container::Container;
use crate::inside::commands::bounded;
use crate::inside::{KILLED, PANICKED};

/// Runs a command to its end; it is killed when it takes longer than `limit` or nobody waits for it any more.
pub(super) async fn exec(container: &Container, argv: &[Str], limit: Duration) -> Result<ExecOutput> {
    if container.has_ended() {
        return Err(Error::NotRunning { id: container.id.0.clone() });
    }
    let (context, image, argv) = (container.context.clone(), container.built.image.clone(), argv.to_vec());
    let program = argv.first().cloned().unwrap_or_default();
    let name = program.clone();
    let future = async move {
        let Some(command) = image.command(&program) else { return context.surroundings().run(&argv).await };
        let run = std::panic::AssertUnwindSafe(async { command(context.clone(), argv).await });
        let died = |_| ExecOutput { code: PANICKED, stderr: b"panicked".to_vec(), ..ExecOutput::default() };
        run.catch_unwind().await.unwrap_or_else(died)
    };
    let mut task = Killed(container.context.spawn(future));
    let Some(answer) = container.context.env().timeout(limit, &mut task.0).await else {
        return Err(Error::Timeout { what: format!("command {name:?}").into(), limit });
    };
    // Without an answer the container ended first.
    Ok(bounded(answer.unwrap_or(ExecOutput { code: KILLED, ..ExecOutput::default() })))
}

/// A task that ends when it is dropped.
struct Killed(Task<ExecOutput>);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.abort();
    }
}
