//! Views made by hand for the tables of tests: objects as trees, one plan at a time.
//!
//! Not a cluster: nothing is executed. What happens to a plan's writes is tested on the real Api.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orch_core::controller::{Controller, Plan};
use orch_core::view::Cache;
use orch_core::{
    Change, Event, Key, Kind, KindInfo, Live, Object, Patch, Registry, Revision, Scope, Str, Verb, Write,
};
use serde_json::{Value, json};

/// When the tests begin.
pub(crate) const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The view of one controller.
pub(crate) struct ByHand<C> {
    controller: C,
    registry: Registry,
    cache: Cache,
    objects: BTreeMap<Key, Object>,
    revision: u64,
    per_kind: bool,
    pub(crate) now: Timestamp,
}

impl<C: Controller> ByHand<C> {
    /// An empty view, as new as anything put into it.
    pub(crate) fn new(controller: C) -> Self {
        let cache = Cache::new(&controller.needs());
        let (registry, objects) = (Registry::built_in(), BTreeMap::new());
        Self { controller, registry, cache, objects, revision: 0, per_kind: false, now: START }
    }

    /// An empty view whose kinds are each as new as what was put last of it.
    pub(crate) fn per_kind(controller: C) -> Self {
        Self { per_kind: true, ..Self::new(controller) }
    }

    pub(crate) fn controller(&self) -> &C {
        &self.controller
    }

    /// A kind that the tests make up.
    pub(crate) fn register(&mut self, kind: Kind, version: &str, name: &str, scope: Scope) {
        self.registry.register(KindInfo::new(kind, version, name, scope)).unwrap();
    }

    /// Time goes on.
    pub(crate) fn wait(&mut self, secs: i64) {
        self.now += SignedDuration::from_secs(secs);
    }

