//! The conditions of a pod that its agent owns (`pkg/kubelet/status/generate.go`), beside those that others own.
//!
//! Invariant: `lastTransitionTime` moves only when the status of a condition does.

use jiff::Timestamp;
use orch_core::rfc3339;
use serde_json::{Map, Value, json};

use super::pod::Pod;
use super::shown::{Doing, Shown};
use super::spec::{Container, without_nulls};
use super::text;

/// What the conditions follow from.
pub(super) struct Facts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) now: Timestamp,
    pub(super) phase: &'a str,
    /// Init containers, then the others.
    pub(super) shown: &'a [Shown],
    pub(super) has_sandbox: bool,
    /// The conditions as they are stored.
    pub(super) before: &'a [Value],
}

const OWNED: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

struct Verdict {
    is_true: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn yes() -> Self {
        Self { is_true: true, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { is_true: false, reason, message }
    }
}

/// All conditions: those of others as they were, then the agent's own.
pub(super) fn conditions(facts: &Facts<'_>) -> Vec<Value> {
    let is_owned = |condition: &&Value| condition["type"].as_str().is_some_and(|name| OWNED.contains(&name));
    let others = facts.before.iter().filter(|condition| !is_owned(condition));
    let mut all: Vec<Value> = others.map(without_nulls).collect();
    let containers_ready = containers_ready(facts);
    let ready = ready(facts, &containers_ready, &all);
    let sandbox = if facts.has_sandbox { Verdict::yes() } else { Verdict::no("", String::new()) };
    for (name, verdict) in
        OWNED.into_iter().zip([sandbox, initialized(facts), ready, containers_ready, Verdict::yes()])
    {
        all.push(condition(facts, name, &verdict));
    }
    all
}

fn condition(facts: &Facts<'_>, name: &str, verdict: &Verdict) -> Value {
    let status = if verdict.is_true { "True" } else { "False" };
    let before = facts.before.iter().find(|condition| condition["type"] == name);
    let since = before
        .filter(|before| before["status"] == status)
        .and_then(|before| before["lastTransitionTime"].as_str());
    let since = since.map_or_else(|| rfc3339(facts.now), str::to_owned);
    let mut tree = Map::new();
    tree.insert("type".into(), json!(name));
    if facts.pod.generation() > 0 {
        tree.insert("observedGeneration".into(), json!(facts.pod.generation()));
    }
    tree.insert("status".into(), json!(status));
    tree.insert("lastTransitionTime".into(), json!(since));
    for (field, text) in [("reason", verdict.reason), ("message", &*verdict.message)] {
        if !text.is_empty() {
            tree.insert(field.into(), json!(text));
        }
    }
    Value::Object(tree)
}

fn find<'a>(facts: &'a Facts<'_>, container: &Container) -> Option<&'a Shown> {
    facts.shown.iter().find(|shown| shown.name == container.name)
}

fn message(unknown: &[&str], wrong: &[&str], word: &str) -> String {
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: {}", text::list(unknown)));
    }
    if !wrong.is_empty() {
        parts.push(format!("containers with {word} status: {}", text::list(wrong)));
    }
    parts.join(", ")
}

fn containers_ready(facts: &Facts<'_>) -> Verdict {
    let spec = &facts.pod.spec;
    let sidecars = spec.init_containers.iter().filter(|container| container.is_sidecar());
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    for container in sidecars.chain(&spec.containers) {
        match find(facts, container) {
            Some(shown) if shown.ready => {}
            Some(_) => unready.push(&*container.name),
            None => unknown.push(&*container.name),
        }
    }
    match facts.phase {
        "Succeeded" if unknown.is_empty() => Verdict::no("PodCompleted", String::new()),
        "Failed" => Verdict::no("PodFailed", String::new()),
        _ if unknown.is_empty() && unready.is_empty() => Verdict::yes(),
        _ => Verdict::no("ContainersNotReady", message(&unknown, &unready, "unready")),
    }
}

