//! How a run's cluster is put together, besides what its user composed: drawn from the seed.

use jiff::SignedDuration;
use orch_core::Env;

use crate::Part;

/// The skew of a part's clock.
pub(super) type Skew = Box<dyn Fn(&Part) -> SignedDuration + Send + Sync>;

/// What differs between the clusters of two seeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Each controller has an engine, a view and a crash of its own.
    pub(super) isolated: bool,
    /// Each kind has a watch of its own, as over REST, and lags on its own.
    pub(super) per_kind: bool,
    /// How wrong the parts' clocks go at most, either way.
    skew: SignedDuration,
}

impl Setup {
    pub(super) fn draw(env: &Env) -> Self {
        let skew = match env.below(4) {
            0 => SignedDuration::from_millis(900),
            1 => SignedDuration::from_secs(20),
            _ => SignedDuration::ZERO,
        };
        Self { isolated: env.below(2) == 0, per_kind: env.below(2) == 0, skew }
    }

    /// Each start of a part has a skew of its own.
    pub(super) fn skew(&self, env: &Env) -> Option<Skew> {
        let most = u64::try_from(self.skew.as_millis()).unwrap_or(0);
        if most == 0 {
            return None;
        }
        let env = env.child("skew");
        Some(Box::new(move |part| {
            let drawn = env.child(&part.to_string()).below(2 * most + 1);
            SignedDuration::from_millis(i64::try_from(drawn).unwrap_or(0) - i64::try_from(most).unwrap_or(0))
        }))
    }
}
