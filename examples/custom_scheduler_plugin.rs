//! A rule of your own for the framework scheduler: a plugin, ten lines.
//!
//! ```text
//! cargo run --release --example custom_scheduler_plugin
//! ```
//!
//! Pods that are labelled `green` run on nodes that are. You will see one that waits, with the reason in the scheduler's
//! own explanation, until a green node joins.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node as NodeObject, Pod as PodObject};
use orch::runtime::task::{Context, TaskImages};
use orch::scheduler::cluster::{Node, Pod};
use orch::scheduler::framework::{Check, Filter, FrameworkScheduler, Plugin, Profile, Refusal, Using};
use orch::{Cluster, NodeSpec};
use serde_json::json;

/// Green pods on green nodes.
#[derive(Clone)]
struct Green;

impl Plugin for Green {
    fn name(&self) -> &'static str {
        "Green"
    }
}

impl Filter for Green {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        match (pod.label("green"), node.label("green")) {
            (Some(_), None) => Err(Refusal::unresolvable("node(s) weren't green")),
            _ => Ok(()),
        }
    }
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: default}
spec: {containers: [{name: main, image: sleep}]}
---
apiVersion: v1
kind: Pod
metadata: {name: grass, namespace: default, labels: {green: 'yes'}}
spec: {containers: [{name: main, image: sleep}]}
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let images = TaskImages::default();
    images.register("sleep", |ctx: Context| async move { ctx.stopped().await })?;
    let profile = Profile::kubernetes().with(Using::new(Green).filter());
    let cluster = Cluster::builder()
        .nodes(["grey", "lawn"].map(NodeSpec::new))
        .images(images)
        .scheduler(FrameworkScheduler::new(profile, Default::default())?)
        .start()
        .await?;
    cluster.apply(PODS).await?;

    let message = |pod: &PodObject| {
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?.message.clone()
    };
    let patience = Duration::from_secs(10);
    let waiting = cluster
        .wait_for("default", patience, |pods: &[PodObject]| pods.iter().any(|pod| message(pod).is_some()));
    for pod in waiting.await? {
        println!(
            "{}: {}",
            pod.metadata.name.clone().unwrap_or_default(),
            message(&pod).unwrap_or_else(|| "scheduled".into())
        );
    }

    println!("the lawn is painted");
    cluster.of::<NodeObject>("").merge("lawn", json!({"metadata": {"labels": {"green": "yes"}}})).await?;
    let node = |pod: &PodObject| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let bound = |pods: &[PodObject]| pods.len() == 2 && pods.iter().all(|pod| node(pod).is_some());
    let pods = cluster.wait_for("default", patience, bound).await?;
    let grass = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some("grass")).and_then(node);
    anyhow::ensure!(grass.as_deref() == Some("lawn"), "grass is on {grass:?}");
    println!("the pod that is green runs on the green node");
    cluster.shutdown().await?;
    Ok(())
}
