//! Containers of all three sorts: pull policy, termination message, ports, probes, handlers, environment.

use serde_json::Value;

use crate::tree::{Get, Set, Tree};

/// One container, init container or ephemeral container.
pub(super) fn container(container: &mut Tree) {
    let policy = pull_policy(container.text("image"));
    container.default_text("imagePullPolicy", policy);
    container.default_text("terminationMessagePath", "/dev/termination-log");
    container.default_text("terminationMessagePolicy", "File");
    container.make("resources");
    container.objects_mut("ports").for_each(|port| port.default_text("protocol", "TCP"));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.object_mut(probe) {
            self::probe(probe);
        }
    }
    if let Some(lifecycle) = container.object_mut("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.object_mut(hook) {
                http_get(hook);
            }
        }
    }
    for source in container.objects_mut("env").filter_map(|env| env.object_mut("valueFrom")) {
        if let Some(file) = source.object_mut("fileKeyRef") {
            file.default_to("optional", false);
        }
        field_source(source);
    }
}

/// `Always` for an image that may change under its name: the tag `latest`, or neither tag nor digest.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if digest.is_none() => "Always",
        _ => "IfNotPresent",
    }
}

fn probe(probe: &mut Tree) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe.number(field).unwrap_or_default() == 0 {
            probe.put(field, value);
        }
    }
    http_get(probe);
    if let Some(grpc) = probe.object_mut("grpc") {
        grpc.default_to("service", "");
    }
}

fn http_get(handler: &mut Tree) {
    if let Some(get) = handler.object_mut("httpGet") {
        get.default_text("path", "/");
        get.default_text("scheme", "HTTP");
    }
}

/// The source of an environment variable or of a file of a downward volume.
pub(super) fn field_source(source: &mut Tree) {
    if let Some(field) = source.object_mut("fieldRef") {
        field.default_text("apiVersion", "v1");
    }
    if let Some(resource) = source.object_mut("resourceFieldRef") {
        resource.default_to("divisor", "0");
    }
}

/// Requests that are not given are the limits. Only in pods, not in templates.
pub(super) fn requests_from_limits(container: &mut Tree) {
    let Some(resources) = container.object_mut("resources") else { return };
    let Some(limits) = resources.object_at("limits").cloned() else { return };
    let requests = resources.make("requests");
    for (resource, limit) in limits {
        requests.entry(resource).or_insert(limit);
    }
    if requests.is_empty() {
        resources.remove("requests");
    }
}

/// In the host's network a container's port is the host's.
pub(super) fn host_ports(container: &mut Tree) {
    for port in container.objects_mut("ports") {
        if port.number("hostPort").unwrap_or_default() == 0
            && let Some(number) = port.get("containerPort").cloned()
        {
            port.put("hostPort", number);
        }
    }
}

/// Whether a list of quantities has any for the resource.
pub(super) fn quantity<'a>(container: &'a Tree, list: &str, resource: &str) -> Option<&'a str> {
    container.object_at("resources")?.object_at(list)?.at(resource).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_may_change_is_always_pulled() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
            ("nginx:latest@sha256:abc", "Always"),
            ("", "Always"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
