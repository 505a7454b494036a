use super::*;
use crate::by_hand::{ByHand, body, lines, notes};
use crate::facts::{NOT_READY, UNREACHABLE};

fn node(name: &str, ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "z"}},
        "status": {"conditions": [
            {"type": "Ready", "status": ready, "lastHeartbeatTime": "2026-01-01T00:00:00Z", "reason": "KubeletReady"},
            {"type": "MemoryPressure", "status": "False"}, {"type": "DiskPressure", "status": "False"},
            {"type": "PIDPressure", "status": "False"}, {"type": "Own", "status": "True"}]}})
}

fn lease(renewed: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease"}, "spec": {"renewTime": renewed}})
}

fn pod(ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"nodeName": "n1"},
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "Mine"}]}})
}

fn key(name: &str) -> Key {
    Key::cluster(kind::NODES, name)
}

fn world() -> ByHand<NodeLifecycleController> {
    ByHand::new(NodeLifecycleController::default())
}

/// Merges what a plan writes to a node into its tree and shows it to the view.
fn take_in(world: &mut ByHand<NodeLifecycleController>, key: &Key) -> Value {
    let mut tree = Value::Null;
    for write in world.plan(key).writes {
        tree = world.object(&write.key).body_tree();
        let patch = body(&write);
        for part in ["spec", "status"] {
            for (field, value) in patch[part].as_object().into_iter().flatten() {
                carried::put(&mut tree[part], field, value.clone());
            }
        }
        world.put(tree.clone());
    }
    tree
}

fn taints(tree: &Value) -> Vec<String> {
    let taints = tree["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints.iter().map(|taint| format!("{}:{}", text(&taint["key"]), text(&taint["effect"]))).collect()
}

fn wait_secs(world: &ByHand<NodeLifecycleController>, key: &Key) -> Option<u64> {
    world.plan(key).again_after.map(|after| after.as_secs())
}

#[test]
fn a_silent_node_is_marked_unknown_after_the_grace_period_and_tainted() {
    let mut world = world();
    assert_eq!(world.put(node("n1", "True")), [key("n1")]);
    world.put(node("n2", "True"));
    assert_eq!(wait_secs(&world, &key("n1")), Some(50));
    world.wait(50);
    let plan = world.plan(&key("n1"));
    assert_eq!(lines(&plan), ["merge nodes/n1 status"]);
    assert_eq!(notes(&plan), [("NodeNotReady".into(), "Node n1 status is now: NodeNotReady".to_owned())]);
    let tree = take_in(&mut world, &key("n1"));
    for at in 0..4 {
        let condition = &tree["status"]["conditions"][at];
        assert_eq!(condition["status"], "Unknown");
        assert_eq!(condition["reason"], "NodeStatusUnknown");
        assert_eq!(condition["message"], "Kubelet stopped posting node status.");
    }
    assert_eq!(tree["status"]["conditions"][0]["lastHeartbeatTime"], "2026-01-01T00:00:00Z");
    assert_eq!(tree["status"]["conditions"][4], json!({"type": "Own", "status": "True"}));
    let tree = take_in(&mut world, &key("n1"));
    assert_eq!(taints(&tree), [format!("{UNREACHABLE}:NoSchedule")]);
    let tree = take_in(&mut world, &pace());
    assert_eq!(taints(&tree), [format!("{UNREACHABLE}:NoSchedule"), format!("{UNREACHABLE}:NoExecute")]);
    assert!(world.plan(&key("n1")).writes.is_empty());
}

#[test]
fn a_lease_that_is_seen_to_change_keeps_the_node_alive_whatever_time_stands_in_it() {
    let mut world = world();
    world.put(node("n1", "True"));
    world.put(lease("1999-01-01T00:00:00Z"));
    world.wait(40);
    assert!(world.put(lease("1999-01-01T00:00:10Z")).is_empty(), "a renewal asks for no turn");
    world.wait(10);
    assert_eq!(wait_secs(&world, &key("n1")), Some(40));
    world.wait(20);
    world.put(lease("1999-01-01T00:00:10Z"));
    world.wait(20);
    assert_eq!(
        lines(&world.plan(&key("n1"))),
        ["merge nodes/n1 status"],
        "the same time again is no sign of life"
    );
}

#[test]
fn a_status_with_a_new_time_is_a_sign_of_life_and_others_are_not() {
    let mut world = world();
    world.put(node("n1", "True"));
    world.wait(40);
    let mut posted = node("n1", "True");
    posted["metadata"]["annotations"] = json!({"a": "b"});
    world.put(posted.clone());
    assert_eq!(wait_secs(&world, &key("n1")), Some(10));
    posted["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T00:00:40Z".into();
    world.put(posted);
    assert_eq!(wait_secs(&world, &key("n1")), Some(50));
}

#[test]
fn a_node_that_never_posts_has_a_longer_grace_period() {
    let mut world = world();
    world.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
    assert_eq!(wait_secs(&world, &key("n1")), Some(60));
    world.wait(60);
    let plan = world.plan(&key("n1"));
    let condition = &body(&plan.writes[0])["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("Ready"), &json!("NodeStatusNeverUpdated"))
    );
    assert!(plan.notes.is_empty(), "it was not ready before");
}

#[test]
fn a_node_that_comes_back_loses_the_taints() {
    let mut world = world();
    let mut back = node("n1", "True");
    back["spec"]["taints"] = json!([
        {"key": UNREACHABLE, "effect": "NoSchedule"}, {"key": UNREACHABLE, "effect": "NoExecute"},
        {"key": "mine", "effect": "NoExecute"}]);
    world.put(back);
    assert_eq!(taints(&take_in(&mut world, &key("n1"))), ["mine:NoExecute"]);
    let mut last = node("n1", "True");
    last["spec"]["taints"] = json!([{"key": NOT_READY, "effect": "NoExecute"}]);
    world.put(last);
    assert_eq!(body(&world.plan(&key("n1")).writes[0]), json!({"spec": {"taints": null}}));
}

#[test]
fn conditions_and_cordoning_taint() {
    let mut world = world();
    let mut short = node("n1", "True");
    short["status"]["conditions"][1]["status"] = "True".into();
    short["spec"]["unschedulable"] = true.into();
    world.put(short);
    let expected =
        ["node.kubernetes.io/memory-pressure:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule"];
    assert_eq!(taints(&take_in(&mut world, &key("n1"))), expected);
    assert!(world.plan(&key("n1")).writes.is_empty());
}

#[test]
fn another_kind_of_not_ready_swaps_the_taint_at_once() {
    let mut world = world();
    let mut down = node("n1", "False");
    down["spec"]["taints"] =
        json!([{"key": UNREACHABLE, "effect": "NoSchedule"}, {"key": UNREACHABLE, "effect": "NoExecute"}]);
    world.put(down);
    let tree = take_in(&mut world, &key("n1"));
    assert_eq!(taints(&tree), [format!("{NOT_READY}:NoExecute"), format!("{NOT_READY}:NoSchedule")]);
}

#[test]
fn pods_of_a_node_that_is_down_are_marked_once() {
    let mut world = world();
    world.put(pod("True"));
    world.put(node("n1", "Unknown"));
    let plan = world.plan(&key("n1"));
    assert_eq!(lines(&plan), ["merge nodes/n1", "merge pods/shop/p status"]);
    let condition = &body(&plan.writes[1])["status"]["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Mine")));
    assert_eq!(&*plan.notes[0].reason, "NodeNotReady");
    assert!(world.put(pod("False")).is_empty());
    assert_eq!(lines(&world.plan(&key("n1"))), ["merge nodes/n1"]);
    assert!(world.put(pod("True")).is_empty(), "an agent that insists is not fought");
    assert_eq!(lines(&world.plan(&key("n1"))), ["merge nodes/n1"]);
}

