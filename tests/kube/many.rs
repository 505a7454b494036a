//! Many clusters in one process, each with an operator of its own.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use orch::core::Env;

use super::control::{serves, website};
use super::operator::{self, Website};
use super::{builder, nodes};

/// Clusters at once.
const CLUSTERS: usize = 200;

async fn one(number: usize) {
    let cluster = builder(Env::real()).nodes(nodes(1)).start().await.unwrap();
    let client = cluster.kube_client();
    cluster.env().spawn(operator::run(client.clone()));
    let websites: Api<Website> = Api::default_namespaced(client.clone());
    let name = format!("w{number}");
    let made = websites.create(&PostParams::default(), &website(&name, 1)).await.unwrap();
    serves(&client, &name, 1).await;
    // Nothing of a neighbour is seen.
    assert_eq!(Api::<Deployment>::all(client).list(&ListParams::default()).await.unwrap().items.len(), 1);
    websites.delete(&name, &DeleteParams::default()).await.unwrap();
    await_condition(websites, &name, conditions::is_deleted(&made.metadata.uid.unwrap())).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[test]
fn two_hundred_clusters_run_side_by_side_and_leave_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        join_all((0..CLUSTERS).map(|number| tokio::task::unconstrained(one(number)))).await;
        // What kube-rs spawns ends once its last client is gone.
        while runtime.metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
