//! Parts of a cluster crash and come back one by one: what is promised meanwhile, and that it ends well.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use orch::core::controller::{Controller, Plan};
use orch::core::engine::Inspect;
use orch::core::view::{Needs, Projection, View};
use orch::core::{
    Api, Change, Env, Key, Kind, Live, Page, Read, Registry, Result, Revision, Select, Str, User, Watch,
    Watches, Write, kind, sim,
};
use orch::network::{MemNetwork, MemOptions, Names, Records};
use orch::runtime::task::{Context, TaskImages};
use orch::{Cluster, ClusterBuilder, Error, NodeSpec, Part};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(900);

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers: [{name: main, image: echo, ports: [{name: echo, containerPort: 7}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 7, targetPort: echo}]}
";

fn images() -> TaskImages {
    let images = TaskImages::default();
    let _ = images.register("echo", |ctx: Context| async move {
        let mut listener = ctx.listen(7).await?;
        loop {
            let accepted = tokio::select! {
                biased;
                () = ctx.stopped() => return Ok::<_, std::io::Error>(()),
                accepted = listener.accept() => accepted?,
            };
            let mut stream = accepted.0;
            ctx.spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    images
}

fn builder(env: &Env) -> ClusterBuilder {
    let nodes = ["n1", "n2", "n3"].map(NodeSpec::new);
    Cluster::builder().env(env.clone()).nodes(nodes).images(images())
}

/// With every node ready.
async fn start(builder: ClusterBuilder) -> Cluster {
    let cluster = builder.start().await.unwrap();
    settled(&cluster).await;
    cluster
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.map(|status| status.restart_count).sum()
}

fn six_ready(pods: &[Pod]) -> bool {
    pods.len() == 6 && pods.iter().all(is_ready)
}

fn uids(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect()
}

async fn echo(cluster: &Cluster, host: &str) -> std::io::Result<()> {
    let mut stream = cluster.connect("default", host, 7).await?;
    stream.write_all(b"hello").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"hello");
    Ok(())
}

async fn settled(cluster: &Cluster) {
    let settled = cluster.env().timeout(PATIENCE, cluster.settle()).await;
    settled.expect("nobody waits for what has crashed").unwrap();
}

/// The end of a test: whatever had crashed, nothing is left.
async fn end(cluster: Cluster) {
    let directory = cluster.directory().unwrap();
    cluster.shutdown().await.unwrap();
    assert!(!directory.exists());
    assert!(cluster.parts().iter().all(|part| !cluster.is_running(part)));
    drop(cluster);
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive, 0, "tasks are left");
}

#[test]
fn every_part_is_named_once_in_a_fixed_order() {
    let names = |is_isolated: bool| {
        sim::run(1, move |env| async move {
            let builder = builder(&env);
            let builder = if is_isolated { builder.isolate_controllers() } else { builder };
            let cluster = builder.start().await.unwrap();
            let parts = cluster.parts();
            assert!(parts.iter().all(|part| cluster.is_running(part)));
            end(cluster).await;
            parts.iter().map(ToString::to_string).collect::<Vec<_>>()
        })
    };
    let shared = [
        "controllers",
        "scheduler",
        "proxy",
        "names",
        "agent/n1",
        "agent/n2",
        "agent/n3",
        "node/n1",
        "node/n2",
        "node/n3",
    ];
    assert_eq!(names(false), shared);
    let isolated = names(true);
    assert!(isolated.contains(&"controller/deployment-controller".to_owned()), "{isolated:?}");
    assert_eq!(isolated[isolated.len() - shared.len() + 1..], shared[1..]);
    assert_eq!(isolated.len(), shared.len() - 1 + orch::controllers::each(&Default::default()).len());
}

#[test]
fn what_is_not_there_can_neither_crash_nor_start() {
    sim::run(1, |env| async move {
        let cluster = start(builder(&env)).await;
        for part in [Part::Node("n9".into()), Part::Agent("n9".into()), Part::Controller("gc".into())] {
            assert!(matches!(cluster.crash(&part), Err(Error::NoPart { part: named }) if named == part));
            assert!(matches!(cluster.restart(&part), Err(Error::NoPart { part: named }) if named == part));
            assert!(!cluster.is_running(&part));
        }
        cluster.kill_node("n1").unwrap();
        assert!(matches!(cluster.kill_node("n1"), Err(Error::NoNode { .. })));
        cluster.crash(&Part::Node("n1".into())).unwrap();
        assert!(cluster.runtime("n1").is_none() && cluster.runtime("n2").is_some());
        assert!(!cluster.is_running(&Part::Agent("n1".into())), "the agent dies with its machine");
        let refused = cluster.restart(&Part::Agent("n1".into())).unwrap_err();
        assert_eq!(refused.to_string(), "no node \"n1\" runs here");
        let handle = cluster.clone();
        end(cluster).await;
        assert!(handle.restart(&Part::Scheduler).is_err(), "nothing starts after shutdown");
    });
}

#[test]
fn parts_must_be_told_apart() {
    sim::run(1, |env| async move {
        let Err(error) = builder(&env).nodes([NodeSpec::new("n2")]).start().await else { panic!("accepted") };
        assert_eq!(error.to_string(), "nodes: two are named \"n2\": each node needs a name of its own");
        let twice = || builder(&env).controller(Counter::default()).controller(Counter::default());
        let Err(error) = twice().isolate_controllers().start().await else { panic!("accepted") };
        assert!(error.to_string().starts_with("controller: two are named \"counter\""), "{error}");
        end(twice().start().await.unwrap()).await;
    });
}

/// Crashes each part in turn while a rolling update is under way, and brings it back after some time.
fn crash_each_in_turn(seed: u64, down: Duration, is_isolated: bool) {
    sim::run(seed, move |env| async move {
        let builder = if is_isolated { builder(&env).isolate_controllers() } else { builder(&env) };
        let cluster = start(builder).await;
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        let webs = cluster.of::<Deployment>("default");
        let is_wanted = |part: &Part| !is_isolated || matches!(part, Part::Controller(_));
        for (turn, part) in cluster.parts().into_iter().filter(is_wanted).enumerate() {
            let before = uids(&cluster.of::<Pod>("default").list().await.unwrap());
            let template =
                json!({"spec": {"template": {"metadata": {"labels": {"turn": turn.to_string()}}}}});
            webs.merge("web", template).await.unwrap();
            env.sleep(Duration::from_millis(300)).await;
            cluster.crash(&part).unwrap();
            assert!(!cluster.is_running(&part), "{part}");
            settled(&cluster).await;
            env.sleep(down).await;
            cluster.restart(&part).unwrap();
            assert!(cluster.is_running(&part), "{part}");
            let replaced = |pods: &[Pod]| six_ready(pods) && uids(pods).is_disjoint(&before);
            cluster
                .wait_for("default", PATIENCE, replaced)
                .await
                .unwrap_or_else(|error| panic!("{part}: {error}"));
            settled(&cluster).await;
            echo(&cluster, "web").await.unwrap_or_else(|error| panic!("{part}: {error}"));
        }
        end(cluster).await;
    });
}

#[test]
fn a_rolling_update_ends_whichever_part_crashes_for_a_moment() {
    for seed in 1..3 {
        crash_each_in_turn(seed, Duration::ZERO, false);
    }
}

#[test]
fn a_rolling_update_ends_whichever_part_crashes_for_a_minute() {
    crash_each_in_turn(4, Duration::from_secs(60), false);
}

#[test]
fn a_rolling_update_ends_whichever_controller_crashes() {
    crash_each_in_turn(5, Duration::ZERO, true);
    crash_each_in_turn(6, Duration::from_secs(20), true);
}

#[test]
fn restarts_do_not_spoil_the_trace() {
    let trace = |seed: u64| {
        sim::run(seed, |env| async move {
            let cluster = start(builder(&env)).await;
            cluster.apply(WEB).await.unwrap();
            for part in cluster.parts() {
                cluster.restart(&part).unwrap();
                env.sleep(Duration::from_millis(250)).await;
            }
            settled(&cluster).await;
            let page = cluster.api().list(&Select::default(), None, 0).await.unwrap();
            let body = |object: &orch::core::Object| {
                format!("{} {}", object.revision(), String::from_utf8_lossy(object.body()))
            };
            let bodies: Vec<String> = page.items.iter().map(body).collect();
            end(cluster).await;
            bodies
        })
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}

#[test]
fn a_pod_of_a_dead_node_accepts_no_connection() {
    sim::run(7, |env| async move {
        let cluster = start(builder(&env)).await;
        cluster.apply(WEB).await.unwrap();
        let pods = cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        let on_n1: Vec<_> = pods.iter().filter(|pod| node_of(pod) == "n1").collect();
        assert!(!on_n1.is_empty());
        let ip = |pod: &Pod| pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap();
        for pod in &on_n1 {
            echo(&cluster, &ip(pod)).await.unwrap();
        }
        let mut open = cluster.connect("default", &ip(on_n1[0]), 7).await.unwrap();
        cluster.crash(&Part::Node("n1".into())).unwrap();
        // As soon as its tasks have had their turn.
        tokio::task::yield_now().await;
        for pod in &on_n1 {
            let refused = echo(&cluster, &ip(pod)).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{}", ip(pod));
        }
        assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0, "open connections end with the machine");
        end(cluster).await;
    });
}

#[test]
fn a_node_that_reboots_in_time_starts_the_containers_of_its_pods_again() {
    for seed in 8..12 {
        sim::run(seed, |env| async move {
            let cluster = start(builder(&env)).await;
            cluster.apply(WEB).await.unwrap();
            let before = cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
            settled(&cluster).await;
            let lost = cluster.runtime("n1").unwrap().state().await.unwrap();
            assert!(!lost.is_empty());
            cluster.crash(&Part::Node("n1".into())).unwrap();
            env.sleep(Duration::from_secs(20)).await;
            cluster.restart(&Part::Node("n1".into())).unwrap();
            settled(&cluster).await;
            let again = |pods: &[Pod]| {
                let of_node = |pod: &&Pod| node_of(pod) == "n1";
                six_ready(pods) && pods.iter().filter(of_node).all(|pod| restarts(pod) == 1)
            };
            let after = cluster.wait_for("default", PATIENCE, again).await.unwrap();
            assert_eq!(uids(&after), uids(&before), "no pod was replaced");
            for pod in &after {
                assert_eq!(restarts(pod), i32::from(node_of(pod) == "n1"), "{:?}", pod.metadata.name);
                let lasts = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
                let exits: Vec<_> = lasts
                    .filter_map(|status| status.last_state.as_ref()?.terminated.as_ref())
                    .map(|last| (last.exit_code, last.reason.clone().unwrap_or_default()))
                    .collect();
                let lost = (137, "ContainerStatusUnknown".to_owned());
                assert_eq!(exits, if node_of(pod) == "n1" { vec![lost] } else { vec![] });
            }
            let running = cluster.runtime("n1").unwrap().state().await.unwrap();
            assert_eq!(running.len(), lost.len(), "its pods run on the new machine");
            let ids = |state: &[orch::core::runtime::SandboxStatus]| {
                state.iter().map(|sandbox| sandbox.id.clone()).collect::<BTreeSet<_>>()
            };
            assert!(ids(&running).is_disjoint(&ids(&lost)));
            settled(&cluster).await;
            echo(&cluster, "web").await.unwrap();
            end(cluster).await;
        });
    }
}

#[test]
fn a_node_that_returns_after_its_pods_were_evicted_has_none_of_them() {
    for seed in 12..16 {
        sim::run(seed, |env| async move {
            let cluster = start(builder(&env)).await;
            cluster.apply(WEB).await.unwrap();
            let before = cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
            cluster.crash(&Part::Node("n1".into())).unwrap();
            // The grace period of a node, and then the toleration of its pods.
            let elsewhere =
                |pods: &[Pod]| pods.iter().filter(|pod| is_ready(pod) && node_of(pod) != "n1").count() == 6;
            cluster.wait_for("default", PATIENCE, elsewhere).await.unwrap();
            let pods = cluster.of::<Pod>("default").list().await.unwrap();
            let evicted: Vec<_> = pods.iter().filter(|pod| node_of(pod) == "n1").collect();
            assert!(!evicted.is_empty(), "a pod stays until its node says that it has ended");
            assert!(evicted.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()));
            cluster.restart(&Part::Node("n1".into())).unwrap();
            let after = cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
            let gone = uids(&evicted.into_iter().cloned().collect::<Vec<_>>());
            assert!(uids(&after).is_disjoint(&gone) && !uids(&before).is_disjoint(&gone));
            settled(&cluster).await;
            assert_eq!(
                cluster.runtime("n1").unwrap().state().await.unwrap(),
                [],
                "nothing was started again"
            );
            cluster
                .wait_for("", PATIENCE, |nodes: &[Node]| {
                    let taints = |node: &Node| node.spec.as_ref().and_then(|spec| spec.taints.clone());
                    nodes.len() == 3 && nodes.iter().all(|node| taints(node).unwrap_or_default().is_empty())
                })
                .await
                .unwrap();
            // It is a node like the others again.
            cluster.of::<Deployment>("default").merge("web", json!({"spec": {"replicas": 9}})).await.unwrap();
            let spread = |pods: &[Pod]| {
                pods.len() == 9 && pods.iter().all(is_ready) && pods.iter().any(|pod| node_of(pod) == "n1")
            };
            cluster.wait_for("default", PATIENCE, spread).await.unwrap();
            echo(&cluster, "web").await.unwrap();
            end(cluster).await;
        });
    }
}

