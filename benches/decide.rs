//! Decisions alone, without I/O: the plan of a controller, and the placements of the scheduler.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use orch::controllers::replicaset::ReplicaSetController;
use orch::core::controller::Controller;
use orch::core::scheduler::{Scheduler, Verdict};
use orch::core::view::Cache;
use orch::core::{Change, Event, Key, Live, Object, Registry, Revision, kind};
use orch::scheduler::FrameworkScheduler;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Pods that the ReplicaSet is to create, as many as Kubernetes creates in one go.
const REPLICAS: usize = 500;
const NODES: usize = 100;
const PODS: usize = 1_000;

fn change(registry: &Registry, tree: &Value, revision: usize) -> Change {
    let text = |field: &str| tree[field].as_str().unwrap_or_default();
    let info = registry.by_api_version(text("apiVersion"), text("kind")).expect("a known kind");
    let object = Object::encode(&info, tree).expect("well formed").at(Revision(revision as u64));
    Change::new(object.revision(), Some(Live::fresh(object, Arc::new(tree.clone()))), None)
}

fn plan(c: &mut Criterion) {
    let registry = Registry::built_in();
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "shop",
        "uid": "0a1b2c3d-1111-4222-8333-944455566677", "generation": 1}, "spec": {"replicas": REPLICAS,
        "selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let controller = ReplicaSetController::default();
    let mut cache = Cache::new(&controller.needs());
    cache.apply(None, &Event::Changed(Arc::new(change(&registry, &set, 1))));
    cache.apply(None, &Event::Progress(Revision(2)));
    let key = Key::new(kind::REPLICA_SETS, "shop", "web");
    let mut group = c.benchmark_group("plan");
    group.throughput(Throughput::Elements(REPLICAS as u64));
    group.bench_function("replicaset_creates_500", |b| {
        b.iter(|| {
            let observed =
                controller.observe(black_box(&key), NOW, &cache).expect("there is something to do");
            let plan = controller.plan(&observed);
            let pods = plan.writes.iter().filter(|write| write.key.kind == kind::PODS).count();
            assert_eq!(pods, REPLICAS, "every pod is planned");
        });
    });
    group.finish();
}

/// A scheduler that knows the nodes and has every pod in its queue.
fn loaded() -> FrameworkScheduler {
    let registry = Registry::built_in();
    let mut scheduler = FrameworkScheduler::default();
    let amounts = json!({"cpu": "32", "memory": "128Gi", "pods": "110"});
    for at in 0..NODES {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{at:05}"), "uid": format!("n{at}")},
            "status": {"capacity": amounts, "allocatable": amounts}});
        scheduler.apply(&change(&registry, &node, at + 1));
    }
    for at in 0..PODS {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{at:05}"), "namespace": "shop",
            "uid": format!("p{at}"), "labels": {"app": "web"}}, "spec": {"schedulerName": "default-scheduler",
            "containers": [{"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]},
            "status": {"phase": "Pending"}});
        scheduler.apply(&change(&registry, &pod, NODES + at + 1));
    }
    scheduler
}

fn placements(c: &mut Criterion) {
    let scheduler = loaded();
    let mut group = c.benchmark_group("schedule");
    group.throughput(Throughput::Elements(PODS as u64));
    group.bench_function("1000_pods_on_100_nodes", |b| {
        b.iter_batched(
            || scheduler.fork(),
            |mut scheduler| {
                let mut decisions = Vec::with_capacity(PODS);
                scheduler.decide(NOW, PODS, &mut decisions);
                let bound =
                    decisions.iter().filter(|one| matches!(one.verdict, Verdict::Bind { .. })).count();
                assert_eq!(bound, PODS, "every pod has a node");
                scheduler
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, plan, placements);
criterion_main!(benches);
