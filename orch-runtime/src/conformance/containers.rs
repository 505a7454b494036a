//! Cases about the life of a container.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use orch_core::runtime::{ContainerId, ContainerState, ContainerStatus, Error, RuntimeEvent, SandboxId};

use super::{Behaviour, GRACE, Harness, LIMIT, code, ended, pod, run, start, status, stop};

/// Each exit code is what the container ended with.
pub async fn exit_code_is_kept(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    for expected in [0, 1, 3, 42, 255] {
        let id = run(harness, &pod, &format!("exits-{expected}"), Behaviour::Exit(expected)).await;
        assert_eq!(code(&ended(harness, &id).await), expected);
    }
}

/// The event of an exit; gives up when it does not come.
async fn exit_event(
    harness: &dyn Harness,
    events: &mut BoxStream<'static, RuntimeEvent>,
    id: &ContainerId,
) -> (SandboxId, ContainerStatus) {
    let wait = async {
        loop {
            match events.next().await.expect("events do not end") {
                RuntimeEvent::Exited { sandbox, status } if status.id == *id => return (sandbox, status),
                _ => {}
            }
        }
    };
    harness.env().timeout(LIMIT, wait).await.expect("the exit is reported")
}

/// A listener is told of an exit once it has happened; the state says the same for as long as the container is there.
pub async fn exit_is_reported_and_stays_in_state(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let mut events = harness.runtime().events().await.expect("events are told");
    let id = run(harness, &pod, "a", Behaviour::Exit(7)).await;
    let (sandbox, told) = exit_event(harness, &mut events, &id).await;
    assert_eq!(sandbox, pod.id);
    assert_eq!(code(&told), 7);
    let listed = status(harness, &id).await.expect("an ended container stays");
    assert_eq!(listed, told);
    let ContainerState::Exited { started, finished, .. } = listed.state else { panic!("it has ended") };
    assert!(started <= finished, "{started} is after {finished}");
}

/// Whoever was not listening finds the exit in the state, and hears of the next one.
pub async fn late_listener_finds_the_exit_in_state(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let first = run(harness, &pod, "a", Behaviour::Exit(3)).await;
    ended(harness, &first).await;
    let mut events = harness.runtime().events().await.expect("events are told");
    assert_eq!(status(harness, &first).await.map(|status| code(&status)), Some(3));
    let second = run(harness, &pod, "b", Behaviour::Exit(4)).await;
    assert_eq!(code(&exit_event(harness, &mut events, &second).await.1), 4);
}

/// A container that runs is listed with its name, attempt and image.
pub async fn running_container_is_listed_as_running(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let mut spec = harness.container("a", &Behaviour::UntilStopped);
    spec.attempt = 4;
    let id = start(harness, &pod, &spec).await;
    let listed = status(harness, &id).await.expect("a started container is listed");
    assert!(matches!(listed.state, ContainerState::Running { .. }), "{listed:?}");
    assert_eq!((listed.name, listed.attempt, listed.image), ("a".into(), 4, spec.image));
}

/// A container that ends when asked keeps its own exit code.
pub async fn container_may_end_itself_when_asked(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::UntilStopped).await;
    let before = harness.env().elapsed();
    stop(harness, &id, GRACE).await;
    assert!(harness.env().elapsed() - before < GRACE, "stopping waited for the whole grace period");
    let listed = status(harness, &id).await.expect("a stopped container stays");
    assert_eq!(code(&listed), 0);
}

/// A container that does not end when asked is killed after the grace period, and not before.
pub async fn container_that_ignores_the_signal_is_killed(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::IgnoresStop).await;
    let (grace, before) = (Duration::from_secs(2), harness.env().elapsed());
    stop(harness, &id, grace).await;
    assert!(harness.env().elapsed() - before >= grace, "the container was killed within its grace period");
    let listed = status(harness, &id).await.expect("a killed container stays");
    assert_eq!(code(&listed), 137);
}

