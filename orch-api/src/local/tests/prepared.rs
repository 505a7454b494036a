//! Creates of one tree make what they would make one by one, whatever happens in between.

use std::time::Duration;

use orch_core::{DryRun, FieldValidation, Revision};
use proptest::prelude::*;

use super::*;

/// Pods without names, from plain ones to those in which something depends on the moment.
fn trees() -> Vec<Value> {
    let container = json!({"name": "c", "image": "nginx:1.27", "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}});
    let own = json!({"name": "c", "image": "i", "volumeMounts": [{"name": "kube-api-access-mine",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]});
    let pod = |metadata: Value, spec: Value| {
        let mut tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true}]},
            "spec": {"containers": [container.clone()], "initContainers": [{"name": "i", "image": "i"}]}});
        crate::merge_patch(&mut tree, &json!({"metadata": metadata, "spec": spec}));
        tree
    };
    let none = || json!({});
    vec![
        pod(none(), none()),
        pod(json!({"annotations": {"name": "kube-api-access-", "uid": "\"\\é"}}), json!({"hostname": "h"})),
        pod(none(), json!({"schedulingGates": [{"name": "wait"}]})),
        pod(none(), json!({"priorityClassName": "high"})),
        pod(none(), json!({"runtimeClassName": "kata"})),
        pod(json!({"generateName": "web-"}), none()),
        pod(json!({"generateName": "dotted.web-"}), json!({"serviceAccountName": "other"})),
        pod(
            none(),
            json!({"containers": [own], "volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}]}),
        ),
        pod(
            json!({"managedFields": [{"manager": "before", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:hostname": {}}}}]}),
            json!({"hostname": "h"}),
        ),
        pod(
            none(),
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["app"]}]}),
        ),
        pod(
            none(),
            json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}}}}, {"name": "w", "persistentVolumeClaim": {"claimName": "p9-v"}}]}),
        ),
        pod(none(), json!({"nope": 1})),
        pod(
            json!({"managedFields": [{"manager": "zzz", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "time": "2026-01-01T00:00:02Z", "fieldsV1": {"f:spec": {"f:subdomain": {}}}}]}),
            none(),
        ),
        pod(none(), json!({"containers": []})),
        pod(none(), json!({"containers": "none"})),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        tree: prop::sample::Index,
        name: Option<u8>,
        manager: Option<&'static str>,
        is_dry: bool,
        validation: FieldValidation,
        count: usize,
    },
    Change(prop::sample::Index),
    Wait(u64),
}

/// Steps with the trees of few classes, so that most creates are of one that was met.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..4)
        .prop_flat_map(|trees| prop::collection::vec(step(trees), 1..50))
}

fn step(trees: Vec<prop::sample::Index>) -> impl Strategy<Value = Step> {
    use FieldValidation::{Ignore, Strict, Warn};
    let name = prop::option::weighted(0.9, 0..24_u8);
    let manager = prop_oneof![5 => Just(Some("me")), 1 => Just(None), 1 => Just(Some("you"))];
    let validation = prop_oneof![5 => Just(Warn), 1 => Just(Strict), 1 => Just(Ignore)];
    let create =
        (prop::sample::select(trees), name, manager, prop::bool::weighted(0.1), validation, 1..5_usize);
    let create = create.prop_map(|(tree, name, manager, is_dry, validation, count)| Step::Create {
        tree,
        name,
        manager,
        is_dry,
        validation,
        count,
    });
    let change = any::<prop::sample::Index>().prop_map(Step::Change);
    prop_oneof![6 => create, 1 => change, 1 => (0..4_000_u64).prop_map(Step::Wait)]
}

/// What others write meanwhile, of what pods depend on.
fn changes() -> Vec<Write> {
    let cluster = |kind, name: &'static str| Key::cluster(kind, name);
    let here = |kind, name: &'static str| Key::new(kind, "default", name);
    let class = |value: i64, is_default: bool| json!({"value": value, "globalDefault": is_default});
    let range = |cpu: &str| json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": cpu}, "max": {"cpu": "2"}}]}});
    vec![
        Write::create(cluster(kind::PRIORITY_CLASSES, "high"), class(100, false)),
        Write::delete(cluster(kind::PRIORITY_CLASSES, "high")),
        Write::create(cluster(kind::PRIORITY_CLASSES, "usual"), class(7, true)),
        Write::delete(cluster(kind::PRIORITY_CLASSES, "usual")),
        Write::create(here(kind::LIMIT_RANGES, "range"), range("1")),
        Write::create(here(kind::LIMIT_RANGES, "range"), range("500m")),
        Write::merge(here(kind::LIMIT_RANGES, "range"), range("50m")),
        Write::delete(here(kind::LIMIT_RANGES, "range")),
        Write::create(
            cluster(kind::RUNTIME_CLASSES, "kata"),
            json!({"handler": "kata", "overhead": {"podFixed": {"cpu": "1"}}}),
        ),
        Write::delete(cluster(kind::RUNTIME_CLASSES, "kata")),
        Write::create(here(kind::SERVICE_ACCOUNTS, "default"), json!({})),
        Write::create(here(kind::SERVICE_ACCOUNTS, "other"), json!({"automountServiceAccountToken": false})),
        Write::merge(here(kind::SERVICE_ACCOUNTS, "default"), json!({"imagePullSecrets": [{"name": "s"}]})),
        Write::merge(here(kind::SERVICE_ACCOUNTS, "other"), json!({"automountServiceAccountToken": null})),
        Write::delete(here(kind::SERVICE_ACCOUNTS, "default")),
        Write::create(
            here(kind::RESOURCE_QUOTAS, "quota"),
            json!({"spec": {"hard": {"pods": "9", "requests.cpu": "1"}}}),
        ),
        Write::delete(here(kind::RESOURCE_QUOTAS, "quota")),
    ]
}

