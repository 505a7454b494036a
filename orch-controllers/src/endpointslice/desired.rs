//! Which endpoints a service should have, by address family and set of ports.

use std::collections::BTreeMap;

use orch_core::{Object, Str};

use super::facts::{
    Conditions, Endpoint, Family, For, Hints, Port, Prefer, Service, ServicePort, Target, TargetRef,
};
use super::{Backend, Observed};
use crate::facts::Pod;

/// What the endpoints of one slice have in common.
pub(super) type Group = (Family, Vec<Port>);

/// Every endpoint that should be in a slice; a family without any still has its (empty) entry under no ports.
pub(super) fn desired(observed: &Observed) -> BTreeMap<Group, Vec<Endpoint>> {
    let service = &observed.service;
    let mut groups: BTreeMap<Group, Vec<Endpoint>> = BTreeMap::new();
    for backend in &observed.pods {
        let pod = &backend.pod.facts;
        if pod.terminal || pod.ips.is_empty() {
            continue;
        }
        // A pod whose node is gone does not answer; a service that publishes whatever there is takes it all the same.
        if backend.zone.is_none() && !service.facts.publish_not_ready {
            continue;
        }
        let ports = ports(&service.facts, pod);
        for family in &service.facts.families {
            if let Some(endpoint) = endpoint(&service.object, &service.facts, backend, *family) {
                groups.entry((*family, ports.clone())).or_default().push(endpoint);
            }
        }
    }
    groups
}

fn endpoint(service: &Object, facts: &Service, backend: &Backend, family: Family) -> Option<Endpoint> {
    let (object, pod) = (&backend.pod.object, &backend.pod.facts);
    let addresses: Vec<Str> = pod.ips.iter().filter(|ip| Family::of(ip) == family).cloned().collect();
    if addresses.is_empty() {
        return None;
    }
    let terminating = object.header().is_terminating();
    let zone = backend.zone.clone().filter(|zone| !zone.is_empty());
    let named = !pod.hostname.is_empty() && pod.subdomain == service.key().name;
    Some(Endpoint {
        addresses,
        conditions: Conditions {
            ready: Some(facts.publish_not_ready || (pod.ready && !terminating)),
            serving: Some(pod.ready),
            terminating: Some(terminating),
        },
        hostname: named.then(|| pod.hostname.clone()),
        target_ref: Some(TargetRef {
            kind: "Pod".into(),
            namespace: object.key().namespace.clone(),
            name: object.key().name.clone(),
            uid: object.uid().clone(),
        }),
        hints: hints(facts.prefer, zone.as_ref(), &pod.node),
        zone,
        node_name: Some(pod.node.clone()).filter(|node| !node.is_empty()),
    })
}

/// As `staging/src/k8s.io/endpointslice/trafficdist`: each endpoint is meant for where it stands.
fn hints(prefer: Prefer, zone: Option<&Str>, node: &Str) -> Option<Hints> {
    if prefer == Prefer::Nothing {
        return None;
    }
    let one = |name: &Str| vec![For { name: name.clone() }];
    let for_nodes = if prefer == Prefer::SameNode && !node.is_empty() { one(node) } else { Vec::new() };
    let hints = Hints { for_zones: zone.map(one).unwrap_or_default(), for_nodes };
    (hints != Hints::default()).then_some(hints)
}

/// The service's ports on that pod, sorted: a named target may be another number on each pod, and is left out where the
/// pod has no such port.
fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let on_pod = |port: &ServicePort| {
        let number = match &port.target {
            Target::Number(number) => *number,
            Target::Name(name) => {
                pod.ports.iter().find(|p| p.name == *name && p.protocol == port.protocol)?.port
            }
        };
        let (name, protocol, app_protocol) =
            (port.name.clone(), port.protocol.clone(), port.app_protocol.clone());
        Some(Port { name, port: number, protocol, app_protocol })
    };
    let mut ports: Vec<Port> = service.ports.iter().filter_map(on_pod).collect();
    ports.sort_unstable();
    ports
}
