//! A day in the life of a cluster, in seconds: the application of `full_cluster` on simulated nodes, in virtual time.
//!
//! ```text
//! cargo run --release --example simulate -- --seed 7 --hours 24 --nodes 3
//! ```
//!
//! You will see what happened, each thing with its virtual time: pods that start, a new version now and then, a machine
//! that dies and comes back. The last line is the hash of everything that happened: the same seed gives the same hash in
//! every process, debug or release; another seed another.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use orch::chaos::{Chaos, Mix, RunOptions, Step, Truth, Workload};
use orch::core::{Env, Key, Registry, Write, kind};
use orch::runtime::simulated::Profile;
use orch::{Cluster, NodeSpec};
use serde_json::{Value, json};

/// A run makes and drops millions of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates the shop.
#[derive(Parser)]
struct Arguments {
    /// What everything is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual hours.
    #[arg(long, default_value_t = 24)]
    hours: u32,
    /// Nodes, at least 1.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Prints every write too, heartbeats aside.
    #[arg(long)]
    all: bool,
}

/// The shop opens at once; every few hours somebody scales it, rolls a version out or deletes a pod.
struct Day {
    manifests: Vec<Write>,
}

impl Day {
    fn new() -> anyhow::Result<Self> {
        let registry = Registry::built_in();
        let parsed = orch::api::manifest::parse("shop.yaml", include_bytes!("manifests/shop.yaml"));
        let trees = parsed.map_err(|errors| anyhow::anyhow!("{errors:?}"))?.into_iter().map(|one| one.tree);
        let write = |tree: Value| {
            let text = |field: &str| tree[field].as_str().unwrap_or_default();
            let info =
                registry.by_api_version(text("apiVersion"), text("kind")).context("an unknown kind")?;
            Ok(Write::create_tree(info.kind, tree))
        };
        Ok(Self { manifests: trees.map(write).collect::<anyhow::Result<_>>()? })
    }
}

fn web() -> Key {
    Key::new(kind::DEPLOYMENTS, "shop", "web")
}

fn change(at: Duration, what: String, patch: Value) -> Step {
    Step::new(at, what, move |_| vec![Write::merge(web(), patch.clone())])
}

impl Workload for Day {
    fn draw(&mut self, env: &Env, span: Duration) -> Vec<Step> {
        let all = self.manifests.clone();
        let mut steps = vec![Step::new(Duration::ZERO, "opens the shop", move |_| all.clone())];
        let mut at = Duration::from_secs(600 + env.below(7200));
        let mut version = 1;
        while at < span {
            steps.push(match env.below(3) {
                0 => {
                    let replicas = 2 + env.below(5);
                    change(at, format!("scales web to {replicas}"), json!({"spec": {"replicas": replicas}}))
                }
                1 => {
                    version += 1;
                    let version = json!({"version": version.to_string()});
                    let template = json!({"spec": {"template": {"metadata": {"annotations": version}}}});
                    change(at, "rolls a new version of web out".to_owned(), template)
                }
                _ => Step::new(at, "deletes a pod of web", |truth: &Truth| {
                    let pods = truth.in_namespace(kind::PODS, "shop");
                    let of_web = pods.filter(|pod| pod.label("app") == Some("web"));
                    of_web.take(1).map(|pod| Write::delete(pod.key().clone())).collect()
                }),
            });
            at += Duration::from_secs(600 + env.below(4 * 3600));
        }
        steps
    }

    fn repair(&mut self, _: &Truth) -> Vec<Write> {
        Vec::new()
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seed, hours, nodes, all } = Arguments::parse();
    ensure!(nodes > 0, "--nodes must be at least 1: somewhere the shop has to run");
    Day::new()?;
    // A machine dies about every eight hours, a part crashes about every three.
    let (mut mix, per_minute) = (Mix::none(), 1.0 / 60.0);
    (mix.machines, mix.crashes, mix.containers) = (per_minute / 8.0, per_minute / 3.0, per_minute / 4.0);
    let chaos = Chaos::new()
        .cluster(move |_| {
            let millis = Duration::from_millis;
            let node = |number| {
                NodeSpec::new(format!("n{number}")).simulated(move |_, _| {
                    Profile::default()
                        .pull_latency(millis(300)..millis(4000))
                        .start_latency(millis(50)..millis(900))
                })
            };
            Cluster::builder().nodes((0..nodes).map(node)).memory_disk()
        })
        .workload(|| Day::new().unwrap_or(Day { manifests: Vec::new() }))
        .mix(mix)
        .span(Duration::from_secs(3600) * hours);
    let report = chaos.run_with(seed, &RunOptions::default().lines());
    let told = |line: &&String| {
        all || [" user: ", " fault: ", " chaos: ", " starts "].iter().any(|word| line.contains(word))
    };
    for line in report.lines.iter().filter(|line| !line.contains(" leases.")).filter(told) {
        println!("{line}");
    }
    println!("{} writes, {} containers started", report.writes, report.starts);
    if let Some(violation) = &report.violation {
        println!("a promise was broken: {violation}");
    }
    println!("{}", report.trace);
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
