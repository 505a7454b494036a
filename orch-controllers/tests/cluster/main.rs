//! Whole small clusters in virtual time: every controller on the real Api over the store in memory, with agents that are
//! not the real ones.
//!
//! Each scenario runs twice: on one watch for all kinds, and on watches of their own that lag, each kind by another time,
//! as over REST. What must hold in the end is the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agents;
mod lag;
mod nodes;
mod objects;
mod owners;
mod volumes;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use agents::Agents;
use orch_api::LocalApi;
use orch_core::engine::Engine;
use orch_core::{Api, ApiExt, Env, Key, Kind, Live, Registry, Select, Write};
use orch_store::MemStore;
use serde_json::Value;

/// A cluster under test.
pub(crate) struct Cluster {
    pub(crate) env: Env,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) agents: Agents,
}

/// Runs a scenario on a consistent view and on several that lag.
pub(crate) fn each<F, Fut>(nodes: &'static [&'static str], scenario: F)
where
    F: Fn(Cluster) -> Fut,
    Fut: Future<Output = ()>,
{
    for lag in [None, Some(1), Some(2), Some(3)] {
        orch_core::sim::run(lag.unwrap_or(0), |env| {
            let scenario = &scenario;
            async move {
                let cluster = Cluster::start(env.clone(), nodes, lag).await;
                scenario(cluster).await;
                env.shutdown().await;
            }
        });
    }
}

impl Cluster {
    async fn start(env: Env, nodes: &[&str], lag: Option<u64>) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let local = LocalApi::builder(Arc::new(store), env.clone(), registry).build();
        local.bootstrap().await.unwrap();
        let api: Arc<dyn Api> = Arc::new(local);
        let seen: Arc<dyn Api> = match lag {
            None => Arc::clone(&api),
            Some(seed) => Arc::new(lag::Lagging::new(Arc::clone(&api), env.clone(), seed)),
        };
        orch_controllers::with_all(Engine::new(seen, env.child("controllers"))).start();
        let agents = Agents::start(Arc::clone(&api), env.child("agents"), nodes).await;
        Self { env, api, agents }
    }

    pub(crate) async fn create(&self, tree: Value) -> Live {
        self.api.create(tree).await.unwrap()
    }

    pub(crate) async fn write(&self, write: Write) -> Live {
        self.api.one(write).await.unwrap()
    }

    pub(crate) async fn list(&self, kind: Kind, namespace: &str) -> Vec<Live> {
        let what = Select::kind(kind).namespace(namespace);
        self.api.list(&what, None, 0).await.unwrap().items.into_iter().map(Live::from).collect()
    }

    /// The tree of an object; null when it is not there.
    pub(crate) async fn get(&self, key: &Key) -> Value {
        match self.api.read(key).await {
            Ok(live) => (*live.tree()).clone(),
            Err(error) if error.is_not_found() => Value::Null,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until something is so, at most for so many seconds; answers how many it took.
    #[track_caller]
    pub(crate) fn within<'a, F, Fut>(
        &'a self,
        secs: u64,
        what: &'a str,
        holds: F,
    ) -> impl Future<Output = u64> + 'a
    where
        F: Fn() -> Fut + 'a,
        Fut: Future<Output = bool> + 'a,
    {
        let caller = std::panic::Location::caller();
        async move {
            for at in 0..=secs {
                if holds().await {
                    return at;
                }
                self.env.sleep(Duration::from_secs(1)).await;
            }
            panic!("{caller}: not within {secs} s: {what}\n{}", self.dump().await);
        }
    }

    async fn dump(&self) -> String {
        let all = self.api.list(&Select::default(), None, 0).await.unwrap();
        let lines =
            all.items.iter().filter(|object| !["leases", "events"].contains(&object.key().kind.resource()));
        let line = |object: &orch_core::Object| {
            let tree = object.body_tree();
            format!(
                "{} {} {} {}",
                object.key(),
                tree["metadata"]["finalizers"],
                tree["metadata"]["deletionTimestamp"],
                tree["status"]
            )
        };
        lines.map(line).collect::<Vec<_>>().join("\n")
    }

    pub(crate) async fn wait(&self, secs: u64) {
        self.env.sleep(Duration::from_secs(secs)).await;
    }
}
