//! One seed, one history; and one container's draws move no other's.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orch_core::runtime::{ContainerState, Images, Runtime};
use orch_core::sim;
use orch_runtime::simulated::{Profile, SimulatedRuntime};

use crate::{Node, secs};

/// Everything of it is drawn.
fn busy() -> Profile {
    Profile::default()
        .start_latency(secs(0)..secs(9))
        .start_fails(0.3)
        .runs_for(secs(10)..secs(1000))
        .exit_codes((0..=255).collect::<Vec<_>>())
        .ready_after(secs(0)..secs(20))
        .probe_fails(0.5)
}

/// What becomes of a pod's container: how its starts end, what its probes answer, when and how it ends.
async fn history(node: &Node, name: &str) -> Vec<String> {
    let mut history = Vec::new();
    let pod = node.pod(name).await;
    let id = loop {
        match node.start(&pod, "main").await {
            Ok(id) => break id,
            Err(error) => history.push(error.to_string()),
        }
    };
    for _ in 0..40 {
        node.env.sleep(secs(1)).await;
        match node.exec(&id, &["true"]).await {
            Ok(output) => history.push(format!("probe: {}", output.code)),
            Err(_) => history.push("probe of an ended container".to_owned()),
        }
    }
    node.env.sleep(secs(1000)).await;
    let ContainerState::Exited { code, started, finished, .. } = node.status(&id).await.state else {
        panic!("{name} has run out")
    };
    history.push(format!("{started} {finished} {code}"));
    history
}

fn among(seed: u64, others: usize) -> Vec<String> {
    sim::run(seed, |env| async move {
        let node = Node::new(&env, busy());
        let crowd: FuturesUnordered<_> = (0..others)
            .map(|other| {
                let node = &node;
                async move { history(node, &format!("other-{other}")).await }
            })
            .collect();
        let (_, history) = futures::join!(crowd.collect::<Vec<_>>(), history(&node, "web"));
        history
    })
}

#[test]
fn one_seed_has_one_history() {
    assert_eq!(among(1, 0), among(1, 0));
    assert_ne!(among(1, 0), among(2, 0));
}

#[test]
fn a_container_does_not_feel_the_others() {
    assert_eq!(among(3, 0), among(3, 25));
}

#[test]
fn a_start_that_failed_may_succeed_the_next_time() {
    sim::run(5, |env| async move {
        let node = Node::new(&env, Profile::default().start_fails(0.5));
        let mut tries = Vec::new();
        for pod in 0..40 {
            let pod = node.pod(&pod.to_string()).await;
            let mut count = 1;
            while let Err(error) = node.start(&pod, "main").await {
                assert_eq!(error.reason(), "RunContainerError");
                count += 1;
            }
            tries.push(count);
        }
        let once = tries.iter().filter(|count| **count == 1).count();
        assert!((10..30).contains(&once), "{tries:?}");
        assert!(tries.iter().all(|count| *count < 15), "{tries:?}");
    });
}

#[test]
fn pulls_take_time_and_fail_as_the_profile_of_their_image_says() {
    sim::run(5, |env| async move {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let network = Node::new(&env, Profile::default()).network;
        let runtime = SimulatedRuntime::builder(&env, network)
            .profiles(move |pod, container| {
                seen.lock().unwrap().push((pod.uid.to_string(), container.image.to_string()));
                container.image.contains("flaky").then(|| Profile::default().pull_fails(0.5))
            })
            .defaults(Profile::default().pull_latency(secs(2)..secs(3)))
            .build();
        let before = env.elapsed();
        let id = runtime.pull("shop/web").await.unwrap();
        assert!((secs(2)..=secs(3)).contains(&(env.elapsed() - before)));
        assert_eq!(runtime.present("docker.io/shop/web:latest").await.unwrap(), Some(id));
        assert_eq!(asked.lock().unwrap()[..], [(String::new(), "shop/web".to_owned())]);
        let mut failed = 0;
        for _ in 0..100 {
            failed +=
                usize::from(runtime.pull("flaky").await.is_err_and(|error| error.reason() == "ErrImagePull"));
        }
        assert!((30..70).contains(&failed), "{failed}");
        assert_eq!(runtime.info().name, "simulated".into());
    });
}
