//! Testing an operator against a whole cluster: a simulated day in milliseconds.
//!
//! ```text
//! cargo test --release --example operator_test     # as your own tests would
//! cargo run --release --example operator_test      # the same, and tells how long it took
//! ```
//!
//! The operator takes backups: for each `Backup` a pod every hour, of which it keeps the last three. The test starts a
//! cluster with the operator, a scheduler, every controller and two nodes, lets a virtual day pass, and looks at what is
//! there. You will see that 24 hours take a moment.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use orch::core::controller::{Controller, Plan};
use orch::core::view::{Needs, Projection, View};
use orch::core::{Change, Env, Key, Kind, KindInfo, Live, Scope, Str, Write, kind, sim};
use orch::runtime::simulated::Profile;
use orch::{Cluster, NodeSpec};
use serde_json::json;

const HOUR: i64 = 3600;
const KEPT: usize = 3;

fn backups() -> Kind {
    Kind::named("bakery.example", "backups")
}

/// A Backup, and the pods that were made for it.
struct Facts;

impl Projection for Facts {
    fn kind() -> Option<Kind> {
        Some(backups())
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

struct Made {
    has_ended: bool,
}

impl Projection for Made {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(object: &Live) -> Self {
        Self { has_ended: object.field("status.phase") == Some("Succeeded") }
    }
}

struct Operator;

/// Everything that the decision depends on: whose backups, the hour that it is, and the pods, the oldest first.
struct Observed {
    backup: Key,
    uid: Str,
    now: Timestamp,
    pods: Vec<(Key, bool)>,
}

impl Controller for Operator {
    type Observed = Observed;

    fn name(&self) -> &str {
        "backup-operator"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Facts>().of::<Made>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        match change.object().header().controller() {
            Some(owner) if &*owner.kind == "Backup" => {
                out(change.key().sibling(backups(), owner.name.clone()))
            }
            _ if change.key().kind == backups() => out(change.key().clone()),
            _ => {}
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let uid = view.of::<Facts>().get(key)?.object.uid().clone();
        let pods =
            view.of::<Made>().owned_by(&uid).map(|row| (row.object.key().clone(), row.facts.has_ended));
        Some(Observed { backup: key.clone(), now, pods: pods.collect(), uid })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let Observed { backup, uid, now, pods } = observed;
        let hour = now.as_second() / HOUR;
        let name = format!("{}-{hour}", backup.name);
        let next = Duration::from_secs(u64::try_from((hour + 1) * HOUR - now.as_second()).unwrap_or(1));
        let mut plan = Plan::new().again_after(next);
        if !pods.iter().any(|(pod, _)| *pod.name == *name) {
            // Named by the hour: made once, whatever crashes in between.
            let owner = json!({"apiVersion": "bakery.example/v1", "kind": "Backup", "name": &*backup.name, "uid": &**uid, "controller": true});
            plan = plan.write(Write::create(backup.sibling(kind::PODS, name.as_str()), json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": &*backup.namespace, "ownerReferences": [owner], "annotations": {"sim.orch.local/runs-for": "5m"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "backup", "image": "backup:1"}]}})));
        }
        let ended: Vec<&Key> = pods.iter().filter(|(_, has_ended)| *has_ended).map(|(pod, _)| pod).collect();
        let old = ended.iter().take(ended.len().saturating_sub(KEPT));
        old.fold(plan, |plan, pod| plan.write(Write::delete((*pod).clone())))
    }
}

/// Lets a day pass; answers the backups that are there then.
fn a_day(seed: u64) -> Vec<Pod> {
    let day = |env: Env| async move {
        let kind = KindInfo::new(backups(), "v1", "Backup", Scope::Namespaced);
        let nodes = ["n1", "n2"].map(|name| NodeSpec::new(name).simulated(|_, _| Profile::default()));
        let builder = Cluster::builder().env(env.clone()).kind(kind).controller(Operator);
        let cluster = builder.nodes(nodes).memory_disk().start().await?;
        cluster
            .apply("{apiVersion: bakery.example/v1, kind: Backup, metadata: {name: db, namespace: default}}")
            .await?;
        env.sleep(Duration::from_secs(24 * 3600 + 1800)).await;
        cluster.settle().await?;
        let pods = cluster.of::<Pod>("default").list().await?;
        cluster.shutdown().await?;
        Ok::<_, orch::Error>(pods)
    };
    sim::run(seed, day).unwrap_or_default()
}

#[test]
fn the_last_three_of_a_day_are_kept() {
    let mut names: Vec<String> = a_day(1).into_iter().filter_map(|pod| pod.metadata.name).collect();
    names.sort();
    // Virtual time begins at 2026-01-01: hour 490,896 of our era.
    assert_eq!(names, ["db-490918", "db-490919", "db-490920"]);
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn main() {
    let began = Instant::now();
    let pods = a_day(1);
    println!("{} backups are kept after 24 hours, which took {:?}", pods.len(), began.elapsed());
    assert_eq!(pods.len(), KEPT, "the last three");
}
