//! What the proxy and the names take from Services, EndpointSlices and Nodes, and how they follow them.
//!
//! Projections and one shared loop; decisions are elsewhere. Invariant: a service is handed out only when everything that
//! is known of it up to one revision is in the view.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use orch_core::view::{Cache, Needs, Projection, View};
use orch_core::{Api, Env, Event, Informer, Key, Kind, Live, Object, Part, Str, kind};
use serde::Deserialize;
use serde_json::Value;

/// The label that ties a slice to its Service (`staging/src/k8s.io/api/discovery/v1/well_known_labels.go`).
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Events taken in before what they ask for is done.
const BATCH: usize = 512;
/// `timeoutSeconds` of session affinity when it is not given (`pkg/apis/core/v1/defaults.go`).
const AFFINITY_SECS: u64 = 10_800;

/// What a Service promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) is_headless: bool,
    /// `spec.externalName` when that is its type.
    pub(crate) external_name: Option<Str>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) publishes_not_ready: bool,
    /// How long a client stays with its endpoint.
    pub(crate) affinity: Option<Duration>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServicePort {
    pub(crate) name: Option<Str>,
    pub(crate) protocol: Option<Str>,
    pub(crate) port: u16,
    pub(crate) node_port: Option<u16>,
}

/// Endpoints of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) ports: Vec<EndpointPort>,
}

/// One endpoint; what a slice does not say has Kubernetes' default (`staging/src/k8s.io/api/discovery/v1/types.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) hostname: Option<Str>,
    pub(crate) is_ready: bool,
    pub(crate) is_serving: bool,
    pub(crate) is_terminating: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointPort {
    pub(crate) name: Option<Str>,
    pub(crate) protocol: Option<Str>,
    pub(crate) port: Option<u16>,
}

/// A protocol as it stands in SRV names: `tcp` when nothing is said.
pub(crate) fn protocol(given: Option<&str>) -> String {
    given.unwrap_or("TCP").to_ascii_lowercase()
}

/// The part of a tree; what cannot be read counts as absent, since validation has let it pass.
fn read<'a, T: Deserialize<'a> + Default>(tree: &'a Value) -> T {
    T::deserialize(tree).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    r#type: Option<Str>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<Str>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<Vec<Str>>,
    external_name: Option<Str>,
    ports: Option<Vec<ServicePort>>,
    publish_not_ready_addresses: Option<bool>,
    session_affinity: Option<Str>,
    session_affinity_config: Option<Value>,
}

