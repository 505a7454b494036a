//! The service proxy: connections to the address of a Service reach its endpoints (kube-proxy's job).
//!
//! It follows Services, EndpointSlices and Nodes through the Api and carries TCP streams in user space; it neither
//! decides which endpoints are ready nor gives Services their addresses. Invariants: an endpoint gets no new connection
//! once the proxy has seen that it is gone; open connections are never cut by a change; a service port without endpoints
//! refuses connections.

mod backends;
mod forward;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use orch_core::network::Network;
use orch_core::view::{Needs, View};
use orch_core::{Api, Env, Key, Str, Task};

use crate::facts::{self, Dirty, Follower, Node, Service, Slice, protocol};
use forward::Shared;

/// Between two tries to listen at an address that is not free.
const RETRY: Duration = Duration::from_secs(1);

/// The proxy of a cluster.
///
/// One serves the whole cluster: each Service's cluster IPs and, for those with node ports, every Node's address. TCP
/// only; `externalIPs`, load balancer addresses and traffic policies are not looked at.
pub struct Proxy {
    env: Env,
    network: Arc<dyn Network>,
    follower: Follower,
    services: BTreeMap<Key, BTreeMap<Port, Shared>>,
    listeners: BTreeMap<SocketAddr, Served>,
    nodes: Vec<IpAddr>,
    /// Services with an address that is to be tried again.
    failed: BTreeSet<Key>,
}

/// A port by name and protocol; the name of a single port may be empty.
type Port = (Str, u16);

/// An address that is listened at.
struct Served {
    service: Key,
    backends: Shared,
    task: Task<()>,
}

impl Proxy {
    /// A proxy that has seen nothing yet; `env` is its own, a child of the cluster's.
    #[must_use]
    pub fn new(api: &Arc<dyn Api>, env: &Env, network: Arc<dyn Network>) -> Self {
        let follower = Follower::new(api, env, &Needs::new().of::<Service>().of::<Slice>().of::<Node>());
        Self {
            env: env.clone(),
            network,
            follower,
            services: BTreeMap::new(),
            listeners: BTreeMap::new(),
            nodes: Vec::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Serves for ever. When the future is dropped every listener is closed; connections end with the environment.
    pub async fn run(mut self) -> Infallible {
        loop {
            let retry = !self.failed.is_empty();
            let dirty = tokio::select! {
                biased;
                dirty = self.follower.next() => dirty,
                () = self.env.sleep(RETRY), if retry => Dirty { services: BTreeSet::new(), nodes: false },
            };
            self.take_in(dirty).await;
            self.follower.done();
        }
    }

    async fn take_in(&mut self, dirty: Dirty) {
        let mut services = dirty.services;
        services.append(&mut self.failed);
        if dirty.nodes {
            self.read_nodes().await;
            services.extend(self.services.keys().cloned());
        }
        // Endpoints first: what is gone gets no connection from here on, whatever waits below.
        let wanted: Vec<_> = services.iter().map(|key| (key.clone(), self.update(key))).collect();
        for (key, addresses) in &wanted {
            self.close(key, addresses).await;
        }
        for (key, addresses) in wanted {
            for (address, backends) in addresses {
                self.open(&key, address, backends).await;
            }
        }
    }

    /// Brings the endpoints of a Service up to date; answers where it is to be listened at.
    fn update(&mut self, key: &Key) -> BTreeMap<SocketAddr, Shared> {
        let mut addresses = BTreeMap::new();
        let Some((service, slices)) = facts::service(self.follower.view(), key) else {
            // Whoever still waits in a backlog gets nowhere.
            for backends in self.services.remove(key).into_iter().flat_map(BTreeMap::into_values) {
                backends.lock().set(Vec::new(), None);
            }
            return addresses;
        };
        let mut ports = self.services.remove(key).unwrap_or_default();
        let mut kept = BTreeMap::new();
        for port in service.ports.iter().filter(|port| protocol(port.protocol.as_deref()) == "tcp") {
            let id: Port = (port.name.clone().unwrap_or_default(), port.port);
            let backends = ports.remove(&id).unwrap_or_default();
            let usable = backends::usable(endpoints(&slices, &id.0));
            let is_served = {
                let mut backends = backends.lock();
                backends.set(usable, service.affinity);
                !backends.is_empty()
            };
            let cluster = service.addresses.iter().map(|address| SocketAddr::new(*address, port.port));
            let node = port
                .node_port
                .into_iter()
                .flat_map(|port| self.nodes.iter().map(move |node| (*node, port).into()));
            if is_served {
                addresses.extend(cluster.chain(node).map(|address| (address, backends.clone())));
            }
            kept.insert(id, backends);
        }
        for backends in ports.into_values() {
            backends.lock().set(Vec::new(), None);
        }
        self.services.insert(key.clone(), kept);
        addresses
    }

    /// Closes what a Service has and is not wanted any more.
    async fn close(&mut self, key: &Key, wanted: &BTreeMap<SocketAddr, Shared>) {
        let is_wanted = |address: &SocketAddr, served: &Served| {
            wanted.get(address).is_some_and(|backends| backends.is(&served.backends))
                && !served.task.is_finished()
        };
        let of_service = self.listeners.iter().filter(|(_, served)| served.service == *key);
        let closed: Vec<_> = of_service
            .filter(|(address, served)| !is_wanted(address, served))
            .map(|(address, _)| *address)
            .collect();
        for address in closed {
            if let Some(served) = self.listeners.remove(&address) {
                served.task.abort();
                // Gone by then, and its address free.
                served.task.await;
            }
        }
    }

    async fn open(&mut self, key: &Key, address: SocketAddr, backends: Shared) {
        if self.listeners.get(&address).is_some_and(|served| served.service == *key) {
            return;
        }
        match self.network.listen(address).await {
            Ok(listener) => {
                let accept =
                    forward::accept(self.env.clone(), Arc::clone(&self.network), listener, backends.clone());
                let task = self.env.spawn(accept);
                self.listeners.insert(address, Served { service: key.clone(), backends, task });
            }
            Err(error) => {
                tracing::warn!(%error, service = %key, %address, "cannot listen at service address; trying again");
                self.failed.insert(key.clone());
            }
        }
    }

    async fn read_nodes(&mut self) {
        let names: Vec<Str> = nodes(self.follower.view());
        self.nodes.clear();
        for name in names {
            match self.network.node(&name).await {
                Ok(address) => self.nodes.push(address),
                Err(error) => {
                    tracing::warn!(%error, node = &*name, "node has no address; no node ports there")
                }
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listeners.values().for_each(|served| served.task.abort());
    }
}

fn nodes(view: &dyn View) -> Vec<Str> {
    view.of::<Node>().iter().map(|row| row.object.key().name.clone()).collect()
}

/// The endpoints of a port by name, with the number that it has in their slice.
fn endpoints<'a>(slices: &'a [&Slice], port: &'a str) -> impl Iterator<Item = (&'a facts::Endpoint, u16)> {
    slices.iter().flat_map(move |slice| {
        let named = slice.ports.iter().filter(move |other| other.name.as_deref().unwrap_or_default() == port);
        let tcp =
            named.filter(|port| protocol(port.protocol.as_deref()) == "tcp").filter_map(|port| port.port);
        tcp.flat_map(|port| slice.endpoints.iter().map(move |endpoint| (endpoint, port)))
    })
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({} services, {} listeners)", self.services.len(), self.listeners.len())
    }
}
