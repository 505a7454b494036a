//! A kubelet and scheduler in twenty lines: binds, starts, fails and ends pods as told.

use orch_core::{Live, Subresource, Write, rfc3339};
use serde_json::json;

/// What happens to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It is bound, started, ready; or it is gone when it terminates.
    Help,
    /// It is started, and not ready yet.
    Start,
    /// It runs and is not ready, even if it was.
    Unready,
    /// It ends badly.
    Fail,
}

/// The next write to a pod; `None` when it is as it should be.
pub(crate) fn write(pod: &Live, act: Act, now: jiff::Timestamp) -> Option<Write> {
    let tree = pod.tree();
    let phase = tree["status"]["phase"].as_str().unwrap_or_default();
    let ended = phase == "Failed" || phase == "Succeeded";
    if pod.header().is_terminating() {
        return (act == Act::Help).then(|| Write::delete(pod.key().clone()).grace(0).of(pod.uid()));
    }
    if ended {
        return None;
    }
    if pod.field("spec.nodeName") == Some("") {
        return (act == Act::Help).then(|| Write::bind(pod.key().clone(), "n1"));
    }
    let ready = super::laws::is_ready(pod);
    let (phase, status) = match act {
        Act::Help if ready => return None,
        Act::Start if phase == "Running" => return None,
        Act::Help => ("Running", "True"),
        Act::Start | Act::Unready => ("Running", "False"),
        Act::Fail => ("Failed", "False"),
    };
    let conditions = json!([{"type": "Ready", "status": status, "lastTransitionTime": rfc3339(now)}]);
    let patch = json!({"status": {"phase": phase, "conditions": conditions}});
    Some(Write::merge(pod.key().clone(), patch).to(Subresource::Status).of(pod.uid()))
}
