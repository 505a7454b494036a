//! Who listens to a runtime.
//!
//! Not the state: what a listener misses it must ask for. Invariant: a listener that misses an event is told `Lost` after
//! what it has not, and before what comes then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use orch_core::runtime::RuntimeEvent;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Events kept for a slow listener before it is told that some were lost: every container of a full node (110 pods) ends
/// at once, several times over.
const EVENTS: usize = 1024;

/// The listeners of one runtime; their streams end when this is dropped. A queue takes room only while something is in it.
#[derive(Default)]
pub(super) struct Listeners(Vec<Ear>);

struct Ear {
    queue: mpsc::Sender<RuntimeEvent>,
    has_lost: Arc<AtomicBool>,
}

impl Listeners {
    /// What happens from now on, until the listeners are closed.
    pub(super) fn listen(&mut self) -> BoxStream<'static, RuntimeEvent> {
        let (queue, mut incoming) = mpsc::channel(EVENTS);
        let has_lost = Arc::new(AtomicBool::new(false));
        self.0.push(Ear { queue, has_lost: Arc::clone(&has_lost) });
        stream::poll_fn(move |context| {
            let next = incoming.poll_recv(context);
            // Only a full queue loses events, so the one that was lost comes after all that are in the queue.
            if next.is_pending() && has_lost.swap(false, Ordering::AcqRel) {
                return std::task::Poll::Ready(Some(RuntimeEvent::Lost));
            }
            next
        })
        .boxed()
    }

    pub(super) fn tell(&mut self, event: &RuntimeEvent) {
        self.0.retain(|ear| {
            if ear.has_lost.load(Ordering::Acquire) {
                // It will be told `Lost`, and will ask for the state then.
                return !ear.queue.is_closed();
            }
            match ear.queue.try_send(event.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    ear.has_lost.store(true, Ordering::Release);
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_slow_listener_is_told_that_events_were_lost() {
        let mut listeners = Listeners::default();
        let (mut slow, gone) = (listeners.listen(), listeners.listen());
        drop(gone);
        let event = || RuntimeEvent::Exited {
            sandbox: orch_core::runtime::SandboxId("s".into()),
            status: orch_core::runtime::ContainerStatus {
                id: orch_core::runtime::ContainerId("c".into()),
                name: "c".into(),
                attempt: 0,
                image: "i".into(),
                image_id: orch_core::runtime::ImageId("i".into()),
                state: orch_core::runtime::ContainerState::Running { started: jiff::Timestamp::UNIX_EPOCH },
            },
        };
        (0..EVENTS + 9).for_each(|_| listeners.tell(&event()));
        assert_eq!(listeners.0.len(), 1);
        let mut told = || slow.next().now_or_never().flatten();
        assert!((0..EVENTS).all(|_| told() == Some(event())));
        assert_eq!(told(), Some(RuntimeEvent::Lost));
        listeners.tell(&event());
        assert_eq!(told(), Some(event()));
        drop(listeners);
        assert_eq!(slow.next().now_or_never(), Some(None));
    }
}
