//! Admission, allocation and the rows of single kinds, through the whole pipeline.

use orch_core::{ApiExt, Error, Key, Kind, KindInfo, Scope, Subresource, Write, kind};
use serde_json::{Value, json};

use super::{deployment, pod_tree, sim};
use crate::LocalApi;

async fn class(api: &LocalApi, name: &str, value: i64, default: bool) -> orch_core::Result<orch_core::Live> {
    let tree = json!({"value": value, "globalDefault": default, "preemptionPolicy": "Never"});
    api.one(Write::create(Key::cluster(kind::PRIORITY_CLASSES, name), tree)).await
}

#[test]
fn a_pod_has_the_priority_of_its_class() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("none")).await.unwrap();
        let tree = pod.tree();
        assert_eq!(
            (&tree["spec"]["priority"], &tree["spec"]["preemptionPolicy"]),
            (&json!(0), &json!("PreemptLowerPriority"))
        );
        let named = |name: &str, class: &str| {
            let mut tree = pod_tree(name);
            tree["spec"]["priorityClassName"] = json!(class);
            tree
        };
        let system = api.create(named("system", "system-node-critical")).await.unwrap();
        assert_eq!(system.tree()["spec"]["priority"], 2_000_001_000);
        let error = api.create(named("unknown", "gold")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "pods/default/unknown is forbidden: no PriorityClass with name gold was found"
        );
        class(&api, "gold", 100, true).await.unwrap();
        let second = class(&api, "silver", 50, true).await.unwrap_err().to_string();
        assert!(
            second.ends_with("PriorityClass gold is already marked as default. Only one default can exist"),
            "{second}"
        );
        let pod = api.create(pod_tree("default")).await.unwrap();
        let tree = pod.tree();
        assert_eq!(
            (&tree["spec"]["priorityClassName"], &tree["spec"]["priority"]),
            (&json!("gold"), &json!(100))
        );
        assert_eq!(tree["spec"]["preemptionPolicy"], "Never");
        let mut own = named("own", "gold");
        own["spec"]["priority"] = json!(7);
        let error = api.create(own).await.unwrap_err().to_string();
        assert!(
            error.contains("the integer value of priority (7) must not be provided in pod spec"),
            "{error}"
        );
    });
}

#[test]
fn a_pod_leaves_a_broken_node_after_a_while() {
    sim(|api, _| async move {
        let mut tree = pod_tree("a");
        tree["spec"]["tolerations"] = json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]);
        let pod = api.create(tree).await.unwrap();
        assert_eq!(
            pod.tree()["spec"]["tolerations"][1],
            json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300})
        );
        assert_eq!(pod.tree()["spec"]["tolerations"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_new_node_takes_no_pods_yet() {
    sim(|api, _| async move {
        let key = Key::cluster(kind::NODES, "n1");
        let node =
            api.one(Write::create(key.clone(), json!({"status": {"capacity": {"cpu": 4}}}))).await.unwrap();
        assert_eq!(
            node.tree()["spec"]["taints"],
            json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
        );
        assert_eq!(node.tree()["status"]["allocatable"]["cpu"], "4");
        let ready = api.one(Write::merge(key, json!({"spec": {"taints": null}}))).await.unwrap();
        assert!(ready.tree()["spec"].get("taints").is_none());
    });
}

#[test]
fn a_claim_without_a_class_gets_the_newest_default_one() {
    sim(|api, env| async move {
        let claim = |name: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        };
        let none = api.create(claim("none")).await.unwrap();
        assert!(none.tree()["spec"].get("storageClassName").is_none());
        for (name, default) in [("old", "true"), ("new", "true"), ("other", "false")] {
            let tree = json!({"provisioner": "p",
                "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": default}}});
            api.one(Write::create(Key::cluster(kind::STORAGE_CLASSES, name), tree)).await.unwrap();
            env.sleep(std::time::Duration::from_secs(2)).await;
        }
        let some = api.create(claim("some")).await.unwrap();
        assert_eq!(some.tree()["spec"]["storageClassName"], "new");
        let mut own = claim("own");
        own["spec"]["storageClassName"] = json!("");
        assert_eq!(api.create(own).await.unwrap().tree()["spec"]["storageClassName"], "");
    });
}

#[expect(clippy::needless_pass_by_value, reason = "reads better with json! in place")]
fn service(name: &str, spec: Value) -> Value {
    let mut tree = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80}]}});
    crate::merge_patch(&mut tree["spec"], &spec);
    tree
}

#[test]
fn a_service_has_its_address_while_it_lives() {
    sim(|api, _| async move {
        let made = api.create(service("a", json!({}))).await.unwrap();
        let ip = made.tree()["spec"]["clusterIP"].clone();
        assert!(ip.as_str().unwrap().starts_with("10.0.0."), "{ip}");
        assert_eq!(made.tree()["spec"]["clusterIPs"], json!([ip]));
        assert_eq!(made.field("spec.clusterIP"), ip.as_str());
        let key = made.key().clone();
        let updated =
            api.one(Write::update(key.clone(), service("a", json!({"selector": {"x": "y"}})))).await.unwrap();
        assert_eq!(updated.tree()["spec"]["clusterIP"], ip);
        let same = api.create(service("b", json!({"clusterIP": ip}))).await.unwrap_err().to_string();
        assert!(same.contains("provided IP is already allocated"), "{same}");
        let tried =
            Write::create_tree(kind::SERVICES, service("c", json!({"clusterIP": "10.0.0.14"}))).dry_run();
        api.one(tried).await.unwrap();
        let both = vec![
            Write::delete(key),
            Write::create_tree(kind::SERVICES, service("b", json!({"clusterIP": ip}))),
            Write::create_tree(kind::SERVICES, service("c", json!({"clusterIP": "10.0.0.14"}))),
        ];
        for answer in orch_core::Api::write(&api, both).await {
            answer.unwrap();
        }
    });
}

