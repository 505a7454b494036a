//! The free and taken addresses and ports of a cluster.
//!
//! Not services. Invariant: what is taken is in one claim that is not settled, or held by a stored service.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use orch_core::Env;

use super::Held;
use crate::tree::Tree;

/// Node ports (`--service-node-port-range`).
pub(super) const PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// The ports at the beginning of the range that are given only when asked for, while others are free
/// (`pkg/registry/core/service/portallocator/allocator.go`, a 32nd of the range).
const STATIC_PORTS: u16 = 86;

#[derive(Debug)]
pub(super) struct Pools {
    first: u128,
    size: u64,
    /// Addresses at the beginning that are given only when asked for, while others are free.
    reserved: u64,
    v4: bool,
    ips: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
}

/// What a write takes and gives back.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    ips: Vec<IpAddr>,
    ports: Vec<u16>,
    free_ips: Vec<IpAddr>,
    free_ports: Vec<u16>,
}

impl Claim {
    /// Of the removal of a service.
    pub(crate) fn giving_back(spec: &Tree) -> Self {
        let mut claim = Self::default();
        claim.release(&Held::of(spec), &Held::default());
        claim
    }

    /// Gives back what was held before and is not held after, when the claim is kept.
    pub(super) fn release(&mut self, before: &Held, after: &Held) {
        self.free_ips.extend(before.ips.iter().filter(|ip| !after.ips.contains(ip)));
        self.free_ports.extend(before.ports.iter().filter(|port| !after.ports.contains(port)));
    }
}

impl Pools {
    pub(super) fn new(range: IpNet) -> Self {
        let v4 = range.addr().is_ipv4();
        let bits = if v4 { 32 } else { 128 } - u32::from(range.prefix_len());
        // The address of the network is not given, nor in IPv4 the one for broadcasts.
        let all = if bits >= 63 { u64::MAX >> 1 } else { 1 << bits };
        let size = if v4 { u64::saturating_sub(all, 2) } else { all - 1 };
        // A sixteenth, between 16 and 256 (`pkg/registry/core/service/ipallocator/ipallocator.go`).
        let reserved = if size < 16 { 0 } else { (size / 16).clamp(16, 256) };
        let first = number(range.network()) + u128::from(size > 0);
        Self { first, size, reserved, v4, ips: BTreeSet::new(), ports: BTreeSet::new() }
    }

    fn ip(&self, offset: u64) -> IpAddr {
        let number = self.first + u128::from(offset);
        match u32::try_from(number) {
            Ok(number) if self.v4 => Ipv4Addr::from(number).into(),
            _ => Ipv6Addr::from(number).into(),
        }
    }

    /// How many addresses and ports are taken.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.ips.len(), self.ports.len())
    }

    pub(super) fn hold_ip(&mut self, ip: IpAddr) {
        self.ips.insert(ip);
    }

    pub(super) fn hold_port(&mut self, port: u16) {
        self.ports.insert(port);
    }

    pub(super) fn take_ip(&mut self, ip: IpAddr, claim: &mut Claim) -> bool {
        let usable = self.first..self.first + u128::from(self.size);
        let taken = usable.contains(&number(ip)) && self.ips.insert(ip);
        claim.ips.extend(taken.then_some(ip));
        taken
    }

    pub(super) fn take_port(&mut self, port: u16, claim: &mut Claim) -> bool {
        let taken = self.ports.insert(port);
        claim.ports.extend(taken.then_some(port));
        taken
    }

    /// A free address: from a random one on, those that may be asked for last.
    pub(super) fn next_ip(&mut self, env: &Env, claim: &mut Claim) -> Option<IpAddr> {
        let upper = self.size - self.reserved;
        let offset = next(env, upper, |at| !self.ips.contains(&self.ip(self.reserved + at)))
            .map(|at| self.reserved + at)
            .or_else(|| next(env, self.reserved, |at| !self.ips.contains(&self.ip(at))));
        let ip = self.ip(offset?);
        self.take_ip(ip, claim).then_some(ip)
    }

    /// A free port, likewise.
    pub(super) fn next_port(&mut self, env: &Env, claim: &mut Claim) -> Option<u16> {
        let (first, last) = (*PORTS.start(), *PORTS.end());
        let free = |from: u16, below: u16| {
            let port = |at: u64| u16::try_from(at).map_or(u16::MAX, |at| from + at);
            next(env, u64::from(below - from), |at| !self.ports.contains(&port(at))).map(port)
        };
        let port = free(first + STATIC_PORTS, last + 1).or_else(|| free(first, first + STATIC_PORTS))?;
        self.take_port(port, claim).then_some(port)
    }

    pub(super) fn keep(&mut self, claim: &Claim) {
        self.give_back(&claim.free_ips, &claim.free_ports);
    }

    pub(super) fn abandon(&mut self, claim: &Claim) {
        self.give_back(&claim.ips, &claim.ports);
    }

    fn give_back(&mut self, ips: &[IpAddr], ports: &[u16]) {
        for ip in ips {
            self.ips.remove(ip);
        }
        for port in ports {
            self.ports.remove(port);
        }
    }
}

/// The first free number from a random one on, round once. Ranges are far larger than what is taken, or small.
fn next(env: &Env, size: u64, free: impl Fn(u64) -> bool) -> Option<u64> {
    let start = env.below(size);
    (start..size).chain(0..start).find(|at| free(*at))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}
