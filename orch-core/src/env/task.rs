//! A task with an owner.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A task that was spawned by [`Env::spawn`](super::Env::spawn): a future of its answer, `None` when it was stopped or
/// panicked.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Option<T>>);

/// The tokens are given back when the future is gone.
#[expect(clippy::disallowed_methods, reason = "the one place where tasks are spawned")]
pub(super) fn spawn<F>(tokens: Vec<TaskTrackerToken>, stop: CancellationToken, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task(tokio::spawn(async move {
        // The stop first: a task that was woken before a crash and has its turn after it does nothing any more.
        let answer = tokio::select! {
            biased;
            () = stop.cancelled_owned() => None,
            answer = future => Some(answer),
        };
        drop(tokens);
        answer
    }))
}

impl<T> Task<T> {
    /// Ends the task at the point where it waits.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.ok().flatten())
    }
}
