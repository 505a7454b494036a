//! Claims and volumes.

use orch_core::scheduler::ClaimStep;

use super::*;

fn claim(world: &mut World, name: &str, class: &str) -> Key {
    world.put(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"metadata": {"name": name}, "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}),
    )
}

fn class(world: &mut World, name: &str, provisioner: &str, mode: &str) {
    world.put(
        kind::STORAGE_CLASSES,
        json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}),
    );
}

fn volume(world: &mut World, name: &str, size: &str, node: &str) -> Key {
    let terms = json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]);
    world.put(
        kind::PERSISTENT_VOLUMES,
        json!({"metadata": {"name": name}, "status": {"phase": "Available"}, "spec": {"storageClassName": "local",
            "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}),
    )
}

fn user(world: &mut World, name: &str, claim: &str) -> Key {
    let mut tree = pod(name, "1");
    tree["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    world.put(kind::PODS, tree)
}

fn bind_claim(world: &mut World, claim: &Key, volume: &str) {
    world.edit(claim, |tree| {
        tree["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        tree["spec"]["volumeName"] = json!(volume);
    });
}

const HOPELESS: &str = "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";

#[track_caller]
fn check_refused(world: &mut World, reason: &str) -> Decision {
    let decision = world.decide().remove(0);
    let Verdict::Unschedulable { explanation } = &decision.verdict else { panic!("{decision:?}") };
    assert_eq!(explanation.to_string(), format!("0/2 nodes are available: {reason}. {HOPELESS}"));
    decision
}

fn two_nodes() -> World {
    let mut world = World::new();
    world.node("a", "4");
    world.node("b", "4");
    world
}

#[test]
fn a_missing_claim_is_named_and_its_coming_wakes_the_pod() {
    let mut world = two_nodes();
    user(&mut world, "db", "data");
    let decision = check_refused(&mut world, "persistentvolumeclaim \"data\" not found");
    world.tell(&decision, Outcome::Done);
    claim(&mut world, "other", "fast");
    assert!(world.decide().is_empty(), "another claim does not help");
    claim(&mut world, "data", "fast");
    check_refused(&mut world, "pod has unbound immediate PersistentVolumeClaims");
}

#[test]
fn a_bound_claim_draws_the_pod_to_its_volume() {
    let mut world = two_nodes();
    let key = claim(&mut world, "data", "local");
    volume(&mut world, "v", "1Gi", "b");
    bind_claim(&mut world, &key, "v");
    user(&mut world, "db", "data");
    let rests_on = vec![(key.clone(), "data".into())];
    assert_eq!(world.one(), Verdict::Bind { node: "b".into(), rests_on });
    bind_claim(&mut world, &key, "lost");
    user(&mut world, "db-2", "data");
    check_refused(&mut world, "2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
}

#[test]
fn a_claim_that_waits_gets_a_volume_made_for_the_chosen_node() {
    let mut world = two_nodes();
    class(&mut world, "fast", "example.com/csi", "WaitForFirstConsumer");
    let key = claim(&mut world, "data", "fast");
    let pod = user(&mut world, "db", "data");
    let decision = world.decide().remove(0);
    let Verdict::Prepare { node, claims } = decision.verdict.clone() else { panic!("{decision:?}") };
    assert_eq!(claims, [ClaimStep::Provision { claim: key.clone(), uid: "data".into() }]);
    world.tell(&decision, Outcome::Done);
    world.edit(&key, |tree| {
        tree["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = json!(&*node)
    });
    assert!(world.decide().is_empty(), "it waits without saying so again");
    assert_eq!(
        world.scheduler.cluster().pod_id(&pod).and_then(|id| world.scheduler.cluster().node_of(id)),
        Some(&node)
    );
    volume(&mut world, "v", "1Gi", &node);
    bind_claim(&mut world, &key, "v");
    assert_eq!(world.one(), Verdict::Bind { node, rests_on: vec![(key, "data".into())] });
}

#[test]
fn the_smallest_volume_that_suits_is_taken_once() {
    let mut world = two_nodes();
    class(&mut world, "local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    volume(&mut world, "large", "9Gi", "a");
    volume(&mut world, "small", "2Gi", "a");
    volume(&mut world, "tiny", "1Mi", "a");
    let mut taken = Vec::new();
    for name in ["one", "two"] {
        claim(&mut world, name, "local");
        user(&mut world, &format!("pod-{name}"), name);
        let decision = world.decide().remove(0);
        let Verdict::Prepare { node, claims } = decision.verdict else { panic!("{decision:?}") };
        assert_eq!(&*node, "a");
        let [ClaimStep::Bind { volume, .. }] = &claims[..] else { panic!("{claims:?}") };
        taken.push(volume.name.to_string());
    }
    assert_eq!(taken, ["small", "large"]);
    claim(&mut world, "three", "local");
    user(&mut world, "pod-three", "three");
    check_refused(&mut world, "2 node(s) didn't find available persistent volumes to bind");
}

#[test]
fn a_refused_preparation_gives_the_volume_back() {
    let mut world = two_nodes();
    class(&mut world, "local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    volume(&mut world, "v", "1Gi", "a");
    claim(&mut world, "one", "local");
    user(&mut world, "db", "one");
    let decision = world.decide().remove(0);
    world.tell(&decision, refused());
    claim(&mut world, "two", "local");
    user(&mut world, "web", "two");
    assert!(matches!(world.one(), Verdict::Prepare { .. }));
}
