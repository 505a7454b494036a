//! What a simulated cluster costs: idle hours, the life of a pod, one seed of chaos. Everything runs in virtual time on one
//! thread, with the memory disk and a runtime whose containers start at once, so that the figures are those of the cluster
//! itself.
//!
//! ```text
//! cargo bench --bench sim                                # every figure, as a table
//! cargo bench --bench sim -- --json                      # the same as JSON
//! cargo bench --bench sim -- --only idle --hours 24      # one of idle, big, waves, seed; other sizes
//! ```
//!
//! Each figure is the median of several runs; CPU is that of the thread, from `/proc/self/schedstat`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and reports"
)]

#[path = "support/sleepers.rs"]
mod sleepers;

use std::future::Future;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use orch::core::{ApiExt, Env, Event, Key, Select, Write, kind, sim};
use orch::{Cluster, Timings};
use serde_json::{Value, json};

/// As simulations should: the system's allocator takes a third longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Work whose time was taken.
struct Sample {
    wall: Duration,
    cpu: Duration,
    /// Renewals, pods or seeds.
    units: u64,
}

/// What a figure is called, and what its units are.
struct Figure {
    name: String,
    unit: &'static str,
    sample: Sample,
}

/// Time of this thread on a CPU so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

async fn timed(work: impl Future<Output = u64>) -> Sample {
    let (began, cpu_began) = (Instant::now(), cpu());
    let units = work.await;
    Sample { wall: began.elapsed(), cpu: cpu() - cpu_began, units }
}

async fn cluster(env: Env, nodes: usize) -> Cluster {
    let specs = (0..nodes).map(|at| sleepers::node(format!("node-{at:03}")));
    let cluster = Cluster::builder().env(env).timings(Timings::default()).memory_disk().nodes(specs);
    let cluster = cluster.start().await.expect("the cluster starts");
    cluster.settle().await.expect("it settles");
    cluster
}

/// Hours in which nothing happens but heartbeats: each renewal of a Lease is counted as a watcher sees it.
fn idle(nodes: usize, hours: u64) -> Sample {
    sim::run(1, |env| async move {
        let cluster = cluster(env, nodes).await;
        let leases = Select::kind(kind::LEASES).namespace("kube-node-lease");
        let from = cluster.api().list(&leases, None, 1).await.expect("a list").revision;
        let mut watch = cluster.api().watch(&leases, Some(from)).await.expect("a watch");
        let span = Duration::from_secs(hours * 3600);
        let sample = timed(async {
            let end = cluster.env().elapsed() + span;
            let mut renewals = 0;
            loop {
                let event = tokio::select! {
                    biased;
                    event = watch.next() => event,
                    () = cluster.env().sleep_until(end) => return renewals,
                };
                if let Some(Ok(Event::Changed(change))) = event {
                    let renewed =
                        |object: &orch::core::Object| object.body_tree()["spec"]["renewTime"].clone();
                    debug_assert_ne!(
                        change.now.as_ref().map(|live| renewed(live)),
                        change.before.as_ref().map(renewed)
                    );
                    renewals += 1;
                }
            }
        })
        .await;
        let expected = nodes as u64 * (span.as_secs() / 10);
        assert!(sample.units + nodes as u64 >= expected, "{} renewals of {expected}", sample.units);
        for lease in cluster.of::<Lease>("kube-node-lease").list().await.expect("a list") {
            let renewed = lease.spec.and_then(|spec| spec.renew_time).expect("a node renews its Lease").0;
            assert!(cluster.env().now().duration_since(renewed).as_secs() <= 10);
        }
        cluster.shutdown().await.expect("it ends");
        sample
    })
}

fn deployment(name: &str, replicas: usize) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "volumes": [{"name": "scratch", "emptyDir": {}}],
                "containers": [{"name": "main", "image": "web:1", "imagePullPolicy": "IfNotPresent",
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}})
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}})
}

/// Waits until so many pods are there, all of them Running.
async fn until_running(cluster: &Cluster, replicas: usize) {
    let pods = Select::kind(kind::PODS).namespace("default");
    let mut watch = cluster.api().watch(&pods, None).await.expect("a watch");
    let (mut present, mut running, mut complete) = (0, 0, false);
    loop {
        let Some(Ok(event)) = watch.next().await else { panic!("the watch ended") };
        if let Event::Changed(change) = event {
            let runs =
                |object: &orch::core::Object| usize::from(object.field("status.phase") == Some("Running"));
            let (now, before) = (change.now.as_deref(), change.before.as_ref());
            present = present + usize::from(now.is_some()) - usize::from(before.is_some());
            running = running + now.map_or(0, runs) - before.map_or(0, runs);
        } else {
            complete = true;
        }
        if complete && present == replicas && running == replicas {
            return;
        }
    }
}

/// A Deployment from its creation to every pod Running.
fn big(nodes: usize, replicas: usize) -> Sample {
    sim::run(1, |env| async move {
        let cluster = cluster(env, nodes).await;
        let sample = timed(async {
            cluster.api().create(deployment("big", replicas)).await.expect("it is taken");
            until_running(&cluster, replicas).await;
            replicas as u64
        })
        .await;
        cluster.shutdown().await.expect("it ends");
        sample
    })
}

async fn scale(cluster: &Cluster, name: &str, replicas: usize) {
    let key = Key::new(kind::DEPLOYMENTS, "default", name);
    let write = Write::merge(key, json!({"spec": {"replicas": replicas}}));
    cluster.api().one(write).await.expect("it is scaled");
}

