//! Nodes, namespaces, configuration, access, events.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{NONE, UNKNOWN, age, condition, joined, or_none, since};
use super::{Printer, printer};
use crate::tree::Get;

const BINDING: &[super::Column] = &[
    ("Role", "string", 0),
    ("Age", "string", 0),
    ("Users", "string", 1),
    ("Groups", "string", 1),
    ("ServiceAccounts", "string", 1),
];

const WEBHOOKS: &[super::Column] = &[("Webhooks", "integer", 0), ("Age", "string", 0)];

pub(super) const PRINTERS: &[(&str, &str, Printer)] = &[
    (
        "",
        "nodes",
        printer(
            &[
                ("Status", "string", 0),
                ("Roles", "string", 0),
                ("Age", "string", 0),
                ("Version", "string", 0),
                ("Internal-IP", "string", 1),
                ("External-IP", "string", 1),
                ("OS-Image", "string", 1),
                ("Kernel-Version", "string", 1),
                ("Container-Runtime", "string", 1),
            ],
            node,
        ),
    ),
    (
        "",
        "namespaces",
        printer(&[("Status", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree["status"].text("phase").into(), age(tree, now)]
        }),
    ),
    (
        "",
        "configmaps",
        printer(&[("Data", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![(entries(tree, "data") + entries(tree, "binaryData")).into(), age(tree, now)]
        }),
    ),
    (
        "",
        "secrets",
        printer(&[("Type", "string", 0), ("Data", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree.text("type").into(), entries(tree, "data").into(), age(tree, now)]
        }),
    ),
    (
        "",
        "serviceaccounts",
        printer(&[("Secrets", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree.list("secrets").len().into(), age(tree, now)]
        }),
    ),
    (
        "",
        "resourcequotas",
        printer(&[("Request", "string", 0), ("Limit", "string", 0), ("Age", "string", 0)], quota),
    ),
    (
        "",
        "events",
        Printer {
            columns: &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Subobject", "string", 1),
                ("Source", "string", 1),
                ("Message", "string", 0),
                ("First Seen", "string", 1),
                ("Count", "string", 1),
            ],
            cells: event,
            name_at: 9,
        },
    ),
    (
        "coordination.k8s.io",
        "leases",
        printer(&[("Holder", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree["spec"].text("holderIdentity").into(), age(tree, now)]
        }),
    ),
    (
        "scheduling.k8s.io",
        "priorityclasses",
        printer(
            &[
                ("Value", "string", 0),
                ("Global-Default", "string", 0),
                ("Age", "string", 0),
                ("PreemptionPolicy", "string", 0),
            ],
            |tree, now| {
                let default = tree.at("globalDefault").cloned().unwrap_or(Value::Bool(false));
                let value = tree.at("value").cloned().unwrap_or(0.into());
                vec![value, default, age(tree, now), tree.text("preemptionPolicy").into()]
            },
        ),
    ),
    (
        "node.k8s.io",
        "runtimeclasses",
        printer(&[("Handler", "string", 0), ("Age", "string", 0)], |tree, now| {
            vec![tree.text("handler").into(), age(tree, now)]
        }),
    ),
    ("rbac.authorization.k8s.io", "rolebindings", printer(BINDING, role_binding)),
    ("rbac.authorization.k8s.io", "clusterrolebindings", printer(BINDING, role_binding)),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", printer(WEBHOOKS, webhooks)),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", printer(WEBHOOKS, webhooks)),
];

fn entries(tree: &Value, field: &str) -> usize {
    tree.object_at(field).map_or(0, serde_json::Map::len)
}

fn webhooks(tree: &Value, now: Timestamp) -> Vec<Value> {
    vec![tree.list("webhooks").len().into(), age(tree, now)]
}

fn node(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&tree["spec"], &tree["status"]);
    let mut state = match condition(status, "Ready").map(|condition| condition.text("status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if spec.at("unschedulable") == Some(&Value::Bool(true)) {
        state.push_str(",SchedulingDisabled");
    }
    let address = |ty: &str| {
        let found = status.list("addresses").iter().find(|address| address.text("type") == ty);
        or_none(found.map_or("", |address| address.text("address")))
    };
    let info = &status["nodeInfo"];
    let known = |field: &str| match info.text(field) {
        "" => Value::from(UNKNOWN),
        text => text.into(),
    };
    vec![
        state.into(),
        roles(tree),
        age(tree, now),
        info.text("kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

fn roles(tree: &Value) -> Value {
    let labels = tree["metadata"].object_at("labels").into_iter().flatten();
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    joined(labels.filter_map(role).filter(|role| !role.is_empty()))
}

fn quota(tree: &Value, now: Timestamp) -> Vec<Value> {
    let (hard, used) = (tree["status"].object_at("hard"), &tree["status"]["used"]);
    let of = |is_limit: bool| {
        let wanted = |name: &&String| name.starts_with("limits.") == is_limit;
        let one = |name: &String| {
            let hard = hard.map_or("", |hard| hard.text(name));
            let used = if used.text(name).is_empty() { "0" } else { used.text(name) };
            format!("{name}: {used}/{hard}")
        };
        let names = hard.into_iter().flat_map(|hard| hard.keys());
        Value::from(names.filter(wanted).map(one).collect::<Vec<_>>().join(", "))
    };
    vec![of(false), of(true), age(tree, now)]
}

fn event(tree: &Value, now: Timestamp) -> Vec<Value> {
    let time = |fields: &[&str]| {
        let found = fields.iter().map(|field| tree.text(field)).find(|text| !text.is_empty());
        found.map_or(UNKNOWN.to_owned(), |time| since(time, now))
    };
    let series = &tree["series"];
    let last = match series.text("lastObservedTime") {
        "" => time(&["lastTimestamp", "firstTimestamp", "eventTime"]),
        observed => since(observed, now),
    };
    let of = &tree["involvedObject"];
    let object = match of.text("name") {
        "" => of.text("kind").to_lowercase(),
        name => format!("{}/{name}", of.text("kind").to_lowercase()),
    };
    let source = [tree["source"].text("component"), tree["source"].text("host")];
    let source: Vec<&str> = match source.iter().all(|text| text.is_empty()) {
        true => vec![tree.text("reportingComponent")],
        false => source.into_iter().filter(|text| !text.is_empty()).collect(),
    };
    let count = series.number("count").or_else(|| tree.number("count")).unwrap_or(1).max(1);
    vec![
        last.into(),
        tree.text("type").into(),
        tree.text("reason").into(),
        object.into(),
        of.text("fieldPath").into(),
        source.join(", ").into(),
        tree.text("message").trim().into(),
        time(&["firstTimestamp", "eventTime"]).into(),
        count.into(),
    ]
}

fn role_binding(tree: &Value, now: Timestamp) -> Vec<Value> {
    let of = |kind: &str| {
        let named = tree.list("subjects").iter().filter(|subject| subject.text("kind") == kind);
        let one = |subject: &Value| match subject.text("namespace") {
            "" => subject.text("name").to_owned(),
            namespace => format!("{namespace}/{}", subject.text("name")),
        };
        Value::from(named.map(one).collect::<Vec<_>>().join(", "))
    };
    let role = &tree["roleRef"];
    let role = if role.text("kind").is_empty() {
        NONE.to_owned()
    } else {
        format!("{}/{}", role.text("kind"), role.text("name"))
    };
    vec![role.into(), age(tree, now), of("User"), of("Group"), of("ServiceAccount")]
}
