//! How pods end: grace, hooks, order, deadlines, force.

use std::time::Duration;

use orch_core::{ApiExt, Write};
use serde_json::{Value, json};

use crate::world::{get, with_node};

#[test]
fn a_deleted_pod_ends_in_peace_and_is_gone() {
    with_node(|world| async move {
        let pod = world.pod("web", json!({"containers": [{"name": "c", "image": "pause:1"}]})).await;
        world.until_ready(&pod).await;
        let before = world.env.elapsed();
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        assert!(world.env.elapsed() - before < Duration::from_secs(2));
        assert!(world.runtime.state().await.unwrap().is_empty());
        assert!(world.has_event("web", "Killing: Stopping container c").await);
    });
}

#[test]
fn a_stubborn_container_is_killed_after_the_grace() {
    with_node(|world| async move {
        let spec = json!({"terminationGracePeriodSeconds": 20, "containers": [{"name": "c", "image": "stubborn:1"}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        let before = world.env.elapsed();
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        let took = (world.env.elapsed() - before).as_secs();
        assert!((20..23).contains(&took), "{took}");
    });
}

#[test]
fn a_forced_deletion_kills_at_once() {
    with_node(|world| async move {
        let spec = json!({"terminationGracePeriodSeconds": 600, "containers": [{"name": "c", "image": "stubborn:1"}]});
        let pod = world.pod("web", spec.clone()).await;
        world.until_ready(&pod).await;
        world.api.one(Write::delete(pod.clone()).grace(0)).await.unwrap();
        world.secs(5).await;
        assert!(world.runtime.state().await.unwrap().is_empty());
        // Hurried later.
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        world.delete(&pod).await;
        world.secs(30).await;
        assert!(world.read(&pod).await.is_some());
        world.api.one(Write::delete(pod.clone()).grace(1)).await.unwrap();
        world.secs(6).await;
        assert!(world.read(&pod).await.is_none(), "a shorter grace hurries a stop that is under way");
    });
}

#[test]
fn a_pre_stop_hook_counts_in_the_grace() {
    with_node(|world| async move {
        let spec = |seconds: u32| {
            json!({"terminationGracePeriodSeconds": 10, "containers": [
            {"name": "c", "image": "stubborn:1", "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}]})
        };
        for (name, sleep, least, most) in [("short", 4, 10, 12), ("long", 10, 11, 14)] {
            let pod = world.pod(name, spec(sleep)).await;
            world.until_ready(&pod).await;
            let before = world.env.elapsed();
            world.delete(&pod).await;
            world.until_gone(&pod).await;
            let took = (world.env.elapsed() - before).as_secs();
            assert!((least..=most).contains(&took), "{name}: {took}");
        }
    });
}

#[test]
fn sidecars_end_last_and_in_reverse() {
    with_node(|world| async move {
        let spec = json!({"terminationGracePeriodSeconds": 60,
            "initContainers": [
                {"name": "s1", "image": "pause:1", "restartPolicy": "Always"},
                {"name": "s2", "image": "pause:1", "restartPolicy": "Always"}],
            "containers": [{"name": "c", "image": "pause:1", "lifecycle": {"preStop": {"sleep": {"seconds": 7}}}}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        world.delete(&pod).await;
        world.secs(5).await;
        let running =
            |status: &Value, list: &str, at: usize| status[list][at]["state"].get("running").is_some();
        let status = world.status(&pod).await;
        assert!(running(&status, "initContainerStatuses", 0) && running(&status, "initContainerStatuses", 1));
        world.until_gone(&pod).await;
        let events = world.events("web").await;
        let killed: Vec<_> = events.iter().filter(|event| event.starts_with("Killing")).collect();
        assert_eq!(killed.len(), 3, "{events:?}");
    });
}

#[test]
fn a_job_with_a_sidecar_succeeds() {
    with_node(|world| async move {
        let spec = json!({"restartPolicy": "Never",
            "initContainers": [{"name": "s", "image": "stubborn:1", "restartPolicy": "Always"}],
            "containers": [{"name": "c", "image": "exit:1", "args": ["0", "2"]}]});
        let pod = world.pod("job", spec).await;
        let status = world.until_phase(&pod, "Succeeded").await;
        assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
    });
}

#[test]
fn a_deadline_fails_the_pod() {
    with_node(|world| async move {
        let spec = json!({"activeDeadlineSeconds": 30, "containers": [{"name": "c", "image": "pause:1"}]});
        let pod = world.pod("web", spec).await;
        let status = world.until_phase(&pod, "Failed").await;
        assert_eq!(status["reason"], "DeadlineExceeded");
        assert_eq!(status["message"], "Pod was active on the node longer than the specified deadline");
        assert!(status["containerStatuses"][0]["state"].get("terminated").is_some());
        assert!((30..33).contains(&world.env.elapsed().as_secs()));
    });
}

#[test]
fn a_pod_deleted_before_it_could_start_is_gone() {
    with_node(|world| async move {
        let spec = json!({"containers": [{"name": "c", "image": "none:1"}], "volumes": [
            {"name": "v", "configMap": {"name": "none"}}]});
        let pod = world.pod("web", spec).await;
        world.secs(3).await;
        world.delete(&pod).await;
        world.until_gone(&pod).await;
    });
}

#[test]
fn a_post_start_hook_holds_the_container_back() {
    with_node(|world| async move {
        let spec = json!({"containers": [
            {"name": "a", "image": "pause:1", "lifecycle": {"postStart": {"sleep": {"seconds": 5}}}},
            {"name": "b", "image": "pause:1"}]});
        let pod = world.pod("web", spec).await;
        world.secs(3).await;
        let status = world.status(&pod).await;
        assert_eq!(status["phase"], "Pending");
        assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
        assert_eq!(
            status["containerStatuses"][1]["containerID"],
            Value::Null,
            "the next one waits for the hook"
        );
        world.until_ready(&pod).await;
        let spec = json!({"containers": [
            {"name": "a", "image": "pause:1", "lifecycle": {"postStart": {"exec": {"command": ["/nonsense"]}}}}]});
        let pod = world.pod("bad", spec).await;
        world.until(&pod, |status| status["containerStatuses"][0]["restartCount"] == 1).await;
        assert!(world.has_event("bad", "FailedPostStartHook: PostStartHook failed").await);
    });
}

#[test]
fn the_last_words_come_from_the_log_when_the_pod_asks_for_it() {
    with_node(|world| async move {
        let spec = json!({"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "exit:1", "args": ["4"], "terminationMessagePolicy": "FallbackToLogsOnError"}]});
        let pod = world.pod("web", spec).await;
        let status = world
            .until(&pod, |status| {
                status["containerStatuses"][0]["state"]["terminated"]["message"].is_string()
            })
            .await;
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["message"], "exits with 4\n");
    });
}

#[test]
fn a_hook_over_http_reaches_the_pod() {
    with_node(|world| async move {
        let spec = json!({"terminationGracePeriodSeconds": 30, "containers": [{"name": "c", "image": "server:1",
            "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
            "lifecycle": {"preStop": {"httpGet": {"path": "/fail", "port": 80}}}}]});
        let pod = world.pod("web", spec).await;
        let status = world.until_ready(&pod).await;
        get(&world, &status, "/").await;
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        assert!(!world.has_event("web", "FailedPreStopHook").await);
    });
}
