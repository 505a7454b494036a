//! Rules of pods and of templates of pods (`pkg/apis/core/validation/validation.go`: `ValidatePodCreate`,
//! `ValidatePodSpec`, `ValidatePodTemplateSpec`).
//!
//! The parts are in the modules below; here is what holds them together and the fields that stand alone. Not admission:
//! quota, security standards and priorities are decided elsewhere.

pub(super) mod affinity;
mod annotations;
mod containers;
mod dns;
mod env;
mod mounts;
mod probes;
mod projected;
pub(super) mod resize;
pub(super) mod resources;
pub(super) mod scheduling;
mod security;
pub(super) mod status;
pub(super) mod update;
mod volumes;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use orch_core::{Scope, names};
use serde_json::Value;

use super::at::At;
use super::rules::{self, Seen};
use super::{cluster, meta};

/// The bytes that fit into a host name of Linux.
const HOST_NAME_MAX: usize = 64;

/// What a container has to know of its pod.
struct Context<'v> {
    /// The valid volumes.
    volumes: BTreeMap<&'v str, volumes::Kind>,
    /// Names of resource claims.
    claims: BTreeSet<&'v str>,
    grace_period: Option<i64>,
    /// The name of the operating system, if one is given.
    os: Option<&'v str>,
    restart_policy: &'v str,
    /// Whether users of the host are users of the pod.
    host_users: bool,
}

/// Whose spec it is.
#[derive(Clone, Copy)]
pub(super) enum Whose<'m, 'v> {
    /// A pod's, with its metadata.
    Pod(&'m At<'v, 'm>),
    /// A template's.
    Template,
    /// A stateful set's, with the claims that it makes for each pod.
    StatefulSet(&'v [Value]),
}

impl<'v> Whose<'_, 'v> {
    fn is_pod(self) -> bool {
        matches!(self, Self::Pod(_))
    }

    /// A volume is added for each of these.
    fn claim_templates(self) -> &'v [Value] {
        match self {
            Self::Pod(_) | Self::Template => &[],
            Self::StatefulSet(claims) => claims,
        }
    }

    fn pod_name(self) -> &'v str {
        match self {
            Self::Pod(meta) => meta.get_text("name"),
            Self::Template | Self::StatefulSet(_) => "",
        }
    }

    fn is_mirror(self) -> bool {
        matches!(self, Self::Pod(meta) if rules::annotation(meta, annotations::MIRROR).is_some())
    }
}

pub(super) fn pod(object: &At<'_, '_>) {
    metadata_and_spec(object);
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    let ephemeral = spec.field("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("cannot be set on create");
    }
    let node = spec.field("nodeName");
    if !node.is_empty() && !spec.field("schedulingGates").is_empty() {
        node.forbidden("cannot be set until all schedulingGates have been cleared");
    }
    annotations::agree_with_fields(&meta, &spec);
}

/// `validatePodMetadataAndSpec`.
fn metadata_and_spec(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    let (metadata, spec) = (object.field("metadata"), object.field("spec"));
    annotations::annotations(&metadata.field("annotations"), &spec);
    pod_spec(&spec, Whose::Pod(&metadata));
    if spec.field("serviceAccountName").is_empty() {
        projected::no_tokens(&spec.field("volumes"));
    }
    for list in ["containers", "initContainers"] {
        spec.field(list).items().for_each(|container| containers::trimmed_image(&container));
    }
}

/// A template: labels, annotations and a spec.
pub(super) fn template<'v>(at: &At<'v, '_>, whose: Whose<'_, 'v>) {
    let (meta, spec) = (at.field("metadata"), at.field("spec"));
    template_metadata(at, &meta);
    pod_spec(&spec, whose);
    annotations::agree_with_fields(&meta, &spec);
    let ephemeral = spec.field("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("ephemeral containers not allowed in pod template");
    }
}

/// Labels and annotations of a template, reported without `metadata` as upstream does.
pub(super) fn template_metadata(at: &At<'_, '_>, meta: &At<'_, '_>) {
    let shown = at.with(meta.value());
    rules::labels(&shown.field("labels"));
    rules::annotations(&shown.field("annotations"));
    annotations::annotations(&shown.field("annotations"), &at.field("spec"));
}

