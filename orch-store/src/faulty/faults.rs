//! Which faults a [`Faulty`](super::Faulty) store makes, and how often.

use std::time::Duration;

use orch_core::Watches;

/// How often what goes wrong. Probabilities are in 0..=1, each drawn from a stream of its own: changing one moves no other.
///
/// ```
/// use orch_store::Faults;
/// let faults = Faults::quiet().unknown(0.1).dropped_watches(0.05);
/// assert_eq!(faults.unavailable, 0.0);
/// assert_ne!(faults, Faults::rough());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Faults {
    /// Of a write that expects a revision: somebody else touches the object first, so that the write conflicts.
    pub conflict: f64,
    /// Of a commit: its answer is lost. Some of its writes, from the first on, have been applied, perhaps all, perhaps none.
    pub unknown: f64,
    /// Of any call: it is refused as unavailable, and nothing is written.
    pub unavailable: f64,
    /// Of any call: it takes up to [`max_delay`](Self::max_delay) until it begins, and as long until it is answered.
    pub delay: f64,
    /// The longest delay, each way.
    pub max_delay: Duration,
    /// Of an event of a watch: the watch breaks off instead of telling it.
    pub dropped_watch: f64,
    /// Of a call that needs history, and of an event of a watch: all history is compacted first.
    pub compaction: f64,
    /// Of an event of a watch: it comes up to [`max_lag`](Self::max_lag) late, and with it those behind it.
    pub lag: f64,
    /// The longest lag.
    pub max_lag: Duration,
    /// Whether one watch may serve several kinds.
    pub watches: Watches,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            conflict: 0.0,
            unknown: 0.0,
            unavailable: 0.0,
            delay: 0.0,
            max_delay: Duration::ZERO,
            dropped_watch: 0.0,
            compaction: 0.0,
            lag: 0.0,
            max_lag: Duration::ZERO,
            watches: Watches::Joint,
        }
    }

    /// Everything goes wrong, but rarely enough that a cluster gets its work done.
    #[must_use]
    pub fn rough() -> Self {
        Self::quiet()
            .conflicts(0.05)
            .unknown(0.05)
            .unavailable(0.05)
            .delays(0.2, Duration::from_millis(500))
            .dropped_watches(0.02)
            .compactions(0.01)
            .lag(0.2, Duration::from_secs(2))
    }

    /// The worse of both in every respect; kinds are watched as here.
    ///
    /// ```
    /// use orch_store::Faults;
    /// let both = Faults::quiet().unknown(0.1).worst(&Faults::quiet().unknown(0.05).conflicts(0.2));
    /// assert_eq!(both, Faults::quiet().unknown(0.1).conflicts(0.2));
    /// ```
    #[must_use]
    pub fn worst(&self, other: &Self) -> Self {
        Self {
            conflict: self.conflict.max(other.conflict),
            unknown: self.unknown.max(other.unknown),
            unavailable: self.unavailable.max(other.unavailable),
            delay: self.delay.max(other.delay),
            max_delay: self.max_delay.max(other.max_delay),
            dropped_watch: self.dropped_watch.max(other.dropped_watch),
            compaction: self.compaction.max(other.compaction),
            lag: self.lag.max(other.lag),
            max_lag: self.max_lag.max(other.max_lag),
            watches: self.watches,
        }
    }

    /// Sets how often another writer comes first.
    #[must_use]
    pub fn conflicts(mut self, probability: f64) -> Self {
        self.conflict = probability;
        self
    }

    /// Sets how often the answer to a commit is lost.
    #[must_use]
    pub fn unknown(mut self, probability: f64) -> Self {
        self.unknown = probability;
        self
    }

    /// Sets how often a call is refused.
    #[must_use]
    pub fn unavailable(mut self, probability: f64) -> Self {
        self.unavailable = probability;
        self
    }

    /// Sets how often a call is slow, and how slow at most each way.
    #[must_use]
    pub fn delays(mut self, probability: f64, longest: Duration) -> Self {
        (self.delay, self.max_delay) = (probability, longest);
        self
    }

    /// Sets how often a watch breaks off.
    #[must_use]
    pub fn dropped_watches(mut self, probability: f64) -> Self {
        self.dropped_watch = probability;
        self
    }

    /// Sets how often history is compacted.
    #[must_use]
    pub fn compactions(mut self, probability: f64) -> Self {
        self.compaction = probability;
        self
    }

    /// Sets how often events of a watch are late, and how late at most.
    #[must_use]
    pub fn lag(mut self, probability: f64, longest: Duration) -> Self {
        (self.lag, self.max_lag) = (probability, longest);
        self
    }

    /// Each kind has a watch of its own, which lags on its own: a watch over several kinds is refused.
    #[must_use]
    pub fn per_kind(mut self) -> Self {
        self.watches = Watches::PerKind;
        self
    }
}

/// How many faults a [`Faulty`](super::Faulty) store has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Writes that were made to conflict.
    pub conflicts: u64,
    /// Writes whose answer was lost after they were applied.
    pub unknown_applied: u64,
    /// Writes whose answer was lost and that were never applied.
    pub unknown_not_applied: u64,
    /// Calls that were refused.
    pub unavailable: u64,
    /// Calls that were slow.
    pub delays: u64,
    /// Watches that broke off.
    pub dropped_watches: u64,
    /// Compactions.
    pub compactions: u64,
    /// Events that were late.
    pub lags: u64,
}
