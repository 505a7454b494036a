//! The conformance suite of [`Runtime`]: one public case a guarantee, each named after it.
//!
//! What it does not state, no caller may rely on. The cases come from what CRI's own validation checks
//! (`cri-tools/pkg/validate`). An implementor gives a [`Harness`] and runs
//! [`runtime_conformance!`](crate::runtime_conformance); abilities that a runtime lacks ([`Runtime::images`],
//! [`Runtime::streams`]) are not asked for.
#![expect(clippy::missing_panics_doc, reason = "a case that does not hold panics: that is how it tells")]

mod containers;
mod images;
mod sandboxes;
mod streams;
mod surroundings;

pub use containers::*;
pub use images::*;
pub use sandboxes::*;
pub use streams::*;
pub use surroundings::*;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use orch_core::network::{Attachment, Connection};
use orch_core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, LogLine, LogQuery, Runtime, SandboxId,
    SandboxSpec,
};
use orch_core::{Env, Key, Str, kind};

/// How long a case waits for what must happen: far more than any runtime needs, and no time at all in virtual time.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at the state.
const LOOK: Duration = Duration::from_millis(20);
/// A grace period that no container needs in full.
const GRACE: Duration = Duration::from_secs(30);

/// What a container of the suite must do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// End at once with that code.
    Exit(i32),
    /// Run until asked to stop, then end with code 0.
    UntilStopped,
    /// Run for ever, whatever is asked.
    IgnoresStop,
    /// Print `line 1` to `line N` on standard output and `done` on standard error, then run until asked to stop.
    Prints(u32),
    /// Print what it sees, a line each, and end with code 0: `arg=` and each argument, `env=` and the variable `PROBE`,
    /// `hostname=` and the host name, `file=` and the text of `/probe/in` if there is one, and, if there is a `/probe`,
    /// `write=ok` or `write=refused` after it has tried to write `/probe/out`.
    Reports,
    /// Write that text to its termination message path and end with code 1.
    LastWord(String),
    /// Listen at that port of the pod and send back what comes, until asked to stop.
    Echoes(u16),
}

/// What the suite needs of an implementor. Each case has a runtime of its own, or one that others use too.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Clock and tasks.
    fn env(&self) -> &Env;

    /// The runtime.
    fn runtime(&self) -> &dyn Runtime;

    /// Attaches a pod to the network.
    async fn attach(&self, pod: &Key, uid: &str) -> Attachment;

    /// Connects to a pod.
    ///
    /// # Errors
    /// As [`Network::connect`](orch_core::network::Network::connect).
    async fn connect(&self, to: SocketAddr) -> io::Result<Connection>;

    /// A container that does that. Its image can be pulled, where images are pulled. A case adds to environment,
    /// arguments, mounts and the rest.
    fn container(&self, name: &str, behaviour: &Behaviour) -> ContainerSpec;

    /// A new empty directory of the host.
    fn directory(&self) -> PathBuf;

    /// An image name that means nothing; `None` where every name means something.
    fn unknown_image(&self) -> Option<Str> {
        Some("orch.invalid/no/such:image".into())
    }
}

