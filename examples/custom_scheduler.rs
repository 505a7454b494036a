//! A scheduler of your own: the trait implemented whole, in place of the framework scheduler.
//!
//! ```text
//! cargo run --release --example custom_scheduler
//! ```
//!
//! This one puts every pod on the node with the shortest name. A rule that only filters or scores nodes is shorter as a
//! plugin: `custom_scheduler_plugin`.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use orch::core::scheduler::{Decision, Explanation, Outcome, Scheduler, Verdict};
use orch::core::{Change, Key, Kind, Str, kind};
use orch::runtime::task::TaskImages;
use orch::{Cluster, NodeSpec};

/// Nodes by length of name, and the pods that wait. That is all the state there is.
#[derive(Clone, Default)]
struct ShortestName {
    nodes: BTreeSet<(usize, Str)>,
    waiting: BTreeMap<Key, Str>,
}

impl Scheduler for ShortestName {
    fn kinds(&self) -> Vec<Kind> {
        vec![kind::NODES, kind::PODS]
    }

    fn apply(&mut self, change: &Change) {
        let key = change.key();
        if key.kind == kind::NODES {
            let node = (key.name.len(), key.name.clone());
            match &change.now {
                Some(_) => self.nodes.insert(node),
                None => self.nodes.remove(&node),
            };
            return;
        }
        match &change.now {
            Some(pod) if pod.field("spec.nodeName") == Some("") && !pod.header().is_terminating() => {
                self.waiting.insert(key.clone(), pod.uid().clone());
            }
            _ => _ = self.waiting.remove(key),
        }
    }

    fn decide(&mut self, _: Timestamp, max: usize, out: &mut Vec<Decision>) {
        let Some((_, node)) = self.nodes.first() else { return };
        for _ in 0..max {
            let Some((pod, uid)) = self.waiting.pop_first() else { return };
            out.push(Decision { pod, uid, verdict: Verdict::bind(node.clone()) });
        }
    }

    fn outcome(&mut self, pod: &Key, uid: &str, outcome: Outcome) {
        // What was refused is tried again, unless the pod is gone: then a change has told us.
        if let Outcome::Refused(error) = outcome
            && !error.is_not_found()
        {
            self.waiting.insert(pod.clone(), uid.into());
        }
    }

    fn next_wake(&self) -> Option<Timestamp> {
        None
    }

    fn explain(&self, _: &Key, _: Option<&str>) -> Explanation {
        Explanation::new(self.nodes.len())
    }

    fn fork(&self) -> Box<dyn Scheduler> {
        Box::new(self.clone())
    }
}

const PODS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleepers, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: sleeper}}
  template:
    metadata: {labels: {app: sleeper}}
    spec: {containers: [{name: main, image: sleeper}]}
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let images = TaskImages::default();
    images.register("sleeper", |ctx: orch::runtime::task::Context| async move { ctx.stopped().await })?;
    let nodes = ["a-long-name", "tiny", "medium"].map(NodeSpec::new);
    let cluster =
        Cluster::builder().nodes(nodes).images(images).scheduler(ShortestName::default()).start().await?;
    // The scheduler takes the best of the nodes that it knows: wait until all have joined.
    cluster.wait_for("", Duration::from_secs(10), |nodes: &[Node]| nodes.len() == 3).await?;
    cluster.apply(PODS).await?;
    let bound = |pods: &[Pod]| pods.len() == 3 && pods.iter().all(|pod| node_of(pod).is_some());
    let pods = cluster.wait_for("default", Duration::from_secs(10), bound).await?;
    for pod in &pods {
        println!(
            "{} is on {}",
            pod.metadata.name.as_deref().unwrap_or_default(),
            node_of(pod).unwrap_or_default()
        );
    }
    anyhow::ensure!(pods.iter().all(|pod| node_of(pod) == Some("tiny")), "a pod is elsewhere");
    println!("every pod is on the node with the shortest name");
    Ok(cluster.shutdown().await?)
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}
