//! What is decided incrementally is what looking at everything anew would decide, whatever happens; and no node is overfull.

use proptest::prelude::*;

use super::*;
use crate::cluster::{Cluster, Resource};

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
enum Step {
    Node { at: u8, cpu: u8, zone: u8, taint: u8, cordoned: bool },
    NodeGone { at: u8 },
    Pod { at: u8, cpu: u8, zone: u8, priority: u8, shape: u8 },
    PodGone { at: u8 },
    PodEnds { at: u8 },
    Decide { max: u8, refuse: u8, carry_out: bool },
    Wait { secs: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let node = (0..8_u8, 1..6_u8, 0..3_u8, 0..4_u8, prop::bool::weighted(0.1))
        .prop_map(|(at, cpu, zone, taint, cordoned)| Step::Node { at, cpu, zone, taint, cordoned });
    let pod = (0..40_u8, 0..4_u8, 0..5_u8, 0..3_u8, 0..6_u8)
        .prop_map(|(at, cpu, zone, priority, shape)| Step::Pod { at, cpu, zone, priority, shape });
    let decide = (1..12_u8, 0..8_u8, prop::bool::weighted(0.8))
        .prop_map(|(max, refuse, carry_out)| Step::Decide { max, refuse, carry_out });
    prop_oneof![
        3 => node,
        1 => (0..8_u8).prop_map(|at| Step::NodeGone { at }),
        6 => pod,
        2 => (0..40_u8).prop_map(|at| Step::PodGone { at }),
        1 => (0..40_u8).prop_map(|at| Step::PodEnds { at }),
        6 => decide,
        1 => (0..400_u16).prop_map(|secs| Step::Wait { secs }),
    ]
}

fn tree_of_node(at: u8, cpu: u8, zone: u8, taint: u8, cordoned: bool) -> Value {
    let mut tree = node(&format!("n{at}"), &cpu.to_string());
    tree["metadata"]["labels"]["zone"] = json!(zone.to_string());
    tree["spec"] = json!({"unschedulable": cordoned});
    let effect = ["NoSchedule", "PreferNoSchedule"].get(usize::from(taint));
    if let Some(effect) = effect {
        tree["spec"]["taints"] = json!([{"key": "t", "value": "v", "effect": effect}]);
    }
    tree
}

fn tree_of_pod(at: u8, cpu: u8, zone: u8, priority: u8, shape: u8, uid: u64) -> Value {
    let mut tree = pod(&format!("p{at}"), &format!("{}m", u32::from(cpu) * 500));
    tree["metadata"]["uid"] = json!(uid.to_string());
    tree["spec"]["priority"] = json!(priority);
    if zone < 3 {
        tree["spec"]["nodeSelector"] = json!({"zone": zone.to_string()});
    }
    let affinity = &mut tree["spec"]["affinity"]["nodeAffinity"];
    match shape {
        0 => {
            affinity["preferredDuringSchedulingIgnoredDuringExecution"] = json!([{"weight": 7, "preference":
                {"matchExpressions": [{"key": "zone", "operator": "Gt", "values": ["0"]}]}}]);
        }
        1 => tree["spec"]["tolerations"] = json!([{"key": "t", "operator": "Exists"}]),
        2 => tree["spec"]["containers"][0]["ports"] = json!([{"hostPort": 80}]),
        3 => {
            affinity["requiredDuringSchedulingIgnoredDuringExecution"] = json!({"nodeSelectorTerms":
                [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]});
        }
        _ => {}
    }
    tree
}

/// The loads that a cluster has in its columns are the sums over the pods that count on its nodes.
fn assert_sound(cluster: &Cluster) {
    for node in cluster.nodes() {
        let sum: i64 = node.pods().map(|pod| pod.spec().requests.amounts.milli_cpu).sum();
        assert_eq!(node.requested(Resource::CPU), sum, "{}", node.name());
        assert_eq!(node.pod_count(), i64::try_from(node.pods().count()).unwrap());
    }
}

impl World {
    fn take(&mut self, step: &Step) -> Vec<Decision> {
        let pod_key = |at: u8| Key::new(kind::PODS, "ns", format!("p{at}"));
        match *step {
            Step::Node { at, cpu, zone, taint, cordoned } => {
                self.put(kind::NODES, tree_of_node(at, cpu, zone, taint, cordoned));
            }
            Step::NodeGone { at } => self.delete(&Key::cluster(kind::NODES, format!("n{at}"))),
            Step::Pod { at, cpu, zone, priority, shape } => {
                if !self.objects.contains_key(&pod_key(at)) {
                    self.put(kind::PODS, tree_of_pod(at, cpu, zone, priority, shape, self.revision));
                }
            }
            Step::PodGone { at } => self.delete(&pod_key(at)),
            Step::PodEnds { at } => {
                if self.objects.contains_key(&pod_key(at)) {
                    self.edit(&pod_key(at), |tree| tree["status"] = json!({"phase": "Failed"}));
                }
            }
            Step::Wait { secs } => self.wait(i64::from(secs)),
            Step::Decide { max, refuse, carry_out } => {
                let mut decisions = Vec::new();
                self.scheduler.decide(self.now, usize::from(max), &mut decisions);
                for (at, decision) in decisions.iter().enumerate() {
                    if at == usize::from(refuse) {
                        self.tell(decision, refused());
                    } else if carry_out {
                        self.carry_out(decision);
                    } else if !matches!(decision.verdict, Verdict::Bind { .. }) {
                        self.tell(decision, Outcome::Done);
                    }
                }
                return decisions;
            }
        }
        Vec::new()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_index_agrees_with_the_reference(steps in prop::collection::vec(step(), 1..120)) {
        let mut incremental = World::new();
        let mut anew = World::of(reference());
        for (at, step) in steps.iter().enumerate() {
            let (one, other) = (incremental.take(step), anew.take(step));
            prop_assert_eq!(one, other, "step {}", at);
            assert_sound(incremental.scheduler.cluster());
            prop_assert_eq!(incremental.scheduler.next_wake(), anew.scheduler.next_wake());
        }
    }
}

/// What fits is never more than there is, and every pod that could be placed was.
#[test]
fn equal_pods_fill_the_cluster_exactly() {
    let mut world = World::new();
    (0..10).for_each(|at| drop(world.node(&format!("n{at}"), "4")));
    (0..50).for_each(|at| drop(world.pod(&format!("p{at}"), "1")));
    assert_eq!(world.run().len(), 40);
    assert!(world.scheduler.cluster().nodes().all(|node| node.requested(Resource::CPU) == 4000));
}
