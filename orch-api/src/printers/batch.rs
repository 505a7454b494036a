//! The cells of jobs, cron jobs and autoscalers.

use jiff::Timestamp;
use serde_json::Value;

use super::format::{at, cut, list, number, scalar, secs_between, text, time};

/// The first condition of a type decides.
fn has(tree: &Value, kind: &str) -> bool {
    let condition = list(at(tree, "status.conditions")).find(|one| text(one, "type") == kind);
    condition.is_some_and(|condition| text(condition, "status") == "True")
}

pub(super) fn job_status(tree: &Value) -> Value {
    let deleted = !at(tree, "metadata.deletionTimestamp").is_null();
    let states = [
        (has(tree, "Complete"), "Complete"),
        (has(tree, "Failed"), "Failed"),
        (deleted, "Terminating"),
        (has(tree, "Suspended"), "Suspended"),
        (has(tree, "FailureTarget"), "FailureTarget"),
        (has(tree, "SuccessCriteriaMet"), "SuccessCriteriaMet"),
    ];
    states.iter().find(|(holds, _)| *holds).map_or("Running", |(_, name)| name).into()
}

pub(super) fn completions(tree: &Value) -> Value {
    let (done, parallel) = (number(tree, "status.succeeded"), number(tree, "spec.parallelism"));
    match at(tree, "spec.completions").as_i64() {
        Some(all) => format!("{done}/{all}").into(),
        None if parallel > 1 => format!("{done}/1 of {parallel}").into(),
        None => format!("{done}/1").into(),
    }
}

pub(super) fn duration(tree: &Value, now: Timestamp) -> Value {
    let Some(start) = time(tree, "status.startTime") else { return "".into() };
    let end = time(tree, "status.completionTime").unwrap_or(now);
    super::human_duration(secs_between(start, end)).into()
}

/// Upstream prints the flag as a text.
pub(super) fn suspend(tree: &Value) -> Value {
    match at(tree, "spec.suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    }
    .into()
}

pub(super) fn scale_target(tree: &Value) -> Value {
    format!("{}/{}", text(tree, "spec.scaleTargetRef.kind"), text(tree, "spec.scaleTargetRef.name")).into()
}

pub(super) fn min_pods(tree: &Value) -> Value {
    let least = at(tree, "spec.minReplicas").as_i64();
    least.map_or_else(|| "<unset>".to_owned(), |least| least.to_string()).into()
}

/// What is measured of what is wanted, for the first two metrics.
pub(super) fn metrics(tree: &Value) -> Value {
    let statuses = at(tree, "status.currentMetrics");
    let all: Vec<String> = list(at(tree, "spec.metrics"))
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    if all.is_empty() { "<none>".into() } else { cut(&all, 2, ", ").into() }
}

fn metric(spec: &Value, status: &Value) -> String {
    let field = match text(spec, "type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let (source, current) = (at(spec, field), at(status, field));
    let average = at(source, "target.averageValue");
    let shown = |value: &Value| if value.is_null() { "<unknown>".to_owned() } else { scalar(value) };
    match field {
        "pods" => format!("{}/{}", shown(at(current, "current.averageValue")), scalar(average)),
        "external" | "object" if !average.is_null() => {
            format!("{}/{} (avg)", shown(at(current, "current.averageValue")), scalar(average))
        }
        "external" | "object" => {
            format!("{}/{}", shown(at(current, "current.value")), shown(at(source, "target.value")))
        }
        _ if !average.is_null() => {
            let now = shown(at(current, "current.averageValue"));
            format!("{}: {now}/{}", text(source, "name"), scalar(average))
        }
        _ => {
            let percent = |value: &Value, absent: &str| {
                value.as_i64().map_or_else(|| absent.to_owned(), |percent| format!("{percent}%"))
            };
            let now = percent(at(current, "current.averageUtilization"), "<unknown>");
            let target = percent(at(source, "target.averageUtilization"), "<auto>");
            format!("{}: {now}/{target}", text(source, "name"))
        }
    }
}
