//! Testing an operator written with kube-rs: a whole cluster in the test, in milliseconds.
//!
//! ```text
//! cargo test --release --example kube_operator    # as your own tests would
//! cargo run --release --example kube_operator     # the same, and tells how long it took
//! ```
//!
//! The operator (`kube_operator/operator.rs`) is one that would run in any cluster: nothing in it is orch's. It is given the
//! client of a cluster that lives in this process, with scheduler, controllers and nodes; no socket, no port, no file. Time is
//! virtual: what the operator waits for comes at once. You will see a website come, serve, and go without a trace.
#![expect(clippy::print_stdout, unreachable_pub, reason = "an example speaks to a person, and is no library")]

#[path = "kube_operator/operator.rs"]
mod operator;

use std::time::Instant;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use operator::{DOMAINS, Website, WebsiteSpec};
use orch::core::{Env, Kind, KindInfo, Scope, sim};
use orch::runtime::simulated::Profile;
use orch::{Cluster, NodeSpec};

/// A cluster with two nodes that pretend to run whatever image a pod names.
async fn cluster(env: Env) -> Result<Cluster> {
    let websites = KindInfo::new(Kind::named("shop.example", "websites"), "v1", "Website", Scope::Namespaced);
    let nodes = ["n1", "n2"].map(|name| NodeSpec::new(name).simulated(|_, _| Profile::default()));
    Ok(Cluster::builder().env(env).kind(websites).nodes(nodes).memory_disk().start().await?)
}

/// The life of a website: it comes, serves, and goes without a trace.
async fn a_website(env: Env) -> Result<usize> {
    let cluster = cluster(env).await?;
    let client = cluster.kube_client();
    cluster.env().spawn(operator::run(client.clone()));

    let websites: Api<Website> = Api::default_namespaced(client.clone());
    let spec = WebsiteSpec { image: "web:1".into(), replicas: 2, domain: "shop.example".into() };
    websites.create(&PostParams::default(), &Website::new("shop", spec)).await?;
    let serves = |website: Option<&Website>| {
        website.and_then(|website| website.status.as_ref()).is_some_and(|status| status.ready_replicas == 2)
    };
    await_condition(websites.clone(), "shop", serves).await?;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let serving = pods.list(&ListParams::default().labels("website=shop")).await?.items.len();
    let domains: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let entries = domains.get(DOMAINS).await?.data.unwrap_or_default();
    anyhow::ensure!(entries.get("shop.example").is_some_and(|name| name == "shop"), "{entries:?}");

    let website = websites.get("shop").await?;
    websites.delete("shop", &DeleteParams::default()).await?;
    let uid = website.metadata.uid.unwrap_or_default();
    await_condition(websites, "shop", conditions::is_deleted(&uid)).await?;
    // The garbage collector takes the Deployment and its pods.
    cluster.settle().await?;
    anyhow::ensure!(Api::<Deployment>::all(client).list(&ListParams::default()).await?.items.is_empty());
    anyhow::ensure!(pods.list(&ListParams::default()).await?.items.is_empty(), "all pods are gone");
    anyhow::ensure!(!domains.get(DOMAINS).await?.data.unwrap_or_default().contains_key("shop.example"));
    cluster.shutdown().await?;
    Ok(serving)
}

#[test]
fn a_website_comes_serves_and_goes() {
    assert_eq!(sim::run(1, a_website).unwrap(), 2);
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn main() -> Result<()> {
    let began = Instant::now();
    let serving = sim::run(1, a_website)?;
    println!("a website had {serving} pods and went without a trace, in {:?}", began.elapsed());
    Ok(())
}
