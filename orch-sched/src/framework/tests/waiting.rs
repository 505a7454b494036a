//! The queue: order, backoff, what wakes a pod, gates, outcomes.

use super::*;
use crate::cluster::{Cluster, Node, Pod};
use crate::framework::{Permission, Permit, Plugin, Profile, Using};

fn names(decisions: &[Decision]) -> Vec<&str> {
    decisions.iter().map(|decision| &*decision.pod.name).collect()
}

#[test]
fn the_most_important_pod_is_first_then_the_oldest() {
    let mut world = World::new();
    world.node("n", "100");
    for (name, priority, created) in
        [("late", 5, "02"), ("early", 5, "01"), ("first", 9, "03"), ("last", -1, "00")]
    {
        let mut tree = pod(name, "1");
        tree["spec"]["priority"] = json!(priority);
        tree["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:{created}Z"));
        world.put(kind::PODS, tree);
    }
    assert_eq!(names(&world.decide()), ["first", "early", "late", "last"]);
}

#[test]
fn a_decision_counts_until_it_is_refused() {
    let mut world = World::new();
    world.node("n", "1");
    world.pod("a", "1");
    let first = world.decide();
    assert_eq!(first[0].verdict, Verdict::bind("n"));
    world.pod("b", "1");
    let second = world.decide();
    assert!(matches!(second[0].verdict, Verdict::Unschedulable { .. }));
    world.tell(&second[0], Outcome::Done);
    assert!(world.decide().is_empty(), "a pod that was decided on is not decided on again");
    world.tell(&first[0], refused());
    assert_eq!(names(&world.decide()), ["b"], "the room is free again, and a waits");
    assert_eq!(world.scheduler.next_wake(), Some(world.now + SignedDuration::from_secs(1)));
    world.wait(1);
    assert_eq!(names(&world.decide()), ["a"]);
}

#[test]
fn an_unknown_outcome_keeps_the_room_until_a_change_tells() {
    let mut world = World::new();
    world.node("n", "1");
    let key = world.pod("a", "1");
    let decision = world.decide().remove(0);
    world.tell(&decision, Outcome::Unknown);
    world.pod("b", "1");
    assert!(matches!(world.one(), Verdict::Unschedulable { .. }));
    world.delete(&key);
    assert!(world.decide().is_empty(), "b's outcome was not told");
}

#[test]
fn pods_that_others_bound_are_forgotten_and_count() {
    let mut world = World::new();
    world.node("n", "1");
    let key = world.pod("a", "1");
    world.edit(&key, |tree| tree["spec"]["nodeName"] = json!("n"));
    assert!(world.decide().is_empty());
    world.pod("b", "1");
    assert!(matches!(world.one(), Verdict::Unschedulable { .. }));
}

#[test]
fn ended_pods_give_their_room_back() {
    let mut world = World::new();
    world.node("n", "1");
    let key = world.pod("a", "1");
    assert_eq!(world.run().len(), 1);
    world.pod("b", "1");
    let decisions = world.decide();
    world.tell(&decisions[0], Outcome::Done);
    world.edit(&key, |tree| tree["status"] = json!({"phase": "Succeeded"}));
    assert_eq!(world.one(), Verdict::bind("n"));
}

#[test]
fn pods_on_unknown_nodes_count_when_the_node_comes() {
    let mut world = World::new();
    let mut tree = pod("a", "3");
    tree["spec"]["nodeName"] = json!("n");
    world.put(kind::PODS, tree);
    let node = world.node("n", "4");
    world.pod("b", "2");
    let decisions = world.decide();
    assert!(matches!(decisions[0].verdict, Verdict::Unschedulable { .. }));
    world.tell(&decisions[0], Outcome::Done);
    world.delete(&node);
    world.node("n", "5");
    assert_eq!(world.one(), Verdict::bind("n"));
}

#[test]
fn only_what_can_help_wakes_a_pod() {
    let mut world = World::new();
    let small = world.node("small", "1");
    world.pod("web", "4");
    let decisions = world.decide();
    world.tell(&decisions[0], Outcome::Done);
    world.put(kind::PERSISTENT_VOLUMES, json!({"metadata": {"name": "pv"}}));
    world.edit(&small, |tree| tree["metadata"]["labels"]["a"] = json!("b"));
    world.node("also-small", "2");
    world.pod("unrelated", "500m");
    assert_eq!(names(&world.decide()), ["unrelated"]);
    world.edit(&small, |tree| tree["status"]["allocatable"]["cpu"] = json!("4"));
    assert_eq!(names(&world.decide()), ["web"]);
}

