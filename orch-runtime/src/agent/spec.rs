//! The facts that an agent keeps of a pod: a projection, read once per change of the spec.
//!
//! Fields have Kubernetes' names and, when absent, Kubernetes' defaults. What the agent does not act on is not here.

use std::collections::BTreeMap;
use std::time::Duration;

use orch_core::{Quantity, Str};
use serde::Deserialize;
use serde_json::Value;

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(super) struct $name { $($(#[$attribute])* pub(super) $field: $type,)* }
    )*};
}

facts! {
    /// `spec` of a pod.
    PodSpec {
        containers: Vec<Container>,
        init_containers: Vec<Container>,
        volumes: Vec<Volume>,
        restart_policy: RestartPolicy,
        termination_grace_period_seconds: Option<i64>,
        active_deadline_seconds: Option<i64>,
        host_network: bool,
        hostname: Str,
        subdomain: Str,
        node_name: Str,
        service_account_name: Str,
        enable_service_links: Option<bool>,
        node_selector: BTreeMap<Str, Str>,
        affinity: Affinity,
        tolerations: Vec<Toleration>,
        overhead: Amounts,
        resources: Resources,
        readiness_gates: Vec<ReadinessGate>,
        os: Named,
    }
    /// A container, init or not.
    Container {
        name: Str,
        image: Str,
        command: Vec<Str>,
        args: Vec<Str>,
        working_dir: Str,
        env: Vec<EnvVar>,
        env_from: Vec<EnvFrom>,
        image_pull_policy: Str,
        lifecycle: Lifecycle,
        liveness_probe: Option<Probe>,
        readiness_probe: Option<Probe>,
        startup_probe: Option<Probe>,
        ports: Vec<ContainerPort>,
        resources: Resources,
        restart_policy: Option<RestartPolicy>,
        restart_policy_rules: Vec<RestartRule>,
        termination_message_path: Option<Str>,
        termination_message_policy: Str,
        volume_mounts: Vec<VolumeMount>,
    }
    RestartRule { action: Str, exit_codes: ExitCodes, }
    ExitCodes { operator: Str, values: Vec<i32>, }
    Named { name: Str, }
    ReadinessGate { condition_type: Str, }
    Resources { requests: Amounts, limits: Amounts, }
    ContainerPort { name: Str, container_port: u16, host_port: u16, #[serde(rename = "hostIP")] host_ip: Str, protocol: Str, }
    EnvVar { name: Str, value: Str, value_from: Option<EnvSource>, }
    EnvSource {
        config_map_key_ref: Option<KeyRef>,
        secret_key_ref: Option<KeyRef>,
        field_ref: Option<FieldRef>,
        resource_field_ref: Option<ResourceFieldRef>,
    }
    EnvFrom { prefix: Str, config_map_ref: Option<ObjectRef>, secret_ref: Option<ObjectRef>, }
    ObjectRef { name: Str, optional: bool, }
    KeyRef { name: Str, key: Str, optional: bool, }
    FieldRef { field_path: Str, }
    ResourceFieldRef { container_name: Str, resource: Str, divisor: Option<Quantity>, }
    Lifecycle { post_start: Option<Hook>, pre_stop: Option<Hook>, }
    Hook { exec: Option<Exec>, http_get: Option<HttpGet>, sleep: Option<Sleep>, }
    Sleep { seconds: u64, }
    Exec { command: Vec<Str>, }
    HttpGet { host: Str, path: Str, port: Port, scheme: Str, http_headers: Vec<HttpHeader>, }
    HttpHeader { name: Str, value: Str, }
    TcpSocket { host: Str, port: Port, }
    Probe {
        exec: Option<Exec>,
        http_get: Option<HttpGet>,
        tcp_socket: Option<TcpSocket>,
        initial_delay_seconds: u32,
        period_seconds: Option<u32>,
        timeout_seconds: Option<u32>,
        success_threshold: Option<u32>,
        failure_threshold: Option<u32>,
        termination_grace_period_seconds: Option<i64>,
    }
    VolumeMount { name: Str, mount_path: Str, sub_path: Str, sub_path_expr: Str, read_only: bool, }
    Volume {
        name: Str,
        empty_dir: Option<EmptyDir>,
        config_map: Option<ConfigMapSource>,
        secret: Option<SecretSource>,
        #[serde(rename = "downwardAPI")] downward_api: Option<DownwardApi>,
        projected: Option<Projected>,
        host_path: Option<HostPath>,
        persistent_volume_claim: Option<Claim>,
        ephemeral: Option<Ephemeral>,
    }
    EmptyDir { medium: Str, }
    Ephemeral {}
    ConfigMapSource { name: Str, items: Vec<KeyToPath>, default_mode: Option<u32>, optional: bool, }
    SecretSource { secret_name: Str, items: Vec<KeyToPath>, default_mode: Option<u32>, optional: bool, }
    KeyToPath { key: Str, path: Str, mode: Option<u32>, }
    DownwardApi { items: Vec<DownwardFile>, default_mode: Option<u32>, }
    DownwardFile {
        path: Str,
        field_ref: Option<FieldRef>,
        resource_field_ref: Option<ResourceFieldRef>,
        mode: Option<u32>,
    }
    Projected { sources: Vec<Projection>, default_mode: Option<u32>, }
    Projection {
        config_map: Option<ProjectedRef>,
        secret: Option<ProjectedRef>,
        #[serde(rename = "downwardAPI")] downward_api: Option<DownwardApi>,
    }
    ProjectedRef { name: Str, items: Vec<KeyToPath>, optional: bool, }
    HostPath { path: Str, r#type: Str, }
    Claim { claim_name: Str, read_only: bool, }
    Affinity { node_affinity: NodeAffinity, }
    NodeAffinity { required_during_scheduling_ignored_during_execution: Option<NodeSelector>, }
    NodeSelector { node_selector_terms: Vec<NodeSelectorTerm>, }
    NodeSelectorTerm { match_expressions: Vec<NodeRequirement>, match_fields: Vec<NodeRequirement>, }
    NodeRequirement { key: Str, operator: Str, values: Vec<Str>, }
    Toleration { key: Str, operator: Str, value: Str, effect: Str, }
}

/// Amounts of resources by name.
pub(super) type Amounts = BTreeMap<Str, Quantity>;

/// When containers are started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// A port by number or by the name that a container gives it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Port {
    Number(u16),
    Name(Str),
}

impl Default for Port {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Port {
    /// The number; `None` when the container has no port of that name.
    pub(super) fn of(&self, container: &Container) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => {
                let named =
                    container.ports.iter().find(|port| port.name == *name).map(|port| port.container_port);
                named.or_else(|| name.parse().ok())
            }
        }
    }
}

