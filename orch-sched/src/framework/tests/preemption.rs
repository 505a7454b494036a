//! Making room.

use super::*;

fn important(world: &mut World, name: &str, cpu: &str, priority: i64) -> Key {
    let mut tree = pod(name, cpu);
    tree["spec"]["priority"] = json!(priority);
    world.put(kind::PODS, tree)
}

/// A pod that runs on a node.
fn running(world: &mut World, name: &str, cpu: &str, priority: i64, node: &str, started: &str) -> Key {
    let key = important(world, name, cpu, priority);
    world.edit(&key, |tree| {
        tree["spec"]["nodeName"] = json!(node);
        tree["status"] = json!({"phase": "Running", "startTime": started});
    });
    key
}

#[track_caller]
fn check(world: &mut World, node: &str, victims: &[&str]) -> Decision {
    let decision = world.decide().remove(0);
    let Verdict::Preempt { node: chosen, victims: chosen_victims, .. } = &decision.verdict else {
        panic!("no preemption: {decision:?}")
    };
    let names: Vec<_> = chosen_victims.iter().map(|(key, _)| &*key.name).collect();
    assert_eq!((&**chosen, names), (node, victims.to_vec()));
    decision
}

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

#[test]
fn the_fewest_and_least_important_pods_go() {
    let mut world = World::new();
    world.node("a", "4");
    world.node("b", "4");
    running(&mut world, "a1", "2", 5, "a", EARLY);
    running(&mut world, "a2", "2", 1, "a", EARLY);
    running(&mut world, "b1", "2", 5, "b", EARLY);
    running(&mut world, "b2", "2", 2, "b", EARLY);
    important(&mut world, "vip", "2", 10);
    let decision = check(&mut world, "a", &["a2"]);
    world.carry_out(&decision);
    assert_eq!(world.run()["vip"], "a");
}

#[test]
fn among_equals_those_that_started_last_go() {
    let mut world = World::new();
    world.node("a", "2");
    world.node("b", "2");
    running(&mut world, "old", "2", 1, "a", EARLY);
    running(&mut world, "new", "2", 1, "b", LATE);
    important(&mut world, "vip", "1", 10);
    check(&mut world, "b", &["new"]);
}

#[test]
fn protected_pods_are_spared() {
    let mut world = World::new();
    world.node("a", "2");
    world.node("b", "2");
    let key = running(&mut world, "protected", "2", 1, "a", LATE);
    world.edit(&key, |tree| tree["metadata"]["labels"] = json!({"app": "db"}));
    running(&mut world, "free", "2", 5, "b", EARLY);
    world.put(
        Kind::named("policy", "poddisruptionbudgets"),
        json!({"metadata": {"name": "db"}, "spec": {"selector": {"matchLabels": {"app": "db"}}}, "status": {"disruptionsAllowed": 0}}),
    );
    important(&mut world, "vip", "1", 10);
    check(&mut world, "b", &["free"]);
}

#[test]
fn a_pod_that_must_not_preempt_waits() {
    let mut world = World::new();
    world.node("a", "2");
    running(&mut world, "low", "2", 1, "a", EARLY);
    let mut tree = pod("polite", "1");
    tree["spec"]["priority"] = json!(10);
    tree["spec"]["preemptionPolicy"] = json!("Never");
    world.put(kind::PODS, tree);
    let Verdict::Unschedulable { explanation } = world.one() else { panic!("it preempts") };
    let expected = "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
    assert_eq!(explanation.to_string(), expected);
}

#[test]
fn equal_pods_are_not_preempted() {
    let mut world = World::new();
    world.node("a", "2");
    running(&mut world, "equal", "2", 10, "a", EARLY);
    important(&mut world, "vip", "1", 10);
    let Verdict::Unschedulable { explanation } = world.one() else { panic!("it preempts") };
    assert_eq!(
        explanation.preemption,
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    );
}

