//! A pod's life goes one way: its phase forward, its restarts up, its containers only where it is bound and while it lives.
//!
//! Sources: <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/> ("starting in the `Pending` phase, moving
//! through `Running` …, and then through either the `Succeeded` or `Failed` phases"; "a Pod is only scheduled once"),
//! `pkg/kubelet/status/status_manager.go` (`checkContainerStateTransition`), and [`removal`](super::removal) for who
//! removes a pod: only its own node, after nothing of it runs, or somebody by force. What persons write into a status is
//! theirs. A container may start late by as much as views may be late: the agent does not know yet that the pod has
//! ended, is being deleted, or is gone.

use std::collections::HashMap;
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Change, Live, Object, Str, kind};
use serde_json::Value;

use super::removal::{Gone, Pods};
use super::tree::{agent_of, is_person, is_terminal, list, node_of, number, phase_of, text};
use crate::chaos::{Happening, Invariant, Running, World};

/// What runs is counted node after node, so a container may end and its pod be removed meanwhile.
const COUNTING: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub struct PodLifecycle {
    pods: Pods,
    lives: HashMap<Str, Life>,
}

/// What is known of one pod.
#[derive(Debug, Default)]
struct Life {
    /// How often its containers were restarted.
    restarts: Vec<(String, i64)>,
    /// From when on no container of it is to be started, as soon as its agent knows.
    over: Option<(Duration, &'static str)>,
    /// When its object went.
    gone: Option<Duration>,
}

impl Invariant for PodLifecycle {
    fn name(&self) -> &str {
        "pod-lifecycle"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { actor, change } if change.key().kind == kind::PODS => {
                self.pods.take(actor, change)?;
                self.changed(world.at, actor, change)
            }
            Happening::Started { container, running } => self.started(world, container, running),
            _ => Ok(()),
        }
    }
}

impl PodLifecycle {
    fn changed(&mut self, at: Duration, actor: &str, change: &Change) -> Result<(), String> {
        let life = self.lives.entry(change.object().uid().clone()).or_default();
        let Some(live) = &change.now else {
            life.gone = Some(at);
            life.over.get_or_insert((at, "is gone"));
            return Ok(());
        };
        let by_node = agent_of(actor).is_some_and(|node| node == node_of(live));
        if live.header().is_terminating() {
            life.over.get_or_insert((at, "is being deleted"));
        } else if by_node && is_terminal(live) {
            life.over.get_or_insert((at, "has ended"));
        }
        let Some(before) = &change.before else { return Ok(()) };
        if before.part(Part::Status) == live.part(Part::Status) {
            return Ok(());
        }
        if !is_person(actor) {
            phase(actor, before, live)?;
        }
        restarts(life, actor, live)
    }

    fn started(&self, world: &World<'_>, container: &Running, running: &[Running]) -> Result<(), String> {
        let Running { node, pod, uid, container: name, .. } = container;
        match self.pods.node(uid) {
            None => {
                return Err(format!(
                    "{name} of {pod} ({uid}) started on {node}, and there never was such a pod"
                ));
            }
            Some(bound) if bound != &**node => {
                return Err(format!(
                    "{name} of {pod} ({uid}) started on {node}, and the pod is bound to {bound:?}"
                ));
            }
            Some(_) => {}
        }
        let over = self.lives.get(uid).and_then(|life| life.over);
        if let Some((since, why)) = over.filter(|(since, _)| world.at > since.saturating_add(world.patience))
        {
            let late = world.at.saturating_sub(since);
            return Err(format!(
                "{name} of {pod} ({uid}) started on {node}, and the pod {why}, since {late:?}"
            ));
        }
        let let_go = |one: &&Running| {
            let gone = self.lives.get(&one.uid).and_then(|life| life.gone);
            gone.is_some_and(|gone| world.at > gone + COUNTING)
                && self.pods.gone(&one.uid) == Some(Gone::LetGo)
        };
        match running.iter().find(let_go) {
            None => Ok(()),
            Some(Running { node, pod, uid, container, .. }) => {
                Err(format!("{container} of {pod} ({uid}) runs on {node}, and its node has let the pod go"))
            }
        }
    }
}

/// The phase goes forward.
fn phase(actor: &str, before: &Object, now: &Live) -> Result<(), String> {
    let rank = |phase: &str| match phase {
        "Succeeded" | "Failed" => 2,
        "Running" => 1,
        _ => 0,
    };
    let (was, is) = (phase_of(before), phase_of(now));
    // A pod whose sandbox is lost, as in a reboot, runs its init containers again and is Pending meanwhile
    // (`getPhase` of `pkg/kubelet/kubelet_pods.go`).
    let initializes_again = was == "Running"
        && is == "Pending"
        && now.part_field(Part::Spec, "initContainers").is_some_and(|list| list != b"[]");
    if was == is || (rank(is) > rank(was) && rank(was) < 2) || initializes_again {
        return Ok(());
    }
    Err(format!("{actor} took {} ({}) from {was} back to {is}", now.key(), now.uid()))
}

