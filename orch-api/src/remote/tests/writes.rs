//! Every verb, on every subresource: the same as on the server's own Api.

use orch_core::{ApiExt, ConflictCause, DeleteOptions, Patch, Propagation, Subresource, Verb};

use super::*;

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn web() -> Key {
    Key::new(kind::DEPLOYMENTS, "default", "web")
}

fn pod_key(name: &str) -> Key {
    Key::new(kind::PODS, "default", name)
}

#[test]
fn every_verb_answers_with_the_object() {
    with(|world| async move {
        let api = &world.remote;
        let made = api.create(deployment()).await.unwrap();
        assert!(made.revision() > Revision::ZERO && !made.uid().is_empty());
        assert_eq!(made.tree()["spec"]["strategy"]["type"], "RollingUpdate", "as the server completes it");
        assert!(made.tree()["metadata"].get("resourceVersion").is_none(), "the revision stands beside it");
        let status = Write::merge_status(web(), json!({"status": {"replicas": 2}}));
        assert_eq!(api.one(status).await.unwrap().tree()["status"]["replicas"], 2);
        let scale = Write::merge(web(), json!({"spec": {"replicas": 5}})).to(Subresource::Scale);
        let scaled = api.one(scale).await.unwrap();
        assert_eq!((&*scaled.key().name, &scaled.tree()["spec"]["replicas"]), ("web", &json!(5)));
        let whole = Write::update(web(), json!({"spec": {"replicas": 4}})).to(Subresource::Scale);
        assert_eq!(api.one(whole).await.unwrap().tree()["spec"]["replicas"], 4);
        let strategic = Patch::Strategic(json!({"metadata": {"labels": {"a": "b"}}}).into());
        assert_eq!(api.one(Write::new(web(), Verb::Patch(strategic))).await.unwrap().label("a"), Some("b"));
        let operations = json!([{"op": "remove", "path": "/metadata/labels/a"}]);
        let live = api.one(Write::new(web(), Verb::Patch(Patch::Json(operations.into())))).await.unwrap();
        assert_eq!(live.label("a"), None);
        let mut tree = Value::clone(&live.tree());
        tree["spec"]["replicas"] = 1.into();
        let live = api.one(Write::update(web(), tree)).await.unwrap();
        assert_eq!(live.tree()["spec"]["replicas"], 1);
        let tried = api.one(Write::delete(web()).dry_run()).await.unwrap();
        assert!(tried.is_same(&live));
        let gone = api.one(Write::delete(web())).await.unwrap();
        assert!(gone.revision() > live.revision() && gone.uid() == live.uid());
        let near = world.local.read(&web()).await.unwrap_err();
        assert!(near.is_not_found() && api.one(Write::delete(web())).await.unwrap_err().is_not_found());
    });
}

#[test]
fn pods_are_bound_and_evicted() {
    with(|world| async move {
        let (api, names) = (&world.remote, ["a", "b", "c"]);
        let made = api.write(names.map(|name| Write::create_tree(kind::PODS, pod(name))).to_vec()).await;
        let uids: Vec<Str> = made.into_iter().map(|live| live.unwrap().uid().clone()).collect();
        let mut binds: Vec<Write> =
            names.iter().zip(&uids).map(|(name, uid)| Write::bind(pod_key(name), "n1").of(uid)).collect();
        binds.push(Write::bind(pod_key("a"), "n2"));
        binds.push(Write::bind(pod_key("none"), "n2"));
        binds.push(Write::merge_status(pod_key("a"), json!({"status": {"phase": "Running"}})));
        let answers = api.write(binds).await;
        for (answer, name) in answers.iter().zip(names) {
            let live = answer.as_ref().unwrap();
            assert_eq!((&*live.key().name, live.field("spec.nodeName")), (name, Some("n1")));
        }
        let Err(Error::Conflict { cause: ConflictCause::State(why), .. }) = &answers[3] else {
            panic!("{answers:?}")
        };
        assert!(why.contains("already assigned"), "{why}");
        assert!(answers[4].as_ref().unwrap_err().is_not_found());
        assert_eq!(answers[5].as_ref().unwrap().field("status.phase"), Some("Running"));
        let other = api.one(Write::bind(pod_key("b"), "n1").of(&"other".into())).await.unwrap_err();
        assert!(other.is_conflict(), "{other:?}");
        let eviction = json!({"deleteOptions": {"gracePeriodSeconds": 0}});
        let wrong = Write::create(pod_key("b"), eviction.clone()).to(Subresource::Eviction).of(&uids[0]);
        let error = api.one(wrong).await.unwrap_err();
        assert!(error.is_conflict(), "{error:?}");
        let gone = api.one(Write::create(pod_key("b"), eviction).to(Subresource::Eviction)).await.unwrap();
        assert_eq!(&*gone.key().name, "b");
        assert!(api.read(&pod_key("b")).await.unwrap_err().is_not_found());
        // A pod that runs on a node has its grace.
        let going = api.one(Write::delete(pod_key("a"))).await.unwrap();
        assert!(going.header().is_terminating());
        let removed = api.one(Write::delete(pod_key("a")).grace(0)).await.unwrap();
        assert!(removed.revision() > going.revision());
    });
}

