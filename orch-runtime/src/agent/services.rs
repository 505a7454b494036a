//! The variables that tell a container of Services (`pkg/kubelet/envvars/envvars.go`). Pure.

use std::collections::BTreeMap;

use orch_core::{Object, Str};
use serde_json::Value;

/// The variables of Services that have an address: those of the pod's namespace, and `default/kubernetes`, before which
/// one of that name in the namespace goes.
pub(super) fn variables(services: &[Object], namespace: &str) -> Vec<(Str, Str)> {
    let mut by_name: BTreeMap<&str, &Object> = BTreeMap::new();
    for service in services {
        let is_own = &*service.key().namespace == namespace;
        let known = by_name.contains_key(&*service.key().name);
        if is_own || !known {
            by_name.insert(&service.key().name, service);
        }
    }
    by_name.into_iter().flat_map(|(name, service)| of_service(name, service)).collect()
}

fn of_service(name: &str, service: &Object) -> Vec<(Str, Str)> {
    let tree = service.body_tree();
    let host = tree["spec"]["clusterIP"].as_str().unwrap_or_default();
    let ports: Vec<&Value> = tree["spec"]["ports"].as_array().into_iter().flatten().collect();
    if matches!(host, "" | "None") || ports.is_empty() {
        return Vec::new();
    }
    let upper = |name: &str| name.to_uppercase().replace('-', "_");
    let name = upper(name);
    let mut variables: Vec<(Str, Str)> = Vec::new();
    let mut set = |name: String, value: String| variables.push((name.into(), value.into()));
    let number = |port: &Value| port["port"].as_u64().unwrap_or_default();
    set(format!("{name}_SERVICE_HOST"), host.to_owned());
    set(format!("{name}_SERVICE_PORT"), number(ports[0]).to_string());
    for port in &ports {
        if let Some(port_name) = port["name"].as_str().filter(|name| !name.is_empty()) {
            set(format!("{name}_SERVICE_PORT_{}", upper(port_name)), number(port).to_string());
        }
    }
    let authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    for (at, port) in ports.iter().enumerate() {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let url = format!("{}://{authority}:{}", protocol.to_lowercase(), number(port));
        let prefix = format!("{name}_PORT_{}_{}", number(port), protocol.to_uppercase());
        if at == 0 {
            set(format!("{name}_PORT"), url.clone());
        }
        set(prefix.clone(), url);
        set(format!("{prefix}_PROTO"), protocol.to_lowercase());
        set(format!("{prefix}_PORT"), number(port).to_string());
        set(format!("{prefix}_ADDR"), host.to_owned());
    }
    variables
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use serde_json::json;

    use super::super::testing::object;
    use super::*;

    fn service(namespace: &str, name: &str, ip: &str, ports: Value) -> Object {
        object(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": ip, "ports": ports}}),
        )
    }

    #[test]
    fn each_port_is_told_in_both_ways() {
        let ports =
            json!([{"name": "sql-rw", "port": 5432, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
        let found = variables(&[service("shop", "my-db", "10.0.0.9", ports)], "shop");
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            found,
            [
                "MY_DB_SERVICE_HOST=10.0.0.9",
                "MY_DB_SERVICE_PORT=5432",
                "MY_DB_SERVICE_PORT_SQL_RW=5432",
                "MY_DB_PORT=tcp://10.0.0.9:5432",
                "MY_DB_PORT_5432_TCP=tcp://10.0.0.9:5432",
                "MY_DB_PORT_5432_TCP_PROTO=tcp",
                "MY_DB_PORT_5432_TCP_PORT=5432",
                "MY_DB_PORT_5432_TCP_ADDR=10.0.0.9",
                "MY_DB_PORT_53_UDP=udp://10.0.0.9:53",
                "MY_DB_PORT_53_UDP_PROTO=udp",
                "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_ADDR=10.0.0.9",
            ]
        );
    }

    #[test]
    fn headless_services_say_nothing_and_the_own_namespace_goes_first() {
        let port = json!([{"port": 443}]);
        let services = [
            service("shop", "headless", "None", port.clone()),
            service("shop", "kubernetes", "10.0.0.2", port.clone()),
            service("default", "kubernetes", "10.0.0.1", port),
        ];
        let host = |namespace: &str| variables(&services, namespace)[0].clone();
        assert_eq!(host("shop"), ("KUBERNETES_SERVICE_HOST".into(), "10.0.0.2".into()));
        assert!(variables(&services[..1], "shop").is_empty());
        assert_eq!(variables(&services[2..], "shop")[0].1, "10.0.0.1".into());
    }
}
