//! The verbs, one rule a test, in virtual time on the store in memory.

mod admission;
mod any;
mod custom;
mod evict;
mod faults;
mod kinds;
mod patches;
mod prepared;
mod quota;
mod service_account;
mod subresources;

use std::sync::Arc;

use orch_core::{
    Api, ApiExt, ConflictCause, Env, Error, Key, Live, Propagation, Registry, Result, Revision, Subresource,
    Verb, Write, kind,
};
use orch_store::MemStore;
use serde_json::{Value, json};

use super::LocalApi;

fn sim<F: Future>(body: impl FnOnce(LocalApi, Env) -> F) -> F::Output {
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(store, env.clone(), registry)
            .service_range("10.0.0.0/28".parse().unwrap())
            .build();
        api.bootstrap().await.unwrap();
        body(api, env).await
    })
}

fn pod_tree(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}})
}

fn config(name: &str) -> Key {
    Key::new(kind::CONFIG_MAPS, "default", name)
}

async fn make_config(api: &LocalApi, extra: Value) -> Live {
    let mut tree = json!({"metadata": {"name": "a", "namespace": "default"}});
    crate::merge_patch(&mut tree, &extra);
    api.one(Write::create_tree(kind::CONFIG_MAPS, tree)).await.unwrap()
}

fn state(result: Result<Live>) -> String {
    match result {
        Err(Error::Conflict { cause: ConflictCause::State(why), .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_object_gets_what_is_the_servers() {
    sim(|api, env| async move {
        let mut tree = pod_tree("a");
        tree["metadata"]["uid"] = json!("mine");
        tree["metadata"]["generation"] = json!(9);
        tree["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
        tree["status"] = json!({"phase": "Running"});
        let pod = api.create(tree).await.unwrap();
        let tree = pod.tree();
        assert_eq!(tree["metadata"]["uid"].as_str().unwrap().len(), 36);
        assert_eq!(tree["metadata"]["generation"], 1);
        assert_eq!(tree["metadata"]["creationTimestamp"], orch_core::rfc3339(env.now()));
        assert!(tree["metadata"].get("deletionTimestamp").is_none());
        assert_eq!(tree["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
        assert!(pod.revision() > Revision::ZERO);
        assert_eq!(*api.read(pod.key()).await.unwrap().tree(), *tree);
    });
}

#[test]
fn generated_names_end_in_a_suffix_and_are_tried_again() {
    sim(|api, _| async move {
        let tree = json!({"metadata": {"generateName": "web-", "namespace": "default"}});
        let writes = (0..50).map(|_| Write::create_tree(kind::CONFIG_MAPS, tree.clone())).collect();
        let mut names: Vec<_> =
            api.write(writes).await.into_iter().map(|live| live.unwrap().key().name.clone()).collect();
        assert!(names.iter().all(|name| name.len() == 9 && name.starts_with("web-")));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 50);
        let nameless = json!({"metadata": {"namespace": "default"}});
        let error = api.one(Write::create_tree(kind::CONFIG_MAPS, nameless)).await.unwrap_err();
        assert!(error.to_string().contains("name or generateName is required"), "{error}");
    });
}

#[test]
fn what_is_of_no_namespace_is_created_in_none() {
    sim(|api, _| async move {
        let tree = json!({"metadata": {"name": "n1", "namespace": "default"}});
        let node = api.one(Write::create_tree(kind::NODES, tree)).await.unwrap();
        assert_eq!(*node.key(), Key::cluster(kind::NODES, "n1"));
        let stored = api.read(&Key::cluster(kind::NODES, "n1")).await.unwrap();
        assert!(stored.tree()["metadata"].get("namespace").is_none());
    });
}

#[test]
fn nothing_is_created_in_a_namespace_that_is_not_there_or_ends() {
    sim(|api, _| async move {
        let mut tree = pod_tree("a");
        tree["metadata"]["namespace"] = json!("shop");
        let error = api.create(tree.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "namespaces/shop not found");
        let shop = Key::cluster(kind::NAMESPACES, "shop");
        let namespace = json!({"metadata": {"name": "shop"}});
        let both = vec![Write::create(shop.clone(), namespace), Write::create_tree(kind::PODS, tree.clone())];
        assert!(
            api.write(both).await.iter().all(Result::is_ok),
            "in order: the namespace is there for the pod"
        );
        api.one(Write::delete(shop)).await.unwrap();
        tree["metadata"]["name"] = json!("b");
        let error = api.create(tree).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "pods/shop/b is forbidden: unable to create new content in namespace shop because it is being terminated"
        );
    });
}

#[test]
fn a_namespace_goes_in_phases() {
    sim(|api, _| async move {
        let key = Key::cluster(kind::NAMESPACES, "shop");
        let made = api.one(Write::create(key.clone(), json!({}))).await.unwrap();
        assert_eq!(made.tree()["spec"]["finalizers"], json!(["kubernetes"]));
        assert_eq!(made.label("kubernetes.io/metadata.name"), Some("shop"));
        let ending = api.one(Write::delete(key.clone())).await.unwrap();
        assert_eq!(ending.field("status.phase"), Some("Terminating"));
        assert!(ending.header().is_terminating());
        let again = api.one(Write::delete(key.clone())).await.unwrap();
        assert_eq!(again.revision(), ending.revision(), "it waits for its finalizers");
        let kept = Write::merge(key.clone(), json!({"spec": {"finalizers": []}}));
        let kept = api.one(kept).await.unwrap();
        assert_eq!(kept.revision(), ending.revision(), "only finalize changes spec.finalizers");
        let finalize = Write::update(key.clone(), json!({"metadata": {"name": "shop"}, "spec": {}}));
        let gone = api.one(finalize.to(Subresource::Finalize)).await.unwrap();
        assert!(gone.revision() > ending.revision());
        assert!(api.read(&key).await.unwrap_err().is_not_found());
        let error = api.one(Write::delete(Key::cluster(kind::NAMESPACES, "default"))).await.unwrap_err();
        assert_eq!(error.to_string(), "namespaces/default is forbidden: this namespace may not be deleted");
    });
}

#[test]
fn an_update_without_a_revision_wins_and_one_with_an_old_one_loses() {
    sim(|api, _| async move {
        let first = make_config(&api, json!({})).await;
        let update = |value: &str| Write::update(config("a"), json!({"data": {"k": value}}));
        let second = api.one(update("1")).await.unwrap();
        assert_eq!(second.uid(), first.uid());
        let stale = api.one(update("2").at(first.revision())).await.unwrap_err();
        assert!(matches!(stale, Error::Conflict { cause: ConflictCause::Revision { .. }, .. }), "{stale}");
        let mut tree = Value::clone(&second.tree());
        tree["data"]["k"] = json!("3");
        tree["metadata"]["resourceVersion"] = json!(first.revision().to_string());
        assert!(api.one(Write::update(config("a"), tree.clone())).await.unwrap_err().is_conflict());
        tree["metadata"]["resourceVersion"] = json!(second.revision().to_string());
        let third = api.one(Write::update(config("a"), tree)).await.unwrap();
        assert_eq!(third.tree()["data"]["k"], "3");
        let other = api.one(update("4").of(&"other".into())).await.unwrap_err();
        assert!(matches!(other, Error::Conflict { cause: ConflictCause::Uid { .. }, .. }), "{other}");
        let absent = api.one(Write::update(config("b"), json!({}))).await.unwrap_err();
        assert!(absent.is_not_found());
    });
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    sim(|api, _| async move {
        let made = make_config(&api, json!({"data": {"k": "v"}})).await;
        for same in [
            Write::update(config("a"), json!({"data": {"k": "v"}})),
            Write::merge(config("a"), json!({"data": {"k": "v", "x": null}})),
            Write::merge(config("a"), json!({})),
        ] {
            assert_eq!(api.one(same).await.unwrap().revision(), made.revision());
        }
        let pod = api.create(pod_tree("p")).await.unwrap();
        let status = Write::merge_status(pod.key().clone(), json!({"status": {"phase": "Pending"}}));
        assert_eq!(api.one(status).await.unwrap().revision(), pod.revision());
    });
}

#[test]
fn a_patch_may_carry_a_precondition() {
    sim(|api, _| async move {
        let made = make_config(&api, json!({})).await;
        let patch = |revision: &str| {
            Write::merge(
                config("a"),
                json!({"metadata": {"resourceVersion": revision}, "data": {"k": revision}}),
            )
        };
        let now = made.revision().to_string();
        assert!(api.one(patch("1")).await.unwrap_err().is_conflict());
        let patched = api.one(patch(&now)).await.unwrap();
        assert_eq!(patched.tree()["data"]["k"], *now);
        assert!(api.one(patch("x")).await.unwrap_err().to_string().contains("metadata.resourceVersion"));
        let renamed = Write::merge(config("a"), json!({"metadata": {"name": "b"}}));
        assert!(
            api.one(renamed)
                .await
                .unwrap_err()
                .to_string()
                .contains("does not match the name on the URL (a)")
        );
    });
}

#[test]
fn a_batch_does_writes_of_one_object_in_order() {
    sim(|api, _| async move {
        let patch = |key: &str| Write::merge(config("a"), json!({"data": {key: "1"}}));
        let create = Write::create(config("a"), json!({}));
        let answers =
            api.write(vec![create, patch("x"), patch("y"), Write::delete(config("a")), patch("z")]).await;
        let revisions: Vec<_> = answers[..4].iter().map(|live| live.as_ref().unwrap().revision()).collect();
        assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
        assert_eq!(answers[3].as_ref().unwrap().tree()["data"], json!({"x": "1", "y": "1"}));
        assert!(answers[4].as_ref().unwrap_err().is_not_found());
    });
}

#[test]
fn concurrent_patches_all_win() {
    sim(|api, _| async move {
        make_config(&api, json!({})).await;
        let patches = (0..20).map(|n| {
            let api = api.clone();
            async move { api.one(Write::merge(config("a"), json!({"data": {n.to_string(): "1"}}))).await }
        });
        for answer in futures::future::join_all(patches).await {
            answer.unwrap();
        }
        assert_eq!(api.read(&config("a")).await.unwrap().tree()["data"].as_object().unwrap().len(), 20);
    });
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}}})
}

#[test]
fn the_generation_counts_changes_of_the_spec() {
    sim(|api, _| async move {
        let made = api.create(deployment("a")).await.unwrap();
        let key = made.key().clone();
        assert_eq!(made.header().generation, 1);
        for (patch, expected) in [
            (json!({"metadata": {"labels": {"x": "y"}}}), 1),
            (json!({"spec": {"minReadySeconds": 3}}), 2),
            (json!({"metadata": {"generation": 7}}), 2),
            (json!({"status": {"replicas": 3}}), 2),
            (json!({"metadata": {"finalizers": ["e.com/f"]}}), 2),
        ] {
            let live = api.one(Write::merge(key.clone(), patch.clone())).await.unwrap();
            assert_eq!(live.header().generation, expected, "{patch}");
        }
        let scaled = Write::merge(key.clone(), json!({"spec": {"replicas": 5}})).to(Subresource::Scale);
        let scaled = api.one(scaled).await.unwrap();
        assert_eq!((scaled.header().generation, &scaled.tree()["spec"]["replicas"]), (3, &json!(5)));
        let ending = api.one(Write::delete(key)).await.unwrap();
        assert_eq!(ending.header().generation, 4, "the beginning of the end counts");
    });
}

#[test]
fn status_and_the_rest_are_written_apart() {
    sim(|api, _| async move {
        let made = api.create(deployment("a")).await.unwrap();
        let key = made.key().clone();
        let mut tree = deployment("a");
        tree["spec"]["replicas"] = json!(5);
        tree["metadata"]["labels"] = json!({"x": "y"});
        tree["status"] = json!({"observedGeneration": 7});
        let written = Write::update(key.clone(), tree.clone()).to(Subresource::Status);
        let written = api.one(written).await.unwrap();
        assert_eq!(written.tree()["status"], json!({"observedGeneration": 7}));
        assert_eq!(written.tree()["spec"]["replicas"], 1);
        assert_eq!((written.label("x"), written.header().generation), (None, 1));
        tree["status"] = json!({"observedGeneration": 99});
        let written = api.one(Write::update(key.clone(), tree)).await.unwrap();
        assert_eq!(written.tree()["status"], json!({"observedGeneration": 7}));
        let patch = Write::merge_status(
            key.clone(),
            json!({"status": {"observedGeneration": null}, "spec": {"a": 1}}),
        );
        assert_eq!(api.one(patch).await.unwrap().tree()["status"], json!({}));
        let wrong = Write::merge_status(key, json!({"status": {"replicas": "many"}}));
        assert!(matches!(api.one(wrong).await.unwrap_err(), Error::Invalid { .. }));
        let none = Write::merge_status(config("a"), json!({}));
        assert!(matches!(api.one(none).await.unwrap_err(), Error::NotAllowed { .. }));
    });
}

#[test]
fn a_pod_is_bound_once() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let bound = api.one(Write::bind(pod.key().clone(), "n1").of(pod.uid())).await.unwrap();
        let tree = bound.tree();
        assert_eq!(tree["spec"]["nodeName"], "n1");
        assert_eq!(tree["status"]["conditions"][0]["type"], "PodScheduled");
        assert_eq!(tree["status"]["conditions"][0]["status"], "True");
        assert_eq!(bound.header().generation, 1);
        let again = state(api.one(Write::bind(pod.key().clone(), "n2")).await);
        assert_eq!(again, "pod a is already assigned to node \"n1\"");
        let other = api.one(Write::bind(pod.key().clone(), "n2").of(&"other".into())).await.unwrap_err();
        assert!(matches!(other, Error::Conflict { cause: ConflictCause::Uid { .. }, .. }));
        let mut gated = pod_tree("b");
        gated["spec"]["schedulingGates"] = json!([{"name": "e.com/g"}]);
        let gated = api.create(gated).await.unwrap();
        assert_eq!(gated.tree()["status"]["conditions"][0]["reason"], "SchedulingGated");
        let refused = state(api.one(Write::bind(gated.key().clone(), "n1")).await);
        assert_eq!(refused, "pod b has non-empty .spec.schedulingGates");
    });
}

