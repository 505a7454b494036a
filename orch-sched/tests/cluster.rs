//! The scheduling loop over a real Api in virtual time: what people see of it, and that it converges whatever fails.

#![expect(clippy::unwrap_used, reason = "helpers of a test are not tests themselves")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use orch_api::LocalApi;
use orch_core::scheduler::{Decision, Explanation, Outcome, Scheduler};
use orch_core::{Api, ApiExt, Change, Env, Key, Kind, Live, Registry, Select, Store, Write, kind, sim};
use orch_sched::framework::{Options, Profile};
use orch_sched::{FrameworkScheduler, RunOptions, start};
use orch_store::{Faults, Faulty, MemStore};
use serde_json::{Value, json};

struct Cluster {
    api: Arc<dyn Api>,
    env: Env,
    sched: Env,
}

impl Cluster {
    async fn start(env: Env) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        Self::over(env, store, registry).await
    }

    async fn over(env: Env, store: Arc<dyn Store>, registry: Arc<Registry>) -> Self {
        let api = LocalApi::builder(store, env.child("api"), registry).build();
        api.bootstrap().await.unwrap();
        let api: Arc<dyn Api> = Arc::new(api);
        let mut cluster = Self { api, sched: env.child("none"), env };
        cluster.start_scheduler("scheduler");
        cluster
    }

    fn start_scheduler(&mut self, name: &str) {
        self.sched = self.env.child(name);
        let scheduler = FrameworkScheduler::new(Profile::kubernetes(), Options::default()).unwrap();
        drop(start(&self.api, &self.sched, Box::new(scheduler), RunOptions::default()));
    }

    async fn create(&self, tree: Value) -> Key {
        self.api.create(tree).await.unwrap().key().clone()
    }

    /// A node that is ready: nobody else here takes the taint off that every new node has.
    async fn node(&self, name: &str, cpu: &str) -> Key {
        let room = json!({"cpu": cpu, "memory": "8Gi", "pods": "110"});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"allocatable": room, "capacity": room}});
        let key = self.create(node).await;
        self.api.one(Write::merge(key.clone(), json!({"spec": {"taints": null}}))).await.unwrap();
        key
    }

    async fn pod(&self, name: &str, cpu: &str, more: &Value) -> Key {
        let mut spec = json!({"containers": [{"name": "main", "image": "app",
            "resources": {"requests": {"cpu": cpu}}}]});
        more.as_object().unwrap().iter().for_each(|(field, value)| spec[field] = value.clone());
        self.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}))
            .await
    }

    /// Waits until no part has anything to do.
    async fn settle(&self) {
        let mut before = None;
        loop {
            let revision = self.api.list(&Select::kind(kind::NODES), None, 1).await.unwrap().revision;
            if before == Some(revision) {
                return;
            }
            before = Some(revision);
            self.env.activity().idle_at(revision).await;
        }
    }

    async fn read(&self, key: &Key) -> Live {
        self.api.read(key).await.unwrap()
    }

    async fn node_of(&self, key: &Key) -> String {
        self.read(key).await.field("spec.nodeName").unwrap_or_default().to_owned()
    }

    async fn condition(&self, key: &Key, name: &str) -> Value {
        let tree = self.read(key).await.tree();
        let conditions = tree["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == name).unwrap_or_default()
    }

    /// Reasons and messages of the Events about an object.
    async fn events(&self, key: &Key) -> Vec<(String, String)> {
        let page = self.api.list(&Select::kind(kind::EVENTS), None, 0).await.unwrap();
        let trees = page.items.iter().map(orch_core::Object::body_tree);
        let about = trees.filter(|tree| tree["involvedObject"]["name"] == *key.name);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        about.map(|tree| (text(&tree["reason"]), text(&tree["message"]))).collect()
    }
}

