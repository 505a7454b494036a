//! What kube-rs finds out about a server: its version, groups and kinds; objects of kinds that are found at run time, and
//! metadata alone.

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::{GroupVersion, GroupVersionKind, ObjectMeta, PartialObjectMeta};
use kube::discovery::{self, Discovery, Scope, verbs};
use kube::runtime::watcher;
use serde_json::json;

use super::everywhere;

#[test]
fn a_server_says_what_it_is_and_what_it_has() {
    everywhere(|_, client| async move {
        let version = client.apiserver_version().await.unwrap();
        assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
        for discovery in [
            Discovery::new(client.clone()).run().await.unwrap(),
            Discovery::new(client.clone()).run_aggregated().await.unwrap(),
        ] {
            assert!(discovery.has_group("apps") && discovery.has_group("shop.example"));
            let websites = GroupVersionKind::gvk("shop.example", "v1", "Website");
            let (resource, abilities) = discovery.resolve_gvk(&websites).unwrap();
            assert_eq!((resource.plural.as_str(), &abilities.scope), ("websites", &Scope::Namespaced));
            assert!(abilities.supports_operation(verbs::WATCH));
            let (_, nodes) = discovery.get("").unwrap().recommended_kind("Node").unwrap();
            assert_eq!(nodes.scope, Scope::Cluster);
            let (_, deployments) = discovery.get("apps").unwrap().recommended_kind("Deployment").unwrap();
            let parts: Vec<&str> = deployments
                .subresources
                .iter()
                .map(|(part, _)| part.plural.rsplit('/').next().unwrap())
                .collect();
            assert!(["status", "scale"].iter().all(|part| parts.contains(part)), "{parts:?}");
        }
        let apps = discovery::group(&client, "apps").await.unwrap();
        assert_eq!(apps.preferred_version_or_latest(), "v1");
        let batch = discovery::pinned_group(&client, &GroupVersion::gv("batch", "v1")).await.unwrap();
        assert!(batch.recommended_kind("CronJob").is_some());
        let groups = client.list_api_groups().await.unwrap();
        assert!(groups.groups.iter().any(|group| group.name == "autoscaling" && group.versions.len() == 2));
        assert_eq!(client.list_core_api_versions().await.unwrap().versions, ["v1"]);
    });
}

#[test]
fn kinds_that_are_found_at_run_time_are_used_as_others() {
    everywhere(|_, client| async move {
        let kind = GroupVersionKind::gvk("", "v1", "ConfigMap");
        let (resource, _) = discovery::pinned_kind(&client, &kind).await.unwrap();
        let maps: Api<DynamicObject> = Api::default_namespaced_with(client, &resource);
        let map = DynamicObject::new("a", &resource).data(json!({"data": {"k": "1"}}));
        let made = maps.create(&PostParams::default(), &map).await.unwrap();
        assert_eq!((made.types.unwrap().kind.as_str(), &made.data["data"]["k"]), ("ConfigMap", &json!("1")));
        assert_eq!(maps.list(&ListParams::default().fields("metadata.name=a")).await.unwrap().items.len(), 1);
    });
}

async fn make(client: &Client, name: &str) -> Api<ConfigMap> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, data: Some([("k".into(), "1".into())].into()), ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    maps
}

#[test]
fn metadata_is_read_and_watched_alone() {
    everywhere(|_, client| async move {
        let maps = make(&client, "a").await;
        let whole = maps.get("a").await.unwrap();
        let metadata = maps.get_metadata("a").await.unwrap();
        assert_eq!(metadata.metadata, whole.metadata);
        assert!(maps.get_metadata_opt("b").await.unwrap().is_none());
        let revision = whole.resource_version().unwrap();
        let events = maps.watch_metadata(&WatchParams::default().timeout(30), &revision).await.unwrap();
        let alone: Api<PartialObjectMeta<ConfigMap>> = Api::default_namespaced(client);
        let told = watcher(alone, watcher::Config::default());
        pin_mut!(told);
        let first: Vec<_> = told.by_ref().take(3).try_collect().await.unwrap();
        assert!(matches!(&first[1], watcher::Event::InitApply(metadata) if metadata.name_any() == "a"));
        let label = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
        maps.patch("a", &PatchParams::default(), &label).await.unwrap();
        let next = told.try_next().await.unwrap().unwrap();
        assert!(
            matches!(&next, watcher::Event::Apply(metadata) if metadata.labels()["x"] == "y"),
            "{next:?}"
        );
        pin_mut!(events);
        let changed = loop {
            match events.try_next().await.unwrap().unwrap() {
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Modified(metadata) => break metadata,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(changed.labels()["x"], "y");
    });
}
