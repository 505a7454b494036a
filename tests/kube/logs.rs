//! Logs of pods, as kube-rs reads them: whole, in part, and as they are written.

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, LogParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use orch::runtime::task::Context;
use orch::{Cluster, ClusterBuilder, NodeSpec};
use serde_json::json;

use super::{everywhere_on, refused};

/// The container `main` says three lines and, when the pod is told to stop, a last one; `once` ends at once, and again.
fn with(builder: ClusterBuilder) -> ClusterBuilder {
    let talk = |ctx: Context| async move {
        for number in 1..=3 {
            ctx.log(&format!("line {number}"));
        }
        ctx.stopped().await;
        ctx.log("the end");
    };
    let once = |ctx: Context| async move {
        ctx.log(&format!("attempt {}", ctx.attempt()));
        3
    };
    builder.nodes([NodeSpec::new("n1")]).image("talk:1", talk).image("once:1", once)
}

/// Makes a pod and waits until its containers have run.
async fn pod(client: Client) -> Api<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(client);
    let containers = json!([{"name": "main", "image": "talk:1"}, {"name": "once", "image": "once:1"}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let restarted = |pod: Option<&Pod>| {
        let statuses = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        let is = |name: &str, rule: fn(i32) -> bool| {
            statuses.is_some_and(|all| all.iter().any(|one| one.name == name && rule(one.restart_count)))
        };
        let runs = statuses.is_some_and(|all| {
            all.iter().any(|one| one.state.as_ref().is_some_and(|state| state.running.is_some()))
        });
        runs && is("once", |count| count > 0)
    };
    await_condition(pods.clone(), "a", restarted).await.unwrap();
    pods
}

fn of(container: &str) -> LogParams {
    LogParams { container: Some(container.into()), ..LogParams::default() }
}

#[test]
fn logs_are_read_whole_and_in_part() {
    everywhere_on(with, |_, client: Client| async move {
        let pods = pod(client).await;
        assert_eq!(pods.logs("a", &of("main")).await.unwrap(), "line 1\nline 2\nline 3\n");
        let last = LogParams { tail_lines: Some(1), ..of("main") };
        assert_eq!(pods.logs("a", &last).await.unwrap(), "line 3\n");
        let few = LogParams { limit_bytes: Some(8), ..of("main") };
        assert_eq!(pods.logs("a", &few).await.unwrap(), "line 1\nl");
        let dated = LogParams { timestamps: true, tail_lines: Some(1), ..of("main") };
        let text = pods.logs("a", &dated).await.unwrap();
        let (time, line) = text.split_once(' ').unwrap();
        assert_eq!(line, "line 3\n");
        let time: k8s_openapi::jiff::Timestamp = time.parse().unwrap();
        let later = time + k8s_openapi::jiff::SignedDuration::from_secs(3600);
        let since = |time| LogParams { since_time: Some(time), ..of("main") };
        assert_eq!(pods.logs("a", &since(later)).await.unwrap(), "");
        // kube-rs rounds to whole seconds.
        let before = time - k8s_openapi::jiff::SignedDuration::from_secs(1);
        assert!(pods.logs("a", &since(before)).await.unwrap().ends_with("line 3\n"));
        let recent = LogParams { since_seconds: Some(3600), ..of("main") };
        assert_eq!(pods.logs("a", &recent).await.unwrap().lines().count(), 3);
        // The instance before, and what cannot be read.
        let before = LogParams { previous: true, ..of("once") };
        assert!(pods.logs("a", &before).await.unwrap().starts_with("attempt "));
        let before = LogParams { previous: true, ..of("main") };
        let none = refused(pods.logs("a", &before).await);
        assert_eq!(
            (none.code, none.message.as_str()),
            (400, "previous terminated container \"main\" in pod \"a\" not found")
        );
        let unclear = refused(pods.logs("a", &LogParams::default()).await);
        assert!(unclear.message.contains("choose one of: [main once]"), "{}", unclear.message);
        assert_eq!(refused(pods.logs("a", &of("nobody")).await).code, 400);
        assert_eq!(refused(pods.logs("b", &of("main")).await).reason, "NotFound");
        let wrong = LogParams { since_seconds: Some(0), ..of("main") };
        assert_eq!(refused(pods.logs("a", &wrong).await).code, 422);
    });
}

#[test]
fn a_log_is_followed_to_its_end() {
    everywhere_on(with, |_: Cluster, client: Client| async move {
        let pods = pod(client).await;
        let follow = LogParams { follow: true, tail_lines: Some(2), ..of("main") };
        let mut lines = pods.log_stream("a", &follow).await.unwrap().lines();
        let first: Vec<String> = lines.by_ref().take(2).try_collect().await.unwrap();
        assert_eq!(first, ["line 2", "line 3"]);
        let uid = pods.get("a").await.unwrap().metadata.uid.unwrap();
        pods.delete("a", &DeleteParams::default()).await.unwrap();
        let rest: Vec<String> = lines.try_collect().await.unwrap();
        assert!(rest.is_empty() || rest == ["the end"], "{rest:?}");
        await_condition(pods, "a", conditions::is_deleted(&uid)).await.unwrap();
    });
}