/// What came of the steps, and how many objects were cast.
fn play(steps: &[Step], is_shared: bool, has_accounts: bool) -> (Vec<String>, usize) {
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let builder = LocalApi::builder(store, env.clone(), registry);
        let api = if has_accounts { builder.service_accounts() } else { builder }.build();
        api.bootstrap().await.unwrap();
        let accounts = ["default", "other"]
            .map(|name| Write::create(Key::new(kind::SERVICE_ACCOUNTS, "default", name), json!({})));
        api.write(accounts.to_vec()).await;
        let trees: Vec<Arc<Value>> = trees().into_iter().map(Arc::new).collect();
        let (mut told, mut cast) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Wait(millis) => env.sleep(Duration::from_millis(*millis)).await,
                Step::Change(change) => {
                    let answer = api.one(change.get(&changes()).clone()).await;
                    told.push(format!("{:?}", answer.map(|live| live.revision())));
                }
                Step::Create { tree, name, manager, is_dry, validation, count } => {
                    let tree = tree.get(&trees);
                    let tree = || if is_shared { Arc::clone(tree) } else { Arc::new(Value::clone(tree)) };
                    let name = |at: usize| {
                        name.map_or(String::new(), |name| format!("p{name}{}", ["", "-x", ".y", "-"][at % 4]))
                    };
                    let writes = (0..*count).map(|at| {
                        let mut write = Write::create(Key::new(kind::PODS, "default", name(at)), tree());
                        write.options.field_manager = manager.map(Into::into);
                        write.options.field_validation = *validation;
                        write.options.dry_run = if *is_dry { DryRun::All } else { DryRun::Off };
                        write
                    });
                    for answer in api.write(writes.collect()).await {
                        cast += usize::from(answer.as_ref().is_ok_and(|live| live.tree_at_hand().is_none()));
                        told.push(match answer {
                            Ok(live) => format!(
                                "{live:?} {} {:?}",
                                String::from_utf8(live.to_json()).unwrap(),
                                live.header()
                            ),
                            Err(error) => format!("{error:?}"),
                        });
                    }
                }
            }
        }
        (told, cast)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn creates_of_a_shared_tree_make_what_they_make_alone(
        steps in steps(),
        has_accounts in any::<bool>(),
    ) {
        let (shared, _) = play(&steps, true, has_accounts);
        let (alone, cast) = play(&steps, false, has_accounts);
        prop_assert_eq!(cast, 0);
        prop_assert_eq!(shared, alone);
    }
}

#[test]
fn the_third_of_a_class_is_cast_until_something_changes() {
    sim(|api, _| async move {
        let tree = Arc::new(trees().swap_remove(0));
        let create = async |name: &str| {
            let live = api
                .one(Write::create(Key::new(kind::PODS, "default", name), Arc::clone(&tree)))
                .await
                .unwrap();
            live.tree_at_hand().is_none()
        };
        assert_eq!((create("a").await, create("b").await), (false, false), "it is met, then prepared");
        assert!(create("c").await && create("d").await);
        assert!(!create("e.f").await, "not a label");
        assert!(create("g").await);
        api.one(changes().swap_remove(2)).await.unwrap();
        assert!(!create("h").await, "there is another class of priority");
        assert!(create("i").await);
        let live = api.read(&Key::new(kind::PODS, "default", "i")).await.unwrap();
        assert_eq!(live.tree()["spec"]["priority"], 7);
        let other = Arc::new(Value::clone(&tree));
        let write = |name| Write::create(Key::new(kind::PODS, "default", name), Arc::clone(&other));
        let answers = api.write(vec![write("j"), write("k"), write("l"), write("l")]).await;
        let cast: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().is_ok_and(|live| live.tree_at_hand().is_none()))
            .collect();
        assert_eq!(cast, [false, false, true, false], "in one batch, too");
        assert!(matches!(answers[3], Err(Error::AlreadyExists { .. })));
    });
}

#[test]
fn classes_that_are_kept_are_bounded_and_the_newest() {
    sim(|api, _| async move {
        let all: Vec<Arc<Value>> = (0..40)
            .map(|at| {
                let mut tree = trees().swap_remove(0);
                tree["spec"]["hostname"] = format!("h{at}").into();
                Arc::new(tree)
            })
            .collect();
        for (at, tree) in all.iter().enumerate() {
            for copy in 0..3 {
                let write =
                    Write::create(Key::new(kind::PODS, "default", format!("p{at}-{copy}")), Arc::clone(tree));
                let live = api.one(write).await.unwrap();
                assert_eq!(live.tree_at_hand().is_none(), copy == 2);
                assert!(live.revision() > Revision::ZERO);
            }
        }
        assert!(all.iter().all(|tree| Arc::strong_count(tree) == 1), "nobody keeps a tree");
        let cast = async |at: usize| {
            let write =
                Write::create(Key::new(kind::PODS, "default", format!("again-{at}")), Arc::clone(&all[at]));
            api.one(write).await.unwrap().tree_at_hand().is_none()
        };
        assert!(cast(39).await && cast(24).await);
        assert!(!cast(23).await, "the class was forgotten");
    });
}
