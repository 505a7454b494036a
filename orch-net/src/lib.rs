//! The network of orch: addresses, the service proxy, DNS.
//!
//! Two implementations of [`Network`](orch_core::network::Network): [`MemNetwork`] in memory, for virtual time, and
//! [`LoopbackNetwork`] on real sockets without privileges. They know no Services. On top of either stand the service
//! [`Proxy`] and the cluster's [`Names`], which follow the Api and hold no handle on another part.

pub mod address;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dns;
mod error;
mod facts;
mod loopback;
mod mem;
mod names;
mod proxy;

pub use dns::DnsServer;
pub use error::Error;
pub use loopback::{LoopbackNetwork, LoopbackOptions, OtherNames, SystemPorts};
pub use mem::{MemNetwork, MemOptions};
pub use names::{Names, Records, Target};
pub use proxy::Proxy;
