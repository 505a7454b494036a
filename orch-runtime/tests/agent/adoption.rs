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

/// Loses every sandbox, as a machine that boots does.
async fn lose_all(world: &World) {
    for sandbox in world.runtime.state().await.unwrap() {
        world.runtime.remove_pod(&sandbox.id).await.unwrap();
    }
}

/// A pod with an init container and a sidecar whose sandbox is lost, with or without an agent that looks.
fn initialized_again(is_watched: bool) {
    with_node(async move |mut world: World| {
        let spec = json!({
            "initContainers": [
                {"name": "first", "image": "exit:1", "args": ["0", "5"]},
                {"name": "side", "image": "pause:1", "restartPolicy": "Always"},
                {"name": "second", "image": "exit:1", "args": ["0", "5"]}],
            "containers": [{"name": "c", "image": "server:1", "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1}}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        if is_watched {
            lose_all(&world).await;
        } else {
            world.crash_agent();
            lose_all(&world).await;
            world.start_agent();
        }
        let name = |status: &serde_json::Value, list: &str, at: usize| {
            (status[list][at]["restartCount"].as_u64().unwrap(), status[list][at]["ready"] == true)
        };
        // While init containers run, the others wait.
        let status = world.until(&pod, |status| name(status, "initContainerStatuses", 0) == (1, false)).await;
        assert_eq!(name(&status, "containerStatuses", 0), (0, false), "{status:#}");
        assert_eq!(status["phase"], "Pending");
        let status = world.until(&pod, |status| name(status, "initContainerStatuses", 2) == (1, false)).await;
        assert_eq!(name(&status, "initContainerStatuses", 0), (1, true));
        assert_eq!(name(&status, "initContainerStatuses", 1), (1, true));
        assert_eq!(name(&status, "containerStatuses", 0), (0, false), "{status:#}");
        let status = world.until_ready(&pod).await;
        assert_eq!(name(&status, "containerStatuses", 0), (1, true));
        assert!(world.has_event("web", "SandboxChanged: ").await);
        world.secs(600).await;
        let later = world.status(&pod).await;
        assert_eq!(later["initContainerStatuses"], status["initContainerStatuses"], "once for each sandbox");
        assert_eq!(later["containerStatuses"], status["containerStatuses"]);
    });
}

#[test]
fn a_pod_whose_sandbox_is_lost_is_initialized_again() {
    initialized_again(false);
    initialized_again(true);
}

#[test]
fn a_pod_that_does_not_restart_is_not_initialized_again() {
    with_node(|mut world| async move {
        let spec = |args: [&str; 2]| {
            json!({"restartPolicy": "Never", "initContainers": [{"name": "i", "image": "exit:1", "args": ["0"]}],
            "containers": [{"name": "c", "image": "exit:1", "args": args}]})
        };
        let (done, runs) =
            (world.pod("done", spec(["0", "1"])).await, world.pod("runs", spec(["0", "999"])).await);
        world.until_phase(&done, "Succeeded").await;
        let initialized = |status: &serde_json::Value| status["containerStatuses"][0]["started"] == true;
        world.until(&runs, initialized).await;
        world.crash_agent();
        lose_all(&world).await;
        world.start_agent();
        world.until_phase(&runs, "Failed").await;
        world.secs(60).await;
        for (pod, phase) in [(done, "Succeeded"), (runs, "Failed")] {
            let status = world.status(&pod).await;
            assert_eq!(status["phase"], phase);
            assert_eq!(status["initContainerStatuses"][0]["restartCount"], 0);
            assert_eq!(status["initContainerStatuses"][0]["ready"], true);
        }
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