#[test]
fn a_pod_without_node_or_with_an_end_goes_at_once() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let gone = api.one(Write::delete(pod.key().clone())).await.unwrap();
        assert!(gone.revision() > pod.revision());
        assert!(api.read(pod.key()).await.unwrap_err().is_not_found());
        let pod = api.create(pod_tree("a")).await.unwrap();
        let key = pod.key().clone();
        api.one(Write::bind(key.clone(), "n1")).await.unwrap();
        api.one(Write::merge_status(key.clone(), json!({"status": {"phase": "Succeeded"}}))).await.unwrap();
        api.one(Write::delete(key.clone())).await.unwrap();
        assert!(api.read(&key).await.unwrap_err().is_not_found());
    });
}

#[test]
fn the_grace_of_a_pod_only_gets_shorter() {
    sim(|api, env| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let key = pod.key().clone();
        api.one(Write::bind(key.clone(), "n1")).await.unwrap();
        let began = env.now();
        let due = |live: &Live| live.header().deletion.unwrap().duration_since(began).as_secs();
        let ending = api.one(Write::delete(key.clone())).await.unwrap();
        assert_eq!((ending.header().deletion_grace_secs, due(&ending)), (Some(30), 30));
        assert_eq!(ending.header().generation, 2);
        env.sleep(std::time::Duration::from_secs(5)).await;
        let longer = api.one(Write::delete(key.clone()).grace(60)).await.unwrap();
        assert_eq!(longer.revision(), ending.revision());
        let shorter = api.one(Write::delete(key.clone()).grace(10)).await.unwrap();
        assert_eq!((shorter.header().deletion_grace_secs, due(&shorter)), (Some(10), 10));
        assert_eq!(shorter.header().generation, 2);
        let refused = state(api.one(Write::bind(key.clone(), "n2")).await);
        assert_eq!(refused, "pod a is being deleted, cannot be assigned to a host");
        let gone = api.one(Write::delete(key.clone()).grace(0)).await.unwrap();
        assert!(gone.revision() > shorter.revision());
        assert!(api.read(&key).await.unwrap_err().is_not_found());
    });
}

