//! An operator as people write them with kube-rs. It knows nothing of orch: it takes whatever client it is given.
//!
//! For each `Website` there is a Deployment, and a line in the ConfigMap `domains` as long as the website is there: a
//! finalizer sees to that. Its status tells how many pods are ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Client, CustomResource, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a user wants of a website.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "shop.example", version = "v1", kind = "Website", namespaced, status = "WebsiteStatus")]
pub struct WebsiteSpec {
    /// What its pods run.
    pub image: String,
    /// How many of them.
    pub replicas: i32,
    /// Under which name people find it.
    pub domain: String,
}

/// What became of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteStatus {
    /// Pods that serve.
    pub ready_replicas: i32,
}

/// In whose name fields are managed.
const MANAGER: &str = "website-operator";
const FINALIZER: &str = "shop.example/domain";
/// Where domains are registered: one entry a website, in its namespace.
pub const DOMAINS: &str = "domains";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error(transparent)]
    Finalizer(#[from] Box<kube::runtime::finalizer::Error<Error>>),
}

/// Runs until it is dropped.
pub async fn run(client: Client) {
    let websites: Api<Website> = Api::all(client.clone());
    let deployments: Api<Deployment> = Api::all(client.clone());
    Controller::new(websites, watcher::Config::default())
        .owns(deployments, watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(client))
        .for_each(|turn| async move {
            if let Err(error) = turn {
                tracing::warn!(%error, "a turn failed");
            }
        })
        .await;
}

async fn reconcile(website: Arc<Website>, client: Arc<Client>) -> Result<Action, Error> {
    let websites: Api<Website> = Api::namespaced(Client::clone(&client), &namespace(&website));
    let turn = |event| async {
        match event {
            Event::Apply(website) => apply(&website, &client).await,
            Event::Cleanup(website) => clean_up(&website, &client).await,
        }
    };
    finalizer(&websites, FINALIZER, website, turn).await.map_err(|error| Error::Finalizer(Box::new(error)))
}

/// Server-side apply: what others manage of the same objects stays theirs.
async fn apply(website: &Website, client: &Client) -> Result<Action, Error> {
    let (name, namespace) = (website.name_any(), namespace(website));
    let params = PatchParams::apply(MANAGER).force();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let made = deployments.patch(&name, &params, &Patch::Apply(deployment(website))).await?;
    // Each website manages its own entry.
    let own = PatchParams::apply(&format!("{MANAGER}-{name}")).force();
    let entry = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": DOMAINS},
        "data": BTreeMap::from([(&website.spec.domain, &name)])});
    Api::<ConfigMap>::namespaced(client.clone(), &namespace)
        .patch(DOMAINS, &own, &Patch::Apply(entry))
        .await?;
    let ready = made.status.and_then(|status| status.ready_replicas).unwrap_or_default();
    let websites: Api<Website> = Api::namespaced(client.clone(), &namespace);
    let status = Patch::Merge(json!({"status": WebsiteStatus { ready_replicas: ready }}));
    websites.patch_status(&name, &PatchParams::default(), &status).await?;
    Ok(Action::await_change())
}

async fn clean_up(website: &Website, client: &Client) -> Result<Action, Error> {
    let domains: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace(website));
    let gone = Patch::Merge(json!({"data": {&website.spec.domain: null}}));
    match domains.patch(DOMAINS, &PatchParams::default(), &gone).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        answer => _ = answer?,
    }
    Ok(Action::await_change())
}

fn deployment(website: &Website) -> serde_json::Value {
    let labels = json!({"website": website.name_any()});
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": website.name_any(), "ownerReferences": [website.controller_owner_ref(&())]},
        "spec": {"replicas": website.spec.replicas, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": website.spec.image}]}}}})
}

fn namespace(website: &Website) -> String {
    website.namespace().unwrap_or_default()
}
