//! What extends a cluster: drivers of storage and devices, admission, custom resources, other API servers, flow control.

use serde_json::{Value, json};

use crate::tree::{Get, Set, Tree};

/// `pkg/apis/storage/v1/defaults.go`, `SetDefaults_CSIDriver`.
pub(crate) fn csi_driver(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("attachRequired", true);
    for flag in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        spec.default_to(flag, false);
    }
    spec.default_to("fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.is_unset("volumeLifecycleModes") {
        spec.put("volumeLifecycleModes", json!(["Persistent"]));
    }
}

/// The lists are always written.
pub(crate) fn csi_node(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.entry("drivers").or_insert(Value::Null);
    for driver in spec.objects_mut("drivers") {
        driver.entry("topologyKeys").or_insert(Value::Null);
    }
}

/// Whether the volume is attached is always written.
pub(crate) fn volume_attachment(tree: &mut Tree) {
    tree.make("spec").make("source");
    volume_attachment_status(tree.make("status"));
}

pub(crate) fn volume_attachment_status(status: &mut Tree) {
    status.default_to("attached", false);
}

/// `pkg/apis/admissionregistration/v1/defaults.go`: webhooks that validate.
pub(crate) fn validating_webhooks(tree: &mut Tree) {
    tree.objects_mut("webhooks").for_each(webhook);
}

/// Webhooks that change what they admit are called once unless they say otherwise.
pub(crate) fn mutating_webhooks(tree: &mut Tree) {
    for hook in tree.objects_mut("webhooks") {
        webhook(hook);
        hook.default_to("reinvocationPolicy", "Never");
    }
}

fn webhook(hook: &mut Tree) {
    hook.default_to("failurePolicy", "Fail");
    hook.default_to("timeoutSeconds", 10);
    matching(hook, "rules");
    service_port(hook.make("clientConfig"));
}

/// Which objects a webhook or a policy is asked about.
fn matching(tree: &mut Tree, rules: &str) {
    tree.default_to("matchPolicy", "Equivalent");
    tree.make("namespaceSelector");
    tree.make("objectSelector");
    scopes(tree, rules);
}

fn scopes(tree: &mut Tree, rules: &str) {
    tree.objects_mut(rules).for_each(|rule| rule.default_to("scope", "*"));
}

/// A service is reached at the port of HTTPS.
fn service_port(client: &mut Tree) {
    if let Some(service) = client.object_mut("service") {
        service.default_to("port", 443);
    }
}

/// Policies of admission: those that validate and those that change.
pub(crate) fn admission_policy(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("failurePolicy", "Fail");
    match_resources(spec, "matchConstraints");
}

pub(crate) fn admission_policy_binding(tree: &mut Tree) {
    match_resources(tree.make("spec"), "matchResources");
}

fn match_resources(spec: &mut Tree, field: &str) {
    if let Some(resources) = spec.object_mut(field) {
        matching(resources, "resourceRules");
        scopes(resources, "excludeResourceRules");
    }
}

/// `pkg/apis/flowcontrol/v1/defaults.go`, `SetDefaults_FlowSchemaSpec`.
pub(crate) fn flow_schema(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.make("priorityLevelConfiguration").default_to("name", "");
    default_zero(spec, "matchingPrecedence", 1000);
}

/// In Go a number that is zero is one that was not given.
fn default_zero(tree: &mut Tree, field: &str, value: i64) {
    if tree.number(field).unwrap_or_default() == 0 {
        tree.put(field, value);
    }
}

/// `pkg/apis/flowcontrol/v1/defaults.go`: limited and exempt levels, and the queues of the former.
pub(crate) fn priority_level(tree: &mut Tree) {
    let spec = tree.make("spec");
    for (kind, shares) in [("limited", 30), ("exempt", 0)] {
        let Some(level) = spec.object_mut(kind) else { continue };
        level.default_to("nominalConcurrencyShares", shares);
        level.default_to("lendablePercent", 0);
        if kind == "limited" {
            queues(level.make("limitResponse"));
        }
    }
}

