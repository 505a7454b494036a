//! The status of a pod: made from what is known, written when it differs, one write at a time
//! (`generateAPIPodStatus` of `pkg/kubelet/kubelet_pods.go`, `pkg/kubelet/status/status_manager.go`).
//!
//! A write replaces lists whole, conditions of others included: it is bound to the revision that it was made from, and a
//! conflict waits for the feed to bring the newer state. Invariant: a pod is never shown terminal while a container of it
//! runs, and never leaves a terminal phase.

use std::sync::Arc;
use std::time::Duration;

use orch_core::{ConflictCause, Error, Live, Revision, Write, rfc3339};
use serde_json::{Map, Value, json};

use super::{Context, Out, Slot, Worker};
use crate::agent::command::{Action, Now};
use crate::agent::conditions::{Facts, conditions};
use crate::agent::phase::{Course, phase};
use crate::agent::pod::{Pod, is_terminal};
use crate::agent::qos;
use crate::agent::shown::Shown;

/// How far the API knows what the agent knows.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Something may have changed since the last look.
    is_touched: bool,
    under_way: Option<Value>,
    /// What was written, and the status that it made: the same write would change nothing.
    settled: Option<(Value, Arc<Value>)>,
    /// A conflict: this revision must be seen first.
    awaited: Option<Revision>,
    not_before: Option<Duration>,
}

impl Report {
    pub(super) fn touch(&mut self) {
        self.is_touched = true;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether the API has everything that there is to say.
    pub(super) fn is_clean(&self) -> bool {
        !self.is_touched && self.under_way.is_none()
    }

    /// A write waits for the feed.
    pub(super) fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }
}

impl Worker {
    /// Writes the status if it differs from what the API has.
    pub(super) fn write_report(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        if self.report.awaited.is_some_and(|revision| revision <= self.pod.revision()) {
            self.report.awaited = None;
        }
        if self.is_gone {
            self.report.awaited = None;
        }
        let report = &self.report;
        if !report.is_touched || report.under_way.is_some() || report.awaited.is_some() || self.is_gone {
            return;
        }
        if let Some(at) = report.not_before.filter(|at| *at > now.elapsed) {
            out.wake_at(at);
            return;
        }
        self.report.is_touched = false;
        let stored = Arc::clone(self.pod.status());
        let status = self.status(context, now, &stored);
        let is_made = |made: &Arc<Value>| Arc::ptr_eq(made, &stored) || *made == stored;
        let settled =
            self.report.settled.as_ref().is_some_and(|(patch, made)| *patch == status && is_made(made));
        if settled || !differs(&stored, &status) {
            // What depends on the report being clean goes on in another step.
            if self.ending.is_some() && self.is_settled {
                out.wake_at(now.elapsed);
            }
            return;
        }
        // `json!` would write the whole status anew.
        let patch = Value::Object([("status".to_owned(), status.clone())].into_iter().collect());
        let write =
            Write::merge_status(self.pod.key().clone(), patch).of(self.pod.uid()).at(self.pod.revision());
        self.report.under_way = Some(status);
        self.ask(out, Action::Status(write));
    }

