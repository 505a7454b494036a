//! The remote Api over the REST server of this crate: in the process and in virtual time, and over TLS.

mod errors;
mod faults;
mod reads;
mod socket;
mod watches;
mod writes;

use std::future::Future;
use std::sync::Arc;

use futures::StreamExt;
use orch_core::{Env, Event, Key, Live, Registry, User, Watch, kind};
use orch_store::MemStore;
use serde_json::{Value, json};

use super::*;
use crate::LocalApi;
use crate::rest::{MASTERS, Rest};

/// A server in the process, and the Api over it.
struct World {
    local: Arc<dyn Api>,
    rest: Rest,
    remote: RemoteApi,
    store: MemStore,
    env: Env,
}

fn admin() -> User {
    let mut user = User::new("admin");
    user.groups = vec![MASTERS.into()];
    user
}

impl World {
    async fn new(env: Env) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let local = LocalApi::builder(Arc::new(store.clone()), env.clone(), registry).build();
        local.bootstrap().await.unwrap();
        let local: Arc<dyn Api> = Arc::new(local);
        let rest = Rest::builder(Arc::clone(&local), &env).build().acting_as(admin());
        let remote = RemoteApi::over(rest.clone(), &env);
        Self { local, rest, remote, store, env }
    }
}

/// Runs a test in virtual time.
fn with<F, Fut>(test: F)
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = ()>,
{
    orch_core::sim::run(7, |env| async move { test(World::new(env).await).await });
}

fn key(name: &str) -> Key {
    Key::new(kind::CONFIG_MAPS, "default", name)
}

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
        "metadata": {"name": name, "namespace": "default", "labels": {"tier": value}}})
}

fn maps() -> Select {
    Select::kind(kind::CONFIG_MAPS).namespace("default")
}

/// What a watch yields up to some revision, in short.
async fn told(watch: &mut Watch, until: Revision) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Changed(change) => {
                told.push(shown(&change));
                if change.revision >= until {
                    break;
                }
            }
            Event::Progress(revision) if revision >= until => break,
            Event::Progress(_) => {}
        }
    }
    told
}

/// A change, with the values before and after.
fn shown(change: &orch_core::Change) -> String {
    let value =
        |object: &orch_core::Object| object.to_tree()["data"]["k"].as_str().unwrap_or_default().to_owned();
    let before = change.before.as_ref().map(value).unwrap_or_default();
    let now = change.now.as_ref().map(|live: &Live| value(live.object())).unwrap_or_default();
    format!("{} {before}>{now}", change.key().name)
}
