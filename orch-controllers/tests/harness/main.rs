//! The laws that every controller keeps, tried on the real Api over the store in memory.
//!
//! A scenario is a few objects, the edits of a user, the controllers at work and what must be true. The harness draws
//! deliveries that lag by kind, turns that crash after any prefix or subset of their writes or happen twice, conflicts,
//! time, and a kubelet. After every single write the scenario's safety law is checked; in the end everything is delivered
//! and the scenario must settle in the desired state, and stay there.
//!
//! A controller's scenarios are one file: `mod` it here and write `scenario!` tests in it.

#![expect(clippy::needless_pass_by_value, reason = "values made in place read better in tests")]

#[cfg(test)]
mod clusterrole;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod endpointslice;
#[cfg(test)]
mod eventttl;
#[cfg(test)]
mod gc;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod lane;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod nodelifecycle;
#[cfg(test)]
mod podgc;
#[cfg(test)]
mod replicaset;
#[cfg(test)]
mod statefulset;
#[cfg(test)]
mod volume;
#[cfg(test)]
mod world;

use proptest::prelude::ProptestConfig;

pub(crate) use laws::{Allowed, Transition, Truth};
pub(crate) use world::{Scenario, User, steps};

/// Cases of a scenario, each a whole history; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32);
    ProptestConfig { cases, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Makes a property test of a scenario: whatever happens, its laws hold and it settles.
macro_rules! scenario {
    ($($(#[$doc:meta])* $name:ident = $scenario:expr;)*) => {
        proptest::proptest! {
            #![proptest_config($crate::config())]
            $($(#[$doc])* #[test] fn $name(steps in $crate::steps(), seed in 0..1000_u64) {
                $crate::world::run($scenario, seed, &steps);
            })*
        }
    };
}
pub(crate) use scenario;
