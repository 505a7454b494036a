//! The node agent: what the kubelet does, as a state machine without I/O and a driver that does the I/O.
mod backoff;
mod conditions;
mod config;
mod env;
mod error;
mod expand;
mod fields;
mod phase;
mod pod;
mod shown;
mod sources;
mod spec;
#[cfg(test)]
mod testing;
mod text;

pub use config::{AgentConfig, Doubling, Taint, Timings};
