//! One probe of one container: when it is due and what its results mean (`pkg/kubelet/prober/worker.go`). Pure data.

use std::time::Duration;

use super::spec;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    Startup,
    Liveness,
    Readiness,
}

impl Purpose {
    pub(super) const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    /// As Events spell it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

/// What is known so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    #[default]
    Unknown,
    Success,
    Failure,
}

/// The state of one probe of one container instance.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    rule: Rule,
    verdict: Verdict,
    last: Option<bool>,
    run: u32,
    due: Duration,
    /// It is decided for this instance: a liveness failure, a startup result.
    on_hold: bool,
    /// The number of the probe under way.
    under_way: Option<u64>,
    next_number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    period: Duration,
    timeout: Duration,
    successes: u32,
    failures: u32,
}

impl Probe {
    /// A probe of a container that started at `started`.
    pub(super) fn new(purpose: Purpose, spec: &spec::Probe, started: Duration) -> Self {
        let secs =
            |secs: Option<u32>, default: u32| Duration::from_secs(u64::from(secs.unwrap_or(default).max(1)));
        let rule = Rule {
            period: secs(spec.period_seconds, 10),
            timeout: secs(spec.timeout_seconds, 1),
            successes: spec.success_threshold.unwrap_or(1).max(1),
            failures: spec.failure_threshold.unwrap_or(3).max(1),
        };
        let verdict = match purpose {
            Purpose::Startup => Verdict::Unknown,
            Purpose::Liveness => Verdict::Success,
            Purpose::Readiness => Verdict::Failure,
        };
        let due = started + Duration::from_secs(u64::from(spec.initial_delay_seconds));
        Self { rule, verdict, last: None, run: 0, due, on_hold: false, under_way: None, next_number: 0 }
    }

    /// As an earlier agent left it.
    pub(super) fn carried(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) fn timeout(&self) -> Duration {
        self.rule.timeout
    }

    /// When it is to be done next; `None` when one is under way or it is decided.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.on_hold && self.under_way.is_none()).then_some(self.due)
    }

    /// It is done now: answers its number.
    pub(super) fn begin(&mut self, now: Duration) -> u64 {
        self.due = now + self.rule.period;
        let number = self.next_number;
        self.next_number += 1;
        self.under_way = Some(number);
        number
    }

    /// The result of the probe of that number; says whether the verdict changed. `None` is no result: it could not be tried.
    pub(super) fn finish(&mut self, purpose: Purpose, number: u64, result: Option<bool>) -> bool {
        if self.under_way != Some(number) {
            return false;
        }
        self.under_way = None;
        let Some(result) = result.filter(|_| !self.on_hold) else { return false };
        self.run = if self.last == Some(result) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(result);
        if self.run < if result { self.rule.successes } else { self.rule.failures } {
            return false;
        }
        let verdict = if result { Verdict::Success } else { Verdict::Failure };
        self.on_hold = purpose == Purpose::Startup || (purpose == Purpose::Liveness && !result);
        std::mem::replace(&mut self.verdict, verdict) != verdict
    }

    /// Nothing is asked of the container any more: it is let go in peace.
    pub(super) fn retire(&mut self) {
        self.on_hold = true;
        self.verdict = Verdict::Success;
    }

    /// Whether the state of the pod waits for the probe that is under way.
    pub(super) fn is_awaited(&self) -> bool {
        self.under_way.is_some() && self.verdict != Verdict::Success
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use super::*;

    fn probe(purpose: Purpose, spec: spec::Probe) -> Probe {
        Probe::new(purpose, &spec, Duration::from_secs(100))
    }

    /// Feeds results at the times they are due; answers the verdicts after each as letters.
    #[track_caller]
    fn check(purpose: Purpose, spec: spec::Probe, results: &str, expected: &str) {
        let mut probe = probe(purpose, spec);
        let mut verdicts = String::new();
        for result in results.chars() {
            if let Some(due) = probe.due() {
                let number = probe.begin(due);
                probe.finish(
                    purpose,
                    number,
                    match result {
                        '+' => Some(true),
                        '-' => Some(false),
                        _ => None,
                    },
                );
            }
            verdicts.push(match probe.verdict() {
                Verdict::Unknown => '?',
                Verdict::Success => 'S',
                Verdict::Failure => 'F',
            });
        }
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn readiness_follows_the_thresholds_both_ways() {
        let two =
            spec::Probe { success_threshold: Some(2), failure_threshold: Some(2), ..Default::default() };
        check(Purpose::Readiness, two.clone(), "+++---+-+", "FSSSFFFFF");
        check(Purpose::Readiness, two, "+-+-++-+-", "FFFFFSSSS");
        check(Purpose::Readiness, spec::Probe::default(), "+---+", "SSSFS");
    }

    #[test]
    fn a_probe_that_could_not_be_tried_says_nothing() {
        check(Purpose::Liveness, spec::Probe::default(), "--.-", "SSSF");
    }

    #[test]
    fn liveness_stops_at_its_failure() {
        let one = spec::Probe { failure_threshold: Some(1), ..Default::default() };
        check(Purpose::Liveness, one, "+-+++", "SFFFF");
    }

    #[test]
    fn startup_stops_at_its_first_decision() {
        let spec = spec::Probe { failure_threshold: Some(3), ..Default::default() };
        check(Purpose::Startup, spec.clone(), "--+--", "??SSS");
        check(Purpose::Startup, spec, "---++", "??FFF");
    }

    #[test]
    fn it_is_due_after_the_delay_and_then_each_period() {
        let spec = spec::Probe { initial_delay_seconds: 5, period_seconds: Some(3), ..Default::default() };
        let mut probe = probe(Purpose::Readiness, spec);
        assert_eq!(probe.due(), Some(Duration::from_secs(105)));
        let number = probe.begin(Duration::from_secs(105));
        assert_eq!(probe.due(), None, "one at a time");
        assert!(
            !probe.finish(Purpose::Readiness, number + 7, Some(true)),
            "an answer of another probe is not taken"
        );
        assert!(probe.finish(Purpose::Readiness, number, Some(true)));
        assert_eq!(probe.due(), Some(Duration::from_secs(108)));
    }
}