/// Without a grace period a container is killed and not asked.
pub async fn no_grace_kills_at_once(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::IgnoresStop).await;
    stop(harness, &id, Duration::ZERO).await;
    assert_eq!(status(harness, &id).await.map(|status| code(&status)), Some(137));
}

/// Stopping what has ended, or is gone, succeeds and changes nothing.
pub async fn stopping_twice_is_harmless(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Exit(5)).await;
    let before = ended(harness, &id).await;
    stop(harness, &id, GRACE).await;
    stop(harness, &id, Duration::ZERO).await;
    assert_eq!(status(harness, &id).await, Some(before));
    harness.runtime().remove(&id).await.expect("a container is removed");
    stop(harness, &id, GRACE).await;
}

/// A container that was removed is in no state and has no log.
pub async fn removed_container_is_forgotten(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Exit(0)).await;
    ended(harness, &id).await;
    harness.runtime().remove(&id).await.expect("a container is removed");
    assert_eq!(status(harness, &id).await, None);
    if let Some(streams) = harness.runtime().streams() {
        let error = streams.logs(&id, &Default::default()).await.expect_err("there is no log");
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
}

/// Removing what is gone succeeds.
pub async fn removing_a_container_twice_is_harmless(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Exit(0)).await;
    ended(harness, &id).await;
    harness.runtime().remove(&id).await.expect("a container is removed");
    harness.runtime().remove(&id).await.expect("a container that is gone is removed");
}

/// Removing a container that runs kills it first, as CRI has it (`RemoveContainer`).
pub async fn removing_a_running_container_ends_it(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let mut events = harness.runtime().events().await.expect("events are told");
    let id = run(harness, &pod, "a", Behaviour::IgnoresStop).await;
    let removal = harness.runtime().remove(&id);
    harness.env().timeout(LIMIT, removal).await.expect("removal ends").expect("removal succeeds");
    assert_eq!(status(harness, &id).await, None);
    assert_eq!(code(&exit_event(harness, &mut events, &id).await.1), 137);
}

/// Starting the same attempt of a container again answers the same container, whether it still runs or not.
pub async fn same_attempt_is_started_once(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let spec = harness.container("a", &Behaviour::UntilStopped);
    let first = start(harness, &pod, &spec).await;
    assert_eq!(start(harness, &pod, &spec).await, first);
    stop(harness, &first, GRACE).await;
    assert_eq!(start(harness, &pod, &spec).await, first);
    let state = harness.runtime().state().await.expect("the state is told");
    assert_eq!(
        state.iter().find(|sandbox| sandbox.id == pod.id).map(|sandbox| sandbox.containers.len()),
        Some(1)
    );
}

/// The next attempt of a container is another container; the old one stays beside it.
pub async fn restart_is_a_new_container(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let mut spec = harness.container("a", &Behaviour::Exit(1));
    let first = start(harness, &pod, &spec).await;
    ended(harness, &first).await;
    spec.attempt = 1;
    let second = start(harness, &pod, &spec).await;
    assert_ne!(first, second);
    assert_eq!(ended(harness, &second).await.attempt, 1);
    assert_eq!(status(harness, &first).await.map(|status| status.attempt), Some(0));
}

/// The containers of a sandbox are listed in the order they were started.
pub async fn containers_are_listed_in_order_of_start(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let mut started = Vec::new();
    for name in ["c", "a", "b"] {
        started.push(run(harness, &pod, name, Behaviour::Exit(0)).await);
    }
    let state = harness.runtime().state().await.expect("the state is told");
    let listed = state.into_iter().find(|sandbox| sandbox.id == pod.id).expect("the sandbox is there");
    assert_eq!(listed.containers.into_iter().map(|container| container.id).collect::<Vec<_>>(), started);
}

/// Without its sandbox no container starts.
pub async fn container_needs_a_sandbox(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let spec = harness.container("a", &Behaviour::Exit(0));
    start(harness, &pod, &spec).await;
    harness.runtime().remove_pod(&pod.id).await.expect("a sandbox is removed");
    let error = harness.runtime().start(&pod.id, &spec).await.expect_err("there is no sandbox");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}