    /// An object as a tree; without a uid, its name with `-uid` is one. Answers whom the change concerns.
    pub(crate) fn put(&mut self, mut tree: Value) -> Vec<Key> {
        let text = |field: &str| tree[field].as_str().unwrap_or_default().to_owned();
        let info = self.registry.by_api_version(&text("apiVersion"), &text("kind")).expect("a known kind");
        if tree["metadata"]["uid"].is_null() {
            tree["metadata"]["uid"] = format!("{}-uid", tree["metadata"]["name"].as_str().unwrap()).into();
        }
        if tree["metadata"]["creationTimestamp"].is_null() {
            tree["metadata"]["creationTimestamp"] = orch_core::rfc3339(START).into();
        }
        self.revision += 1;
        let object = Object::encode(&info, &tree).unwrap().at(Revision(self.revision));
        let before = self.objects.insert(object.key().clone(), object.clone());
        self.apply(Change::new(object.revision(), Some(Live::fresh(object, Arc::new(tree))), before))
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Vec<Key> {
        self.revision += 1;
        let before = self.objects.remove(key);
        self.apply(Change::new(Revision(self.revision), None, before))
    }

    fn apply(&mut self, change: Change) -> Vec<Key> {
        let change = Arc::new(change);
        self.cache.set_now(self.now);
        let feed = self.per_kind.then_some(change.key().kind);
        self.cache.apply(feed, &Event::Changed(Arc::clone(&change)));
        self.cache.apply(feed, &Event::Progress(change.revision));
        let mut keys = Vec::new();
        self.controller.keys(&change, &self.cache, &mut |key| keys.push(key));
        keys.sort();
        keys.dedup();
        keys
    }

    /// What the controller does about a key now.
    pub(crate) fn plan(&self, key: &Key) -> Plan {
        let observed = self.controller.observe(key, self.now, &self.cache);
        observed.map(|observed| self.controller.plan(&observed)).unwrap_or_default()
    }

    /// Plans and does what a plan says, simply; answers its lines.
    pub(crate) fn take_in(&mut self, key: &Key) -> Vec<String> {
        let plan = self.plan(key);
        for write in &plan.writes {
            match &write.verb {
                Verb::Create(tree) => {
                    let mut tree = Value::clone(tree);
                    tree["metadata"]["name"] = (*write.key.name).into();
                    self.put(tree);
                }
                Verb::Patch(Patch::Merge(patch)) => {
                    let mut tree = self.objects[&write.key].body_tree();
                    merge(&mut tree, patch);
                    self.put(tree);
                }
                Verb::Delete(_) if self.objects[&write.key].header().finalizers.is_empty() => {
                    self.remove(&write.key);
                }
                Verb::Delete(_) => {
                    let mut tree = self.objects[&write.key].body_tree();
                    tree["metadata"]["deletionTimestamp"] = orch_core::rfc3339(self.now).into();
                    self.put(tree);
                }
                verb => panic!("{verb:?} is not simple"),
            }
        }
        lines(&plan)
    }

    pub(crate) fn object(&self, key: &Key) -> &Object {
        &self.objects[key]
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A write in a line: verb, key, subresource; merges and creates with their tree.
pub(crate) fn line(write: &Write) -> String {
    let sub = write.subresource.as_str();
    let sub = if sub.is_empty() { String::new() } else { format!(" {sub}") };
    match &write.verb {
        Verb::Create(_) => format!("create {}{sub}", write.key),
        Verb::Update(_) => format!("update {}{sub}", write.key),
        Verb::Patch(_) => format!("merge {}{sub}", write.key),
        Verb::Delete(options) => {
            let grace = options.grace_secs.map(|secs| format!(" grace {secs}")).unwrap_or_default();
            let propagation = options.propagation.map(|how| format!(" {how:?}")).unwrap_or_default();
            format!("delete {}{sub}{grace}{propagation}", write.key)
        }
        _ => format!("? {}", write.key),
    }
}

/// The lines of a plan's writes.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    plan.writes.iter().map(line).collect()
}

/// The tree that a write carries; null for a deletion.
pub(crate) fn body(write: &Write) -> Value {
    match &write.verb {
        Verb::Create(tree) | Verb::Update(tree) | Verb::Patch(Patch::Merge(tree)) => (**tree).clone(),
        _ => Value::Null,
    }
}

/// Reason and message of a plan's notes.
pub(crate) fn notes(plan: &Plan) -> Vec<(Str, String)> {
    plan.notes.iter().map(|note| (note.reason.clone(), note.message.clone())).collect()
}

/// Pairs of states of one pod, before and after a change of any of its parts.
pub(crate) fn pod_states() -> Vec<(Live, Live)> {
    let info = Registry::built_in().get(orch_core::kind::PODS).unwrap();
    let metadata = [json!({}), json!({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "7"}})];
    let port = json!({"containerPort": 80, "name": "web"});
    let specs = [
        json!({"containers": [{"name": "c", "ports": [port]}], "hostname": "h",
            "initContainers": [{"name": "i", "restartPolicy": "Always"}]}),
        json!({"nodeName": "n1", "containers": [{"name": "c", "ports": [port]}], "hostname": "h",
            "initContainers": [{"name": "i"}],
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}),
    ];
    let ready = |status: &str| {
        json!([{"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:01Z"},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    };
    let statuses = [
        Value::Null,
        json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": ready("True"),
            "initContainerStatuses": [{"name": "i", "restartCount": 3}]}),
        json!({"phase": "Failed", "reason": "Evicted", "conditions": ready("False"),
            "containerStatuses": [{"name": "c", "restartCount": 1}]}),
    ];
    let mut states = Vec::new();
    for metadata in &metadata {
        for (spec, status) in specs.iter().flat_map(|spec| statuses.iter().map(move |status| (spec, status)))
        {
            let mut tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status});
            (tree["metadata"]["name"], tree["metadata"]["namespace"]) = ("a".into(), "b".into());
            states.push(Object::encode(&info, &tree).unwrap());
        }
    }
    let pairs = states.iter().flat_map(|before| states.iter().map(move |now| (before, now)));
    pairs.map(|(before, now)| (Live::from(before.clone()), Live::shared(now.clone()))).collect()
}
