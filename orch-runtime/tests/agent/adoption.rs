//! Agents that crash and start again on the same runtime and Api.

use std::time::Duration;

use orch_core::{ApiExt, Key, Write, kind, sim};
use serde_json::json;

use crate::world::{World, condition, with_node};

#[test]
fn a_new_agent_takes_over_what_runs() {
    with_node(|mut world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "server:1",
            "readinessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 5, "periodSeconds": 5}}]});
        let pod = world.pod("web", spec).await;
        let before = world.until_ready(&pod).await;
        world.crash_agent();
        world.secs(30).await;
        world.start_agent();
        world.secs(1).await;
        let after = world.status(&pod).await;
        assert_eq!(condition(&after, "Ready")["status"], "True", "a ready container stays ready");
        world.secs(60).await;
        let after = world.status(&pod).await;
        assert_eq!(after["containerStatuses"], before["containerStatuses"]);
        assert_eq!(after["podIP"], before["podIP"]);
        world.delete(&pod).await;
        world.until_gone(&pod).await;
    });
}

#[test]
fn what_ended_while_no_agent_looked_is_reported() {
    with_node(|mut world| async move {
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "exit:1", "args": ["7", "60"]}]});
        let pod = world.pod("job", spec).await;
        world.until_phase(&pod, "Running").await;
        world.crash_agent();
        world.secs(100).await;
        world.start_agent();
        let status = world.until_phase(&pod, "Failed").await;
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 7);
    });
}

#[test]
fn what_belongs_to_no_pod_any_more_is_removed() {
    with_node(|mut world| async move {
        let spec = json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "c", "image": "stubborn:1"}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        world.crash_agent();
        world.api.one(Write::delete(pod).grace(0)).await.unwrap();
        world.secs(1).await;
        assert_eq!(world.runtime.state().await.unwrap().len(), 1);
        world.start_agent();
        world.secs(5).await;
        assert!(world.runtime.state().await.unwrap().is_empty());
        assert_eq!(std::fs::read_dir(world.dir.path().join("kubelet/pods")).unwrap().count(), 0);
    });
}

#[test]
fn a_container_that_vanished_is_started_again_or_has_failed() {
    with_node(|mut world| async move {
        let spec = |policy: &str| json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "pause:1"}]});
        let keeps = world.pod("keeps", spec("Always")).await;
        let fails = world.pod("fails", spec("Never")).await;
        world.until_ready(&keeps).await;
        world.until_ready(&fails).await;
        world.crash_agent();
        for sandbox in world.runtime.state().await.unwrap() {
            world.runtime.remove_pod(&sandbox.id).await.unwrap();
        }
        world.start_agent();
        let status = world.until(&keeps, |status| status["containerStatuses"][0]["restartCount"] == 1).await;
        assert_eq!(
            status["containerStatuses"][0]["lastState"]["terminated"]["reason"],
            "ContainerStatusUnknown"
        );
        let status = world.until_phase(&fails, "Failed").await;
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
    });
}

/// A pod with all that takes steps, and an agent that crashes again and again while it starts and ends.
fn crashing(seed: u64) {
    sim::run(seed, |env| async move {
        let mut world = World::new(&env).await;
        let crash = async |world: &mut World| {
            for _ in 0..6 {
                world.start_agent();
                let pause = world.env.below(40);
                world.env.sleep(Duration::from_micros(pause * pause * pause * 20)).await;
                world.crash_agent();
            }
            world.start_agent();
        };
        world
            .create(json!({"kind": "ConfigMap", "metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "1"}}))
            .await;
        let spec = json!({
            "volumes": [{"name": "v", "configMap": {"name": "cfg"}}],
            "initContainers": [{"name": "i", "image": "exit:1", "args": ["0", "1"]}],
            "containers": [{"name": "c", "image": "server:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "envFrom": [{"configMapRef": {"name": "cfg"}}],
                "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1}}]});
        let pod: Key = world.pod("web", spec).await;
        crash(&mut world).await;
        world.until_ready(&pod).await;
        world.crash_agent();
        world.delete(&pod).await;
        crash(&mut world).await;
        world.until_gone(&pod).await;
        world.secs(10).await;
        assert!(world.runtime.state().await.unwrap().is_empty(), "nothing is left in the runtime");
        assert!(world.read(&Key::cluster(kind::NODES, "n1")).await.is_some());
    });
}

#[test]
fn an_agent_that_crashes_at_any_point_converges() {
    (0..40).for_each(crashing);
}
