//! A pool of addresses: who has which, and which comes next.
//!
//! It does no I/O. Invariant: an address is given to one holder at a time, and a freed one is not given again before
//! the pool has gone once around its range.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// The addresses of an IPv4 range, given out round robin.
///
/// ```
/// use orch_net::address::Pool;
/// let mut pool = Pool::new("10.0.0.0/30".parse().unwrap());
/// let first = pool.take().unwrap();
/// pool.free(first);
/// assert_ne!(pool.take(), Some(first));
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    range: Ipv4Net,
    taken: BTreeSet<u32>,
    next: u32,
}

impl Pool {
    /// A pool of every address of the range but its first (the network's) and last (the broadcast's).
    #[must_use]
    pub fn new(range: Ipv4Net) -> Self {
        Self { range, taken: BTreeSet::new(), next: u32::from(range.network()).saturating_add(1) }
    }

    /// The range.
    #[must_use]
    pub fn range(&self) -> IpNet {
        self.range.into()
    }

    /// The next free address; `None` when all are taken.
    pub fn take(&mut self) -> Option<IpAddr> {
        let (first, last) = self.bounds();
        let free = |from: u32, to: u32, taken: &BTreeSet<u32>| {
            let mut candidate = from;
            for used in taken.range(from..=to) {
                if *used != candidate {
                    break;
                }
                candidate = candidate.saturating_add(1);
            }
            (candidate <= to).then_some(candidate)
        };
        let start = self.next.clamp(first, last);
        let found = free(start, last, &self.taken).or_else(|| free(first, start, &self.taken))?;
        self.taken.insert(found);
        self.next = if found >= last { first } else { found + 1 };
        Some(Ipv4Addr::from(found).into())
    }

    /// Takes that very address, unless somebody has it or it is not of this pool.
    pub fn take_exactly(&mut self, address: IpAddr) -> Option<IpAddr> {
        let IpAddr::V4(v4) = address else { return None };
        let (first, last) = self.bounds();
        let number = u32::from(v4);
        ((first..=last).contains(&number) && self.taken.insert(number)).then_some(address)
    }

    /// Gives an address back; one that nobody has is left alone.
    pub fn free(&mut self, address: IpAddr) {
        if let IpAddr::V4(address) = address {
            self.taken.remove(&u32::from(address));
        }
    }

    /// Whether somebody has the address.
    #[must_use]
    pub fn is_taken(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if self.taken.contains(&u32::from(address)))
    }

    fn bounds(&self) -> (u32, u32) {
        let (first, last) = (u32::from(self.range.network()), u32::from(self.range.broadcast()));
        if self.range.prefix_len() >= 31 { (first, last) } else { (first + 1, last - 1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool() -> Pool {
        Pool::new("10.1.0.0/29".parse().unwrap())
    }

    #[test]
    fn every_address_but_the_first_and_last_is_given_once() {
        let mut pool = pool();
        let given: Vec<_> = std::iter::from_fn(|| pool.take()).map(|address| address.to_string()).collect();
        assert_eq!(given, ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]);
    }

    #[test]
    fn an_exact_address_is_given_once() {
        let mut pool = pool();
        let address = "10.1.0.1".parse().unwrap();
        assert_eq!(pool.take_exactly(address), Some(address));
        assert_eq!(pool.take_exactly(address), None);
        assert_eq!(pool.take_exactly("10.2.0.1".parse().unwrap()), None);
        assert_eq!(pool.take(), "10.1.0.2".parse().ok());
    }

    proptest! {
        /// Takes and frees in any order: no address has two holders, and the one freed last comes back only when every
        /// other free one has been tried.
        #[test]
        fn no_address_has_two_holders(steps in proptest::collection::vec((any::<bool>(), 0_usize..6), 0..200)) {
            let mut pool = pool();
            let mut held: Vec<IpAddr> = Vec::new();
            let mut freed_last = None;
            for (take, which) in steps {
                if take {
                    let free = 6 - held.len();
                    let given = pool.take();
                    prop_assert_eq!(given.is_some(), free > 0);
                    if let Some(given) = given {
                        prop_assert!(!held.contains(&given));
                        held.push(given);
                    }
                } else if which < held.len() {
                    let address = held.remove(which);
                    pool.free(address);
                    freed_last = Some(address);
                }
                prop_assert!(held.iter().all(|address| pool.is_taken(*address)));
            }
            if let Some(address) = freed_last.filter(|address| !held.contains(address)) {
                prop_assert!(!pool.is_taken(address));
            }
        }
    }
}
