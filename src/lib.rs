//! The Kubernetes control plane, node agent and service network as embeddable crates.
//!
//! A program adds this dependency and has a real cluster in its own process, in milliseconds. Every part (store, scheduler,
//! controllers, runtime, network) is a trait that it can replace by its own.
//!
//! ```
//! use std::time::Duration;
//! use k8s_openapi::api::core::v1::Pod;
//! use orch::{Cluster, NodeSpec};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let cluster = Cluster::builder()
//!     .nodes([NodeSpec::new("n1").cpu("2").memory("4Gi")])
//!     .image("hello:1", |ctx: orch::runtime::task::Context| async move { ctx.stopped().await })
//!     .start()
//!     .await?;
//! cluster.apply("
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: hello, namespace: default}
//! spec: {containers: [{name: main, image: 'hello:1'}]}
//! ").await?;
//! let running = |pods: &[Pod]| pods.iter().any(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"));
//! let pods = cluster.wait_for("default", Duration::from_secs(10), running).await?;
//! assert_eq!(pods[0].spec.as_ref().unwrap().node_name.as_deref(), Some("n1"));
//! cluster.shutdown().await?;
//! # Ok::<(), orch::Error>(())
//! # }).unwrap();
//! ```
//!
//! This crate holds no logic of its own: it composes the parts. [`core`] has the vocabulary and the traits.

mod apply;
mod builder;
#[cfg(feature = "sim")]
pub mod chaos;
#[cfg(feature = "rest")]
mod client;
mod cluster;
mod error;
mod logs;
mod mortal;
mod node;
mod part;
mod parts;
mod recipes;
mod timings;

pub use apply::{Applied, Refusal};
pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use error::Error;
pub use node::NodeSpec;
pub use part::Part;
pub use timings::Timings;

pub use orch_controllers as controllers;
pub use orch_core as core;
pub use orch_store as store;

/// Kubernetes' semantics over a store.
pub mod api {
    pub use orch_api::*;
    pub use orch_core::api::*;
}

/// Networks, the service proxy and cluster DNS.
pub mod network {
    pub use orch_core::network::*;
    pub use orch_net::*;
}

/// Runtimes and the node agent.
pub mod runtime {
    pub use orch_core::runtime::*;
    pub use orch_runtime::*;
}

/// Schedulers and the loop that does what they decide.
pub mod scheduler {
    pub use orch_core::scheduler::*;
    pub use orch_sched::*;
}
