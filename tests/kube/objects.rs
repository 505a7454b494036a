//! Create, read, update, delete, and every kind of patch, as kube-rs sends them.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{
    Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy, ValidationDirective,
};
use kube::core::{ObjectMeta, PartialObjectMetaExt};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use orch::core::User;
use serde_json::{Value, json};

use super::operator::{Website, WebsiteSpec};
use super::{everywhere, refused};

fn map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let data: BTreeMap<String, String> =
        data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}

fn data(map: &ConfigMap) -> Vec<(&str, &str)> {
    map.data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

pub(crate) fn deployment(name: &str) -> Deployment {
    let tree = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}}});
    serde_json::from_value(tree).unwrap()
}

#[test]
fn objects_are_made_read_changed_and_deleted() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let post = PostParams::default();
        let made = maps.create(&post, &map("a", &[("k", "1")])).await.unwrap();
        assert!(made.uid().is_some() && made.resource_version().is_some());
        assert_eq!(refused(maps.create(&post, &map("a", &[])).await).reason, "AlreadyExists");
        let mut changed = made.clone();
        changed.data = map("a", &[("k", "2")]).data;
        let changed = maps.replace("a", &post, &changed).await.unwrap();
        assert_eq!(data(&changed), [("k", "2")]);
        assert_eq!(
            refused(maps.replace("a", &post, &made).await).reason,
            "Conflict",
            "it is of an old revision"
        );
        assert_eq!(maps.get_opt("b").await.unwrap(), None);
        // Pages, selectors and metadata alone.
        for name in ["b", "c"] {
            let mut other = map(name, &[]);
            other.labels_mut().insert("tier".into(), "web".into());
            maps.create(&post, &other).await.unwrap();
        }
        let page = maps.list(&ListParams::default().limit(1).labels("tier=web")).await.unwrap();
        let next = ListParams::default().labels("tier=web").continue_token(&page.metadata.continue_.unwrap());
        let rest = maps.list(&next).await.unwrap();
        assert_eq!((page.items[0].name_any(), rest.items[0].name_any()), ("b".into(), "c".into()));
        let metadata = maps.list_metadata(&ListParams::default().fields("metadata.name=b")).await.unwrap();
        assert_eq!(metadata.items[0].labels()["tier"], "web");
        // Only the very object that was seen is deleted.
        let other = Preconditions { uid: Some("other".into()), resource_version: None };
        let params = DeleteParams { preconditions: Some(other), ..DeleteParams::default() };
        assert_eq!(refused(maps.delete("a", &params).await).reason, "Conflict");
        let gone = maps.delete("a", &DeleteParams::default()).await.unwrap();
        assert_eq!(gone.right().unwrap().details.unwrap().uid, made.uid().unwrap());
        let tried = post.clone();
        let tried = PostParams { dry_run: true, ..tried };
        maps.create(&tried, &map("a", &[])).await.unwrap();
        assert_eq!(maps.get_opt("a").await.unwrap(), None, "it was tried only");
        maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("tier=web"))
            .await
            .unwrap();
        assert_eq!(maps.list(&ListParams::default().labels("tier=web")).await.unwrap().items, []);
    });
}

#[test]
fn every_patch_is_taken() {
    everywhere(|_, client| async move {
        let deployments: Api<Deployment> = Api::default_namespaced(client);
        deployments.create(&PostParams::default(), &deployment("web")).await.unwrap();
        let params = PatchParams::default();
        let replicas = |web: &Deployment| web.spec.replicas;
        let merged = deployments.patch("web", &params, &Patch::Merge(json!({"spec": {"replicas": 0}}))).await;
        assert_eq!(replicas(&merged.unwrap()), Some(0));
        let env = json!([{"name": "c", "env": [{"name": "A", "value": "1"}]}]);
        let strategic = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": env}}}}));
        let web = deployments.patch("web", &params, &strategic).await.unwrap();
        let container = &web.spec.template.spec.as_ref().unwrap().containers[0];
        assert_eq!((container.image.as_deref(), container.env.as_ref().unwrap().len()), (Some("web:1"), 1));
        let operations: kube::core::params::Patch<Value> = Patch::Json(
            serde_json::from_value(json!([{"op": "replace", "path": "/spec/replicas", "value": 3}])).unwrap(),
        );
        let web = deployments.patch("web", &params, &operations).await.unwrap();
        assert_eq!(replicas(&web), Some(3));
        let scale = deployments.get_scale("web").await.unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(3));
        let scaled = Patch::Merge(json!({"spec": {"replicas": 1}}));
        let scale = deployments.patch_scale("web", &params, &scaled).await.unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(1));
        let metadata =
            ObjectMeta { labels: Some([("a".into(), "b".into())].into()), ..ObjectMeta::default() };
        let labelled = Patch::Merge(metadata.into_request_partial::<Deployment>());
        let labelled = deployments.patch_metadata("web", &params, &labelled).await.unwrap();
        assert_eq!(labelled.labels()["a"], "b");
        let strict = PatchParams { field_validation: Some(ValidationDirective::Strict), ..params };
        let unknown = Patch::Merge(json!({"spec": {"replica": 1}}));
        assert_eq!(refused(deployments.patch("web", &strict, &unknown).await).code, 422);
    });
}

