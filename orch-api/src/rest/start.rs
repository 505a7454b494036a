//! What clients of a served API find from the start: flow schemas and priority levels
//! (`apiserver/pkg/apis/flowcontrol/bootstrap/default.go`), an APIService for each version of each group
//! (`pkg/controlplane/apiserver/aggregator.go`), and the range of cluster addresses
//! (`pkg/controlplane/controller/defaultservicecidr`).
//!
//! A cluster in a program has no use for them, so they are made where REST is served, in one batch. Not the roles (those are
//! [`Rbac`](super::Rbac)'s). Nothing acts on flow schemas: requests are bounded by [`super::RestBuilder::max_in_flight`].
//! Invariant: what is there is left as it is.

use ipnet::IpNet;
use orch_core::{Api, Env, Error, Key, Kind, Result, Write, kind};
use serde_json::{Value, json};

use super::discovery;

/// Makes them, unless they are there. `services` is the range of cluster addresses.
///
/// ```
/// use std::sync::Arc;
/// use orch_api::{LocalApi, rest};
/// use orch_core::{ApiExt, Key, Registry, kind};
/// use orch_store::MemStore;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let api = LocalApi::builder(Arc::new(MemStore::new(registry.clone())), env.clone(), registry).build();
/// api.bootstrap().await.unwrap();
/// rest::bootstrap(&api, &env, "10.96.0.0/12".parse().unwrap()).await.unwrap();
/// let apps = api.read(&Key::cluster(kind::API_SERVICES, "v1.apps")).await.unwrap().tree();
/// assert_eq!(apps["spec"]["groupPriorityMinimum"], 17800);
/// assert_eq!(apps["status"]["conditions"][0]["reason"], "Local");
/// # });
/// ```
///
/// # Errors
/// What the Api says; some may be there then, and it may be done again.
pub async fn bootstrap(api: &dyn Api, env: &Env, services: IpNet) -> Result<()> {
    let of_versions = discovery::group_versions(api.registry())
        .into_iter()
        .map(|(group, version)| New::of(kind::API_SERVICES, api_service(&group, &version)));
    make(api, of_versions.collect()).await?;
    flow_control(api, env).await?;
    service_range(api, env, services).await
}

/// The flow schemas and priority levels.
///
/// # Errors
/// As [`bootstrap`].
pub(super) async fn flow_control(api: &dyn Api, env: &Env) -> Result<()> {
    let now = orch_core::rfc3339(env.now());
    let levels = LEVELS.iter().map(|level| New::of(kind::PRIORITY_LEVEL_CONFIGURATIONS, level.tree()));
    let schemas =
        SCHEMAS.iter().map(|schema| New::of(kind::FLOW_SCHEMAS, schema.tree()).with(schema.status(&now)));
    make(api, levels.chain(schemas).collect()).await
}

/// The range of cluster addresses.
///
/// # Errors
/// As [`bootstrap`].
pub(super) async fn service_range(api: &dyn Api, env: &Env, services: IpNet) -> Result<()> {
    let range = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [services.to_string()]}});
    let status = ready(&orch_core::rfc3339(env.now()));
    make(api, vec![New::of(kind::SERVICE_CIDRS, range).with(status)]).await
}

/// An object of no namespace that is made if it is not there, and the status that it has then.
struct New {
    key: Key,
    tree: Value,
    status: Option<Value>,
}

impl New {
    fn of(kind: Kind, tree: Value) -> Self {
        let name = tree["metadata"]["name"].as_str().unwrap_or_default();
        Self { key: Key::cluster(kind, name), tree, status: None }
    }

    fn with(self, status: Value) -> Self {
        Self { status: Some(status), ..self }
    }
}

async fn make(api: &dyn Api, all: Vec<New>) -> Result<()> {
    let (creates, statuses): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|new| (Write::create(new.key.clone(), new.tree), new.status.map(|status| (new.key, status))))
        .unzip();
    let mut told = Vec::new();
    for (answer, status) in api.write(creates).await.into_iter().zip(statuses) {
        match answer {
            Ok(_) => {
                told.extend(status.map(|(key, status)| Write::merge_status(key, json!({"status": status}))))
            }
            Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    api.write(told).await.into_iter().try_for_each(|answer| answer.map(drop))
}

fn ready(now: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": "True", "reason": "", "lastTransitionTime": now,
        "message": "Kubernetes default Service CIDR is ready"}]})
}

