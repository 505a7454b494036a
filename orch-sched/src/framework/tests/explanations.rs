//! What people read, in Kubernetes' words.

use super::*;

#[track_caller]
fn check(world: &mut World, expected: &str) {
    let Verdict::Unschedulable { explanation } = world.one() else { panic!("it fits") };
    assert_eq!(explanation.to_string(), expected);
}

#[test]
fn nodes_are_counted_by_reason() {
    let mut world = World::new();
    world.node("small", "1");
    for name in ["a", "b"] {
        let key = world.node(name, "8");
        world.edit(&key, |tree| {
            tree["spec"] = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]})
        });
    }
    world.pod("web", "2");
    check(
        &mut world,
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {dedicated: db}. \
        preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    );
}

type Edit = fn(&mut Value);

#[test]
fn every_filter_says_why() {
    let cordoned = |tree: &mut Value| tree["spec"] = json!({"unschedulable": true});
    let none = |_: &mut Value| {};
    let labelled = json!({"nodeSelector": {"disk": "ssd"}});
    let tail = " preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let table: [(Edit, Value, &str); 5] = [
        (cordoned, json!({}), "node(s) were unschedulable"),
        (none, labelled, "node(s) didn't match Pod's node affinity/selector"),
        (
            none,
            json!({"containers": [{"resources": {"requests": {"memory": "1Ti"}}}]}),
            "Insufficient memory",
        ),
        (
            none,
            json!({"containers": [{"resources": {"requests": {"example.com/gpu": 1}}}]}),
            "Insufficient example.com/gpu",
        ),
        (|tree| tree["status"]["allocatable"]["pods"] = json!("0"), json!({}), "Too many pods"),
    ];
    for (change, spec, reason) in table {
        let mut world = World::new();
        let key = world.node("n", "4");
        world.edit(&key, change);
        let mut tree = pod("web", "1");
        spec.as_object().unwrap().iter().for_each(|(name, value)| tree["spec"][name] = value.clone());
        world.put(kind::PODS, tree);
        let tail = if reason == "Too many pods" {
            tail.replace(
                "Preemption is not helpful for scheduling",
                "No preemption victims found for incoming pod",
            )
        } else {
            tail.to_owned()
        };
        check(&mut world, &format!("0/1 nodes are available: 1 {reason}.{tail}"));
    }
}

#[test]
fn ports_of_the_node_are_taken_once() {
    let mut world = World::new();
    world.node("n", "4");
    let port = |name: &str, ip: &str| {
        let mut tree = pod(name, "1");
        tree["spec"]["containers"][0]["ports"] = json!([{"hostPort": 80, "hostIP": ip}]);
        tree
    };
    world.put(kind::PODS, port("a", "127.0.0.1"));
    world.put(kind::PODS, port("b", "127.0.0.2"));
    assert_eq!(world.run().len(), 2, "addresses differ");
    world.put(kind::PODS, port("c", ""));
    check(
        &mut world,
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. \
        preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
}

#[test]
fn without_nodes_there_is_nothing_to_count() {
    let mut world = World::new();
    world.pod("web", "1");
    check(&mut world, "no nodes available to schedule pods");
    world.node("n", "4");
    assert_eq!(world.run().len(), 0, "its outcome was not told yet");
}

#[test]
fn a_daemon_pod_is_refused_by_the_one_node_it_names() {
    let mut world = World::new();
    world.node("a", "1");
    world.node("b", "8");
    let mut tree = pod("daemon", "2");
    tree["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] =
        json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]);
    world.put(kind::PODS, tree);
    check(
        &mut world,
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
        preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    );
}

#[test]
fn an_explanation_has_every_node_with_its_plugin() {
    let mut world = World::new();
    world.node("a", "1");
    world.node("b", "8");
    let key = world.pod("web", "2");
    let explanation = world.scheduler.explain(&key, None);
    let detail: Vec<_> =
        explanation.detail.iter().map(|one| (&*one.node, &*one.plugin, one.reasons.len())).collect();
    assert_eq!(detail, [("a", "NodeResourcesFit", 1), ("b", "", 0)]);
    assert_eq!((explanation.nodes, explanation.fitting), (2, 1));
    let one = world.scheduler.explain(&key, Some("a"));
    assert_eq!(one.to_string(), "0/1 nodes are available: 1 Insufficient cpu.");
    assert!(world.scheduler.explain(&Key::new(kind::PODS, "ns", "ghost"), None).overall.is_some());
}