/// `ValidatePodSpec`.
fn pod_spec<'v>(spec: &At<'v, '_>, whose: Whose<'_, 'v>) {
    let grace = spec.field("terminationGracePeriodSeconds");
    if !grace.is_set() {
        grace.required("");
    }
    let context = Context {
        volumes: volumes::volumes(&spec.field("volumes"), whose),
        claims: resources::claim_names(&spec.field("resourceClaims")),
        grace_period: grace.is_set().then(|| grace.number()),
        os: spec.has("os").then(|| spec.field("os").get_text("name")),
        restart_policy: spec.get_text("restartPolicy"),
        host_users: !spec.field("hostUsers").is_false(),
    };
    resources::pod_claims(&spec.field("resourceClaims"), whose);
    containers::all(spec, &context);
    resources::pod_level(spec, &context.claims);
    host_network(spec, whose);
    spec.field("restartPolicy").required_one_of(&["Always", "OnFailure", "Never"]);
    spec.field("dnsPolicy").required_one_of(dns::POLICIES);
    rules::labels(&spec.field("nodeSelector"));
    security::pod(spec);
    affinity::affinity(&spec.field("affinity"));
    dns::config(&spec.field("dnsConfig"), spec.get_text("dnsPolicy"));
    gates(spec);
    scheduling::spread_constraints(&spec.field("topologySpreadConstraints"));
    windows::host_process(spec);
    host_users(spec, context.host_users);
    host_name_override(spec);
    lone_fields(spec, whose);
    windows::os(spec);
    let group = spec.field("schedulingGroup");
    if group.is_set() {
        let name = group.field("podGroupName");
        if name.is_set() {
            name.named(names::dns1123_subdomain);
        } else {
            name.invalid("must specify one of: `podGroupName`");
        }
    }
    env::files_exist(spec);
}

/// Fields that depend on nothing else.
fn lone_fields(spec: &At<'_, '_>, whose: Whose<'_, '_>) {
    for name in ["serviceAccountName", "nodeName"] {
        spec.field(name).optional_name(names::dns1123_subdomain);
    }
    let deadline = spec.field("activeDeadlineSeconds");
    if deadline.is_set() && !(1..=i64::from(i32::MAX)).contains(&deadline.number()) {
        deadline.invalid_number("must be between 1 and 2147483647, inclusive");
    }
    // A stateful set gives its pods these names itself.
    if !matches!(whose, Whose::StatefulSet(_)) {
        for name in ["hostname", "subdomain"] {
            spec.field(name).optional_name(names::dns1123_label);
        }
    }
    scheduling::tolerations(&spec.field("tolerations"));
    dns::host_aliases(&spec.field("hostAliases"));
    spec.field("priorityClassName").optional_name(names::dns1123_subdomain);
    let runtime_class = spec.field("runtimeClassName");
    if runtime_class.is_set() {
        runtime_class.named(names::dns1123_subdomain);
    }
    let preemption = spec.field("preemptionPolicy");
    if preemption.is_set() {
        preemption.required_one_of(cluster::PREEMPTION_POLICIES);
    }
    // Upstream judges it as the limits of a container.
    resources::overhead(&spec.field("overhead").shown("limits"));
}

/// Readiness gates and scheduling gates.
fn gates(spec: &At<'_, '_>) {
    for gate in spec.field("readinessGates").items() {
        gate.field("conditionType").named(names::qualified_name);
    }
    let mut seen = Seen::new();
    for gate in spec.field("schedulingGates").items() {
        let name = gate.with(gate.get("name"));
        name.named(names::qualified_name);
        if !seen.insert(name.text()) {
            name.duplicate();
        }
    }
}

/// In the host's network a port is the same outside and inside.
fn host_network(spec: &At<'_, '_>, whose: Whose<'_, '_>) {
    if !spec.field("hostNetwork").is_true() {
        return;
    }
    for container in spec.field("containers").items() {
        for port in container.field("ports").items() {
            let host = port.field("hostPort");
            let required = whose.is_pod() || host.number() != 0;
            if required && host.number() != port.field("containerPort").number() {
                host.invalid_number("must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

/// Pods with users of their own share little with the host.
fn host_users(spec: &At<'_, '_>, host_users: bool) {
    const RULE: &str = "when `hostUsers` is false";
    if host_users {
        return;
    }
    for (name, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        let field = spec.field_shown(name, shown);
        if field.is_true() {
            field.forbidden(RULE);
        }
    }
    each_container(spec, |container| {
        let devices = container.field("volumeDevices");
        if !devices.is_empty() {
            devices.forbidden(RULE);
        }
    });
}

fn host_name_override(spec: &At<'_, '_>) {
    let name = spec.field("hostnameOverride");
    if !name.is_set() {
        return;
    }
    for other in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec.field(other).is_true() {
            name.forbidden(format!("may not be specified when {other} is true"));
        }
    }
    if name.len() > HOST_NAME_MAX {
        name.too_long(HOST_NAME_MAX);
    }
    name.named(names::dns1123_subdomain);
}

/// Every container of a pod, in upstream's order.
fn each_container<'v>(spec: &At<'v, '_>, mut rule: impl FnMut(&At<'v, '_>)) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        spec.field(list).items().for_each(|container| rule(&container));
    }
}
