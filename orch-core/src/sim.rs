//! Virtual time: a program on one thread whose clock jumps to the next timer when nothing else is to do.

use std::future::Future;

use crate::Env;

/// Runs a future to its end in virtual time, with the environment of that seed. No real socket may be waited for in it.
///
/// # Panics
/// When the runtime cannot be built, or the future panics.
pub fn run<F, Fut>(seed: u64, body: F) -> Fut::Output
where
    F: FnOnce(Env) -> Fut,
    Fut: Future,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs only memory");
    runtime.block_on(async { body(Env::simulated(seed)).await })
}
