//! A ReplicaSet makes no pod too many and takes none too many away, and takes the least useful ones.
//!
//! Sources: <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>, `manageReplicas` of
//! `pkg/controller/replicaset/replica_set.go`, `ActivePodsWithRanks` of `pkg/controller/controller_utils.go`. Judged is each
//! plan on the view that it was made on: what a view does not show yet may make it too many for a while.

use orch_controllers::pod::PodFacts;
use orch_controllers::replicaset::ReplicaSetFacts;
use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::view::{Needs, View};
use orch_core::{Key, Object, Verb, Write, kind};
use serde_json::Value;

use super::tree::{is_active, is_true, node_of, phase_of, table};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplicaCount;

impl Invariant for ReplicaCount {
    fn name(&self) -> &str {
        "replica-count"
    }

    /// Only for the objects that stand beside the facts.
    fn needs(&self) -> Needs {
        Needs::new().of::<ReplicaSetFacts>().of::<PodFacts>()
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Planned { controller: "replicaset-controller", key, view, plan } = what else {
            return Ok(());
        };
        let pods = |is_it: fn(&Verb) -> bool| {
            let writes = plan
                .writes
                .iter()
                .filter(move |write: &&Write| write.key.kind == kind::PODS && is_it(&write.verb));
            writes.count()
        };
        let created = pods(|verb| matches!(verb, Verb::Create(_)));
        let deleted = pods(|verb| matches!(verb, Verb::Delete(_)));
        if created + deleted == 0 {
            return Ok(());
        }
        let sets = table::<ReplicaSetFacts>(*view);
        let Some(set) = sets.and_then(|sets| sets.get(key)) else {
            return Err(format!("pods of {key} are planned, and it is not in the view"));
        };
        judge(&set.object, *view, plan, (created, deleted))
    }
}

fn judge(
    set: &Object,
    view: &dyn View,
    plan: &Plan,
    (created, deleted): (usize, usize),
) -> Result<(), String> {
    let key = set.key();
    if set.header().is_terminating() {
        return Err(format!("pods of {key} are planned, and it is being deleted"));
    }
    let spec: Value = set.part_to(Part::Spec).unwrap_or_default();
    let selector = Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing());
    let wanted = usize::try_from(spec["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
    let owned = table::<PodFacts>(view).into_iter().flat_map(|pods| pods.owned_by(set.uid()));
    let is_ours = |pod: &&Object| {
        is_active(pod)
            && pod.header().controller().is_some_and(|owner| owner.uid == *set.uid())
            && selector.matches(|label| pod.label(label))
    };
    let active: Vec<&Object> = owned.map(|row| &row.object).filter(is_ours).collect();
    if created > wanted.saturating_sub(active.len()) || deleted > active.len().saturating_sub(wanted) {
        let count = active.len();
        return Err(format!(
            "{key} has {count} pods and wants {wanted}; it makes {created} and deletes {deleted}"
        ));
    }
    let goes = |pod: &Key| {
        plan.writes.iter().any(|write| write.key == *pod && matches!(write.verb, Verb::Delete(_)))
    };
    let (going, staying): (Vec<&Object>, Vec<&Object>) = active.into_iter().partition(|pod| goes(pod.key()));
    if going.len() < deleted {
        return Err(format!("{key} deletes pods that are not its own"));
    }
    let useful = going.iter().find(|pod| is_useful(pod));
    match (useful, staying.iter().find(|pod| !is_useful(pod))) {
        (Some(useful), Some(useless)) => Err(format!(
            "{key} deletes {}, which is ready, and keeps {}, which is not",
            useful.key(),
            useless.key()
        )),
        _ => Ok(()),
    }
}

/// Whether a pod runs somewhere and is ready.
fn is_useful(pod: &Object) -> bool {
    !node_of(pod).is_empty() && phase_of(pod) == "Running" && is_true(pod, "Ready")
}

#[cfg(test)]
mod tests {
    use orch_core::view::Cache;
    use orch_core::{Event, Revision};
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, owned, plain, pod, ready, with};

    fn judge(replicas: i64, pods: &[Value], writes: &[&str]) -> Result<(), String> {
        let mut bench = Bench::of(ReplicaCount);
        let mut view = Cache::new(&ReplicaCount.needs());
        let spec = json!({"spec": {"replicas": replicas, "selector": {}}});
        let set = with(plain("apps/v1", "ReplicaSet", "web"), spec);
        let pods = pods.iter().map(|pod| owned(pod.clone(), "ReplicaSet", "web"));
        for tree in [set].into_iter().chain(pods) {
            let change = bench.change(Ok(tree));
            view.apply(None, &Event::Changed(change));
        }
        view.apply(None, &Event::Progress(Revision(99)));
        let write = |word: &&str| {
            let key = Key::new(kind::PODS, "shop", &word[1..]);
            if word.starts_with('+') { Write::create(key, json!({})) } else { Write::delete(key) }
        };
        let plan = writes.iter().map(write).fold(Plan::new(), Plan::write);
        let key = Key::new(kind::REPLICA_SETS, "shop", "web");
        let what =
            Happening::Planned { controller: "replicaset-controller", key: &key, view: &view, plan: &plan };
        bench.see(&what)
    }

    #[test]
    fn no_pod_too_many_is_made_or_deleted() {
        assert_eq!(judge(2, &[ready("p", "a")], &["+q"]), Ok(()));
        assert_eq!(judge(2, &[ready("p", "a"), deleted(ready("r", "a"), 30)], &["+q"]), Ok(()));
        fails(judge(2, &[ready("p", "a")], &["+q", "+r"]), "has 1 pods and wants 2; it makes 2");
        fails(judge(1, &[ready("p", "a"), ready("q", "a")], &["-p", "-q"]), "deletes 2");
        assert_eq!(judge(1, &[ready("p", "a"), ready("q", "a")], &["-p"]), Ok(()));
        fails(judge(1, &[ready("p", "a"), ready("q", "a")], &["-other"]), "not its own");
    }

    #[test]
    fn useful_pods_stay() {
        fails(judge(1, &[ready("p", "a"), pod("q", "")], &["-p"]), "deletes pods/shop/p, which is ready");
        assert_eq!(judge(1, &[ready("p", "a"), pod("q", "")], &["-q"]), Ok(()));
        assert_eq!(judge(1, &[pod("p", "a"), pod("q", "")], &["-p"]), Ok(()));
    }
}
