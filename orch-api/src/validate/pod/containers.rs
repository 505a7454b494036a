//! Rules of containers: of a pod, before it and added to it (`validateContainers`, `validateInitContainers`,
//! `validateEphemeralContainers`).
//!
//! Environment, mounts, probes, resources and security have modules of their own. The invariant: names are unique
//! among all containers of a pod.

use orch_core::names;
use serde_json::Value;

use super::super::at::{At, quote};
use super::super::rules::{self, Seen};
use super::super::same;
use super::{Context, env, mounts, probes, resources, security};

pub(super) const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];

/// Fields that a container added to a running pod cannot have, in upstream's order.
const NOT_EPHEMERAL: &[&str] = &[
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// All containers of a pod.
pub(super) fn all(spec: &At<'_, '_>, context: &Context<'_>) {
    let (containers, init, ephemeral) =
        (spec.field("containers"), spec.field("initContainers"), spec.field("ephemeralContainers"));
    main(&containers, context);
    let mut seen = Seen::new();
    for container in containers.items().filter(|_| !init.is_empty() || !ephemeral.is_empty()) {
        seen.insert(container.get_text("name"));
    }
    before(&init, &mut seen, context);
    added(&ephemeral, &mut seen, context);
}

fn main(containers: &At<'_, '_>, context: &Context<'_>) {
    if containers.is_empty() {
        containers.required("");
        return;
    }
    let mut seen = Seen::new();
    let mut ports = Seen::new();
    for container in containers.items() {
        common(&container, context);
        let name = container.field("name");
        if !seen.insert(name.text()) {
            name.duplicate_as(quote(name.text()), "");
        }
        probes::of_container(&container, context);
        restart_policy(&container);
    }
    containers.items().for_each(|container| host_ports(&container.field("ports"), &mut ports));
}

fn before<'v>(containers: &At<'v, '_>, seen: &mut Seen<&'v str>, context: &Context<'_>) {
    const RULE: &str = "may not be set for init containers without restartPolicy=Always";
    for container in containers.items() {
        common(&container, context);
        restart_policy(&container);
        let name = container.field("name");
        if name.is_empty() {
            // Reported already; several may lack one.
        } else if !seen.insert(name.text()) {
            name.duplicate();
        }
        // Upstream looks at each alone and reports it as the first.
        let alone = containers.item(container.value(), 0);
        host_ports(&alone.field("ports"), &mut Seen::new());
        if container.get_text("restartPolicy") == "Always" {
            probes::of_container(&container, context);
            continue;
        }
        let fields = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];
        fields
            .map(|name| container.field(name))
            .iter()
            .filter(|at| at.is_set())
            .for_each(|at| at.forbidden(RULE));
        for resize in container.field("resizePolicy").items() {
            let policy = resize.field("restartPolicy");
            if policy.text() == "RestartContainer" {
                policy.invalid_text("must not be set to 'RestartContainer' for non-sidecar initContainers");
            }
        }
    }
}

fn added<'v>(containers: &At<'v, '_>, seen: &mut Seen<&'v str>, context: &Context<'_>) {
    const RULE: &str = "cannot be set for an Ephemeral Container";
    let mut names = Seen::new();
    for container in containers.items() {
        common(&container, context);
        trimmed_image(&container);
        let name = container.field("name");
        if seen.has(name.text()) || !names.insert(name.text()) {
            name.duplicate_as(quote(name.text()), "");
        }
        let target = container.field("targetContainerName");
        if !target.is_empty() && !seen.has(target.text()) {
            target.not_found();
        }
        for field in NOT_EPHEMERAL.iter().map(|name| container.field(name)) {
            if !same::same(field.value(), &Value::Null) {
                field.forbidden(RULE);
            }
        }
        for mount in container.field("volumeMounts").items() {
            let paths = ["subPath", "subPathExpr"].map(|name| mount.field(name));
            paths.iter().filter(|path| !path.is_empty()).for_each(|path| path.forbidden(RULE));
        }
    }
}

