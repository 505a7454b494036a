//! The five hard cases of the design, each of which must stay easy.
//!
//! Here: a remote Api with per-kind watches, and a user's own kind. Where they belong: the plan of a StatefulSet rolling
//! update (`orch-controllers/src/statefulset`), 100,000 binds in batches with preemption (`orch-sched`), an agent with 110
//! pods and probes in virtual time (`orch-runtime/src/agent`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use orch::Cluster;
use orch::NodeSpec;
use orch::core::controller::{Controller, Plan};
use orch::core::view::{Needs, Projection, View};
use orch::core::{
    Api, Change, Env, Error, Key, Kind, KindInfo, Live, Page, Read, Registry, Result, Revision, Scope,
    Select, Str, User, Watch, Watches, Write, kind, sim,
};
use orch::runtime::task::{Context, TaskImages};
use serde_json::json;

/// An Api as over REST: a watch serves one kind, and each kind lags on its own.
struct Remote {
    below: Arc<dyn Api>,
    env: Env,
}

#[async_trait]
impl Read for Remote {
    fn watches(&self) -> Watches {
        Watches::PerKind
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.below.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.below.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        let [kind] = what.kinds[..] else {
            return Err(Error::Unavailable { part: "remote".into(), why: "a watch serves one kind".into() });
        };
        let env = self.env.child(kind.resource());
        let lag = Duration::from_millis(env.below(700));
        let watch = self.below.watch(what, from).await?;
        Ok(watch.then(move |event| delayed(env.clone(), lag, event)).boxed())
    }
}

async fn delayed<T>(env: Env, lag: Duration, event: T) -> T {
    env.sleep(lag).await;
    event
}

#[async_trait]
impl Api for Remote {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        self.below.write(writes).await
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        Arc::new(Self { below: self.below.impersonate(user), env: self.env.clone() })
    }

    fn registry(&self) -> &Registry {
        self.below.registry()
    }
}

#[test]
fn every_part_runs_on_a_remote_api_whose_kinds_lag_on_their_own() {
    for seed in 0..8 {
        sim::run(seed, |env| async move {
            let images = TaskImages::default();
            images.register("sleep", |ctx: Context| async move { ctx.stopped().await }).unwrap();
            let lag = env.child("lag");
            let cluster = Cluster::builder()
                .env(env)
                .nodes(["n1", "n2"].map(NodeSpec::new))
                .images(images)
                .parts_through(move |api| Arc::new(Remote { below: api, env: lag.clone() }))
                .start()
                .await
                .unwrap();
            cluster.apply(SETS).await.unwrap();
            let running = |pods: &[Pod]| {
                let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
                pods.len() == 5 && pods.iter().all(|pod| phase(pod).as_deref() == Some("Running"))
            };
            cluster.wait_for("default", Duration::from_secs(120), running).await.unwrap();
            cluster.settle().await.unwrap();
            let pods = cluster.of::<Pod>("default").list().await.unwrap();
            assert_eq!(pods.len(), 5, "not one too many, however late the view");
            cluster.shutdown().await.unwrap();
        });
    }
}

const SETS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: sleep}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: sleep}]}
";

fn widgets() -> Kind {
    Kind::named("shop.example", "widgets")
}

/// Counts widgets in a ConfigMap of their namespace.
struct Counter;

struct Widget;

impl Projection for Widget {
    fn kind() -> Option<Kind> {
        Some(widgets())
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

impl Controller for Counter {
    type Observed = (Key, usize);

    fn name(&self) -> &str {
        "widget-counter"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Widget>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        out(change.key().sibling(kind::CONFIG_MAPS, "count"));
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<(Key, usize)> {
        Some((key.clone(), view.of::<Widget>().in_namespace(&key.namespace).count()))
    }

    fn plan(&self, (key, count): &(Key, usize)) -> Plan {
        Plan::new().write(Write::merge(key.clone(), json!({"data": {"widgets": count.to_string()}})))
    }
}

#[test]
fn a_users_own_kind_is_like_any_other() {
    sim::run(5, |env| async move {
        let kind = KindInfo::new(widgets(), "v1", "Widget", Scope::Namespaced).short_names(&["wd"]);
        let cluster = Cluster::builder().env(env).kind(kind).controller(Counter).start().await.unwrap();
        cluster
            .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: count, namespace: default}}")
            .await
            .unwrap();
        for name in ["a", "b"] {
            cluster
                .apply(&format!("{{apiVersion: shop.example/v1, kind: Widget, metadata: {{name: {name}, namespace: default}}, spec: {{size: 3}}}}"))
                .await
                .unwrap();
        }
        let counts = |wanted: &'static str| {
            move |maps: &[ConfigMap]| {
                maps.iter().any(|map| {
                    map.data.as_ref().is_some_and(|d| d.get("widgets").is_some_and(|n| n == wanted))
                })
            }
        };
        let patience = Duration::from_secs(10);
        cluster.wait_for("default", patience, counts("2")).await.unwrap();
        let all = cluster.of_kind::<serde_json::Value>(widgets(), "default");
        let widget = all.get("a").await.unwrap();
        assert_eq!((&widget["metadata"]["generation"], &widget["spec"]["size"]), (&json!(1), &json!(3)));
        all.delete("a").await.unwrap();
        cluster.wait_for("default", patience, counts("1")).await.unwrap();
        cluster.shutdown().await.unwrap();
    });
}