fn queues(response: &mut Tree) {
    if let Some(queuing) = response.object_mut("queuing") {
        default_zero(queuing, "queues", 64);
        default_zero(queuing, "handSize", 8);
        default_zero(queuing, "queueLengthLimit", 50);
    }
}

/// `pkg/apis/resource/v1/defaults.go`: how many devices a request is for.
pub(crate) fn resource_claim(tree: &mut Tree) {
    claim_spec(tree.make("spec"));
}

pub(crate) fn resource_claim_template(tree: &mut Tree) {
    let template = tree.make("spec");
    template.make("metadata");
    super::metadata(template);
    claim_spec(template.make("spec"));
}

fn claim_spec(spec: &mut Tree) {
    let devices = spec.make("devices");
    for request in devices.objects_mut("requests") {
        if let Some(exactly) = request.object_mut("exactly") {
            device_request(exactly);
        }
        request.objects_mut("firstAvailable").for_each(device_request);
    }
}

fn device_request(request: &mut Tree) {
    request.default_text("allocationMode", "ExactCount");
    if request.text("allocationMode") == "ExactCount" {
        default_zero(request, "count", 1);
    }
    request.objects_mut("tolerations").for_each(|toleration| toleration.default_text("operator", "Equal"));
}

/// Numbers of a pool are always written.
pub(crate) fn resource_slice(tree: &mut Tree) {
    let pool = tree.make("spec").make("pool");
    pool.default_to("generation", 0);
    pool.default_to("resourceSliceCount", 0);
}

/// A taint of a new slice that does not say since when it is there is there since now.
pub(crate) fn date_taints(tree: &mut Tree) {
    let now = tree.make("metadata").text("creationTimestamp").to_owned();
    for device in tree.make("spec").objects_mut("devices") {
        device.objects_mut("taints").for_each(|taint| taint.default_text("timeAdded", &now));
    }
}

/// `apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go`.
pub(crate) fn custom_resource_definition(tree: &mut Tree) {
    let spec = tree.make("spec");
    let names = spec.make("names");
    let kind = names.text("kind").to_owned();
    names.default_text("singular", &kind.to_lowercase());
    if !kind.is_empty() {
        names.default_text("listKind", &format!("{kind}List"));
    }
    spec.default_to("conversion", json!({"strategy": "None"}));
    if let Some(webhook) = spec.make("conversion").object_mut("webhook")
        && let Some(client) = webhook.object_mut("clientConfig")
    {
        service_port(client);
    }
    let stored = stored_version(spec);
    let status = tree.make("status");
    definition_status(status);
    if let Some(version) = stored
        && status.is_unset("storedVersions")
    {
        status.put("storedVersions", vec![version]);
    }
}

/// The version in which objects are stored.
fn stored_version(spec: &Tree) -> Option<String> {
    let stored =
        spec.list("versions").iter().find(|version| version.at("storage") == Some(&Value::Bool(true)))?;
    Some(stored.text("name").to_owned())
}

/// Its list of stored versions names the one that is stored from now on.
pub(crate) fn add_stored_version(tree: &mut Tree) {
    let Some(version) = tree.object_at("spec").and_then(stored_version) else { return };
    let status = tree.make("status");
    let mut all = status.list("storedVersions").to_vec();
    if !all.iter().any(|known| *known == version) {
        all.push(version.into());
        status.put("storedVersions", all);
    }
}

/// What Kubernetes' encoder always writes.
pub(crate) fn definition_status(status: &mut Tree) {
    let names = status.make("acceptedNames");
    names.default_to("kind", "");
    names.default_to("plural", "");
    for list in ["conditions", "storedVersions"] {
        status.entry(list).or_insert(Value::Null);
    }
}

/// `kube-aggregator/pkg/apis/apiregistration/v1/defaults.go`.
pub(crate) fn api_service(tree: &mut Tree) {
    let spec = tree.make("spec");
    service_port(spec);
    spec.default_to("groupPriorityMinimum", 0);
    spec.default_to("versionPriority", 0);
}
