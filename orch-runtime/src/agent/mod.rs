//! The node agent: what the kubelet does, as a state machine without I/O and a driver that does the I/O.
mod admit;
mod backoff;
mod conditions;
mod check;
mod command;
mod config;
mod env;
mod error;
mod expand;
mod fields;
mod files;
mod http;
mod phase;
mod pod;
mod probe;
mod shown;
mod sources;
mod spec;
#[cfg(test)]
mod testing;
mod text;
mod volumes;

pub use config::{AgentConfig, Doubling, Taint, Timings};
