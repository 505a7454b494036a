//! One running watch: a cursor into its route and, when it is further behind, into the history.
//!
//! It takes a batch under one short lock and yields it from a buffer of its own; the writer never waits for it and never
//! looks at it. Invariant: every change up to `cursor` has been yielded or is in the buffer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use futures::Stream;
use orch_core::{Change, Error, Event, Live, Object, Result, Revision, Select};

use super::Shared;
use super::routes::Route;

/// Changes taken at once: enough to make the locks cheap, few enough to keep little alive for a watcher that stalls.
const BATCH: usize = 256;
/// Rounds without a change selected after which other tasks get their turn.
const ROUNDS: usize = 16;
/// Changes of the history looked at under one lock: the writer waits that long at most.
const REPLAY: usize = 1024;

pub(super) struct Watcher {
    shared: Arc<Shared>,
    select: Select,
    /// Whether the route alone does not say what is selected.
    filtered: bool,
    route: Arc<Route>,
    id: u64,
    initial: std::vec::IntoIter<Object>,
    buffer: VecDeque<Arc<Change>>,
    positions: Vec<u64>,
    cursor: Revision,
    /// As far as the store was when the watch was opened.
    opened: Revision,
    /// What the reader knows that it has seen everything up to; `None` until it has caught up with `opened`.
    told: Option<Revision>,
    /// Whether progress without a change may be told: once each time the reader comes back after it slept.
    bookmark: bool,
    ended: bool,
}

/// What a look at the store brought.
enum Found {
    /// Changes, in the buffer.
    Changes,
    /// Nothing: the cursor is as far as the store was.
    Nothing,
    /// Nothing selected yet, but there is more to look at.
    More,
}

impl Watcher {
    /// A watcher that joined that route when the store was at `opened`, and begins after `cursor`.
    pub(super) fn new(
        shared: Arc<Shared>,
        select: Select,
        joined: (Arc<Route>, u64),
        opened: Revision,
    ) -> Self {
        let filtered = !(select.labels.is_everything() && select.fields.is_everything());
        Self {
            shared,
            select,
            filtered,
            route: joined.0,
            id: joined.1,
            initial: Vec::new().into_iter(),
            buffer: VecDeque::new(),
            positions: Vec::new(),
            cursor: opened,
            opened,
            told: None,
            bookmark: true,
            ended: false,
        }
    }

    /// Begins after that revision.
    pub(super) fn after(mut self, cursor: Revision) -> Self {
        self.cursor = cursor;
        self
    }

    /// Yields these first.
    pub(super) fn begin_with(mut self, objects: Vec<Object>) -> Self {
        self.initial = objects.into_iter();
        self
    }

    /// Takes what there is into the buffer, which is empty.
    fn fill(&mut self) -> Result<Found> {
        for _ in 0..ROUNDS {
            // Asked before the route: what the route does not list up to there does not exist.
            let current = Revision(self.shared.current.load(Ordering::Acquire));
            self.positions.clear();
            let listed = self.route.lock().read(self.cursor, BATCH, &mut self.positions);
            if !listed {
                self.replay()?;
            } else if self.positions.is_empty() {
                self.cursor = self.cursor.max(current);
                return Ok(Found::Nothing);
            } else {
                self.take()?;
            }
            if !self.buffer.is_empty() {
                return Ok(Found::Changes);
            }
        }
        Ok(Found::More)
    }

    /// Takes the changes at the listed positions.
    fn take(&mut self) -> Result<()> {
        let state = self.shared.read();
        for position in &self.positions {
            let Some(change) = state.log.change(Revision(*position)) else {
                return Err(Error::Compacted { requested: self.cursor, oldest: state.log.floor() });
            };
            self.buffer.push_back(Arc::clone(change));
            self.cursor = change.revision;
        }
        drop(state);
        if self.filtered {
            // Makes new changes and may free old ones: not under the lock.
            let select = &self.select;
            self.buffer = self.buffer.drain(..).filter_map(|change| change.seen_by(select)).collect();
        }
        Ok(())
    }

    /// Looks through a stretch of the history.
    fn replay(&mut self) -> Result<()> {
        let state = self.shared.read();
        if self.cursor < state.log.floor() {
            return Err(Error::Compacted { requested: self.cursor, oldest: state.log.floor() });
        }
        for change in state.log.since(self.cursor).take(REPLAY) {
            self.cursor = change.revision;
            if self.filtered {
                self.buffer.extend(change.seen_by(&self.select));
            } else if self.select.covers(change.key()) {
                self.buffer.push_back(Arc::clone(change));
            }
        }
        Ok(())
    }

    /// Everything up to the cursor has been yielded: whether that is worth telling.
    fn progress(&mut self, idle: bool) -> Option<Event> {
        let worth = match self.told {
            None => self.cursor >= self.opened,
            Some(told) => idle && self.bookmark && told < self.cursor,
        };
        worth.then(|| {
            self.told = Some(self.cursor);
            self.bookmark = false;
            Event::Progress(self.cursor)
        })
    }

    /// Waits for the next change that concerns the route; `false` when there is one already.
    fn sleep(&mut self, waker: Waker) -> bool {
        let slept = self.route.lock().sleep(self.id, self.cursor, waker);
        match slept {
            Ok((_old, quiet)) => {
                if quiet {
                    self.shared.quiet();
                }
                self.positions = Vec::new();
                self.buffer = VecDeque::new();
                self.bookmark = true;
                true
            }
            Err(_waker) => false,
        }
    }

    fn changed(&mut self, change: Arc<Change>) -> Event {
        if self.told.is_some() {
            self.told = Some(change.revision);
            self.bookmark = true;
        }
        Event::Changed(change)
    }
}

impl Stream for Watcher {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        let this = &mut *self;
        if let Some(change) = this.buffer.pop_front() {
            return Poll::Ready(Some(Ok(this.changed(change))));
        }
        if let Some(object) = this.initial.next() {
            let change = Change::new(object.revision(), Some(Live::from(object)), None);
            return Poll::Ready(Some(Ok(Event::Changed(Arc::new(change)))));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            if let Some(event) = this.progress(false) {
                return Poll::Ready(Some(Ok(event)));
            }
            match this.fill() {
                Ok(Found::Changes) => {
                    let Some(change) = this.buffer.pop_front() else { continue };
                    return Poll::Ready(Some(Ok(this.changed(change))));
                }
                Ok(Found::Nothing) => {
                    if let Some(event) = this.progress(true) {
                        return Poll::Ready(Some(Ok(event)));
                    }
                    if this.sleep(context.waker().clone()) {
                        return Poll::Pending;
                    }
                }
                Ok(Found::More) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.leave(&self.route, self.id);
    }
}
