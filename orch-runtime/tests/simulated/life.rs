//! The life of a container: profiles, annotations, readiness, ends.

use orch_core::runtime::{ContainerSpec, Error, Runtime, Streams};
use orch_runtime::simulated::Profile;

use crate::{GRACE, Node, on_node, secs};

#[test]
fn a_default_container_runs_until_it_is_stopped() {
    on_node(Profile::default(), |node| async move {
        let id = node.run("web").await;
        assert_eq!(node.exec(&id, &["hostname"]).await.unwrap().stdout, b"web\n");
        node.env.sleep(secs(1_000_000)).await;
        assert_eq!(node.ended(&id).await, None);
        let before = node.env.elapsed();
        node.runtime.stop(&id, GRACE).await.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&id).await), (before, Some((0, String::new()))));
        let log = node.log(&id).await;
        assert_eq!(
            log,
            ["simulated container of any/image started", "simulated container ended with code 0"]
        );
    });
}

#[test]
fn latencies_are_taken() {
    let profile = Profile::default().start_latency(secs(2)).stop_latency(secs(3)).runs_for(secs(60));
    on_node(profile, |node| async move {
        let (first, second) = (node.run("first").await, node.run("second").await);
        assert_eq!(node.env.elapsed(), secs(4));
        node.env.sleep(secs(56)).await;
        assert_eq!(node.ended(&first).await, None);
        node.runtime.stop(&second, GRACE).await.unwrap();
        assert_eq!(node.env.elapsed(), secs(63), "it ended three seconds after it was asked to");
        assert_eq!(node.ended(&first).await, Some((0, String::new())));
    });
}

#[test]
fn an_end_has_its_code_and_reason() {
    on_node(Profile::default().runs_for(secs(1)), |node| async move {
        for (code, reason) in [("0", ""), ("3", ""), ("134", ""), ("137", "OOMKilled")] {
            let annotations = [("exit-code", code), ("last-word", "bye")];
            let pod = node.annotated(code, &annotations).await;
            let mut spec = ContainerSpec::new("main", "image");
            spec.termination_message_path = "/dev/termination-log".into();
            let id = node.runtime.start(&pod, &spec).await.unwrap();
            node.env.sleep(secs(2)).await;
            assert_eq!(node.ended(&id).await, Some((code.parse().unwrap(), reason.to_owned())));
            assert_eq!(node.log(&id).await.contains(&"panicked".to_owned()), code == "134");
            let said = format!("{:?}", node.status(&id).await.state).contains("bye");
            assert_eq!(said, code != "137", "who is killed says nothing more");
        }
    });
}

#[test]
fn annotations_go_before_the_profile() {
    on_node(Profile::default().ready_after(secs(100)), |node| async move {
        let annotations =
            [("runs-for", "5s"), ("exit-code.main", "3"), ("runs-for.side", "1h"), ("ready-after", "1s")];
        let pod = node.annotated("web", &annotations).await;
        let main = node.start(&pod, "main").await.unwrap();
        let side = node.start(&pod, "side").await.unwrap();
        assert_eq!(node.exec(&side, &["true"]).await.unwrap().code, 1);
        node.env.sleep(secs(6)).await;
        assert_eq!(node.exec(&side, &["true"]).await.unwrap().code, 0);
        assert_eq!(node.ended(&main).await, Some((3, String::new())));
        assert_eq!(node.ended(&side).await, None);
    });
}