#[test]
fn managers_share_an_object_and_take_it_over_by_force() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
        maps.patch("a", &one, &Patch::Apply(map("a", &[("x", "1"), ("y", "1")]))).await.unwrap();
        let shared = maps.patch("a", &two, &Patch::Apply(map("a", &[("x", "1"), ("z", "2")]))).await.unwrap();
        assert_eq!(data(&shared), [("x", "1"), ("y", "1"), ("z", "2")]);
        let status = refused(maps.patch("a", &two, &Patch::Apply(map("a", &[("x", "2")]))).await);
        assert_eq!(status.reason, "Conflict");
        let causes = status.details.unwrap().causes;
        assert_eq!(
            (causes[0].reason.as_str(), causes[0].field.as_str()),
            ("FieldManagerConflict", ".data.x")
        );
        let forced =
            maps.patch("a", &two.clone().force(), &Patch::Apply(map("a", &[("x", "2")]))).await.unwrap();
        assert_eq!(data(&forced), [("x", "2"), ("y", "1")], "what two wants no more is gone");
        let left = maps.patch("a", &one, &Patch::Apply(map("a", &[]))).await.unwrap();
        assert_eq!(data(&left), [("x", "2")], "one has lost it to two");
        let managers = |map: &ConfigMap| {
            map.managed_fields().iter().map(|entry| entry.manager.clone().unwrap()).collect::<Vec<_>>()
        };
        let again = maps.patch("a", &two.force(), &Patch::Apply(map("a", &[("x", "2")]))).await.unwrap();
        assert_eq!(again.resource_version(), left.resource_version(), "applied twice is applied once");
        assert!(managers(&again).contains(&"two".to_owned()));
    });
}

#[test]
fn custom_resources_have_a_status_of_their_own() {
    everywhere(|_, client| async move {
        let websites: Api<Website> = Api::default_namespaced(client);
        let spec = WebsiteSpec { image: "web:1".into(), replicas: 1, domain: "d".into() };
        let made = websites.create(&PostParams::default(), &Website::new("w", spec)).await.unwrap();
        let status = Patch::Merge(json!({"status": {"readyReplicas": 3}, "spec": {"replicas": 9}}));
        let told = websites.patch_status("w", &PatchParams::default(), &status).await.unwrap();
        assert_eq!(told.metadata.generation, made.metadata.generation);
        let status = told.status.clone().unwrap();
        assert_eq!((status.ready_replicas, told.spec.replicas), (3, 1), "the status alone");
        let mut changed = told;
        changed.status = None;
        changed.spec.replicas = 2;
        let changed = websites.replace("w", &PostParams::default(), &changed).await.unwrap();
        assert_eq!((changed.spec.replicas, changed.status.unwrap().ready_replicas), (2, 3));
    });
}

#[test]
fn pods_are_evicted_and_foreground_deletion_waits() {
    everywhere(|_, client| async move {
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        let pods: Api<Pod> = Api::default_namespaced(client);
        let web = deployments.create(&PostParams::default(), &deployment("web")).await.unwrap();
        await_condition(deployments.clone(), "web", conditions::is_deployment_completed()).await.unwrap();
        let pod = pods.list(&ListParams::default().labels("app=web")).await.unwrap().items.remove(0);
        pods.evict(&pod.name_any(), &EvictParams::default()).await.unwrap();
        await_condition(pods.clone(), &pod.name_any(), conditions::is_deleted(&pod.uid().unwrap()))
            .await
            .unwrap();
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        let going = deployments.delete("web", &params).await.unwrap().left().unwrap();
        assert!(going.metadata.deletion_timestamp.is_some() && !going.finalizers().is_empty());
        await_condition(deployments, "web", conditions::is_deleted(&web.uid().unwrap())).await.unwrap();
        let left = pods.list(&ListParams::default().labels("app=web")).await.unwrap().items;
        assert!(left.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()), "dependents go first");
    });
}

#[test]
fn another_user_may_do_what_its_roles_say() {
    orch::core::sim::run(7, |env| async {
        let cluster = super::builder(env).start().await.unwrap();
        let admin = cluster.kube_client();
        let jane = |client: Client| async move {
            Api::<ConfigMap>::namespaced(client, "default").list(&ListParams::default()).await
        };
        let client = cluster.kube_client_as(User::new("jane"));
        assert_eq!(refused(jane(client.clone()).await).reason, "Forbidden");
        let group = "rbac.authorization.k8s.io";
        cluster
            .apply(&format!(
                "
apiVersion: {group}/v1
kind: Role
metadata: {{name: reader, namespace: default}}
rules: [{{apiGroups: [''], resources: [configmaps], verbs: [list]}}]
---
apiVersion: {group}/v1
kind: RoleBinding
metadata: {{name: jane, namespace: default}}
subjects: [{{kind: User, name: jane, apiGroup: {group}}}]
roleRef: {{kind: Role, name: reader, apiGroup: {group}}}
"
            ))
            .await
            .unwrap();
        jane(client.clone()).await.unwrap();
        assert_eq!(refused(Api::<Namespace>::all(client).get("default").await).code, 403);
        Api::<Namespace>::all(admin).get("default").await.unwrap();
        cluster.shutdown().await.unwrap();
    });
}
