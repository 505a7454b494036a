//! The hard case: many binds in batches, with preemption, some of them refused.

use std::collections::BTreeSet;

use super::*;
use crate::cluster::Resource;

/// 100,000 in a release build; a debug build shall not take long.
const PODS: usize = if cfg!(debug_assertions) { 6_000 } else { 100_000 };
const PODS_A_NODE: usize = 50;
const BATCH: usize = 256;

fn put_pods(world: &mut World, prefix: &str, priority: i64, count: usize) {
    for at in 0..count {
        let mut tree = pod(&format!("{prefix}-{at}"), "100m");
        tree["spec"]["priority"] = json!(priority);
        world.put(kind::PODS, tree);
    }
}

/// Decides in batches until nothing is left; every seventh bind is refused the first time.
fn drain(world: &mut World, bound: &mut BTreeSet<Key>, refused_once: &mut BTreeSet<Key>) -> usize {
    let mut preemptions = 0;
    loop {
        let mut decisions = Vec::new();
        world.scheduler.decide(world.now, BATCH, &mut decisions);
        assert!(decisions.len() <= BATCH);
        for decision in &decisions {
            match &decision.verdict {
                Verdict::Bind { .. }
                    if bound.len().is_multiple_of(7) && refused_once.insert(decision.pod.clone()) =>
                {
                    world.tell(decision, refused());
                    continue;
                }
                Verdict::Bind { .. } => {
                    assert!(bound.insert(decision.pod.clone()), "{} is bound twice", decision.pod)
                }
                Verdict::Preempt { victims, .. } => {
                    preemptions += 1;
                    victims
                        .iter()
                        .for_each(|(victim, _)| assert!(bound.remove(victim), "{victim} was not there"));
                }
                other => panic!("{other:?}"),
            }
            world.carry_out(decision);
        }
        if decisions.is_empty() {
            match world.scheduler.next_wake() {
                Some(wake) if wake < world.now + SignedDuration::from_secs(20) => world.now = wake,
                _ => return preemptions,
            }
        }
    }
}

#[test]
fn binds_in_batches_with_preemption() {
    let mut world = World::new();
    for at in 0..PODS / PODS_A_NODE {
        world.node(&format!("n{at}"), "5");
    }
    let (mut bound, mut refused_once) = (BTreeSet::new(), BTreeSet::new());
    put_pods(&mut world, "low", 0, PODS);
    assert_eq!(drain(&mut world, &mut bound, &mut refused_once), 0);
    assert_eq!(bound.len(), PODS, "the cluster is full");
    put_pods(&mut world, "high", 100, PODS / 20);
    assert_eq!(drain(&mut world, &mut bound, &mut refused_once), PODS / 20, "each displaces one");
    assert_eq!(bound.len(), PODS, "it is full again");
    assert_eq!(bound.iter().filter(|key| key.name.starts_with("high")).count(), PODS / 20);
    assert!(refused_once.len() > PODS / 100);
    for node in world.scheduler.cluster().nodes() {
        assert!(
            node.requested(Resource::CPU) <= node.allocatable(Resource::CPU),
            "{} is overfull",
            node.name()
        );
    }
}
