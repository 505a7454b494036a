//! What goes wrong with a runtime as a whole, beside what its containers do.
//!
//! Only the settings and what is drawn for one call. Invariant: without faults nothing is drawn.

use std::time::Duration;

use super::Span;
use super::draws::Stream;

/// What goes wrong with the calls and events of a runtime. Probabilities are from 0 (never) to 1 (always); the default is
/// that nothing does.
///
/// ```
/// use std::time::Duration;
/// use orch_runtime::simulated::Faults;
/// let faults = Faults::default().fails_after(0.1).latency(Duration::ZERO..Duration::from_millis(50));
/// assert_ne!(faults, Faults::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Faults {
    /// The probability that a call answers `Unavailable` and was not done.
    pub fails_before: f64,
    /// The probability that a call answers `Unavailable` after it was done: who called cannot tell the two apart.
    pub fails_after: f64,
    /// The probability that listeners are told `Lost` instead of the end of a container.
    pub loses_events: f64,
    /// How much longer each call takes.
    pub latency: Span,
}

impl Faults {
    /// With calls that fail that often before they are done.
    #[must_use]
    pub fn fails_before(mut self, probability: f64) -> Self {
        self.fails_before = probability;
        self
    }

    /// With calls that fail that often after they were done.
    #[must_use]
    pub fn fails_after(mut self, probability: f64) -> Self {
        self.fails_after = probability;
        self
    }

    /// With events that are lost that often.
    #[must_use]
    pub fn loses_events(mut self, probability: f64) -> Self {
        self.loses_events = probability;
        self
    }

    /// With calls that take so much longer.
    #[must_use]
    pub fn latency(mut self, span: impl Into<Span>) -> Self {
        self.latency = span.into();
        self
    }

    /// What happens to one call.
    pub(super) fn fate(&self, stream: &mut Stream) -> Fate {
        if *self == Self::default() {
            return Fate::default();
        }
        Fate {
            latency: stream.span(&self.latency),
            fails_before: stream.chance(self.fails_before),
            fails_after: stream.chance(self.fails_after),
        }
    }
}

/// What happens to one call.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) latency: Duration,
    pub(super) fails_before: bool,
    pub(super) fails_after: bool,
}