#[test]
fn an_annotation_that_is_malformed_fails_the_start() {
    on_node(Profile::default(), |node| async move {
        let pod = node.annotated("web", &[("runs-for.main", "soon")]).await;
        let error = node.start(&pod, "main").await.unwrap_err();
        assert!(matches!(error, Error::Create { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            "failed to create container main: annotation sim.orch.local/runs-for.main is \"soon\": \
             \"soon\" has no unit: ms, s, m or h; write a length of time such as 5s or 250ms, or two such as 1s..5s"
        );
        node.start(&pod, "side").await.unwrap();
        assert_eq!(node.runtime.containers().len(), 1);
    });
}

#[test]
fn an_annotation_may_fail_the_pull_of_one_pod() {
    on_node(Profile::default(), |node| async move {
        let pod = node.annotated("web", &[("pull-fails", "true"), ("pull-latency", "3s")]).await;
        let error = node.start(&pod, "main").await.unwrap_err();
        assert_eq!((error.reason(), node.env.elapsed()), ("ErrImagePull", secs(3)));
        node.run("other").await;
    });
}

#[test]
fn commands_fail_until_the_container_is_ready() {
    on_node(Profile::default().ready_after(secs(5)), |node| async move {
        let id = node.run("web").await;
        assert!(!node.runtime.containers()[0].is_ready);
        let output = node.exec(&id, &["echo", "hi"]).await.unwrap();
        assert_eq!((output.code, &*output.stdout), (1, &b""[..]));
        node.env.sleep(secs(5)).await;
        assert!(node.runtime.containers()[0].is_ready);
        let output = node.exec(&id, &["echo", "hi"]).await.unwrap();
        assert_eq!((output.code, &*output.stdout), (0, &b"hi\n"[..]));
        assert_eq!(node.exec(&id, &["no-such"]).await.unwrap().code, 127);
    });
}

#[test]
fn probes_fail_as_often_as_is_said() {
    on_node(Profile::default().probe_fails(0.2), |node| async move {
        let id = node.run("web").await;
        let mut failed = 0;
        for _ in 0..1000 {
            failed += node.exec(&id, &["true"]).await.unwrap().code;
        }
        assert!((150..250).contains(&failed), "{failed}");
    });
}

#[test]
fn who_ignores_being_asked_is_killed() {
    on_node(Profile::default().ignores_stop(1.0), |node| async move {
        let id = node.run("web").await;
        node.runtime.stop(&id, secs(10)).await.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&id).await), (secs(10), Some((137, String::new()))));
    });
}

#[test]
fn a_shorter_grace_period_wins() {
    on_node(Profile::default().ignores_stop(1.0), |node| async move {
        let id = node.run("web").await;
        let long = node.runtime.stop(&id, secs(100));
        let short = async {
            node.env.sleep(secs(1)).await;
            node.runtime.stop(&id, secs(5)).await
        };
        let (long, short) = futures::join!(long, short);
        long.and(short).unwrap();
        assert_eq!(node.env.elapsed(), secs(6));
    });
}

#[test]
fn what_has_run_long_ends_by_itself_while_it_is_asked_to() {
    let profile = Profile::default().runs_for(secs(5)).exit_codes([9]).stop_latency(secs(20));
    on_node(profile, |node| async move {
        let id = node.run("web").await;
        node.runtime.stop(&id, GRACE).await.unwrap();
        assert_eq!((node.env.elapsed(), node.ended(&id).await), (secs(5), Some((9, String::new()))));
    });
}

#[test]
fn a_command_ends_with_its_container() {
    on_node(Profile::default().runs_for(secs(5)), |node| async move {
        let id = node.run("web").await;
        let sleep = node.runtime.exec(&id, &["sleep".into(), "infinity".into()], secs(60)).await.unwrap();
        assert_eq!((node.env.elapsed(), sleep.code), (secs(5), 137));
    });
}

#[test]
fn a_far_end_is_no_overflow() {
    on_node(Profile::default().runs_for(std::time::Duration::MAX), |node| async move {
        let id = node.run("web").await;
        node.env.sleep(secs(200_000)).await;
        assert_eq!(node.ended(&id).await, None);
        let forever = node.runtime.stop(&id, std::time::Duration::MAX);
        assert!(node.env.timeout(secs(1), forever).await.is_some());
    });
}

#[test]
fn a_dropped_runtime_ends_its_tasks() {
    orch_core::sim::run(7, |env| async move {
        let node = Node::new(&env, Profile::default());
        node.run("web").await;
        drop(node);
        env.shutdown().await;
    });
}

#[test]
fn it_runs_in_real_time_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let env = orch_core::Env::seeded(1);
        let millis = std::time::Duration::from_millis;
        let profile =
            Profile::default().start_latency(millis(5)).runs_for(millis(20)..millis(40)).exit_codes([3]);
        let node = Node::new(&env, profile);
        let mut events = node.runtime.events().await.unwrap();
        let id = node.run("web").await;
        let told = env.timeout(secs(60), futures::StreamExt::next(&mut events)).await.flatten();
        assert!(told.is_some() && env.elapsed() >= millis(25));
        assert_eq!(node.ended(&id).await, Some((3, String::new())));
        env.shutdown().await;
    });
}
