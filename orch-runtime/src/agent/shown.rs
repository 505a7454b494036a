//! A container's status as the API shows it, apart from how the agent came to know it.
//!
//! Phase and conditions of a pod follow from these alone. Read back from the API when an agent starts: what its
//! predecessor saw and the runtime forgot.

use jiff::Timestamp;
use orch_core::{Str, rfc3339};
use serde_json::{Value, json};

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) reason: Str,
    pub(super) message: Str,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    /// With its runtime: `task://id`; empty when it is not known.
    pub(super) id: Str,
}

impl Exit {
    /// A container that is gone without a trace (`ContainerStatusUnknown`).
    pub(super) fn lost() -> Self {
        Self {
            code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "The container could not be located when the pod was terminated".into(),
            started: None,
            finished: None,
            id: Str::default(),
        }
    }
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Doing {
    Waiting { reason: Str, message: Str },
    Running { since: Timestamp },
    Ended(Exit),
}

/// An entry of `containerStatuses` or `initContainerStatuses`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) name: Str,
    pub(super) doing: Doing,
    pub(super) last: Option<Exit>,
    pub(super) ready: bool,
    pub(super) started: bool,
    pub(super) restarts: u32,
    pub(super) image: Str,
    pub(super) image_id: Str,
    pub(super) id: Str,
}

impl Shown {
    /// The exit code that its pod's phase goes by: of the last end of a container that waits.
    pub(super) fn exit_code(&self) -> Option<i32> {
        match &self.doing {
            Doing::Ended(exit) => Some(exit.code),
            Doing::Waiting { .. } => self.last.as_ref().map(|exit| exit.code),
            Doing::Running { .. } => None,
        }
    }

    /// As it stands in a status.
    pub(super) fn json(&self) -> Value {
        let state = match &self.doing {
            Doing::Waiting { reason, message } => {
                json!({"waiting": texts(&[("reason", reason), ("message", message)])})
            }
            Doing::Running { since } => json!({"running": {"startedAt": rfc3339(*since)}}),
            Doing::Ended(exit) => json!({"terminated": terminated(exit)}),
        };
        let last =
            self.last.as_ref().map_or_else(|| json!({}), |exit| json!({"terminated": terminated(exit)}));
        let mut tree = json!({
            "name": &*self.name, "ready": self.ready, "started": self.started, "restartCount": self.restarts,
            "image": &*self.image, "imageID": &*self.image_id,
        });
        tree["state"] = state;
        tree["lastState"] = last;
        if !self.id.is_empty() {
            tree["containerID"] = json!(&*self.id);
        }
        tree
    }

    /// Reads an entry of a stored status.
    pub(super) fn read(tree: &Value) -> Self {
        let (state, last) = (&tree["state"], &tree["lastState"]);
        let doing = match (
            state.get("terminated"),
            state["running"]["startedAt"].as_str().and_then(|at| at.parse().ok()),
        ) {
            (Some(exit), _) => Doing::Ended(read_exit(exit)),
            (None, Some(since)) => Doing::Running { since },
            (None, None) => Doing::Waiting {
                reason: text(&state["waiting"]["reason"]),
                message: text(&state["waiting"]["message"]),
            },
        };
        Self {
            name: text(&tree["name"]),
            doing,
            last: last.get("terminated").map(read_exit),
            ready: tree["ready"] == true,
            started: tree["started"] == true,
            restarts: tree["restartCount"].as_u64().and_then(|count| count.try_into().ok()).unwrap_or(0),
            image: text(&tree["image"]),
            image_id: text(&tree["imageID"]),
            id: text(&tree["containerID"]),
        }
    }
}

fn texts(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    Value::Object(pairs.map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
}

fn terminated(exit: &Exit) -> Value {
    let mut tree = texts(&[("reason", &exit.reason), ("message", &exit.message), ("containerID", &exit.id)]);
    tree["exitCode"] = json!(exit.code);
    for (name, time) in [("startedAt", exit.started), ("finishedAt", exit.finished)] {
        if let Some(time) = time {
            tree[name] = json!(rfc3339(time));
        }
    }
    tree
}

fn read_exit(tree: &Value) -> Exit {
    let time = |name: &str| tree[name].as_str().and_then(|time| time.parse().ok());
    Exit {
        code: tree["exitCode"].as_i64().and_then(|code| code.try_into().ok()).unwrap_or(137),
        reason: text(&tree["reason"]),
        message: text(&tree["message"]),
        started: time("startedAt"),
        finished: time("finishedAt"),
        id: text(&tree["containerID"]),
    }
}

fn text(value: &Value) -> Str {
    value.as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        let exit = Exit {
            code: 3,
            started: "2026-01-01T00:00:00Z".parse().ok(),
            id: "task://a".into(),
            ..Exit::lost()
        };
        let shown = Shown {
            name: "c".into(),
            doing: Doing::Running { since: "2026-01-01T00:00:05Z".parse().unwrap() },
            last: Some(exit.clone()),
            ready: true,
            started: true,
            restarts: 2,
            image: "x".into(),
            image_id: "sha".into(),
            id: "task://b".into(),
        };
        let waiting = Doing::Waiting { reason: "CrashLoopBackOff".into(), message: Str::default() };
        for doing in [shown.doing.clone(), Doing::Ended(exit), waiting] {
            let shown = Shown { doing, ..shown.clone() };
            assert_eq!(Shown::read(&shown.json()), shown);
        }
    }
}
