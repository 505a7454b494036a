//! The names of one Service, from its facts alone.
//!
//! Pure. Names are relative to the Service's own, which is the empty one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use orch_core::network::CLUSTER_DOMAIN;
use orch_core::{Key, Str};

use super::{Records, Target};
use crate::facts::{Service, Slice, protocol};

/// What a Service and its slices mean in DNS.
pub(super) fn records(key: &Key, service: &Service, slices: &[&Slice]) -> BTreeMap<Str, Records> {
    let mut names: BTreeMap<Str, Records> = BTreeMap::new();
    let full = format!("{}.{}.svc.{CLUSTER_DOMAIN}", key.name, key.namespace);
    let own = names.entry(Str::default()).or_default();
    if let Some(name) = &service.external_name {
        own.alias = Some(name.strip_suffix('.').unwrap_or(name).into());
        return names;
    }
    own.addresses.clone_from(&service.addresses);
    if !service.is_headless {
        for port in &service.ports {
            if let Some(name) = srv(port.name.as_deref(), port.protocol.as_deref()) {
                let target = Target { host: full.as_str().into(), port: port.port };
                names.entry(name).or_default().services.push(target);
            }
        }
        return names;
    }
    for slice in slices {
        for endpoint in &slice.endpoints {
            if !endpoint.is_ready && !service.publishes_not_ready {
                continue;
            }
            for address in &endpoint.addresses {
                let label = endpoint.hostname.clone().unwrap_or_else(|| dashed(*address));
                for name in [Str::default(), label.clone()] {
                    names.entry(name).or_default().addresses.push(*address);
                }
                for port in &slice.ports {
                    let name = srv(port.name.as_deref(), port.protocol.as_deref());
                    if let (Some(name), Some(port)) = (name, port.port) {
                        let target = Target { host: format!("{label}.{full}").into(), port };
                        names.entry(name).or_default().services.push(target);
                    }
                }
            }
        }
    }
    // Two slices may hold one endpoint while it moves between them.
    for records in names.values_mut() {
        records.addresses.sort_unstable();
        records.addresses.dedup();
        records.services.sort_unstable();
        records.services.dedup();
    }
    names
}

/// `_port._protocol`; a port without a name has no SRV record.
fn srv(name: Option<&str>, given: Option<&str>) -> Option<Str> {
    let name = name.filter(|name| !name.is_empty())?;
    Some(format!("_{name}._{}", protocol(given)).into())
}

/// The label of an endpoint without a host name, as CoreDNS makes it.
fn dashed(address: IpAddr) -> Str {
    address.to_string().replace(['.', ':'], "-").into()
}

#[cfg(test)]
mod tests {
    use orch_core::kind;

    use super::*;
    use crate::facts::{Endpoint, EndpointPort, ServicePort};

    fn key() -> Key {
        Key::new(kind::SERVICES, "shop", "db")
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn endpoint(last: u8, hostname: Option<&str>, is_ready: bool) -> Endpoint {
        Endpoint {
            addresses: vec![address(last)],
            hostname: hostname.map(Into::into),
            is_ready,
            is_serving: is_ready,
            is_terminating: false,
        }
    }

    fn slice() -> Slice {
        Slice {
            endpoints: vec![
                endpoint(2, Some("db-1"), true),
                endpoint(1, Some("db-0"), true),
                endpoint(3, None, false),
            ],
            ports: vec![EndpointPort {
                name: Some("sql".into()),
                port: Some(5432),
                ..EndpointPort::default()
            }],
        }
    }

    #[test]
    fn a_cluster_ip_service_has_its_own_address_and_ports() {
        let http = ServicePort { name: Some("http".into()), port: 80, ..ServicePort::default() };
        let unnamed = ServicePort { port: 81, ..ServicePort::default() };
        let service =
            Service { addresses: vec![address(9)], ports: vec![http, unnamed], ..Service::default() };
        let names = records(&key(), &service, &[&slice()]);
        assert_eq!(names.keys().map(|name| &**name).collect::<Vec<_>>(), ["", "_http._tcp"]);
        assert_eq!(names[""].addresses, [address(9)]);
        let target = Target { host: "db.shop.svc.cluster.local".into(), port: 80 };
        assert_eq!(names["_http._tcp"].services, [target]);
    }

    #[test]
    fn a_headless_service_has_its_ready_endpoints_each_once() {
        let service = Service { is_headless: true, ..Service::default() };
        let names = records(&key(), &service, &[&slice(), &slice()]);
        assert_eq!(names[""].addresses, [address(1), address(2)]);
        assert_eq!(names["db-0"].addresses, [address(1)]);
        assert_eq!(names["db-1"].addresses, [address(2)]);
        let hosts: Vec<_> =
            names["_sql._tcp"].services.iter().map(|target| (&*target.host, target.port)).collect();
        assert_eq!(
            hosts,
            [("db-0.db.shop.svc.cluster.local", 5432), ("db-1.db.shop.svc.cluster.local", 5432)]
        );
        assert!(!names.contains_key("10-0-0-3"));
    }

    #[test]
    fn endpoints_that_are_not_ready_are_published_on_request() {
        let service = Service { is_headless: true, publishes_not_ready: true, ..Service::default() };
        let names = records(&key(), &service, &[&slice()]);
        assert_eq!(names[""].addresses.len(), 3);
        assert_eq!(names["10-0-0-3"].addresses, [address(3)]);
    }

    #[test]
    fn a_headless_service_without_endpoints_exists() {
        let service = Service { is_headless: true, ..Service::default() };
        assert_eq!(records(&key(), &service, &[]), [(Str::default(), Records::default())].into());
    }

    #[test]
    fn an_external_name_is_an_alias() {
        let service = Service { external_name: Some("db.example.com.".into()), ..Service::default() };
        let names = records(&key(), &service, &[]);
        assert_eq!(names[""].alias.as_deref(), Some("db.example.com"));
    }
}
