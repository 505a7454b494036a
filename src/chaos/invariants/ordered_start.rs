//! Pods of an ordered StatefulSet start upwards, each after all before it are ready, and end downwards, one at a time.
//!
//! Sources: <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees>,
//! `processReplica`, `processCondemned` and `updateStatefulSet` of
//! `pkg/controller/statefulset/stateful_set_control.go`. Judged is each plan on the view that it was made on. A pod that has
//! ended is replaced whatever the others do; an update takes the highest pods of an old revision, no more than
//! `maxUnavailable` at once.

use std::collections::BTreeMap;

use orch_controllers::pod::PodFacts;
use orch_controllers::statefulset::StatefulSetFacts;
use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::view::{Needs, View};
use orch_core::{Key, Object, Verb, kind};
use serde_json::Value;

use super::tree::{Round, is_terminal, is_true, number, ordinal, phase_of, scaled, table};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderedStart;

impl Invariant for OrderedStart {
    fn name(&self) -> &str {
        "ordered-start"
    }

    /// Only for the objects that stand beside the facts.
    fn needs(&self) -> Needs {
        Needs::new().of::<StatefulSetFacts>().of::<PodFacts>()
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Planned { controller: "statefulset-controller", key, view, plan } = what else {
            return Ok(());
        };
        let touches = |write: &orch_core::Write| {
            write.key.kind == kind::PODS && matches!(write.verb, Verb::Create(_) | Verb::Delete(_))
        };
        if !plan.writes.iter().any(touches) {
            return Ok(());
        }
        let sets = table::<StatefulSetFacts>(*view);
        let Some(set) = sets.and_then(|sets| sets.get(key)) else {
            return Err(format!("pods of {key} are planned, and it is not in the view"));
        };
        if set.object.header().is_terminating() {
            return Err(format!("pods of {key} are planned, and it is being deleted"));
        }
        let spec: Value = set.object.part_to(Part::Spec).unwrap_or_default();
        if spec["podManagementPolicy"] == "Parallel" {
            return Ok(());
        }
        let pods = members(*view, &set.object, &spec);
        Ordered { set: &set.object, spec: &spec, pods }.judge(plan)
    }
}

/// The pods of a set by ordinal.
fn members<'a>(view: &'a dyn View, set: &Object, spec: &Value) -> BTreeMap<i64, &'a Object> {
    let selector = Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing());
    let pods = table::<PodFacts>(view).into_iter().flat_map(|pods| pods.owned_by(set.uid()));
    let is_ours = |pod: &&Object| {
        pod.header().controller().is_some_and(|owner| owner.uid == *set.uid())
            && selector.matches(|label| pod.label(label))
    };
    let member = |pod: &'a Object| Some((ordinal(&set.key().name, &pod.key().name)?, pod));
    pods.map(|row| &row.object).filter(is_ours).filter_map(member).collect()
}

struct Ordered<'a> {
    set: &'a Object,
    spec: &'a Value,
    pods: BTreeMap<i64, &'a Object>,
}

