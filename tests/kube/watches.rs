//! Watches as kube-rs keeps them: the raw one, `watcher` with both ways to begin, and a reflector with its store.

use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{everywhere, refused};

async fn make(maps: &Api<ConfigMap>, name: &str, label: &str) {
    let labels = [("tier".to_owned(), label.to_owned())].into();
    let metadata = ObjectMeta { name: Some(name.into()), labels: Some(labels), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
}

async fn relabel(maps: &Api<ConfigMap>, name: &str, label: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"tier": label}}}));
    maps.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

fn shown(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("+{}", map.name_any()),
        WatchEvent::Modified(map) => format!("~{}", map.name_any()),
        WatchEvent::Deleted(map) => format!("-{}", map.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".into(),
        WatchEvent::Error(status) => status.reason.clone(),
    }
}

#[test]
fn a_watch_shows_what_enters_and_leaves_a_selector() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        make(&maps, "a", "web").await;
        let revision = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        let params = WatchParams::default().labels("tier=web").disable_bookmarks().timeout(30);
        let events = maps.watch(&params, &revision).await.unwrap();
        make(&maps, "b", "web").await;
        relabel(&maps, "a", "db").await;
        relabel(&maps, "a", "web").await;
        maps.delete("b", &DeleteParams::default()).await.unwrap();
        let events: Vec<String> = events.map_ok(|event| shown(&event)).take(4).try_collect().await.unwrap();
        assert_eq!(events, ["+b", "-a", "+a", "-b"]);
    });
}

#[test]
fn a_revision_that_is_gone_ends_the_watch() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let events = maps.watch(&WatchParams::default(), "1").await;
        // The answer is a refusal, or a stream that has it.
        match events {
            Err(error) => assert_eq!(refused::<()>(Err(error)).code, 410),
            Ok(events) => {
                pin_mut!(events);
                match events.next().await.unwrap().unwrap() {
                    WatchEvent::Error(status) => {
                        assert_eq!((status.code, status.reason.as_str()), (410, "Expired"))
                    }
                    // History still goes back that far.
                    other => {
                        assert!(matches!(other, WatchEvent::Added(_) | WatchEvent::Bookmark(_)), "{other:?}")
                    }
                }
            }
        }
    });
}

/// What a `watcher` yields until the late one has come, behind the initial state or as a part of it.
async fn story(events: impl Stream<Item = watcher::Result<Event<ConfigMap>>>, late: &str) -> Vec<String> {
    pin_mut!(events);
    let mut story = Vec::new();
    while let Some(event) = events.next().await {
        let (text, is_last) = match event.unwrap() {
            Event::Init => ("init".to_owned(), false),
            Event::InitApply(map) => (format!("={}", map.name_any()), false),
            Event::InitDone => ("done".to_owned(), story.contains(&format!("={late}"))),
            Event::Apply(map) => (format!("+{}", map.name_any()), true),
            Event::Delete(map) => (format!("-{}", map.name_any()), true),
        };
        story.push(text);
        if is_last {
            break;
        }
    }
    story
}

async fn begins(client: &Client, config: watcher::Config, late: &str) -> Vec<String> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let config = config.labels("tier=web");
    let events = watcher::watcher(maps.clone(), config);
    let told = story(events, late);
    pin_mut!(told);
    // The watcher works while it is polled only.
    let make = async {
        make(&maps, late, "web").await;
        std::future::pending::<Vec<String>>().await
    };
    tokio::select! {
        told = &mut told => told,
        never = make => never,
    }
}

#[test]
fn watcher_begins_by_a_list_or_by_a_stream() {
    everywhere(|_, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        for name in ["a", "b"] {
            make(&maps, name, "web").await;
        }
        for (config, late) in [
            (watcher::Config::default().page_size(1), "c"),
            (watcher::Config::default().streaming_lists(), "d"),
        ] {
            let told = begins(&client, config, late).await;
            assert_eq!(told[..3], ["init", "=a", "=b"], "{told:?}");
            // The late one comes behind the initial state, or is a part of it.
            assert!(
                told.iter().any(|text| text[1..] == *late) && told.contains(&"done".to_owned()),
                "{told:?}"
            );
            maps.delete(late, &DeleteParams::default()).await.unwrap();
        }
    });
}

#[test]
fn a_reflector_holds_what_the_cluster_holds() {
    everywhere(|cluster, client| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        make(&maps, "a", "web").await;
        let (reader, writer) = reflector::store::<ConfigMap>();
        let config = watcher::Config::default().labels("tier=web");
        let feed =
            reflector(writer, watcher::watcher(maps.clone(), config)).default_backoff().touched_objects();
        let task = cluster.env().spawn(async move { feed.for_each(|_| async {}).await });
        reader.wait_until_ready().await.unwrap();
        assert_eq!(reader.len(), 1);
        make(&maps, "b", "web").await;
        relabel(&maps, "a", "db").await;
        let settled = || reader.state().iter().map(|map| map.name_any()).collect::<Vec<_>>() == ["b"];
        while !settled() {
            cluster.env().sleep(std::time::Duration::from_millis(5)).await;
        }
        task.abort();
    });
}
