//! A store that fails as real ones do, by the seed.
//!
//! A layer over any store that makes only faults which the contract allows: every answer it gives is true, preconditions
//! hold, watches keep their guarantees or end. Not here: crashes of parts, which are [`Env::crash`]. Invariant: after
//! [`Faulty::heal`] it is the store below, but for calls and events that are late already and history that is compacted.

mod faults;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orch_core::{
    Env, Error, Expect, Key, Kind, Live, Page, Put, Read, Result, Revision, Select, Store, Str, Watch,
    Watches,
};

pub use faults::{Faults, Injected};

/// A store, or anything that can be read, with faults in front of it. Cloning copies a pointer.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Error, Object, Put, Registry, Store, WriteOutcome, kind};
/// use orch_store::{Faults, Faulty, MemStore};
/// orch_core::sim::run(7, |env| async move {
///     let registry = Arc::new(Registry::built_in());
///     let store = Faulty::new(Arc::new(MemStore::new(Arc::clone(&registry))), env, Faults::quiet().unknown(1.0));
///     let tree = serde_json::json!({"metadata": {"name": "n1"}});
///     let node = Object::encode(&registry.get(kind::NODES).unwrap(), &tree).unwrap();
///     let answer = store.commit(vec![Put::create(node.clone())]).await.remove(0);
///     assert_eq!(answer.unwrap_err().outcome(), WriteOutcome::Unknown);
///     store.heal();
///     let answer = store.commit(vec![Put::create(node)]).await.remove(0);
///     assert!(matches!(answer, Ok(_) | Err(Error::AlreadyExists { .. })));
/// });
/// ```
pub struct Faulty<S: ?Sized = dyn Store> {
    inner: Arc<S>,
    faults: Arc<Shared>,
}

/// What the store and its watches share.
struct Shared {
    env: Env,
    dice: Dice,
    state: Mutex<State>,
    watches: Watches,
}

struct State {
    faults: Faults,
    injected: Injected,
    /// History up to there is gone.
    compacted: Revision,
}

/// A random stream for each fault, so that none moves another.
struct Dice {
    conflict: Env,
    unknown: Env,
    unavailable: Env,
    delay: Env,
    watch: Env,
    compaction: Env,
    lag: Env,
}

impl<S: ?Sized> Faulty<S> {
    /// A layer that makes these faults, drawn from that environment.
    #[must_use]
    pub fn new(inner: Arc<S>, env: Env, faults: Faults) -> Self {
        let die = |name: &str| env.child("faults").child(name);
        let dice = Dice {
            conflict: die("conflict"),
            unknown: die("unknown"),
            unavailable: die("unavailable"),
            delay: die("delay"),
            watch: die("watch"),
            compaction: die("compaction"),
            lag: die("lag"),
        };
        let watches = faults.watches;
        let state = Mutex::new(State { faults, injected: Injected::default(), compacted: Revision::ZERO });
        Self { inner, faults: Arc::new(Shared { env, dice, state, watches }) }
    }

    /// The store below: what is done there meets no faults.
    #[must_use]
    pub fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    /// Makes no more faults.
    pub fn heal(&self) {
        self.set(Faults::quiet());
    }

    /// Makes these faults from now on. How kinds are watched stays as it was.
    pub fn set(&self, faults: Faults) {
        self.faults.state().faults = faults;
    }

    /// The faults made so far.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.faults.state().injected
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fault of that probability strikes; counts it.
    fn strikes(&self, die: &Env, chance: fn(&Faults) -> f64, count: fn(&mut Injected) -> &mut u64) -> bool {
        let mut state = self.state();
        let chance = chance(&state.faults);
        let strikes = chance > 0.0 && die.fraction() < chance;
        *count(&mut state.injected) += u64::from(strikes);
        strikes
    }

    /// The wait each way of a call.
    fn delay(&self) -> Option<(Duration, Duration)> {
        let strikes = self.strikes(&self.dice.delay, |faults| faults.delay, |injected| &mut injected.delays);
        let longest = self.state().faults.max_delay;
        strikes.then(|| (up_to(&self.dice.delay, longest), up_to(&self.dice.delay, longest)))
    }

    fn lag(&self) -> Option<Duration> {
        let strikes = self.strikes(&self.dice.lag, |faults| faults.lag, |injected| &mut injected.lags);
        let longest = self.state().faults.max_lag;
        strikes.then(|| up_to(&self.dice.lag, longest))
    }

    fn refuse(&self) -> Result<()> {
        let die = &self.dice.unavailable;
        if self.strikes(die, |faults| faults.unavailable, |injected| &mut injected.unavailable) {
            return Err(unavailable("by the fault plan"));
        }
        Ok(())
    }