#[test]
fn containers_go_on_without_their_agent() {
    sim::run(16, |env| async move {
        let cluster = start(builder(&env)).await;
        cluster.apply(WEB).await.unwrap();
        let before = cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        settled(&cluster).await;
        let state = cluster.runtime("n1").unwrap().state().await.unwrap();
        cluster.crash(&Part::Agent("n1".into())).unwrap();
        env.sleep(Duration::from_secs(30)).await;
        for pod in before.iter().filter(|pod| node_of(pod) == "n1") {
            echo(&cluster, pod.status.as_ref().unwrap().pod_ip.as_deref().unwrap()).await.unwrap();
        }
        cluster.restart(&Part::Agent("n1".into())).unwrap();
        settled(&cluster).await;
        let after = cluster.of::<Pod>("default").list().await.unwrap();
        assert!(six_ready(&after) && after.iter().all(|pod| restarts(pod) == 0));
        assert_eq!(uids(&after), uids(&before));
        assert_eq!(cluster.runtime("n1").unwrap().state().await.unwrap(), state);
        end(cluster).await;
    });
}

#[test]
fn names_are_the_clusters_again_after_a_restart() {
    sim::run(17, |env| async move {
        let names = Names::default();
        let own = Records { addresses: vec!["10.1.2.3".parse().unwrap()], ..Records::default() };
        names.replace("default", "own", [("".into(), own)].into());
        let network = Arc::new(MemNetwork::new(&env, MemOptions::default().names(names.clone())));
        let cluster = start(builder(&env).network(network, names)).await;
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        settled(&cluster).await;
        let known = || async {
            let mut known = Vec::new();
            for name in ["web", "shop", "own"] {
                let full = format!("{name}.default.svc.cluster.local");
                known.extend(cluster.network().resolve(&full).await.is_ok().then_some(name));
            }
            known
        };
        assert_eq!(known().await, ["web", "own"]);
        cluster.crash(&Part::Names).unwrap();
        cluster.of::<Service>("default").delete("web").await.unwrap();
        let shop = WEB.replace("name: web, ", "name: shop, ").replace("app: web", "app: shop");
        cluster.apply(&shop).await.unwrap();
        settled(&cluster).await;
        assert_eq!(known().await, ["web", "own"], "what was known stays readable");
        cluster.restart(&Part::Names).unwrap();
        settled(&cluster).await;
        assert_eq!(known().await, ["shop", "own"], "nobody but the cluster takes back what it said");
        echo(&cluster, "shop").await.unwrap();
        cluster.restart(&Part::Names).unwrap();
        settled(&cluster).await;
        assert_eq!(known().await, ["shop", "own"]);
        end(cluster).await;
    });
}