#[test]
fn pods_are_bound_and_what_does_not_fit_is_explained_until_a_node_comes() {
    sim::run(1, |env| async move {
        let cluster = Cluster::start(env).await;
        cluster.node("n1", "2").await;
        let small = cluster.pod("small", "1", &json!({})).await;
        let large = cluster.pod("large", "4", &json!({})).await;
        cluster.settle().await;
        assert_eq!(cluster.node_of(&small).await, "n1");
        let assigned = ("Scheduled".to_owned(), "Successfully assigned default/small to n1".to_owned());
        assert_eq!(cluster.events(&small).await, [assigned]);
        let condition = cluster.condition(&large, "PodScheduled").await;
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Unschedulable")));
        let message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
            1 Preemption is not helpful for scheduling.";
        assert_eq!(condition["message"], message);
        assert_eq!(cluster.events(&large).await, [("FailedScheduling".to_owned(), message.to_owned())]);
        let before = cluster.read(&large).await.revision();
        cluster.env.sleep(Duration::from_secs(600)).await;
        cluster.settle().await;
        assert_eq!(cluster.read(&large).await.revision(), before, "the same is not said again");
        cluster.node("n2", "4").await;
        cluster.settle().await;
        assert_eq!(cluster.node_of(&large).await, "n2");
    });
}

#[test]
fn a_cluster_without_nodes_says_so() {
    sim::run(2, |env| async move {
        let cluster = Cluster::start(env).await;
        let pod = cluster.pod("web", "1", &json!({})).await;
        cluster.settle().await;
        let condition = cluster.condition(&pod, "PodScheduled").await;
        assert_eq!(condition["message"], "no nodes available to schedule pods");
    });
}

#[test]
fn gated_pods_are_marked_and_bound_once_the_gates_are_gone() {
    sim::run(3, |env| async move {
        let cluster = Cluster::start(env).await;
        cluster.node("n1", "2").await;
        let pod = cluster.pod("web", "1", &json!({"schedulingGates": [{"name": "example.com/wait"}]})).await;
        cluster.settle().await;
        assert_eq!(cluster.condition(&pod, "PodScheduled").await["reason"], "SchedulingGated");
        cluster.api.one(Write::merge(pod.clone(), json!({"spec": {"schedulingGates": null}}))).await.unwrap();
        cluster.settle().await;
        assert_eq!(cluster.node_of(&pod).await, "n1");
    });
}

#[test]
fn an_important_pod_gets_the_room_of_others() {
    sim::run(4, |env| async move {
        let cluster = Cluster::start(env).await;
        cluster.node("n1", "2").await;
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": "vip"}, "value": 1000});
        cluster.create(class).await;
        let low = cluster.pod("low", "2", &json!({})).await;
        cluster.settle().await;
        let vip = cluster.pod("vip", "2", &json!({"priorityClassName": "vip"})).await;
        cluster.settle().await;
        assert_eq!(cluster.read(&vip).await.field("status.nominatedNodeName"), Some("n1"));
        assert!(cluster.read(&low).await.header().is_terminating());
        assert_eq!(cluster.condition(&low, "DisruptionTarget").await["reason"], "PreemptionByScheduler");
        let preempted =
            cluster.events(&low).await.into_iter().find(|(reason, _)| reason == "Preempted").unwrap();
        let uid = cluster.read(&vip).await.uid().clone();
        assert_eq!(preempted.1, format!("Preempted by pod {uid} on node n1"));
        // What the agent does at the end of the grace period.
        cluster.api.one(Write::delete(low.clone()).grace(0)).await.unwrap();
        cluster.settle().await;
        assert_eq!(cluster.node_of(&vip).await, "n1");
    });
}

#[test]
fn a_claim_that_waits_is_told_the_node_and_then_the_pod_is_bound() {
    sim::run(5, |env| async move {
        let cluster = Cluster::start(env).await;
        cluster.node("n1", "2").await;
        cluster
            .create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
                "provisioner": "example.com/csi", "volumeBindingMode": "WaitForFirstConsumer"}))
            .await;
        let claim = cluster
            .create(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "default"}, "spec": {"storageClassName": "fast",
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}))
            .await;
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        let pod = cluster.pod("db", "1", &json!({"volumes": volumes})).await;
        cluster.settle().await;
        let annotations = cluster.read(&claim).await.tree()["metadata"]["annotations"].clone();
        assert_eq!(annotations["volume.kubernetes.io/selected-node"], "n1");
        assert_eq!(cluster.node_of(&pod).await, "");
        // What provisioner and volume controller do.
        cluster
            .create(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
                "spec": {"storageClassName": "fast", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/v"}, "claimRef": {"namespace": "default", "name": "data"}}}))
            .await;
        let bound = json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": "v"}});
        cluster.api.one(Write::merge(claim, bound)).await.unwrap();
        cluster.settle().await;
        assert_eq!(cluster.node_of(&pod).await, "n1");
    });
}

