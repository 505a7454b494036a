//! A user's own manifests: refused as a whole with file, line, field and reason, or applied and watched for a while.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

/// Applies the files and reports what became of their pods.
pub async fn run(files: &[PathBuf], wait: Duration, as_json: bool) -> ExitCode {
    let mut sources = Vec::new();
    for file in files {
        match std::fs::read(file) {
            Ok(bytes) => sources.push((file.display().to_string(), bytes)),
            Err(error) => return refuse(&[format!("{}: {error}", file.display())], as_json),
        }
    }
    let cluster = match super::cluster().await {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let applied = match cluster.apply_files(&sources).await {
        Ok(applied) => applied,
        Err(refused) => {
            let code = refuse(&refused.messages(), as_json);
            let _ = cluster.shutdown().await;
            return code;
        }
    };
    if applied.is_empty() {
        let code = refuse(&["no objects in the files".to_owned()], as_json);
        let _ = cluster.shutdown().await;
        return code;
    }
    // What is not ready by then is reported as it is.
    let ready = async {
        cluster.settle().await?;
        cluster.wait_for::<Pod>("", wait, |pods| pods.iter().all(is_ready)).await
    };
    let _ = tokio::time::timeout(wait, ready).await;
    let pods = cluster.of::<Pod>("").list().await.unwrap_or_default();
    let ok = pods.iter().all(is_ready);
    if as_json {
        let pods: Vec<_> = pods
            .iter()
            .map(|pod| json!({"pod": name(pod), "ready": is_ready(pod), "why": why(pod)}))
            .collect();
        println!(
            "{}",
            json!({"ok": ok, "applied": applied.iter().map(ToString::to_string).collect::<Vec<_>>(), "pods": pods})
        );
    } else {
        applied.iter().for_each(|one| println!("{one}"));
        for pod in &pods {
            println!("pod {}: {}", name(pod), if is_ready(pod) { "ready".into() } else { why(pod) });
        }
    }
    match cluster.shutdown().await {
        Ok(()) if ok => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn refuse(messages: &[String], as_json: bool) -> ExitCode {
    if as_json {
        println!("{}", json!({"ok": false, "errors": messages}));
    } else {
        messages.iter().for_each(|message| eprintln!("error: {message}"));
        eprintln!("nothing was applied");
    }
    ExitCode::from(2)
}

fn name(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    )
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
        || pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Succeeded")
}

/// Why a pod is not ready: what a container waits for, or why it is not scheduled.
fn why(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status
        .init_container_statuses
        .into_iter()
        .flatten()
        .chain(status.container_statuses.into_iter().flatten());
    let waiting = containers.filter_map(|container| {
        let state = container.state?.waiting?;
        Some(format!(
            "{}: {} {}",
            container.name,
            state.reason.unwrap_or_default(),
            state.message.unwrap_or_default()
        ))
    });
    let mut reasons: Vec<_> = waiting.collect();
    let scheduled =
        status.conditions.into_iter().flatten().filter(|c| c.type_ == "PodScheduled" && c.status == "False");
    reasons.extend(
        scheduled.map(|c| format!("{} {}", c.reason.unwrap_or_default(), c.message.unwrap_or_default())),
    );
    if reasons.is_empty() { status.phase.unwrap_or_else(|| "Pending".into()) } else { reasons.join("; ") }
}
