//! Starting containers: order, images, configuration, restarts.

use orch_core::Key;
use serde_json::{Value, json};

use crate::world::{World, condition, with_node};

#[test]
fn a_pod_runs_and_says_so() {
    with_node(|world| async move {
        let pod = world.pod("web", json!({"containers": [{"name": "c", "image": "pause:1"}]})).await;
        let status = world.until_ready(&pod).await;
        assert_eq!(status["phase"], "Running");
        assert_eq!(status["qosClass"], "BestEffort");
        assert_eq!(status["podIPs"][0]["ip"], status["podIP"]);
        assert!(status["hostIP"].is_string() && status["startTime"].is_string());
        for name in ["PodReadyToStartContainers", "Initialized", "ContainersReady", "PodScheduled"] {
            assert_eq!(condition(&status, name)["status"], "True", "{name}");
        }
        let container = &status["containerStatuses"][0];
        assert!(container["containerID"].as_str().unwrap().starts_with("task://"));
        assert_eq!((&container["restartCount"], &container["started"]), (&json!(0), &json!(true)));
        let events = world.events("web").await;
        let reasons: Vec<_> = events.iter().map(|event| event.split(':').next().unwrap()).collect();
        assert_eq!(reasons, ["Pulling", "Pulled", "Created", "Started"]);
    });
}

#[test]
fn init_containers_run_in_order_before_the_others() {
    with_node(|world| async move {
        let spec = json!({
            "initContainers": [
                {"name": "one", "image": "exit:1", "args": ["0", "5"]},
                {"name": "side", "image": "pause:1", "restartPolicy": "Always"},
                {"name": "two", "image": "exit:1", "args": ["0", "5"]}],
            "containers": [{"name": "c", "image": "pause:1"}]});
        let pod = world.pod("web", spec).await;
        let running =
            |status: &Value, at: usize| status["initContainerStatuses"][at]["state"].get("running").is_some();
        let status = world.until(&pod, |status| running(status, 0)).await;
        assert_eq!(status["phase"], "Pending");
        assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
        let message = condition(&status, "Initialized")["message"].clone();
        assert_eq!(message, "containers with incomplete status: [one side two]");
        let status = world.until(&pod, |status| running(status, 2)).await;
        assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
        assert!(running(&status, 1), "a sidecar runs on");
        let status = world.until_ready(&pod).await;
        assert!(running(&status, 1) && !running(&status, 2));
    });
}

#[test]
fn a_crashing_container_waits_longer_each_time() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "exit:1", "args": ["3"]}]});
        let pod = world.pod("web", spec).await;
        let message = |status: &Value| {
            status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap_or("").to_owned()
        };
        let mut seen = Vec::new();
        for wait in ["10s", "20s", "40s", "1m20s"] {
            let start = format!("back-off {wait} restarting failed container=c pod=web_default(");
            let status = world.until(&pod, |status| message(status).starts_with(&start)).await;
            assert_eq!(status["phase"], "Running");
            assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "CrashLoopBackOff");
            assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 3);
            seen.push(status["containerStatuses"][0]["restartCount"].as_u64().unwrap());
        }
        assert_eq!(seen, [1, 2, 3, 4]);
        assert!(
            world
                .has_event("web", "BackOff: Back-off restarting failed container c in pod web_default(")
                .await
        );
        let containers = world.runtime.state().await.unwrap()[0].containers.len();
        assert_eq!(containers, 2, "of the dead ones only the last is kept");
    });
}

#[test]
fn a_job_that_succeeds_ends_and_keeps_its_log() {
    with_node(|world| async move {
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "exit:1", "args": ["0", "3"]}]});
        let pod = world.pod("job", spec).await;
        let status = world.until_phase(&pod, "Succeeded").await;
        assert_eq!(condition(&status, "Ready")["reason"], "PodCompleted");
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
        world.secs(60).await;
        assert_eq!(world.log(&pod, "c").await, ["exits with 0"]);
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        world.secs(1).await;
        assert!(world.runtime.state().await.unwrap().is_empty());
    });
}

#[test]
fn restart_policies_decide_the_end() {
    with_node(|world| async move {
        let run = async |name: &str, policy: &str, code: &str| {
            let spec = json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "exit:1", "args": [code]}]});
            world.pod(name, spec).await
        };
        let failed = run("a", "Never", "2").await;
        let done = run("b", "OnFailure", "0").await;
        let retried = run("d", "OnFailure", "1").await;
        world.until_phase(&failed, "Failed").await;
        world.until_phase(&done, "Succeeded").await;
        let status =
            world.until(&retried, |status| status["containerStatuses"][0]["restartCount"] == 2).await;
        assert_eq!(status["phase"], "Running");
    });
}

#[test]
fn an_init_container_that_fails_for_good_fails_the_pod() {
    with_node(|world| async move {
        let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "i", "image": "exit:1", "args": ["1"]}],
            "containers": [{"name": "c", "image": "pause:1"}]});
        let pod = world.pod("web", spec).await;
        let status = world.until_phase(&pod, "Failed").await;
        assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    });
}

