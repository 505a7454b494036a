//! Draws for a workload: numbers, choices and times from one random stream.
//!
//! Invariant: each app and each action has a stream of its own, so that leaving one out moves no draw of another.

use std::time::Duration;

use orch_core::Env;

/// One random stream.
pub(super) struct Dice(Env);

impl Dice {
    /// The stream of that name under an environment.
    pub(super) fn new(env: &Env, name: &str) -> Self {
        Self(env.child(name))
    }

    /// A number below `bound`; 0 when that is 0.
    pub(super) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True once in so many times.
    pub(super) fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub(super) fn pick<T: Clone>(&self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// One of several, each as often as its weight says.
    pub(super) fn weighted<T: Clone>(&self, of: &[(usize, T)]) -> T {
        let mut at = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in of {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return value.clone(),
            }
        }
        of[of.len() - 1].1.clone()
    }

    /// A time from `from` on and before `until`, in whole milliseconds: it can be read in a report.
    pub(super) fn time(&self, from: Duration, until: Duration) -> Duration {
        let span = until.saturating_sub(from).as_millis();
        from + Duration::from_millis(self.0.below(u64::try_from(span).unwrap_or(u64::MAX)))
    }

    /// Any number: to choose by later, from what is there then.
    pub(super) fn any(&self) -> usize {
        self.below(1 << 30)
    }
}

#[cfg(test)]
mod tests {
    use orch_core::sim;

    use super::*;

    #[test]
    fn choices_are_made_as_often_as_their_weights_say() {
        let counts = sim::run(1, |env| async move {
            let dice = Dice::new(&env, "test");
            let mut counts = [0; 3];
            (0..4000).for_each(|_| counts[dice.weighted(&[(1, 0), (0, 1), (3, 2)])] += 1);
            counts
        });
        assert_eq!(counts[1], 0);
        assert!((900..1100).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn times_lie_before_the_end() {
        sim::run(2, |env| async move {
            let dice = Dice::new(&env, "test");
            let (from, until) = (Duration::from_secs(3), Duration::from_secs(4));
            assert!((0..200).all(|_| (from..until).contains(&dice.time(from, until))));
            assert_eq!(dice.time(until, from), until, "no time at all");
            assert_eq!(dice.between(3, 3), 3);
        });
    }
}
