//! What cluster DNS knows: names and what they stand for.
//!
//! A table that [`Names::follow`] feeds from the Api and that networks and the DNS server read; it asks nobody else.
//! Names are as in Kubernetes' DNS specification (`kubernetes/dns/docs/specification.md`, 1.1). Invariant: the names of
//! one Service change together.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use orch_core::Str;
use orch_core::network::CLUSTER_DOMAIN;

/// Aliases followed before a name counts as unknown: a loop must end, and real chains have one or two.
const MAX_ALIASES: usize = 8;

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
    services: RwLock<BTreeMap<Str, Zones>>,
    /// Answers begin at another address each time, as the `loadbalance` plugin of CoreDNS has it.
    turn: AtomicUsize,
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
    /// The names of a Service from now on; without names it is gone.
    pub fn replace(&self, namespace: &str, service: &str, names: BTreeMap<Str, Records>) {
        let mut services = self.0.services.write().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() {
            if let Some(zones) = services.get_mut(namespace) {
                zones.remove(service);
                if zones.is_empty() {
                    services.remove(namespace);
                }
            }
        } else {
            services.entry(namespace.into()).or_default().insert(service.into(), names);
        }
    }

    /// What a full name stands for, in any case, with or without the last dot; `None` when there is no such name. A name
    /// that exists may have no records.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Records> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
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
        let services = self.0.services.read().unwrap_or_else(PoisonError::into_inner);
        let zones = services.get(labels.next()?)?;
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
        name.strip_suffix(CLUSTER_DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The addresses of a full name, aliases followed; each answer begins with another one.
    ///
    /// # Errors
    /// `NotFound` when the name, or one that it is an alias of, does not exist here.
    pub fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
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
        Err(io::Error::new(io::ErrorKind::NotFound, format!("no such host: {name}")))
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