#[test]
fn a_volume_that_is_there_is_bound_to_the_claim() {
    sim::run(6, |env| async move {
        let cluster = Cluster::start(env).await;
        cluster.node("n1", "2").await;
        cluster
            .create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"},
                "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}))
            .await;
        let volume = cluster
            .create(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
                "spec": {"storageClassName": "local", "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/v"}}}))
            .await;
        let available = json!({"status": {"phase": "Available"}});
        cluster.api.one(Write::merge_status(volume.clone(), available)).await.unwrap();
        let claim = cluster
            .create(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "default"}, "spec": {"storageClassName": "local",
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}))
            .await;
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        cluster.pod("db", "1", &json!({"volumes": volumes})).await;
        cluster.settle().await;
        let tree = cluster.read(&volume).await.tree();
        assert_eq!(tree["spec"]["claimRef"]["uid"], &**cluster.read(&claim).await.uid());
        assert_eq!(tree["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"], "yes");
    });
}

/// What each node's pods ask for of its CPUs, counted by the objects.
async fn load(api: &dyn Api) -> BTreeMap<String, u64> {
    let mut load = BTreeMap::new();
    for pod in api.list(&Select::kind(kind::PODS), None, 0).await.unwrap().items {
        let tree = pod.body_tree();
        let node = tree["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        let cpu = &tree["spec"]["containers"][0]["resources"]["requests"]["cpu"];
        *load.entry(node).or_default() += cpu.as_str().unwrap().parse::<u64>().unwrap();
    }
    load
}

#[test]
fn a_scheduler_that_crashes_at_any_time_is_followed_by_one_that_goes_on() {
    for seed in 0..10 {
        sim::run(seed, |env| async move {
            let mut cluster = Cluster::start(env).await;
            for at in 0..20 {
                cluster.node(&format!("n{at}"), "10").await;
            }
            for at in 0..200 {
                cluster.pod(&format!("p{at}"), "1", &json!({})).await;
                if at % 37 == seed % 37 {
                    cluster.sched.crash();
                    cluster.start_scheduler(&format!("scheduler-{at}"));
                }
            }
            cluster.settle().await;
            let load = load(&*cluster.api).await;
            assert_eq!(load.values().sum::<u64>(), 200);
            assert!(load.iter().all(|(node, cpus)| !node.is_empty() && *cpus <= 10), "{load:?}");
        });
    }
}

#[test]
fn whatever_fails_every_pod_is_bound_once_all_is_well() {
    for seed in 0..8 {
        sim::run(seed, |env| async move {
            let registry = Arc::new(Registry::built_in());
            let store = Arc::new(MemStore::new(Arc::clone(&registry)));
            let faults = Faults::rough();
            let faults = if seed % 2 == 0 { faults.per_kind() } else { faults };
            let faulty = Arc::new(Faulty::new(store, env.child("store"), Faults::quiet()));
            let cluster = Cluster::over(env, Arc::clone(&faulty) as Arc<dyn Store>, registry).await;
            for at in 0..5 {
                cluster.node(&format!("n{at}"), "10").await;
            }
            faulty.set(faults);
            let mut made = 0;
            while made < 50 {
                let pod = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("p{made}"), "namespace": "default"}, "spec": {"containers":
                    [{"name": "main", "image": "app", "resources": {"requests": {"cpu": "1"}}}]}});
                if !matches!(cluster.api.create(pod).await, Err(error) if !error.is_conflict()) {
                    made += 1;
                }
                cluster.env.sleep(Duration::from_millis(20)).await;
            }
            faulty.heal();
            cluster.env.sleep(Duration::from_secs(120)).await;
            cluster.settle().await;
            let load = load(&*cluster.api).await;
            assert_eq!(load.values().sum::<u64>(), 50, "seed {seed}");
            assert!(load.iter().all(|(node, cpus)| !node.is_empty() && *cpus <= 10), "seed {seed}: {load:?}");
        });
    }
}

