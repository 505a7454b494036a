//! What cluster DNS knows: names and what they stand for.
//!
//! A table that [`Names::follow`] feeds from the Api and that networks and the DNS server read; it asks nobody else.
//! Names are as in Kubernetes' DNS specification (`kubernetes/dns/docs/specification.md`, 1.1). Invariant: the names of
//! one Service change together.

mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use orch_core::network::CLUSTER_DOMAIN;
use orch_core::view::Needs;
use orch_core::{Api, Env, Key, Str};

use crate::facts::{self, Follower, Service, Slice};

/// Aliases followed before a name counts as unknown: a loop must end, and real chains have one or two.
const MAX_ALIASES: usize = 8;
/// Below it stand the names of IPv4 addresses.
const REVERSE_DOMAIN: &str = ".in-addr.arpa";

/// The names of a cluster. Cloning copies a pointer.
///
/// ```
/// use orch_net::{Names, Records};
/// let names = Names::default();
/// let db = Records { addresses: vec!["10.96.0.7".parse().unwrap()], ..Records::default() };
/// names.replace("shop", "db", [("".into(), db)].into());
/// assert_eq!(names.resolve("db.shop.svc.cluster.local").unwrap().len(), 1);
/// assert_eq!(names.resolve("10-1-0-9.shop.pod.cluster.local").unwrap()[0].to_string(), "10.1.0.9");
/// assert!(names.resolve("db.other.svc.cluster.local").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: RwLock<Table>,
    /// Answers begin at another address each time, as the `loadbalance` plugin of CoreDNS has it.
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    /// By namespace.
    services: BTreeMap<Str, Zones>,
    /// The full names of an address.
    pointers: BTreeMap<IpAddr, BTreeSet<Str>>,
    /// Services whose names were taken from the cluster.
    followed: BTreeSet<Key>,
}

/// The Services of one namespace; each with its names, relative to its own, which is the empty one.
type Zones = BTreeMap<Str, BTreeMap<Str, Records>>;

/// What a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// A and AAAA, in order.
    pub addresses: Vec<IpAddr>,
    /// SRV: priority 0 and equal weights.
    pub services: Vec<Target>,
    /// CNAME: the full name to ask for instead.
    pub alias: Option<Str>,
    /// PTR: the full names of the address that was asked for.
    pub pointers: Vec<Str>,
}

/// Where a named port is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// A full name without the last dot.
    pub host: Str,
    /// The port.
    pub port: u16,
}

impl Names {
    /// Keeps the names what the cluster's Services and EndpointSlices say, for ever. What is known stays when the future is
    /// dropped; the next one that follows brings it up to date, Services that are gone meanwhile included. It counts as a
    /// part at work from the call on, before the future is polled.
    pub fn follow(&self, api: &Arc<dyn Api>, env: &Env) -> impl Future<Output = Infallible> + Send + use<> {
        let mut follower = Follower::new(api, env, &Needs::new().of::<Service>().of::<Slice>());
        let names = self.clone();
        async move {
            let mut before = names.table_mut().followed.clone();
            loop {
                let mut services = follower.next().await.services;
                services.append(&mut before);
                for key in services {
                    let records = facts::service(follower.view(), &key)
                        .map(|(service, slices)| zone::records(&key, service, &slices));
                    names.table_mut().take_in(key, records.unwrap_or_default());
                }
                follower.done();
            }
        }
    }