#[test]
fn what_fits_nowhere_is_tried_again_after_five_minutes() {
    let mut world = World::new();
    world.node("n", "1");
    world.pod("web", "4");
    let decisions = world.decide();
    world.tell(&decisions[0], Outcome::Done);
    assert_eq!(world.scheduler.next_wake(), Some(world.now + SignedDuration::from_mins(5)));
    world.wait(299);
    assert!(world.decide().is_empty());
    world.wait(1);
    assert_eq!(names(&world.decide()), ["web"]);
}

#[test]
fn gated_pods_are_held_until_the_gates_are_gone() {
    let mut world = World::new();
    world.node("n", "1");
    let mut tree = pod("a", "1");
    tree["spec"]["schedulingGates"] = json!([{"name": "example.com/wait"}]);
    let key = world.put(kind::PODS, tree);
    let decision = world.decide().remove(0);
    let why = "Scheduling is blocked due to non-empty scheduling gates".to_owned();
    assert_eq!(decision.verdict, Verdict::Hold { why });
    world.tell(&decision, Outcome::Done);
    assert!(world.decide().is_empty());
    world.edit(&key, |tree| tree["spec"]["schedulingGates"] = json!([]));
    assert_eq!(world.one(), Verdict::bind("n"));
}

#[test]
fn other_schedulers_pods_and_terminating_pods_are_left_alone() {
    let mut world = World::new();
    world.node("n", "1");
    let mut tree = pod("other", "1");
    tree["spec"]["schedulerName"] = json!("mine");
    world.put(kind::PODS, tree);
    let mut tree = pod("going", "1");
    tree["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    world.put(kind::PODS, tree);
    assert!(world.decide().is_empty());
}

#[test]
fn a_pod_of_the_same_name_is_another_pod() {
    let mut world = World::new();
    world.node("n", "1");
    world.pod("a", "1");
    let old = world.decide().remove(0);
    let mut tree = pod("a", "1");
    tree["metadata"]["uid"] = json!("second");
    world.put(kind::PODS, tree);
    world.tell(&old, refused());
    let new = world.decide().remove(0);
    assert_eq!((&*new.uid, new.verdict), ("second", Verdict::bind("n")));
}

#[test]
fn a_fork_decides_the_same_and_changes_nothing() {
    let mut world = World::new();
    (0..20).for_each(|at| drop(world.node(&format!("n{at}"), "4")));
    (0..30).for_each(|at| drop(world.pod(&format!("p{at}"), "1")));
    let mut fork = world.scheduler.fork();
    let mut what_if = Vec::new();
    fork.decide(world.now, 30, &mut what_if);
    assert_eq!(what_if.len(), 30);
    assert_eq!(world.decide(), what_if);
}

/// Lets nobody pass before noon.
#[derive(Clone)]
struct Noon;

impl Plugin for Noon {
    fn name(&self) -> &'static str {
        "Noon"
    }
}

impl Permit for Noon {
    fn permit(&self, _: &Pod, _: &Node<'_>, _: &Cluster, now: Timestamp) -> Permission {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let until = noon + SignedDuration::from_hours(1);
        if now < noon { Permission::Wait { why: "not yet".to_owned(), until } } else { Permission::Allow }
    }
}

#[test]
fn a_pod_that_waits_for_a_permit_keeps_its_place() {
    let profile = Profile::kubernetes().with(Using::new(Noon).permit());
    let mut world = World::of(FrameworkScheduler::new(profile, super::super::Options::default()).unwrap());
    world.node("n", "1");
    world.pod("a", "1");
    let decision = world.decide().remove(0);
    assert_eq!(decision.verdict, Verdict::Hold { why: "not yet".to_owned() });
    world.tell(&decision, Outcome::Done);
    world.pod("b", "1");
    assert!(matches!(world.one(), Verdict::Unschedulable { .. }));
    world.wait(12 * 3600);
    assert_eq!(names(&world.decide()), ["a"], "the outcome for b was not told");
}