/// A Deployment behind a Service, scaled up and down again and again: the whole life of each pod.
fn waves(nodes: usize, replicas: usize, rounds: usize) -> Sample {
    sim::run(1, |env| async move {
        let cluster = cluster(env, nodes).await;
        cluster.api().create(service("web")).await.expect("it is taken");
        cluster.api().create(deployment("web", 0)).await.expect("it is taken");
        let sample = timed(async {
            for _ in 0..rounds {
                scale(&cluster, "web", replicas).await;
                until_running(&cluster, replicas).await;
                scale(&cluster, "web", 0).await;
                until_running(&cluster, 0).await;
            }
            (replicas * rounds) as u64
        })
        .await;
        cluster.shutdown().await.expect("it ends");
        sample
    })
}

/// One virtual minute of a cluster of ten, start and end included: Deployments come, are updated, scaled and go, a node dies,
/// pods are deleted.
async fn minute(env: Env) -> u64 {
    let cluster = cluster(env, 10).await;
    let api = cluster.api();
    for name in ["a", "b", "c"] {
        api.create(service(name)).await.expect("it is taken");
        api.create(deployment(name, 6)).await.expect("it is taken");
    }
    until_running(&cluster, 18).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}});
    api.one(Write::merge(Key::new(kind::DEPLOYMENTS, "default", "a"), image)).await.expect("it is updated");
    scale(&cluster, "b", 12).await;
    cluster.env().sleep(Duration::from_secs(10)).await;
    cluster.kill_node("node-003").expect("it was there");
    scale(&cluster, "b", 4).await;
    let pods = api.list(&Select::kind(kind::PODS).namespace("default"), None, 0).await.expect("a list");
    for pod in pods.items.iter().filter(|pod| pod.key().name.starts_with("c-")) {
        api.one(Write::delete(pod.key().clone())).await.expect("it is deleted");
    }
    cluster.env().sleep(Duration::from_secs(20)).await;
    api.one(Write::delete(Key::new(kind::DEPLOYMENTS, "default", "a"))).await.expect("it is deleted");
    let rest = Duration::from_secs(60).saturating_sub(cluster.env().elapsed());
    cluster.env().sleep(rest).await;
    let pods = api.list(&Select::kind(kind::PODS).namespace("default"), None, 0).await.expect("a list");
    assert!(pods.items.len() >= 10, "b and c stand");
    cluster.shutdown().await.expect("it ends");
    1
}

fn seed(at: u64) -> Sample {
    let (began, cpu_began) = (Instant::now(), cpu());
    let units = sim::run(at, minute);
    Sample { wall: began.elapsed(), cpu: cpu() - cpu_began, units }
}

fn median(runs: usize, mut work: impl FnMut(u64) -> Sample) -> Sample {
    let mut samples: Vec<Sample> = (0..runs as u64).map(&mut work).collect();
    samples.sort_by_key(|sample| sample.cpu);
    samples.swap_remove(runs / 2)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let is_test = args.iter().any(|arg| arg == "--test");
    let number = |name: &str, full: u64, test: u64| {
        value(name).and_then(|text| text.parse().ok()).unwrap_or(if is_test { test } else { full })
    };
    let size = |name: &str, full: u64, test: u64| usize::try_from(number(name, full, test)).unwrap_or(1);
    let wanted = |name: &str| value("--only").is_none_or(|only| only == name);
    let (runs, hours) = (size("--runs", 5, 1), number("--hours", 24, 1));
    let mut figures = Vec::new();
    let mut add = |name: String, unit, sample| figures.push(Figure { name, unit, sample });
    if wanted("idle") {
        let name = format!("{hours} h of 10 idle nodes");
        add(name, "renewal", median(runs, |_| idle(10, hours)));
    }
    if wanted("big") {
        let (replicas, nodes) = (size("--replicas", 1000, 50), size("--nodes", 100, 5));
        let name = format!("{replicas} pods to Running on {nodes} nodes");
        add(name, "pod", median(runs, |_| big(nodes, replicas)));
    }
    if wanted("waves") {
        let rounds = size("--rounds", 20, 2);
        add(
            format!("0 to 50 to 0 pods on 10 nodes, {rounds} times"),
            "pod",
            median(runs, |_| waves(10, 50, rounds)),
        );
    }
    if wanted("seed") {
        add("a minute of ten nodes".into(), "seed", median(size("--seeds", 20, 1), seed));
    }
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let each = |sample: &Sample| sample.cpu.as_secs_f64() * 1e6 / sample.units as f64;
    if args.iter().any(|arg| arg == "--json") {
        let figures: Vec<_> = figures
            .iter()
            .map(|Figure { name, unit, sample }| {
                json!({"figure": name, "wall_ms": millis(sample.wall), "cpu_ms": millis(sample.cpu), "unit": unit,
                    "units": sample.units, "cpu_us_per_unit": each(sample)})
            })
            .collect();
        println!("{}", json!({"runs": runs, "figures": figures}));
    } else {
        for Figure { name, unit, sample } in &figures {
            let (wall, cpu, each) = (millis(sample.wall), millis(sample.cpu), each(sample));
            println!(
                "{name:<44} {wall:>9.1} ms   CPU {cpu:>9.1} ms   {each:>9.1} µs per {unit} of {}",
                sample.units
            );
        }
    }
}
