//! A custom resource by `derive` that registers itself: its definition, its objects, their status and scale, and a
//! `Controller` with a finalizer over them.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Client, CustomResource, CustomResourceExt, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{everywhere, refused};

/// What is to be kept.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "store.example", version = "v1", kind = "Backup", namespaced)]
#[kube(status = "BackupStatus", shortname = "bk", category = "all")]
#[kube(printcolumn = r#"{"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"}"#)]
#[kube(scale(spec_replicas_path = ".spec.copies", status_replicas_path = ".status.copies"))]
#[kube(validation = "self.spec.copies <= 5")]
struct BackupSpec {
    /// When it is made.
    schedule: String,
    /// How many are kept.
    #[serde(default = "two")]
    copies: i32,
}

fn two() -> i32 {
    2
}

/// What is there.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
struct BackupStatus {
    copies: i32,
}

const FINALIZER: &str = "store.example/copies";

/// Makes the kind known, as operators do when they start.
async fn register(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("backups").force();
    definitions.patch(Backup::crd_name(), &params, &Patch::Apply(Backup::crd())).await.unwrap();
    let established = conditions::is_crd_established();
    await_condition(definitions.clone(), Backup::crd_name(), established).await.unwrap();
    // Operators start more than once.
    let again = definitions.patch(Backup::crd_name(), &params, &Patch::Apply(Backup::crd())).await.unwrap();
    assert_eq!(again.metadata.generation, Some(1));
}

fn backup(name: &str) -> Backup {
    Backup::new(name, BackupSpec { schedule: "daily".into(), copies: 2 })
}

#[test]
fn a_kind_by_derive_registers_itself_and_keeps_its_schema() {
    everywhere(|_, client| async move {
        register(&client).await;
        let backups: Api<Backup> = Api::default_namespaced(client);
        let post = PostParams::default();
        let made = backups.create(&post, &backup("a")).await.unwrap();
        assert_eq!((made.metadata.generation, made.status.is_none()), (Some(1), true));
        // The schema is that of the type: defaults, types, rules.
        let params = PatchParams::apply("user");
        let bare =
            json!({"apiVersion": "store.example/v1", "kind": "Backup", "spec": {"schedule": "weekly"}});
        let applied = backups.patch("b", &params, &Patch::Apply(bare)).await.unwrap();
        assert_eq!(applied.spec.copies, 2);
        let merge = |spec: serde_json::Value| Patch::Merge(json!({"spec": spec}));
        let plain = PatchParams::default();
        let wrong = refused(backups.patch("a", &plain, &merge(json!({"copies": "many"}))).await);
        assert_eq!((wrong.code, wrong.reason.as_str()), (422, "Invalid"));
        let wrong = refused(backups.patch("a", &plain, &merge(json!({"copies": 6}))).await);
        assert!(wrong.message.contains("failed rule: self.spec.copies <= 5"), "{}", wrong.message);
        // The status is written alone, and so is the scale.
        let mut told = backups.get_status("a").await.unwrap();
        told.status = Some(BackupStatus { copies: 1 });
        told.spec.copies = 5;
        let told = backups.replace_status("a", &post, &told).await.unwrap();
        assert_eq!(
            (told.spec.copies, told.status.unwrap().copies, told.metadata.generation),
            (2, 1, Some(1))
        );
        let scaled = backups.patch_scale("a", &plain, &merge(json!({"replicas": 3}))).await.unwrap();
        assert_eq!((scaled.spec.unwrap().replicas, scaled.status.unwrap().replicas), (Some(3), 1));
        let mut changed = backups.get("a").await.unwrap();
        assert_eq!((changed.spec.copies, changed.metadata.generation), (3, Some(2)));
        changed.spec.schedule = "hourly".into();
        backups.replace("a", &post, &changed).await.unwrap();
        let stale = refused(backups.replace("a", &post, &changed).await);
        assert_eq!(stale.reason, "Conflict");
        assert_eq!(backups.list(&ListParams::default()).await.unwrap().items.len(), 2);
        backups.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        assert_eq!(backups.get_opt("a").await.unwrap().map(|backup| backup.name_any()), None);
    });
}

