//! Cluster addresses and node ports of services: what a service gets, keeps and gives back.
//!
//! After `pkg/registry/core/service/storage/alloc.go`. The pools live in memory and are rebuilt from the store at
//! bootstrap, so one Api writes the services of a store. Invariant: no two services hold the same address or node port; when
//! the outcome of a write is unknown, what it took stays taken until the next rebuild.

mod pool;
mod spec;

#[cfg(test)]
mod tests;

pub(crate) use pool::Claim;
pub(crate) use spec::{carry_over, families};

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use orch_core::{Env, Fault, FaultKind};
use serde_json::{Value, json};

use self::pool::Pools;
use self::spec::{has_cluster_ip, has_node_ports};
use crate::tree::{Get, Set, Tree};

/// Gives out addresses and ports.
#[derive(Debug)]
pub(crate) struct Allocator {
    range: IpNet,
    env: Env,
    pools: Mutex<Pools>,
}

impl Allocator {
    pub(crate) fn new(range: IpNet, env: Env) -> Self {
        Self { range, env, pools: Mutex::new(Pools::new(range)) }
    }

    /// The family of the cluster's services, as `spec.ipFamilies` says it.
    pub(crate) fn family(&self) -> &'static str {
        if self.range.addr().is_ipv4() { "IPv4" } else { "IPv6" }
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what stored services hold.
    pub(crate) fn rebuild<'a>(&self, services: impl IntoIterator<Item = &'a Tree>) {
        let mut pools = Pools::new(self.range);
        for spec in services {
            let held = Held::of(spec);
            held.ips.into_iter().for_each(|ip| pools.hold_ip(ip));
            held.ports.into_iter().for_each(|port| pools.hold_port(port));
        }
        *self.pools() = pools;
    }

    /// Completes a service's spec with addresses and ports. The claim is to be kept or dropped once the write's outcome
    /// is known.
    ///
    /// # Errors
    /// Every address and port that cannot be had; then nothing was taken.
    pub(crate) fn allocate(&self, spec: &mut Tree, old: Option<&Tree>) -> Result<Claim, Vec<Fault>> {
        let before = old.map(Held::of).unwrap_or_default();
        let mut pools = self.pools();
        let mut claim = Claim::default();
        let mut faults = Vec::new();
        self.addresses(spec, &before, &mut pools, &mut claim, &mut faults);
        self.ports(spec, &before, &mut pools, &mut claim, &mut faults);
        if !faults.is_empty() {
            pools.abandon(&claim);
            return Err(faults);
        }
        claim.release(&before, &Held::of(spec));
        Ok(claim)
    }

    fn addresses(
        &self,
        spec: &mut Tree,
        before: &Held,
        pools: &mut Pools,
        claim: &mut Claim,
        faults: &mut Vec<Fault>,
    ) {
        if !has_cluster_ip(spec) {
            return;
        }
        let asked: Vec<String> =
            spec.list("clusterIPs").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut wrong = |text: &str, why: &str| {
            let why = format!("failed to allocate IP {text}: {why}");
            faults.push(Fault::new(FaultKind::Invalid, "spec.clusterIPs", why).value(json!(asked)));
        };
        if let [text, ..] = asked.as_slice() {
            match text.parse::<IpAddr>() {
                Ok(ip) if before.ips.contains(&ip) => {}
                Ok(ip) if !self.range.contains(&ip) => {
                    wrong(text, "the provided network does not match the current range");
                }
                Ok(ip) if !pools.take_ip(ip, claim) => wrong(text, "provided IP is already allocated"),
                Ok(_) => {}
                // Validation says what is wrong with it.
                Err(_) => wrong(text, "it is not an IP address"),
            }
            return;
        }
        match pools.next_ip(&self.env, claim) {
            Some(ip) => {
                spec.put("clusterIP", ip.to_string());
                spec.put("clusterIPs", json!([ip.to_string()]));
            }
            None => {
                let why = "failed to allocate a serviceIP: range is full";
                faults.push(Fault::new(FaultKind::Invalid, "spec.clusterIPs", why).value(json!([])));
            }
        }
    }

    fn ports(
        &self,
        spec: &mut Tree,
        before: &Held,
        pools: &mut Pools,
        claim: &mut Claim,
        faults: &mut Vec<Fault>,
    ) {
        if has_node_ports(spec) {
            let mut own = Vec::new();
            for (at, port) in spec.objects_mut("ports").enumerate() {
                let field = format!("spec.ports[{at}].nodePort");
                self.port(port, "nodePort", &field, before, &mut own, pools, claim, faults);
            }
        }
        let health = spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local";
        if health {
            let field = "spec.healthCheckNodePort";
            self.port(spec, "healthCheckNodePort", field, before, &mut Vec::new(), pools, claim, faults);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one allocation, taken apart for the borrow checker"
    )]
    fn port(
        &self,
        holder: &mut Tree,
        name: &str,
        field: &str,
        before: &Held,
        own: &mut Vec<u16>,
        pools: &mut Pools,
        claim: &mut Claim,
        faults: &mut Vec<Fault>,
    ) {
        let asked = holder.number(name).unwrap_or_default();
        if asked == 0 {
            match pools.next_port(&self.env, claim) {
                Some(port) => {
                    own.push(port);
                    holder.put(name, port);
                }
                None => faults.push(Fault::new(
                    FaultKind::Invalid,
                    field,
                    "failed to allocate a nodePort: range is full",
                )),
            }
            return;
        }
        let port = u16::try_from(asked).ok().filter(|port| pool::PORTS.contains(port));
        let why = match port {
            None => {
                let (first, last) = (pool::PORTS.start(), pool::PORTS.end());
                format!("provided port is not in the valid range. The range of valid ports is {first}-{last}")
            }
            // One number may serve several protocols of one service.
            Some(port) if own.contains(&port) || before.ports.contains(&port) => return,
            Some(port) if pools.take_port(port, claim) => return own.push(port),
            Some(_) => "provided port is already allocated".to_owned(),
        };
        faults.push(Fault::new(FaultKind::Invalid, field, why).value(asked));
    }

    /// The write was done: gives back what the service no longer has.
    pub(crate) fn keep(&self, claim: &Claim) {
        self.pools().keep(claim);
    }

    /// The write was not done: gives back what was taken for it.
    pub(crate) fn abandon(&self, claim: &Claim) {
        self.pools().abandon(claim);
    }
}

/// What a service holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    ips: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Held {
    fn of(spec: &Tree) -> Self {
        let mut held = Self::default();
        if has_cluster_ip(spec) {
            held.ips = spec.list("clusterIPs").iter().filter_map(|ip| ip.as_str()?.parse().ok()).collect();
        }
        let port =
            |tree: &Tree, field: &str| u16::try_from(tree.number(field)?).ok().filter(|port| *port > 0);
        if has_node_ports(spec) {
            let ports = spec.list("ports").iter().filter_map(Value::as_object);
            held.ports = ports.filter_map(|tree| port(tree, "nodePort")).collect();
        }
        held.ports.extend(port(spec, "healthCheckNodePort"));
        held
    }
}
