//! What endpoints need of a Service, and what stands in a slice.

use orch_core::selector::Selector;
use orch_core::view::Projection;
use orch_core::{Kind, Live, Object, Str, kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MANAGER;
use crate::facts::text;
use crate::json::list;

/// Services by one pair of their selector: see [`pair_entry`].
pub(super) const SELECTS: &str = "selects";
/// Slices that this controller manages by their service: see [`service_entry`].
pub(super) const BY_SERVICE: &str = "service";

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";

pub(super) fn pair_entry(namespace: &str, name: &str, value: &str) -> String {
    format!("{namespace}\0{name}\0{value}")
}

pub(super) fn service_entry(service: &orch_core::Key) -> String {
    format!("{}/{}", service.namespace, service.name)
}

/// The service of a slice that this controller manages.
pub(super) fn managed_service(slice: &Object) -> Option<&str> {
    slice
        .label(SERVICE_NAME)
        .filter(|service| !service.is_empty() && slice.label(MANAGED_BY) == Some(MANAGER))
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// Of an address.
    pub(super) fn of(address: &str) -> Self {
        if address.contains(':') { Self::V6 } else { Self::V4 }
    }
}

/// Where a service's port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Number(i64),
    Name(Str),
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServicePort {
    pub(super) name: Str,
    pub(super) protocol: Str,
    pub(super) app_protocol: Option<Str>,
    pub(super) target: Target,
}

/// `spec.trafficDistribution`, as far as it makes hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Nothing,
    SameZone,
    SameNode,
}

/// The facts of a Service.
pub(super) struct Service {
    /// `None` when the service's endpoints are none of this controller's business.
    pub(super) selector: Option<Selector>,
    pub(super) ports: Vec<ServicePort>,
    pub(super) families: Vec<Family>,
    /// It has no address of its own.
    pub(super) headless: bool,
    pub(super) publish_not_ready: bool,
    pub(super) prefer: Prefer,
}

impl Projection for Service {
    fn kind() -> Option<Kind> {
        Some(kind::SERVICES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let spec = &tree["spec"];
        let cluster_ip = spec["clusterIP"].as_str().unwrap_or_default();
        Self {
            selector: selector(spec),
            ports: list(&spec["ports"]).iter().map(service_port).collect(),
            families: families(spec, cluster_ip),
            headless: matches!(cluster_ip, "" | "None"),
            publish_not_ready: spec["publishNotReadyAddresses"] == true,
            prefer: match spec["trafficDistribution"].as_str() {
                Some("PreferClose" | "PreferSameZone") => Prefer::SameZone,
                Some("PreferSameNode") => Prefer::SameNode,
                _ => Prefer::Nothing,
            },
        }
    }

    fn index(object: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if let Some((name, value)) = facts.selector.as_ref().and_then(Selector::required_pair) {
            out(SELECTS, &pair_entry(&object.key().namespace, name, value));
        }
    }
}

/// A service of type ExternalName has no endpoints; one without a selector has those that somebody else keeps.
fn selector(spec: &Value) -> Option<Selector> {
    let labels = spec["selector"].as_object().filter(|labels| !labels.is_empty())?;
    if spec["type"] == "ExternalName" {
        return None;
    }
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Some(Selector::from_labels(&labels.iter().filter_map(text).collect()))
}

fn service_port(port: &Value) -> ServicePort {
    let target = match &port["targetPort"] {
        Value::String(name) => Target::Name(name.as_str().into()),
        Value::Number(number) if number.as_i64() != Some(0) => {
            Target::Number(number.as_i64().unwrap_or_default())
        }
        _ => Target::Number(port["port"].as_i64().unwrap_or_default()),
    };
    ServicePort {
        name: text(&port["name"]),
        protocol: port["protocol"].as_str().unwrap_or("TCP").into(),
        app_protocol: port["appProtocol"].as_str().map(Str::from),
        target,
    }
}

/// Without `ipFamilies` (an older server), that of the cluster IP; both for a headless service.
fn families(spec: &Value, cluster_ip: &str) -> Vec<Family> {
    let named = list(&spec["ipFamilies"]).iter().filter_map(|family| match family.as_str() {
        Some("IPv4") => Some(Family::V4),
        Some("IPv6") => Some(Family::V6),
        _ => None,
    });
    let mut families: Vec<_> = named.collect();
    if families.is_empty() {
        families = match cluster_ip {
            "" | "None" => vec![Family::V4, Family::V6],
            ip => vec![Family::of(ip)],
        };
    }
    families.sort_unstable();
    families.dedup();
    families
}

/// A port of a slice (`discovery/v1.EndpointPort`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Port {
    pub(super) name: Str,
    pub(super) port: i64,
    pub(super) protocol: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_protocol: Option<Str>,
}

/// `discovery/v1.EndpointConditions`; absent means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

/// The pod behind an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TargetRef {
    pub(super) kind: Str,
    pub(super) namespace: Str,
    pub(super) name: Str,
    pub(super) uid: Str,
}

/// A zone or node that an endpoint is meant for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct For {
    pub(super) name: Str,
}

/// `discovery/v1.EndpointHints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hints {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) for_zones: Vec<For>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) for_nodes: Vec<For>,
}

/// `discovery/v1.Endpoint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Endpoint {
    pub(super) addresses: Vec<Str>,
    pub(super) conditions: Conditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hostname: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_ref: Option<TargetRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node_name: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hints: Option<Hints>,
}

impl Endpoint {
    /// What makes it the same endpoint through its changes.
    pub(super) fn identity(&self) -> (Vec<Str>, Option<TargetRef>) {
        (self.addresses.clone(), self.target_ref.clone())
    }
}

/// The facts of an EndpointSlice.
pub(super) struct Slice {
    pub(super) family: Option<Family>,
    /// Sorted.
    pub(super) ports: Vec<Port>,
    pub(super) endpoints: Vec<Endpoint>,
}

impl Projection for Slice {
    fn kind() -> Option<Kind> {
        Some(kind::ENDPOINT_SLICES)
    }

    fn project(object: &Live) -> Self {
        if managed_service(object).is_none() {
            return Self { family: None, ports: Vec::new(), endpoints: Vec::new() };
        }
        let tree = object.tree();
        let mut ports: Vec<Port> =
            list(&tree["ports"]).iter().filter_map(|port| Port::deserialize(port).ok()).collect();
        ports.sort_unstable();
        Self {
            family: match tree["addressType"].as_str() {
                Some("IPv4") => Some(Family::V4),
                Some("IPv6") => Some(Family::V6),
                _ => None,
            },
            ports,
            endpoints: list(&tree["endpoints"])
                .iter()
                .filter_map(|one| Endpoint::deserialize(one).ok())
                .collect(),
        }
    }

    fn index(object: &Object, _: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if let Some(service) = managed_service(object) {
            out(BY_SERVICE, &service_entry(&object.key().sibling(kind::SERVICES, service)));
        }
    }
}

/// The labels that a slice of a service has: the service's own, and the reserved ones.
pub(super) fn labels(service: &Object, facts: &Service) -> Vec<(Str, Str)> {
    let reserved = |name: &str| matches!(name, SERVICE_NAME | MANAGED_BY | HEADLESS);
    let own = service.header().labels.iter().filter(|(name, _)| !reserved(name)).cloned();
    let mut labels: Vec<(Str, Str)> = own.collect();
    labels.push((SERVICE_NAME.into(), service.key().name.clone()));
    labels.push((MANAGED_BY.into(), MANAGER.into()));
    if facts.headless {
        labels.push((HEADLESS.into(), Str::default()));
    }
    labels.sort_unstable();
    labels
}
