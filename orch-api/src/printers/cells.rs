//! Cells that only a few kinds have.

use serde_json::Value;

use super::format::{at, list, number, scalar, text};

/// `2/3`
pub(super) fn ready_of_replicas(tree: &Value) -> Value {
    format!("{}/{}", number(tree, "status.readyReplicas"), number(tree, "spec.replicas")).into()
}

/// `deployment.apps/name` of the owner that controls the object.
pub(super) fn controller(tree: &Value) -> Value {
    let owner = list(at(tree, "metadata.ownerReferences")).find(|owner| at(owner, "controller") == true);
    let Some(owner) = owner else { return "<none>".into() };
    let kind = text(owner, "kind");
    let group = text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    format!("{}/{}", kind.to_lowercase(), text(owner, "name")).into()
}

fn amount(tree: &Value, path: &str) -> Value {
    match at(tree, path) {
        Value::Null => "N/A".into(),
        value => scalar(value).into(),
    }
}

pub(super) fn min_available(tree: &Value) -> Value {
    amount(tree, "spec.minAvailable")
}

pub(super) fn max_unavailable(tree: &Value) -> Value {
    amount(tree, "spec.maxUnavailable")
}

/// Whether the node is ready, and whether pods may be placed on it.
pub(super) fn node_status(tree: &Value) -> Value {
    let ready = list(at(tree, "status.conditions")).filter(|one| text(one, "type") == "Ready").last();
    let status = match ready.map(|condition| text(condition, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let held = if at(tree, "spec.unschedulable") == true { ",SchedulingDisabled" } else { "" };
    format!("{status}{held}").into()
}

pub(super) fn node_roles(tree: &Value) -> Value {
    let labels = at(tree, "metadata.labels").as_object().into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.as_str() {
            "kubernetes.io/role" => value.as_str(),
            key => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
}

fn address(tree: &Value, kind: &str) -> Value {
    let found = list(at(tree, "status.addresses")).find(|address| text(address, "type") == kind);
    found.map_or("<none>", |address| text(address, "address")).into()
}

pub(super) fn internal_ip(tree: &Value) -> Value {
    address(tree, "InternalIP")
}

pub(super) fn external_ip(tree: &Value) -> Value {
    address(tree, "ExternalIP")
}

pub(super) fn kernel(tree: &Value) -> Value {
    let version = match text(tree, "status.nodeInfo.kernelVersion") {
        "" => "<unknown>",
        version => version,
    };
    match text(tree, "status.nodeInfo.architecture") {
        "" => version.into(),
        architecture => format!("{version} ({architecture})").into(),
    }
}

/// `RWO,RWX`: the short names of access modes in their order.
fn modes(list_of: &Value) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| list(list_of).any(|known| known == mode);
    SHORT.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

pub(super) fn volume_modes(tree: &Value) -> Value {
    modes(at(tree, "spec.accessModes")).into()
}

pub(super) fn claim_modes(tree: &Value) -> Value {
    if text(tree, "spec.volumeName").is_empty() {
        return "".into();
    }
    modes(at(tree, "status.accessModes")).into()
}

pub(super) fn claim_capacity(tree: &Value) -> Value {
    if text(tree, "spec.volumeName").is_empty() {
        return "".into();
    }
    quantity(at(tree, "status.capacity.storage"))
}

pub(super) fn volume_capacity(tree: &Value) -> Value {
    quantity(at(tree, "spec.capacity.storage"))
}

fn quantity(value: &Value) -> Value {
    if value.is_null() { "0".into() } else { scalar(value).into() }
}

/// The phase, unless the object is being deleted.
pub(super) fn phase(tree: &Value) -> Value {
    let deleted = !at(tree, "metadata.deletionTimestamp").is_null();
    if deleted { "Terminating".into() } else { text(tree, "status.phase").into() }
}

pub(super) fn claim_of_volume(tree: &Value) -> Value {
    match at(tree, "spec.claimRef") {
        Value::Null => "".into(),
        claim => format!("{}/{}", text(claim, "namespace"), text(claim, "name")).into(),
    }
}

/// The class of a volume or a claim; the annotation is older and wins.
pub(super) fn storage_class(tree: &Value) -> Value {
    let annotation = at(tree, "metadata.annotations").get("volume.beta.kubernetes.io/storage-class");
    match annotation.and_then(Value::as_str) {
        Some(class) => class.into(),
        None => text(tree, "spec.storageClassName").into(),
    }
}

fn with_default(tree: &Value, annotations: &[&str]) -> Value {
    let all = at(tree, "metadata.annotations");
    let is_default = annotations.iter().any(|key| all.get(key).is_some_and(|value| value == "true"));
    let name = text(tree, "metadata.name");
    if is_default { format!("{name} (default)").into() } else { name.into() }
}

pub(super) fn class_name(tree: &Value) -> Value {
    const KEYS: &[&str] =
        &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    with_default(tree, KEYS)
}

pub(super) fn ingress_class_name(tree: &Value) -> Value {
    with_default(tree, &["ingressclass.kubernetes.io/is-default-class"])
}

/// How many entries a config map has.
pub(super) fn data_count(tree: &Value) -> Value {
    let count = |field: &str| at(tree, field).as_object().map_or(0, serde_json::Map::len);
    (count("data") + count("binaryData")).into()
}

fn subjects(tree: &Value, kind: &str) -> Value {
    let of_kind = list(at(tree, "subjects")).filter(|subject| text(subject, "kind") == kind);
    let names: Vec<String> = of_kind
        .map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "namespace"), text(subject, "name")),
            _ => text(subject, "name").to_owned(),
        })
        .collect();
    names.join(", ").into()
}

