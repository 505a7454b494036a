//! Tests of the framework scheduler: a small world that carries decisions out, and rules by theme.

mod agreement;
mod explanations;
mod load;
mod preemption;
mod volumes;
mod waiting;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use orch_core::scheduler::{Decision, Outcome, Scheduler, Verdict};
use orch_core::{Change, Error, Key, Kind, KindInfo, Live, Object, Registry, Revision, Scope, kind};
use serde_json::{Value, json};

use super::{FrameworkScheduler, Method};

/// A cluster as the scheduler sees it.
struct World {
    scheduler: FrameworkScheduler,
    registry: Registry,
    objects: BTreeMap<Key, Object>,
    revision: u64,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::of(FrameworkScheduler::default())
    }

    fn of(scheduler: FrameworkScheduler) -> Self {
        let registry = Registry::built_in();
        let budgets = Kind::named("policy", "poddisruptionbudgets");
        registry.register(KindInfo::new(budgets, "v1", "PodDisruptionBudget", Scope::Namespaced)).unwrap();
        Self {
            scheduler,
            registry,
            objects: BTreeMap::new(),
            revision: 0,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// Creates or replaces an object; a pod's uid is its name unless given.
    fn put(&mut self, kind: Kind, mut tree: Value) -> Key {
        self.revision += 1;
        if tree["metadata"]["uid"].is_null() {
            tree["metadata"]["uid"] = tree["metadata"]["name"].clone();
        }
        let info = self.registry.get(kind).unwrap();
        if info.is_namespaced() && tree["metadata"]["namespace"].is_null() {
            tree["metadata"]["namespace"] = json!("ns");
        }
        let object = Object::encode(&info, &tree).unwrap().at(Revision(self.revision));
        let key = object.key().clone();
        let before = self.objects.insert(key.clone(), object.clone());
        self.scheduler.apply(&Change::new(Revision(self.revision), Some(Live::from(object)), before));
        key
    }

    fn edit(&mut self, key: &Key, edit: impl FnOnce(&mut Value)) {
        let mut tree = self.objects[key].body_tree();
        edit(&mut tree);
        self.put(key.kind, tree);
    }

    fn delete(&mut self, key: &Key) {
        self.revision += 1;
        let Some(before) = self.objects.remove(key) else { return };
        self.scheduler.apply(&Change::new(Revision(self.revision), None, Some(before)));
    }

    fn node(&mut self, name: &str, cpu: &str) -> Key {
        self.put(kind::NODES, node(name, cpu))
    }

    fn pod(&mut self, name: &str, cpu: &str) -> Key {
        self.put(kind::PODS, pod(name, cpu))
    }

    fn decide(&mut self) -> Vec<Decision> {
        let mut out = Vec::new();
        self.scheduler.decide(self.now, usize::MAX, &mut out);
        out
    }

    /// Decides on one pod.
    #[track_caller]
    fn one(&mut self) -> Verdict {
        let mut decisions = self.decide();
        assert_eq!(decisions.len(), 1, "{decisions:?}");
        decisions.remove(0).verdict
    }

    fn tell(&mut self, decision: &Decision, outcome: Outcome) {
        self.scheduler.outcome(&decision.pod, &decision.uid, outcome);
    }

    /// Carries a decision out: binds, deletes victims at once, tells.
    fn carry_out(&mut self, decision: &Decision) {
        self.tell(decision, Outcome::Done);
        match &decision.verdict {
            Verdict::Bind { node, .. } => {
                self.edit(&decision.pod, |tree| tree["spec"]["nodeName"] = json!(&**node))
            }
            Verdict::Preempt { node, victims, .. } => {
                self.edit(&decision.pod, |tree| tree["status"]["nominatedNodeName"] = json!(&**node));
                victims.iter().for_each(|(victim, _)| self.delete(victim));
            }
            _ => {}
        }
    }

    /// Decides and carries out until nothing more happens; says who is where.
    fn run(&mut self) -> BTreeMap<String, String> {
        for _ in 0..100 {
            let decisions = self.decide();
            if decisions.is_empty() {
                break;
            }
            decisions.iter().for_each(|decision| self.carry_out(decision));
        }
        self.bound()
    }

    fn bound(&self) -> BTreeMap<String, String> {
        let on = |object: &Object| object.field("spec.nodeName").unwrap_or_default().to_owned();
        let pods =
            self.objects.values().filter(|object| object.key().kind == kind::PODS && !on(object).is_empty());
        pods.map(|object| (object.key().name.to_string(), on(object))).collect()
    }

    fn wait(&mut self, secs: i64) {
        self.now += SignedDuration::from_secs(secs);
    }
}

fn node(name: &str, cpu: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": cpu, "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"}}})
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"schedulerName": "default-scheduler",
        "containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}]}})
}

fn refused() -> Outcome {
    Outcome::Refused(Error::Unavailable { part: "store".into(), why: "test".to_owned() })
}

/// A scheduler that looks at every node anew for every pod.
fn reference() -> FrameworkScheduler {
    FrameworkScheduler { method: Method::Anew, ..FrameworkScheduler::default() }
}
