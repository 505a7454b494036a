//! Who is still at work: what a cluster needs to know to say that it has settled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::{Poker, Revision};

/// The parts of one environment tree and how busy they are.
#[derive(Clone, Default)]
pub struct Activity(Arc<Shared>);

#[derive(Default)]
struct Shared {
    parts: Mutex<BTreeMap<u64, State>>,
    next: AtomicU64,
    writes: AtomicU64,
    changed: Notify,
}

struct State {
    pending: usize,
    /// `None` when the part does not follow the cluster.
    seen: Option<Revision>,
    poker: Poker,
}

/// One part at work. Dropping it takes the part off the list: a part that crashed is not waited for.
pub struct Part {
    shared: Arc<Shared>,
    id: u64,
}

impl Activity {
    /// Registers a part that has nothing to do.
    #[must_use]
    pub fn part(&self) -> Part {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.parts().insert(id, State { pending: 0, seen: None, poker: Poker::default() });
        Part { shared: Arc::clone(&self.0), id }
    }

    /// Waits until every part that follows the cluster has seen that revision and no part has anything pending; says how
    /// many writes the parts had done by then.
    pub async fn idle_at(&self, revision: Revision) -> u64 {
        let pokers: Vec<Poker> = self.parts().values().map(|state| state.poker.clone()).collect();
        pokers.iter().for_each(Poker::poke);
        loop {
            let changed = self.0.changed.notified();
            let idle = |state: &State| state.pending == 0 && state.seen.is_none_or(|seen| seen >= revision);
            if self.parts().values().all(idle) {
                return self.writes();
            }
            changed.await;
        }
    }

    /// How many writes the parts have done, heartbeats aside.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Acquire)
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, State>> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// The part follows the cluster by these feeds and has seen nothing yet.
    pub fn follows(&self, poker: Poker) {
        self.change(|state| {
            state.poker = poker;
            state.seen.get_or_insert(Revision::ZERO);
        });
    }

    /// Everything up to there has been taken in, and what it asks for is pending by now.
    pub fn seen(&self, revision: Revision) {
        self.change(|state| state.seen = Some(revision));
    }

    /// So many things are to be done at once; waits for a set time do not count.
    pub fn pending(&self, count: usize) {
        self.change(|state| state.pending = count);
    }

    /// So many writes were done; heartbeats do not count.
    pub fn wrote(&self, count: usize) {
        self.shared.writes.fetch_add(count as u64, Ordering::Release);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) =
            self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.id)
        {
            change(state);
        }
        self.shared.changed.notify_waiters();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({})", self.id)
    }
}