/// The order of a group among the others, and of the version in it.
fn priority(group: &str, version: &str) -> (i64, i64) {
    match (group, version) {
        ("", _) => (18_000, 1),
        ("apps", _) => (17_800, 15),
        ("events.k8s.io", _) => (17_750, 15),
        ("authentication.k8s.io", _) => (17_700, 15),
        ("authorization.k8s.io", _) => (17_600, 15),
        ("autoscaling", "v2") => (17_500, 30),
        ("autoscaling", _) => (17_500, 15),
        ("batch", _) => (17_400, 15),
        ("certificates.k8s.io", _) => (17_300, 15),
        ("networking.k8s.io", _) => (17_200, 15),
        ("policy", _) => (17_100, 15),
        ("rbac.authorization.k8s.io", _) => (17_000, 15),
        ("storage.k8s.io", _) => (16_800, 15),
        ("apiextensions.k8s.io" | "admissionregistration.k8s.io", _) => (16_700, 15),
        ("scheduling.k8s.io", _) => (16_600, 15),
        ("coordination.k8s.io", _) => (16_500, 15),
        ("node.k8s.io", _) => (16_300, 15),
        ("discovery.k8s.io", _) => (16_200, 15),
        ("resource.k8s.io", _) => (16_200, 21),
        ("flowcontrol.apiserver.k8s.io", _) => (16_100, 21),
        // As those of custom kinds.
        _ => (1_000, 100),
    }
}

fn api_service(group: &str, version: &str) -> Value {
    let (group_priority, version_priority) = priority(group, version);
    let mut tree = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"),
            "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
        "spec": {"version": version, "groupPriorityMinimum": group_priority, "versionPriority": version_priority}});
    if !group.is_empty() {
        tree["spec"]["group"] = group.into();
    }
    tree
}

fn named(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind, "metadata": {"name": name,
        "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}}})
}

/// A priority level.
struct Level {
    name: &'static str,
    shares: u32,
    lendable: u32,
    /// Queues and size of a hand; none means that what is too much is refused.
    queues: Option<(u32, u32)>,
}

const fn level(name: &'static str, shares: u32, lendable: u32, queues: Option<(u32, u32)>) -> Level {
    Level { name, shares, lendable, queues }
}

const EXEMPT: &str = "exempt";

const LEVELS: [Level; 8] = [
    level("catch-all", 5, 0, None),
    level(EXEMPT, 0, 0, None),
    level("system", 30, 33, Some((64, 6))),
    level("node-high", 40, 25, Some((64, 6))),
    level("leader-election", 10, 0, Some((16, 4))),
    level("workload-high", 40, 50, Some((128, 6))),
    level("workload-low", 100, 90, Some((128, 6))),
    level("global-default", 20, 50, Some((128, 6))),
];

impl Level {
    fn tree(&self) -> Value {
        let mut tree = named("PriorityLevelConfiguration", self.name);
        let mut amounts = json!({"nominalConcurrencyShares": self.shares, "lendablePercent": self.lendable});
        if self.name == EXEMPT {
            tree["spec"] = json!({"type": "Exempt", "exempt": amounts});
            return tree;
        }
        amounts["limitResponse"] = match self.queues {
            Some((queues, hand)) => json!({"type": "Queue",
                "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50}}),
            None => json!({"type": "Reject"}),
        };
        tree["spec"] = json!({"type": "Limited", "limited": amounts});
        tree
    }
}

/// What a flow schema is about.
#[derive(Clone, Copy)]
enum About {
    Everything,
    Probes,
    Leases,
    Nodes,
}

struct Schema {
    name: &'static str,
    level: &'static str,
    precedence: u32,
    by: Option<&'static str>,
    /// `Kind:name`; service accounts are those of `kube-system`.
    subjects: &'static [&'static str],
    about: About,
}

const BY_USER: Option<&str> = Some("ByUser");
const BY_NAMESPACE: Option<&str> = Some("ByNamespace");
const EVERYBODY: &[&str] = &["Group:system:unauthenticated", "Group:system:authenticated"];

const fn schema(
    name: &'static str,
    level: &'static str,
    precedence: u32,
    by: Option<&'static str>,
    subjects: &'static [&'static str],
    about: About,
) -> Schema {
    Schema { name, level, precedence, by, subjects, about }
}

const SCHEMAS: [Schema; 11] = [
    schema(EXEMPT, EXEMPT, 1, None, &["Group:system:masters"], About::Everything),
    schema("catch-all", "catch-all", 10_000, BY_USER, EVERYBODY, About::Everything),
    schema("system-nodes", "system", 500, BY_USER, &["Group:system:nodes"], About::Everything),
    schema("system-node-high", "node-high", 400, BY_USER, &["Group:system:nodes"], About::Nodes),
    schema("probes", EXEMPT, 2, None, EVERYBODY, About::Probes),
    schema(
        "system-leader-election",
        "leader-election",
        100,
        BY_USER,
        &["User:system:kube-controller-manager", "User:system:kube-scheduler", "ServiceAccount:*"],
        About::Leases,
    ),
    schema(
        "kube-controller-manager",
        "workload-high",
        800,
        BY_NAMESPACE,
        &["User:system:kube-controller-manager"],
        About::Everything,
    ),
    schema(
        "kube-scheduler",
        "workload-high",
        800,
        BY_NAMESPACE,
        &["User:system:kube-scheduler"],
        About::Everything,
    ),
    schema(
        "kube-system-service-accounts",
        "workload-high",
        900,
        BY_NAMESPACE,
        &["ServiceAccount:*"],
        About::Everything,
    ),
    schema(
        "service-accounts",
        "workload-low",
        9_000,
        BY_USER,
        &["Group:system:serviceaccounts"],
        About::Everything,
    ),
    schema("global-default", "global-default", 9_900, BY_USER, EVERYBODY, About::Everything),
];

fn subject(text: &str) -> Value {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "User" => json!({"kind": kind, "user": {"name": name}}),
        "Group" => json!({"kind": kind, "group": {"name": name}}),
        _ => json!({"kind": kind, "serviceAccount": {"name": name, "namespace": "kube-system"}}),
    }
}

