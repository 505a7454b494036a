//! The node's own object and Lease (`pkg/kubelet/kubelet_node_status.go`, `pkg/kubelet/nodestatus/setters.go`,
//! `component-helpers/apimachinery/lease`). Pure; time comes in.
//!
//! Registered once: a node that somebody deletes stays deleted until its agent starts again, as with the kubelet.
//! Taints for conditions are the node lifecycle controller's; the agent sets those of its config, once.

use std::collections::BTreeMap;
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Key, Live, Quantity, Str, Write, kind, rfc3339, rfc3339_micro};
use serde_json::{Map, Value, json};

use super::command::{Action, Command, Now};
use super::config::{AgentConfig, OS, arch};
use super::spec::without_nulls;
use super::worker::Abilities;

/// What an agent of 1.36 says it is.
pub(super) const VERSION: &str = "v1.36.2-orch";

/// What the agent does for its node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// As it is stored; `None` before it was read.
    stored: Option<Option<Live>>,
    address: Option<String>,
    is_registered: bool,
    /// A write of the node is out.
    is_writing: bool,
    reported: Option<Duration>,
    not_before: Option<Duration>,
    lease: Lease,
    /// Why the runtime cannot be used; empty when it can.
    trouble: String,
    /// What is stored says what the agent would, times of heartbeats aside: nothing that it depends on changed since.
    is_said: bool,
    /// What of the status follows from config, runtime and address.
    fixed: Option<Map<String, Value>>,
}

#[derive(Debug, Default)]
struct Lease {
    exists: bool,
    is_writing: bool,
    due: Duration,
}

impl Node {
    /// The node's object changed; `None` when there is none.
    pub(super) fn seen(&mut self, live: Option<Live>) {
        // Of the same revision is what the agent wrote itself, come back by its feed.
        let stale = |(old, new): (&Live, &Live)| new.revision() <= old.revision();
        if self.stored.as_ref().and_then(Option::as_ref).zip(live.as_ref()).is_some_and(stale) {
            return;
        }
        self.stored = Some(live);
        self.is_said = false;
    }

    /// All of the node's feed was told: what was not told is not there.
    pub(super) fn read(&mut self) {
        self.stored.get_or_insert(None);
    }

    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    pub(super) fn set_address(&mut self, address: String) {
        self.address = Some(address);
        (self.is_said, self.fixed) = (false, None);
    }

    /// Why the runtime cannot be used; empty when it can.
    pub(super) fn set_trouble(&mut self, trouble: String) {
        self.trouble = trouble;
        self.is_said = false;
    }

    /// The node's labels as they are stored; before, as they will be registered.
    pub(super) fn labels(&self, config: &AgentConfig) -> BTreeMap<Str, Str> {
        match self.stored.as_ref().and_then(Option::as_ref) {
            Some(live) => live.header().labels.iter().cloned().collect(),
            None => {
                config.all_labels().into_iter().map(|(name, value)| (name.into(), value.into())).collect()
            }
        }
    }