#[test]
fn a_promised_node_is_kept_from_the_less_important() {
    let mut world = World::new();
    world.node("a", "2");
    running(&mut world, "low", "2", 1, "a", EARLY);
    important(&mut world, "vip", "2", 10);
    let decision = check(&mut world, "a", &["low"]);
    world.tell(&decision, Outcome::Done);
    let low = Key::new(kind::PODS, "ns", "low");
    world.delete(&low);
    world.wait(0);
    important(&mut world, "quick", "1", 5);
    let verdicts: Vec<_> = world
        .decide()
        .into_iter()
        .map(|decision| (decision.pod.name.to_string(), decision.verdict))
        .collect();
    assert!(matches!(&verdicts[0], (name, Verdict::Unschedulable { .. }) if name == "quick"), "{verdicts:?}");
    assert!(matches!(&verdicts[1], (name, Verdict::Bind { .. }) if name == "vip"), "{verdicts:?}");
}

#[test]
fn while_victims_leave_no_others_are_chosen() {
    let mut world = World::new();
    world.node("a", "2");
    world.node("b", "2");
    let low = running(&mut world, "low", "2", 1, "a", EARLY);
    running(&mut world, "other", "2", 2, "b", EARLY);
    let vip = important(&mut world, "vip", "2", 10);
    let decision = check(&mut world, "a", &["low"]);
    world.tell(&decision, Outcome::Done);
    world.edit(&vip, |tree| tree["status"]["nominatedNodeName"] = json!("a"));
    world.edit(&low, |tree| tree["metadata"]["deletionTimestamp"] = json!(LATE));
    world.node("c", "2");
    world.edit(&Key::cluster(kind::NODES, "c"), |tree| tree["spec"]["unschedulable"] = json!(true));
    world.wait(60);
    let Verdict::Unschedulable { explanation } = world.one() else { panic!("it preempts again") };
    assert_eq!(explanation.preemption, "not eligible due to a terminating pod on the nominated node.");
}

#[test]
fn the_next_one_displaces_others_than_those_that_leave_already() {
    let mut world = World::new();
    world.node("a", "4");
    for name in ["one", "two", "three", "four"] {
        running(&mut world, name, "1", 1, "a", EARLY);
    }
    important(&mut world, "vip-1", "1", 10);
    important(&mut world, "vip-2", "1", 10);
    let decisions = world.decide();
    let victims = decisions.iter().flat_map(|decision| match &decision.verdict {
        Verdict::Preempt { victims, .. } => victims.clone(),
        other => panic!("{other:?}"),
    });
    let distinct: std::collections::BTreeSet<_> = victims.map(|(key, _)| key).collect();
    assert_eq!((decisions.len(), distinct.len()), (2, 2));
    decisions.iter().for_each(|decision| world.carry_out(decision));
    world.wait(2);
    let bound = world.run();
    assert!(bound.contains_key("vip-1") && bound.contains_key("vip-2") && bound.len() == 4, "{bound:?}");
}

#[test]
fn a_refused_preemption_leaves_no_trace() {
    let mut world = World::new();
    world.node("a", "2");
    running(&mut world, "low", "2", 1, "a", EARLY);
    important(&mut world, "vip", "2", 10);
    let decision = check(&mut world, "a", &["low"]);
    world.tell(&decision, refused());
    assert!(world.decide().is_empty());
    world.wait(1);
    check(&mut world, "a", &["low"]);
}

#[test]
fn what_a_promised_pod_takes_is_said_before_what_runs_there() {
    let mut world = World::new();
    world.node("a", "1");
    running(&mut world, "low", "500m", 0, "a", EARLY);
    let with_port = |name: &str, cpu: &str, priority: i64| {
        let mut tree = pod(name, cpu);
        tree["spec"]["priority"] = json!(priority);
        tree["spec"]["containers"][0]["ports"] = json!([{"hostPort": 80}]);
        tree
    };
    world.put(kind::PODS, with_port("vip", "1", 1));
    check(&mut world, "a", &["low"]);
    world.put(kind::PODS, with_port("other", "1500m", 0));
    let Verdict::Unschedulable { explanation } = world.one() else { panic!("it fits") };
    let reasons: Vec<_> = explanation.reasons.keys().map(|reason| &**reason).collect();
    assert_eq!(reasons, ["node(s) didn't have free ports for the requested pod ports"]);
}
