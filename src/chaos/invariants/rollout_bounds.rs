//! A rollout keeps its bounds: no plan makes the ReplicaSets of a Deployment ask for more pods than `maxSurge` allows, nor
//! takes away available pods that `maxUnavailable` needs.
//!
//! Sources: <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment>,
//! `NewRSNewReplicas` and `ResolveFenceposts` of `pkg/controller/deployment/util/deployment_util.go`,
//! `reconcileOldReplicaSets` of `rolling.go`, `scale` of `sync.go`, `rolloutRecreate` of `recreate.go`. Judged is each plan
//! on the view that it was made on, where a ReplicaSet of so many available pods keeps them as long as it asks for as
//! many. Excepted, as upstream: a change of size in the middle of a rollout and a paused Deployment spread the size in
//! proportion, which heeds the surge alone; with `Recreate` only a change of size may raise a ReplicaSet beside others.
//! And when a person has made an old ReplicaSet large again, whose annotations tell of another size of the Deployment than
//! those of the others, a share can come out too large, which the next turn puts right.

use orch_controllers::deployment::DeploymentFacts;
use orch_controllers::pod::PodFacts;
use orch_controllers::replicaset::ReplicaSetFacts;
use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::view::{Needs, View};
use orch_core::{Object, Patch, Verb, Write, kind};
use serde_json::Value;

use super::tree::{Round, field, is_terminal, number, scaled, table, text};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct RolloutBounds;

impl Invariant for RolloutBounds {
    fn name(&self) -> &str {
        "rollout-bounds"
    }

    /// Only for the objects that stand beside the facts.
    fn needs(&self) -> Needs {
        Needs::new().of::<DeploymentFacts>().of::<ReplicaSetFacts>().of::<PodFacts>()
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Planned { controller: "deployment-controller", key, view, plan } = what else {
            return Ok(());
        };
        if !plan.writes.iter().any(scales) {
            return Ok(());
        }
        let deployments = table::<DeploymentFacts>(*view);
        let Some(row) = deployments.and_then(|deployments| deployments.get(key)) else {
            return Err(format!("ReplicaSets of {key} are planned, and it is not in the view"));
        };
        if row.object.header().is_terminating() {
            return Err(format!("ReplicaSets of {key} are planned, and it is being deleted"));
        }
        let spec: Value = row.object.part_to(Part::Spec).unwrap_or_default();
        let sets = sets(*view, &row.object, plan);
        let created =
            plan.writes.iter().filter(|write| write.key.kind == kind::REPLICA_SETS).filter_map(creates).sum();
        Rollout { key: key.to_string(), spec, sets, created }.judge(*view)
    }
}

/// Whether a write concerns the size of a ReplicaSet.
fn scales(write: &Write) -> bool {
    write.key.kind == kind::REPLICA_SETS && (creates(write).is_some() || resized(write).is_some())
}

/// The size of a ReplicaSet that a write makes.
fn creates(write: &Write) -> Option<i64> {
    match &write.verb {
        Verb::Create(tree) => Some(number(&tree["spec"]["replicas"])),
        _ => None,
    }
}

/// The size that a write gives a ReplicaSet.
fn resized(write: &Write) -> Option<i64> {
    match &write.verb {
        Verb::Patch(Patch::Merge(tree)) | Verb::Update(tree) => tree["spec"]["replicas"].as_i64(),
        _ => None,
    }
}

/// A ReplicaSet as the view has it, and its size by the plan.
struct Set {
    uid: orch_core::Str,
    before: i64,
    after: i64,
    available: i64,
    /// `status.replicas`.
    actual: i64,
    /// For which size of the Deployment it has its own.
    sized_for: Option<i64>,
}

fn sets(view: &dyn View, deployment: &Object, plan: &Plan) -> Vec<Set> {
    let rows = table::<ReplicaSetFacts>(view).into_iter().flat_map(|sets| sets.owned_by(deployment.uid()));
    let is_ours =
        |set: &&Object| set.header().controller().is_some_and(|owner| owner.uid == *deployment.uid());
    let read = |set: &Object| {
        let status: Value = set.part_to(Part::Status).unwrap_or_default();
        let annotations = field(set, Part::Metadata, "annotations");
        let before = field(set, Part::Spec, "replicas").as_i64().unwrap_or(1);
        let after = plan.writes.iter().filter(|write| write.key == *set.key()).find_map(resized);
        let sized_for = text(&annotations["deployment.kubernetes.io/desired-replicas"]);
        Set {
            uid: set.uid().clone(),
            before,
            after: after.unwrap_or(before),
            // What a status says that is older than what is asked by now may be about to go.
            available: if number(&status["observedGeneration"]) >= set.header().generation {
                number(&status["availableReplicas"])
            } else {
                0
            },
            actual: number(&status["replicas"]),
            sized_for: sized_for.parse().ok().filter(|size| *size >= 0),
        }
    };
    rows.map(|row| &row.object).filter(is_ours).map(read).collect()
}

