//! What makes pods: deployments, sets, jobs, autoscalers, budgets.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{
    NONE, UNKNOWN, age, condition, containers, count, human, labels, or_none, selector, since, text_of,
};
use super::{Printer, printer};
use crate::tree::Get;

const REPLICAS: &[super::Column] = &[
    ("Desired", "integer", 0),
    ("Current", "integer", 0),
    ("Ready", "integer", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) const PRINTERS: &[(&str, &str, Printer)] = &[
    (
        "apps",
        "deployments",
        printer(
            &[
                ("Ready", "string", 0),
                ("Up-to-date", "string", 0),
                ("Available", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            deployment,
        ),
    ),
    ("apps", "replicasets", printer(REPLICAS, replicas)),
    ("", "replicationcontrollers", printer(REPLICAS, replicas)),
    (
        "apps",
        "statefulsets",
        printer(
            &[
                ("Ready", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
            ],
            |tree, now| {
                let (spec, status) = (&tree["spec"], &tree["status"]);
                let ready = format!("{}/{}", count(status, "readyReplicas"), count(spec, "replicas"));
                let [names, images] = containers(&spec["template"]["spec"]);
                vec![ready.into(), age(tree, now), names, images]
            },
        ),
    ),
    (
        "apps",
        "daemonsets",
        printer(
            &[
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Up-to-date", "integer", 0),
                ("Available", "integer", 0),
                ("Node Selector", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            daemon_set,
        ),
    ),
    (
        "apps",
        "controllerrevisions",
        printer(
            &[("Controller", "string", 0), ("Revision", "integer", 0), ("Age", "string", 0)],
            controller_revision,
        ),
    ),
    (
        "batch",
        "jobs",
        printer(
            &[
                ("Status", "string", 0),
                ("Completions", "string", 0),
                ("Duration", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            job,
        ),
    ),
    (
        "batch",
        "cronjobs",
        printer(
            &[
                ("Schedule", "string", 0),
                ("Timezone", "string", 0),
                ("Suspend", "boolean", 0),
                ("Active", "integer", 0),
                ("Last Schedule", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cron_job,
        ),
    ),
    (
        "policy",
        "poddisruptionbudgets",
        printer(
            &[
                ("Min Available", "string", 0),
                ("Max Unavailable", "string", 0),
                ("Allowed Disruptions", "integer", 0),
                ("Age", "string", 0),
            ],
            |tree, now| {
                let of = |field: &str| match tree["spec"].at(field) {
                    Some(value) => text_of(Some(value)).into(),
                    None => Value::from("N/A"),
                };
                let allowed = count(&tree["status"], "disruptionsAllowed").into();
                vec![of("minAvailable"), of("maxUnavailable"), allowed, age(tree, now)]
            },
        ),
    ),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        printer(
            &[
                ("Reference", "string", 0),
                ("Targets", "string", 0),
                ("MinPods", "string", 0),
                ("MaxPods", "string", 0),
                ("Replicas", "string", 0),
                ("Age", "string", 0),
            ],
            autoscaler,
        ),
    ),
];

fn deployment(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let [names, images] = containers(&spec["template"]["spec"]);
    vec![
        format!("{}/{}", count(status, "readyReplicas"), count(spec, "replicas")).into(),
        count(status, "updatedReplicas").into(),
        count(status, "availableReplicas").into(),
        age(tree, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

fn replicas(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let [names, images] = containers(&spec["template"]["spec"]);
    let is_plain = tree.text("kind") == "ReplicationController";
    vec![
        count(spec, "replicas").into(),
        count(status, "replicas").into(),
        count(status, "readyReplicas").into(),
        age(tree, now),
        names,
        images,
        if is_plain { labels(spec.at("selector")) } else { selector(&spec["selector"]) },
    ]
}

fn daemon_set(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let pod = &spec["template"]["spec"];
    let [names, images] = containers(pod);
    vec![
        count(status, "desiredNumberScheduled").into(),
        count(status, "currentNumberScheduled").into(),
        count(status, "numberReady").into(),
        count(status, "updatedNumberScheduled").into(),
        count(status, "numberAvailable").into(),
        labels(pod.at("nodeSelector")),
        age(tree, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

fn controller_revision(tree: &Value, now: Timestamp) -> Vec<Value> {
    let owners = tree["metadata"].list("ownerReferences");
    let owner = owners.iter().find(|owner| owner.at("controller") == Some(&Value::Bool(true)));
    let controller = owner.map_or(NONE.to_owned(), |owner| {
        let api_version = owner.text("apiVersion");
        let group = api_version.rsplit_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        format!("{}{group}/{}", owner.text("kind").to_lowercase(), owner.text("name"))
    });
    vec![controller.into(), count(tree, "revision").into(), age(tree, now)]
}

fn job(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let succeeded = count(status, "succeeded");
    let completions = match (spec.number("completions"), spec.number("parallelism").unwrap_or(1)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let at = |field: &str| status.text(field).parse::<Timestamp>().ok();
    let duration = at("startTime").map_or(String::new(), |start| {
        human(at("completionTime").unwrap_or(now).duration_since(start).as_secs())
    });
    let holds = |ty: &str| condition(status, ty).is_some_and(|condition| condition.text("status") == "True");
    let state = match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if tree["metadata"].at("deletionTimestamp").is_some() => "Terminating",
        () if holds("Suspended") => "Suspended",
        () if holds("FailureTarget") => "FailureTarget",
        () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let [names, images] = containers(&spec["template"]["spec"]);
    vec![
        state.into(),
        completions.into(),
        duration.into(),
        age(tree, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

fn cron_job(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let last = match status.text("lastScheduleTime") {
        "" => NONE.to_owned(),
        time => since(time, now),
    };
    let job = &spec["jobTemplate"]["spec"];
    let [names, images] = containers(&job["template"]["spec"]);
    vec![
        spec.text("schedule").into(),
        or_none(spec.text("timeZone")),
        spec.at("suspend")
            .cloned()
            .unwrap_or(false.into())
            .to_string()
            .replace('t', "T")
            .replace('f', "F")
            .into(),
        status.list("active").len().into(),
        last.into(),
        age(tree, now),
        names,
        images,
        if job.at("selector").is_some() { selector(&job["selector"]) } else { NONE.into() },
    ]
}

fn autoscaler(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let of = &spec["scaleTargetRef"];
    vec![
        format!("{}/{}", of.text("kind"), of.text("name")).into(),
        targets(spec, status).into(),
        spec.at("minReplicas").map_or(Value::from("<unset>"), |min| min.to_string().into()),
        count(spec, "maxReplicas").into(),
        count(status, "currentReplicas").into(),
        age(tree, now),
    ]
}

/// Current and wanted value of each metric, three at most (`formatHPAMetrics`).
fn targets(spec: &Value, status: &Value) -> String {
    let specs = spec.list("metrics");
    if specs.is_empty() {
        return NONE.to_owned();
    }
    let current = status.list("currentMetrics");
    let one = |(at, metric): (usize, &Value)| {
        let ty = metric.text("type");
        let field = format!("{}{}", ty[..ty.len().min(1)].to_lowercase(), ty.get(1..).unwrap_or_default());
        let (wanted, now) =
            (&metric[field.as_str()]["target"], current.get(at).map(|now| &now[field.as_str()]["current"]));
        let (name, unit) = match wanted.text("type") {
            "Utilization" => ("averageUtilization", "%"),
            "AverageValue" => ("averageValue", ""),
            _ => ("value", ""),
        };
        let shown = |tree: Option<&Value>| match tree.and_then(|tree| tree.at(name)) {
            Some(value) => format!("{}{unit}", text_of(Some(value))),
            None => UNKNOWN.to_owned(),
        };
        let average = if name == "averageValue" && field != "resource" { " (avg)" } else { "" };
        let label = match metric[field.as_str()].text("name") {
            "" => String::new(),
            name => format!("{name}: "),
        };
        format!("{label}{}/{}{average}", shown(now), shown(Some(wanted)))
    };
    let all: Vec<String> = specs.iter().enumerate().take(2).map(one).collect();
    let more = if specs.len() > 2 { format!(" + {} more...", specs.len() - 2) } else { String::new() };
    format!("{}{more}", all.join(", "))
}