    /// The node's taints: key, value, effect.
    pub(super) fn taints(&self, config: &AgentConfig) -> Vec<(Str, Str, Str)> {
        let text = |value: &Value| Str::from(value.as_str().unwrap_or_default());
        match self.stored.as_ref().and_then(Option::as_ref) {
            Some(live) => {
                let tree = live.tree();
                let taints = tree["spec"]["taints"].as_array().into_iter().flatten();
                taints
                    .map(|taint| (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"])))
                    .collect()
            }
            None => {
                let taints = config.taints.iter();
                taints.map(|taint| (taint.key.clone(), taint.value.clone(), taint.effect.clone())).collect()
            }
        }
    }

    /// Asks for what is missing; answers when to look again.
    pub(super) fn step(
        &mut self,
        config: &AgentConfig,
        runtime: &Abilities,
        now: Now,
        out: &mut Vec<Command>,
    ) -> Option<Duration> {
        let (Some(stored), Some(address)) = (self.stored.clone(), self.address.clone()) else { return None };
        let mut wake = None;
        self.register(config, runtime, now, out, stored.as_ref(), &address, &mut wake);
        if let Some(live) = stored.filter(|_| self.is_registered) {
            self.renew(config, now, out, &live, &mut wake);
        }
        wake
    }

    #[expect(clippy::too_many_arguments, reason = "what one step of registration depends on")]
    fn register(
        &mut self,
        config: &AgentConfig,
        runtime: &Abilities,
        now: Now,
        out: &mut Vec<Command>,
        stored: Option<&Live>,
        address: &str,
        wake: &mut Option<Duration>,
    ) {
        if self.is_writing {
            return;
        }
        if let Some(at) = self.not_before.filter(|at| *at > now.elapsed) {
            sooner(wake, at);
            return;
        }
        let due = self.reported.map(|reported| reported + config.timings.status_report);
        let is_due = due.is_none_or(|due| due <= now.elapsed);
        if self.is_said && !is_due {
            sooner(wake, due.unwrap_or_default());
            return;
        }
        let key = Key::cluster(kind::NODES, config.node.clone());
        let Some(live) = stored else {
            if !self.is_registered {
                self.is_writing = true;
                let tree = self.tree(config, runtime, now, address);
                out.push(command(Action::Node(Write::create(key, tree))));
            }
            return;
        };
        if !self.is_registered
            && let Some(patch) = missing_labels(config, live)
        {
            self.is_writing = true;
            out.push(command(Action::Node(Write::merge(key, patch))));
            return;
        }
        self.is_registered = true;
        let stored = live.part_tree(Part::Status);
        let status = self.status(config, runtime, now, address, &stored);
        let changed = differs(&stored, &status);
        if !changed && !is_due {
            self.is_said = true;
            sooner(wake, due.unwrap_or_default());
            return;
        }
        self.is_writing = true;
        let write = Write::merge_status(key, Value::from_iter([("status", status)])).of(live.uid());
        out.push(command(if changed { Action::Node(write) } else { Action::Heartbeat(write) }));
    }

    /// A write of the node was answered.
    pub(super) fn written(&mut self, config: &AgentConfig, now: Now, result: orch_core::Result<Live>) {
        self.is_writing = false;
        match result {
            Ok(live) => {
                if self.is_registered {
                    self.reported = Some(now.elapsed);
                }
                self.seen(Some(live));
            }
            // Its feed brings what is there.
            Err(error) if error.is_conflict() || matches!(error, orch_core::Error::AlreadyExists { .. }) => {
                self.not_before = Some(now.elapsed + Duration::from_millis(100));
            }
            Err(error) => {
                tracing::debug!(%error, node = %config.node, "node not written");
                self.not_before = Some(now.elapsed + config.timings.lease_renew.min(Duration::from_secs(1)));
            }
        }
    }

    fn renew(
        &mut self,
        config: &AgentConfig,
        now: Now,
        out: &mut Vec<Command>,
        node: &Live,
        wake: &mut Option<Duration>,
    ) {
        if self.lease.is_writing {
            return;
        }
        if self.lease.due > now.elapsed {
            sooner(wake, self.lease.due);
            return;
        }
        self.lease.is_writing = true;
        let key = Key::new(kind::LEASES, "kube-node-lease", config.node.clone());
        let spec = json!({
            "holderIdentity": &*config.node,
            "leaseDurationSeconds": config.timings.lease_duration.as_secs(),
            "renewTime": rfc3339_micro(now.wall),
        });
        let write = if self.lease.exists {
            Write::merge(key, json!({"spec": spec}))
        } else {
            let owner =
                json!({"apiVersion": "v1", "kind": "Node", "name": &*config.node, "uid": &**node.uid()});
            Write::create(
                key,
                json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
                    "metadata": {"name": &*config.node, "namespace": "kube-node-lease", "ownerReferences": [owner]},
                }),
            )
        };
        out.push(command(Action::Lease(write)));
    }

    /// A write of the Lease was answered.
    pub(super) fn renewed(&mut self, config: &AgentConfig, now: Now, result: &orch_core::Result<Live>) {
        self.lease.is_writing = false;
        let soon = now.elapsed + config.timings.lease_renew.min(Duration::from_secs(1));
        match result {
            Ok(_) => {
                self.lease.exists = true;
                self.lease.due = now.elapsed + config.timings.lease_renew;
            }
            Err(orch_core::Error::AlreadyExists { .. }) => {
                self.lease.exists = true;
                self.lease.due = now.elapsed;
            }
            Err(error) if error.is_not_found() && self.lease.exists => {
                self.lease.exists = false;
                self.lease.due = now.elapsed;
            }
            Err(error) => {
                tracing::debug!(%error, node = %config.node, "lease not renewed");
                self.lease.due = soon;
            }
        }
    }

    fn tree(&mut self, config: &AgentConfig, runtime: &Abilities, now: Now, address: &str) -> Value {
        let mut spec = Map::new();
        if !config.taints.is_empty() {
            let taint = |taint: &super::config::Taint| {
                let mut tree = json!({"key": &*taint.key, "effect": &*taint.effect});
                if !taint.value.is_empty() {
                    tree["value"] = json!(&*taint.value);
                }
                tree
            };
            spec.insert("taints".into(), config.taints.iter().map(taint).collect());
        }
        json!({
            "apiVersion": "v1", "kind": "Node", "spec": spec,
            "metadata": {"name": &*config.node, "labels": config.all_labels()},
            "status": self.status(config, runtime, now, address, &Value::Null),
        })
    }