async fn proxy_comes_back(cluster: &Cluster) {
    cluster.apply(WEB).await.unwrap();
    cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
    settled(cluster).await;
    for _ in 0..20 {
        echo(cluster, "web").await.unwrap();
        let mut open = cluster.connect("default", "web", 7).await.unwrap();
        open.write_all(b"x").await.unwrap();
        open.read_exact(&mut [0]).await.unwrap();
        cluster.restart(&Part::Proxy).unwrap();
        settled(cluster).await;
        echo(cluster, "web").await.expect("every port is served again");
        assert!(!matches!(open.read(&mut [0]).await, Ok(1..)), "its connections end with the proxy");
    }
    cluster.crash(&Part::Proxy).unwrap();
    settled(cluster).await;
    echo(cluster, "web").await.unwrap_err();
}

#[test]
fn the_proxy_serves_every_port_again_after_a_restart() {
    sim::run(18, |env| async move {
        let cluster = start(builder(&env)).await;
        proxy_comes_back(&cluster).await;
        end(cluster).await;
    });
}

#[test]
fn the_proxy_serves_every_port_again_on_real_sockets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = builder(&Env::real()).start().await.unwrap();
        proxy_comes_back(&cluster).await;
        cluster.shutdown().await.unwrap();
    });
}

#[test]
fn every_part_comes_back_on_real_sockets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = builder(&Env::real()).isolate_controllers().start().await.unwrap();
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        for part in cluster.parts() {
            cluster.restart(&part).unwrap();
            settled(&cluster).await;
        }
        cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        settled(&cluster).await;
        echo(&cluster, "web").await.unwrap();
        cluster.shutdown().await.unwrap();
    });
}

