//! Ten wrong inputs that a person would try: each is answered as Kubernetes would, refused with field and reason or shown
//! by a condition and an event on the object.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, PersistentVolumeClaim, Pod};
use orch::core::{Env, sim};
use orch::runtime::task::{Context, TaskImages};
use orch::{Cluster, Error, NodeSpec};

const PATIENCE: Duration = Duration::from_secs(120);

async fn cluster(env: Env) -> Cluster {
    let images = TaskImages::default();
    images.register("sleep", |ctx: Context| async move { ctx.stopped().await }).unwrap();
    Cluster::builder().env(env).nodes([NodeSpec::new("n1")]).images(images).start().await.unwrap()
}

/// Refused as a whole: the message has these words, and nothing of the set is there.
#[track_caller]
fn refused(manifests: &'static str, words: &[&str]) {
    let message = sim::run(1, |env| async move {
        let cluster = cluster(env).await;
        let manifests =
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: first}}}}\n---\n{manifests}");
        let error = cluster.apply(&manifests).await.expect_err("it is wrong");
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        assert!(
            cluster.of::<Namespace>("").find("first").await.unwrap().is_none(),
            "nothing of the set is applied"
        );
        cluster.shutdown().await.unwrap();
        error.to_string()
    });
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// Taken, and shown on the pod `it`: the condition or waiting reason and the event have these words.
#[track_caller]
fn shown(manifests: &'static str, status: &'static str, event: &'static [&'static str]) {
    sim::run(1, |env| async move {
        let cluster = cluster(env).await;
        cluster.apply(manifests).await.unwrap();
        let says = |pods: &[Pod]| {
            let it = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some("it"));
            it.is_some_and(|pod| serde_json::to_string(&pod.status).unwrap().contains(status))
        };
        if cluster.wait_for("default", PATIENCE, says).await.is_err() {
            let pods = cluster.of::<Pod>("default").list().await.unwrap();
            panic!("{status:?} is not in {}", serde_json::to_string_pretty(&pods[0].status).unwrap());
        }
        told(&cluster, event).await;
        cluster.shutdown().await.unwrap();
    });
}

async fn told(cluster: &Cluster, words: &[&str]) {
    let text = |event: &Event| {
        format!(
            "{} {}",
            event.reason.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default()
        )
    };
    let says =
        |events: &[Event]| events.iter().any(|event| words.iter().all(|word| text(event).contains(word)));
    if cluster.wait_for("default", PATIENCE, says).await.is_err() {
        let events: Vec<_> = cluster.of::<Event>("default").list().await.unwrap().iter().map(text).collect();
        panic!("no event says {words:?}: {events:#?}");
    }
}

#[test]
fn bad_yaml_is_refused_with_its_line() {
    refused("apiVersion: v1\nkind: Pod\nmetadata: {name: it\nspec: [", &["<manifests>", "line"]);
}

#[test]
fn an_unknown_kind_is_refused() {
    refused(
        "{apiVersion: apps/v1, kind: Deploymint, metadata: {name: it, namespace: default}}",
        &["line 3", "Deploymint"],
    );
}

#[test]
fn an_unknown_field_is_refused() {
    refused(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: it, namespace: default}\nspec:\n  containers:\n  - name: main\n    imagee: sleep\n",
        &["line 9", "spec.containers[0].imagee: unknown field"],
    );
}

#[test]
fn a_bad_quantity_is_refused() {
    refused(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: it, namespace: default}\nspec:\n  containers:\n  - name: main\n    image: sleep\n    resources: {requests: {cpu: 1x}}\n",
        &["line 10", "spec.containers[0].resources.requests.cpu: expected a quantity", "1x"],
    );
}

#[test]
fn a_selector_that_does_not_match_its_template_is_refused() {
    refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: it, namespace: default}\nspec:\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: b}}\n    spec: {containers: [{name: main, image: sleep}]}\n",
        &["spec.template.metadata.labels", "`selector` does not match template `labels`"],
    );
}

#[test]
fn a_missing_namespace_is_refused() {
    refused(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: it, namespace: nowhere}}",
        &["line 3", "metadata.namespace: namespaces \"nowhere\" not found"],
    );
}

#[test]
fn a_missing_secret_is_shown() {
    shown(
        "{apiVersion: v1, kind: Pod, metadata: {name: it, namespace: default}, spec: {containers: [{name: main, image: sleep, env: [{name: A, valueFrom: {secretKeyRef: {name: none, key: k}}}]}]}}",
        "CreateContainerConfigError",
        &["Failed", "secret \"none\" not found"],
    );
}

#[test]
fn an_image_that_nobody_registered_is_shown() {
    shown(
        "{apiVersion: v1, kind: Pod, metadata: {name: it, namespace: default}, spec: {containers: [{name: main, image: 'nginx:1.27'}]}}",
        "ImagePullBackOff",
        &["Failed", "nginx:1.27"],
    );
}

#[test]
fn a_host_port_in_use_is_shown() {
    shown(
        "{apiVersion: v1, kind: Pod, metadata: {name: first, namespace: default}, spec: {nodeName: n1, containers: [{name: main, image: sleep, ports: [{containerPort: 80, hostPort: 8080}]}]}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: it, namespace: default}, spec: {containers: [{name: main, image: sleep, ports: [{containerPort: 80, hostPort: 8080}]}]}}",
        "node(s) didn't have free ports for the requested pod ports",
        &["FailedScheduling", "0/1 nodes are available"],
    );
}

#[test]
fn a_claim_that_nobody_can_satisfy_is_shown() {
    sim::run(1, |env| async move {
        let cluster = cluster(env).await;
        cluster
            .apply("{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: default}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Ti}}}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: it, namespace: default}, spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}], containers: [{name: main, image: sleep, volumeMounts: [{name: data, mountPath: /data}]}]}}")
            .await
            .unwrap();
        told(
            &cluster,
            &["FailedBinding", "no persistent volumes available for this claim and no storage class is set"],
        )
        .await;
        told(&cluster, &["FailedScheduling", "unbound immediate PersistentVolumeClaims"]).await;
        let claim = cluster.of::<PersistentVolumeClaim>("default").get("data").await.unwrap();
        assert_eq!(claim.status.and_then(|status| status.phase).as_deref(), Some("Pending"));
        cluster.shutdown().await.unwrap();
    });
}

#[test]
fn a_refused_set_changes_nothing_of_what_was_there() {
    sim::run(1, |env| async move {
        let cluster = cluster(env).await;
        let menu = "{apiVersion: v1, kind: ConfigMap, metadata: {name: menu, namespace: default}, data: {bread: rye}}";
        cluster.apply(menu).await.unwrap();
        let wrong = "{apiVersion: v1, kind: ConfigMap, metadata: {name: menu, namespace: default}, data: {bread: wheat}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: UPPER, namespace: default}}";
        cluster.apply(wrong).await.expect_err("a name in upper case");
        let menu = cluster.of::<ConfigMap>("default").get("menu").await.unwrap();
        assert_eq!(menu.data.unwrap()["bread"], "rye");
        cluster.shutdown().await.unwrap();
    });
}