    /// The names of a Service from now on; without names it is gone.
    pub fn replace(&self, namespace: &str, service: &str, names: BTreeMap<Str, Records>) {
        self.table_mut().replace(namespace, service, names);
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a full name stands for, in any case, with or without the last dot; `None` when there is no such name. A name
    /// that exists may have no records.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Records> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Some(name) = name.strip_suffix(REVERSE_DOMAIN) {
            return self.pointers(name);
        }
        if name == CLUSTER_DOMAIN {
            return Some(Records::default());
        }
        let name = name.strip_suffix(CLUSTER_DOMAIN)?.strip_suffix('.')?;
        if name == "svc" || name == "pod" {
            return Some(Records::default());
        }
        if let Some(name) = name.strip_suffix(".pod") {
            return pod(name);
        }
        let mut labels = name.strip_suffix(".svc")?.rsplitn(3, '.');
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let zones = table.services.get(labels.next()?)?;
        let Some(service) = labels.next() else { return Some(Records::default()) };
        let zone = zones.get(service)?;
        let relative = labels.next().unwrap_or_default();
        zone.get(relative).cloned().or_else(|| {
            // A name above one that exists, such as `_tcp.db`, exists as well.
            let below = |name: &Str| name.strip_suffix(relative).is_some_and(|rest| rest.ends_with('.'));
            zone.keys().any(below).then(Records::default)
        })
    }

    /// Whether the cluster is the one to ask for a name.
    #[must_use]
    pub fn is_ours(name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let below = |domain: &str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        below(CLUSTER_DOMAIN) || name.ends_with(REVERSE_DOMAIN)
    }

    /// The name of an address, its parts reversed.
    fn pointers(&self, reversed: &str) -> Option<Records> {
        let parts: Vec<&str> = reversed.rsplit('.').collect();
        let address: IpAddr = parts.join(".").parse().ok()?;
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let pointers = table.pointers.get(&address)?.iter().cloned().collect();
        Some(Records { pointers, ..Records::default() })
    }

    /// The addresses of a full name, aliases followed; each answer begins with another one.
    ///
    /// # Errors
    /// `NotFound` when the name, or one that it is an alias of, does not exist here.
    pub fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.follow_aliases(name)
            .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("no such host: {name}")))
    }

    /// The addresses of a name, or the name at which the cluster's knowledge ends.
    pub(crate) fn follow_aliases(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let mut wanted = name.to_owned();
        for _ in 0..MAX_ALIASES {
            let Some(records) = self.get(&wanted) else { break };
            let Some(alias) = records.alias else {
                return Ok(self.rotated(records.addresses));
            };
            if let Ok(address) = alias.parse() {
                return Ok(vec![address]);
            }
            alias.as_ref().clone_into(&mut wanted);
        }
        Err(wanted)
    }

    pub(crate) fn rotated<T>(&self, mut answers: Vec<T>) -> Vec<T> {
        if answers.len() > 1 {
            let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
            let by = turn % answers.len();
            answers.rotate_left(by);
        }
        answers
    }
}

impl Table {
    /// What the cluster says of a Service.
    fn take_in(&mut self, service: Key, names: BTreeMap<Str, Records>) {
        let is_gone = names.is_empty();
        self.replace(&service.namespace, &service.name, names);
        if is_gone {
            self.followed.remove(&service);
        } else {
            self.followed.insert(service);
        }
    }

    fn replace(&mut self, namespace: &str, service: &str, names: BTreeMap<Str, Records>) {
        let Self { services, pointers, .. } = self;
        let full = format!("{service}.{namespace}.svc.{CLUSTER_DOMAIN}");
        let zones = services.entry(namespace.into()).or_default();
        for (address, name) in zones.remove(service).iter().flat_map(|old| pointers_of(old, &full)) {
            if let Some(names) = pointers.get_mut(&address) {
                names.remove(&name);
                if names.is_empty() {
                    pointers.remove(&address);
                }
            }
        }
        for (address, name) in pointers_of(&names, &full) {
            pointers.entry(address).or_default().insert(name);
        }
        if !names.is_empty() {
            zones.insert(service.into(), names);
        } else if zones.is_empty() {
            services.remove(namespace);
        }
    }
}

/// The addresses of a Service's names and what they are called: by host name where they have one.
fn pointers_of(names: &BTreeMap<Str, Records>, full: &str) -> Vec<(IpAddr, Str)> {
    let mut pointers: Vec<(IpAddr, Str)> = Vec::new();
    // The longer names come last; reversed, the Service's own is the last resort.
    for (name, records) in names.iter().rev() {
        for address in &records.addresses {
            if !name.is_empty() {
                pointers.push((*address, format!("{name}.{full}").into()));
            } else if pointers.iter().all(|(known, _)| known != address) {
                pointers.push((*address, full.into()));
            }
        }
    }
    pointers
}