#[test]
fn an_eviction_deletes_with_its_options() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let key = pod.key().clone();
        api.one(Write::bind(key.clone(), "n1")).await.unwrap();
        let evict = |options: Value| {
            let tree = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"},
                "deleteOptions": options});
            Write::new(key.clone(), Verb::Create(tree.into())).to(Subresource::Eviction)
        };
        let other = api.one(evict(json!({"preconditions": {"uid": "other"}}))).await.unwrap_err();
        assert!(other.is_conflict());
        let ending = api.one(evict(json!({"gracePeriodSeconds": 3}))).await.unwrap();
        assert_eq!(ending.header().deletion_grace_secs, Some(3));
    });
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    sim(|api, _| async move {
        let made = make_config(&api, json!({"metadata": {"finalizers": ["e.com/f"]}})).await;
        let ending = api.one(Write::delete(config("a"))).await.unwrap();
        assert!(ending.header().is_terminating());
        assert_eq!(ending.header().deletion_grace_secs, Some(0));
        assert_eq!(api.one(Write::delete(config("a"))).await.unwrap().revision(), ending.revision());
        let undone = Write::merge(config("a"), json!({"metadata": {"deletionTimestamp": null}}));
        assert!(api.one(undone).await.unwrap().header().is_terminating());
        let gone =
            api.one(Write::merge(config("a"), json!({"metadata": {"finalizers": null}}))).await.unwrap();
        assert!(gone.revision() > ending.revision());
        assert_eq!((gone.uid(), gone.header().finalizers.len()), (made.uid(), 0));
        assert!(api.read(&config("a")).await.unwrap_err().is_not_found());
    });
}

