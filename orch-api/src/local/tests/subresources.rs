//! Subresources of pods: containers that are added, resources that change.

use super::*;

async fn running(api: &LocalApi, spec: Value) -> Key {
    let mut tree = pod_tree("a");
    crate::merge_patch(&mut tree, &json!({"spec": spec}));
    let pod = api.create(tree).await.unwrap();
    pod.key().clone()
}

fn faults(result: Result<Live>) -> Vec<String> {
    match result {
        Err(Error::Invalid { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn containers_are_added_and_stay() {
    sim(|api, _| async move {
        let pod = running(&api, json!({})).await;
        let add = |containers: Value| {
            let patch = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"ephemeralContainers": containers,
                "containers": [{"name": "c", "image": "other"}]}});
            Write::merge(pod.clone(), patch).to(Subresource::EphemeralContainers)
        };
        let debug = json!({"name": "debug", "image": "busybox", "targetContainerName": "c"});
        let after = api.one(add(json!([debug]))).await.unwrap().tree();
        assert_eq!(after["spec"]["ephemeralContainers"][0]["terminationMessagePath"], "/dev/termination-log");
        assert_eq!(after["spec"]["containers"][0]["image"], "nginx:1.27", "nothing else changes");
        assert!(after["metadata"].get("labels").is_none());
        assert_eq!(after["metadata"]["generation"], 2);
        let removed = faults(api.one(add(json!([]))).await);
        assert!(
            removed[0].contains("existing ephemeral containers \"debug\" may not be removed"),
            "{removed:?}"
        );
        let mut other = debug.clone();
        other["image"] = "other".into();
        let changed = faults(api.one(add(json!([other]))).await);
        assert!(changed[0].contains("may not be changed"), "{changed:?}");
        let whole = json!({"spec": {"ephemeralContainers": [debug, {"name": "b", "image": "x"}]}});
        assert!(api.one(Write::merge(pod, whole)).await.is_err(), "only through the subresource");
    });
}

#[test]
fn resources_change_within_the_quality_of_service() {
    sim(|api, _| async move {
        let resources = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}});
        let pod =
            running(&api, json!({"containers": [{"name": "c", "image": "x", "resources": resources}]})).await;
        let resize = |resources: Value| {
            let patch =
                json!({"spec": {"containers": [{"name": "c", "image": "y", "resources": resources}]}});
            Write::new(pod.clone(), Verb::Patch(orch_core::Patch::Strategic(patch.into())))
                .to(Subresource::Resize)
        };
        let after = api.one(resize(json!({"requests": {"cpu": "1500m"}}))).await.unwrap().tree();
        let container = &after["spec"]["containers"][0];
        assert_eq!(container["resources"], json!({"requests": {"cpu": "1500m"}, "limits": {"cpu": "2"}}));
        assert_eq!((&container["image"], &after["metadata"]["generation"]), (&json!("x"), &json!(2)));
        for (resources, expected) in [
            (
                json!({"limits": {"cpu": null}}),
                "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            ),
            (
                json!({"requests": {"example.com/x": "1"}, "limits": {"example.com/x": "1"}}),
                "spec: Forbidden: only cpu and memory resources are mutable",
            ),
            (
                json!({"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}),
                "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
            ),
        ] {
            assert_eq!(faults(api.one(resize(resources)).await), [expected]);
        }
    });
}

#[test]
fn a_pod_is_resized_to_what_its_node_has() {
    sim(|api, _| async move {
        let pod = running(&api, json!({"nodeName": "n1"})).await;
        let resize = || {
            let patch = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"memory": "2Gi"}}}]}});
            Write::new(pod.clone(), Verb::Patch(orch_core::Patch::Strategic(patch.into())))
                .to(Subresource::Resize)
        };
        let why = |result: Result<Live>| match result {
            Err(Error::Forbidden { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        // A pod that asks for nothing never asks for something.
        assert!(faults(api.one(resize()).await)[0].contains("QOS"));
        api.one(Write::delete(pod.clone()).grace(0)).await.unwrap();
        let asks = json!({"requests": {"memory": "1Gi"}});
        let pod = running(
            &api,
            json!({"nodeName": "n1", "containers": [{"name": "c", "image": "x", "resources": asks}]}),
        )
        .await;
        assert_eq!(why(api.one(resize()).await), "node \"n1\" not found");
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "status": {"allocatable": {"cpu": "4", "memory": "1Gi"}, "capacity": {"cpu": "4", "memory": "1Gi"}}});
        api.create(node).await.unwrap();
        assert_eq!(
            why(api.one(resize()).await),
            "node didn't have enough allocatable resources: memory, requested: 2147483648, allocatable: 1073741824"
        );
        let more = json!({"status": {"allocatable": {"memory": "4Gi"}}});
        api.one(Write::merge_status(Key::cluster(kind::NODES, "n1"), more)).await.unwrap();
        api.one(resize()).await.unwrap();
        assert_eq!(
            api.read(&pod).await.unwrap().tree()["spec"]["containers"][0]["resources"]["requests"]["memory"],
            "2Gi"
        );
    });
}
