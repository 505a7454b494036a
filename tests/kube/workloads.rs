//! Subresources of workloads and pods, and `entry`, as kube-rs offers them.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::autoscaling::v1::ScaleSpec;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Resource};
use orch::ClusterBuilder;
use orch::api::rest::TokenKey;
use orch::core::sim;
use serde_json::json;

use super::objects::deployment;
use super::{builder, everywhere, everywhere_on, nodes, refused};

#[test]
fn a_scale_is_read_replaced_and_followed_by_pods() {
    everywhere(|_, client| async move {
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        deployments.create(&PostParams::default(), &deployment("web")).await.unwrap();
        let mut scale = deployments.get_scale("web").await.unwrap();
        assert_eq!(scale.status.as_ref().unwrap().selector.as_deref(), Some("app=web"));
        scale.spec = Some(ScaleSpec { replicas: Some(3) });
        let written = deployments.replace_scale("web", &PostParams::default(), &scale).await.unwrap();
        assert_eq!(written.spec.unwrap().replicas, Some(3));
        await_condition(deployments.clone(), "web", |web: Option<&Deployment>| {
            web.and_then(|web| web.status.as_ref()).is_some_and(|status| status.ready_replicas == Some(3))
        })
        .await
        .unwrap();
        // One that is of an older revision than the deployment is refused.
        assert_eq!(
            refused(deployments.replace_scale("web", &PostParams::default(), &scale).await).reason,
            "Conflict"
        );
    });
}

/// In the process alone: over a socket kube-rs asks again and again where it is told to wait (429).
#[test]
fn a_budget_holds_evictions_back() {
    sim::run(7, |env| async {
        let cluster = builder(env).nodes(nodes(2)).memory_disk().start().await.unwrap();
        budget(cluster.kube_client()).await;
        cluster.shutdown().await.unwrap();
    });
}

async fn budget(client: Client) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &deployment("web")).await.unwrap();
    await_condition(deployments, "web", conditions::is_deployment_completed()).await.unwrap();
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(client.clone());
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod = pods.list(&ListParams::default().labels("app=web")).await.unwrap().items.remove(0);
    let name = pod.name_any();
    let held = refused(pods.evict(&name, &EvictParams::default()).await);
    assert_eq!((held.code, held.reason.as_str()), (429, "TooManyRequests"));
    // Whoever counts budgets says that one may go.
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 3,
        "desiredHealthy": 2, "expectedPods": 3}});
    budgets.patch_status("web", &PatchParams::default(), &Patch::Merge(counted)).await.unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let tried = EvictParams { post_options: dry, ..EvictParams::default() };
    pods.evict(&name, &tried).await.unwrap();
    assert!(pods.get(&name).await.unwrap().metadata.deletion_timestamp.is_none());
    pods.evict(&name, &EvictParams::default()).await.unwrap();
    await_condition(pods.clone(), &name, conditions::is_deleted(&pod.uid().unwrap())).await.unwrap();
    assert_eq!(budgets.get("web").await.unwrap().status.unwrap().disruptions_allowed, Some(0));
}

#[test]
fn an_entry_is_made_once_and_changed_where_it_is_known() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let post = PostParams::default();
        let set = |value: &'static str| {
            move |map: &mut ConfigMap| {
                map.data.get_or_insert_default().insert("k".into(), value.into());
            }
        };
        let mut first = maps.entry("a").await.unwrap().or_insert(ConfigMap::default).and_modify(set("1"));
        let second = maps.entry("a").await.unwrap().or_insert(ConfigMap::default).and_modify(set("2"));
        first.commit(&post).await.unwrap();
        let mut second = second;
        second.commit(&post).await.unwrap_err();
        let mut second = maps.entry("a").await.unwrap().and_modify(set("2")).or_insert(ConfigMap::default);
        second.commit(&post).await.unwrap();
        let mut first = first.and_modify(set("3"));
        first.commit(&post).await.unwrap_err();
        assert_eq!(maps.get("a").await.unwrap().data.unwrap()["k"], "2");
    });
}

#[test]
fn pods_are_given_containers_to_look_into_them() {
    everywhere(|_, client| async move {
        let pods: Api<Pod> = Api::default_namespaced(client);
        let container = json!({"name": "c", "image": "web:1", "resources": {"requests": {"cpu": "100m"}}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}});
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        await_condition(pods.clone(), "a", conditions::is_pod_running()).await.unwrap();
        let debugger = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "debug:1", "targetContainerName": "c"}]}});
        let params = PatchParams::default();
        let pod = pods.patch_ephemeral_containers("a", &params, &Patch::Strategic(debugger)).await.unwrap();
        assert_eq!(pod.spec.unwrap().ephemeral_containers.unwrap()[0].name, "d");
        let more =
            json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]}});
        // Agents do not resize yet, and nodes say so.
        let refusal = refused(pods.patch_resize("a", &params, &Patch::Strategic(more.clone())).await);
        assert!(refusal.message.contains("node without support for resize"), "{}", refusal.message);
        let refusal = refused(pods.patch("a", &params, &Patch::Strategic(more)).await);
        assert_eq!(refusal.code, 422, "that is what the subresource is for");
    });
}

#[test]
fn nodes_are_cordoned_and_accounts_get_tokens() {
    let key = Arc::new(TokenKey::new().unwrap());
    let with = |builder: ClusterBuilder| builder.nodes(nodes(1)).memory_disk().tokens(key.clone());
    everywhere_on(with, |_, client: Client| async move {
        let all: Api<Node> = Api::all(client.clone());
        await_condition(all.clone(), "n1", |node: Option<&Node>| node.is_some()).await.unwrap();
        all.cordon("n1").await.unwrap();
        assert_eq!(all.get("n1").await.unwrap().spec.unwrap().unschedulable, Some(true));
        all.uncordon("n1").await.unwrap();
        assert!(!all.get("n1").await.unwrap().spec.unwrap().unschedulable.unwrap_or_default());
        let accounts: Api<ServiceAccount> = Api::default_namespaced(client);
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}});
        let post = PostParams::default();
        accounts.create(&post, &serde_json::from_value(account).unwrap()).await.unwrap();
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["x"]}});
        let answer: TokenRequest =
            accounts.create_subresource("token", "bot", &post, &request).await.unwrap();
        assert!(answer.status.unwrap().token.unwrap().starts_with("ey"));
    });
}

#[test]
fn what_a_recorder_publishes_is_one_event_that_counts() {
    everywhere(|_, client: Client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let map = maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
        let reporter = Reporter { controller: "tester".into(), instance: Some("tester-1".into()) };
        let recorder = Recorder::new(client.clone(), reporter);
        let event = Event {
            type_: EventType::Normal,
            reason: "Tried".into(),
            note: Some("it was tried".into()),
            action: "Try".into(),
            secondary: None,
        };
        for _ in 0..2 {
            recorder.publish(&event, &map.object_ref(&())).await.unwrap();
        }
        let events: Api<k8s_openapi::api::events::v1::Event> = Api::default_namespaced(client);
        let found = events.list(&ListParams::default().fields("reason=Tried")).await.unwrap().items;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].series.as_ref().unwrap().count, 2);
        assert_eq!(found[0].regarding.as_ref().unwrap().name.as_deref(), Some("a"));
    });
}