#[test]
fn propagation_is_a_finalizer() {
    sim(|api, _| async move {
        for (propagation, finalizer) in
            [(Propagation::Foreground, "foregroundDeletion"), (Propagation::Orphan, "orphan")]
        {
            make_config(&api, json!({})).await;
            let ending = api.one(Write::delete(config("a")).propagate(propagation)).await.unwrap();
            assert!(ending.header().has_finalizer(finalizer));
            api.one(Write::merge(config("a"), json!({"metadata": {"finalizers": null}}))).await.unwrap();
        }
        make_config(&api, json!({})).await;
        api.one(Write::delete(config("a")).propagate(Propagation::Background)).await.unwrap();
        assert!(api.read(&config("a")).await.unwrap_err().is_not_found());
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    sim(|api, _| async move {
        let tried = api.one(Write::create(config("a"), json!({"data": {"k": "v"}})).dry_run()).await.unwrap();
        assert_eq!(tried.tree()["data"]["k"], "v");
        assert!(api.read(&config("a")).await.unwrap_err().is_not_found());
        let made = make_config(&api, json!({})).await;
        let tried = api.one(Write::merge(config("a"), json!({"data": {"k": "w"}})).dry_run()).await.unwrap();
        assert_eq!(tried.tree()["data"]["k"], "w");
        api.one(Write::delete(config("a")).dry_run()).await.unwrap();
        assert_eq!(api.read(&config("a")).await.unwrap().revision(), made.revision());
    });
}

#[test]
fn unknown_fields_are_dropped_or_refused() {
    sim(|api, _| async move {
        let tree = json!({"metadata": {"namespace": "default", "name": "a", "nmae": "b"}, "dta": {}, "data": {"k": "v"}});
        let strict = api.one(Write::create(config("a"), tree.clone()).strict()).await.unwrap_err();
        let text = strict.to_string();
        assert!(text.contains("strict decoding error") && text.contains("unknown field \"dta\""), "{text}");
        assert!(text.contains("unknown field \"metadata.nmae\""), "{text}");
        let made = api.one(Write::create(config("a"), tree)).await.unwrap();
        assert!(made.tree().get("dta").is_none() && made.tree()["metadata"].get("nmae").is_none());
        let wrong = api.one(Write::merge(config("a"), json!({"data": {"k": 1}}))).await.unwrap_err();
        assert!(wrong.to_string().contains("data.k: expected string"), "{wrong}");
    });
}

#[test]
fn a_status_is_judged_unless_a_part_of_the_cluster_writes_it() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let wrong = Write::merge_status(pod.key().clone(), json!({"status": {"observedGeneration": -1}}));
        let error = api.one(wrong.clone().strict()).await.unwrap_err().to_string();
        assert!(error.contains("status.observedGeneration"), "{error}");
        api.one(wrong).await.unwrap();
    });
}

#[test]
fn a_binding_brings_labels_and_annotations() {
    sim(|api, _| async move {
        let pod = api.create(pod_tree("a")).await.unwrap();
        let binding = json!({"target": {"name": "n1"},
            "metadata": {"labels": {"zone": "z1"}, "annotations": {"a": "b"}}});
        let bound = Write::create(pod.key().clone(), binding).to(Subresource::Binding);
        let bound = api.one(bound).await.unwrap();
        assert_eq!((bound.label("zone"), bound.field("spec.nodeName")), (Some("z1"), Some("n1")));
        assert_eq!(bound.tree()["metadata"]["annotations"]["a"], "b");
        let nowhere =
            Write::create(pod.key().clone(), json!({"target": {"kind": "Pod"}})).to(Subresource::Binding);
        let error = api.one(nowhere).await.unwrap_err().to_string();
        assert!(
            error.contains("target.kind: Unsupported value") && error.contains("target.name: Required"),
            "{error}"
        );
    });
}