struct Rollout {
    key: String,
    spec: Value,
    sets: Vec<Set>,
    /// Replicas of a ReplicaSet that is made.
    created: i64,
}

impl Rollout {
    fn replicas(&self) -> i64 {
        self.spec["replicas"].as_i64().unwrap_or(1)
    }

    fn recreates(&self) -> bool {
        self.spec["strategy"]["type"] == "Recreate"
    }

    fn bound(&self, field: &str, round: Round) -> i64 {
        scaled(&self.spec["strategy"]["rollingUpdate"][field], self.replicas(), round).unwrap_or(0)
    }

    fn max_surge(&self) -> i64 {
        if self.recreates() { 0 } else { self.bound("maxSurge", Round::Up) }
    }

    fn max_unavailable(&self) -> i64 {
        let most = self.bound("maxUnavailable", Round::Down);
        if most == 0 && self.max_surge() == 0 { 1 } else { most }.min(self.replicas())
    }

    /// Whether the size of the Deployment has changed since its ReplicaSets got theirs.
    fn is_resized(&self) -> bool {
        self.sets
            .iter()
            .any(|set| set.before > 0 && set.sized_for.is_some_and(|size| size != self.replicas()))
    }

    /// Whether the ReplicaSets that ask for pods got their sizes for different sizes of the Deployment.
    fn is_meddled_with(&self) -> bool {
        let mut sizes = self.sets.iter().filter(|set| set.before > 0).filter_map(|set| set.sized_for);
        let first = sizes.next();
        sizes.any(|size| Some(size) != first)
    }

    fn judge(&self, view: &dyn View) -> Result<(), String> {
        let before: i64 = self.sets.iter().map(|set| set.before).sum();
        let after = self.sets.iter().map(|set| set.after).sum::<i64>() + self.created;
        let most = self.replicas() + self.max_surge();
        if after > before && after > most && !(before > most && self.is_meddled_with()) {
            return Err(format!(
                "ReplicaSets of {} are to ask for {after} pods, {most} are allowed",
                self.key
            ));
        }
        if self.is_resized() || self.spec["paused"] == true {
            return Ok(());
        }
        if self.recreates() {
            return self.recreate(view);
        }
        let available =
            |size: fn(&Set) -> i64| self.sets.iter().map(|set| set.available.min(size(set))).sum::<i64>();
        let (before, after) = (available(|set| set.before), available(|set| set.after));
        let least = self.replicas() - self.max_unavailable();
        if after < before && after < least {
            return Err(format!(
                "{} is to keep {after} of {before} available pods, {least} are needed",
                self.key
            ));
        }
        Ok(())
    }

