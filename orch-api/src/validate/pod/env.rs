//! Rules of a container's environment (`ValidateEnv`, `ValidateEnvFrom`).
//!
//! Not its expansion: what a variable comes to is the node agent's work.

use std::collections::BTreeMap;

use orch_core::names;

use super::super::at::{At, quote};
use super::super::rules;

/// Fields of a pod that a variable can be.
const VARIABLE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of a pod that a file of the downward API can be.
pub(super) const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Fields that references know at all (`ConvertDownwardAPIFieldLabel` in `pkg/apis/core/pods/helpers.go`).
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Resources of a container that a reference can mean, besides huge pages.
const CONTAINER_RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn variables(variables: &At<'_, '_>) {
    for variable in variables.items() {
        variable.field("name").required_name(names::relaxed_env_var_name);
        value_from(&variable.field("valueFrom"), variable.get_text("value"));
    }
}

fn value_from(from: &At<'_, '_>, value: &str) {
    if !from.is_set() {
        return;
    }
    let mut count = 0;
    let mut given = |name, rule: fn(&At<'_, '_>)| {
        let source = from.field(name);
        if source.is_set() {
            count += 1;
            rule(&source);
        }
    };
    given("fieldRef", |at| field(at, VARIABLE_FIELDS));
    given("resourceFieldRef", |at| resource(at, false));
    given("configMapKeyRef", key);
    given("secretKeyRef", key);
    given("fileKeyRef", file_key);
    let rule = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    from.invalid_as(quote(""), rule);
}

/// A reference to a field of the pod.
pub(super) fn field(at: &At<'_, '_>, allowed: &[&str]) {
    let path = at.field("fieldPath");
    for part in [at.field("apiVersion"), path] {
        if part.is_empty() {
            part.required("");
            return;
        }
    }
    let version = at.get_text("apiVersion");
    let refuse = |why: String| path.invalid_text(format!("error converting fieldPath: {why}"));
    if version != "v1" {
        return refuse(format!("unsupported pod version: {version}"));
    }
    if let Some((of, key)) = subscript(path.text()) {
        let key = serde_json::Value::from(rules::lowercase_if(key, of == "metadata.annotations"));
        match of {
            "metadata.annotations" | "metadata.labels" => at.with(&key).named(names::qualified_name),
            _ => refuse(format!("field label does not support subscript: {}", path.text())),
        }
        return;
    }
    // Old clients send `spec.host`.
    let known = if path.text() == "spec.host" { "spec.nodeName" } else { path.text() };
    if !KNOWN_FIELDS.contains(&known) {
        refuse(format!("field label not supported: {known}"));
    } else if !allowed.contains(&known) {
        path.unsupported(allowed);
    }
}

/// The parts of `metadata.labels['key']`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['").filter(|(of, _)| !of.is_empty())
}

/// A reference to a resource of a container, which a volume has to name.
pub(super) fn resource(at: &At<'_, '_>, is_volume: bool) {
    let name = at.field("resource");
    let is_huge =
        ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| name.text().starts_with(prefix));
    if is_volume && at.field("containerName").is_empty() {
        at.field("containerName").required("");
    } else if name.is_empty() {
        name.required("");
    } else if !is_huge {
        name.one_of(CONTAINER_RESOURCES);
    }
    let divisor = at.field("divisor");
    let amount = divisor.quantity();
    let what = match name.text().split_once('.') {
        _ if amount.is_zero() => return,
        Some(("limits" | "requests", "cpu")) => "cpu",
        Some(("limits" | "requests", "memory")) => "memory",
        Some(("limits" | "requests", "ephemeral-storage")) => "local ephemeral storage",
        _ if is_huge => "hugepages",
        _ => return,
    };
    let written = amount.to_string();
    let allowed = if what == "cpu" { &["1m", "1"][..] } else { SIZES };
    if !allowed.contains(&written.as_str()) {
        let list = if what == "cpu" { "1m and 1".to_owned() } else { allowed.join(", ") };
        divisor.invalid_as(
            quote(name.text()),
            format!("only divisor's values {list} are supported with the {what} resource"),
        );
    }
}

/// A key of a config map or a secret.
fn key(at: &At<'_, '_>) {
    at.field("name").named(names::dns1123_subdomain);
    at.field("key").required_name(names::config_map_key);
}

/// A key of a file in a volume (KEP-3721).
fn file_key(at: &At<'_, '_>) {
    at.field("key").required_name(names::relaxed_env_var_name);
    at.field("volumeName").required_name(names::dns1123_label);
    let path = at.field("path");
    if path.is_empty() { path.required("") } else { rules::no_backsteps(&path) }
}

pub(super) fn sources(sources: &At<'_, '_>) {
    for source in sources.items() {
        source.field("prefix").optional_name(names::relaxed_env_var_name);
        let mut count = 0;
        for reference in ["configMapRef", "secretRef"].map(|name| source.field(name)) {
            if reference.is_set() {
                count += 1;
                reference.field("name").required_name(names::dns1123_subdomain);
            }
        }
        match count {
            1 => {}
            0 => sources.invalid_as(quote(""), "must specify one of: `configMapRef` or `secretRef`"),
            _ => sources.invalid_as(quote(""), "may not have more than one field specified at a time"),
        }
    }
}

/// Files that variables come from are in empty directories of the pod.
pub(super) fn files_exist(spec: &At<'_, '_>) {
    let mut volumes: Option<BTreeMap<&str, bool>> = None;
    super::each_container(spec, |container| {
        for variable in container.field("env").items().filter(|variable| variable.has("valueFrom")) {
            let from = variable.field("valueFrom");
            let file = from.field("fileKeyRef");
            if !file.is_set() {
                continue;
            }
            let volumes = volumes.get_or_insert_with(|| {
                let list = spec.field("volumes");
                list.items().map(|volume| (volume.get_text("name"), volume.has("emptyDir"))).collect()
            });
            let name = file.field("volumeName");
            match volumes.get(name.text()) {
                None => name.not_found(),
                Some(false) => name.invalid_text("referenced volume must be of type emptyDir"),
                Some(true) => {}
            }
        }
    });
}
