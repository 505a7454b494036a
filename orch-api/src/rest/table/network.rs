//! Services, their endpoints, and what leads to them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{NONE, UNSET, age, joined, labels, or_none, selector};
use super::{Printer, printer};
use crate::tree::Get;

/// Values that a cell lists; the rest is counted.
const SHOWN: usize = 3;

pub(super) const PRINTERS: &[(&str, &str, Printer)] = &[
    (
        "",
        "services",
        printer(
            &[
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                ("Age", "string", 0),
                ("Selector", "string", 1),
            ],
            service,
        ),
    ),
    (
        "",
        "endpoints",
        printer(&[("Endpoints", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![endpoints(tree.list("subsets")).into(), age(tree, now)]
        }),
    ),
    (
        "discovery.k8s.io",
        "endpointslices",
        printer(
            &[
                ("AddressType", "string", 0),
                ("Ports", "string", 0),
                ("Endpoints", "string", 0),
                ("Age", "string", 0),
            ],
            slice,
        ),
    ),
    (
        "networking.k8s.io",
        "ingresses",
        printer(
            &[
                ("Class", "string", 0),
                ("Hosts", "string", 0),
                ("Address", "string", 0),
                ("Ports", "string", 0),
                ("Age", "string", 0),
            ],
            ingress,
        ),
    ),
    (
        "networking.k8s.io",
        "ingressclasses",
        printer(
            &[("Controller", "string", 0), ("Parameters", "string", 0), ("Age", "string", 0)],
            |tree, now| {
                let of = &tree["spec"]["parameters"];
                let parameters = match (of.text("apiGroup"), of.text("kind")) {
                    (_, "") => NONE.to_owned(),
                    ("", kind) => format!("{kind}/{}", of.text("name")),
                    (group, kind) => format!("{kind}.{group}/{}", of.text("name")),
                };
                vec![tree["spec"].text("controller").into(), parameters.into(), age(tree, now)]
            },
        ),
    ),
    (
        "networking.k8s.io",
        "networkpolicies",
        printer(&[("Pod-Selector", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![selector(&tree["spec"]["podSelector"]), age(tree, now)]
        }),
    ),
    (
        "networking.k8s.io",
        "servicecidrs",
        printer(&[("CIDRs", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![joined(tree["spec"].list("cidrs").iter().filter_map(Value::as_str)), age(tree, now)]
        }),
    ),
    (
        "networking.k8s.io",
        "ipaddresses",
        printer(&[("ParentRef", "string", 0), ("Age", "string", 0)], |tree, now| {
            let of = &tree["spec"]["parentRef"];
            let parts = ["group", "resource", "namespace", "name"].map(|field| of.text(field));
            let parent: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            vec![or_none(&parent.join("/")), age(tree, now)]
        }),
    ),
];

fn some<T: AsRef<str>>(all: &[T]) -> String {
    let shown: Vec<&str> = all.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match all.len() {
        0 => NONE.to_owned(),
        count if count > SHOWN => format!("{} + {} more...", shown.join(","), count - SHOWN),
        _ => shown.join(","),
    }
}

fn service(tree: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &tree["spec"];
    let port = |port: &Value| {
        let (number, protocol) = (port.number("port").unwrap_or(0), port.text("protocol"));
        match port.number("nodePort") {
            Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    };
    let cluster_ip = match spec.list("clusterIPs").first().and_then(Value::as_str) {
        Some(address) => address,
        None => spec.text("clusterIP"),
    };
    vec![
        spec.text("type").into(),
        or_none(cluster_ip),
        external(tree).into(),
        joined(spec.list("ports").iter().map(port)),
        age(tree, now),
        labels(spec.at("selector")),
    ]
}

/// Where a service is reached from outside.
fn external(tree: &Value) -> String {
    let spec = &tree["spec"];
    let given: Vec<&str> = spec.list("externalIPs").iter().filter_map(Value::as_str).collect();
    let given = given.join(",");
    match spec.text("type") {
        "ExternalName" => spec.text("externalName").to_owned(),
        "LoadBalancer" => {
            let balancer = addresses(&tree["status"]["loadBalancer"]);
            let all: Vec<&str> =
                [balancer.as_str(), &given].into_iter().filter(|text| !text.is_empty()).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ if given.is_empty() => NONE.to_owned(),
        _ => given,
    }
}

fn addresses(balancer: &Value) -> String {
    let one = |entry: &Value| match entry.text("ip") {
        "" => entry.text("hostname").to_owned(),
        ip => ip.to_owned(),
    };
    let all: BTreeSet<String> =
        balancer.list("ingress").iter().map(one).filter(|text| !text.is_empty()).collect();
    all.into_iter().collect::<Vec<_>>().join(",")
}

fn endpoints(subsets: &[Value]) -> String {
    let mut all = Vec::new();
    for subset in subsets {
        for address in subset.list("addresses") {
            let ip = address.text("ip");
            if subset.list("ports").is_empty() {
                all.push(ip.to_owned());
            }
            for port in subset.list("ports") {
                let number = port.number("port").unwrap_or(0);
                all.push(if ip.contains(':') {
                    format!("[{ip}]:{number}")
                } else {
                    format!("{ip}:{number}")
                });
            }
        }
    }
    some(&all)
}

fn slice(tree: &Value, now: Timestamp) -> Vec<Value> {
    let ports = match tree.list("ports") {
        [] => UNSET.to_owned(),
        ports => {
            let port = |port: &Value| match (port.text("name"), port.number("port")) {
                (_, Some(number)) => number.to_string(),
                ("", None) => "*".to_owned(),
                (name, None) => name.to_owned(),
            };
            some(&ports.iter().map(port).collect::<Vec<_>>())
        }
    };
    let addresses: Vec<&str> = tree
        .list("endpoints")
        .iter()
        .flat_map(|endpoint| endpoint.list("addresses"))
        .filter_map(Value::as_str)
        .collect();
    let shown = if addresses.is_empty() { UNSET.to_owned() } else { some(&addresses) };
    vec![tree.text("addressType").into(), ports.into(), shown.into(), age(tree, now)]
}

fn ingress(tree: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &tree["spec"];
    let hosts: Vec<&str> =
        spec.list("rules").iter().map(|rule| rule.text("host")).filter(|host| !host.is_empty()).collect();
    let hosts = if hosts.is_empty() { "*".to_owned() } else { some(&hosts) };
    let ports = if spec.list("tls").is_empty() { "80" } else { "80, 443" };
    vec![
        or_none(spec.text("ingressClassName")),
        hosts.into(),
        addresses(&tree["status"]["loadBalancer"]).into(),
        ports.into(),
        age(tree, now),
    ]
}