pub(super) fn users(tree: &Value) -> Value {
    subjects(tree, "User")
}

pub(super) fn groups(tree: &Value) -> Value {
    subjects(tree, "Group")
}

pub(super) fn accounts(tree: &Value) -> Value {
    subjects(tree, "ServiceAccount")
}

pub(super) fn role(tree: &Value) -> Value {
    format!("{}/{}", text(tree, "roleRef.kind"), text(tree, "roleRef.name")).into()
}

/// What became of a request for a certificate.
pub(super) fn request_state(tree: &Value) -> Value {
    let has = |kind: &str| list(at(tree, "status.conditions")).any(|one| text(one, "type") == kind);
    let decided = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if text(tree, "status.certificate").is_empty() { "" } else { ",Issued" };
    format!("{decided}{failed}{issued}").into()
}

pub(super) fn requested_duration(tree: &Value) -> Value {
    let secs = at(tree, "spec.expirationSeconds").as_i64();
    secs.map_or_else(|| "<none>".into(), |secs| super::human_duration(secs).into())
}

/// What is used of what a quota allows: requests and counts, or limits.
fn used(tree: &Value, of_limits: bool) -> Value {
    let hard = at(tree, "status.hard").as_object().into_iter().flatten();
    let mut lines: Vec<String> = hard
        .filter(|(name, _)| name.starts_with("limits.") == of_limits)
        .map(|(name, hard)| {
            let used = at(tree, "status.used").get(name).map_or_else(|| "0".to_owned(), scalar);
            format!("{name}: {used}/{}", scalar(hard))
        })
        .collect();
    lines.sort();
    lines.join(", ").into()
}

pub(super) fn quota_requests(tree: &Value) -> Value {
    used(tree, false)
}

pub(super) fn quota_limits(tree: &Value) -> Value {
    used(tree, true)
}

pub(super) fn token_audiences(tree: &Value) -> Value {
    match at(tree, "spec.tokenRequests") {
        Value::Null => "<unset>".into(),
        requests => list(requests).map(|one| text(one, "audience")).collect::<Vec<_>>().join(",").into(),
    }
}

pub(super) fn lifecycle_modes(tree: &Value) -> Value {
    let modes: Vec<&str> = list(at(tree, "spec.volumeLifecycleModes")).filter_map(Value::as_str).collect();
    if modes.is_empty() { "<none>".into() } else { modes.join(",").into() }
}

pub(super) fn param_kind(tree: &Value) -> Value {
    match at(tree, "spec.paramKind") {
        Value::Null => "<unset>".into(),
        kind => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")).into(),
    }
}

pub(super) fn param_ref(tree: &Value) -> Value {
    let param = at(tree, "spec.paramRef");
    let (namespace, name) = (text(param, "namespace"), text(param, "name"));
    if !name.is_empty() {
        return format!("{}/{name}", if namespace.is_empty() { "*" } else { namespace }).into();
    }
    super::format::selector(at(param, "selector"), "<unset>").into()
}