fn ready(facts: &Facts<'_>, containers_ready: &Verdict, others: &[Value]) -> Verdict {
    if !containers_ready.is_true {
        return Verdict::no(containers_ready.reason, containers_ready.message.clone());
    }
    let mut missing = Vec::new();
    for gate in &facts.pod.spec.readiness_gates {
        let name = &*gate.condition_type;
        match others.iter().find(|condition| condition["type"] == name) {
            None => missing
                .push(format!("corresponding condition of pod readiness gate {name:?} does not exist.")),
            Some(condition) if condition["status"] != "True" => {
                let status = condition["status"].as_str().unwrap_or_default();
                missing
                    .push(format!("the status of pod readiness gate {name:?} is not \"True\", but {status}"));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        Verdict::yes()
    } else {
        Verdict::no("ReadinessGatesNotReady", missing.join(", "))
    }
}

fn initialized(facts: &Facts<'_>) -> Verdict {
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for container in &facts.pod.spec.init_containers {
        match find(facts, container) {
            Some(shown) if container.is_sidecar() && shown.started => {}
            Some(shown) if !container.is_sidecar() && shown.ready => {}
            Some(_) => incomplete.push(&*container.name),
            None => unknown.push(&*container.name),
        }
    }
    if facts.phase == "Succeeded" && unknown.is_empty() {
        return Verdict { is_true: true, reason: "PodCompleted", message: String::new() };
    }
    let has_run = |container: &Container| {
        find(facts, container)
            .is_some_and(|shown| !matches!(shown.doing, Doing::Waiting { .. }) || shown.last.is_some())
    };
    if facts.pod.spec.containers.iter().any(has_run) || (unknown.is_empty() && incomplete.is_empty()) {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotInitialized", message(&unknown, &incomplete, "incomplete"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use super::super::testing::pod;
    use super::*;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn shown(name: &str, ready: bool) -> Shown {
        let tree =
            json!({"name": name, "ready": ready, "started": ready, "state": {"running": {"startedAt": NOW}}});
        Shown::read(&tree)
    }

    fn of(spec: Value, phase: &str, shown: &[Shown], before: &[Value]) -> Vec<String> {
        let pod = pod(json!({"metadata": {"name": "a", "namespace": "b", "generation": 3}, "spec": spec}));
        let facts = Facts { pod: &pod, now: NOW.parse().unwrap(), phase, shown, has_sandbox: true, before };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        conditions(&facts)
            .iter()
            .map(|c| {
                [&c["type"], &c["status"], &c["reason"], &c["message"]]
                    .map(text)
                    .join("|")
                    .trim_end_matches('|')
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn a_ready_pod_has_every_condition() {
        let found = of(json!({"containers": [{"name": "c"}]}), "Running", &[shown("c", true)], &[]);
        assert_eq!(
            found,
            [
                "PodReadyToStartContainers|True",
                "Initialized|True",
                "Ready|True",
                "ContainersReady|True",
                "PodScheduled|True"
            ]
        );
    }

    #[test]
    fn an_unready_container_is_named() {
        let spec = json!({"containers": [{"name": "c"}, {"name": "d"}, {"name": "e"}]});
        let found = of(spec, "Running", &[shown("c", true), shown("d", false), shown("e", false)], &[]);
        assert_eq!(found[2], "Ready|False|ContainersNotReady|containers with unready status: [d e]");
    }

    #[test]
    fn init_containers_are_awaited() {
        let spec = json!({"initContainers": [{"name": "i"}, {"name": "j"}], "containers": [{"name": "c"}]});
        let waiting = Shown::read(&json!({"name": "c", "state": {"waiting": {}}}));
        let found = of(spec, "Pending", &[shown("i", true), shown("j", false), waiting], &[]);
        assert_eq!(
            found[1],
            "Initialized|False|ContainersNotInitialized|containers with incomplete status: [j]"
        );
    }

    #[test]
    fn readiness_gates_hold_ready_back() {
        let spec = json!({"containers": [{"name": "c"}], "readinessGates": [{"conditionType": "x/a"}, {"conditionType": "x/b"}]});
        let before = [json!({"type": "x/a", "status": "False"})];
        let found = of(spec, "Running", &[shown("c", true)], &before);
        assert_eq!(found[0], "x/a|False", "conditions of others stay");
        assert_eq!(
            found[3],
            "Ready|False|ReadinessGatesNotReady|the status of pod readiness gate \"x/a\" is not \"True\", but False, \
             corresponding condition of pod readiness gate \"x/b\" does not exist."
        );
        assert_eq!(found[4], "ContainersReady|True");
    }

    #[test]
    fn a_finished_pod_is_not_ready() {
        let spec = json!({"containers": [{"name": "c"}]});
        assert_eq!(of(spec.clone(), "Succeeded", &[shown("c", true)], &[])[2], "Ready|False|PodCompleted");
        assert_eq!(of(spec, "Failed", &[shown("c", true)], &[])[3], "ContainersReady|False|PodFailed");
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let pod = pod(
            json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"containers": [{"name": "c"}]}}),
        );
        let early = "2026-01-01T00:00:00Z";
        let before = [
            json!({"type": "Ready", "status": "False", "lastTransitionTime": early}),
            json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": early}),
        ];
        let shown = [shown("c", true)];
        let now = NOW.parse().unwrap();
        let facts =
            Facts { pod: &pod, now, phase: "Running", shown: &shown, has_sandbox: true, before: &before };
        let all = conditions(&facts);
        let since =
            |name: &str| all.iter().find(|c| c["type"] == name).unwrap()["lastTransitionTime"].clone();
        assert_eq!(since("Ready"), NOW);
        assert_eq!(since("PodScheduled"), early);
    }
}