    /// Everything of `status` that the agent owns.
    fn status(
        &mut self,
        config: &AgentConfig,
        runtime: &Abilities,
        now: Now,
        address: &str,
        stored: &Value,
    ) -> Value {
        let fixed = self.fixed.get_or_insert_with(|| fixed(config, runtime, address));
        let mut status = fixed.clone();
        status.insert("conditions".to_owned(), self.conditions(now, stored));
        Value::Object(status)
    }

    fn conditions(&self, now: Now, stored: &Value) -> Value {
        let (ready, reason, message) = match &*self.trouble {
            "" => ("True", "KubeletReady", "kubelet is posting ready status".to_owned()),
            why => ("False", "KubeletNotReady", format!("container runtime is down: {why}")),
        };
        let no = "False";
        let all = [
            ("MemoryPressure", no, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", no, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", no, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", ready, reason, &*message),
        ];
        let before: Vec<&Value> = stored["conditions"].as_array().into_iter().flatten().collect();
        let others =
            before.iter().filter(|condition| !all.iter().any(|(name, ..)| condition["type"] == *name));
        let mut conditions: Vec<Value> = others.map(|condition| without_nulls(condition)).collect();
        let now = rfc3339(now.wall);
        for (name, status, reason, message) in all {
            let before =
                before.iter().find(|condition| condition["type"] == name && condition["status"] == status);
            let since = before.and_then(|condition| condition["lastTransitionTime"].as_str()).unwrap_or(&now);
            conditions.push(
                json!({"type": name, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": since,
                "reason": reason, "message": message}),
            );
        }
        conditions.into()
    }
}

/// Everything of the status but its conditions.
fn fixed(config: &AgentConfig, runtime: &Abilities, address: &str) -> Map<String, Value> {
    let amounts = |amounts: BTreeMap<String, Quantity>| -> Value {
        let texts = amounts.into_iter().map(|(name, amount)| (name, json!(amount.to_string())));
        texts.collect::<Map<_, _>>().into()
    };
    let uid = format!("orch-{}", config.node);
    let fields = [
        (
            "addresses",
            json!([{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": &*config.node}]),
        ),
        ("capacity", amounts(config.capacity.clone())),
        ("allocatable", amounts(config.allocatable())),
        (
            "nodeInfo",
            json!({
                "machineID": uid, "systemUUID": uid, "bootID": uid, "kernelVersion": "orch", "osImage": "orch",
                "containerRuntimeVersion": format!("{}://{}", runtime.name, runtime.version),
                "kubeletVersion": VERSION, "kubeProxyVersion": "", "operatingSystem": OS, "architecture": arch(),
            }),
        ),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn command(action: Action) -> Command {
    Command { pod: None, action }
}

fn sooner(wake: &mut Option<Duration>, at: Duration) {
    *wake = Some(wake.map_or(at, |before| before.min(at)));
}

/// The labels of the config that the node lacks or has otherwise.
fn missing_labels(config: &AgentConfig, stored: &Live) -> Option<Value> {
    let is_wrong = |(name, value): &(String, String)| stored.label(name) != Some(&**value);
    let wrong = config.all_labels().into_iter().filter(is_wrong);
    let wrong: Map<String, Value> = wrong.map(|(name, value)| (name, json!(value))).collect();
    (!wrong.is_empty()).then(|| json!({"metadata": {"labels": wrong}}))
}

/// Whether a status says something else than what is stored, times of heartbeats aside.
fn differs(stored: &Value, status: &Value) -> bool {
    let same = |stored: &Value, value: &Value| match (stored, value) {
        (Value::Array(stored), Value::Array(items)) => {
            let mut pairs = stored.iter().zip(items);
            stored.len() == items.len() && pairs.all(|(old, new)| alike(old, new, "lastHeartbeatTime"))
        }
        _ => alike(stored, value, ""),
    };
    let fields = status.as_object().into_iter().flatten();
    fields.into_iter().any(|(name, value)| !same(&stored[name.as_str()], value))
}

/// Whether two values say the same; a field that is `null` is not there, and that one field is not looked at.
fn alike(one: &Value, other: &Value, ignored: &str) -> bool {
    let counts = |(name, value): &(&String, &Value)| !value.is_null() && *name != ignored;
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| alike(value, other, ""))
            };
            one.iter().filter(counts).count() == other.iter().filter(counts).count()
                && one.iter().filter(counts).all(same)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other, ""))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::object;
    use super::*;

    fn at(secs: u64) -> Now {
        let wall: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let elapsed = Duration::from_secs(secs);
        Now { elapsed, wall: wall + elapsed }
    }

    fn abilities() -> Abilities {
        Abilities { name: "task".into(), version: "1".into(), ..Abilities::default() }
    }

    fn stored(action: &Action) -> Live {
        let (Action::Node(write) | Action::Heartbeat(write)) = action else { panic!("{action:?}") };
        let tree = match &write.verb {
            orch_core::Verb::Create(tree) => tree.as_ref().clone(),
            other => panic!("{other:?}"),
        };
        Live::from(object(tree))
    }

    #[test]
    fn a_node_registers_then_reports_and_renews_on_time() {
        let config = AgentConfig::new("n1").taint("dedicated", "db", "NoSchedule");
        let (mut node, runtime) = (Node::default(), abilities());
        let mut out = Vec::new();
        assert_eq!(node.step(&config, &runtime, at(0), &mut out), None, "nothing is known yet");
        node.set_address("127.1.0.1".into());
        node.seen(None);
        node.step(&config, &runtime, at(0), &mut out);
        let live = stored(&out.pop().unwrap().action);
        let tree = live.tree();
        assert_eq!(tree["spec"]["taints"][0]["key"], "dedicated");
        assert_eq!(tree["status"]["allocatable"]["pods"], "110");
        assert_eq!(tree["status"]["addresses"][0]["address"], "127.1.0.1");
        assert_eq!(tree["status"]["nodeInfo"]["containerRuntimeVersion"], "task://1");
        assert_eq!(tree["metadata"]["labels"]["kubernetes.io/hostname"], "n1");
        node.written(&config, at(0), Ok(live.clone()));
        node.step(&config, &runtime, at(1), &mut out);
        let kinds: Vec<_> = out
            .drain(..)
            .map(|command| match command.action {
                Action::Heartbeat(_) => "report",
                Action::Lease(_) => "lease",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, ["report", "lease"], "what was registered says all: only the time is news");
        node.written(&config, at(1), Ok(live.clone()));
        node.renewed(&config, at(1), &Ok(live.clone()));
        assert_eq!(
            node.step(&config, &runtime, at(1), &mut out),
            Some(Duration::from_secs(11)),
            "the Lease is next"
        );
        assert!(out.is_empty());
        node.step(&config, &runtime, at(11), &mut out);
        assert!(matches!(out.pop().unwrap().action, Action::Lease(_)));
        node.renewed(&config, at(11), &Ok(live));
        node.set_trouble("gone".into());
        node.step(&config, &runtime, at(12), &mut out);
        let Action::Node(write) = out.pop().unwrap().action else { panic!("a change is written at once") };
        assert!(format!("{:?}", write.verb).contains("container runtime is down: gone"));
    }

    #[test]
    fn a_status_differs_by_more_than_heartbeats_and_nulls() {
        let stored = json!({"conditions": [{"type": "Ready", "lastHeartbeatTime": "1", "status": "True", "x": null}],
            "nodeInfo": {"a": "1", "b": null}, "other": 1});
        let check = |status: Value, expected| assert_eq!(differs(&stored, &status), expected, "{status}");
        check(json!({"conditions": [{"type": "Ready", "lastHeartbeatTime": "2", "status": "True"}]}), false);
        check(json!({"conditions": [{"type": "Ready", "lastHeartbeatTime": "1", "status": "False"}]}), true);
        check(json!({"conditions": []}), true);
        check(json!({"nodeInfo": {"a": "1"}}), false);
        check(json!({"nodeInfo": {"a": "1", "b": "2"}}), true);
        check(json!({"nodeInfo": {}}), true);
        check(json!({"capacity": {"cpu": "1"}}), true);
    }

    #[test]
    fn a_lease_that_is_gone_is_made_again() {
        let config = AgentConfig::new("n1");
        let mut node = Node { is_registered: true, ..Node::default() };
        let live = Live::from(object(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u"}}),
        ));
        node.lease.exists = true;
        let mut out = Vec::new();
        node.renew(&config, at(0), &mut out, &live, &mut None);
        let key = Key::cluster(kind::NODES, "n1");
        node.renewed(&config, at(0), &Err(orch_core::Error::NotFound { key }));
        node.renew(&config, at(0), &mut out, &live, &mut None);
        let Action::Lease(write) = out.pop().unwrap().action else { panic!() };
        let orch_core::Verb::Create(tree) = write.verb else { panic!("it is made anew") };
        assert_eq!(tree["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(tree["spec"]["leaseDurationSeconds"], 40);
    }
}