/// The loop leaves out what a cluster does not know; of the built-in kinds that is none.
#[test]
fn every_kind_that_the_scheduler_looks_at_is_built_in() {
    let scheduler = FrameworkScheduler::default();
    let registry = Registry::built_in();
    let unknown: Vec<_> =
        scheduler.kinds().into_iter().filter(|kind| registry.get(*kind).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// A scheduler whose view of claims stands still while it is told to.
struct BehindOnClaims {
    inner: FrameworkScheduler,
    is_behind: Arc<AtomicBool>,
    missed: Vec<Change>,
}

impl Scheduler for BehindOnClaims {
    fn kinds(&self) -> Vec<Kind> {
        self.inner.kinds()
    }

    fn apply(&mut self, change: &Change) {
        if self.is_behind.load(Ordering::Relaxed) && change.key().kind == kind::PERSISTENT_VOLUME_CLAIMS {
            self.missed.push(change.clone());
        } else {
            self.inner.apply(change);
        }
    }

    fn decide(&mut self, now: Timestamp, max: usize, out: &mut Vec<Decision>) {
        if !self.is_behind.load(Ordering::Relaxed) {
            self.missed.drain(..).for_each(|change| self.inner.apply(&change));
        }
        self.inner.decide(now, max, out);
    }

    fn outcome(&mut self, pod: &Key, uid: &str, outcome: Outcome) {
        self.inner.outcome(pod, uid, outcome);
    }

    fn next_wake(&self) -> Option<Timestamp> {
        self.inner.next_wake()
    }

    fn explain(&self, pod: &Key, node: Option<&str>) -> Explanation {
        self.inner.explain(pod, node)
    }

    fn fork(&self) -> Box<dyn Scheduler> {
        self.inner.fork()
    }
}

/// Found by chaos, seeds 27836 and 71175 of 2026-11-26: bound on the view of a claim that was deleted and made again, the
/// pod waited for ever for a volume that nobody was to make.
#[test]
fn a_pod_is_not_bound_on_an_old_view_of_its_claim() {
    sim::run(31, |env| async move {
        let mut cluster = Cluster::start(env).await;
        let is_behind = Arc::new(AtomicBool::new(false));
        let inner = FrameworkScheduler::new(Profile::kubernetes(), Options::default()).unwrap();
        let late = BehindOnClaims { inner, is_behind: Arc::clone(&is_behind), missed: Vec::new() };
        cluster.sched.shutdown().await;
        cluster.sched = cluster.env.child("late");
        drop(start(&cluster.api, &cluster.sched, Box::new(late), RunOptions::default()));

        cluster.node("n1", "2").await;
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
            "spec": {"storageClassName": "fast", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/v"}}});
        cluster.create(volume).await;
        let claim = |volume: Option<&str>| {
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "default",
                    "annotations": volume.map(|_| json!({"pv.kubernetes.io/bind-completed": "yes"}))},
                "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "volumeName": volume,
                    "resources": {"requests": {"storage": "1Gi"}}}})
        };
        let key = cluster.create(claim(Some("v"))).await;
        cluster.settle().await;
        is_behind.store(true, Ordering::Relaxed);
        let finalizers = json!({"metadata": {"finalizers": null}});
        cluster.api.one(Write::merge(key.clone(), finalizers)).await.unwrap();
        cluster.api.one(Write::delete(key.clone())).await.unwrap();
        cluster.create(claim(None)).await;
        let volumes = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
        let pod = cluster.pod("db", "1", &volumes).await;
        cluster.settle().await;
        assert_eq!(cluster.node_of(&pod).await, "");
        is_behind.store(false, Ordering::Relaxed);
        cluster.env.sleep(Duration::from_secs(30)).await;
        cluster.settle().await;
        let condition = cluster.condition(&pod, "PodScheduled").await;
        let message = condition["message"].as_str().unwrap_or_default();
        assert!(message.contains("pod has unbound immediate PersistentVolumeClaims"), "{condition}");
        let bound = json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": "v"}});
        cluster.api.one(Write::merge(key, bound)).await.unwrap();
        cluster.env.sleep(Duration::from_secs(30)).await;
        cluster.settle().await;
        assert_eq!(cluster.node_of(&pod).await, "n1");
    });
}
