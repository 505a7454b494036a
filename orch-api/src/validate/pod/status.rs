//! What the status of a pod may say (`ValidatePodStatusUpdate`).
//!
//! Not who may write it. The invariant: a container that ended for good does not run again.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::names;
use serde_json::Value;

use super::super::address;
use super::super::at::{At, quote, show};
use super::super::meta::Change;
use super::super::rules::{self, Seen};
use super::{resources, update};

/// Longest message about the health of a device, in bytes.
const HEALTH_MESSAGE_MAX: usize = 1024;

pub(in super::super) fn pod_status(change: &Change<'_, '_>) {
    change.metadata();
    update::annotation_changes(change);
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    let (spec, old_spec) = (change.new.field("spec"), change.old.field("spec"));
    conditions(&status.field("conditions"));
    if spec.get_text("nodeName") != old_spec.get_text("nodeName") {
        status.field("nodeName").forbidden("may not be changed directly");
    }
    nominated_node(&status.field("nominatedNodeName"), old.get_text("nominatedNodeName"), &old_spec);
    let generation = status.field("observedGeneration");
    if generation.number() < 0 {
        generation.invalid_number("must be a non-negative integer");
    }
    if status.get_text("qosClass") != old.get_text("qosClass") {
        status.field("qosClass").invalid_text("field is immutable");
    }
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        transitions(&status.field(list), &old.field(list), &old_spec, list);
    }
    claim_statuses(&status, &spec);
    addresses(&status.field("podIPs"), &old.field("podIPs"));
    let hosts = status.field("hostIPs");
    if !hosts.is_empty() {
        let first = hosts.index(0);
        if first.get_text("ip") != status.get_text("hostIP") {
            first.field("ip").invalid_text("must be equal to `hostIP`");
        }
        addresses(&hosts, &old.field("hostIPs"));
    }
    container_statuses(&status, &spec);
}

fn conditions(conditions: &At<'_, '_>) {
    for condition in conditions.items() {
        let generation = condition.field("observedGeneration");
        if generation.number() < 0 {
            generation.invalid_number("must be a non-negative integer");
        }
        if !matches!(condition.get_text("type"), "PodScheduled" | "Ready" | "Initialized") {
            condition.field_shown("type", "Type").named(names::qualified_name);
        }
    }
}

fn nominated_node(at: &At<'_, '_>, before: &str, old_spec: &At<'_, '_>) {
    if at.is_empty() || at.text() == before {
        return;
    }
    at.named(names::dns1123_subdomain);
    if !old_spec.field("nodeName").is_empty() {
        at.forbidden("may not be set on pods that are already bound to a node");
    }
}

/// Containers that ended run again only if their policy says so.
fn transitions(new: &At<'_, '_>, old: &At<'_, '_>, spec: &At<'_, '_>, list: &str) {
    let ended = |status: &Value| status.pointer("/state/terminated").is_some_and(|ended| !ended.is_null());
    if !old.list().iter().any(ended) {
        return;
    }
    let containers = match list {
        "containerStatuses" => spec.field("containers"),
        "initContainerStatuses" => spec.field("initContainers"),
        _ => spec.field("ephemeralContainers"),
    };
    if list != "ephemeralContainerStatuses" && all_may_restart(spec) {
        return;
    }
    let (after, specs) = (by_name(new), by_name(&containers));
    for (index, before) in old.list().iter().enumerate().filter(|(_, before)| ended(before)) {
        let name = before.get("name").and_then(Value::as_str).unwrap_or("");
        let runs_again = after.get(name).is_some_and(|after| !ended(after));
        let may_restart = list != "ephemeralContainerStatuses"
            && specs.get(name).is_some_and(|container| may_restart(container, before, spec));
        if runs_again && !may_restart {
            let status = new.item(before, index);
            status.shown("state").forbidden("may not be transitioned to non-terminated state");
        }
    }
}

fn by_name<'v>(list: &At<'v, '_>) -> BTreeMap<&'v str, &'v Value> {
    list.items().map(|item| (item.get_text("name"), item.value())).collect()
}

/// Whether the end of one container may restart all (KEP-5532).
fn all_may_restart(spec: &At<'_, '_>) -> bool {
    ["initContainers", "containers"].iter().any(|list| {
        spec.field(list).items().any(|container| {
            let rules = container.field("restartPolicyRules");
            rules
                .list()
                .iter()
                .any(|rule| rule.get("action").is_some_and(|action| action == "RestartAllContainers"))
        })
    })
}

/// `ContainerShouldRestart` in `pkg/api/v1/pod/util.go`.
fn may_restart(container: &Value, status: &Value, spec: &At<'_, '_>) -> bool {
    let code = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64).unwrap_or(0);
    let text = |name: &str| container.get(name).and_then(Value::as_str);
    let by_policy = |policy: &str| match policy {
        "OnFailure" => code != 0,
        "Never" => false,
        _ => true,
    };
    let Some(own) = text("restartPolicy") else { return by_policy(spec.get_text("restartPolicy")) };
    let rules = container.get("restartPolicyRules").and_then(Value::as_array);
    let restarts = |rule: &Value| {
        let codes = rule.pointer("/exitCodes/values").and_then(Value::as_array);
        let is_listed = codes.is_some_and(|codes| codes.iter().any(|listed| listed == code));
        match rule.pointer("/exitCodes/operator").and_then(Value::as_str) {
            Some("In") => is_listed,
            Some("NotIn") => !is_listed,
            _ => false,
        }
    };
    rules.is_some_and(|rules| rules.iter().any(restarts)) || by_policy(own)
}

