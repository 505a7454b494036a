use orch_core::Error;
use orch_core::scheduler::Explanation;
use serde_json::json;

use super::*;
use crate::chaos::invariants::testing::{Bench, fails, node, plain, pod, with};

type At = Bench<PlacementsFit>;

fn key(name: &str) -> Key {
    Key::new(kind::PODS, "shop", name)
}

fn tell(bench: &mut At, tree: Value) {
    let change = bench.change(Ok(tree));
    assert_eq!(bench.see(&Happening::Told { change: &change }), Ok(()));
}

fn tell_gone(bench: &mut At, key: &Key) {
    let change = bench.change(Err(key));
    assert_eq!(bench.see(&Happening::Told { change: &change }), Ok(()));
}

fn decide(bench: &mut At, name: &str, verdict: Verdict) -> Result<(), String> {
    let decision = Decision { pod: key(name), uid: name.into(), verdict };
    bench.see(&Happening::Decided { decision: &decision })
}

fn bind(bench: &mut At, name: &str) -> Result<(), String> {
    decide(bench, name, Verdict::bind("a"))
}

fn refuse(bench: &mut At, name: &str) {
    let outcome = Outcome::Refused(Error::OutcomeUnknown { key: key(name) });
    assert_eq!(bench.see(&Happening::Concluded { pod: &key(name), uid: name, outcome: &outcome }), Ok(()));
}

fn asking(name: &str, cpu: &str, node: &str) -> Value {
    let containers = json!([{"name": "main", "resources": {"requests": {"cpu": cpu}}}]);
    with(pod(name, node), json!({"spec": {"containers": containers}}))
}

fn bench() -> At {
    let mut bench = Bench::of(PlacementsFit::default());
    tell(&mut bench, node("a"));
    for (name, cpu) in [("p", "1500m"), ("q", "1"), ("r", "500m")] {
        tell(&mut bench, asking(name, cpu, ""));
    }
    bench
}

#[test]
fn what_was_decided_counts_until_it_is_refused() {
    let mut bench = bench();
    assert_eq!(bind(&mut bench, "p"), Ok(()));
    fails(bind(&mut bench, "q"), "does not fit: 2500 of cpu");
    tell(&mut bench, asking("p", "1500m", ""));
    fails(bind(&mut bench, "q"), "does not fit");
    refuse(&mut bench, "p");
    assert_eq!(bind(&mut bench, "q"), Ok(()));
    assert_eq!(bind(&mut bench, "r"), Ok(()));
    fails(bind(&mut bench, "p"), "does not fit: 3000 of cpu");
}

#[test]
fn what_is_told_counts_until_it_is_told_gone() {
    let mut bench = bench();
    tell(&mut bench, asking("p", "1500m", "a"));
    refuse(&mut bench, "p");
    fails(bind(&mut bench, "q"), "does not fit");
    fails(bind(&mut bench, "p"), "is bound to a");
    tell_gone(&mut bench, &key("p"));
    assert_eq!(bind(&mut bench, "q"), Ok(()));
    fails(bind(&mut bench, "p"), "was not told of it");
    let ended = with(asking("q", "1", "a"), json!({"status": {"phase": "Failed"}}));
    tell(&mut bench, ended);
    tell(&mut bench, asking("s", "2", ""));
    assert_eq!(bind(&mut bench, "s"), Ok(()));
}

#[test]
fn another_pod_of_the_name_and_another_scheduler_know_nothing() {
    let mut bench = bench();
    assert_eq!(bind(&mut bench, "p"), Ok(()));
    tell(&mut bench, with(asking("p", "100m", ""), json!({"metadata": {"uid": "other"}})));
    assert_eq!(bind(&mut bench, "q"), Ok(()));
    fails(bind(&mut bench, "p"), "was not told of it");
    assert_eq!(bench.see(&Happening::SchedulerStarted), Ok(()));
    fails(bind(&mut bench, "r"), "was not told of it");
    tell(&mut bench, asking("r", "500m", ""));
    fails(bind(&mut bench, "r"), "knows no such node");
}

#[test]
fn a_decision_again_takes_the_place_of_the_one_before() {
    let mut bench = bench();
    let prepare = || Verdict::Prepare { node: "a".into(), claims: Vec::new() };
    assert_eq!(decide(&mut bench, "p", prepare()), Ok(()));
    assert_eq!(bind(&mut bench, "q"), Ok(()), "room that is only kept is not counted");
    fails(bind(&mut bench, "p"), "does not fit");
    assert_eq!(bind(&mut bench, "q"), Ok(()));
}

#[test]
fn gates_and_volumes_are_looked_at() {
    let mut bench = bench();
    tell(&mut bench, with(pod("g", ""), json!({"spec": {"schedulingGates": [{"name": "example.com/a"}]}})));
    fails(bind(&mut bench, "g"), "scheduling gates");
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]);
    tell(&mut bench, with(pod("v", ""), json!({"spec": {"volumes": volumes}})));
    tell(&mut bench, with(plain("v1", "PersistentVolumeClaim", "c"), json!({"spec": {"volumeName": "w"}})));
    let terms =
        json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]}]}]);
    let affinity = json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}});
    tell(&mut bench, with(plain("v1", "PersistentVolume", "w"), affinity));
    fails(bind(&mut bench, "v"), "its volume w is not to be had there");
    tell(&mut bench, with(node("a"), json!({"metadata": {"labels": {"kubernetes.io/hostname": "b"}}})));
    assert_eq!(bind(&mut bench, "v"), Ok(()));
}

#[test]
fn victims_are_less_important() {
    let mut bench = bench();
    let with_priority =
        |name: &str, priority: i64| with(asking(name, "1", ""), json!({"spec": {"priority": priority}}));
    let preempt = |victim: &str| Verdict::Preempt {
        node: "a".into(),
        victims: vec![(key(victim), victim.into())],
        explanation: Explanation::new(1),
    };
    tell(&mut bench, with_priority("low", 1));
    tell(&mut bench, with_priority("high", 2));
    assert_eq!(decide(&mut bench, "high", preempt("low")), Ok(()));
    fails(decide(&mut bench, "low", preempt("high")), "no less important");
    tell(&mut bench, with(with_priority("high", 2), json!({"spec": {"preemptionPolicy": "Never"}})));
    fails(decide(&mut bench, "high", preempt("low")), "its policy is Never");
}
