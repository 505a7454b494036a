//! What a program does to a runtime on purpose.

use futures::{FutureExt, StreamExt};
use orch_core::network::Network;
use orch_core::runtime::{
    ContainerSpec, ContainerState, Error, Images, Runtime, RuntimeEvent, SandboxSpec, Streams,
};
use orch_core::{Key, kind, sim};
use orch_runtime::simulated::{Faults, Profile};

use crate::{GRACE, Node, on_node, secs};

#[test]
fn running_containers_are_told_with_their_pods() {
    on_node(Profile::default(), |node| async move {
        let pod = node.annotated("web", &[("hangs.side", "true")]).await;
        node.start(&pod, "main").await.unwrap();
        node.start(&pod, "side").await.unwrap();
        let ended = node.run("other").await;
        assert!(node.runtime.exit(&ended, 0));
        let told = node.runtime.containers();
        let shown: Vec<_> = told
            .iter()
            .map(|one| (&*one.name, &*one.pod().name, one.pod_uid(), one.is_hanging, one.is_ready))
            .collect();
        assert_eq!(shown, [("main", "web", "uid-web", false, true), ("side", "web", "uid-web", true, false)]);
        assert_eq!(told[0].sandbox.annotations.len(), 1);
    });
}

#[test]
fn a_container_ends_when_the_program_says() {
    on_node(Profile::default(), |node| async move {
        let mut events = node.runtime.events().await.unwrap();
        let (one, other) = (node.run("one").await, node.run("other").await);
        assert!(node.runtime.exit(&one, 137));
        assert_eq!(node.ended(&one).await, Some((137, "OOMKilled".to_owned())));
        assert_eq!(node.ended(&other).await, None);
        let Some(RuntimeEvent::Exited { status, .. }) = events.next().await else {
            panic!("an exit is told")
        };
        assert_eq!(status, node.status(&one).await);
        assert!(!node.runtime.exit(&one, 0), "it has ended once");
        assert!(events.next().now_or_never().is_none(), "nothing else is told");
    });
}

#[test]
fn a_hanging_container_answers_nothing_until_it_goes_on() {
    on_node(Profile::default().runs_for(secs(50)), |node| async move {
        let id = node.run("web").await;
        assert!(node.runtime.set_hanging(&id, true));
        let error = node.exec(&id, &["true"]).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        let command = ["true".into()];
        let asked = node.runtime.exec(&id, &command, secs(100));
        let go_on = async {
            node.env.sleep(secs(20)).await;
            node.runtime.set_hanging(&id, false)
        };
        let (answer, _) = futures::join!(asked, go_on);
        assert_eq!(answer.unwrap().code, 0, "who waited is answered");
        node.runtime.set_hanging(&id, true);
        node.env.sleep(secs(60)).await;
        assert_eq!(node.ended(&id).await, None, "what hangs does not end");
        node.runtime.set_hanging(&id, false);
        node.env.sleep(secs(1)).await;
        assert_eq!(node.ended(&id).await, Some((0, String::new())), "its time was over");
    });
}

#[test]
fn a_hanging_container_is_killed_and_one_that_goes_on_stops() {
    on_node(Profile::default().hangs(1.0), |node| async move {
        let (one, other) = (node.run("one").await, node.run("other").await);
        node.runtime.stop(&one, secs(10)).await.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&one).await), (secs(10), Some((137, String::new()))));
        let stop = node.runtime.stop(&other, secs(10));
        let go_on = async {
            node.env.sleep(secs(3)).await;
            node.runtime.set_hanging(&other, false)
        };
        let (stopped, _) = futures::join!(stop, go_on);
        stopped.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&other).await), (secs(13), Some((0, String::new()))));
    });
}

#[test]
fn a_call_may_fail_after_it_was_done() {
    on_node(Profile::default(), |node| async move {
        let pod = node.pod("web").await;
        node.runtime.set_faults(Faults::default().fails_after(1.0));
        let error = node.start(&pod, "main").await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(node.runtime.state().await.is_err());
        assert!(node.runtime.pull("shop/web").await.is_err());
        let id = node.runtime.containers()[0].id.clone();
        assert!(node.runtime.stop(&id, GRACE).await.is_err());
        node.runtime.heal();
        assert_eq!(node.ended(&id).await, Some((0, String::new())), "it was stopped all the same");
        assert_eq!(node.start(&pod, "main").await.unwrap(), id, "it was started all the same");
        assert!(node.runtime.present("shop/web").await.unwrap().is_some());
    });
}

#[test]
fn a_call_may_fail_before_it_was_done() {
    on_node(Profile::default(), |node| async move {
        let pod = node.pod("web").await;
        node.runtime.set_faults(Faults::default().fails_before(1.0).latency(secs(2)));
        let error = node.start(&pod, "main").await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert_eq!(node.env.elapsed(), secs(2));
        assert!(node.runtime.containers().is_empty());
        assert!(node.runtime.events().await.is_err());
        node.runtime.heal();
        node.start(&pod, "main").await.unwrap();
        assert_eq!(node.env.elapsed(), secs(4));
    });
}