/// The counts of restarts go up.
fn restarts(life: &mut Life, actor: &str, live: &Live) -> Result<(), String> {
    let status = live.part_tree(Part::Status);
    let all = ["initContainerStatuses", "containerStatuses"].iter().flat_map(|field| list(&status[*field]));
    for (name, count) in all.map(|one: &Value| (text(&one["name"]), number(&one["restartCount"]))) {
        match life.restarts.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if count < *known && !is_person(actor) => {
                return Err(format!(
                    "{actor} took the restarts of {name} of {} ({}) from {known} back to {count}",
                    live.key(),
                    live.uid()
                ));
            }
            Some((_, known)) => *known = count,
            None => life.restarts.push((name.to_owned(), count)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, pod, with};

    fn in_phase(phase: &str) -> Value {
        with(pod("p", "a"), json!({"status": {"phase": phase}}))
    }

    fn bench() -> Bench<PodLifecycle> {
        let mut bench = Bench::of(PodLifecycle::default());
        bench.ok("scheduler", pod("p", "a"));
        bench
    }

    #[test]
    fn the_phase_goes_forward() {
        let mut bench = bench();
        bench.ok("node/a", in_phase("Running"));
        bench.bad("node/a", in_phase("Pending"), "from Running back to Pending");
        let again = with(in_phase("Pending"), json!({"spec": {"initContainers": [{"name": "setup"}]}}));
        bench.ok("node/a", again);
        bench.ok("user", in_phase("Succeeded"));
        bench.bad("node/a", in_phase("Running"), "from Succeeded back to Running");
        bench.ok("user", in_phase("Succeeded"));
        bench.bad("pod-garbage-collector", in_phase("Failed"), "from Succeeded back to Failed");
    }

    #[test]
    fn restarts_go_up() {
        let counted = |count: i64| {
            with(
                pod("p", "a"),
                json!({"status": {"containerStatuses": [{"name": "main", "restartCount": count}]}}),
            )
        };
        let mut bench = bench();
        bench.ok("node/a", counted(0));
        bench.ok("node/a", counted(2));
        bench.bad("node/a", counted(1), "from 2 back to 1");
    }

    #[test]
    fn containers_start_only_where_their_pod_is_bound_and_while_it_lives() {
        let mut bench = bench();
        assert_eq!(bench.start("a", "p", "p"), Ok(()));
        fails(bench.start("b", "p", "p"), "the pod is bound to \"a\"");
        fails(bench.start("a", "p", "other"), "there never was such a pod");
        for (actor, tree, why) in [
            ("node/a", in_phase("Failed"), "the pod has ended"),
            ("user", deleted(pod("p", "a"), 30), "the pod is being deleted"),
        ] {
            let mut bench = self::bench();
            bench.ok(actor, tree);
            bench.wait(10);
            assert_eq!(bench.start("a", "p", "p"), Ok(()), "its agent need not know yet");
            bench.wait(1);
            fails(bench.start("a", "p", "p"), why);
        }
    }

    #[test]
    fn a_pod_goes_by_its_node_or_by_force() {
        bench().gone("node/a", "pods/shop/p");
        bench().gone("user", "pods/shop/p");
        bench().gone("pod-garbage-collector", "pods/shop/p");
        bench().not_gone("statefulset-controller", "pods/shop/p", "its node a had not let it go");
        bench().not_gone("node/b", "pods/shop/p", "its node a had not let it go");
        let mut bench = self::bench();
        bench.ok("scheduler", pod("q", ""));
        bench.gone("statefulset-controller", "pods/shop/q");
        let mut ended = self::bench();
        ended.ok("node/a", in_phase("Failed"));
        ended.gone("replicaset-controller", "pods/shop/p");
        let mut released = self::bench();
        released.ok(
            "node/a",
            with(deleted(pod("p", "a"), 0), json!({"metadata": {"finalizers": ["foregroundDeletion"]}})),
        );
        released.gone("generic-garbage-collector", "pods/shop/p");
    }

    #[test]
    fn what_its_node_let_go_does_not_run() {
        let mut bench = bench();
        bench.ok("scheduler", pod("q", "a"));
        assert_eq!(bench.start("a", "p", "p"), Ok(()));
        bench.gone("node/a", "pods/shop/p");
        assert_eq!(bench.start("a", "q", "q"), Ok(()), "it was counted before");
        bench.wait(6);
        fails(
            bench.start("a", "q", "q"),
            "main of pods/shop/p (p) runs on a, and its node has let the pod go",
        );
    }
}
