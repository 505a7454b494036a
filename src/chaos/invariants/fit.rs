//! Whether a pod fits a node, by brute force and straight from the objects: written independently of the scheduler's
//! framework and of the agent's admission, so that it can judge both.
//!
//! Sources: `PodRequests` of `staging/src/k8s.io/component-helpers/resource/helpers.go`,
//! `staging/src/k8s.io/component-helpers/scheduling/corev1`, and the filters of `pkg/scheduler/framework/plugins`
//! (`noderesources/fit.go`, `nodeports`, `tainttoleration`, `nodeunschedulable`, `nodeaffinity`).

use std::collections::BTreeMap;

use orch_core::{Object, Quantity, Str};
use serde_json::Value;

use super::tree::{fields, list, number, text};

/// Amounts by resource: thousandths of CPU, whole units of all else.
pub(super) type Amounts = BTreeMap<Str, i64>;

fn quantities(map: &Value) -> BTreeMap<Str, Quantity> {
    fields(map)
        .filter_map(|(name, amount)| Some((name.as_str().into(), text(amount).parse().ok()?)))
        .collect()
}

fn whole(amounts: BTreeMap<Str, Quantity>) -> Amounts {
    let count =
        |name: &str, amount: Quantity| if name == "cpu" { amount.milli_value() } else { amount.value() };
    amounts.into_iter().map(|(name, amount)| (name.clone(), count(&name, amount))).collect()
}

/// What a pod asks for: the larger of what its containers and sidecars ask for together and of what the most demanding
/// moment of its start needs; what it asks for as a whole replaces that; the overhead comes on top.
pub(super) fn requests(spec: &Value) -> Amounts {
    let (mut run, mut sidecars, mut start) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let add = |sum: &mut BTreeMap<Str, Quantity>, more: BTreeMap<Str, Quantity>| {
        more.into_iter().for_each(|(name, amount)| *sum.entry(name).or_default() += amount);
    };
    let asked = |container: &Value| quantities(&container["resources"]["requests"]);
    for container in list(&spec["containers"]) {
        add(&mut run, asked(container));
    }
    for container in list(&spec["initContainers"]) {
        let mut moment = sidecars.clone();
        add(&mut moment, asked(container));
        if container["restartPolicy"] == "Always" {
            add(&mut run, asked(container));
            sidecars.clone_from(&moment);
        }
        for (name, amount) in moment {
            let most = start.entry(name).or_insert(Quantity::ZERO);
            *most = (*most).max(amount);
        }
    }
    for (name, amount) in start {
        let most = run.entry(name).or_insert(Quantity::ZERO);
        *most = (*most).max(amount);
    }
    for (name, amount) in quantities(&spec["resources"]["requests"]) {
        if matches!(&*name, "cpu" | "memory") || name.starts_with("hugepages-") {
            run.insert(name, amount);
        }
    }
    add(&mut run, quantities(&spec["overhead"]));
    whole(run)
}

/// What the status of a node has to give.
pub(super) fn allocatable(status: &Value) -> Amounts {
    let given = &status["allocatable"];
    whole(quantities(if given.is_object() { given } else { &status["capacity"] }))
}

/// What a pod asks of its node.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) requests: Amounts,
    pub(super) priority: i64,
    pub(super) never_preempts: bool,
    pub(super) gated: bool,
    /// Names of its claims.
    pub(super) claims: Vec<Str>,
    selector: Vec<(Str, Str)>,
    /// One of these terms matches the node; `None` when there are none.
    terms: Option<Vec<Value>>,
    tolerations: Vec<Value>,
    /// Address, protocol, number.
    ports: Vec<(Str, Str, i64)>,
}

impl Demand {
    pub(super) fn read(pod: &str, spec: &Value) -> Self {
        let affinity = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let selector =
            fields(&spec["nodeSelector"]).map(|(name, value)| (name.as_str().into(), text(value).into()));
        let claim = |volume: &Value| match volume["persistentVolumeClaim"]["claimName"].as_str() {
            Some(name) => Some(name.into()),
            None if volume["ephemeral"].is_object() => {
                Some(format!("{pod}-{}", text(&volume["name"])).into())
            }
            None => None,
        };
        Self {
            requests: requests(spec),
            priority: number(&spec["priority"]),
            never_preempts: spec["preemptionPolicy"] == "Never",
            gated: !list(&spec["schedulingGates"]).is_empty(),
            claims: list(&spec["volumes"]).iter().filter_map(claim).collect(),
            selector: selector.collect(),
            terms: affinity["nodeSelectorTerms"].as_array().cloned(),
            tolerations: list(&spec["tolerations"]).to_vec(),
            ports: ports(spec),
        }
    }
}