    /// The write was answered.
    pub(super) fn reported(&mut self, context: &Context<'_>, now: Now, result: orch_core::Result<Live>) {
        let written = self.report.under_way.take();
        match result {
            Ok(live) => {
                if let Ok(pod) = Pod::read(&live, Some(&self.pod)) {
                    self.report.settled = written.map(|written| (written, Arc::clone(pod.status())));
                    self.take(pod, now);
                }
            }
            Err(Error::Conflict { cause: ConflictCause::Revision { actual, .. }, .. }) => {
                self.report.is_touched = true;
                self.report.awaited = Some(actual);
            }
            // It is gone or another one: its feed will say.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => {
                if matches!(error, Error::Invalid { .. } | Error::Malformed { .. } | Error::Forbidden { .. })
                {
                    tracing::warn!(%error, pod = %self.pod.key(), "status refused");
                }
                self.report.is_touched = true;
                self.report.not_before =
                    Some(now.elapsed + context.config.timings.retry.min(MAX_WRITE_RETRY));
            }
        }
    }

    /// Everything of `status` that the agent owns; `null` for what is not there.
    fn status(&self, context: &Context<'_>, now: Now, stored: &Value) -> Value {
        let mut status = Map::new();
        let mut set = |name: &str, value: Value| _ = status.insert(name.to_owned(), value);
        let before = stored["phase"].as_str().unwrap_or_default();
        let qos = stored["qosClass"].as_str().unwrap_or_else(|| qos::class(&self.pod.spec));
        set("qosClass", json!(qos));
        set("startTime", json!(rfc3339(self.began)));
        if self.pod.generation() > 0 {
            set("observedGeneration", json!(self.pod.generation()));
        }
        if self.is_refused {
            self.set_fate(&mut set, "Failed", before, stored);
            return Value::Object(status);
        }
        let shown = self.shown(context);
        let phase = self.phase(&shown, before);
        self.set_fate(&mut set, phase, before, stored);
        let facts = Facts {
            pod: &self.pod,
            now: now.wall,
            phase,
            shown: &shown,
            has_sandbox: matches!(self.sandbox, Slot::Ready(_)) && !self.is_settled,
            before: stored["conditions"].as_array().map(Vec::as_slice).unwrap_or_default(),
        };
        set("conditions", Value::Array(conditions(&facts)));
        if !context.place.host_ip.is_empty() {
            set("hostIP", json!(context.place.host_ip));
            set("hostIPs", json!([{"ip": context.place.host_ip}]));
        }
        if let Some(first) = self.addresses.first() {
            set("podIP", json!(first));
            set("podIPs", self.addresses.iter().map(|ip| json!({"ip": ip})).collect());
        }
        let (init, regular) = shown.split_at(self.pod.spec.init_containers.len());
        if !init.is_empty() {
            set("initContainerStatuses", init.iter().map(Shown::json).collect());
        }
        set("containerStatuses", regular.iter().map(Shown::json).collect());
        Value::Object(status)
    }

    /// Phase, reason and message.
    fn set_fate(&self, set: &mut impl FnMut(&str, Value), phase: &str, before: &str, stored: &Value) {
        set("phase", json!(phase));
        let (reason, message) = match &self.fate {
            Some(fate) if is_terminal(phase) => (json!(&*fate.reason), json!(fate.message)),
            // What another said of a phase stays with it.
            _ if phase == before => (stored["reason"].clone(), stored["message"].clone()),
            _ => (Value::Null, Value::Null),
        };
        set("reason", reason);
        set("message", message);
    }

    fn shown(&self, context: &Context<'_>) -> Vec<Shown> {
        let waits =
            if self.pod.spec.init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let pairs = self.members.iter().zip(self.pod.spec.all());
        let one = |(member, container)| {
            let restarts = self.ending.is_none() && self.starts_again(member, container);
            member.shown(container, restarts, waits, &context.runtime.name)
        };
        pairs.map(one).collect()
    }

    fn phase(&self, shown: &[Shown], before: &str) -> &'static str {
        let known =
            |phase: &str| ["Running", "Succeeded", "Failed"].into_iter().find(|known| *known == phase);
        if is_terminal(before) {
            return known(before).unwrap_or("Pending");
        }
        let has_initialized = self.regular().any(|(member, _)| member.is_running());
        let course = Course { is_over: self.ending.is_some(), has_initialized };
        let phase = phase(&self.pod.spec, shown, course);
        match (self.is_settled, is_terminal(phase)) {
            (true, _) if self.fate.is_some() => "Failed",
            (true, false) => "Failed",
            (false, true) => known(before).unwrap_or("Pending"),
            _ => phase,
        }
    }
}

/// Whether a merge patch would change a status. `null` means absent in both.
fn differs(stored: &Value, patch: &Value) -> bool {
    let fields = patch.as_object().into_iter().flatten();
    fields.into_iter().any(|(name, value)| !is_same(stored.get(name).unwrap_or(&Value::Null), value))
}

/// Whether two trees are the same but for fields that are `null`.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let fields = |map: &Map<String, Value>| map.values().filter(|value| !value.is_null()).count();
            let has_same = |(name, value): (&String, &Value)| {
                value.is_null() || other.get(name).is_some_and(|other| is_same(value, other))
            };
            fields(one) == fields(other) && one.iter().all(has_same)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        _ => one == other,
    }
}

/// A status that could not be written is tried again soon: others wait to see it.
const MAX_WRITE_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_changes_nothing_is_known() {
        let stored = json!({"phase": "Running", "other": 1, "list": [{"a": 1, "b": null}], "gone": null});
        let check = |patch: Value, expected| assert_eq!(differs(&stored, &patch), expected, "{patch}");
        check(json!({"gone": null}), false);
        check(json!({"gone": {}}), true);
        check(json!({"list": [{"a": 1, "c": null}]}), false);
        check(json!({"list": [{"a": null, "b": 1}]}), true);
        check(json!({"list": [{"c": 1}]}), true);
        check(json!({"list": []}), true);
        check(json!({"phase": "Running", "reason": null, "list": [{"a": 1}]}), false);
        check(json!({"phase": "Failed"}), true);
        check(json!({"other": null}), true);
        check(json!({"list": [{"a": 1}, {"a": 2}]}), true);
        check(json!({"new": 1}), true);
    }
}