#[test]
fn a_service_may_change_its_type() {
    sim(|api, _| async move {
        let made = api.create(service("a", json!({}))).await.unwrap();
        let key = made.key().clone();
        let ip = made.tree()["spec"]["clusterIP"].clone();
        let published =
            api.one(Write::merge(key.clone(), json!({"spec": {"type": "NodePort"}}))).await.unwrap();
        let port = published.tree()["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
        assert!((30_000..=32_767).contains(&port));
        assert_eq!(published.tree()["spec"]["externalTrafficPolicy"], "Cluster");
        let external = json!({"spec": {"type": "ExternalName", "externalName": "e.com", "ports": null}});
        let external = api.one(Write::merge(key.clone(), external)).await.unwrap();
        assert_eq!(
            external.tree()["spec"],
            json!({"type": "ExternalName", "externalName": "e.com", "sessionAffinity": "None"})
        );
        let taken = service(
            "b",
            json!({"clusterIP": ip, "type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}),
        );
        api.create(taken).await.unwrap();
    });
}

#[test]
fn addresses_in_use_are_found_at_bootstrap() {
    sim(|api, env| async move {
        let made = api.create(service("a", json!({}))).await.unwrap();
        let ip = made.tree()["spec"]["clusterIP"].clone();
        let again = LocalApi::builder(
            std::sync::Arc::clone(&api.shared.store),
            env,
            std::sync::Arc::clone(&api.shared.registry),
        )
        .service_range("10.0.0.0/28".parse().unwrap())
        .build();
        again.bootstrap().await.unwrap();
        let same = again.create(service("b", json!({"clusterIP": ip}))).await.unwrap_err().to_string();
        assert!(same.contains("provided IP is already allocated"), "{same}");
    });
}

#[test]
fn an_update_makes_a_lease_that_is_absent() {
    sim(|api, _| async move {
        let key = Key::new(kind::LEASES, "kube-node-lease", "n1");
        let lease = |holder: &str| json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": 40}});
        let made = api.one(Write::update(key.clone(), lease("a"))).await.unwrap();
        assert!(!made.uid().is_empty());
        let blind = api.one(Write::update(key.clone(), lease("b"))).await.unwrap_err().to_string();
        assert!(
            blind.contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
            "{blind}"
        );
        api.one(Write::update(key, lease("b")).at(made.revision())).await.unwrap();
    });
}

#[test]
fn a_custom_kind_goes_through_the_same_pipeline() {
    sim(|api, _| async move {
        let widgets = Kind::named("shop.example", "widgets");
        let info = KindInfo::new(widgets, "v1", "Widget", Scope::Namespaced);
        orch_core::Api::registry(&api).register(info).unwrap();
        let tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "size": 3, "other": null,
            "metadata": {"name": "a", "namespace": "default"}, "status": {"ready": true}});
        let made = api.create(tree).await.unwrap();
        assert_eq!(made.header().generation, 1);
        assert_eq!((&made.tree()["size"], made.tree().get("status")), (&json!(3), None));
        let key = made.key().clone();
        let status =
            api.one(Write::merge_status(key.clone(), json!({"status": {"ready": true}}))).await.unwrap();
        assert_eq!((status.header().generation, &status.tree()["status"]["ready"]), (1, &json!(true)));
        let larger = api.one(Write::merge(key.clone(), json!({"size": 4}))).await.unwrap();
        assert_eq!((larger.header().generation, &larger.tree()["status"]["ready"]), (2, &json!(true)));
        let wrong = api.one(Write::merge(key.clone(), json!({"metadata": {"labels": 1}}))).await.unwrap_err();
        assert!(matches!(wrong, Error::Invalid { .. }), "{wrong}");
        let scaled = Write::merge(key, json!({"spec": {"replicas": 1}})).to(Subresource::Scale);
        assert!(matches!(api.one(scaled).await.unwrap_err(), Error::NotAllowed { .. }));
    });
}

#[test]
fn a_scale_is_read_from_its_own_object() {
    sim(|api, _| async move {
        let made = api.create(deployment("a")).await.unwrap();
        let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a",
            "resourceVersion": made.revision().to_string()}, "spec": {"replicas": 4}});
        let scaled = Write::update(made.key().clone(), scale).to(Subresource::Scale);
        let scaled_once = api.one(scaled.clone()).await.unwrap();
        assert_eq!(scaled_once.tree()["spec"]["replicas"], 4);
        assert!(api.one(scaled).await.unwrap_err().is_conflict());
        let negative =
            Write::merge(made.key().clone(), json!({"spec": {"replicas": -1}})).to(Subresource::Scale);
        let error = api.one(negative).await.unwrap_err().to_string();
        assert!(
            error.contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
            "{error}"
        );
    });
}