    fn strikes_compaction(&self) -> bool {
        self.strikes(&self.dice.compaction, |faults| faults.compaction, |injected| &mut injected.compactions)
    }

    /// Refuses what needs history from before `requested` was current.
    fn check_compacted(&self, requested: Revision) -> Result<()> {
        let oldest = self.state().compacted;
        if requested < oldest { Err(Error::Compacted { requested, oldest }) } else { Ok(()) }
    }

    /// Runs a call, late when the dice say so.
    async fn call<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.env.edge().await;
        let Some((before, after)) = self.delay() else { return call.await };
        self.env.sleep(before).await;
        let answer = call.await;
        self.env.sleep(after).await;
        answer
    }
}

/// A random time up to `longest`.
fn up_to(die: &Env, longest: Duration) -> Duration {
    longest.mul_f64(die.fraction())
}

fn unavailable(why: &str) -> Error {
    Error::Unavailable { part: "store".into(), why: why.into() }
}

impl<S: Read + ?Sized> Faulty<S> {
    /// Compacts all history when the dice say so.
    async fn compact(&self) -> Result<()> {
        if self.faults.strikes_compaction() {
            let current = crate::revision::current(&*self.inner).await?;
            let mut state = self.faults.state();
            state.compacted = state.compacted.max(current);
        }
        Ok(())
    }
}

#[async_trait]
impl<S: Read + ?Sized + 'static> Read for Faulty<S> {
    fn watches(&self) -> Watches {
        match self.faults.watches {
            Watches::Joint => self.inner.watches(),
            Watches::PerKind => Watches::PerKind,
        }
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.faults.refuse()?;
        self.faults.call(self.inner.get(key, at_least)).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.faults.refuse()?;
        let goes_on = page.is_some();
        if goes_on {
            self.compact().await?;
        }
        let answer = self.faults.call(self.inner.list(what, page, limit)).await?;
        if goes_on {
            self.faults.check_compacted(answer.revision)?;
        }
        Ok(answer)
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        if self.watches() == Watches::PerKind && what.kinds.len() != 1 {
            let kind = what.kinds.first().copied().unwrap_or_else(|| Kind::named("", "*"));
            return Err(Error::NotAllowed { kind, what: "a watch over several kinds" });
        }
        self.faults.refuse()?;
        if let Some(from) = from {
            self.compact().await?;
            self.faults.check_compacted(from)?;
        }
        let inner = self.faults.call(self.inner.watch(what, from)).await?;
        Ok(watch::faulty(inner, Arc::clone(&self.inner), Arc::clone(&self.faults), from))
    }
}

impl<S: Store + ?Sized> Faulty<S> {
    /// Lets somebody else write first: the same content at a new revision, so that the write truly conflicts.
    async fn touch(&self, put: &Put) {
        let Expect::At(expected) = put.expect() else { return };
        let Ok(found) = self.inner.get(put.key(), Revision::ZERO).await else { return };
        if found.revision() != expected {
            return;
        }
        let die = &self.faults.dice.conflict;
        if self.faults.strikes(die, |faults| faults.conflict, |injected| &mut injected.conflicts) {
            self.inner.commit(vec![Put::replace(found.into_object(), expected)]).await;
        }
    }

    /// How many of so many writes are applied before the answer is lost, if it is to be.
    fn lost(&self, writes: usize) -> Option<usize> {
        let chance = self.faults.state().faults.unknown;
        let die = &self.faults.dice.unknown;
        let lost = chance > 0.0 && die.fraction() < chance;
        lost.then(|| usize::try_from(die.below(writes as u64 + 1)).unwrap_or(writes))
    }

    async fn apply(&self, mut writes: Vec<Put>) -> Vec<Result<Revision>> {
        if self.faults.state().faults.conflict > 0.0 {
            for put in &writes {
                self.touch(put).await;
            }
        }
        let Some(applied) = self.lost(writes.len()) else { return self.inner.commit(writes).await };
        let unknown =
            writes.iter().map(|put| Err(Error::OutcomeUnknown { key: put.key().clone() })).collect();
        let never = writes.split_off(applied).len();
        self.inner.commit(writes).await;
        let mut state = self.faults.state();
        state.injected.unknown_applied += applied as u64;
        state.injected.unknown_not_applied += never as u64;
        unknown
    }
}

#[async_trait]
impl<S: Store + ?Sized + 'static> Store for Faulty<S> {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        if let Err(error) = self.faults.refuse() {
            return writes.iter().map(|_| Err(error.clone())).collect();
        }
        self.faults.call(self.apply(writes)).await
    }
}

impl<S: ?Sized> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), faults: Arc::clone(&self.faults) }
    }
}

impl<S: ?Sized> std::fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty").field("faults", &self.faults.state().faults).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
