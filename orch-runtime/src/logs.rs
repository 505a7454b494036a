//! What containers of one node have written, for whoever asks (`pkg/kubelet/kubelet_pods.go`).
//!
//! It finds the container by the pod's status, as kubelets do, and reads its log from the runtime. Following asks again
//! after a while: runtimes keep logs and announce nothing. Invariant: no line is given twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::runtime::{ContainerId, ContainerState, LogLine, LogQuery, Runtime};
use orch_core::{Env, Error, Live, LogOptions, PodLogs, Result, Str};
use serde_json::Value;

/// How often a log that is followed is looked at: soon enough for a person.
const POLL: Duration = Duration::from_millis(200);

/// The logs of the containers that a runtime has.
#[derive(Clone)]
pub struct RuntimeLogs {
    runtime: Arc<dyn Runtime>,
    env: Env,
}

impl RuntimeLogs {
    /// Reads from that runtime; waits are those of `env`.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>, env: Env) -> Self {
        Self { runtime, env }
    }
}

impl std::fmt::Debug for RuntimeLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeLogs").finish_non_exhaustive()
    }
}

#[async_trait]
impl PodLogs for RuntimeLogs {
    async fn open(&self, pod: &Live, options: &LogOptions) -> Result<BoxStream<'static, LogLine>> {
        let refused =
            |why: String| Error::Malformed { subject: pod.key().to_string(), field: String::new(), why };
        let id = container(&pod.part_tree(Part::Status), &pod.key().name, options).map_err(refused)?;
        let mut tail = Tail {
            logs: self.clone(),
            id: ContainerId(id),
            at: Position { since: options.since, seen: 0 },
            is_over: !options.is_followed,
        };
        // The log of a container that is gone is a refusal now, and no empty answer.
        let is_over = tail.is_over || !tail.is_running().await;
        let mut first = tail.read().await.map_err(|error| refused(error.to_string()))?;
        if let Some(most) = options.tail {
            first.drain(..first.len().saturating_sub(most));
        }
        tail.is_over = is_over;
        let more = stream::unfold((tail, VecDeque::from(first)), |(mut tail, mut lines)| async move {
            while lines.is_empty() {
                lines = tail.next().await?.into();
            }
            lines.pop_front().map(|line| (line, (tail, lines)))
        });
        Ok(more.boxed())
    }
}

/// Up to where a log was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    /// The time of the last line.
    since: Option<Timestamp>,
    /// Lines of that time that were given.
    seen: usize,
}

impl Position {
    /// What comes behind it; it moves there. Lines are in the order of their times.
    fn advance(&mut self, mut lines: Vec<LogLine>) -> Vec<LogLine> {
        lines.drain(..self.seen.min(lines.len()));
        if let Some(last) = lines.last().map(|line| line.time) {
            let of_last = lines.iter().rev().take_while(|line| line.time == last).count();
            let before = if self.since == Some(last) { self.seen } else { 0 };
            *self = Self { since: Some(last), seen: before + of_last };
        }
        lines
    }
}

struct Tail {
    logs: RuntimeLogs,
    id: ContainerId,
    at: Position,
    /// Nothing more is to come.
    is_over: bool,
}

impl Tail {
    /// The lines that were written since, waiting for them.
    async fn next(&mut self) -> Option<Vec<LogLine>> {
        loop {
            if self.is_over {
                return None;
            }
            self.logs.env.sleep(POLL).await;
            // Asked before reading: what was written before the end is read then.
            self.is_over = !self.is_running().await;
            let lines = self.read().await.unwrap_or_default();
            if !lines.is_empty() {
                return Some(lines);
            }
        }
    }

    async fn read(&mut self) -> orch_core::runtime::Result<Vec<LogLine>> {
        let Some(streams) = self.logs.runtime.streams() else { return Ok(Vec::new()) };
        let mut query = LogQuery::default();
        query.since = self.at.since;
        let lines = streams.logs(&self.id, &query).await?;
        Ok(self.at.advance(lines))
    }

