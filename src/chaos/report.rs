//! What came of a run.

use std::fmt;
use std::time::Duration;

use super::hub::Hub;
use super::timeline::Timeline;
use super::{TraceHash, Violation};

/// What came of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// The hash of everything that happened.
    pub trace: TraceHash,
    /// The lines of the trace, when they were asked for.
    pub lines: Vec<String>,
    /// What came from outside, a line each, with its number.
    pub timeline: Vec<String>,
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// Things that happened.
    pub entries: u64,
    /// Containers that were started.
    pub starts: u64,
    /// Writes of the store.
    pub writes: u64,
    /// Requests over REST, where everybody reaches the Api by it.
    pub requests: u64,
}

impl Report {
    pub(super) fn of(seed: u64, hub: &Hub, elapsed: Duration, timeline: &Timeline, requests: u64) -> Self {
        let (violation, trace) = (hub.violation(), hub.hash());
        let (lines, entries, starts, writes) = hub.finish();
        Self {
            seed,
            violation,
            trace,
            lines,
            timeline: timeline.lines(),
            elapsed,
            entries,
            starts,
            writes,
            requests,
        }
    }

    pub(super) fn not_started(seed: u64, error: &crate::Error) -> Self {
        Self::broken(seed, "start", error.to_string())
    }

    /// A run that ended before it could be looked at.
    pub(super) fn broken(seed: u64, invariant: &str, what: String) -> Self {
        let violation = Violation { invariant: invariant.to_owned(), at: Duration::ZERO, what };
        Self {
            seed,
            violation: Some(violation),
            trace: TraceHash(0),
            lines: Vec::new(),
            timeline: Vec::new(),
            elapsed: Duration::ZERO,
            entries: 0,
            starts: 0,
            writes: 0,
            requests: 0,
        }
    }

    /// Whether the cluster could be shut down.
    pub(super) fn ended(mut self, in_time: bool) -> Self {
        if !in_time && self.violation.is_none() {
            let what = "some task does not end".to_owned();
            self.violation = Some(Violation { invariant: "shutdown".to_owned(), at: self.elapsed, what });
        }
        self
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.violation.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, elapsed, starts, writes, trace, .. } = self;
        write!(
            f,
            "seed {seed}: {:.0}s, {starts} containers, {writes} writes, trace {trace}: ",
            elapsed.as_secs_f64()
        )?;
        match &self.violation {
            None => f.write_str("ok"),
            Some(violation) => violation.fmt(f),
        }
    }
}
