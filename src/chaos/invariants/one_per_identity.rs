//! Never two pods of one name at the same time.
//!
//! "at most one Pod with a given identity running in the cluster at any given time"
//! (<https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/>). It is promised for StatefulSets, and
//! holds for every name, since a name is free only when the object is gone, and the object goes only when its node says
//! that nothing runs. Excused: the one that is not in the store any more was removed by force, see
//! [`removal`](super::removal); both on a node that is up.

use super::removal::{Gone, Pods};
use crate::chaos::{Happening, Invariant, Running, World};

/// See the module.
#[derive(Debug, Default)]
pub struct OnePerIdentity {
    pods: Pods,
}

impl Invariant for OnePerIdentity {
    fn name(&self) -> &str {
        "one-per-identity"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { actor, change } => {
                // Who removes wrongly is another invariant's affair.
                let _ = self.pods.take(actor, change);
                Ok(())
            }
            Happening::Started { container, running } => {
                let twin = |other: &&Running| other.uid != container.uid && other.pod == container.pod;
                match running.iter().find(twin) {
                    Some(other) => self.judge(world, container, other),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl OnePerIdentity {
    fn judge(&self, world: &World<'_>, new: &Running, other: &Running) -> Result<(), String> {
        let is_there = |uid: &str| world.truth.by_uid(uid).is_some();
        let left = [new, other].into_iter().filter(|one| !is_there(&one.uid));
        let mut gone = left.map(|one| (one, self.pods.gone(&one.uid)));
        if gone.clone().any(|(_, gone)| gone == Some(Gone::Forced)) {
            return Ok(());
        }
        let how = match gone.next() {
            Some((one, Some(_))) => format!("node {} had let {} go", one.node, one.uid),
            _ => "neither is gone".to_owned(),
        };
        Err(format!(
            "{} runs twice: {} on {} and {} on {}; {how}",
            new.pod, other.uid, other.node, new.uid, new.node
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, pod, with};

    fn replaced(by: &str, first: serde_json::Value) -> Result<(), String> {
        let mut bench = Bench::of(OnePerIdentity::default());
        bench.ok("user", with(first, json!({"metadata": {"uid": "one"}})));
        assert_eq!(bench.start("a", "db-0", "one"), Ok(()));
        bench.gone(by, "pods/shop/db-0");
        bench.ok("statefulset-controller", with(pod("db-0", "b"), json!({"metadata": {"uid": "two"}})));
        bench.start("b", "db-0", "two")
    }

    #[test]
    fn a_twin_is_excused_by_force_only() {
        let first = || pod("db-0", "a");
        fails(replaced("node/a", first()), "node a had let one go");
        fails(replaced("generic-garbage-collector", first()), "runs twice");
        assert_eq!(replaced("user", first()), Ok(()));
        assert_eq!(replaced("pod-garbage-collector", first()), Ok(()));
        let no_grace = with(first(), json!({"spec": {"terminationGracePeriodSeconds": 0}}));
        assert_eq!(replaced("statefulset-controller", no_grace), Ok(()));
        let forced = with(deleted(first(), 0), json!({"metadata": {"finalizers": ["example.com/a"]}}));
        assert_eq!(replaced("statefulset-controller", forced), Ok(()), "a person set the grace to 0");
    }

    #[test]
    fn a_pod_that_was_said_to_have_ended_may_have_a_twin() {
        let mut bench = Bench::of(OnePerIdentity::default());
        bench.ok("user", with(pod("db-0", "a"), json!({"metadata": {"uid": "one"}})));
        assert_eq!(bench.start("a", "db-0", "one"), Ok(()));
        let failed = json!({"metadata": {"uid": "one"}, "status": {"phase": "Failed"}});
        bench.ok("pod-garbage-collector", with(pod("db-0", "a"), failed));
        bench.gone("statefulset-controller", "pods/shop/db-0");
        bench.ok("statefulset-controller", with(pod("db-0", "b"), json!({"metadata": {"uid": "two"}})));
        assert_eq!(bench.start("b", "db-0", "two"), Ok(()));
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let mut bench = Bench::of(OnePerIdentity::default());
        bench.ok("user", with(pod("db-0", "a"), json!({"metadata": {"uid": "one"}})));
        assert_eq!(bench.start("a", "db-0", "one"), Ok(()));
        assert_eq!(bench.start("a", "db-0", "one"), Ok(()), "two containers of one pod");
        bench.stop("one");
        bench.gone("node/a", "pods/shop/db-0");
        bench.ok("statefulset-controller", with(pod("db-0", "b"), json!({"metadata": {"uid": "two"}})));
        assert_eq!(bench.start("b", "db-0", "two"), Ok(()));
    }
}
