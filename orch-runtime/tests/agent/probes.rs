//! Probes of every kind and what follows from them.

use serde_json::{Value, json};

use crate::world::{condition, get, with_node};

#[test]
fn readiness_follows_the_server() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "server:1",
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 2, "failureThreshold": 2}}]});
        let pod = world.pod("web", spec).await;
        let status = world.until_phase(&pod, "Running").await;
        assert_eq!(condition(&status, "Ready")["reason"], "ContainersNotReady");
        let status = world.until_ready(&pod).await;
        assert!(world.has_event("web", "Unhealthy: Readiness probe failed: Get \"http://").await);
        get(&world, &status, "/fail").await;
        let status = world.until(&pod, |status| condition(status, "Ready")["status"] == "False").await;
        assert_eq!(status["containerStatuses"][0]["restartCount"], 0, "readiness restarts nothing");
        assert!(
            world
                .has_event("web", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500")
                .await
        );
        get(&world, &status, "/heal").await;
        world.until_ready(&pod).await;
    });
}

#[test]
fn liveness_restarts_the_container() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "server:1",
            "livenessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 3, "periodSeconds": 5}}]});
        let pod = world.pod("web", spec).await;
        let status = world.until_ready(&pod).await;
        world.secs(60).await;
        assert_eq!(world.status(&pod).await["containerStatuses"][0]["restartCount"], 0);
        get(&world, &status, "/fail").await;
        let status = world.until(&pod, |status| status["containerStatuses"][0]["restartCount"] == 1).await;
        assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 0);
        assert!(
            world.has_event("web", "Killing: Container c failed liveness probe, will be restarted").await
        );
        world.secs(60).await;
        assert_eq!(
            world.status(&pod).await["containerStatuses"][0]["restartCount"],
            1,
            "a new container is judged anew"
        );
    });
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "server:1",
            "startupProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 10, "periodSeconds": 5},
            "livenessProbe": {"tcpSocket": {"port": 81}, "failureThreshold": 1, "initialDelaySeconds": 30},
            "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 30}}]});
        let pod = world.pod("web", spec).await;
        let started = |status: &Value| status["containerStatuses"][0]["started"] == true;
        world.secs(9).await;
        assert!(!started(&world.status(&pod).await));
        assert!(!world.has_event("web", "Unhealthy").await, "nothing else is asked before the startup");
        let status = world.until_ready(&pod).await;
        assert!(started(&status));
        assert!(world.env.elapsed().as_secs() < 20, "the readiness probe comes right after the startup");
        world.until(&pod, |status| status["containerStatuses"][0]["restartCount"] == 1).await;
    });
}

#[test]
fn a_startup_that_never_comes_restarts() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "pause:1",
            "startupProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1, "failureThreshold": 3}}]});
        let pod = world.pod("web", spec).await;
        world.until(&pod, |status| status["containerStatuses"][0]["restartCount"] == 1).await;
        assert!(world.has_event("web", "Killing: Container c failed startup probe, will be restarted").await);
        assert!(world.has_event("web", "Unhealthy: Startup probe failed: dial tcp").await);
    });
}

#[test]
fn commands_are_probes_too() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "server:1",
            "readinessProbe": {"exec": {"command": ["healthy"]}, "periodSeconds": 1}}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        let spec = json!({"containers": [{"name": "c", "image": "pause:1",
            "readinessProbe": {"exec": {"command": ["/nonsense"]}, "periodSeconds": 1}}]});
        let pod = world.pod("bad", spec).await;
        world.secs(10).await;
        assert_eq!(condition(&world.status(&pod).await, "Ready")["status"], "False");
        assert!(world.has_event("bad", "Unhealthy: Readiness probe").await);
    });
}

#[test]
fn readiness_gates_of_others_are_kept_and_heeded() {
    with_node(|world| async move {
        let spec = json!({"readinessGates": [{"conditionType": "example.com/warm"}],
            "containers": [{"name": "c", "image": "pause:1"}]});
        let pod = world.pod("web", spec).await;
        let status =
            world.until(&pod, |status| condition(status, "ContainersReady")["status"] == "True").await;
        assert_eq!(condition(&status, "Ready")["reason"], "ReadinessGatesNotReady");
        let mut conditions = status["conditions"].as_array().unwrap().clone();
        conditions.push(json!({"type": "example.com/warm", "status": "True"}));
        let write =
            orch_core::Write::merge_status(pod.clone(), json!({"status": {"conditions": conditions}}));
        world.api.write(vec![write]).await.pop().unwrap().unwrap();
        let status = world.until_ready(&pod).await;
        assert_eq!(condition(&status, "example.com/warm")["status"], "True");
    });
}