fn ports(spec: &Value) -> Vec<(Str, Str, i64)> {
    let lasting =
        list(&spec["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
    let ports =
        list(&spec["containers"]).iter().chain(lasting).flat_map(|container| list(&container["ports"]));
    let or =
        |value: &Value, default: &str| Str::from(if text(value).is_empty() { default } else { text(value) });
    let taken = ports.filter(|port| number(&port["hostPort"]) > 0);
    taken
        .map(|port| (or(&port["hostIP"], "0.0.0.0"), or(&port["protocol"], "TCP"), number(&port["hostPort"])))
        .collect()
}

/// What a node offers.
#[derive(Debug)]
pub(super) struct Supply {
    name: Str,
    labels: BTreeMap<Str, Str>,
    allocatable: Amounts,
    /// Key, value, effect.
    taints: Vec<(Str, Str, Str)>,
    unschedulable: bool,
}

impl Supply {
    pub(super) fn read(node: &Object, tree: &Value) -> Self {
        let spec = &tree["spec"];
        let field = |taint: &Value, name: &str| Str::from(text(&taint[name]));
        let taint = |taint: &Value| (field(taint, "key"), field(taint, "value"), field(taint, "effect"));
        Self {
            name: node.key().name.clone(),
            labels: node.header().labels.iter().cloned().collect(),
            allocatable: allocatable(&tree["status"]),
            taints: list(&spec["taints"]).iter().map(taint).collect(),
            unschedulable: spec["unschedulable"] == true,
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(|value| &**value)
    }

    /// Whether one of the terms of a node selector matches.
    pub(super) fn matches_any(&self, terms: &[Value]) -> bool {
        terms.iter().any(|term| {
            let (labels, names) = (list(&term["matchExpressions"]), list(&term["matchFields"]));
            let name = |key: &str| (key == "metadata.name").then_some(&*self.name);
            !(labels.is_empty() && names.is_empty())
                && labels.iter().all(|one| is_met(one, self.label(text(&one["key"]))))
                && names.iter().all(|one| is_met(one, name(text(&one["key"]))))
        })
    }
}

fn is_met(requirement: &Value, found: Option<&str>) -> bool {
    let values = list(&requirement["values"]);
    let listed = || found.is_some_and(|found| values.iter().any(|value| value == found));
    let numbers =
        || -> Option<(i64, i64)> { Some((found?.parse().ok()?, text(values.first()?).parse().ok()?)) };
    match text(&requirement["operator"]) {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => numbers().is_some_and(|(found, bound)| found > bound),
        "Lt" => numbers().is_some_and(|(found, bound)| found < bound),
        _ => false,
    }
}

/// Whether one of the tolerations covers a taint.
pub(super) fn tolerates(tolerations: &[Value], (key, value, effect): (&str, &str, &str)) -> bool {
    let open = |wanted: &Value, found: &str| text(wanted).is_empty() || text(wanted) == found;
    tolerations.iter().any(|toleration| {
        open(&toleration["effect"], effect)
            && open(&toleration["key"], key)
            && match text(&toleration["operator"]) {
                "" | "Equal" => text(&toleration["value"]) == value,
                "Exists" => true,
                _ => false,
            }
    })
}

/// Why a pod does not fit a node beside others; `None` when it does.
pub(super) fn misfit<'a>(
    pod: &Demand,
    node: &Supply,
    others: impl Iterator<Item = &'a Demand> + Clone,
) -> Option<String> {
    const UNSCHEDULABLE: (&str, &str, &str) = ("node.kubernetes.io/unschedulable", "", "NoSchedule");
    if node.unschedulable && !tolerates(&pod.tolerations, UNSCHEDULABLE) {
        return Some("the node is unschedulable".to_owned());
    }
    let hard = |(_, _, effect): &&(Str, Str, Str)| matches!(&**effect, "NoSchedule" | "NoExecute");
    let borne = |taint: &(Str, Str, Str)| tolerates(&pod.tolerations, (&taint.0, &taint.1, &taint.2));
    if let Some((key, value, effect)) = node.taints.iter().filter(hard).find(|taint| !borne(taint)) {
        return Some(format!("the taint {key}={value}:{effect} is not tolerated"));
    }
    if let Some((name, value)) = pod.selector.iter().find(|(name, value)| node.label(name) != Some(value)) {
        return Some(format!("its node selector asks for {name}={value}"));
    }
    if pod.terms.as_ref().is_some_and(|terms| !node.matches_any(terms)) {
        return Some("its required node affinity does not match".to_owned());
    }
    let clash = |one: &(Str, Str, i64), other: &(Str, Str, i64)| {
        (&one.1, one.2) == (&other.1, other.2)
            && (one.0 == other.0 || [&one.0, &other.0].iter().any(|ip| &***ip == "0.0.0.0"))
    };
    let mut taken = others.clone().flat_map(|other| &other.ports);
    if !pod.ports.is_empty()
        && let Some((_, _, port)) = taken.find(|taken| pod.ports.iter().any(|port| clash(port, taken)))
    {
        return Some(format!("the host port {port} is taken"));
    }
    overflow(&node.allocatable, others.map(|other| &other.requests).chain([&pod.requests]), &pod.requests)
}

/// Which resource these pods together ask too much of, among those that the last one asks for; `None` when it is enough.
pub(super) fn overflow<'a>(
    allocatable: &Amounts,
    pods: impl Iterator<Item = &'a Amounts>,
    last: &Amounts,
) -> Option<String> {
    let mut sums: Vec<(&Str, i64)> =
        last.iter().filter(|(_, amount)| **amount > 0).map(|(name, _)| (name, 0)).collect();
    let mut count = 0;
    for pod in pods {
        count += 1;
        for (name, sum) in &mut sums {
            *sum += pod.get(*name).copied().unwrap_or(0);
        }
    }
    let given = |name: &str| allocatable.get(name).copied().unwrap_or(0);
    if count > given("pods") {
        return Some(format!("{count} pods, {} fit", given("pods")));
    }
    let over = sums.into_iter().find(|(name, sum)| *sum > given(name));
    over.map(|(name, sum)| format!("{sum} of {name} are asked for, {} are there", given(name)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::with;

    fn amounts(tree: &Value) -> Vec<(String, i64)> {
        requests(tree).into_iter().map(|(name, amount)| (name.to_string(), amount)).collect()
    }

    fn asks(name: &str, cpu: &str) -> Value {
        json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn init_containers_sidecars_and_overhead_count_as_upstream() {
        let sidecar = with(asks("s", "100m"), json!({"restartPolicy": "Always"}));
        let tree = json!({"initContainers": [sidecar, asks("i", "1")], "containers": [asks("a", "400m"), asks("b", "100m")],
            "overhead": {"cpu": "1m"}});
        assert_eq!(amounts(&tree), [("cpu".to_owned(), 1101)]);
        let tree = with(tree, json!({"containers": [asks("a", "2")]}));
        assert_eq!(amounts(&tree), [("cpu".to_owned(), 2101)]);
        let tree = with(tree, json!({"resources": {"requests": {"cpu": "3", "example.com/x": "1"}}}));
        assert_eq!(amounts(&tree), [("cpu".to_owned(), 3001)]);
    }

    #[track_caller]
    fn check(pod: Value, node: Value, others: &[Value], expected: Option<&str>) {
        let node = with(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"zone": "a", "size": "7"}},
                "status": {"allocatable": {"cpu": "1", "pods": "2"}}}),
            node,
        );
        let info = orch_core::Registry::built_in().get(orch_core::kind::NODES).unwrap();
        let supply = Supply::read(&Object::encode(&info, &node).unwrap(), &node);
        let others: Vec<Demand> = others.iter().map(|spec| Demand::read("o", spec)).collect();
        let found = misfit(&Demand::read("p", &pod), &supply, others.iter());
        match expected {
            None => assert_eq!(found, None),
            Some(why) => assert!(found.as_ref().is_some_and(|found| found.contains(why)), "{found:?}"),
        }
    }

    #[test]
    fn what_a_node_lacks_is_found() {
        let one = |cpu: &str| json!({"containers": [asks("c", cpu)]});
        check(one("600m"), json!({}), &[one("400m")], None);
        check(one("601m"), json!({}), &[one("400m")], Some("1001 of cpu"));
        check(one("0"), json!({}), &[one("2"), one("0")], Some("3 pods, 2 fit"));
        check(one("0"), json!({}), &[one("2")], None);
        let port = |ip: &str| json!({"containers": [{"ports": [{"hostPort": 80, "hostIP": ip}]}]});
        check(port(""), json!({}), &[port("127.0.0.1")], Some("host port 80"));
        check(port("127.0.0.2"), json!({}), &[port("127.0.0.1")], None);
    }

    #[test]
    fn taints_labels_and_affinity_are_checked() {
        let tainted = json!({"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoExecute"}]}});
        check(json!({}), tainted.clone(), &[], Some("taint a=b"));
        check(json!({"tolerations": [{"key": "a", "operator": "Exists"}]}), tainted, &[], None);
        let soft = json!({"spec": {"taints": [{"key": "a", "effect": "PreferNoSchedule"}]}});
        check(json!({}), soft, &[], None);
        check(json!({}), json!({"spec": {"unschedulable": true}}), &[], Some("unschedulable"));
        check(json!({"nodeSelector": {"zone": "b"}}), json!({}), &[], Some("zone=b"));
        let affinity = |operator: &str, value: &str| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
                [{"matchExpressions": [{"key": "size", "operator": operator, "values": [value]}]}]}}}})
        };
        check(affinity("Gt", "6"), json!({}), &[], None);
        check(affinity("Lt", "6"), json!({}), &[], Some("affinity"));
        check(affinity("NotIn", "7"), json!({}), &[], Some("affinity"));
    }
}