impl Schema {
    fn tree(&self) -> Value {
        let every = |verbs: &[&str], group: &str, resources: &[&str], is_cluster_wide: bool| {
            let mut rule =
                json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"]});
            if is_cluster_wide {
                rule["clusterScope"] = true.into();
            }
            rule
        };
        let mut rules =
            json!({"subjects": self.subjects.iter().map(|text| subject(text)).collect::<Vec<_>>()});
        match self.about {
            About::Everything => {
                rules["resourceRules"] = json!([every(&["*"], "*", &["*"], true)]);
                rules["nonResourceRules"] = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
            }
            About::Probes => {
                let paths = ["/healthz", "/readyz", "/livez"];
                rules["nonResourceRules"] = json!([{"verbs": ["get"], "nonResourceURLs": paths}]);
            }
            About::Leases => {
                let verbs = ["get", "create", "update"];
                rules["resourceRules"] = json!([every(&verbs, "coordination.k8s.io", &["leases"], false)]);
            }
            About::Nodes => {
                let nodes = every(&["*"], "", &["nodes", "nodes/status"], true);
                let leases = every(&["*"], "coordination.k8s.io", &["leases"], false);
                rules["resourceRules"] = json!([nodes, leases]);
            }
        }
        let mut tree = named("FlowSchema", self.name);
        tree["spec"] = json!({"priorityLevelConfiguration": {"name": self.level},
            "matchingPrecedence": self.precedence, "rules": [rules]});
        if let Some(by) = self.by {
            tree["spec"]["distinguisherMethod"] = json!({"type": by});
        }
        tree
    }

    fn status(&self, now: &str) -> Value {
        let message = format!(
            "This FlowSchema references the PriorityLevelConfiguration object named {:?} and it exists",
            self.level
        );
        json!({"conditions": [{"type": "Dangling", "status": "False", "lastTransitionTime": now, "reason": "Found",
            "message": message}]})
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{ApiExt, Read, Select};

    use super::*;
    use crate::rest::tests::local;

    #[test]
    fn everything_is_there_once_and_makes_sense() {
        orch_core::sim::run(1, |env| async move {
            let api = local(&env);
            api.bootstrap().await.unwrap();
            let mut revision = orch_core::Revision::ZERO;
            for _ in 0..2 {
                bootstrap(&api, &env, "10.96.0.0/12".parse().unwrap()).await.unwrap();
                let services = api.list(&Select::kind(kind::API_SERVICES), None, 0).await.unwrap();
                assert_eq!(services.items.len(), discovery::group_versions(api.registry()).len());
                assert!(
                    revision == orch_core::Revision::ZERO || revision == services.revision,
                    "nothing twice"
                );
                revision = services.revision;
            }
            let catch_all = api.read(&Key::cluster(kind::FLOW_SCHEMAS, "catch-all")).await.unwrap().tree();
            assert_eq!(catch_all["spec"]["rules"][0]["subjects"][1]["group"]["name"], "system:authenticated");
            assert_eq!(catch_all["status"]["conditions"][0]["reason"], "Found");
            let range = api.read(&Key::cluster(kind::SERVICE_CIDRS, "kubernetes")).await.unwrap().tree();
            assert_eq!(range["spec"]["cidrs"], json!(["10.96.0.0/12"]));
            for schema in SCHEMAS {
                assert!(LEVELS.iter().any(|level| level.name == schema.level), "{}", schema.name);
            }
        });
    }
}