impl Projection for Service {
    fn kind() -> Option<Kind> {
        Some(kind::SERVICES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let spec: ServiceSpec = read(&tree["spec"]);
        let texts = spec
            .cluster_ips
            .filter(|texts| !texts.is_empty())
            .unwrap_or_else(|| spec.cluster_ip.into_iter().collect());
        let affinity = spec.session_affinity.filter(|affinity| &**affinity == "ClientIP").map(|_| {
            let config = spec.session_affinity_config.unwrap_or_default();
            Duration::from_secs(config["clientIP"]["timeoutSeconds"].as_u64().unwrap_or(AFFINITY_SECS))
        });
        Self {
            addresses: texts.iter().filter_map(|text| text.parse().ok()).collect(),
            is_headless: texts.iter().any(|text| &**text == "None"),
            external_name: spec.external_name.filter(|_| spec.r#type.as_deref() == Some("ExternalName")),
            ports: spec.ports.unwrap_or_default(),
            publishes_not_ready: spec.publish_not_ready_addresses.unwrap_or_default(),
            affinity,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SliceEndpoint {
    addresses: Vec<Str>,
    hostname: Option<Str>,
    conditions: Option<Conditions>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

const BY_SERVICE: &str = "service";

impl Projection for Slice {
    fn kind() -> Option<Kind> {
        Some(kind::ENDPOINT_SLICES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let endpoint = |read: SliceEndpoint| {
            let conditions = read.conditions.unwrap_or_default();
            let is_ready = conditions.ready.unwrap_or(true);
            Endpoint {
                addresses: read.addresses.iter().filter_map(|text| text.parse().ok()).collect(),
                hostname: read.hostname.filter(|name| !name.is_empty()),
                is_ready,
                is_serving: conditions.serving.unwrap_or(is_ready),
                is_terminating: conditions.terminating.unwrap_or(false),
            }
        };
        let endpoints: Vec<SliceEndpoint> = read(&tree["endpoints"]);
        Self { endpoints: endpoints.into_iter().map(endpoint).collect(), ports: read(&tree["ports"]) }
    }

    fn index(object: &Object, _facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if let Some(service) = object.label(SERVICE_NAME) {
            out(BY_SERVICE, &format!("{}/{service}", object.key().namespace));
        }
    }
}

/// A Node; only its name matters.
pub(crate) struct Node;

impl Projection for Node {
    fn kind() -> Option<Kind> {
        Some(kind::NODES)
    }

    fn project(_object: &Live) -> Self {
        Self
    }
}

/// A Service and its slices.
pub(crate) fn service<'a>(view: &'a dyn View, key: &Key) -> Option<(&'a Service, Vec<&'a Slice>)> {
    let service = view.of::<Service>().get(key)?;
    let slices = view.of::<Slice>().indexed(BY_SERVICE, &format!("{}/{}", key.namespace, key.name));
    Some((&service.facts, slices.map(|row| &row.facts).collect()))
}

/// Follows what it needs and says which Services to look at again.
pub(crate) struct Follower {
    informer: Informer,
    view: Cache,
    part: Part,
    dirty: BTreeSet<Key>,
    nodes_changed: bool,
}

/// What has changed.
pub(crate) struct Dirty {
    /// Services that changed or whose slices did; they may be gone.
    pub(crate) services: BTreeSet<Key>,
    /// Whether nodes came or went.
    pub(crate) nodes: bool,
}

impl Follower {
    /// `needs` are Services and slices, and perhaps Nodes.
    pub(crate) fn new(api: &Arc<dyn Api>, env: &Env, needs: &Needs) -> Self {
        let informer = Informer::new(api, env, needs);
        let part = env.activity().part();
        part.follows(informer.poker());
        Self { informer, view: Cache::new(needs), part, dirty: BTreeSet::new(), nodes_changed: false }
    }

    pub(crate) fn view(&self) -> &dyn View {
        &self.view
    }

    /// Waits for changes, at first for the whole initial state. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Dirty {
        loop {
            let (feed, event) = self.informer.next().await;
            self.take_in(feed, &event);
            for _ in 0..BATCH {
                let Some((feed, event)) = self.informer.ready() else { break };
                self.take_in(feed, &event);
            }
            if self.informer.scopes().iter().all(|feed| self.view.is_synced(*feed)) {
                let services = std::mem::take(&mut self.dirty);
                return Dirty { services, nodes: std::mem::take(&mut self.nodes_changed) };
            }
        }
    }

    /// Everything that [`Follower::next`] has handed out is done.
    pub(crate) fn done(&self) {
        self.part.seen(self.view.seen().least());
    }

    fn take_in(&mut self, feed: Option<Kind>, event: &Event) {
        self.view.apply(feed, event);
        let Event::Changed(change) = event else { return };
        let key = change.key();
        if key.kind == kind::SERVICES {
            self.dirty.insert(key.clone());
        } else if key.kind == kind::NODES {
            self.nodes_changed |= change.now.is_none() || change.before.is_none();
        } else {
            let names = change.states().filter_map(|state| state.label(SERVICE_NAME));
            self.dirty.extend(names.map(|name| key.sibling(kind::SERVICES, name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::Registry;
    use serde_json::json;

    use super::*;

    fn live(kind: Kind, tree: &Value) -> Live {
        let info = Registry::built_in().get(kind).unwrap();
        Object::encode(&info, tree).unwrap().into()
    }

    #[test]
    fn a_service_is_read() {
        let service = Service::project(&live(
            kind::SERVICES,
            &json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {
                "type": "NodePort", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "externalName": "ignored",
                "ports": [{"name": "http", "port": 80, "nodePort": 30080, "targetPort": "web"}],
                "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}}),
        ));
        assert_eq!(service.addresses, ["10.96.0.9".parse::<IpAddr>().unwrap()]);
        assert_eq!((service.is_headless, service.external_name), (false, None));
        assert_eq!((service.ports[0].port, service.ports[0].node_port), (80, Some(30080)));
        assert_eq!(service.affinity, Some(Duration::from_secs(60)));
    }

    #[test]
    fn headless_and_external_services_are_told_apart() {
        let read = |spec: Value| {
            Service::project(&live(
                kind::SERVICES,
                &json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec}),
            ))
        };
        let headless = read(json!({"clusterIP": "None"}));
        assert!(headless.is_headless && headless.addresses.is_empty());
        let external = read(json!({"type": "ExternalName", "externalName": "db.example.com"}));
        assert_eq!(external.external_name.as_deref(), Some("db.example.com"));
    }

    #[test]
    fn what_an_endpoint_does_not_say_has_kubernetes_default() {
        let read = |conditions: Value| {
            let tree = json!({"metadata": {"name": "a", "namespace": "b"}, "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}], "ports": [{"port": 80}]});
            let endpoint = Slice::project(&live(kind::ENDPOINT_SLICES, &tree)).endpoints.remove(0);
            (endpoint.is_ready, endpoint.is_serving, endpoint.is_terminating)
        };
        assert_eq!(read(json!({})), (true, true, false));
        assert_eq!(read(Value::Null), (true, true, false));
        assert_eq!(read(json!({"ready": false})), (false, false, false));
        assert_eq!(read(json!({"ready": false, "serving": true, "terminating": true})), (false, true, true));
    }
}
