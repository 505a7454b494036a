//! The laws that every controller keeps, tried on the real Api over the store in memory.
//!
//! A scenario is a few objects, the edits of a user, the controllers at work and what must be true. The harness draws
//! deliveries that lag by kind, turns that crash after any prefix or subset of their writes or happen twice, conflicts,
//! time, and a kubelet. After every single write the scenario's safety law is checked; in the end everything is delivered
//! and the scenario must settle in the desired state, and stay there.
//!
//! A controller's scenarios are one file: `mod` it here and write `scenario!` tests in it.

mod deployment;
mod endpointslice;
mod eventttl;
mod gc;
mod kubelet;
mod lane;
mod laws;
mod namespace;
mod nodelifecycle;
mod podgc;
mod replicaset;
mod statefulset;
mod volume;
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
