//! Scheduler and node agents in a hundred lines: once a second they look at everything and do what is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orch_core::{Api, Env, Key, Live, Select, Subresource, Write, kind, rfc3339, rfc3339_micro};
use serde_json::{Value, json};

use crate::objects;

/// What agents hold until a volume's directory is gone.
const DIRECTORY: &str = "orch.local/node-directory";

/// The agents of a cluster's nodes.
#[derive(Clone)]
pub(crate) struct Agents(Arc<Shared>);

struct Shared {
    api: Arc<dyn Api>,
    env: Env,
    silent: Mutex<BTreeSet<String>>,
    /// Directories by node.
    directories: Mutex<BTreeSet<(String, String)>>,
}

impl Agents {
    pub(crate) async fn start(api: Arc<dyn Api>, env: Env, nodes: &[&str]) -> Self {
        let (silent, directories) = (Mutex::default(), Mutex::default());
        let agents = Self(Arc::new(Shared { api, env, silent, directories }));
        for node in nodes {
            agents.join(node).await;
        }
        let work = agents.clone();
        agents.0.env.spawn(async move {
            for second in 0_u64.. {
                work.turn(second).await;
                work.0.env.sleep(Duration::from_secs(1)).await;
            }
        });
        agents
    }

    /// A node registers.
    pub(crate) async fn join(&self, name: &str) {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"holderIdentity": name}});
        let writes = vec![
            Write::create_tree(kind::NODES, objects::node(name)),
            Write::create_tree(kind::LEASES, lease),
        ];
        for result in self.0.api.write(writes).await {
            result.unwrap();
        }
    }

    /// The node is cut off, or comes back.
    pub(crate) fn silence(&self, name: &str) {
        self.0.silent.lock().unwrap().insert(name.to_owned());
    }

    pub(crate) fn restore(&self, name: &str) {
        self.0.silent.lock().unwrap().remove(name);
    }

    pub(crate) fn directories(&self) -> Vec<(String, String)> {
        self.0.directories.lock().unwrap().iter().cloned().collect()
    }

    async fn turn(&self, second: u64) {
        let nodes = self.list(kind::NODES).await;
        let pods = self.list(kind::PODS).await;
        let claims: BTreeMap<Key, Live> = self
            .list(kind::PERSISTENT_VOLUME_CLAIMS)
            .await
            .into_iter()
            .map(|claim| (claim.key().clone(), claim))
            .collect();
        let alive: Vec<&Live> =
            nodes.iter().filter(|node| !self.0.silent.lock().unwrap().contains(&*node.key().name)).collect();
        let mut writes = Vec::new();
        for node in &alive {
            writes.extend(self.node(node, second));
        }
        for (at, pod) in pods.iter().enumerate() {
            let tree = pod.tree();
            let on = tree["spec"]["nodeName"].as_str().unwrap_or_default();
            if on.is_empty() && !pod.header().is_terminating() {
                writes.extend(schedule(pod, &tree, &nodes, &claims, at));
            } else if alive.iter().any(|node| *node.key().name == *on) {
                writes.extend(self.run(pod, &tree, &claims, at));
            }
        }
        for volume in self.list(kind::PERSISTENT_VOLUMES).await {
            let hostname = volume.label("kubernetes.io/hostname").unwrap_or_default().to_owned();
            let last = volume.header().finalizers.len() == 1 && volume.header().has_finalizer(DIRECTORY);
            let deletes = volume.tree()["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
            let here = alive.iter().any(|node| *node.key().name == *hostname);
            if volume.header().is_terminating() && last && deletes && here {
                self.0.directories.lock().unwrap().remove(&(hostname, volume.key().name.to_string()));
                let patch = json!({"metadata": {"finalizers": null}});
                writes.push(Write::merge(volume.key().clone(), patch).at(volume.revision()));
            }
        }
        // Refused ones are tried again in a second.
        self.0.api.write(writes).await;
    }

    async fn list(&self, of: orch_core::Kind) -> Vec<Live> {
        let page = self.0.api.list(&Select::kind(of), None, 0).await.unwrap();
        page.items.into_iter().map(Live::from).collect()
    }

    /// The Lease every ten seconds; the status when somebody has marked it.
    fn node(&self, node: &Live, second: u64) -> Vec<Write> {
        let (name, now) = (&node.key().name, self.0.env.now());
        let mut writes = Vec::new();
        if second.is_multiple_of(10) {
            let lease = Key::new(kind::LEASES, "kube-node-lease", name.clone());
            writes.push(Write::merge(lease, json!({"spec": {"renewTime": rfc3339_micro(now)}})));
        }
        let tree = node.tree();
        let conditions = tree["status"]["conditions"].as_array();
        let good = |condition: &Value| {
            condition["status"] == if condition["type"] == "Ready" { "True" } else { "False" }
        };
        if !conditions.is_some_and(|all| all.len() == 4 && all.iter().all(good)) {
            let of = |kind: &str| {
                let status = if kind == "Ready" { "True" } else { "False" };
                json!({"type": kind, "status": status, "lastHeartbeatTime": rfc3339(now), "lastTransitionTime": rfc3339(now)})
            };
            let all = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map(of);
            writes.push(Write::merge_status(node.key().clone(), json!({"status": {"conditions": all}})));
        }
        writes
    }

    /// Starts a pod, or ends it.
    fn run(&self, pod: &Live, tree: &Value, claims: &BTreeMap<Key, Live>, at: usize) -> Option<Write> {
        if pod.header().is_terminating() {
            return Some(Write::delete(pod.key().clone()).of(pod.uid()).grace(0));
        }
        let phase = tree["status"]["phase"].as_str().unwrap_or_default();
        let ready = objects::is_ready(tree);
        if phase == "Failed" || phase == "Succeeded" || ready {
            return None;
        }
        for claim in objects::claims(pod, tree) {
            let volume = claims.get(&claim)?.tree()["spec"]["volumeName"].as_str()?.to_owned();
            let node = tree["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
            self.0.directories.lock().unwrap().insert((node, volume));
        }
        let ip = format!("10.1.{}.{}", at / 250, at % 250 + 1);
        let patch = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self.0.env.now())}]}});
        Some(Write::merge(pod.key().clone(), patch).to(Subresource::Status).of(pod.uid()).at(pod.revision()))
    }
}

/// Binds a pod to a node without taints; chooses nodes for its claims first.
fn schedule(
    pod: &Live,
    tree: &Value,
    nodes: &[Live],
    claims: &BTreeMap<Key, Live>,
    at: usize,
) -> Option<Write> {
    let free: Vec<&Live> = nodes
        .iter()
        .filter(|node| node.tree()["spec"]["taints"].as_array().is_none_or(Vec::is_empty))
        .collect();
    let mut node = free.get(at % free.len().max(1))?.key().name.clone();
    for key in objects::claims(pod, tree) {
        let claim = claims.get(&key)?;
        let body = claim.tree();
        match body["metadata"]["annotations"]["volume.kubernetes.io/selected-node"].as_str() {
            Some(chosen) => node = chosen.into(),
            None if body["status"]["phase"] == "Bound" => {}
            None => {
                let patch =
                    json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": node}}});
                return Some(Write::merge(key, patch).at(claim.revision()));
            }
        }
        if body["status"]["phase"] != "Bound" {
            return None;
        }
    }
    Some(Write::bind(pod.key().clone(), &node))
}