/// Crashes a part from inside its own call.
struct Trap {
    below: Arc<dyn Api>,
    user: Str,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cluster: Mutex<Option<Cluster>>,
    /// Whose write, which one of them, and whether it is done before the crash.
    sprung_by: Mutex<Option<(Str, usize, Part, bool)>>,
    calls: AtomicUsize,
    /// Calls that had gone out when it crashed.
    before_crash: AtomicUsize,
}

#[async_trait]
impl Read for Trap {
    fn watches(&self) -> Watches {
        self.below.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.below.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.below.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.below.watch(what, from).await
    }
}

#[async_trait]
impl Api for Trap {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        let sprung = {
            let trap = self.shared.sprung_by.lock().unwrap();
            trap.clone().filter(|(user, ..)| *user == self.user)
        };
        let Some((_, which, part, is_done)) = sprung else { return self.below.write(writes).await };
        let call = self.shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let crash = || {
            let cluster = self.shared.cluster.lock().unwrap().clone().unwrap();
            cluster.crash(&part).unwrap();
            self.shared.before_crash.store(self.shared.calls.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        if call == which && !is_done {
            crash();
        }
        let results = self.below.write(writes).await;
        if call == which && is_done {
            crash();
        }
        results
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        let (below, shared) = (self.below.impersonate(user), Arc::clone(&self.shared));
        Arc::new(Self { below, user: Arc::clone(&user.name), shared })
    }

    fn registry(&self) -> &Registry {
        self.below.registry()
    }
}

/// The part crashes in its call of that number, and then never calls again; started again, it brings all to its end.
fn crash_inside(user: &str, part: &Part, which: usize, is_done: bool) {
    let (user, part): (Str, _) = (user.into(), part.clone());
    sim::run(which as u64, |env| async move {
        let shared = Arc::new(Shared::default());
        *shared.sprung_by.lock().unwrap() = Some((user, which, part.clone(), is_done));
        let layer = Arc::clone(&shared);
        let trap = |below| Arc::new(Trap { below, user: "".into(), shared: layer }) as Arc<dyn Api>;
        let cluster = builder(&env).isolate_controllers().parts_through(trap).start().await.unwrap();
        *shared.cluster.lock().unwrap() = Some(cluster.clone());
        cluster.apply(WEB).await.unwrap();
        env.sleep(Duration::from_secs(30)).await;
        let at = format!("{part} at its call {which}, done: {is_done}");
        let calls = shared.calls.load(Ordering::Relaxed);
        if cluster.is_running(&part) {
            assert!(calls < which, "{at}");
        } else {
            let before = shared.before_crash.load(Ordering::Relaxed);
            assert_eq!(calls, before, "{at}: it calls nobody after its crash");
        }
        *shared.sprung_by.lock().unwrap() = None;
        settled(&cluster).await;
        cluster.restart(&part).unwrap();
        cluster
            .wait_for("default", PATIENCE, six_ready)
            .await
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        settled(&cluster).await;
        echo(&cluster, "web").await.unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(cluster.of::<Pod>("default").list().await.unwrap().len(), 6, "{at}");
        *shared.cluster.lock().unwrap() = None;
        end(cluster).await;
    });
}

#[test]
fn a_part_may_crash_inside_any_of_its_own_writes() {
    let controller = |name: &str| (User::controller(name).name, Part::Controller(name.into()));
    let parts = [
        controller("deployment-controller"),
        controller("replicaset-controller"),
        controller("endpointslice-controller"),
        ("system:kube-scheduler".into(), Part::Scheduler),
        ("system:node:n1".into(), Part::Agent("n1".into())),
    ];
    for (user, part) in parts {
        for which in 1..8 {
            crash_inside(&user, &part, which, false);
            crash_inside(&user, &part, which, true);
        }
    }
}

/// Counts its turns over ConfigMaps.
#[derive(Default)]
struct Counter {
    turns: AtomicUsize,
    most: Arc<AtomicUsize>,
}

struct Any;

impl Projection for Any {
    fn kind() -> Option<Kind> {
        Some(kind::CONFIG_MAPS)
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

impl Controller for Counter {
    type Observed = ();

    fn name(&self) -> &str {
        "counter"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Any>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        out(change.key().clone());
    }

    fn observe(&self, _: &Key, _: Timestamp, _: &dyn View) -> Option<()> {
        let turns = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(turns, Ordering::Relaxed);
        Some(())
    }

    fn plan(&self, (): &()) -> Plan {
        Plan::new()
    }
}

const CONFIG: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: default}}";

#[test]
fn a_controller_that_is_made_anew_has_forgotten_and_one_that_is_given_has_not() {
    for part in [Part::Controllers, Part::Controller("counter".into())] {
        let most = |is_made: bool| {
            let part = part.clone();
            sim::run(19, move |env| async move {
                let (most, makes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
                let builder = match &part {
                    Part::Controllers => builder(&env),
                    _ => builder(&env).isolate_controllers(),
                };
                let (seen, made) = (Arc::clone(&most), Arc::clone(&makes));
                let make = move || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Counter { turns: AtomicUsize::new(0), most: Arc::clone(&seen) }
                };
                let builder =
                    if is_made { builder.controller_made_by(make) } else { builder.controller(make()) };
                let cluster = builder.start().await.unwrap();
                cluster.apply(CONFIG).await.unwrap();
                for _ in 0..3 {
                    settled(&cluster).await;
                    cluster.restart(&part).unwrap();
                }
                settled(&cluster).await;
                end(cluster).await;
                (most.load(Ordering::Relaxed), makes.load(Ordering::Relaxed))
            })
        };
        assert_eq!(most(true), (1, 4), "{part}");
        assert_eq!(most(false), (4, 1), "{part}");
    }
}

/// Looks at every plan.
#[derive(Default)]
struct Audit {
    plans: Mutex<Vec<(String, usize)>>,
    pods: AtomicUsize,
}

struct AnyPod;

impl Projection for AnyPod {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

impl Inspect for Audit {
    fn needs(&self) -> Needs {
        Needs::new().of::<AnyPod>()
    }