#[test]
fn preconditions_hold_whatever_the_verb() {
    with(|world| async move {
        let api = &world.remote;
        let old = api.create(map("a", "1")).await.unwrap();
        let now =
            api.one(Write::merge(key("a"), json!({"data": {"k": "2"}})).at(old.revision())).await.unwrap();
        let set = || json!({"data": {"k": "3"}});
        let verbs = || {
            [
                Verb::Update(map("a", "3").into()),
                Verb::Patch(Patch::Merge(set().into())),
                Verb::Patch(Patch::Strategic(set().into())),
                Verb::Patch(Patch::Json(json!([{"op": "replace", "path": "/data/k", "value": "3"}]).into())),
                Verb::Delete(DeleteOptions::default()),
            ]
            .map(|verb| Write::new(key("a"), verb))
        };
        for write in verbs() {
            let error = api.one(write.clone().at(old.revision())).await.unwrap_err();
            let Error::Conflict { cause: ConflictCause::Revision { expected, actual }, .. } = error else {
                panic!("{write:?}: {error:?}")
            };
            assert_eq!((expected, actual), (old.revision(), now.revision()), "{write:?}");
            let error = api.one(write.clone().of(&"other".into())).await.unwrap_err();
            let Error::Conflict { cause: ConflictCause::Uid { expected, actual }, .. } = error else {
                panic!("{write:?}: {error:?}")
            };
            assert_eq!((&*expected, &actual), ("other", now.uid()), "{write:?}");
        }
        assert!(world.local.read(&key("a")).await.unwrap().is_same(&now), "nothing was done");
        let applied = Write::apply(key("a"), "me", set()).force();
        assert!(api.one(applied.clone().at(old.revision())).await.unwrap_err().is_conflict());
        assert_eq!(api.one(applied.of(now.uid())).await.unwrap().tree()["data"]["k"], "3");
        for write in verbs() {
            let at = world.local.read(&key("a")).await.unwrap();
            api.one(write.at(at.revision()).of(at.uid())).await.unwrap();
        }
    });
}

#[test]
fn options_reach_the_server() {
    with(|world| async move {
        let api = &world.remote;
        let mut strict = deployment();
        strict["spec"]["replica"] = 1.into();
        let error =
            api.one(Write::create_tree(kind::DEPLOYMENTS, strict.clone()).strict()).await.unwrap_err();
        assert!(error.to_string().contains("replica"), "{error}");
        let tried = api.one(Write::create_tree(kind::DEPLOYMENTS, strict.clone()).dry_run()).await.unwrap();
        assert_eq!(tried.tree()["spec"]["replicas"], 2);
        assert!(api.read(&web()).await.unwrap_err().is_not_found(), "it was tried only");
        let live = api.one(Write::create_tree(kind::DEPLOYMENTS, strict).managed_by("me")).await.unwrap();
        assert_eq!(live.to_tree()["metadata"]["managedFields"][0]["manager"], "me");
        let foreground = api.one(Write::delete(web()).propagate(Propagation::Foreground)).await.unwrap();
        assert!(foreground.header().is_terminating());
        assert_eq!(foreground.header().finalizers.len(), 1);
        let generated = json!({"metadata": {"generateName": "g-", "namespace": "default"}});
        let made =
            api.one(Write::create(Key::new(kind::CONFIG_MAPS, "default", ""), generated)).await.unwrap();
        assert!(made.key().name.starts_with("g-"));
    });
}

#[test]
fn an_update_without_a_revision_is_done_where_the_server_wants_one() {
    with(|world| async move {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "l", "namespace": "default"}, "spec": {"holderIdentity": "a"}});
        let mut crowd = world.remote.create(lease).await.unwrap().tree().as_ref().clone();
        crowd["spec"]["holderIdentity"] = "b".into();
        if let Some(metadata) = crowd["metadata"].as_object_mut() {
            metadata.remove("uid");
        }
        let key = Key::new(kind::LEASES, "default", "l");
        let live = world.remote.one(Write::update(key, crowd)).await.unwrap();
        assert_eq!(live.tree()["spec"]["holderIdentity"], "b");
    });
}

#[test]
fn a_part_is_who_it_says_it_is_unless_told_otherwise() {
    with(|world| async move {
        let jane = User::new("jane");
        let error = world.remote.impersonate(&jane).read(&key("a")).await.unwrap_err();
        assert!(matches!(&error, Error::Forbidden { why, .. } if why.contains("jane")), "{error:?}");
        let itself = world.remote.clone().acting(Acting::Itself);
        assert!(itself.impersonate(&jane).read(&key("a")).await.unwrap_err().is_not_found());
    });
}
