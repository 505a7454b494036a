//! Whole clusters whose scheduler, controllers, agents and proxy talk REST to an API server, each kind with a watch of its own.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper of a test fails the test")]

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use orch::api::remote::{Acting, Connection, Kubeconfig, RemoteApi};
use orch::api::rest::{Attributes, Authority, Authorizer, Decision, MASTERS, Rest, Server};
use orch::core::{Api, Env, Key, User, Verb, Write, kind, sim};
use orch::runtime::simulated::Profile;
use orch::{Cluster, ClusterBuilder, NodeSpec};
use serde_json::json;

fn builder(env: &Env) -> ClusterBuilder {
    let nodes = ["n1", "n2"].map(|name| NodeSpec::new(name).simulated(|_, _| Profile::default()));
    Cluster::builder().env(env.clone()).nodes(nodes)
}

fn admin() -> User {
    let mut user = User::new("admin");
    user.groups = vec![MASTERS.into()];
    user
}

/// Lets everybody do everything: who asks is what the test looks at.
struct Anybody;

#[async_trait::async_trait]
impl Authorizer for Anybody {
    async fn authorize(&self, _: &User, _: &Attributes) -> Decision {
        Decision::Allow
    }
}

/// The parts of a cluster talk to its API server by requests that never see a socket.
fn over_rest(env: &Env, acting: Acting) -> impl FnOnce(Arc<dyn Api>) -> Arc<dyn Api> + Send + 'static {
    let env = env.clone();
    move |api| {
        let rest = Rest::builder(api, &env).authorizer(Anybody).build().acting_as(admin());
        Arc::new(RemoteApi::over(rest, &env).acting(acting))
    }
}

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: node-directory}
provisioner: orch.local/node-directory
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'web:1'}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: 'db:1'}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: node-directory, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

/// A shop opens, rolls out, and closes.
async fn shop(cluster: &Cluster) {
    let limit = Duration::from_secs(120);
    cluster.apply(SHOP).await.unwrap();
    let web_ready = |version: &'static str, count: i32| {
        move |all: &[Deployment]| {
            all.iter().any(|web| {
                let status = serde_json::to_value(&web.status).unwrap();
                let image = &web.spec.template.spec.as_ref().unwrap().containers[0].image;
                image.as_deref() == Some(version)
                    && status["readyReplicas"] == count
                    && status["updatedReplicas"] == count
                    && status["replicas"] == count
                    && status["observedGeneration"] == web.metadata.generation.unwrap()
            })
        }
    };
    cluster.wait_for("shop", limit, web_ready("web:1", 4)).await.unwrap();
    let db_ready = |all: &[StatefulSet]| {
        all.iter().any(|db| serde_json::to_value(&db.status).unwrap()["readyReplicas"] == 3)
    };
    cluster.wait_for("shop", limit, db_ready).await.unwrap();
    let endpoints = |slices: &[EndpointSlice]| {
        slices.iter().map(|slice| slice.endpoints.iter().flatten().count()).sum::<usize>() >= 4
    };
    cluster.wait_for("shop", limit, endpoints).await.unwrap();
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}}});
    let write = Write::new(
        Key::new(kind::DEPLOYMENTS, "shop", "web"),
        Verb::Patch(orch::core::Patch::Strategic(image.into())),
    );
    cluster.api().write(vec![write]).await.remove(0).unwrap();
    cluster.wait_for("shop", limit, web_ready("web:2", 4)).await.unwrap();
    let pods = cluster.of::<Pod>("shop").list().await.unwrap();
    assert!(pods.iter().all(|pod| pod.spec.as_ref().unwrap().node_name.is_some()));
    cluster.api().write(vec![Write::delete(Key::cluster(kind::NAMESPACES, "shop"))]).await.remove(0).unwrap();
    let gone =
        |all: &[Namespace]| all.iter().all(|namespace| namespace.metadata.name.as_deref() != Some("shop"));
    cluster.wait_for("", limit, gone).await.unwrap();
    assert!(cluster.objects_in("shop").await.unwrap().is_empty());
}

#[test]
fn a_cluster_lives_on_the_remote_api() {
    for acting in [Acting::Itself, Acting::Impersonated] {
        sim::run(3, |env| async move {
            let cluster =
                builder(&env).memory_disk().parts_through(over_rest(&env, acting)).start().await.unwrap();
            shop(&cluster).await;
            cluster.settle().await.unwrap();
            cluster.shutdown().await.unwrap();
        });
    }
}

#[test]
fn every_controller_alone_lives_on_it_too() {
    sim::run(4, |env| async move {
        let builder = builder(&env).memory_disk().isolate_controllers();
        let cluster = builder.parts_through(over_rest(&env, Acting::Itself)).start().await.unwrap();
        shop(&cluster).await;
        cluster.shutdown().await.unwrap();
    });
}

#[test]
fn one_seed_gives_one_history_over_rest() {
    let history = |seed| {
        sim::run(seed, |env| async move {
            let layer = over_rest(&env, Acting::Itself);
            let cluster = builder(&env).memory_disk().parts_through(layer).start().await.unwrap();
            shop(&cluster).await;
            cluster.settle().await.unwrap();
            let all = cluster.api().list(&orch::core::Select::default(), None, 0).await.unwrap();
            cluster.shutdown().await.unwrap();
            (all.revision, all.items.iter().map(|object| format!("{object:?}")).collect::<Vec<_>>())
        })
    };
    assert_eq!(history(5), history(5));
}

/// The same over a socket: the API server on one side, every part on the other, as with a real cluster.
fn over_tls(env: &Env) -> impl FnOnce(Arc<dyn Api>) -> Arc<dyn Api> + Send + 'static {
    let env = env.clone();
    let serve = move |api: Arc<dyn Api>| async move {
        let authority = Authority::new(&env).unwrap();
        let rest = Rest::builder(api, &env).build();
        let server = Server::start(rest, &env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
        let client = authority.client("admin", Some(MASTERS)).unwrap();
        let config = Kubeconfig::parse(&server.kubeconfig(&authority, &client), None).unwrap();
        let connection = Connection::new(&config, &env).unwrap();
        let remote = RemoteApi::over(connection, &env).discover().await.unwrap();
        Arc::new(remote.acting(Acting::Itself)) as Arc<dyn Api>
    };
    move |api| tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(serve(api)))
}

#[test]
fn a_cluster_lives_over_tls() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let env = Env::real();
        let cluster = builder(&env).parts_through(over_tls(&env)).start().await.unwrap();
        shop(&cluster).await;
        cluster.shutdown().await.unwrap();
    });
}
