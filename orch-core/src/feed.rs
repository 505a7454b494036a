//! A feed: a watch that never ends. It resumes when the watch is cut off, and lists again when history is gone.
//!
//! Consumers see changes only, never a reset: after a new list the feed yields what differs from what it had yielded
//! before, deletions included. It keeps a pointer to each object for that. Invariant: the changes yielded, replayed,
//! equal the list at the last progress. No correctness rests on resync: there is none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::Notify;

use crate::{Change, Env, Error, Event, Key, Live, Object, Read, Result, Revision, Select, Watch};

/// First wait before a watch is tried again; doubled up to [`MAX_RETRY`].
const MIN_RETRY: Duration = Duration::from_millis(10);
/// Kubernetes' reflector waits at most 30 s between tries (`client-go/tools/cache/reflector.go`).
const MAX_RETRY: Duration = Duration::from_secs(30);
/// Objects a page when listing again, as Kubernetes' reflector asks for.
const PAGE: u32 = 500;

/// A watch that never ends.
///
/// Drop it to end it. All its waiting is through the [`Env`] it was given.
pub struct Feed {
    read: Arc<dyn Read>,
    env: Env,
    select: Select,
    state: State,
    seen: Revision,
    known: BTreeMap<Key, Object>,
    pending: VecDeque<Event>,
    retry: Duration,
    poke: Arc<Notify>,
}

enum State {
    /// Nothing yet: open from the current state.
    Start,
    /// Open a watch after `seen`.
    Resume,
    /// History is gone: list and compare.
    Relist,
    Watching(Watch),
}

impl Feed {
    /// A feed of what is selected, from the current state on.
    #[must_use]
    pub fn new(read: Arc<dyn Read>, env: Env, select: Select) -> Self {
        Self {
            read,
            env,
            select,
            state: State::Start,
            seen: Revision::ZERO,
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            retry: MIN_RETRY,
            poke: Arc::new(Notify::new()),
        }
    }

    /// Asks for progress from elsewhere: the feed opens its watch anew and so learns how far the source is.
    #[must_use]
    pub fn poker(&self) -> Arc<Notify> {
        Arc::clone(&self.poke)
    }

    /// Everything up to there has been yielded.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.seen
    }

    /// The next change or progress; waits as long as it takes. Dropping the future loses no event, but may lose the work of
    /// listing again: [`Feed::into_stream`] does not.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return self.note(event);
            }
            if let Err(error) = self.step().await {
                let relist = matches!(error, Error::Compacted { .. } | Error::Ahead { .. });
                if relist {
                    self.state = State::Relist;
                }
                // Lists again at once, but not over and over.
                if !relist || self.retry > MIN_RETRY {
                    tracing::debug!(%error, part = self.env.path(), "watch ended; trying again");
                    self.env.sleep(self.retry).await;
                }
                self.retry = (self.retry * 2).min(MAX_RETRY);
            }
        }
    }

    /// The feed as a stream that never ends. Dropping a `next` of it loses no work under way.
    pub fn into_stream(self) -> BoxStream<'static, Event> {
        futures::stream::unfold(self, |mut feed| async move { Some((feed.next().await, feed)) }).boxed()
    }

    /// One step towards the next event; fills `pending` or changes the state.
    async fn step(&mut self) -> Result<()> {
        match &mut self.state {
            State::Start => {
                self.state = State::Watching(self.read.watch(&self.select, None).await?);
            }
            State::Resume => {
                self.state = State::Watching(self.read.watch(&self.select, Some(self.seen)).await?);
            }
            State::Relist => {
                let (items, revision) = list_all(&*self.read, &self.select).await?;
                self.compare(items, revision);
                self.state = State::Resume;
            }
            State::Watching(watch) => {
                let event = tokio::select! {
                    biased;
                    event = watch.next() => event,
                    () = self.poke.notified() => {
                        self.state = self.reopen();
                        return Ok(());
                    }
                };
                let ended = || Error::Unavailable { part: "watch".into(), why: "it ended".into() };
                match event.unwrap_or_else(|| Err(ended())) {
                    Ok(event) => {
                        self.retry = MIN_RETRY;
                        self.pending.push_back(event);
                    }
                    Err(error) => {
                        self.state = self.reopen();
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// A watch from the current state that broke off before its first progress cannot be resumed: what it had not yet
    /// yielded may be older than what it had.
    fn reopen(&self) -> State {
        if self.seen == Revision::ZERO { State::Relist } else { State::Resume }
    }

    /// Yields what a list shows to be different from what was yielded so far, and then progress.
    fn compare(&mut self, items: Vec<Object>, revision: Revision) {
        // A source that was restored from an old copy: to insist on what it has lost would be to wait for ever.
        self.seen = self.seen.min(revision);
        let listed: BTreeMap<Key, Object> =
            items.into_iter().map(|object| (object.key().clone(), object)).collect();
        let mut changes: Vec<Change> = Vec::new();
        for (key, before) in &self.known {
            match listed.get(key) {
                Some(now) if now.uid() == before.uid() => {
                    if now.revision() != before.revision() {
                        changes.push(Change::new(
                            now.revision(),
                            Some(Live::from(now.clone())),
                            Some(before.clone()),
                        ));
                    }
                }
                // Another object of the same name: the old one is gone, the new one is created.
                _ => changes.push(Change::new(self.seen, None, Some(before.clone()))),
            }
        }
        for (key, now) in &listed {
            if self.known.get(key).is_none_or(|before| before.uid() != now.uid()) {
                changes.push(Change::new(self.seen, Some(Live::from(now.clone())), None));
            }
        }
        // Deletions first: their names may be taken again. Then in order of revision. All of them at the revision that was
        // seen before: until the last one is yielded, nobody may take something's absence for its deletion.
        let at = |change: &Change| change.now.as_ref().map(|live| live.revision());
        changes.sort_by_key(at);
        self.pending.extend(changes.into_iter().map(|change| Event::Changed(Arc::new(change))));
        self.pending.push_back(Event::Progress(revision));
    }

    fn note(&mut self, event: Event) -> Event {
        match &event {
            Event::Changed(change) => {
                let before = match &change.now {
                    Some(live) => self.known.insert(change.key().clone(), live.object().clone()),
                    None => self.known.remove(change.key()),
                };
                // Before the first progress the objects of the initial state come: their revisions are not a place to
                // resume from.
                if self.seen > Revision::ZERO {
                    self.seen = self.seen.max(change.revision);
                }
                // A watch over REST that was resumed does not know what was before; here it is known.
                if let (None, Some(now), Some(before)) = (&change.before, &change.now, before) {
                    let change = Change::new(change.revision, Some(now.clone()), Some(before));
                    return Event::Changed(Arc::new(change));
                }
            }
            Event::Progress(revision) => self.seen = self.seen.max(*revision),
        }
        event
    }
}

async fn list_all(read: &dyn Read, select: &Select) -> Result<(Vec<Object>, Revision)> {
    let (mut items, mut page) = (Vec::new(), None);
    loop {
        let answer = read.list(select, page, PAGE).await?;
        items.extend(answer.items);
        page = answer.next;
        if page.is_none() {
            return Ok((items, answer.revision));
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