#[test]
fn nodes_are_evicted_one_at_a_time() {
    let mut world = world();
    (0..10).for_each(|at| _ = world.put(node(&format!("up{at}"), "True")));
    for name in ["n1", "n2", "n3"] {
        assert_eq!(world.put(node(name, "Unknown")), [pace(), key(name)]);
    }
    let plan = world.plan(&pace());
    assert_eq!(
        (lines(&plan), plan.again_after),
        (vec!["merge nodes/n1".to_owned()], Some(Duration::from_secs(10)))
    );
    take_in(&mut world, &pace());
    world.wait(9);
    assert_eq!(world.plan(&pace()), Plan::new().again_after(Duration::from_secs(1)));
    world.wait(1);
    assert_eq!(lines(&world.plan(&pace())), ["merge nodes/n2"]);
}

#[test]
fn a_small_zone_that_is_mostly_down_evicts_nothing_and_a_large_one_slowly() {
    for (up, down, expected) in [(2, 3, None), (3, 3, Some(10)), (20, 40, Some(100)), (1, 2, Some(10))] {
        let mut world = world();
        (0..up).for_each(|at| _ = world.put(node(&format!("up{at}"), "True")));
        (0..down).for_each(|at| _ = world.put(node(&format!("down{at:02}"), "Unknown")));
        let plan = world.plan(&pace());
        assert_eq!(plan.writes.len(), usize::from(expected.is_some()), "{up} up, {down} down");
        assert_eq!(plan.again_after.map(|after| after.as_secs()), expected, "{up} up, {down} down");
    }
}

#[test]
fn when_no_node_answers_nothing_is_evicted_and_the_taints_go() {
    let mut world = world();
    let mut tainted = node("n1", "Unknown");
    tainted["spec"]["taints"] =
        json!([{"key": UNREACHABLE, "effect": "NoExecute"}, {"key": "mine", "effect": "NoExecute"}]);
    world.put(tainted);
    world.put(node("n2", "Unknown"));
    assert_eq!(taints(&take_in(&mut world, &pace())), ["mine:NoExecute"]);
    assert!(world.plan(&pace()).writes.is_empty());
    assert_eq!(world.put(node("n2", "True")), [pace(), key("n2")], "one is back: the pace begins anew");
    assert_eq!(lines(&world.plan(&pace())), ["merge nodes/n1"]);
}

#[test]
fn zones_have_their_own_pace() {
    let mut world = world();
    let place = |mut node: Value, zone: &str| {
        node["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone.into();
        node
    };
    world.put(place(node("up", "True"), "a"));
    world.put(place(node("n1", "Unknown"), "a"));
    world.put(place(node("n2", "Unknown"), "b"));
    assert_eq!(lines(&world.plan(&pace())), ["merge nodes/n1", "merge nodes/n2"]);
}