    /// No pod of one template starts while one of another may run.
    fn recreate(&self, view: &dyn View) -> Result<(), String> {
        let raised: Vec<&Set> = self.sets.iter().filter(|set| set.after > set.before).collect();
        if raised.is_empty() && self.created == 0 {
            return Ok(());
        }
        let runs = |set: &Set| {
            let pods = table::<PodFacts>(view).into_iter().flat_map(|pods| pods.owned_by(&set.uid));
            set.before > 0 || set.actual > 0 || pods.into_iter().any(|pod| !is_terminal(&pod.object))
        };
        let others = |set: &&Set| self.created > 0 || raised.iter().all(|raised| raised.uid != set.uid);
        match self.sets.iter().filter(others).find(|set| runs(set)) {
            Some(set) => Err(format!(
                "{} is to start pods, and the ReplicaSet {} may still run some",
                self.key, set.uid
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use orch_core::view::Cache;
    use orch_core::{Event, Key, Revision};
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, fails, owned, plain, ready, with};

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
        with(
            plain("apps/v1", "Deployment", "web"),
            json!({"spec": {"replicas": replicas, "strategy": strategy}}),
        )
    }

    /// A ReplicaSet of so many replicas of which so many are available, sized for so many.
    fn set(name: &str, replicas: i64, available: i64, sized_for: i64) -> Value {
        let sized = json!({"deployment.kubernetes.io/desired-replicas": sized_for.to_string()});
        let tree = json!({"metadata": {"annotations": sized}, "spec": {"replicas": replicas},
            "status": {"replicas": replicas, "availableReplicas": available}});
        owned(with(plain("apps/v1", "ReplicaSet", name), tree), "Deployment", "web")
    }

    fn judge(objects: &[Value], sizes: &[(&str, i64)], created: Option<i64>) -> Result<(), String> {
        let mut bench = Bench::of(RolloutBounds);
        let mut view = Cache::new(&RolloutBounds.needs());
        for tree in objects {
            let change = bench.change(Ok(tree.clone()));
            view.apply(None, &Event::Changed(change));
        }
        view.apply(None, &Event::Progress(Revision(99)));
        let key = |name: &str| Key::new(kind::REPLICA_SETS, "shop", name);
        let resize =
            |(name, size): &(&str, i64)| Write::merge(key(name), json!({"spec": {"replicas": size}}));
        let create = created.map(|size| Write::create(key("web-9"), json!({"spec": {"replicas": size}})));
        let plan = sizes.iter().map(resize).chain(create).fold(Plan::new(), Plan::write);
        let key = Key::new(kind::DEPLOYMENTS, "shop", "web");
        let what =
            Happening::Planned { controller: "deployment-controller", key: &key, view: &view, plan: &plan };
        bench.see(&what)
    }

    #[test]
    fn the_surge_is_kept() {
        let all = [deployment(4, json!("25%"), json!(0)), set("web-1", 4, 4, 4)];
        assert_eq!(judge(&all, &[], Some(1)), Ok(()));
        fails(judge(&all, &[], Some(2)), "6 pods, 5 are allowed");
        let over = [deployment(4, json!(1), json!(0)), set("web-1", 8, 4, 4), set("web-2", 1, 0, 4)];
        assert_eq!(
            judge(&over, &[("web-1", 5)], None),
            Ok(()),
            "less is better, even if it is too much still"
        );
    }

    #[test]
    fn available_pods_are_kept() {
        let all = [deployment(4, json!(1), json!("25%")), set("web-1", 4, 4, 4), set("web-2", 1, 0, 4)];
        assert_eq!(judge(&all, &[("web-1", 3)], None), Ok(()));
        fails(judge(&all, &[("web-1", 2)], None), "is to keep 2 of 4 available pods, 3 are needed");
        let broken = [deployment(4, json!(1), json!(0)), set("web-1", 4, 2, 4), set("web-2", 1, 0, 4)];
        assert_eq!(judge(&broken, &[("web-1", 2)], None), Ok(()), "those that are not available may go");
        fails(judge(&broken, &[("web-1", 1)], None), "is to keep 1 of 2");
        let neither = [deployment(4, json!(0), json!(0)), set("web-1", 4, 4, 4)];
        assert_eq!(judge(&neither, &[("web-1", 3)], None), Ok(()), "when neither bound allows a step, one");
    }

    #[test]
    fn a_change_of_size_heeds_the_surge_alone() {
        let all = [deployment(2, json!(1), json!(0)), set("web-1", 4, 4, 4), set("web-2", 1, 0, 4)];
        assert_eq!(judge(&all, &[("web-1", 1), ("web-2", 2)], None), Ok(()));
        let paused = with(deployment(4, json!(1), json!(0)), json!({"spec": {"paused": true}}));
        assert_eq!(judge(&[paused, set("web-1", 4, 4, 4)], &[("web-1", 2)], None), Ok(()));
        let larger = [deployment(6, json!(1), json!(0)), set("web-1", 4, 4, 4)];
        fails(judge(&larger, &[("web-1", 8)], None), "8 pods, 7 are allowed");
        // A person has scaled web-3 up, which had its size for a Deployment of one pod.
        let three = [set("web-1", 3, 3, 6), set("web-2", 5, 0, 6), set("web-3", 4, 0, 1)];
        let meddled = [&[deployment(6, json!(2), json!(0))], &three[..]].concat();
        assert_eq!(judge(&meddled, &[("web-2", 0), ("web-3", 11)], None), Ok(()));
        let over = [&[deployment(6, json!(2), json!(0))], &three[..2]].concat();
        fails(judge(&over, &[("web-2", 6)], None), "9 pods, 8 are allowed");
    }

    #[test]
    fn recreate_starts_when_all_others_have_ended() {
        let recreate = || {
            with(deployment(2, json!(null), json!(null)), json!({"spec": {"strategy": {"type": "Recreate"}}}))
        };
        assert_eq!(judge(&[recreate(), set("web-1", 0, 0, 2)], &[], Some(2)), Ok(()));
        fails(judge(&[recreate(), set("web-1", 2, 2, 2)], &[("web-1", 0)], Some(2)), "may still run some");
        let pod = owned(ready("p", "a"), "ReplicaSet", "web-1");
        fails(judge(&[recreate(), set("web-1", 0, 0, 2), pod.clone()], &[], Some(2)), "may still run some");
        let two = [recreate(), set("web-1", 0, 0, 2), set("web-2", 0, 0, 2), pod];
        fails(judge(&two, &[("web-2", 2)], None), "the ReplicaSet web-1 may still run some");
        assert_eq!(judge(&two, &[("web-1", 2)], None), Ok(()), "its own pods are no others");
    }
}
