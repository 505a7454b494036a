//! The figures that the README reports: each is measured on work that was checked to be done.
//!
//! ```text
//! cargo bench --bench scale                                  # every figure, as a table
//! cargo bench --bench scale -- --json                        # the same as JSON
//! cargo bench --bench scale -- --replicas 5000 --nodes 500   # other sizes
//! ```
//!
//! Times are medians of several runs; CPU time is of the whole process, from `/proc/self/stat`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and reports"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use orch::core::{Event, Select, Write, kind};
use orch::runtime::task::{Context, TaskImages};
use orch::{Cluster, NodeSpec};
use serde_json::json;

/// Runs of each figure; the median is reported.
const RUNS: usize = 7;

struct Options {
    json: bool,
    test: bool,
    replicas: usize,
    nodes: usize,
}

fn options() -> Options {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let has = |name: &str| args.iter().any(|arg| arg == name);
    Options {
        json: has("--json"),
        test: has("--test"),
        replicas: number("--replicas", 1000),
        nodes: number("--nodes", 100),
    }
}

#[derive(Clone, Copy)]
struct Sample {
    wall: Duration,
    cpu: Duration,
}

fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by_key(|sample| sample.wall);
    samples[samples.len() / 2]
}

/// User and system time of this process so far, in the kernel's ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// A line of `/proc/self/status` in KiB.
fn memory_kib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn images() -> TaskImages {
    let images = TaskImages::default();
    images
        .register("sleep", |ctx: Context| async move { ctx.stopped().await })
        .expect("the name is well formed");
    images
}

async fn cluster(nodes: usize) -> Cluster {
    let specs = (0..nodes).map(|at| NodeSpec::new(format!("node-{at:05}")).cpu("32").memory("128Gi"));
    Cluster::builder().nodes(specs).images(images()).start().await.expect("the cluster starts")
}

/// From nothing to an Api that answers, with a namespace that takes objects.
async fn start() -> Sample {
    let (began, cpu_began) = (Instant::now(), cpu());
    let cluster = cluster(3).await;
    let default = cluster.of::<Namespace>("").get("default").await.expect("the default namespace is there");
    assert_eq!(default.status.and_then(|status| status.phase).as_deref(), Some("Active"));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first", "namespace": "default"}});
    let written = cluster.api().write(vec![Write::create_tree(kind::CONFIG_MAPS, map)]).await;
    assert!(written[0].is_ok(), "usable");
    let sample = Sample { wall: began.elapsed(), cpu: cpu() - cpu_began };
    cluster.shutdown().await.expect("it ends");
    sample
}

/// A Deployment from its creation to every pod bound, and to every pod Running, as a watcher sees it.
async fn deployment(replicas: usize, nodes: usize) -> (Sample, Sample) {
    let cluster = cluster(nodes).await;
    cluster.settle().await.expect("it settles");
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "big", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "big"}}, "template": {
            "metadata": {"labels": {"app": "big"}},
            "spec": {"containers": [{"name": "main", "image": "sleep", "imagePullPolicy": "IfNotPresent",
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}});
    let api = cluster.api();
    let select = Select::kind(kind::PODS).namespace("default");
    let mut watch = api.watch(&select, None).await.expect("a watch");
    let (began, cpu_began) = (Instant::now(), cpu());
    let created = api.write(vec![Write::create_tree(kind::DEPLOYMENTS, deployment)]).await;
    assert!(created[0].is_ok(), "{created:?}");
    let (mut bound, mut running, mut all_bound) = (BTreeMap::new(), 0, None);
    let all_running = loop {
        let Some(Ok(event)) = watch.next().await else { panic!("the watch ended") };
        let Event::Changed(change) = event else { continue };
        let now = change.now.as_ref().expect("no pod goes");
        let node = now.field("spec.nodeName").unwrap_or_default();
        if !node.is_empty() {
            let before = bound.insert(now.key().clone(), node.to_owned());
            assert!(before.is_none_or(|before| before == node), "{} was bound twice", now.key());
        }
        let phase = |object: &orch::core::Object| object.field("status.phase") == Some("Running");
        if phase(now) && !change.before.as_ref().is_some_and(phase) {
            running += 1;
        }
        if bound.len() == replicas && all_bound.is_none() {
            all_bound = Some(Sample { wall: began.elapsed(), cpu: cpu() - cpu_began });
        }
        if running == replicas {
            break Sample { wall: began.elapsed(), cpu: cpu() - cpu_began };
        }
    };
    let mut per_node = BTreeMap::<&str, usize>::new();
    bound.values().for_each(|node| *per_node.entry(node).or_default() += 1);
    assert!(per_node.values().all(|pods| *pods <= 110), "a node is over capacity");
    cluster.shutdown().await.expect("it ends");
    (all_bound.expect("running pods are bound"), all_running)
}

/// Resident memory of an idle cluster of three nodes, in MiB.
async fn idle() -> f64 {
    let cluster = cluster(3).await;
    cluster.settle().await.expect("it settles");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resident = memory_kib("VmRSS:");
    let nodes = cluster.api().list(&Select::kind(kind::NODES), None, 0).await.expect("a list");
    assert_eq!(nodes.items.len(), 3, "the nodes are there");
    cluster.shutdown().await.expect("it ends");
    f64::from(u32::try_from(resident).unwrap_or(u32::MAX)) / 1024.0
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (runs, replicas, nodes) =
        if options.test { (1, 50, 5) } else { (RUNS, options.replicas, options.nodes) };
    // First, before anything else has touched memory.
    let idle_mib = runtime.block_on(idle());
    let mut starts = Vec::new();
    let (mut bound, mut running) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        starts.push(runtime.block_on(start()));
        let (one, other) = runtime.block_on(deployment(replicas, nodes));
        bound.push(one);
        running.push(other);
    }
    let figures = [
        ("start".to_owned(), median(starts)),
        (format!("{replicas} replicas bound on {nodes} nodes"), median(bound)),
        (format!("{replicas} replicas running on {nodes} nodes"), median(running)),
    ];
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let peak = memory_kib("VmHWM:") / 1024;
    if options.json {
        let figures: Vec<_> = figures
            .iter()
            .map(|(name, sample)| json!({"figure": name, "median_ms": millis(sample.wall), "cpu_ms": millis(sample.cpu)}))
            .collect();
        println!(
            "{}",
            json!({"runs": runs, "figures": figures, "idle_resident_mib": idle_mib, "peak_resident_mib": peak})
        );
    } else {
        for (name, sample) in &figures {
            println!("{name:<44} {:>9.2} ms   CPU {:>7.0} ms", millis(sample.wall), millis(sample.cpu));
        }
        println!("{:<44} {idle_mib:>9.1} MiB", "idle cluster of three nodes, resident");
        println!("{:<44} {peak:>9} MiB", "peak of this program, resident");
    }
}
