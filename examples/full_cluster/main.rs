//! A whole cluster in one process: the web-and-database application of every introduction to Kubernetes.
//!
//! ```text
//! cargo run --release --example full_cluster                        # the whole story, each step checked and timed
//! cargo run --release --example full_cluster -- --json              # the same as one JSON document
//! cargo run --release --example full_cluster -- --manifests a.yaml  # your own manifests instead
//! ```
//!
//! You will see three nodes take the manifests of `examples/manifests/shop.yaml`, serve real HTTP on real sockets, and
//! survive deletions, crashes, updates, a broken version and the death of a node. The exit code is 0 only if every step
//! held, 1 if one did not, 2 if a manifest was refused.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "an example speaks to a person, on real time, and is no library"
)]

mod http;
mod images;
mod load;
mod own;
mod report;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use orch::runtime::task::TaskImages;
use orch::{Cluster, NodeSpec, Timings};

use report::Report;
use steps::Shop;

const MANIFESTS: &str = include_str!("../manifests/shop.yaml");

/// A whole Kubernetes cluster in this process.
#[derive(Parser)]
struct Options {
    /// Print the steps as one JSON document
    #[arg(long)]
    json: bool,
    /// Apply these manifests instead and report what becomes of them
    #[arg(long, num_args = 1.., value_name = "FILE")]
    manifests: Vec<PathBuf>,
    /// With --manifests: how long to wait for what they ask for
    #[arg(long, default_value_t = 7, value_name = "SECONDS")]
    wait: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    keep_quiet_about_the_crash();
    if !options.manifests.is_empty() {
        return own::run(&options.manifests, Duration::from_secs(options.wait), options.json).await;
    }
    match story(options.json).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One step crashes a container on purpose: its panic is in the container's log and need not be on the screen.
fn keep_quiet_about_the_crash() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&images::CRASH) {
            print(panic);
        }
    }));
}

/// Three nodes, and a grace of three seconds for dead ones instead of Kubernetes' fifty.
async fn cluster() -> anyhow::Result<Cluster> {
    let images = TaskImages::default();
    images::register(&images)?;
    let timings = Timings::default()
        .node_grace(Duration::from_secs(3))
        .node_lease_renewal(Duration::from_millis(250))
        .pod_gc_quarantine(Duration::from_secs(1));
    let nodes = ["n1", "n2", "n3"].map(|name| NodeSpec::new(name).cpu("4").memory("8Gi"));
    Ok(Cluster::builder().nodes(nodes).images(images).timings(timings).start().await?)
}

async fn story(as_json: bool) -> anyhow::Result<bool> {
    let mut report = Report::new(as_json);
    let mut started = None;
    report
        .step("the cluster starts", async {
            started = Some(cluster().await?);
            Ok("three nodes".into())
        })
        .await;
    let Some(cluster) = started else { return Ok(report.finish()) };
    let mut opened = None;
    let handle = cluster.clone();
    report
        .step("all ready", async {
            opened = Some(Shop::open(handle, MANIFESTS).await?);
            Ok("db-0 and three web pods are ready and serve".into())
        })
        .await;
    if let Some(shop) = &opened {
        report.step("1,000 requests through the Service", shop.thousand_requests()).await;
        report.step("a pod deleted gracefully under load", shop.graceful_deletion()).await;
        report.step("a container crashing under load", shop.crash()).await;
        report.step("rolling update under load", shop.rolling_update()).await;
        report.step("scale to 10 and back", shop.scale()).await;
        report.step("a broken version and its rollback", shop.broken_version()).await;
        report.step("a node without the database dies", shop.node_death()).await;
        report.step("db-0 deleted", shop.stateful_identity()).await;
        report.step("a changed ConfigMap reaches the mounted file", shop.config_follows()).await;
        report.step("the namespace deleted", shop.namespace_deletion()).await;
    }
    report
        .step("clean shutdown", async {
            let directory = cluster.directory();
            cluster.shutdown().await?;
            let left = directory.filter(|path| path.exists());
            anyhow::ensure!(left.is_none(), "{left:?} is left");
            Ok("every task has ended, the volumes are gone".into())
        })
        .await;
    Ok(report.finish())
}