/// At most one address of each family.
fn addresses(list: &At<'_, '_>, old: &At<'_, '_>) {
    let existing = old.items().map(|item| item.get_text("ip")).collect();
    let ips: Vec<_> =
        list.items().filter_map(|item| address::ip(&item.with(item.get("ip")), &existing)).collect();
    if list.len() > 1 && (list.len() > 2 || !address::is_dual_stack(ips.into_iter())) {
        list.invalid_as(show(list.value()), "may specify no more than one IP for each IP family");
    }
}

/// Claims that the status speaks of are the pod's.
fn claim_statuses(status: &At<'_, '_>, spec: &At<'_, '_>) {
    let claims = resources::claim_names(&spec.field("resourceClaims"));
    let mut seen = Seen::new();
    for claim in status.field("resourceClaimStatuses").items() {
        let name = claim.field("name");
        if !claims.contains(name.text()) {
            name.invalid_text("must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name.text()) {
            name.duplicate();
        }
        let generated = claim.field("resourceClaimName");
        if generated.is_set() {
            generated.named(names::dns1123_subdomain);
        }
    }
    extended_claim(&status.field("extendedResourceClaimStatus"), spec);
}

fn extended_claim(status: &At<'_, '_>, spec: &At<'_, '_>) {
    if !status.is_set() {
        return;
    }
    let mut containers = by_name(&spec.field("initContainers"));
    containers.extend(by_name(&spec.field("containers")));
    let mappings = status.field("requestMappings");
    if mappings.is_empty() {
        mappings.required("at least one request mapping is required");
    }
    let mut seen = BTreeSet::new();
    for mapping in mappings.items() {
        let fields = ["containerName", "resourceName", "requestName"].map(|name| mapping.field(name));
        let [container, resource, request] = &fields;
        match containers.get(container.text()) {
            None => container.invalid_text(
                "must match the name of an entry in spec.initContainers.name or spec.containers.name",
            ),
            Some(container)
                if container
                    .pointer("/resources/requests")
                    .and_then(|of| of.get(resource.text()))
                    .is_none() =>
            {
                resource.invalid_text(
                    "must match the extended resource name of an entry in spec.initContainers.resources.requests or \
                     spec.containers.resources.requests",
                );
            }
            Some(_) => {}
        }
        status.with(request.value()).shown("requestName").named(names::dns1123_label);
        if !seen.insert(fields.map(|field| field.text())) {
            fields.iter().for_each(|field| field.duplicate());
        }
    }
    status.field("resourceClaimName").required_name(names::dns1123_subdomain);
}

/// Users and devices of containers.
fn container_statuses(status: &At<'_, '_>, spec: &At<'_, '_>) {
    let os = spec.field("os");
    let is_windows = os.get_text("name") == "windows";
    for (list, containers) in [
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
        ("ephemeralContainerStatuses", ""),
    ] {
        let of = by_name(&spec.field(containers));
        for container in status.field(list).items() {
            let user = container.field("user");
            let linux = user.field("linux");
            if linux.is_set() && is_windows {
                linux.forbidden("cannot be set for a windows pod");
            } else if linux.is_set() {
                ["uid", "gid"].iter().for_each(|name| rules::unix_id(&linux.field(name)));
                linux.field("supplementalGroups").items().for_each(|group| rules::unix_id(&group));
            }
            let devices = container.field("allocatedResourcesStatus");
            if containers.is_empty() {
                if !devices.is_empty() {
                    devices.forbidden("must not be specified in container status");
                }
            } else {
                let spec = of.get(container.get_text("name")).copied();
                devices.items().for_each(|device| allocated(&device, spec));
            }
        }
    }
}

/// The health of devices (KEP-4680).
fn allocated(device: &At<'_, '_>, container: Option<&Value>) {
    let name = device.field("name");
    if let Some(container) = container {
        let (known, why) = if name.text().starts_with("claim:") {
            let claims = container.pointer("/resources/claims").and_then(Value::as_array);
            let is_it = |claim: &Value| {
                let text =
                    |name: &str| claim.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                let request = text("request").map(|request| format!("/{request}")).unwrap_or_default();
                name.text() == format!("claim:{}{request}", text("name").unwrap_or(""))
            };
            let why = "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
                       'claim:<claimName>' if request is empty";
            (claims.is_some_and(|claims| claims.iter().any(is_it)), why)
        } else {
            let requests = container.pointer("/resources/requests");
            let known = requests.is_some_and(|requests| requests.get(name.text()).is_some());
            (known, "must match one of the container's resource requests")
        };
        if !known {
            name.invalid_text(why);
        }
    }
    let mut seen = Seen::new();
    for resource in device.field("resources").items() {
        resource.field("health").one_of(&["Healthy", "Unhealthy", "Unknown"]);
        let (message, id) = (resource.field("message"), resource.field("resourceID"));
        if message.is_set() && message.is_empty() {
            message.required("must be non-empty if specified");
        } else if message.len() > HEALTH_MESSAGE_MAX {
            message.too_long(HEALTH_MESSAGE_MAX);
        }
        if !seen.insert(id.text()) {
            id.duplicate_as(quote(id.text()), "");
        }
    }
}
