//! Schedulers of orch: the framework scheduler with its plugins, and the loop that runs any
//! [`Scheduler`](orch_core::scheduler::Scheduler) against a cluster.
//!
//! The scheduler decides and the loop writes; neither does the other's part. To change how pods are placed, write a plugin
//! ([`framework`]) or a scheduler of your own; both run in process or against a real Kubernetes cluster.

pub mod cluster;
mod error;
pub mod framework;
pub mod plugins;
mod run;

pub use error::Error;
pub use framework::FrameworkScheduler;
pub use run::{RunOptions, run, start};