#[test]
fn some_calls_fail_and_a_repeated_one_is_done_in_the_end() {
    on_node(Profile::default(), |node| async move {
        node.runtime.set_faults(Faults::default().fails_before(0.3).fails_after(0.3));
        let (mut failed, mut ids) = (0, Vec::new());
        let spec = |name: &str| {
            SandboxSpec::new(Key::new(kind::PODS, "shop", name), format!("uid-{name}").into(), "n1".into())
        };
        for pod in 0..50 {
            let spec = spec(&pod.to_string());
            let attachment = orch_core::network::Attachment::new(
                spec.pod.clone(),
                spec.uid.clone(),
                std::net::Ipv4Addr::new(10, 128, 0, pod).into(),
            );
            let sandbox = loop {
                match node.runtime.run_pod(&spec, &attachment).await {
                    Ok(sandbox) => break sandbox,
                    Err(_) => failed += 1,
                }
            };
            ids.push(loop {
                match node.start(&sandbox, "main").await {
                    Ok(id) => break id,
                    Err(_) => failed += 1,
                }
            });
        }
        assert!((60..180).contains(&failed), "{failed}");
        node.runtime.heal();
        let state = node.runtime.state().await.unwrap();
        assert_eq!(state.len(), 50, "a repeated call does not do it twice");
        assert!(state.iter().all(|sandbox| sandbox.containers.len() == 1));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 50);
    });
}

#[test]
fn a_lost_event_is_told_to_be_lost() {
    on_node(Profile::default(), |node| async move {
        let mut events = node.runtime.events().await.unwrap();
        node.runtime.set_faults(Faults::default().loses_events(1.0));
        let id = node.run("web").await;
        node.runtime.exit(&id, 4);
        assert_eq!(events.next().await, Some(RuntimeEvent::Lost));
        assert_eq!(node.ended(&id).await, Some((4, String::new())), "the state is the truth");
        assert!(events.next().now_or_never().is_none());
    });
}

#[test]
fn a_healed_runtime_works() {
    let sick = Profile::default()
        .start_fails(1.0)
        .pull_fails(1.0)
        .hangs(1.0)
        .ignores_stop(1.0)
        .probe_fails(1.0)
        .runs_for(secs(5))
        .exit_codes([1, 137]);
    on_node(sick, |node| async move {
        let well = [("start-fails", "0"), ("hangs", "false")];
        let pod = node.annotated("old", &well).await;
        let old = node.start(&pod, "main").await.unwrap();
        let pod =
            node.annotated("stuck", &[("start-fails", "0"), ("runs-for", "1h"), ("exit-code", "0")]).await;
        let stuck = node.start(&pod, "main").await.unwrap();
        assert_eq!(node.exec(&old, &["true"]).await.unwrap().code, 1);
        assert!(node.runtime.pull("web").await.is_err());
        node.runtime.heal();
        node.runtime.pull("web").await.unwrap();
        let new = node.run("new").await;
        node.env.sleep(secs(1000)).await;
        for id in [&old, &stuck, &new] {
            assert_eq!(node.ended(id).await, None, "what could only fail goes on");
            assert_eq!(node.exec(id, &["true"]).await.unwrap().code, 0);
        }
        let before = node.env.elapsed();
        node.runtime.stop(&new, GRACE).await.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&new).await), (before, Some((0, String::new()))));
        node.env.sleep(secs(3600)).await;
        assert_eq!(node.ended(&stuck).await, Some((0, String::new())), "what can succeed does");
        node.runtime.set_faults(Faults::default());
        assert!(node.runtime.pull("web").await.is_err(), "profiles count again");
    });
}

#[test]
fn everything_ends_with_the_node() {
    sim::run(7, |env| async move {
        let machine = env.child("n1");
        let node = Node { env: env.clone(), ..Node::new(&machine, Profile::default()) };
        let pod = node.pod("web").await;
        let mut spec = ContainerSpec::new("main", "web");
        spec.ports = vec![80];
        let id = node.runtime.start(&pod, &spec).await.unwrap();
        let connect = || node.network.connect(None, ([10, 128, 0, 1], 80).into());
        connect().await.unwrap();
        let mut events = node.runtime.events().await.unwrap();
        let crash = async {
            node.env.sleep(secs(5)).await;
            machine.crash();
        };
        let (stopped, ()) = futures::join!(
            async {
                node.runtime.set_hanging(&id, true);
                node.runtime.stop(&id, GRACE).await
            },
            crash
        );
        assert!(matches!(stopped, Err(Error::Unavailable { .. })), "{stopped:?}");
        assert_eq!(events.next().await, None, "nothing is told any more");
        assert!(connect().await.is_err(), "its ports are closed");
        assert!(matches!(node.runtime.state().await, Err(Error::Unavailable { .. })));
        assert!(matches!(node.runtime.exec(&id, &[], secs(1)).await, Err(Error::Unavailable { .. })));
        assert!(node.runtime.containers().is_empty());
        assert!(!node.runtime.exit(&id, 0));
        env.shutdown().await;
    });
}

#[test]
fn the_state_after_an_exit_is_the_one_that_was_told() {
    on_node(Profile::default().runs_for(secs(1)..secs(50)), |node| async move {
        let mut events = node.runtime.events().await.unwrap();
        for pod in 0..20 {
            node.run(&pod.to_string()).await;
        }
        node.env.sleep(secs(60)).await;
        let mut last = jiff::Timestamp::MIN;
        for _ in 0..20 {
            let Some(RuntimeEvent::Exited { status, .. }) = events.next().await else {
                panic!("exits are told")
            };
            assert_eq!(node.status(&status.id).await, status);
            let ContainerState::Exited { finished, .. } = status.state else { panic!("it has ended") };
            assert!(last <= finished, "ends are told in their order");
            last = finished;
        }
    });
}
