//! The cells of pods (`printPod`): what its containers do, in one word.

use jiff::Timestamp;
use serde_json::Value;

use super::format::{at, list, number, secs_between, text, time};

/// What a walk over the containers finds.
struct Facts {
    ready: i64,
    total: usize,
    restarts: i64,
    restarted: Option<Timestamp>,
    reason: String,
}

pub(super) fn ready(tree: &Value) -> Value {
    let facts = facts(tree);
    format!("{}/{}", facts.ready, facts.total).into()
}

pub(super) fn status(tree: &Value) -> Value {
    facts(tree).reason.into()
}

pub(super) fn restarts(tree: &Value, now: Timestamp) -> Value {
    let facts = facts(tree);
    match facts.restarted.filter(|_| facts.restarts != 0) {
        Some(last) => {
            format!("{} ({} ago)", facts.restarts, super::human_duration(secs_between(last, now))).into()
        }
        None => facts.restarts.to_string().into(),
    }
}

pub(super) fn ip(tree: &Value) -> Value {
    let first = list(at(tree, "status.podIPs")).next().map_or("", |ip| text(ip, "ip"));
    if first.is_empty() { "<none>".into() } else { first.into() }
}

pub(super) fn gates(tree: &Value) -> Value {
    let gates: Vec<&str> =
        list(at(tree, "spec.readinessGates")).map(|gate| text(gate, "conditionType")).collect();
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates.iter().filter(|gate| {
        let condition = list(at(tree, "status.conditions")).find(|one| text(one, "type") == **gate);
        condition.is_some_and(|condition| text(condition, "status") == "True")
    });
    format!("{}/{}", open.count(), gates.len()).into()
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn is_true(tree: &Value, kind: &str) -> bool {
    let condition = list(at(tree, "status.conditions")).find(|one| text(one, "type") == kind);
    condition.is_some_and(|condition| text(condition, "status") == "True")
}

fn facts(tree: &Value) -> Facts {
    let sidecars = list(at(tree, "spec.initContainers")).filter(|container| is_sidecar(container)).count();
    let phase = text(tree, "status.phase");
    let mut facts = Facts {
        ready: 0,
        total: list(at(tree, "spec.containers")).count() + sidecars,
        restarts: 0,
        restarted: None,
        reason: match text(tree, "status.reason") {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        },
    };
    let gated = |one: &Value| text(one, "type") == "PodScheduled" && text(one, "reason") == "SchedulingGated";
    if list(at(tree, "status.conditions")).any(gated) {
        "SchedulingGated".clone_into(&mut facts.reason);
    }
    let (sidecar_restarts, sidecar_restarted, initializing) = init_containers(tree, &mut facts);
    if !initializing || is_true(tree, "Initialized") {
        (facts.restarts, facts.restarted) = (sidecar_restarts, sidecar_restarted);
        containers(tree, &mut facts);
    }
    if !at(tree, "metadata.deletionTimestamp").is_null() {
        if text(tree, "status.reason") == "NodeLost" {
            "Unknown".clone_into(&mut facts.reason);
        } else if !matches!(phase, "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut facts.reason);
        }
    }
    facts
}

/// When a container ended last, the later of two times.
fn later(known: Option<Timestamp>, container: &Value) -> Option<Timestamp> {
    known.max(time(container, "lastState.terminated.finishedAt"))
}

/// Why a container ended: its reason, else its signal, else its exit code.
fn ending(ended: &Value) -> String {
    match (text(ended, "reason"), number(ended, "signal")) {
        ("", 0) => format!("ExitCode:{}", number(ended, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Init containers up to the first that has not done its work.
fn init_containers(tree: &Value, facts: &mut Facts) -> (i64, Option<Timestamp>, bool) {
    let specs = at(tree, "spec.initContainers");
    let sidecar = |name: &str| list(specs).any(|spec| text(spec, "name") == name && is_sidecar(spec));
    let (mut restarts, mut restarted) = (0, None);
    for (index, container) in list(at(tree, "status.initContainerStatuses")).enumerate() {
        let is_sidecar = sidecar(text(container, "name"));
        facts.restarts += number(container, "restartCount");
        facts.restarted = later(facts.restarted, container);
        if is_sidecar {
            restarts += number(container, "restartCount");
            restarted = later(restarted, container);
        }
        let (ended, waiting) = (at(container, "state.terminated"), text(container, "state.waiting.reason"));
        if !ended.is_null() && number(ended, "exitCode") == 0 {
            continue;
        }
        if is_sidecar && at(container, "started") == true {
            facts.ready += i64::from(at(container, "ready") == true);
            continue;
        }
        facts.reason = if !ended.is_null() {
            format!("Init:{}", ending(ended))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", list(specs).count())
        };
        return (restarts, restarted, true);
    }
    (restarts, restarted, false)
}

/// The last word has the first container that has something to say.
fn containers(tree: &Value, facts: &mut Facts) {
    let (mut running, mut failure) = (false, String::new());
    let statuses: Vec<&Value> = list(at(tree, "status.containerStatuses")).collect();
    for container in statuses.into_iter().rev() {
        facts.restarts += number(container, "restartCount");
        facts.restarted = later(facts.restarted, container);
        let (ended, waiting) = (at(container, "state.terminated"), text(container, "state.waiting.reason"));
        if !waiting.is_empty() {
            waiting.clone_into(&mut facts.reason);
        } else if !ended.is_null() {
            facts.reason = ending(ended);
            if number(ended, "exitCode") != 0 {
                failure.clone_from(&facts.reason);
            }
        } else if at(container, "ready") == true && !at(container, "state.running").is_null() {
            running = true;
            facts.ready += 1;
        }
    }
    if facts.reason == "Completed" {
        if running && is_true(tree, "Ready") {
            "Running".clone_into(&mut facts.reason);
        } else if !failure.is_empty() {
            facts.reason = failure;
        } else if running {
            "NotReady".clone_into(&mut facts.reason);
        }
    }
}
