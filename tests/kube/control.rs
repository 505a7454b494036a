//! An unmodified operator: `Controller` with finalizers, owner references and server-side apply.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::everywhere;
use super::operator::{self, DOMAINS, Website, WebsiteSpec};

pub(crate) fn website(name: &str, replicas: i32) -> Website {
    let spec = WebsiteSpec { image: "web:1".into(), replicas, domain: format!("{name}.example") };
    Website::new(name, spec)
}

pub(crate) async fn serves(client: &Client, name: &str, replicas: i32) {
    let websites: Api<Website> = Api::default_namespaced(client.clone());
    let ready = |website: Option<&Website>| {
        website
            .and_then(|website| website.status.as_ref())
            .is_some_and(|status| status.ready_replicas == replicas)
    };
    await_condition(websites, name, ready).await.unwrap();
}

#[test]
fn an_operator_makes_keeps_and_cleans_up() {
    everywhere(|cluster, client| async move {
        let running = cluster.env().spawn(operator::run(client.clone()));
        let websites: Api<Website> = Api::default_namespaced(client.clone());
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        let domains: Api<ConfigMap> = Api::default_namespaced(client.clone());
        for name in ["one", "two"] {
            websites.create(&PostParams::default(), &website(name, 1)).await.unwrap();
        }
        serves(&client, "one", 1).await;
        serves(&client, "two", 1).await;
        let one = websites.get("one").await.unwrap();
        assert_eq!(one.finalizers(), ["shop.example/domain"]);
        let owner = &deployments.get("one").await.unwrap().owner_references()[0].clone();
        assert_eq!((Some(&owner.uid), owner.controller), (one.metadata.uid.as_ref(), Some(true)));
        // What a user changes of its own fields comes about; what somebody does to the operator's is undone.
        let three = Patch::Merge(json!({"spec": {"replicas": 3}}));
        websites.patch("one", &PatchParams::default(), &three).await.unwrap();
        serves(&client, "one", 3).await;
        let uid = deployments.get("one").await.unwrap().uid().unwrap();
        deployments.delete("one", &DeleteParams::default()).await.unwrap();
        await_condition(deployments.clone(), "one", conditions::is_deleted(&uid)).await.unwrap();
        let again =
            |found: Option<&Deployment>| found.is_some_and(|found| found.uid().as_ref() != Some(&uid));
        await_condition(deployments.clone(), "one", again).await.unwrap();
        serves(&client, "one", 3).await;
        // The finalizer does its work before the website is gone; its entry goes, the other stays.
        let uid = websites.get("one").await.unwrap().uid().unwrap();
        websites.delete("one", &DeleteParams::default()).await.unwrap();
        await_condition(websites, "one", conditions::is_deleted(&uid)).await.unwrap();
        let entries = domains.get(DOMAINS).await.unwrap().data.unwrap();
        assert_eq!(entries.into_iter().collect::<Vec<_>>(), [("two.example".into(), "two".into())]);
        running.abort();
    });
}
