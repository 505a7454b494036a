//! Cases about what a container sees and is seen by: arguments, environment, files, ports.

use orch_core::runtime::{ContainerSpec, ContainerState, Mount};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Behaviour, GRACE, Harness, LIMIT, LOOK, code, ended, log, pod, run, start, stop, texts};

/// What a container that reports has printed; `None` when the runtime has no logs.
async fn report(harness: &dyn Harness, change: impl FnOnce(&mut ContainerSpec)) -> Option<Vec<String>> {
    let pod = pod(harness, "web").await;
    let mut spec = harness.container("a", &Behaviour::Reports);
    change(&mut spec);
    let id = start(harness, &pod, &spec).await;
    assert_eq!(code(&ended(harness, &id).await), 0);
    let log = log(harness, &id, 1).await?;
    Some(texts(&log).into_iter().map(str::to_owned).collect())
}

#[track_caller]
fn says(report: &[String], line: &str) {
    assert!(report.iter().any(|said| said == line), "{line:?} is not in {report:?}");
}

/// Arguments and environment are the spec's.
pub async fn arguments_and_environment_arrive(harness: &dyn Harness) {
    let change = |spec: &mut ContainerSpec| {
        spec.args.extend(["one".into(), "two three".into()]);
        spec.env.push(("PROBE".into(), "a=b c".into()));
    };
    let Some(report) = report(harness, change).await else { return };
    let args: Vec<_> = report.iter().filter_map(|line| line.strip_prefix("arg=")).collect();
    assert_eq!(args, ["one", "two three"]);
    says(&report, "env=a=b c");
}

/// Of two variables of one name the later wins.
pub async fn later_variable_wins(harness: &dyn Harness) {
    let change = |spec: &mut ContainerSpec| {
        spec.env.extend([
            ("PROBE".into(), "old".into()),
            ("OTHER".into(), "x".into()),
            ("PROBE".into(), "new".into()),
        ]);
    };
    let Some(report) = report(harness, change).await else { return };
    says(&report, "env=new");
}

/// The host name is the one that the sandbox was given.
pub async fn host_name_is_the_sandbox_s(harness: &dyn Harness) {
    let Some(report) = report(harness, |_| {}).await else { return };
    says(&report, "hostname=web");
}

fn mount(harness: &dyn Harness, read_only: bool) -> Mount {
    let host = harness.directory();
    std::fs::write(host.join("in"), "from the host").expect("the harness' directory can be written");
    Mount { host, container: "/probe".into(), read_only }
}

/// A file of a mounted directory is seen in the container.
pub async fn mounted_file_is_seen(harness: &dyn Harness) {
    let mount = mount(harness, false);
    let Some(report) = report(harness, |spec| spec.mounts.push(mount)).await else { return };
    says(&report, "file=from the host");
}

/// What a container writes below a mount is on the host.
pub async fn writing_to_a_mount_reaches_the_host(harness: &dyn Harness) {
    let mount = mount(harness, false);
    let out = mount.host.join("out");
    let Some(report) = report(harness, |spec| spec.mounts.push(mount)).await else { return };
    says(&report, "write=ok");
    assert!(out.exists(), "{} was not written", out.display());
}

/// A mount that is read-only is read, but not written.
pub async fn read_only_mount_is_not_written(harness: &dyn Harness) {
    let mount = mount(harness, true);
    let out = mount.host.join("out");
    let Some(report) = report(harness, |spec| spec.mounts.push(mount)).await else { return };
    says(&report, "file=from the host");
    says(&report, "write=refused");
    assert!(!out.exists(), "{} was written", out.display());
}

async fn message(harness: &dyn Harness, word: &str) -> String {
    let pod = pod(harness, "web").await;
    let mut spec = harness.container("a", &Behaviour::LastWord(word.to_owned()));
    spec.termination_message_path = "/dev/termination-log".into();
    let id = start(harness, &pod, &spec).await;
    let ContainerState::Exited { message, code: 1, .. } = ended(harness, &id).await.state else {
        panic!("the container ends with code 1");
    };
    message.to_string()
}

/// What a container leaves at its termination message path is its last word.
pub async fn last_word_is_kept(harness: &dyn Harness) {
    assert_eq!(message(harness, "no more disk").await, "no more disk");
}

/// Of a long last word the end is kept: 4,096 bytes.
pub async fn long_last_word_is_cut(harness: &dyn Harness) {
    let word = format!("{}{}", "a".repeat(4096), "b".repeat(4000));
    assert_eq!(message(harness, &word).await, word[word.len() - 4096..]);
}

/// A port that a container listens at is reached at its pod's address while the container runs, and not after.
pub async fn port_is_reached_while_the_container_runs(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Echoes(8080)).await;
    let address = (pod.attachment.address(), 8080).into();
    let wait = async {
        loop {
            match harness.connect(address).await {
                Ok(connection) => return connection,
                Err(_) => harness.env().sleep(LOOK).await,
            }
        }
    };
    let mut connection = harness.env().timeout(LIMIT, wait).await.expect("the port is reached");
    connection.write_all(b"ping").await.expect("the connection takes bytes");
    let mut answer = [0; 4];
    connection.read_exact(&mut answer).await.expect("the connection gives bytes");
    assert_eq!(&answer, b"ping");
    stop(harness, &id, GRACE).await;
    assert!(harness.connect(address).await.is_err(), "the port is still reached");
}