impl PodSpec {
    /// Reads `spec`; a `null` stands for an absent field.
    pub(super) fn read(spec: &Value) -> serde_json::Result<Self> {
        if has_nulls(spec) { Self::deserialize(&without_nulls(spec)) } else { Self::deserialize(spec) }
    }

    /// Every container in the order of the agent's members: init containers, then the others.
    pub(super) fn all(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// The container of a member.
    pub(super) fn nth(&self, at: usize) -> &Container {
        self.all().nth(at).expect("a member stands for a container of the spec, whose number never changes")
    }

    /// How long the pod may take to end, when the one who deletes it does not say.
    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(
            self.termination_grace_period_seconds.and_then(|secs| secs.try_into().ok()).unwrap_or(30),
        )
    }

    pub(super) fn container(&self, name: &str) -> Option<&Container> {
        self.all().find(|container| &*container.name == name)
    }
}

impl Container {
    /// An init container that keeps running beside the others (KEP-753).
    pub(super) fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// Whether it is started again after that exit code (`pkg/api/v1/pod/util.go`, KEP-5307).
    pub(super) fn restarts_after(&self, pod: RestartPolicy, code: i32) -> bool {
        let rule = self.restart_policy_rules.iter().find(|rule| rule.matches(code));
        if rule.is_some_and(|rule| &*rule.action == "Restart") {
            return true;
        }
        match self.restart_policy.unwrap_or(pod) {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != 0,
            RestartPolicy::Never => false,
        }
    }

    /// Whether it is started again when the agent itself killed it.
    pub(super) fn restarts_after_kill(&self, pod: RestartPolicy) -> bool {
        self.restart_policy.unwrap_or(pod) != RestartPolicy::Never
    }
}

impl RestartRule {
    fn matches(&self, code: i32) -> bool {
        let listed = self.exit_codes.values.contains(&code);
        match &*self.exit_codes.operator {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        }
    }
}

/// Whether a field is `null` anywhere.
fn has_nulls(tree: &Value) -> bool {
    match tree {
        Value::Object(map) => map.values().any(|value| value.is_null() || has_nulls(value)),
        Value::Array(items) => items.iter().any(has_nulls),
        _ => false,
    }
}

/// A tree without its `null` fields.
pub(super) fn without_nulls(tree: &Value) -> Value {
    match tree {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_reads_with_defaults_and_nulls() {
        let spec = PodSpec::read(&json!({
            "containers": [{"name": "a", "image": "x", "env": null, "resources": {"requests": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}, "ports": [{"name": "http", "containerPort": 80}]}],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/x", "type": "Directory"}}],
        }))
        .unwrap();
        let container = &spec.containers[0];
        assert_eq!(spec.restart_policy, RestartPolicy::Always);
        assert_eq!(spec.grace(), Duration::from_secs(30));
        assert!(container.env.is_empty());
        assert_eq!(
            container.liveness_probe.as_ref().unwrap().http_get.as_ref().unwrap().port.of(container),
            Some(80)
        );
        assert!(spec.volumes[0].empty_dir.is_some());
        assert_eq!(&*spec.volumes[1].host_path.as_ref().unwrap().r#type, "Directory");
    }

    #[track_caller]
    fn restarts(container: Value, pod: RestartPolicy, code: i32, expected: bool) {
        let container: Container = serde_json::from_value(container).unwrap();
        assert_eq!(container.restarts_after(pod, code), expected);
    }

    #[test]
    fn the_restart_policy_decides_by_exit_code() {
        use RestartPolicy::{Always, Never, OnFailure};
        restarts(json!({}), Always, 0, true);
        restarts(json!({}), OnFailure, 0, false);
        restarts(json!({}), OnFailure, 1, true);
        restarts(json!({}), Never, 1, false);
        restarts(json!({"restartPolicy": "Always"}), Never, 1, true);
        restarts(json!({"restartPolicy": "Never"}), Always, 0, false);
        let rules = json!({"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]});
        restarts(rules.clone(), Never, 42, true);
        restarts(rules, Never, 1, false);
        let rules = json!({"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [0]}}]});
        restarts(rules.clone(), Never, 1, true);
        restarts(rules, Never, 0, false);
    }
}
