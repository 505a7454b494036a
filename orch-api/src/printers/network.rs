//! The cells of services, endpoints and ingresses.

use serde_json::Value;

use super::format::{at, cut, list, number, scalar, text};

const SHOWN_MAX: usize = 3;

/// The addresses of a load balancer, sorted, each once.
fn balancer(tree: &Value) -> Vec<String> {
    let mut all: Vec<String> = list(at(tree, "status.loadBalancer.ingress"))
        .map(|one| match text(one, "ip") {
            "" => text(one, "hostname").to_owned(),
            ip => ip.to_owned(),
        })
        .filter(|one| !one.is_empty())
        .collect();
    all.sort();
    all.dedup();
    all
}

pub(super) fn address(tree: &Value) -> Value {
    balancer(tree).join(",").into()
}

pub(super) fn cluster_ip(tree: &Value) -> Value {
    list(at(tree, "spec.clusterIPs")).next().and_then(Value::as_str).unwrap_or("<none>").into()
}

pub(super) fn external(tree: &Value) -> Value {
    let given: Vec<String> = list(at(tree, "spec.externalIPs")).map(scalar).collect();
    let shown = match text(tree, "spec.type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given.join(","),
        "LoadBalancer" => {
            let all = [balancer(tree), given].concat();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => text(tree, "spec.externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    };
    shown.into()
}

pub(super) fn ports(tree: &Value) -> Value {
    let all: Vec<String> = list(at(tree, "spec.ports"))
        .map(|port| {
            let (own, protocol) = (number(port, "port"), text(port, "protocol"));
            match number(port, "nodePort") {
                node if node > 0 => format!("{own}:{node}/{protocol}"),
                _ => format!("{own}/{protocol}"),
            }
        })
        .collect();
    if all.is_empty() { "<none>".into() } else { all.join(",").into() }
}

pub(super) fn hosts(tree: &Value) -> Value {
    let rules = list(at(tree, "spec.rules")).count();
    let mut shown: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in list(at(tree, "spec.rules")) {
        more |= shown.len() == SHOWN_MAX;
        let host = text(rule, "host");
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "*".into(),
        (false, false) => shown.join(",").into(),
        (false, true) => format!("{} + {} more...", shown.join(","), rules - SHOWN_MAX).into(),
    }
}

pub(super) fn ingress_ports(tree: &Value) -> Value {
    if list(at(tree, "spec.tls")).next().is_some() { "80, 443" } else { "80" }.into()
}

pub(super) fn class_parameters(tree: &Value) -> Value {
    let parameters = at(tree, "spec.parameters");
    if parameters.is_null() {
        return "<none>".into();
    }
    let group = match text(parameters, "apiGroup") {
        "" => String::new(),
        group => format!(".{group}"),
    };
    format!("{}{group}/{}", text(parameters, "kind"), text(parameters, "name")).into()
}

fn or_unset(text: String) -> Value {
    if text.is_empty() { "<unset>".into() } else { text.into() }
}

pub(super) fn slice_ports(tree: &Value) -> Value {
    let all: Vec<String> = list(at(tree, "ports"))
        .map(|port| match (at(port, "port").as_i64(), at(port, "name").as_str()) {
            (Some(number), _) => number.to_string(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => "*".to_owned(),
        })
        .collect();
    or_unset(cut(&all, SHOWN_MAX, ","))
}

pub(super) fn slice_endpoints(tree: &Value) -> Value {
    let all: Vec<String> =
        list(at(tree, "endpoints")).flat_map(|one| list(at(one, "addresses"))).map(scalar).collect();
    or_unset(cut(&all, SHOWN_MAX, ","))
}

/// Addresses with every port, in the older form.
pub(super) fn endpoints(tree: &Value) -> Value {
    if list(at(tree, "subsets")).next().is_none() {
        return "<none>".into();
    }
    let mut all = Vec::new();
    for subset in list(at(tree, "subsets")) {
        let addresses: Vec<&str> = list(at(subset, "addresses")).map(|one| text(one, "ip")).collect();
        let ports: Vec<i64> = list(at(subset, "ports")).map(|port| number(port, "port")).collect();
        if ports.is_empty() {
            all.extend(addresses.iter().map(|ip| (*ip).to_owned()));
        }
        for port in ports {
            all.extend(addresses.iter().map(|ip| match ip.contains(':') {
                true => format!("[{ip}]:{port}"),
                false => format!("{ip}:{port}"),
            }));
        }
    }
    cut(&all, SHOWN_MAX, ",").into()
}

pub(super) fn cidrs(tree: &Value) -> Value {
    list(at(tree, "spec.cidrs")).map(scalar).collect::<Vec<_>>().join(",").into()
}