#[test]
fn an_image_that_is_not_there_is_asked_for_again() {
    with_node(|world| async move {
        let pod = world.pod("web", json!({"containers": [{"name": "c", "image": "later:1"}]})).await;
        let reason = |status: &Value| status["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
        world.until(&pod, |status| reason(status) == "ErrImagePull").await;
        let status = world.until(&pod, |status| reason(status) == "ImagePullBackOff").await;
        let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
        assert!(message.starts_with("Back-off pulling image \"later:1\": ErrImagePull: "), "{message}");
        world
            .images
            .register(
                "later:1",
                |context: orch_runtime::task::Context| async move { context.stopped().await },
            )
            .unwrap();
        world.until_ready(&pod).await;
        assert!(world.has_event("web", "Failed: Error: ErrImagePull").await);
        let never = json!({"containers": [{"name": "c", "image": "nope:1", "imagePullPolicy": "Never"}]});
        let pod = world.pod("never", never).await;
        world.until(&pod, |status| reason(status) == "ErrImageNeverPull").await;
    });
}

async fn settings(world: &World) -> Key {
    let tree = json!({"kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"COLOR": "red"}});
    world.create(tree).await.key().clone()
}

#[test]
fn a_missing_config_is_awaited() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "print:1", "args": ["$(COLOR)", "$$(COLOR)", "$(IP)"],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}]});
        let pod = world.pod("web", spec).await;
        let waiting = |status: &Value| status["containerStatuses"][0]["state"]["waiting"].clone();
        let status =
            world.until(&pod, |status| waiting(status)["reason"] == "CreateContainerConfigError").await;
        assert_eq!(waiting(&status)["message"], "configmap \"settings\" not found");
        settings(&world).await;
        let before = world.env.elapsed();
        let status = world.until_ready(&pod).await;
        assert!((world.env.elapsed() - before).as_secs() < 2, "it does not wait for the next try");
        let ip = status["podIP"].as_str().unwrap();
        let log = world.log(&pod, "c").await;
        assert!(log.contains(&"COLOR=red".to_owned()), "{log:?}");
        assert!(log.contains(&format!("args=red,$(COLOR),{ip}")), "{log:?}");
    });
}

#[test]
fn a_pod_that_does_not_fit_is_refused() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "pause:1", "resources": {"requests": {"cpu": "3"}}}]});
        let one = world.pod("one", spec.clone()).await;
        world.until_ready(&one).await;
        let two = world.pod("two", spec.clone()).await;
        let status = world.until_phase(&two, "Failed").await;
        assert_eq!(status["reason"], "OutOfcpu");
        assert_eq!(
            status["message"],
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 3000, capacity: 4000"
        );
        assert!(world.has_event("two", "OutOfcpu: Node didn't have enough resource").await);
        world.delete(&two).await;
        world.until_gone(&two).await;
        world.delete(&one).await;
        world.until_gone(&one).await;
        let three = world.pod("three", spec).await;
        world.until_ready(&three).await;
    });
}

#[test]
fn a_new_image_replaces_the_container() {
    with_node(|world| async move {
        let pod = world.pod("web", json!({"containers": [{"name": "c", "image": "pause:1"}]})).await;
        world.until_ready(&pod).await;
        world.patch(&pod, json!({"spec": {"containers": [{"name": "c", "image": "print:1"}]}})).await;
        let status = world.until(&pod, |status| status["containerStatuses"][0]["image"] == "print:1").await;
        assert_eq!(status["containerStatuses"][0]["restartCount"], 1);
        assert!(world.has_event("web", "Killing: Container c definition changed, will be restarted").await);
    });
}

#[test]
fn a_host_network_pod_has_the_address_of_its_node() {
    with_node(|world| async move {
        let pod = world
            .pod("web", json!({"hostNetwork": true, "containers": [{"name": "c", "image": "pause:1"}]}))
            .await;
        let status = world.until_ready(&pod).await;
        assert_eq!(status["podIP"], status["hostIP"]);
    });
}

#[test]
fn services_of_the_namespace_are_in_the_environment_unless_the_pod_does_not_want_them() {
    with_node(|world| async move {
        let service = json!({"kind": "Service", "metadata": {"name": "db", "namespace": "default"},
            "spec": {"ports": [{"name": "sql", "port": 5432}], "selector": {"app": "db"}}});
        let service = world.create(service).await;
        let ip = service.tree()["spec"]["clusterIP"].as_str().unwrap().to_owned();
        let container = json!([{"name": "c", "image": "print:1", "args": ["$(DB_SERVICE_HOST)"]}]);
        let pod = world.pod("web", json!({"containers": container})).await;
        world.until_ready(&pod).await;
        let log = world.log(&pod, "c").await;
        assert!(log.contains(&"DB_SERVICE_PORT_SQL=5432".to_owned()), "{log:?}");
        assert!(log.contains(&format!("args={ip}")), "{log:?}");
        let pod = world.pod("no", json!({"enableServiceLinks": false, "containers": container})).await;
        world.until_ready(&pod).await;
        assert_eq!(world.log(&pod, "c").await.last().unwrap(), "args=$(DB_SERVICE_HOST)");
    });
}
