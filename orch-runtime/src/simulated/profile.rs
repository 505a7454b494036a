//! What a simulated container does: a description, from which each container's life is drawn.
//!
//! It decides nothing about pods. Invariant: the default profile always works and takes no time.

use orch_core::Str;

use super::Span;

/// What containers do. A default one starts at once, is ready at once, runs until it is stopped, and ends then at once
/// with code 0. Probabilities are from 0 (never) to 1 (always).
///
/// ```
/// use std::time::Duration;
/// use orch_runtime::simulated::Profile;
/// let secs = Duration::from_secs;
/// let job = Profile::default().runs_for(secs(5)..secs(60)).exit_codes([0, 0, 0, 1, 137]);
/// let slow = Profile::default().start_latency(secs(1)..secs(3)).ready_after(secs(10)).probe_fails(0.01);
/// assert_eq!(job.exit_codes.len(), 5);
/// assert_eq!(slow.ready_after, secs(10).into());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// How long a start takes; the container runs from then.
    pub start_latency: Span,
    /// The probability that a start fails.
    pub start_fails: f64,
    /// How long a pull takes.
    pub pull_latency: Span,
    /// The probability that a pull fails.
    pub pull_fails: f64,
    /// How long it runs before it ends by itself; `None` means until it is stopped.
    pub runs_for: Option<Span>,
    /// One of them is the exit code of a container that ends by itself; none means 0. 134 is a panic, and 137 the end by
    /// lack of memory: its reason is `OOMKilled`.
    pub exit_codes: Vec<i32>,
    /// How long it takes to end when it is asked to.
    pub stop_latency: Span,
    /// The probability that a container does not end when it is asked to: after the grace period it is killed, which is
    /// code 137.
    pub ignores_stop: f64,
    /// How long after its start it is ready: until then probes fail.
    pub ready_after: Span,
    /// The probability, for each probe, that a container which is ready answers with a failure.
    pub probe_fails: f64,
    /// The probability that a container hangs from its start on: it answers nothing, does not end by itself, and ignores
    /// being asked to.
    pub hangs: f64,
    /// It prints `line 1` to `line N` on standard output when it starts, and then `done` on standard error.
    pub prints: u32,
    /// It prints what it sees when it starts, a line each: `arg=` and each argument, `env=` and the variable `PROBE`,
    /// `hostname=` and the host name; and if there is a file `/probe/in` on a mount, `file=` and its text, and
    /// `write=ok` or `write=refused` after it has tried to write `/probe/out`.
    pub reports: bool,
    /// What it leaves at its termination message path when it ends by itself.
    pub last_word: Option<Str>,
}

impl Profile {
    /// With starts that take so long.
    #[must_use]
    pub fn start_latency(mut self, span: impl Into<Span>) -> Self {
        self.start_latency = span.into();
        self
    }

    /// With starts that fail that often.
    #[must_use]
    pub fn start_fails(mut self, probability: f64) -> Self {
        self.start_fails = probability;
        self
    }

    /// With pulls that take so long.
    #[must_use]
    pub fn pull_latency(mut self, span: impl Into<Span>) -> Self {
        self.pull_latency = span.into();
        self
    }

    /// With pulls that fail that often.
    #[must_use]
    pub fn pull_fails(mut self, probability: f64) -> Self {
        self.pull_fails = probability;
        self
    }

    /// Ending by itself after so long.
    #[must_use]
    pub fn runs_for(mut self, span: impl Into<Span>) -> Self {
        self.runs_for = Some(span.into());
        self
    }

    /// With one of these codes when it ends by itself.
    #[must_use]
    pub fn exit_codes(mut self, codes: impl Into<Vec<i32>>) -> Self {
        self.exit_codes = codes.into();
        self
    }

    /// Ending so long after it was asked to.
    #[must_use]
    pub fn stop_latency(mut self, span: impl Into<Span>) -> Self {
        self.stop_latency = span.into();
        self
    }

    /// Ignoring that often that it is asked to end.
    #[must_use]
    pub fn ignores_stop(mut self, probability: f64) -> Self {
        self.ignores_stop = probability;
        self
    }

    /// Ready so long after its start.
    #[must_use]
    pub fn ready_after(mut self, span: impl Into<Span>) -> Self {
        self.ready_after = span.into();
        self
    }

    /// Failing that many of its probes.
    #[must_use]
    pub fn probe_fails(mut self, probability: f64) -> Self {
        self.probe_fails = probability;
        self
    }

    /// Hanging that often.
    #[must_use]
    pub fn hangs(mut self, probability: f64) -> Self {
        self.hangs = probability;
        self
    }

    /// Printing so many lines.
    #[must_use]
    pub fn prints(mut self, lines: u32) -> Self {
        self.prints = lines;
        self
    }

    /// Printing what it sees.
    #[must_use]
    pub fn reports(mut self) -> Self {
        self.reports = true;
        self
    }

    /// Leaving a last word.
    #[must_use]
    pub fn last_word(mut self, word: impl Into<Str>) -> Self {
        self.last_word = Some(word.into());
        self
    }
}