impl Ordered<'_> {
    fn judge(&self, plan: &Plan) -> Result<(), String> {
        let at = |key: &Key| ordinal(&self.set.key().name, &key.name).filter(|_| key.kind == kind::PODS);
        let (mut created, mut deleted) = (Vec::new(), Vec::new());
        for write in &plan.writes {
            match (&write.verb, at(&write.key)) {
                (Verb::Create(_), Some(ordinal)) => created.push(ordinal),
                (Verb::Delete(_), Some(ordinal)) => deleted.push(ordinal),
                _ => {}
            }
        }
        let key = self.set.key();
        match (&created[..], &deleted[..]) {
            ([one], []) => self.start(*one),
            ([], []) => Ok(()),
            ([], deleted) => self.end(deleted),
            _ => Err(format!("{key} starts {created:?} and ends {deleted:?} at once")),
        }
    }

    fn range(&self) -> std::ops::Range<i64> {
        let start = number(&self.spec["ordinals"]["start"]);
        start..start + self.spec["replicas"].as_i64().unwrap_or(1)
    }

    fn is_ready(&self, ordinal: i64) -> bool {
        self.pods.get(&ordinal).is_some_and(|pod| {
            phase_of(pod) == "Running" && is_true(pod, "Ready") && !pod.header().is_terminating()
        })
    }

    fn start(&self, one: i64) -> Result<(), String> {
        let key = self.set.key();
        if !self.range().contains(&one) || self.pods.contains_key(&one) {
            return Err(format!("{key} starts {one}, and it is there or not wanted"));
        }
        match (self.range().start..one).find(|lower| !self.is_ready(*lower)) {
            Some(lower) => Err(format!("{key} starts {one}, and {lower} is not running and ready")),
            None => Ok(()),
        }
    }

    fn end(&self, deleted: &[i64]) -> Result<(), String> {
        let (key, range) = (self.set.key(), self.range());
        let is = |ordinal: &i64, test: &dyn Fn(&Object) -> bool| {
            self.pods.get(ordinal).is_some_and(|pod| test(pod))
        };
        if let Some(again) = deleted.iter().find(|one| is(one, &|pod| pod.header().is_terminating())) {
            return Err(format!("{key} ends {again}, which is being deleted already"));
        }
        // One that has ended is replaced, and nothing else is done then.
        if let [one] = deleted
            && range.contains(one)
            && is(one, &|pod| is_terminal(pod))
        {
            return Ok(());
        }
        if let Some(waiting) = range.clone().find(|ordinal| !self.is_ready(*ordinal)) {
            return Err(format!("{key} ends {deleted:?}, and {waiting} is not running and ready"));
        }
        let beyond = self.pods.keys().rev().find(|ordinal| !range.contains(ordinal));
        match (beyond, deleted) {
            (Some(highest), [one]) if one == highest => Ok(()),
            (Some(highest), _) => Err(format!("{key} ends {deleted:?}, and {highest} is the next to go")),
            (None, _) => self.update(deleted),
        }
    }

    /// Pods of an old revision go, the highest first.
    fn update(&self, deleted: &[i64]) -> Result<(), String> {
        let (key, range) = (self.set.key(), self.range());
        let strategy = &self.spec["updateStrategy"];
        if strategy["type"] == "OnDelete" {
            return Err(format!("{key} ends {deleted:?}, and people are to do that"));
        }
        let partition = range.start + number(&strategy["rollingUpdate"]["partition"]);
        if let Some(kept) = deleted.iter().find(|one| **one < partition) {
            return Err(format!("{key} ends {kept}, which stands before the partition {partition}"));
        }
        let replicas = range.end - range.start;
        let most =
            scaled(&strategy["rollingUpdate"]["maxUnavailable"], replicas, Round::Down).unwrap_or(1).max(1);
        if i64::try_from(deleted.len()).unwrap_or(i64::MAX) > most {
            return Err(format!("{key} ends {deleted:?} for an update, and {most} may be unavailable"));
        }
        let revision =
            |ordinal: i64| self.pods.get(&ordinal).and_then(|pod| pod.label("controller-revision-hash"));
        for one in deleted {
            let skipped = |above: &i64| !deleted.contains(above) && revision(*above) == revision(*one);
            if let Some(above) = (one + 1..range.end).find(skipped) {
                return Err(format!("{key} ends {one} for an update, and {above} is of the same revision"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orch_core::view::Cache;
    use orch_core::{Event, Revision, Write};
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, owned, plain, pod, ready, with};

    fn set(spec: Value) -> Value {
        let spec = with(json!({"replicas": 3, "selector": {"matchLabels": {"app": "db"}}}), spec);
        with(plain("apps/v1", "StatefulSet", "db"), json!({"spec": spec}))
    }

    fn member(tree: Value, revision: &str) -> Value {
        let labels = json!({"metadata": {"labels": {"app": "db", "controller-revision-hash": revision}}});
        owned(with(tree, labels), "StatefulSet", "db")
    }

    fn up(at: i64, revision: &str) -> Value {
        member(ready(&format!("db-{at}"), "a"), revision)
    }

    fn plan(writes: &[&str]) -> Plan {
        let write = |word: &&str| {
            let key = Key::new(kind::PODS, "shop", format!("db-{}", &word[1..]));
            if word.starts_with('+') { Write::create(key, json!({})) } else { Write::delete(key) }
        };
        writes.iter().map(write).fold(Plan::new(), Plan::write)
    }

    fn judge(objects: &[Value], writes: &[&str]) -> Result<(), String> {
        let mut bench = Bench::of(OrderedStart);
        let mut view = Cache::new(&OrderedStart.needs());
        for tree in objects {
            let change = bench.change(Ok(tree.clone()));
            view.apply(None, &Event::Changed(change));
        }
        view.apply(None, &Event::Progress(Revision(99)));
        let key = Key::new(kind::STATEFUL_SETS, "shop", "db");
        let what = Happening::Planned {
            controller: "statefulset-controller",
            key: &key,
            view: &view,
            plan: &plan(writes),
        };
        bench.see(&what)
    }

    #[test]
    fn pods_start_upwards_each_after_those_before_it() {
        let first = [set(json!({})), up(0, "r1")];
        assert_eq!(judge(&first, &["+1"]), Ok(()));
        fails(judge(&first, &["+2"]), "1 is not running and ready");
        fails(judge(&first, &["+0"]), "it is there or not wanted");
        fails(judge(&first, &["+1", "+2"]), "at once");
        fails(
            judge(&[set(json!({})), member(pod("db-0", "a"), "r1")], &["+1"]),
            "0 is not running and ready",
        );
        fails(judge(&[set(json!({})), deleted(up(0, "r1"), 30)], &["+1"]), "0 is not running and ready");
        assert_eq!(judge(&[set(json!({"podManagementPolicy": "Parallel"}))], &["+0", "+2"]), Ok(()));
        fails(judge(&[deleted(set(json!({})), 0)], &["+0"]), "it is being deleted");
        assert_eq!(judge(&[set(json!({"ordinals": {"start": 5}}))], &["+5"]), Ok(()));
    }

    #[test]
    fn pods_end_downwards_one_at_a_time() {
        let two = set(json!({"replicas": 1}));
        let all = [two.clone(), up(0, "r1"), up(1, "r1"), up(2, "r1")];
        assert_eq!(judge(&all, &["-2"]), Ok(()));
        fails(judge(&all, &["-1"]), "2 is the next to go");
        fails(judge(&all, &["-2", "-1"]), "2 is the next to go");
        let ending = [two.clone(), up(0, "r1"), up(1, "r1"), deleted(up(2, "r1"), 30)];
        fails(judge(&ending, &["-1"]), "2 is the next to go");
        fails(judge(&ending, &["-2"]), "being deleted already");
        fails(
            judge(&[two, member(pod("db-0", "a"), "r1"), up(1, "r1")], &["-1"]),
            "0 is not running and ready",
        );
    }

    #[test]
    fn an_update_takes_the_highest_old_pods_within_its_bounds() {
        let rolling =
            |more: Value| set(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": more}}));
        let all = |set: Value| [set, up(0, "r1"), up(1, "r1"), up(2, "r2")];
        assert_eq!(judge(&all(rolling(json!({}))), &["-1"]), Ok(()));
        fails(judge(&all(rolling(json!({}))), &["-0"]), "1 is of the same revision");
        fails(judge(&all(rolling(json!({}))), &["-1", "-0"]), "1 may be unavailable");
        assert_eq!(judge(&all(rolling(json!({"maxUnavailable": 2}))), &["-1", "-0"]), Ok(()));
        fails(judge(&all(rolling(json!({"partition": 2}))), &["-1"]), "before the partition 2");
        fails(
            judge(&all(set(json!({"updateStrategy": {"type": "OnDelete"}}))), &["-1"]),
            "people are to do that",
        );
        let failed = with(up(0, "r1"), json!({"status": {"phase": "Failed"}}));
        assert_eq!(judge(&[rolling(json!({})), failed, member(pod("db-1", "a"), "r1")], &["-0"]), Ok(()));
    }
}
