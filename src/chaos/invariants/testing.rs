//! A bench for invariants: happenings made by hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::runtime::ContainerId;
use orch_core::{Change, Key, Live, Object, Registry, Revision, Str};
use serde_json::{Value, json};

use crate::chaos::{Happening, Invariant, Phase, Running, Truth, World};

/// When tests begin.
pub(super) const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// One invariant and the world that it sees.
pub(super) struct Bench<I> {
    pub(super) invariant: I,
    pub(super) truth: Truth,
    pub(super) at: Duration,
    pub(super) phase: Phase,
    pub(super) since: Duration,
    pub(super) down: BTreeSet<Str>,
    pub(super) cut: BTreeSet<Str>,
    pub(super) running: Vec<Running>,
    registry: Registry,
    revision: u64,
}

impl<I: Invariant> Bench<I> {
    pub(super) fn of(invariant: I) -> Self {
        Self {
            invariant,
            truth: Truth::default(),
            at: Duration::ZERO,
            phase: Phase::Faults,
            since: Duration::ZERO,
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            running: Vec::new(),
            registry: Registry::built_in(),
            revision: 0,
        }
    }

    pub(super) fn wait(&mut self, secs: u64) {
        self.at += Duration::from_secs(secs);
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, self.at);
    }

    fn world<T>(&mut self, with: impl FnOnce(&mut I, &World<'_>) -> T) -> T {
        let world = World {
            truth: &self.truth,
            at: self.at,
            now: START + self.at,
            phase: self.phase,
            since: self.since,
            down: &self.down,
            cut: &self.cut,
            patience: Duration::from_secs(10),
        };
        with(&mut self.invariant, &world)
    }

    /// What it says of a happening.
    pub(super) fn see(&mut self, what: &Happening<'_>) -> Result<(), String> {
        self.world(|invariant, world| invariant.see(world, what))
    }

    /// What it says of the world at rest.
    pub(super) fn settled(&mut self) -> Result<(), String> {
        self.world(|invariant, world| invariant.settled(world))
    }

    pub(super) fn live(&self, tree: Value) -> Live {
        let (api, kind) = (tree["apiVersion"].as_str().unwrap(), tree["kind"].as_str().unwrap());
        let info = self.registry.by_api_version(api, kind).unwrap();
        Live::fresh(Object::encode(&info, &tree).unwrap(), Arc::new(tree))
    }

    /// An object as the next change makes it; `None` of a key removes it.
    pub(super) fn change(&mut self, now: Result<Value, &Key>) -> Arc<Change> {
        self.revision += 1;
        let revision = Revision(self.revision);
        let now = now.map(|tree| self.live(tree).at(revision));
        let key = now.as_ref().map_or_else(|key| (*key).clone(), |live| live.key().clone());
        let before = self.truth.get(&key).map(|live| live.object().clone());
        let change = Arc::new(Change::new(revision, now.ok(), before));
        self.truth.apply(&change);
        change
    }

    pub(super) fn write(&mut self, actor: &str, tree: Value) -> Result<(), String> {
        let change = self.change(Ok(tree));
        self.see(&Happening::Changed { actor, change: &change })
    }

    #[track_caller]
    pub(super) fn ok(&mut self, actor: &str, tree: Value) {
        assert_eq!(self.write(actor, tree), Ok(()));
    }

    #[track_caller]
    pub(super) fn bad(&mut self, actor: &str, tree: Value, why: &str) {
        fails(self.write(actor, tree), why);
    }

    /// Removes an object; `KIND/NAMESPACE/NAME` or `KIND/NAME`.
    pub(super) fn remove(&mut self, actor: &str, path: &str) -> Result<(), String> {
        let key =
            self.truth.all().map(|live| live.key()).find(|key| key.to_string() == path).unwrap().clone();
        let change = self.change(Err(&key));
        self.see(&Happening::Changed { actor, change: &change })
    }

    #[track_caller]
    pub(super) fn gone(&mut self, actor: &str, path: &str) {
        assert_eq!(self.remove(actor, path), Ok(()));
    }

    #[track_caller]
    pub(super) fn not_gone(&mut self, actor: &str, path: &str, why: &str) {
        fails(self.remove(actor, path), why);
    }

    /// A container of that pod starts on a node, beside those that run.
    pub(super) fn start(&mut self, node: &str, pod: &str, uid: &str) -> Result<(), String> {
        let container = running(node, pod, uid, &format!("c{}", self.running.len()));
        self.running.push(container.clone());
        self.running.sort();
        let all = self.running.clone();
        self.see(&Happening::Started { container: &container, running: &all })
    }

    /// All containers of a pod end.
    pub(super) fn stop(&mut self, uid: &str) {
        self.running.retain(|one| &*one.uid != uid);
    }
}

#[track_caller]
pub(super) fn fails(found: Result<(), String>, why: &str) {
    let found = found.expect_err("the promise is broken");
    assert!(found.contains(why), "{found:?} does not say {why:?}");
}

pub(super) fn running(node: &str, pod: &str, uid: &str, id: &str) -> Running {
    let pod = Key::new(orch_core::kind::PODS, "shop", pod);
    Running { node: node.into(), pod, uid: uid.into(), container: "main".into(), id: ContainerId(id.into()) }
}

/// Merges a patch (RFC 7386) into a tree.
pub(super) fn with(mut tree: Value, patch: Value) -> Value {
    match patch {
        Value::Object(patch) => {
            if !tree.is_object() {
                tree = json!({});
            }
            for (name, value) in patch {
                if value.is_null() {
                    tree.as_object_mut().unwrap().remove(&name);
                } else {
                    let before = tree[&name].take();
                    tree[&name] = with(before, value);
                }
            }
            tree
        }
        other => other,
    }
}

/// A pod whose uid is its name; unbound when the node is empty.
pub(super) fn pod(name: &str, node: &str) -> Value {
    let mut tree = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": "i"}]}, "status": {"phase": "Pending"},
    });
    if !node.is_empty() {
        tree["spec"]["nodeName"] = json!(node);
    }
    tree
}

/// A pod that runs and is ready.
pub(super) fn ready(name: &str, node: &str) -> Value {
    let conditions =
        json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    with(
        pod(name, node),
        json!({"status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": conditions}}),
    )
}

/// Something that is controlled by another: its kind, whose name is its uid.
pub(super) fn owned(tree: Value, kind: &str, owner: &str) -> Value {
    with(
        tree,
        json!({"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner,
        "uid": owner, "controller": true, "blockOwnerDeletion": true}]}}),
    )
}

/// The same, being deleted.
pub(super) fn deleted(tree: Value, grace_secs: i64) -> Value {
    with(
        tree,
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": grace_secs}}),
    )
}

pub(super) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("node-{name}")}, "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"},
            "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// An object of a kind with nothing but its metadata.
pub(super) fn plain(api: &str, kind: &str, name: &str) -> Value {
    let mut tree = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "uid": name}});
    if !matches!(kind, "Namespace" | "PersistentVolume" | "Node" | "StorageClass") {
        tree["metadata"]["namespace"] = json!("shop");
    }
    tree
}
