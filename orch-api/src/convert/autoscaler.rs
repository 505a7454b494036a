//! Autoscalers: `autoscaling/v1` knows one target, that of the CPU; everything else travels in annotations.
//!
//! The behavior is written with the names that it has in Go, as upstream does, and read in any case.

use serde_json::{Map, Value, json};

use crate::defaults::batch::AVERAGE_CPU_PERCENT;
use crate::tree::{Get, Set, Tree};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// All annotations that exist for the way there and back alone.
const CARRIERS: [&str; 6] = [
    METRICS,
    CURRENT,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// Where a field of a source is: in v1, and below the source in v2.
type Place = (&'static str, &'static str);

/// The sources of metrics, with the places of what they want and of what is measured.
const SOURCES: [(&str, &[Place], &[Place]); 5] = [
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetValue", "target/value"),
            ("averageValue", "target/averageValue"),
        ],
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentValue", "current/value"),
            ("averageValue", "current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetAverageValue", "target/averageValue"),
        ],
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    ("resource", RESOURCE, CURRENT_RESOURCE),
    ("containerResource", RESOURCE, CURRENT_RESOURCE),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("targetValue", "target/value"),
            ("targetAverageValue", "target/averageValue"),
        ],
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("currentValue", "current/value"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
];

const RESOURCE: &[Place] = &[
    ("name", "name"),
    ("container", "container"),
    ("targetAverageUtilization", "target/averageUtilization"),
    ("targetAverageValue", "target/averageValue"),
];
const CURRENT_RESOURCE: &[Place] = &[
    ("name", "name"),
    ("container", "container"),
    ("currentAverageUtilization", "current/averageUtilization"),
    ("currentAverageValue", "current/averageValue"),
];

/// Whether a list of metrics says what is wanted or what was measured.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Wanted,
    Measured,
}

fn each_source(metric: &Value, says: Says, convert: impl Fn(&Value, &[Place]) -> Value) -> Value {
    let mut out = Map::new();
    if let Some(kind) = metric.at("type") {
        out.insert("type".to_owned(), kind.clone());
    }
    for (source, wanted, measured) in SOURCES {
        if let Some(value) = metric.at(source) {
            let places = if says == Says::Wanted { wanted } else { measured };
            out.insert(source.to_owned(), convert(value, places));
        }
    }
    Value::Object(out)
}

fn metric_to_v1(metric: &Value, says: Says) -> Value {
    each_source(metric, says, |source, places| {
        let value =
            |path: &str| source.pointer(&format!("/{path}")).filter(|value| !value.is_null()).cloned();
        let fields = places.iter().filter_map(|(own, path)| Some(((*own).to_owned(), value(path)?)));
        Value::Object(fields.collect())
    })
}

fn metric_to_v2(metric: &Value, says: Says) -> Value {
    each_source(metric, says, |source, places| {
        let mut out = Map::new();
        for (own, path) in places {
            let Some(value) = source.at(own).cloned() else { continue };
            match path.split_once('/') {
                Some((part, field)) => out.make(part).put(field, value),
                None => out.put(path, value),
            }
        }
        if says == Says::Wanted {
            typed_target(out.make("target"));
        }
        Value::Object(out)
    })
}

/// The type of a target follows from what it has.
fn typed_target(target: &mut Tree) {
    let has = |field: &str| target.at(field).is_some();
    let kind = match (has("averageUtilization"), has("averageValue"), has("value")) {
        (true, ..) => "Utilization",
        (_, true, false) => "AverageValue",
        // An average with a value of zero beside it is an average.
        (_, true, true) if matches!(target.text("value"), "0") => {
            target.remove("value");
            "AverageValue"
        }
        _ => "Value",
    };
    target.put("type", kind);
}

/// The target of the CPU as v1 has it.
fn cpu_percent<'v>(metric: &'v Value, part: &str) -> Option<&'v Value> {
    let resource = metric.at("resource").filter(|_| metric.text("type") == "Resource")?;
    let percent = resource.at(part)?.at("averageUtilization");
    percent.filter(|_| resource.text("name") == "cpu")
}

fn carried(annotations: Option<&Tree>, key: &str) -> Option<Value> {
    serde_json::from_str(annotations?.get(key)?.as_str()?).ok()
}

