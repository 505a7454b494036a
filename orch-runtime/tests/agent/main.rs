//! The agent on the task runtime, the network in memory and the real Api, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adoption;
mod containers;
mod endings;
mod faults;
mod many;
mod node;
mod probes;
mod simulated;
mod volumes;
mod world;