#[test]
fn objects_of_the_kind_are_watched_until_its_definition_goes() {
    everywhere(|_, client| async move {
        register(&client).await;
        let backups: Api<Backup> = Api::default_namespaced(client.clone());
        backups.create(&PostParams::default(), &backup("a")).await.unwrap();
        let events = watcher(backups.clone(), watcher::Config::default());
        pin_mut!(events);
        let first: Vec<_> = events.by_ref().take(3).try_collect().await.unwrap();
        assert!(
            matches!(&first[1], watcher::Event::InitApply(backup) if backup.name_any() == "a"),
            "{first:?}"
        );
        let relabel = Patch::Merge(json!({"metadata": {"labels": {"tier": "gold"}}}));
        backups.patch("a", &PatchParams::default(), &relabel).await.unwrap();
        let next = events.try_next().await.unwrap().unwrap();
        assert!(
            matches!(&next, watcher::Event::Apply(backup) if backup.labels()["tier"] == "gold"),
            "{next:?}"
        );
        // With the definition go the objects.
        let definitions: Api<CustomResourceDefinition> = Api::all(client);
        let uid = definitions.get(Backup::crd_name()).await.unwrap().uid().unwrap();
        definitions.delete(Backup::crd_name(), &DeleteParams::default()).await.unwrap();
        let gone = events.try_next().await.unwrap().unwrap();
        assert!(matches!(&gone, watcher::Event::Delete(backup) if backup.name_any() == "a"), "{gone:?}");
        await_condition(definitions, Backup::crd_name(), conditions::is_deleted(&uid)).await.unwrap();
        assert_eq!(refused(backups.get("a").await).code, 404);
    });
}

/// Copies come about one a turn; the finalizer takes them away.
async fn reconcile(backup: Arc<Backup>, client: Arc<Client>) -> Result<Action, super::operator::Error> {
    let backups: Api<Backup> = Api::default_namespaced(Client::clone(&client));
    let turn = |event: Event<Backup>| async {
        if let Event::Apply(backup) = event {
            let there = backup.status.as_ref().map_or(0, |status| status.copies);
            if there < backup.spec.copies {
                let status = Patch::Merge(json!({"status": BackupStatus { copies: there + 1 }}));
                backups.patch_status(&backup.name_any(), &PatchParams::default(), &status).await?;
            }
        }
        Ok(Action::await_change())
    };
    finalizer(&backups, FINALIZER, backup, turn).await.map_err(|error| Box::new(error).into())
}

#[test]
fn a_controller_of_the_kind_does_what_objects_ask_for() {
    everywhere(|cluster, client| async move {
        register(&client).await;
        let backups: Api<Backup> = Api::default_namespaced(client.clone());
        let controller = Controller::new(backups.clone(), watcher::Config::default());
        let turns =
            controller.run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(client));
        let running = cluster.env().spawn(turns.for_each(|_| async {}));
        let made = backups.create(&PostParams::default(), &backup("a")).await.unwrap();
        let kept = |copies| {
            move |backup: Option<&Backup>| {
                let status = backup.and_then(|backup| backup.status.as_ref());
                status.is_some_and(|status| status.copies == copies)
            }
        };
        await_condition(backups.clone(), "a", kept(2)).await.unwrap();
        let more = Patch::Merge(json!({"spec": {"copies": 4}}));
        backups.patch("a", &PatchParams::default(), &more).await.unwrap();
        let full = await_condition(backups.clone(), "a", kept(4)).await.unwrap().unwrap();
        assert_eq!(full.finalizers(), [FINALIZER]);
        backups.delete("a", &DeleteParams::default()).await.unwrap();
        let uid = made.uid().unwrap();
        await_condition(backups, "a", conditions::is_deleted(&uid)).await.unwrap();
        running.abort();
    });
}
