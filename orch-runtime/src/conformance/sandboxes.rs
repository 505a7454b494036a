//! Cases about sandboxes and ids.

use std::collections::BTreeSet;

use orch_core::runtime::ContainerState;

use super::{Behaviour, Harness, code, ended, pod, run, sandbox, status};

/// A sandbox is in the state as it was made, from the moment it is made until it is removed.
pub async fn sandbox_is_listed_until_removed(harness: &dyn Harness) {
    let spec = sandbox(harness, "web");
    let attachment = harness.attach(&spec.pod, &spec.uid).await;
    let id = harness.runtime().run_pod(&spec, &attachment).await.expect("a sandbox is made");
    let state = harness.runtime().state().await.expect("the state is told");
    let listed = state.iter().find(|sandbox| sandbox.id == id).expect("a new sandbox is listed");
    assert_eq!((listed.spec.pod.clone(), listed.spec.uid.clone()), (spec.pod, spec.uid));
    assert_eq!(listed.containers, []);
    harness.runtime().remove_pod(&id).await.expect("a sandbox is removed");
    let state = harness.runtime().state().await.expect("the state is told");
    assert!(state.iter().all(|sandbox| sandbox.id != id), "a removed sandbox is still listed");
}

/// Removing what is gone succeeds.
pub async fn removing_a_sandbox_twice_is_harmless(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    harness.runtime().remove_pod(&pod.id).await.expect("a sandbox is removed");
    harness.runtime().remove_pod(&pod.id).await.expect("a sandbox that is gone is removed");
}

/// Removing a sandbox kills what runs in it and takes its containers along.
pub async fn removing_a_sandbox_ends_its_containers(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let running = run(harness, &pod, "a", Behaviour::IgnoresStop).await;
    let over = run(harness, &pod, "b", Behaviour::Exit(0)).await;
    ended(harness, &over).await;
    let removal = harness.runtime().remove_pod(&pod.id);
    harness.env().timeout(super::LIMIT, removal).await.expect("removal ends").expect("removal succeeds");
    assert_eq!(status(harness, &running).await, None);
    assert_eq!(status(harness, &over).await, None);
}

/// Making the sandbox of a pod again answers the same sandbox.
pub async fn same_pod_has_one_sandbox(harness: &dyn Harness) {
    let spec = sandbox(harness, "web");
    let attachment = harness.attach(&spec.pod, &spec.uid).await;
    let first = harness.runtime().run_pod(&spec, &attachment).await.expect("a sandbox is made");
    let second = harness.runtime().run_pod(&spec, &attachment).await.expect("a call may be repeated");
    assert_eq!(first, second);
}

/// A sandbox or container that is made after another was removed has another id.
pub async fn ids_are_never_used_again(harness: &dyn Harness) {
    let (mut sandboxes, mut containers) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..5 {
        let pod = pod(harness, "web").await;
        assert!(sandboxes.insert(pod.id.clone()), "{} was used before", pod.id);
        for _ in 0..3 {
            let id = run(harness, &pod, "a", Behaviour::Exit(0)).await;
            ended(harness, &id).await;
            harness.runtime().remove(&id).await.expect("a container is removed");
            assert!(containers.insert(id.clone()), "{id} was used before");
        }
        harness.runtime().remove_pod(&pod.id).await.expect("a sandbox is removed");
    }
}

/// Containers of the same name in two pods are two, and end each for itself.
pub async fn containers_of_two_pods_do_not_meet(harness: &dyn Harness) {
    let (one, two) = (pod(harness, "one").await, pod(harness, "two").await);
    assert_ne!(one.attachment.address(), two.attachment.address());
    let first = run(harness, &one, "a", Behaviour::UntilStopped).await;
    let second = run(harness, &two, "a", Behaviour::UntilStopped).await;
    super::stop(harness, &first, super::GRACE).await;
    assert_eq!(code(&ended(harness, &first).await), 0);
    let other = status(harness, &second).await.expect("the other is there");
    assert!(matches!(other.state, ContainerState::Running { .. }), "{other:?}");
}