/// `10-0-0-1.ns`: an answer from the question alone, as CoreDNS with `pods insecure` gives it.
fn pod(name: &str) -> Option<Records> {
    let Some((address, namespace)) = name.split_once('.') else { return Some(Records::default()) };
    if namespace.is_empty() || namespace.contains('.') {
        return None;
    }
    let v4 = address.replace('-', ".").parse::<std::net::Ipv4Addr>().map(IpAddr::V4);
    let address = v4.or_else(|_| address.replace('-', ":").parse()).ok()?;
    Some(Records { addresses: vec![address], ..Records::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let names = Names::default();
        let a = |last: u8| Records { addresses: vec![[10, 0, 0, last].into()], ..Records::default() };
        names.replace(
            "shop",
            "db",
            [("".into(), a(1)), ("db-0".into(), a(2)), ("_sql._tcp".into(), a(3))].into(),
        );
        let alias = |name: &str| Records { alias: Some(name.into()), ..Records::default() };
        names.replace("shop", "old", [("".into(), alias("db.shop.svc.cluster.local"))].into());
        names.replace("shop", "loop", [("".into(), alias("loop.shop.svc.cluster.local"))].into());
        names.replace("shop", "far", [("".into(), alias("db.example.com"))].into());
        names
    }

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let found = names().resolve(name).ok().map(|addresses| addresses[0].to_string());
        assert_eq!(found.as_deref(), expected, "{name}");
    }

    #[test]
    fn names_mean_addresses() {
        check("db.shop.svc.cluster.local", Some("10.0.0.1"));
        check("DB.shop.svc.CLUSTER.local.", Some("10.0.0.1"));
        check("db-0.db.shop.svc.cluster.local", Some("10.0.0.2"));
        check("old.shop.svc.cluster.local", Some("10.0.0.1"));
        check("10-1-2-3.shop.pod.cluster.local", Some("10.1.2.3"));
        check("fd00--1.shop.pod.cluster.local", Some("fd00::1"));
    }

    #[test]
    fn other_names_mean_nothing() {
        check("loop.shop.svc.cluster.local", None);
        check("far.shop.svc.cluster.local", None);
        check("db.other.svc.cluster.local", None);
        check("db-9.db.shop.svc.cluster.local", None);
        check("x-1.shop.pod.cluster.local", None);
        check("db.shop", None);
        check("example.com", None);
        check("", None);
        check("dbcluster.local", None);
    }

    #[test]
    fn names_above_others_exist_without_records() {
        for name in
            ["cluster.local", "svc.cluster.local", "shop.svc.cluster.local", "_tcp.db.shop.svc.cluster.local"]
        {
            assert_eq!(names().get(name), Some(Records::default()), "{name}");
        }
        assert_eq!(names().get("_udp.db.shop.svc.cluster.local"), None);
        assert_eq!(names().get("none.svc.cluster.local"), None);
    }

    #[test]
    fn a_service_that_is_gone_takes_its_names_along() {
        let names = names();
        names.replace("shop", "db", BTreeMap::new());
        assert!(names.resolve("db-0.db.shop.svc.cluster.local").is_err());
        for service in ["old", "loop", "far"] {
            names.replace("shop", service, BTreeMap::new());
        }
        assert_eq!(names.get("shop.svc.cluster.local"), None);
    }

    #[test]
    fn an_address_is_called_by_its_host_name_or_its_service() {
        let names = names();
        let called = |name: &str| names.get(name).map(|records| records.pointers);
        assert_eq!(called("2.0.0.10.in-addr.arpa."), Some(vec!["db-0.db.shop.svc.cluster.local".into()]));
        assert_eq!(called("1.0.0.10.in-addr.arpa"), Some(vec!["db.shop.svc.cluster.local".into()]));
        assert_eq!(called("9.0.0.10.in-addr.arpa"), None);
        assert_eq!(called("10.in-addr.arpa"), None);
        names.replace("shop", "db", BTreeMap::new());
        assert_eq!(names.get("2.0.0.10.in-addr.arpa"), None);
    }

    #[test]
    fn each_answer_begins_with_another_address() {
        let names = Names::default();
        let addresses: Vec<IpAddr> = (1..=3).map(|last| [10, 0, 0, last].into()).collect();
        let records = Records { addresses: addresses.clone(), ..Records::default() };
        names.replace("shop", "db", [("".into(), records)].into());
        let firsts: Vec<_> = (0..3).map(|_| names.resolve("db.shop.svc.cluster.local").unwrap()[0]).collect();
        assert_eq!(firsts, addresses);
    }
}
