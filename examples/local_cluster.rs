//! A cluster on this machine for `kubectl` and every other client of Kubernetes, until Ctrl-C or SIGTERM.
//!
//! ```text
//! cargo run --release --example local_cluster -- --nodes 3 --kubeconfig /tmp/orch.yaml
//! kubectl --kubeconfig /tmp/orch.yaml get nodes
//! ```
//!
//! You will see one line with the address once it answers and the kubeconfig is written. Nodes run the images of
//! `local_cluster/images.rs` as functions of this process, or simulate whatever image a pod names (`--runtime simulated`).
#![expect(clippy::print_stdout, unreachable_pub, reason = "an example speaks to a person, and is no library")]

#[path = "local_cluster/images.rs"]
mod images;
#[path = "local_cluster/shell.rs"]
mod shell;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use orch::api::rest::{self, Authority, MASTERS, Rbac, Rest, Server, ServiceAccountTokens, TokenKey};
use orch::controllers::volume::NODE_DIRECTORY;
use orch::core::{ApiExt, Env};
use orch::runtime::simulated::Profile;
use orch::runtime::task::TaskImages;
use orch::{Cluster, NodeSpec};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Where the API answers by default, as that of kubeadm.
const PORT: u16 = 6443;

/// A Kubernetes cluster on this machine.
#[derive(Parser)]
struct Options {
    /// How many nodes; with none the API stands alone, without scheduler and controllers
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Where the API answers; 0 means any free port
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Where the kubeconfig of an administrator is written
    #[arg(long, value_name = "PATH", default_value = "kubeconfig.yaml")]
    kubeconfig: PathBuf,
    /// What runs containers
    #[arg(long, value_enum, default_value_t = Runtime::Task)]
    runtime: Runtime,
    /// Where certificates and volumes are kept; without, they are gone when the cluster ends
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runtime {
    /// Functions in this process
    Task,
    /// Nothing runs; any image seems to
    Simulated,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let key = token_key(&options)?;
    let cluster = start(&options, &key).await?;
    let server = serve(&cluster, &options, key).await?;
    println!("https://{}", server.address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    cluster.shutdown().await?;
    remove(&options.kubeconfig)
}

/// The key for tokens of service accounts.
fn token_key(options: &Options) -> Result<TokenKey> {
    Ok(match &options.data_dir {
        Some(directory) => TokenKey::open(&directory.join("pki"))?,
        None => TokenKey::new()?,
    })
}

async fn start(options: &Options, key: &TokenKey) -> Result<Cluster> {
    let task_images = TaskImages::default();
    images::register(&task_images)?;
    let node = |number| {
        let node = NodeSpec::new(format!("node-{number}"));
        match options.runtime {
            Runtime::Task => node,
            Runtime::Simulated => node.simulated(|_, _| Profile::default()),
        }
    };
    let builder =
        Cluster::builder().env(Env::real()).nodes((1..=options.nodes).map(node)).images(task_images);
    let builder = builder.tokens(Arc::new(key.clone()));
    let builder = match &options.data_dir {
        Some(directory) => builder.directory(directory.join("nodes")),
        None => builder,
    };
    let builder = if options.nodes == 0 { builder.alone() } else { builder };
    Ok(builder.start().await?)
}

async fn serve(cluster: &Cluster, options: &Options, key: TokenKey) -> Result<Server> {
    let env = cluster.env();
    let authority = match &options.data_dir {
        Some(directory) => Authority::open(&directory.join("pki"), env)?,
        None => Authority::new(env)?,
    };
    let rbac = Rbac::new(cluster.api());
    rbac.bootstrap().await?;
    rest::bootstrap(&*cluster.api(), env, cluster.network().ranges().services).await?;
    if options.nodes > 0 {
        storage_class(cluster).await?;
    }
    let tokens = ServiceAccountTokens::new(key, cluster.api(), env);
    let rest = Rest::builder(cluster.api(), env)
        .authorizer(rbac)
        .authenticator(tokens)
        .logs(cluster.pod_logs())
        .build();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let server = Server::start(rest.clone(), env, address, &authority).await?;
    // Pods reach the API by the Service `kubernetes`, at an address of the cluster's own network.
    let inside = SocketAddr::new(cluster.network().node("kube-apiserver").await?, PORT);
    let inside = Server::start(rest, env, inside, &authority).await?;
    inside.publish(&*cluster.api()).await?;
    inside.keep_published(cluster.api(), cluster.network().ranges().services);
    let admin = authority.client("kubernetes-admin", Some(MASTERS))?;
    server.write_kubeconfig(&options.kubeconfig, &authority, &admin)?;
    Ok(server)
}

/// Claims that name no class get directories of nodes.
async fn storage_class(cluster: &Cluster) -> Result<()> {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": NODE_DIRECTORY,
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "volumeBindingMode": "WaitForFirstConsumer"});
    cluster.api().create(class).await?;
    Ok(())
}

/// Nobody finds a cluster that is gone.
fn remove(kubeconfig: &Path) -> Result<()> {
    std::fs::remove_file(kubeconfig).with_context(|| format!("removing {}", kubeconfig.display()))
}
