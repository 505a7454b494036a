//! The lease of a block of loopback addresses.
//!
//! The lock is a bound UDP socket, so the system frees it however the process ends; nothing is ever sent. Invariant: a
//! block has one holder on the machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use ipnet::Ipv4Net;
use orch_core::Env;

use crate::Error;

/// Addresses of a block: 127.0.0.0/8 has 1,024 of them, each with 8,190 pods, 4,096 Services and 4,093 nodes.
const PREFIX: u8 = 18;
const BLOCKS: u32 = 1 << (PREFIX - 8);
/// The port of the lock. Below the range that Linux gives to sockets that ask for any port.
const LOCK_PORT: u16 = 20_550;

/// A block that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    block: Ipv4Net,
    address: IpAddr,
    _lock: UdpSocket,
}

impl Lease {
    /// Tries blocks one after the other, from one that the environment draws. The first block is left alone: 127.0.0.1 and
    /// its neighbours have other uses.
    pub(super) fn take(env: &Env) -> Result<Self, Error> {
        let choices = u64::from(BLOCKS - 1);
        let start = env.below(choices);
        for offset in 0..choices {
            let number = u32::try_from(1 + (start + offset) % choices).unwrap_or(1);
            let block = block(number);
            let address = IpAddr::from(Ipv4Addr::from(u32::from(block.network()) + 1));
            match UdpSocket::bind((address, LOCK_PORT)) {
                Ok(lock) => return Ok(Self { block, address, _lock: lock }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(Error::NoLoopback { address, source }),
            }
        }
        Err(Error::NoBlock { blocks: BLOCKS - 1 })
    }

    /// The whole block.
    pub(super) fn block(&self) -> Ipv4Net {
        self.block
    }

    /// Of the lock.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// The first quarter.
    pub(super) fn nodes(&self) -> Ipv4Net {
        self.part(PREFIX + 2, 0)
    }

    /// The second quarter.
    pub(super) fn services(&self) -> Ipv4Net {
        self.part(PREFIX + 2, 1)
    }

    /// The second half.
    pub(super) fn pods(&self) -> Ipv4Net {
        self.part(PREFIX + 1, 1)
    }

    fn part(&self, prefix: u8, number: u32) -> Ipv4Net {
        net(u32::from(self.block.network()) + (number << (32 - prefix)), prefix)
    }
}

fn block(number: u32) -> Ipv4Net {
    net(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + (number << (32 - PREFIX)), PREFIX)
}

fn net(network: u32, prefix: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from(network), prefix).expect("the prefix is at most 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_block_do_not_meet() {
        let lease = Lease::take(&Env::seeded(1)).unwrap();
        let parts = [lease.nodes(), lease.services(), lease.pods()];
        for (at, part) in parts.iter().enumerate() {
            assert!(lease.block().contains(part));
            assert!(parts.iter().skip(at + 1).all(|other| !part.contains(other) && !other.contains(part)));
        }
        assert_eq!(lease.block().prefix_len(), 18);
        assert!(IpAddr::from(lease.nodes().network()) < lease.address());
    }

    #[test]
    fn a_block_has_one_holder_until_it_is_given_back() {
        let env = Env::seeded(7);
        let first = Lease::take(&env.child("a")).unwrap();
        let second = Lease::take(&env.child("a")).unwrap();
        assert_ne!(first.block(), second.block());
        let block = first.block();
        assert!(UdpSocket::bind((first.address(), LOCK_PORT)).is_err());
        drop(first);
        assert!(!second.block().contains(&block));
    }

    #[test]
    fn the_first_and_last_blocks_are_inside() {
        assert_eq!(block(1).to_string(), "127.0.64.0/18");
        assert_eq!(block(BLOCKS - 1).to_string(), "127.255.192.0/18");
    }
}