pub(super) fn missing_level(tree: &Value) -> Value {
    let dangling = list(at(tree, "status.conditions")).find(|one| text(one, "type") == "Dangling");
    dangling.map_or("?", |condition| text(condition, "status")).into()
}

/// A number of a limited level, or `<none>`.
fn limited(tree: &Value, path: &str) -> Value {
    match at(tree, path) {
        Value::Null => "<none>".into(),
        number => number.clone(),
    }
}

pub(super) fn shares(tree: &Value) -> Value {
    limited(tree, "spec.limited.nominalConcurrencyShares")
}

pub(super) fn queues(tree: &Value) -> Value {
    limited(tree, "spec.limited.limitResponse.queuing.queues")
}

pub(super) fn hand_size(tree: &Value) -> Value {
    limited(tree, "spec.limited.limitResponse.queuing.handSize")
}

pub(super) fn queue_length(tree: &Value) -> Value {
    limited(tree, "spec.limited.limitResponse.queuing.queueLengthLimit")
}

pub(super) fn claim_state(tree: &Value) -> Value {
    let deleted = !at(tree, "metadata.deletionTimestamp").is_null();
    let allocated = !at(tree, "status.allocation").is_null();
    let reserved = list(at(tree, "status.reservedFor")).next().is_some();
    let states = [
        (deleted, "deleted"),
        (!allocated && !deleted, "pending"),
        (allocated, "allocated"),
        (allocated && reserved, "reserved"),
    ];
    states.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name).collect::<Vec<_>>().join(",").into()
}

pub(super) fn api_service(tree: &Value) -> Value {
    match at(tree, "spec.service") {
        Value::Null => "Local".into(),
        service => format!("{}/{}", text(service, "namespace"), text(service, "name")).into(),
    }
}

pub(super) fn available(tree: &Value) -> Value {
    let found = list(at(tree, "status.conditions")).find(|one| text(one, "type") == "Available");
    let Some(condition) = found else { return "Unknown".into() };
    match (text(condition, "status"), text(condition, "reason")) {
        (status, reason) if status != "True" && !reason.is_empty() => format!("{status} ({reason})").into(),
        (status, _) => status.into(),
    }
}

pub(super) fn parent(tree: &Value) -> Value {
    let parent = at(tree, "spec.parentRef");
    if parent.is_null() {
        return "<none>".into();
    }
    let group = text(parent, "group");
    let mut shown = text(parent, "resource").to_lowercase();
    for (separator, part) in [(".", group.to_lowercase()), ("/", text(parent, "namespace").to_owned())] {
        if !part.is_empty() {
            shown = format!("{shown}{separator}{part}");
        }
    }
    format!("{shown}/{}", text(parent, "name")).into()
}

/// When an event was seen first and last, and how often.
pub(super) fn event_count(tree: &Value) -> Value {
    match at(tree, "series") {
        Value::Null => number(tree, "count").max(1).into(),
        series => number(series, "count").into(),
    }
}

pub(super) fn first_seen(tree: &Value, now: jiff::Timestamp) -> Value {
    use super::format::ago;
    if at(tree, "firstTimestamp").is_null() {
        return ago(tree, "eventTime", now, "<unknown>").into();
    }
    ago(tree, "firstTimestamp", now, "<unknown>").into()
}

pub(super) fn last_seen(tree: &Value, now: jiff::Timestamp) -> Value {
    use super::format::ago;
    if !at(tree, "series").is_null() {
        return ago(tree, "series.lastObservedTime", now, "<unknown>").into();
    }
    if at(tree, "lastTimestamp").is_null() {
        first_seen(tree, now)
    } else {
        ago(tree, "lastTimestamp", now, "").into()
    }
}

pub(super) fn event_object(tree: &Value) -> Value {
    let (kind, name) = (text(tree, "involvedObject.kind").to_lowercase(), text(tree, "involvedObject.name"));
    if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
}

pub(super) fn event_source(tree: &Value) -> Value {
    let first = |one: &'static str, other: &'static str| match text(tree, one) {
        "" => text(tree, other).to_owned(),
        text => text.to_owned(),
    };
    let component = first("source.component", "reportingComponent");
    let host = first("source.host", "reportingInstance");
    if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
}

pub(super) fn event_message(tree: &Value) -> Value {
    text(tree, "message").trim().into()
}