    fn plan(&self, controller: &str, _: &Key, _: Timestamp, view: &dyn View, plan: &Plan) {
        self.plans.lock().unwrap().push((controller.to_owned(), plan.writes.len()));
        self.pods.fetch_max(view.of::<AnyPod>().iter().count(), Ordering::Relaxed);
    }
}

#[test]
fn every_plan_is_looked_at_with_its_view() {
    for is_isolated in [false, true] {
        sim::run(20, |env| async move {
            let audit = Arc::new(Audit::default());
            let builder = builder(&env).inspect(Arc::<Audit>::clone(&audit)).controller(Counter::default());
            let builder = if is_isolated { builder.isolate_controllers() } else { builder };
            let cluster = builder.start().await.unwrap();
            cluster.apply(WEB).await.unwrap();
            cluster.apply(CONFIG).await.unwrap();
            cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
            settled(&cluster).await;
            let of = |audit: &Audit, name: &str| {
                let plans = audit.plans.lock().unwrap();
                let of: Vec<usize> =
                    plans.iter().filter(|(by, _)| by == name).map(|(_, count)| *count).collect();
                (of.len(), of.iter().sum::<usize>())
            };
            assert!(of(&audit, "replicaset-controller").1 >= 6, "it made six pods");
            assert_eq!(of(&audit, "counter"), (1, 0), "an empty plan is one too");
            assert_eq!(audit.pods.load(Ordering::Relaxed), 6, "what it needs is in the view");
            let part = if is_isolated { Part::Controller("counter".into()) } else { Part::Controllers };
            cluster.restart(&part).unwrap();
            settled(&cluster).await;
            assert_eq!(of(&audit, "counter"), (2, 0), "after a restart too");
            end(cluster).await;
        });
    }
}

#[test]
fn each_start_of_a_part_asks_for_its_skew() {
    sim::run(21, |env| async move {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let skew = move |part: &Part| {
            let mut asked = seen.lock().unwrap();
            asked.push(part.clone());
            let is_late =
                *part == Part::Agent("n1".into()) && asked.iter().filter(|one| *one == part).count() == 2;
            SignedDuration::from_hours(if is_late { -3 } else { 0 })
        };
        let cluster = builder(&env).skew(skew).start().await.unwrap();
        assert_eq!(asked.lock().unwrap().iter().collect::<BTreeSet<_>>(), cluster.parts().iter().collect());
        settled(&cluster).await;
        let renewed = || async {
            let lease = Key::new(kind::LEASES, "kube-node-lease", "n1");
            let tree = cluster.api().get(&lease, Revision::ZERO).await.unwrap();
            tree.tree()["spec"]["renewTime"].as_str().unwrap().parse::<Timestamp>().unwrap()
        };
        assert!(env.now().duration_since(renewed().await).as_secs() < 60);
        cluster.restart(&Part::Agent("n1".into())).unwrap();
        env.sleep(Duration::from_secs(30)).await;
        let late = env.now().duration_since(renewed().await);
        assert!((10_740..10_860).contains(&late.as_secs()), "{late:?}");
        let nodes = cluster.of::<Node>("").list().await.unwrap();
        let ready = |node: &Node| {
            let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True")
        };
        assert!(nodes.iter().all(ready), "a Lease is watched by the watcher's own clock");
        end(cluster).await;
    });
}

#[test]
fn a_scheduler_starts_without_what_it_knew_and_within_its_layers() {
    sim::run(22, |env| async move {
        let starts = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&starts);
        let layer = move |scheduler: Box<dyn orch::core::scheduler::Scheduler>| {
            seen.fetch_add(1, Ordering::Relaxed);
            let unplaced = scheduler.explain(&Key::new(kind::PODS, "default", "any"), None);
            assert_eq!(unplaced.nodes, 0, "it has seen no node");
            scheduler
        };
        let cluster = builder(&env).scheduler_through(layer).start().await.unwrap();
        cluster.apply(WEB).await.unwrap();
        for _ in 0..3 {
            cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
            cluster.restart(&Part::Scheduler).unwrap();
            cluster.of::<Pod>("default").list().await.unwrap();
            let pod = cluster.of::<Pod>("default").list().await.unwrap().swap_remove(0);
            cluster.of::<Pod>("default").delete(&pod.metadata.name.unwrap()).await.unwrap();
            settled(&cluster).await;
        }
        cluster.wait_for("default", PATIENCE, six_ready).await.unwrap();
        assert_eq!(starts.load(Ordering::Relaxed), 4);
        end(cluster).await;
    });
}
