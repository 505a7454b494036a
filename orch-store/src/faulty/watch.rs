//! A watch that lags, breaks off, or finds its history compacted.
//!
//! Invariant: what it tells it tells in order and without gaps; a fault ends it before the event that it strikes.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::unfold;
use orch_core::{Event, Read, Result, Revision, Watch};

use super::{Shared, unavailable};
use crate::revision::current;

struct Faulty<S: ?Sized> {
    inner: Watch,
    store: Arc<S>,
    faults: Arc<Shared>,
    /// Everything up to there has been told; `None` while the state at the beginning is.
    seen: Option<Revision>,
    ended: bool,
}

pub(super) fn faulty<S>(inner: Watch, store: Arc<S>, faults: Arc<Shared>, from: Option<Revision>) -> Watch
where
    S: Read + ?Sized + 'static,
{
    let watch = Faulty { inner, store, faults, seen: from, ended: false };
    unfold(watch, |mut watch| async move { watch.next().await.map(|event| (event, watch)) }).boxed()
}

impl<S: Read + ?Sized> Faulty<S> {
    async fn next(&mut self) -> Option<Result<Event>> {
        if self.ended {
            return None;
        }
        let event = self.inner.next().await?;
        if let Some(lag) = self.faults.lag() {
            self.faults.env.sleep(lag).await;
        }
        match self.strike(&event).await {
            Ok(false) => {}
            Ok(true) => return None,
            Err(error) => {
                self.ended = true;
                return Some(Err(error));
            }
        }
        match &event {
            Ok(Event::Progress(revision)) => self.seen = Some(*revision),
            Ok(Event::Changed(change)) => self.seen = self.seen.map(|_| change.revision),
            Err(_) => self.ended = true,
        }
        Some(event)
    }

    /// Whether the watch ends here, with an error or just so.
    async fn strike(&mut self, event: &Result<Event>) -> Result<bool> {
        let faults = &self.faults;
        if faults.strikes_compaction() {
            let current = current(&*self.store).await?;
            let mut state = faults.state();
            state.compacted = state.compacted.max(current);
        }
        // A change that is compacted before it was told is lost; one after that is not.
        if let (Some(seen), Ok(Event::Changed(change))) = (self.seen, event)
            && faults.check_compacted(change.revision).is_err()
        {
            faults.check_compacted(seen)?;
        }
        let die = &faults.dice.watch;
        if faults.strikes(die, |faults| faults.dropped_watch, |injected| &mut injected.dropped_watches) {
            return if die.below(2) == 0 { Err(unavailable("the watch broke off")) } else { Ok(true) };
        }
        Ok(false)
    }
}
