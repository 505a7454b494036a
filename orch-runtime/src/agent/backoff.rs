//! How long something waits before it is tried again (`client-go/util/flowcontrol/backoff.go`). Pure data; time comes in.

use std::time::Duration;

use super::config::Doubling;

/// The waits of one thing that fails again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    /// The wait and when it was set.
    entry: Option<(Duration, Duration)>,
}

impl Backoff {
    /// Until when something that ended at `ended` waits; `None` when it may go on at once.
    pub(super) fn until(&self, rule: &Doubling, ended: Duration) -> Option<(Duration, Duration)> {
        let (wait, set) = self.entry?;
        (ended.saturating_sub(set) <= rule.reset).then_some((ended + wait, wait))
    }

    /// Something that ended at `ended` is tried again now: the next wait is longer, or the first one after a long run.
    pub(super) fn next(&mut self, rule: &Doubling, ended: Duration, now: Duration) {
        let wait = match self.entry {
            Some((wait, set)) if ended.saturating_sub(set) <= rule.reset => (wait * 2).min(rule.most),
            _ => rule.first,
        };
        self.entry = Some((wait, now));
    }

    /// Something failed now: it waits from now on. Answers until when.
    pub(super) fn fail(&mut self, rule: &Doubling, now: Duration) -> Duration {
        self.next(rule, now, now);
        now + self.wait()
    }

    /// The current wait.
    pub(super) fn wait(&self) -> Duration {
        self.entry.map_or(Duration::ZERO, |(wait, _)| wait)
    }

    /// It worked.
    pub(super) fn clear(&mut self) {
        self.entry = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn restarts_wait_twice_as_long_each_time() {
        let rule = Doubling::new(secs(10), secs(300));
        let mut backoff = Backoff::default();
        let mut now = secs(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = backoff.until(&rule, now).map_or(Duration::ZERO, |(until, _)| until - now);
            waits.push(wait.as_secs());
            backoff.next(&rule, now, now + wait);
            now += wait + secs(1);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_long_run_makes_the_next_wait_the_first() {
        let rule = Doubling::new(secs(10), secs(300));
        let mut backoff = Backoff::default();
        backoff.next(&rule, secs(0), secs(0));
        backoff.next(&rule, secs(1), secs(11));
        assert_eq!(backoff.wait(), secs(20));
        assert_eq!(backoff.until(&rule, secs(11 + 601)), None, "it ran for more than ten minutes");
        backoff.next(&rule, secs(612), secs(612));
        assert_eq!(backoff.wait(), secs(10));
    }

    #[test]
    fn failures_wait_from_when_they_failed() {
        let rule = Doubling::new(Duration::from_millis(500), secs(2));
        let mut backoff = Backoff::default();
        let until: Vec<_> =
            (0..4).map(|_| backoff.fail(&rule, secs(100)) - secs(100)).map(|wait| wait.as_millis()).collect();
        assert_eq!(until, [500, 1000, 2000, 2000]);
        backoff.clear();
        assert_eq!(backoff.fail(&rule, secs(1)), Duration::from_millis(1500));
    }
}
