//! The keys that ask for a turn: deduplicated, exclusive, delayed, parked behind a barrier. Pure data; time comes in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::barrier::Barrier;
use crate::{Key, Kind, Revision};

/// How long a key waits after failures in a row: doubled each time. The default is Kubernetes' (`client-go/util/workqueue`:
/// 5 ms up to 1,000 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(5), most: Duration::from_secs(1000) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row.
    ///
    /// ```
    /// use std::time::Duration;
    /// let backoff = orch_core::engine::Backoff::default();
    /// assert_eq!(backoff.after(1), Duration::from_millis(5));
    /// assert_eq!(backoff.after(3), Duration::from_millis(20));
    /// assert_eq!(backoff.after(99), Duration::from_secs(1000));
    /// ```
    #[must_use]
    pub fn after(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }
}

pub(super) struct Queue {
    backoff: Backoff,
    open: bool,
    ready: VecDeque<Key>,
    queued: BTreeSet<Key>,
    in_flight: BTreeSet<Key>,
    /// Asked for again during their turn.
    dirty: BTreeSet<Key>,
    due: BTreeMap<(Duration, Key), ()>,
    due_of: BTreeMap<Key, Duration>,
    failures: BTreeMap<Key, u32>,
    barriers: BTreeMap<Key, Barrier>,
    parked: BTreeSet<(Kind, Revision, Key)>,
}

impl Queue {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            open: false,
            ready: VecDeque::new(),
            queued: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            dirty: BTreeSet::new(),
            due: BTreeMap::new(),
            due_of: BTreeMap::new(),
            failures: BTreeMap::new(),
            barriers: BTreeMap::new(),
            parked: BTreeSet::new(),
        }
    }

    /// Turns may begin: the view has the whole initial state.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    pub(super) fn add_all(&mut self, keys: Vec<Key>) {
        keys.into_iter().for_each(|key| self.add(key));
    }

    pub(super) fn add(&mut self, key: Key) {
        if self.in_flight.contains(&key) {
            self.dirty.insert(key);
        } else if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The earliest of several dues counts.
    pub(super) fn add_at(&mut self, key: Key, due: Duration) {
        match self.due_of.get(&key) {
            Some(before) if *before <= due => return,
            Some(before) => _ = self.due.remove(&(*before, key.clone())),
            None => {}
        }
        self.due_of.insert(key.clone(), due);
        self.due.insert((due, key), ());
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.keys().next().map(|(due, _)| *due)
    }

    /// The next key for a turn. Keys whose barrier is not lifted are parked until the view is there.
    pub(super) fn pop(&mut self, now: Duration, seen: impl Fn(Kind) -> Revision) -> Option<Key> {
        if !self.open {
            return None;
        }
        while let Some(((due, key), ())) = self.due.first_key_value().filter(|((due, _), ())| *due <= now) {
            let entry = (*due, key.clone());
            self.due.remove(&entry);
            self.due_of.remove(&entry.1);
            self.add(entry.1);
        }
        while let Some(key) = self.ready.pop_front() {
            self.queued.remove(&key);
            match self.barriers.get(&key).and_then(|barrier| barrier.missing(&seen)) {
                Some((kind, revision)) => _ = self.parked.insert((kind, revision, key)),
                None => {
                    self.barriers.remove(&key);
                    self.in_flight.insert(key.clone());
                    return Some(key);
                }
            }
        }
        None
    }

    /// The view moved on: keys whose barrier may be lifted ask again.
    pub(super) fn unpark(&mut self, seen: &dyn Fn(Kind) -> Revision) {
        let lifted: Vec<_> =
            self.parked.iter().filter(|(kind, revision, _)| *revision <= seen(*kind)).cloned().collect();
        for entry in lifted {
            self.parked.remove(&entry);
            self.add(entry.2);
        }
    }

    /// The turn of a key is over.
    pub(super) fn finish(&mut self, key: &Key) {
        self.in_flight.remove(key);
        if self.dirty.remove(key) {
            self.add(key.clone());
        }
    }

    /// A turn succeeded: the next failure is the first one.
    pub(super) fn forgive(&mut self, key: &Key) {
        self.failures.remove(key);
    }

    /// A turn failed: the key waits.
    pub(super) fn fail(&mut self, key: &Key, now: Duration) {
        let failures = self.failures.entry(key.clone()).or_default();
        *failures = failures.saturating_add(1);
        let wait = self.backoff.after(*failures);
        self.add_at(key.clone(), now + wait);
    }

    /// No turn for the key before the view has that revision of that kind.
    pub(super) fn raise(&mut self, key: &Key, kind: Kind, revision: Revision) {
        self.barriers.entry(key.clone()).or_default().raise(kind, revision);
    }

    /// Whether a key asks for a turn now, timers aside.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Turns that are asked for or under way, timers aside.
    pub(super) fn pending(&self) -> usize {
        self.ready.len() + self.in_flight.len() + self.parked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::PODS;

    const NOW: Duration = Duration::from_secs(10);

    fn key(name: &str) -> Key {
        Key::new(PODS, "a", name)
    }

    fn open() -> Queue {
        let mut queue = Queue::new(Backoff::default());
        queue.open();
        queue
    }

    #[test]
    fn a_key_is_queued_once_and_runs_alone() {
        let mut queue = open();
        queue.add(key("x"));
        queue.add(key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(0)), Some(key("x")));
        queue.add(key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(0)), None, "its turn is not over");
        queue.finish(&key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(0)), Some(key("x")), "asked for during its turn");
        queue.finish(&key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(0)), None);
    }

    #[test]
    fn no_turn_before_the_initial_state_is_there() {
        let mut queue = Queue::new(Backoff::default());
        queue.add(key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(9)), None);
        queue.open();
        assert_eq!(queue.pop(NOW, |_| Revision(9)), Some(key("x")));
    }

    #[test]
    fn a_barrier_parks_a_key_until_the_view_is_there() {
        let mut queue = open();
        queue.raise(&key("x"), PODS, Revision(7));
        queue.add(key("x"));
        assert_eq!(queue.pop(NOW, |_| Revision(6)), None);
        assert_eq!(queue.pending(), 1, "parked keys are pending");
        queue.unpark(&|_| Revision(6));
        assert_eq!(queue.pop(NOW, |_| Revision(6)), None);
        queue.unpark(&|_| Revision(7));
        assert_eq!(queue.pop(NOW, |_| Revision(7)), Some(key("x")));
    }

    #[test]
    fn the_earliest_due_wins_and_failures_double() {
        let mut queue = open();
        queue.add_at(key("x"), NOW + Duration::from_secs(5));
        queue.add_at(key("x"), NOW + Duration::from_secs(2));
        queue.add_at(key("x"), NOW + Duration::from_secs(9));
        assert_eq!(queue.next_due(), Some(NOW + Duration::from_secs(2)));
        assert_eq!(queue.pop(NOW, |_| Revision(0)), None);
        assert_eq!(queue.pop(NOW + Duration::from_secs(2), |_| Revision(0)), Some(key("x")));
        queue.fail(&key("x"), NOW);
        queue.finish(&key("x"));
        assert_eq!(queue.next_due(), Some(NOW + Duration::from_millis(5)));
    }
}
