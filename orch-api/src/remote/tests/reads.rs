//! Lists and reads: what the server's own Api answers.

use orch_core::{ApiExt, Write};

use super::*;

async fn make(world: &World, count: usize) {
    for at in 0..count {
        let tier = if at % 2 == 0 { "web" } else { "db" };
        world.local.create(map(&format!("m{at:04}"), tier)).await.unwrap();
    }
}

fn names(page: &Page) -> Vec<String> {
    page.items.iter().map(|object| object.key().to_string()).collect()
}

#[test]
fn lists_are_those_of_the_server() {
    with(|world| async move {
        make(&world, 7).await;
        for select in [
            maps(),
            Select::kind(kind::CONFIG_MAPS),
            maps().labels("tier=web".parse().unwrap()),
            maps().labels("tier notin (web)".parse().unwrap()).field("metadata.name", "m0003"),
            maps().labels(orch_core::selector::Selector::nothing()),
            Select::kind(kind::NAMESPACES),
            Select::kind(kind::PODS).field("spec.nodeName", "n1"),
            Select::kinds([kind::NAMESPACES, kind::CONFIG_MAPS, kind::PODS]),
            Select::default(),
            Select::default().namespace("default"),
        ] {
            let (far, near) = (world.remote.list(&select, None, 0), world.local.list(&select, None, 0));
            let (far, near) = (far.await.unwrap(), near.await.unwrap());
            assert_eq!(names(&far), names(&near), "{select:?}");
            assert_eq!(far.revision, near.revision, "nothing is written meanwhile");
            for (far, near) in far.items.iter().zip(&near.items) {
                assert_eq!((far.revision(), far.to_tree()), (near.revision(), near.to_tree()));
            }
        }
    });
}

#[test]
fn pages_are_of_one_revision_and_go_over_kinds() {
    with(|world| async move {
        make(&world, 5).await;
        for select in [maps(), Select::kinds([kind::NAMESPACES, kind::CONFIG_MAPS])] {
            let whole = world.remote.list(&select, None, 0).await.unwrap();
            let (mut page, mut all, mut count) = (None, Vec::new(), 0);
            loop {
                let answer = world.remote.list(&select, page.take(), 2).await.unwrap();
                assert!(answer.items.len() <= 2);
                count += 1;
                if count == 1 {
                    // What comes later is not in the pages of the kind that is under way.
                    world.local.create(map("later", "x")).await.unwrap();
                }
                all.extend(names(&answer));
                page = answer.next;
                if page.is_none() {
                    break;
                }
            }
            let key = key("later");
            all.retain(|name| *name != key.to_string());
            assert_eq!(all, names(&whole));
            world.local.one(Write::delete(key)).await.unwrap();
        }
        for bad in ["", "{}", "x", r#"{"group":"","resource":"pods","next":"","revision":1,"own":1}"#] {
            let error = world.remote.list(&maps(), Some(bad.into()), 2).await.unwrap_err();
            assert!(matches!(error, Error::BadPage), "{bad}: {error:?}");
        }
        let bad = r#"{"group":"","resource":"configmaps","next":"x","revision":1,"own":1}"#;
        let error = world.remote.list(&maps(), Some(bad.into()), 2).await.unwrap_err();
        assert!(matches!(error, Error::BadPage), "{error:?}");
    });
}

#[test]
fn a_long_list_comes_in_pages_of_the_server() {
    with(|world| async move {
        make(&world, 1203).await;
        let page = world.remote.list(&maps(), None, 0).await.unwrap();
        assert_eq!((page.items.len(), page.next), (1203, None));
    });
}

#[test]
fn an_object_is_read_at_a_revision_that_is_not_older() {
    with(|world| async move {
        make(&world, 1).await;
        let live = world.remote.read(&key("m0000")).await.unwrap();
        let same = world.remote.get(&key("m0000"), live.revision()).await.unwrap();
        assert!(same.is_same(&live));
        let error = world.remote.get(&key("m0000"), Revision(1_000_000)).await.unwrap_err();
        let Error::Ahead { requested, current } = error else { panic!("{error:?}") };
        assert!(requested == Revision(1_000_000) && current >= live.revision());
        assert!(world.remote.read(&key("none")).await.unwrap_err().is_not_found());
        for (wrong, field) in [
            (Key::new(kind::CONFIG_MAPS, "default", ""), "metadata.name"),
            (Key::new(kind::CONFIG_MAPS, "default", ".."), "metadata.name"),
            (Key::cluster(kind::CONFIG_MAPS, "a"), "metadata.namespace"),
            (Key::new(kind::NODES, "default", "a"), "metadata.namespace"),
        ] {
            let error = world.remote.read(&wrong).await.unwrap_err();
            assert!(matches!(&error, Error::Malformed { field: told, .. } if told == field), "{error:?}");
        }
    });
}

#[test]
fn a_kind_that_is_not_served_is_no_absent_object() {
    with(|world| async move {
        let widgets = orch_core::Kind::named("shop.example", "widgets");
        let registry = Arc::new(Registry::built_in());
        let info = KindInfo::new(widgets, "v1", "Widget", orch_core::Scope::Namespaced);
        registry.register(info).unwrap();
        let remote = world.remote.clone().with_registry(registry);
        let error = remote.read(&Key::new(widgets, "default", "a")).await.unwrap_err();
        assert!(matches!(error, Error::UnknownKind { .. }), "{error:?}");
        assert!(matches!(remote.list(&Select::kind(widgets), None, 0).await, Err(Error::UnknownKind { .. })));
        // Among all kinds it is passed over.
        assert!(!remote.list(&Select::default(), None, 0).await.unwrap().items.is_empty());
    });
}

#[test]
fn discovery_tells_the_kinds() {
    with(|world| async move {
        let widgets = orch_core::Kind::named("shop.example", "widgets");
        let info = KindInfo::new(widgets, "v1beta1", "Widget", orch_core::Scope::Namespaced)
            .short_names(&["wd"])
            .categories(&["all"]);
        world.local.registry().register(info).unwrap();
        let remote = world.remote.clone().discover().await.unwrap();
        let (far, near) = (remote.registry().kinds(), world.local.registry().kinds());
        let told = |kinds: &[Arc<KindInfo>]| kinds.iter().map(|info| format!("{info:?}")).collect::<Vec<_>>();
        assert_eq!(told(&far), told(&near));
        assert_eq!(remote.registry().by_word("wd").unwrap().kind, widgets);
    });
}

#[test]
fn a_part_acts_as_exactly_who_it_is() {
    with(|world| async move {
        let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let ask = async |user: User| {
            let acting = RemoteApi { user: Some(user), ..world.remote.clone() };
            acting.send(Request::post(uri), Bytes::from_static(b"{}")).await
        };
        let mut user = User::new("jörg");
        user.groups = vec!["team".into()];
        user.uid = "u1".into();
        user.extra.insert("example.com/a b".into(), vec!["x".into(), "y".into()]);
        let answer = ask(user).await.unwrap();
        let tree: Value = serde_json::from_slice(&answer.body).unwrap();
        let expected = json!({"username": "jörg", "uid": "u1", "groups": ["team", "system:authenticated"],
            "extra": {"example.com/a b": ["x", "y"]}});
        assert_eq!(tree["status"]["userInfo"], expected);
        // A server would take it for the administrator, who the connection is.
        assert!(ask(User::new("")).await.is_err());
    });
}
