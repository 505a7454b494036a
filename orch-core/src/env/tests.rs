use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sim;

#[test]
fn a_childs_draws_do_not_depend_on_its_siblings() {
    let draw = |noise: u32| {
        sim::run(3, move |env| async move {
            let other = env.child("other");
            (0..noise).for_each(|_| _ = other.draw());
            (env.child("one").draw(), env.child("one").child("two").uuid())
        })
    };
    assert_eq!(draw(0), draw(9));
}

#[test]
fn uuids_are_version_four() {
    let uuid = sim::run(1, |env| async move { env.uuid() });
    assert_eq!(uuid.len(), 36);
    assert_eq!(&uuid[14..15], "4");
    assert!("89ab".contains(&uuid[19..20]));
}

#[test]
fn a_crash_ends_the_tasks_of_its_domain_only() {
    sim::run(1, |env| async move {
        let (one, two) = (env.child("one"), env.child("two"));
        let alive = Arc::new(AtomicBool::new(false));
        let task = one.spawn(std::future::pending::<()>());
        let other = two.spawn({
            let (two, alive) = (two.clone(), Arc::clone(&alive));
            async move {
                two.sleep(Duration::from_secs(10)).await;
                alive.store(true, Ordering::Relaxed);
            }
        });
        one.crash();
        assert_eq!(task.await, None);
        assert_eq!(other.await, Some(()));
        assert!(alive.load(Ordering::Relaxed));
    });
}

#[test]
fn shutdown_leaves_no_task() {
    sim::run(1, |env| async move {
        let task = env.child("a").child("b").spawn(std::future::pending::<()>());
        env.shutdown().await;
        assert!(task.is_finished());
    });
}

#[test]
fn who_waits_for_the_end_of_a_part_finds_nothing_left_of_it() {
    sim::run(1, |env| async move {
        let (one, two) = (env.child("one"), env.child("two"));
        let held = Arc::new(());
        for env in [&one, &one.child("a"), &one.child("a").child("b")] {
            let held = Arc::clone(&held);
            env.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        let other = two.spawn(std::future::pending::<()>());
        one.crash();
        one.ended().await;
        assert_eq!(Arc::strong_count(&held), 1, "what its tasks held is given back");
        assert!(!other.is_finished(), "nobody else is waited for");
        env.shutdown().await;
        assert!(other.is_finished());
    });
}

#[test]
fn the_end_of_a_part_that_still_runs_is_not_reached() {
    sim::run(1, |env| async move {
        let part = env.child("part");
        part.child("task").spawn(std::future::pending::<()>());
        assert!(env.timeout(Duration::from_secs(60), part.ended()).await.is_none());
        part.crash();
        assert!(env.timeout(Duration::from_secs(60), part.ended()).await.is_some());
    });
}

#[test]
fn a_task_that_crashes_itself_goes_no_further_than_its_next_wait() {
    sim::run(1, |env| async move {
        let part = env.child("part");
        let reached = Arc::new(AtomicBool::new(false));
        let task = part.spawn({
            let (part, reached) = (part.clone(), Arc::clone(&reached));
            async move {
                part.while_running().await;
                part.crash();
                part.while_running().await;
                reached.store(true, Ordering::Relaxed);
            }
        });
        assert_eq!(task.await, None);
        assert!(!reached.load(Ordering::Relaxed));
    });
}

#[test]
fn a_task_that_was_woken_before_a_crash_does_nothing_after_it() {
    sim::run(1, |env| async move {
        let part = env.child("part");
        let (wake, woken) = tokio::sync::oneshot::channel();
        let acted = Arc::new(AtomicBool::new(false));
        let task = part.spawn({
            let acted = Arc::clone(&acted);
            async move {
                woken.await.unwrap();
                acted.store(true, Ordering::Relaxed);
            }
        });
        tokio::task::yield_now().await;
        wake.send(()).unwrap();
        part.crash();
        assert_eq!(task.await, None);
        assert!(!acted.load(Ordering::Relaxed));
    });
}
