//! What can go wrong before a network or server is there.

use std::io;
use std::net::IpAddr;

/// Why a network or a server cannot be made. Once made, errors are those of [`Network`](orch_core::network::Network).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every block of loopback addresses belongs to somebody.
    #[error("all {blocks} blocks of loopback addresses are leased")]
    NoBlock {
        /// How many there are.
        blocks: u32,
    },
    /// The system has no loopback addresses besides 127.0.0.1.
    #[error("cannot bind loopback address {address}")]
    NoLoopback {
        /// The one tried.
        address: IpAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The DNS server cannot listen.
    #[error("cannot serve dns at {address}")]
    Dns {
        /// Where.
        address: IpAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}
