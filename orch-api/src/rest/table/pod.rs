//! Pods and templates of pods (`printPod` of `pkg/printers/internalversion/printers.go`).

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{NONE, age, condition, containers, count, human, labels, or_none};
use super::{Printer, printer};
use crate::tree::Get;

pub(super) const PRINTERS: &[(&str, &str, Printer)] = &[
    (
        "",
        "pods",
        printer(
            &[
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                ("Age", "string", 0),
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            pod,
        ),
    ),
    (
        "",
        "podtemplates",
        printer(
            &[("Containers", "string", 0), ("Images", "string", 0), ("Pod Labels", "string", 0)],
            |tree, _| {
                let [names, images] = containers(&tree["template"]["spec"]);
                vec![names, images, labels(tree["template"]["metadata"].at("labels"))]
            },
        ),
    ),
];

/// What is counted on the way through the containers.
#[derive(Default)]
struct Seen {
    ready: i64,
    restarts: i64,
    /// Of containers that start before the others and stay.
    sidecar_restarts: i64,
    last_restart: Option<Timestamp>,
    sidecar_last_restart: Option<Timestamp>,
}

fn pod(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let sidecars = spec.list("initContainers").iter().filter(|c| is_sidecar(c)).count();
    let total = spec.list("containers").len() + sidecars;
    let mut seen = Seen::default();
    let mut reason = match status.text("reason") {
        "" => status.text("phase").to_owned(),
        reason => reason.to_owned(),
    };
    if condition(status, "PodScheduled").is_some_and(|c| c.text("reason") == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    let initializing = initial(spec, status, &mut seen);
    let initialized = condition(status, "Initialized").is_some_and(|c| c.text("status") == "True");
    match initializing {
        Some(waits) if !initialized => reason = waits,
        waits => {
            if let Some(waits) = waits {
                reason = waits;
            }
            main(status, &mut seen, &mut reason);
        }
    }
    if tree["metadata"].at("deletionTimestamp").is_some() {
        if status.text("reason") == "NodeLost" {
            "Unknown".clone_into(&mut reason);
        } else if !matches!(status.text("phase"), "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut reason);
        }
    }
    let restarts = match seen.last_restart.filter(|_| seen.restarts > 0) {
        Some(time) => format!("{} ({} ago)", seen.restarts, human(now.duration_since(time).as_secs())),
        None => seen.restarts.to_string(),
    };
    vec![
        format!("{}/{total}", seen.ready).into(),
        reason.into(),
        restarts.into(),
        age(tree, now),
        or_none(status.text("podIP")),
        or_none(spec.text("nodeName")),
        or_none(status.text("nominatedNodeName")),
        gates(spec, status),
    ]
}

fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}

fn gates(spec: &Value, status: &Value) -> Value {
    let gates = spec.list("readinessGates");
    if gates.is_empty() {
        return NONE.into();
    }
    let holds = |gate: &&Value| {
        condition(status, gate.text("conditionType")).is_some_and(|c| c.text("status") == "True")
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len()).into()
}

fn ended(state: &Value) -> String {
    match (state.text("reason"), count(state, "signal")) {
        ("", 0) => format!("ExitCode:{}", count(state, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn later(a: Option<Timestamp>, status: &Value) -> Option<Timestamp> {
    let b = status["lastState"]["terminated"].text("finishedAt").parse().ok();
    a.max(b)
}

/// What the pod waits for before its main containers start, if it does.
fn initial(spec: &Value, status: &Value, seen: &mut Seen) -> Option<String> {
    let specs = spec.list("initContainers");
    for (at, container) in status.list("initContainerStatuses").iter().enumerate() {
        let sidecar = specs.iter().any(|c| c.text("name") == container.text("name") && is_sidecar(c));
        seen.restarts += count(container, "restartCount");
        seen.last_restart = later(seen.last_restart, container);
        if sidecar {
            seen.sidecar_restarts += count(container, "restartCount");
            seen.sidecar_last_restart = later(seen.sidecar_last_restart, container);
        }
        let is = |field: &str| container.at(field) == Some(&Value::Bool(true));
        let state = &container["state"];
        match (state.at("terminated"), state.at("waiting")) {
            (Some(end), _) if count(end, "exitCode") == 0 => {}
            _ if sidecar && is("started") => seen.ready += i64::from(is("ready")),
            (Some(end), _) => return Some(format!("Init:{}", ended(end))),
            (None, Some(waiting)) if !matches!(waiting.text("reason"), "" | "PodInitializing") => {
                return Some(format!("Init:{}", waiting.text("reason")));
            }
            _ => return Some(format!("Init:{at}/{}", specs.len())),
        }
    }
    None
}

fn main(status: &Value, seen: &mut Seen, reason: &mut String) {
    (seen.restarts, seen.last_restart) = (seen.sidecar_restarts, seen.sidecar_last_restart);
    let mut runs = false;
    for container in status.list("containerStatuses").iter().rev() {
        seen.restarts += count(container, "restartCount");
        seen.last_restart = later(seen.last_restart, container);
        let state = &container["state"];
        let is_ready = container.at("ready") == Some(&Value::Bool(true));
        match (state.at("waiting"), state.at("terminated"), state.at("running")) {
            (Some(waiting), ..) if !waiting.text("reason").is_empty() => {
                waiting.text("reason").clone_into(reason);
            }
            (_, Some(end), _) => *reason = ended(end),
            (.., Some(_)) if is_ready => {
                runs = true;
                seen.ready += 1;
            }
            _ => {}
        }
    }
    if reason == "Completed" && runs {
        let ready = condition(status, "Ready").is_some_and(|c| c.text("status") == "True");
        (if ready { "Running" } else { "NotReady" }).clone_into(reason);
    }
}