/// Makes each case of the suite a test. The argument is a function that runs one case on a new harness:
///
/// ```
/// # use orch_runtime::conformance::Harness;
/// # fn harness(_env: &orch_core::Env) -> std::sync::Arc<dyn Harness> { unreachable!("no test is run here") }
/// fn in_virtual_time<Fut: Future<Output = ()>>(case: impl FnOnce(std::sync::Arc<dyn Harness>) -> Fut) {
///     orch_core::sim::run(7, |env| async move { case(harness(&env)).await });
/// }
/// orch_runtime::runtime_conformance!(in_virtual_time);
/// ```
#[macro_export]
macro_rules! runtime_conformance {
    ($run:path) => {
        $crate::runtime_conformance! { $run:
            sandbox_is_listed_until_removed
            removing_a_sandbox_twice_is_harmless
            removing_a_sandbox_ends_its_containers
            same_pod_has_one_sandbox
            ids_are_never_used_again
            containers_of_two_pods_do_not_meet
            exit_code_is_kept
            exit_is_reported_and_stays_in_state
            late_listener_finds_the_exit_in_state
            running_container_is_listed_as_running
            container_may_end_itself_when_asked
            container_that_ignores_the_signal_is_killed
            no_grace_kills_at_once
            stopping_twice_is_harmless
            removed_container_is_forgotten
            removing_a_container_twice_is_harmless
            removing_a_running_container_ends_it
            same_attempt_is_started_once
            restart_is_a_new_container
            containers_are_listed_in_order_of_start
            container_needs_a_sandbox
            arguments_and_environment_arrive
            later_variable_wins
            host_name_is_the_sandbox_s
            mounted_file_is_seen
            writing_to_a_mount_reaches_the_host
            read_only_mount_is_not_written
            last_word_is_kept
            long_last_word_is_cut
            port_is_reached_while_the_container_runs
            log_has_every_line_in_order
            log_tail_is_the_last_lines
            log_since_is_the_later_lines
            log_outlives_the_container_until_it_is_removed
            command_leaves_code_and_output
            command_that_takes_too_long_is_killed
            unknown_command_is_127
            ended_container_runs_no_command
            pulled_image_is_present
            unknown_image_is_not_pulled
            image_name_must_be_one
        }
    };
    ($run:path: $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $run(async |harness| $crate::conformance::$case(&*harness).await);
        }
    )*};
}

/// A sandbox of the suite.
struct Pod {
    id: SandboxId,
    attachment: Attachment,
}

async fn pod(harness: &dyn Harness, name: &str) -> Pod {
    let spec = sandbox(harness, name);
    let attachment = harness.attach(&spec.pod, &spec.uid).await;
    let id = harness.runtime().run_pod(&spec, &attachment).await.expect("a sandbox is made");
    Pod { id, attachment }
}

fn sandbox(harness: &dyn Harness, name: &str) -> SandboxSpec {
    SandboxSpec::new(Key::new(kind::PODS, "conformance", name), harness.env().uuid(), "node".into())
}

/// Starts a container after its image has been pulled.
async fn start(harness: &dyn Harness, pod: &Pod, spec: &ContainerSpec) -> ContainerId {
    if let Some(images) = harness.runtime().images() {
        images.pull(&spec.image).await.expect("the harness' images can be pulled");
    }
    harness.runtime().start(&pod.id, spec).await.expect("the container starts")
}

async fn run(harness: &dyn Harness, pod: &Pod, name: &str, behaviour: Behaviour) -> ContainerId {
    start(harness, pod, &harness.container(name, &behaviour)).await
}

async fn status(harness: &dyn Harness, id: &ContainerId) -> Option<ContainerStatus> {
    let state = harness.runtime().state().await.expect("the state is told");
    state.into_iter().flat_map(|sandbox| sandbox.containers).find(|container| container.id == *id)
}

/// Waits until the container has ended.
async fn ended(harness: &dyn Harness, id: &ContainerId) -> ContainerStatus {
    let wait = async {
        loop {
            let status = status(harness, id).await.expect("an ended container stays until it is removed");
            if matches!(status.state, ContainerState::Exited { .. }) {
                return status;
            }
            harness.env().sleep(LOOK).await;
        }
    };
    harness.env().timeout(LIMIT, wait).await.expect("the container ends")
}

fn code(status: &ContainerStatus) -> i32 {
    match status.state {
        ContainerState::Exited { code, .. } => code,
        ContainerState::Running { .. } => panic!("{} still runs", status.id),
    }
}

async fn stop(harness: &dyn Harness, id: &ContainerId, grace: Duration) {
    let stop = harness.runtime().stop(id, grace);
    harness.env().timeout(LIMIT, stop).await.expect("stopping ends").expect("stopping succeeds");
}

/// Waits until the log has so many lines; `None` when the runtime has no logs.
async fn log(harness: &dyn Harness, id: &ContainerId, lines: usize) -> Option<Vec<LogLine>> {
    let streams = harness.runtime().streams()?;
    let wait = async {
        loop {
            let log = streams.logs(id, &LogQuery::default()).await.expect("there is a log");
            if log.len() >= lines {
                return log;
            }
            harness.env().sleep(LOOK).await;
        }
    };
    Some(harness.env().timeout(LIMIT, wait).await.expect("the lines are written"))
}

fn texts(log: &[LogLine]) -> Vec<&str> {
    log.iter().map(|line| &*line.text).collect()
}