fn without_carriers(tree: &mut Tree) {
    let Some(metadata) = tree.object_mut("metadata") else { return };
    let Some(annotations) = metadata.object_mut("annotations") else { return };
    CARRIERS.iter().for_each(|key| drop(annotations.remove(*key)));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

pub(super) fn to_v1(tree: &mut Tree) {
    without_carriers(tree);
    let mut carriers: Vec<(&str, Value)> = Vec::new();
    if let Some(spec) = tree.object_mut("spec") {
        spec_to_v1(spec, &mut carriers);
    }
    if let Some(status) = tree.object_mut("status") {
        status_to_v1(status, &mut carriers);
    }
    if !carriers.is_empty() {
        let annotations = tree.make("metadata").make("annotations");
        carriers.into_iter().for_each(|(key, value)| annotations.put(key, value.to_string()));
    }
}

fn spec_to_v1(spec: &mut Tree, carriers: &mut Vec<(&str, Value)>) {
    let metrics = spec.remove("metrics").unwrap_or_default();
    let metrics = metrics.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(percent) = metrics.iter().find_map(|metric| cpu_percent(metric, "target")) {
        spec.put("targetCPUUtilizationPercentage", percent.clone());
    }
    let others = metrics.iter().filter(|metric| cpu_percent(metric, "target").is_none());
    let others: Vec<Value> = others.map(|metric| metric_to_v1(metric, Says::Wanted)).collect();
    if !others.is_empty() {
        carriers.push((METRICS, others.into()));
    }
    if let Some(behavior) = spec.remove("behavior").filter(|behavior| !behavior.is_null()) {
        carriers.push((BEHAVIOR, renamed(&behavior, capital)));
    }
}

fn status_to_v1(status: &mut Tree, carriers: &mut Vec<(&str, Value)>) {
    let current = status.remove("currentMetrics").unwrap_or_default();
    let current = current.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(percent) = current.iter().filter_map(|metric| cpu_percent(metric, "current")).next_back() {
        status.put("currentCPUUtilizationPercentage", percent.clone());
    }
    if !current.is_empty() {
        let all: Vec<Value> = current.iter().map(|metric| metric_to_v1(metric, Says::Measured)).collect();
        carriers.push((CURRENT, all.into()));
    }
    if let Some(conditions) =
        status.remove("conditions").filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
    {
        carriers.push((CONDITIONS, conditions));
    }
    // This form always writes both counts.
    status.default_to("currentReplicas", 0);
    status.default_to("desiredReplicas", 0);
}

pub(super) fn to_v2(tree: &mut Tree) {
    let annotations = tree.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
    let [metrics, current, conditions, behavior] =
        [METRICS, CURRENT, CONDITIONS, BEHAVIOR].map(|key| carried(annotations, key));
    without_carriers(tree);
    let spec = tree.make("spec");
    let percent = spec.remove("targetCPUUtilizationPercentage").filter(|percent| !percent.is_null());
    let listed = |list: &Option<Value>, says: Says| -> Vec<Value> {
        let list = list.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().map(|metric| metric_to_v2(metric, says)).collect()
    };
    let mut all = listed(&metrics, Says::Wanted);
    all.extend(percent.as_ref().map(cpu_metric));
    if all.is_empty() {
        all.push(cpu_metric(&AVERAGE_CPU_PERCENT.into()));
    }
    spec.put("metrics", all);
    if let Some(behavior) = behavior.map(|behavior| renamed(&behavior, small)) {
        spec.put("behavior", behavior);
    }
    let measured = listed(&current, Says::Measured);
    if let Some(status) = tree.object_mut("status") {
        let percent = status.remove("currentCPUUtilizationPercentage").filter(|percent| !percent.is_null());
        let one = |percent: Value| json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}});
        let all: Vec<Value> =
            if measured.is_empty() { percent.map(one).into_iter().collect() } else { measured };
        status.put("currentMetrics", if all.is_empty() { Value::Null } else { all.into() });
        if let Some(conditions) = conditions.filter(Value::is_array) {
            status.put("conditions", conditions);
        }
    }
}

fn cpu_metric(percent: &Value) -> Value {
    json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

fn capital(name: &str) -> String {
    let mut rest = name.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

fn small(name: &str) -> String {
    let mut rest = name.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// The same tree with other names of fields; what is `null` is left out.
fn renamed(value: &Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (name(key), renamed(value, name))).collect())
        }
        Value::Array(list) => list.iter().map(|value| renamed(value, name)).collect(),
        other => other.clone(),
    }
}
