//! Watches, and the feeds that live on them.

use orch_core::{ApiExt, Feed};

use super::*;

#[test]
fn a_watch_begins_with_the_state_and_tells_what_was_before() {
    with(|world| async move {
        world.local.create(map("b", "1")).await.unwrap();
        world.local.create(map("a", "1")).await.unwrap();
        let mut watch = world.remote.watch(&maps(), None).await.unwrap();
        let now = world.local.list(&maps(), None, 1).await.unwrap().revision;
        assert_eq!(told(&mut watch, now).await, ["b >1", "a >1"], "in order of revision");
        world.local.one(Write::merge(key("a"), json!({"data": {"k": "2"}}))).await.unwrap();
        world.local.one(Write::delete(key("b"))).await.unwrap();
        let last = world.local.create(map("b", "3")).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            if let Event::Changed(change) = watch.next().await.unwrap().unwrap() {
                seen.push(shown(&change));
                if seen.len() == 3 {
                    assert_eq!(change.revision, last.revision());
                    assert!(change.now.as_ref().unwrap().is_fresh(), "it brings its tree");
                }
            }
        }
        assert_eq!(seen, ["a 1>2", "b 1>", "b >3"]);
    });
}

#[test]
fn objects_enter_and_leave_a_selection() {
    with(|world| async move {
        world.local.create(map("a", "db")).await.unwrap();
        let select = maps().labels("tier=web".parse().unwrap());
        let now = world.local.list(&maps(), None, 1).await.unwrap().revision;
        let mut watch = world.remote.watch(&select, Some(now)).await.unwrap();
        let tier = |tier: &str| {
            Write::merge(key("a"), json!({"metadata": {"labels": {"tier": tier}}, "data": {"k": tier}}))
        };
        world.local.one(tier("web")).await.unwrap();
        let last = world.local.one(tier("db")).await.unwrap();
        assert_eq!(told(&mut watch, last.revision()).await, ["a >web", "a web>"]);
    });
}

#[test]
fn opening_a_watch_tells_how_far_the_server_is() {
    with(|world| async move {
        let old = world.local.create(map("a", "1")).await.unwrap();
        // Of another kind: nothing that the watch is about.
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "default"}});
        let now = world.local.create(lease).await.unwrap().revision();
        let mut watch = world.remote.watch(&maps(), Some(old.revision())).await.unwrap();
        assert_eq!(told(&mut watch, now).await, [""; 0]);
        assert!(world.env.elapsed() < Duration::from_secs(1), "at once");
    });
}

#[test]
fn what_cannot_be_watched_is_told() {
    with(|world| async move {
        world.local.create(map("a", "1")).await.unwrap();
        let ahead = world.remote.watch(&maps(), Some(Revision(1_000_000))).await.err().unwrap();
        assert!(matches!(ahead, Error::Ahead { requested: Revision(1_000_000), .. }), "{ahead:?}");
        for several in [Select::default(), Select::kinds([kind::PODS, kind::NODES])] {
            let error = world.remote.watch(&several, None).await.err().unwrap();
            assert!(matches!(error, Error::NotAllowed { .. }), "{error:?}");
        }
        let now = world.local.list(&maps(), None, 1).await.unwrap().revision;
        world.store.compact(now);
        let error = match world.remote.watch(&maps(), Some(Revision(1))).await {
            Ok(mut watch) => watch.next().await.unwrap().unwrap_err(),
            Err(error) => error,
        };
        let Error::Compacted { requested, oldest } = error else { panic!("{error:?}") };
        assert!(requested == Revision(1) && oldest > requested, "{requested} {oldest}");
    });
}

#[test]
fn a_watch_goes_on_when_the_server_ends_it_in_peace() {
    with(|world| async move {
        let mut watch = world.remote.watch(&maps(), None).await.unwrap();
        let now = world.local.list(&maps(), None, 1).await.unwrap().revision;
        told(&mut watch, now).await;
        // Many times longer than the server lets one watch run.
        for at in 0..5 {
            let waited = world.env.timeout(Duration::from_secs(3600), async {
                while let Some(event) = watch.next().await {
                    assert!(matches!(event.unwrap(), Event::Progress(_)));
                }
            });
            assert!(waited.await.is_none(), "it has no end");
            let last = world.local.create(map(&format!("m{at}"), "1")).await.unwrap();
            assert_eq!(told(&mut watch, last.revision()).await, [format!("m{at} >1")]);
        }
    });
}

#[test]
fn a_feed_lists_again_when_history_is_gone() {
    with(|world| async move {
        for name in ["a", "b"] {
            world.local.create(map(name, "1")).await.unwrap();
        }
        let mut feed = Feed::new(Arc::new(world.remote.clone()), world.env.clone(), maps());
        let mut next = async || loop {
            if let Event::Changed(change) = feed.next().await {
                return (shown(&change), feed.revision());
            }
        };
        assert_eq!(next().await.0, "a >1");
        assert_eq!(next().await.0, "b >1");
        let poke = feed.poker();
        world.local.one(Write::merge(key("a"), json!({"data": {"k": "2"}}))).await.unwrap();
        let last = world.local.one(Write::delete(key("b"))).await.unwrap();
        world.store.compact(last.revision());
        poke.notify_one();
        let mut told = Vec::new();
        while told.len() < 2 {
            if let Event::Changed(change) = feed.next().await {
                told.push(shown(&change));
            }
        }
        told.sort();
        assert_eq!(told, ["a 1>2", "b 1>"]);
    });
}
