//! An object: encoding, decoding, taking a projection, replacing the status. Not the store.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use orch::core::view::Projection;
use orch::core::{Kind, Live, Object, Registry, Revision, kind};
use serde_json::{Value, json};

/// A pod as an agent sees it: about 2.7 KB of JSON.
fn pod() -> Value {
    let env: Vec<_> = (0..12)
        .map(|at| json!({"name": format!("VARIABLE_{at}"), "value": "some value of usual length"}))
        .collect();
    let conditions: Vec<_> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "lastProbeTime": null}))
        .into();
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-6d4cf56db6-x8k2p", "namespace": "shop", "uid": "0a1b2c3d-1111-4222-8333-944455566677",
            "creationTimestamp": "2026-01-02T03:04:05Z", "generateName": "web-6d4cf56db6-",
            "labels": {"app": "web", "tier": "front", "pod-template-hash": "6d4cf56db6"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6", "controller": true,
                "blockOwnerDeletion": true, "uid": "1a1b2c3d-1111-4222-8333-944455566677"}]},
        "spec": {"nodeName": "n1", "restartPolicy": "Always", "schedulerName": "default-scheduler", "dnsPolicy": "ClusterFirst",
            "terminationGracePeriodSeconds": 30, "serviceAccountName": "default", "securityContext": {},
            "containers": [{"name": "web", "image": "registry.example/shop/web:1.2.3", "imagePullPolicy": "IfNotPresent",
                "env": env, "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10}}],
            "volumes": [{"name": "config", "configMap": {"name": "web", "defaultMode": 420}}]},
        "status": {"phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.1.2.3", "qosClass": "Burstable", "conditions": conditions,
            "containerStatuses": [{"name": "web", "ready": true, "started": true, "restartCount": 0, "image": "registry.example/shop/web:1.2.3",
                "imageID": "sha256:0123456789abcdef", "containerID": "task://0123456789abcdef",
                "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]}})
}

struct Facts {
    ready: bool,
}

impl Projection for Facts {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let conditions = tree["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
        Self { ready: conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True") }
    }
}

fn object(c: &mut Criterion) {
    let info = Registry::built_in().get(kind::PODS).expect("pods are built in");
    let tree = pod();
    let object = Object::encode(&info, &tree).expect("the pod is well formed").at(Revision(7));
    assert!((2_000..4_000).contains(&object.body().len()), "a usual pod, not {} bytes", object.body().len());
    assert_eq!(object.body_tree(), tree);
    let fresh = Live::fresh(object.clone(), Arc::new(tree.clone()));
    assert!(Facts::project(&fresh).ready && Facts::project(&object.clone().into()).ready);
    let status = json!({"phase": "Succeeded"});

    c.bench_function("object/encode", |b| b.iter(|| Object::encode(&info, black_box(&tree))));
    c.bench_function("object/decode_tree", |b| b.iter(|| black_box(&object).body_tree()));
    c.bench_function("object/decode_typed", |b| {
        b.iter(|| black_box(&object).to::<k8s_openapi::api::core::v1::Pod>().expect("it is a pod"));
    });
    c.bench_function("object/to_json", |b| b.iter(|| black_box(&object).to_json()));
    c.bench_function("object/with_status", |b| b.iter(|| black_box(&object).with_status(&info, &status)));
    c.bench_function("object/project_live", |b| b.iter(|| Facts::project(black_box(&fresh)).ready));
    c.bench_function("object/project_stored", |b| {
        b.iter(|| Facts::project(&Live::from(black_box(&object).clone())).ready)
    });
}

criterion_group!(benches, object);
criterion_main!(benches);
