//! The agent on the simulated runtime: annotations become statuses, and after any chaos it converges.

use std::sync::Arc;
use std::time::Duration;

use orch_core::{Key, sim};
use orch_runtime::simulated::{Faults, Profile, SimulatedRuntime};
use serde_json::{Value, json};

use crate::world::{World, condition};

fn with_simulation<F, Fut>(seed: u64, profile: Profile, body: F)
where
    F: FnOnce(World, Arc<SimulatedRuntime>) -> Fut,
    Fut: Future<Output = ()>,
{
    sim::run(seed, |env| async move {
        let mut world = World::new(&env).await;
        let builder = SimulatedRuntime::builder(&env, world.network.clone());
        let runtime = Arc::new(builder.defaults(profile).build());
        world.runtime = runtime.clone();
        world.start_agent();
        body(world, runtime).await;
    });
}

async fn annotated(world: &World, name: &str, annotations: Value, spec: Value) -> Key {
    let mut tree = json!({"kind": "Pod", "metadata": {"name": name, "namespace": "default", "annotations": annotations}});
    tree["spec"] = spec;
    tree["spec"]["nodeName"] = "n1".into();
    world.create(tree).await.key().clone()
}

#[test]
fn a_pod_is_ready_when_its_annotation_says() {
    with_simulation(7, Profile::default(), |world, _| async move {
        let spec = json!({"containers": [{"name": "main", "image": "any/image",
            "ports": [{"containerPort": 8080, "name": "http"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}}]});
        let pod = annotated(&world, "web", json!({"sim.orch.local/ready-after": "20s"}), spec).await;
        world.until_phase(&pod, "Running").await;
        let before = world.env.elapsed();
        let status = world.until_ready(&pod).await;
        let took = world.env.elapsed() - before;
        assert!((Duration::from_secs(18)..Duration::from_secs(22)).contains(&took), "{took:?}");
        let id = status["containerStatuses"][0]["containerID"].as_str().unwrap();
        assert!(id.starts_with("simulated://"), "{id}");
        assert!(
            world
                .has_event("web", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503")
                .await
        );
    });
}

#[test]
fn what_annotations_say_is_in_the_status() {
    with_simulation(7, Profile::default(), |world, _| async move {
        let spec =
            || json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "any/image"}]});
        let annotations = json!({"sim.orch.local/runs-for": "5s", "sim.orch.local/exit-code.main": "137"});
        let killed = annotated(&world, "killed", annotations, spec()).await;
        let status = world.until_phase(&killed, "Failed").await;
        let terminated = &status["containerStatuses"][0]["state"]["terminated"];
        assert_eq!((&terminated["exitCode"], &terminated["reason"]), (&json!(137), &json!("OOMKilled")));
        let wrong = annotated(&world, "wrong", json!({"sim.orch.local/hangs": "maybe"}), spec()).await;
        let status = world.until(&wrong, |status| waiting(status, "CreateContainerError")).await;
        let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
        assert!(
            message.contains("sim.orch.local/hangs") && message.contains("write a probability"),
            "{message}"
        );
        let far = annotated(&world, "far", json!({"sim.orch.local/pull-fails": "1"}), spec()).await;
        world.until(&far, |status| waiting(status, "ErrImagePull")).await;
    });
}

fn waiting(status: &Value, reason: &str) -> bool {
    status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
}

/// Chaos for ten minutes, then the runtime is healed: every pod that can be ready is.
fn converges(seed: u64) {
    let secs = Duration::from_secs;
    let profile = Profile::default()
        .start_latency(secs(0)..secs(5))
        .start_fails(0.2)
        .pull_fails(0.2)
        .runs_for(secs(10)..secs(300))
        .exit_codes([1, 134, 137])
        .stop_latency(secs(0)..secs(5))
        .ignores_stop(0.2)
        .ready_after(secs(0)..secs(10))
        .probe_fails(0.1)
        .hangs(0.1);
    with_simulation(seed, profile, |world, runtime| async move {
        runtime.set_faults(
            Faults::default()
                .fails_before(0.1)
                .fails_after(0.1)
                .loses_events(0.3)
                .latency(Duration::ZERO..Duration::from_millis(500)),
        );
        let spec = json!({"initContainers": [{"name": "i", "image": "init"}], "containers": [
            {"name": "web", "image": "any/image", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
                "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5}},
            {"name": "side", "image": "side", "livenessProbe": {"tcpSocket": {"port": 80}}}]});
        let init = json!({"sim.orch.local/exit-code.i": "0", "sim.orch.local/runs-for.i": "1s..9s"});
        let mut pods = Vec::new();
        for number in 0..5 {
            pods.push(annotated(&world, &format!("web-{number}"), init.clone(), spec.clone()).await);
            world.secs(60).await;
            for container in runtime.containers() {
                match world.env.below(4) {
                    0 => _ = runtime.exit(&container.id, 3),
                    1 => _ = runtime.set_hanging(&container.id, true),
                    _ => {}
                }
            }
        }
        world.delete(&pods[0]).await;
        world.secs(300).await;
        runtime.heal();
        world.until_gone(&pods[0]).await;
        for pod in &pods[1..] {
            world.until_ready(pod).await;
        }
        world.secs(600).await;
        for pod in &pods[1..] {
            assert_eq!(condition(&world.status(pod).await, "Ready")["status"], "True", "seed {seed}: {pod}");
        }
        let pods_left: std::collections::BTreeSet<_> =
            runtime.containers().iter().map(|container| container.pod().name.to_string()).collect();
        assert_eq!(pods_left.len(), 4, "seed {seed}: what was deleted runs no more");
        for pod in &pods[1..] {
            world.delete(pod).await;
            world.until_gone(pod).await;
        }
        world.secs(120).await;
        let left = orch_core::runtime::Runtime::state(&*runtime).await.unwrap();
        assert!(left.is_empty(), "seed {seed}: {left:?}");
    });
}

#[test]
fn an_agent_converges_when_a_simulated_runtime_is_healed() {
    (0..5).for_each(converges);
}