    async fn is_running(&self) -> bool {
        let pods = self.logs.runtime.state().await.unwrap_or_default();
        let mut all = pods.iter().flat_map(|pod| &pod.containers);
        all.any(|status| status.id == self.id && matches!(status.state, ContainerState::Running { .. }))
    }
}

/// The id of the container whose log is meant (`validateContainerLogStatus`).
///
/// # Errors
/// Why there is none, in Kubernetes' words.
fn container(status: &Value, pod: &str, options: &LogOptions) -> Result<Str, String> {
    let name = &*options.container;
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let mut all = lists.iter().filter_map(|list| status[*list].as_array()).flatten();
    let Some(status) = all.find(|status| status["name"] == name) else {
        return Err(format!("container {name:?} in pod {pod:?} is not available"));
    };
    let id = |of: &Value| {
        let text = of["containerID"].as_str().unwrap_or_default();
        let id = text.split_once("://").map_or(text, |(_, id)| id);
        (!id.is_empty()).then(|| Str::from(id))
    };
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    if options.is_previous {
        return id(last)
            .ok_or_else(|| format!("previous terminated container {name:?} in pod {pod:?} not found"));
    }
    let present = match (&state["running"], &state["terminated"]) {
        (Value::Object(_), _) => id(status),
        (_, terminated @ Value::Object(_)) => id(terminated).or_else(|| id(last)),
        _ => id(last),
    };
    present.ok_or_else(|| {
        let start = format!("container {name:?} in pod {pod:?} is");
        match state["waiting"]["reason"].as_str() {
            _ if !state["terminated"].is_null() || !last.is_null() => format!("{start} terminated"),
            Some("ErrImagePull") => format!("{start} waiting to start: image can't be pulled"),
            Some("ImagePullBackOff") => {
                format!("{start} waiting to start: trying and failing to pull image")
            }
            Some(reason) => format!("{start} waiting to start: {reason}"),
            None => format!("{start} waiting to start - no logs yet"),
        }
    })
}

#[cfg(test)]
mod tests {
    use orch_core::runtime::LogSource;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(mut status: Value, is_previous: bool, expected: Result<&str, &str>) {
        status["name"] = "c".into();
        let status = json!({"containerStatuses": [status]});
        let mut options = LogOptions::of("c");
        options.is_previous = is_previous;
        let found = container(&status, "p", &options);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{status}");
    }

    #[test]
    fn the_container_is_the_present_one_or_the_one_before() {
        let running = json!({"state": {"running": {}}, "containerID": "task://2",
            "lastState": {"terminated": {"containerID": "task://1"}}});
        check(running.clone(), false, Ok("2"));
        check(running, true, Ok("1"));
        check(json!({"state": {"terminated": {"containerID": "task://3"}}}), false, Ok("3"));
        let waiting = json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"containerID": "task://4"}}});
        check(waiting, false, Ok("4"));
        let first = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        let why = "container \"c\" in pod \"p\" is waiting to start: ContainerCreating";
        check(first.clone(), false, Err(why));
        check(first, true, Err("previous terminated container \"c\" in pod \"p\" not found"));
        let missing = container(&json!({}), "p", &LogOptions::of("c")).unwrap_err();
        assert_eq!(missing, "container \"c\" in pod \"p\" is not available");
    }

    #[test]
    fn no_line_is_given_twice_when_many_have_one_time() {
        let line = |second: i64, text: &str| LogLine {
            time: Timestamp::from_second(second).unwrap(),
            source: LogSource::Stdout,
            text: text.into(),
        };
        let all = [line(1, "a"), line(2, "b"), line(2, "c"), line(2, "d"), line(3, "e")];
        let mut at = Position { since: None, seen: 0 };
        let mut given = Vec::new();
        for end in [0, 2, 3, 3, 4, 5] {
            let since = at.since;
            let there = all[..end].iter().filter(|line| since.is_none_or(|since| line.time >= since));
            given.extend(at.advance(there.cloned().collect()).into_iter().map(|line| line.text.to_string()));
        }
        assert_eq!(given, ["a", "b", "c", "d", "e"]);
    }
}