/// `validateContainerCommon`.
fn common(container: &At<'_, '_>, context: &Context<'_>) {
    container.field("name").required_name(names::dns1123_label);
    container.require(&["image"]);
    container.field("terminationMessagePolicy").required_one_of(&["File", "FallbackToLogsOnError"]);
    ports(&container.field("ports"));
    env::variables(&container.field("env"));
    env::sources(&container.field("envFrom"));
    mounts::mounts_and_devices(container, context);
    container.field("imagePullPolicy").required_one_of(PULL_POLICIES);
    resources::container(&container.field("resources"), &context.claims);
    resize_policy(&container.field("resizePolicy"), context.restart_policy);
    security::container(&container.field("securityContext"), context.host_users);
}

fn ports(ports: &At<'_, '_>) {
    let mut seen = Seen::new();
    for port in ports.items() {
        let name = port.field("name");
        if !name.is_empty() {
            match names::port_name(name.text()) {
                Err(messages) => messages.into_iter().for_each(|message| name.invalid_text(message)),
                Ok(()) if !seen.insert(name.text()) => name.duplicate(),
                Ok(()) => {}
            }
        }
        let number = port.field("containerPort");
        if number.number() == 0 {
            number.required("")
        } else {
            rules::port_number(&number)
        }
        let host = port.field("hostPort");
        if host.number() != 0 {
            rules::port_number(&host);
        }
        port.field("protocol").required_one_of(rules::PROTOCOLS);
    }
}

/// No two containers take the same port of the host.
fn host_ports<'v>(ports: &At<'v, '_>, seen: &mut Seen<(&'v str, &'v str, i64)>) {
    for port in ports.items() {
        let number = port.field("hostPort");
        let key = (port.get_text("protocol"), port.get_text("hostIP"), number.number());
        if key.2 != 0 && !seen.insert(key) {
            number.duplicate_as(quote(&format!("{}/{}/{}", key.0, key.1, key.2)), "");
        }
    }
}

/// An image has no space around it.
pub(super) fn trimmed_image(container: &At<'_, '_>) {
    let image = container.field("image");
    if image.text().trim().len() != image.len() {
        image.invalid_text("must not have leading or trailing whitespace");
    }
}

/// What happens to a container when its resources change; all faults but a duplicate are reported at the list.
fn resize_policy(list: &At<'_, '_>, pod_restart_policy: &str) {
    let mut seen = Seen::new();
    for policy in list.items() {
        let (resource, restart) = (policy.field("resourceName"), policy.field("restartPolicy"));
        if !seen.insert(resource.text()) {
            policy.with(resource.value()).duplicate();
        }
        list.with(resource.value()).required_one_of(&["cpu", "memory"]);
        let shown = list.with(restart.value());
        shown.required_one_of(&["NotRequired", "RestartContainer"]);
        if pod_restart_policy == "Never" && restart.text() != "NotRequired" {
            shown.invalid_text("must be 'NotRequired' when pod `restartPolicy` is 'Never'");
        }
    }
}

/// A container's own restart policy and its rules (KEP-5307).
fn restart_policy(container: &At<'_, '_>) {
    const RULES_MAX: usize = 20;
    const CODES_MAX: usize = 255;
    let (policy, rules) = (container.field("restartPolicy"), container.field("restartPolicyRules"));
    if policy.is_set() {
        policy.one_of(&["Always", "Never", "OnFailure"]);
    } else if !rules.is_empty() {
        policy.required("must specify restartPolicy when restart rules are used");
    }
    if rules.len() > RULES_MAX {
        rules.too_many(RULES_MAX);
    }
    for rule in rules.items() {
        rule.field("action").one_of(&["Restart", "RestartAllContainers"]);
        let codes = rule.field("exitCodes");
        if !codes.is_set() {
            codes.required("must be specified");
            continue;
        }
        codes.field("operator").one_of(&["In", "NotIn"]);
        if codes.field("values").len() > CODES_MAX {
            codes.field("values").too_many(CODES_MAX);
        }
    }
}
