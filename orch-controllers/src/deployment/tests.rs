//! The plans of a Deployment, on views made by hand.

use std::time::Duration;

use orch_core::controller::{Controller, Plan};
use orch_core::{Error, Key, Revision, Verb, kind};
use serde_json::{Value, json};

use super::DeploymentController;
use crate::by_hand::{ByHand, body, lines, notes};

fn key() -> Key {
    Key::new(kind::DEPLOYMENTS, "shop", "web")
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image, "newField": 1}]}})
}

#[expect(clippy::needless_pass_by_value, reason = "bounds made in place read better")]
fn deployment(replicas: i32, surge: Value, unavailable: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1, "annotations": {"note": "x"}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("v2"),
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
        },
    })
}

/// A ReplicaSet of an image: what it asks for and how many of its pods are available.
fn set(image: &str, replicas: i32, available: i32, revision: i32) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(image);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{image}"), "namespace": "shop", "generation": 1,
            "labels": {"app": "web", "pod-template-hash": image},
            "creationTimestamp": format!("2026-01-01T00:00:{:02}Z", revision % 60),
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string(), "note": "x"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web-uid", "controller": true}],
        },
        "spec": {"replicas": replicas, "template": template,
            "selector": {"matchLabels": {"app": "web", "pod-template-hash": image}}},
        "status": {"replicas": replicas, "readyReplicas": available, "availableReplicas": available,
            "terminatingReplicas": 0, "observedGeneration": 1},
    })
}

fn view(trees: impl IntoIterator<Item = Value>) -> ByHand<DeploymentController> {
    let mut view = ByHand::new(DeploymentController::default());
    for tree in trees {
        view.put(tree);
    }
    view
}

/// The sizes that a plan gives to ReplicaSets, by image.
fn sizes(plan: &Plan) -> Vec<(String, i64)> {
    let sizes = plan.writes.iter().filter(|write| write.key.kind == kind::REPLICA_SETS);
    let sizes = sizes.filter_map(|write| {
        Some((write.key.name.strip_prefix("web-")?.to_owned(), body(write)["spec"]["replicas"].as_i64()?))
    });
    sizes.collect()
}

fn status(plan: &Plan) -> Value {
    let write = plan.writes.iter().find(|write| write.subresource == orch_core::Subresource::Status);
    write.map_or(Value::Null, |write| body(write)["status"].clone())
}

fn condition(plan: &Plan, kind: &str) -> (String, String) {
    let status = status(plan);
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn the_first_replica_set_is_made_from_the_template() {
    let view = view([deployment(3, json!(1), json!(0))]);
    let plan = view.plan(&key());
    let tree = body(&plan.writes[0]);
    let hash = tree["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned();
    assert_eq!(tree["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(tree["spec"]["selector"]["matchLabels"], json!({"app": "web", "pod-template-hash": hash}));
    assert_eq!(tree["spec"]["replicas"], 3, "a first rollout needs no steps");
    assert_eq!(tree["spec"]["template"]["spec"], template("v2")["spec"]);
    let annotations = json!({"note": "x", "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4"});
    assert_eq!(tree["metadata"]["annotations"], annotations);
    let message = format!("Scaled up replica set web-{hash} from 0 to 3");
    assert_eq!(notes(&plan), [("ScalingReplicaSet".into(), message)]);
    assert_eq!(condition(&plan, "Progressing"), ("True".into(), "NewReplicaSetCreated".into()));
    assert_eq!(condition(&plan, "Available"), ("False".into(), "MinimumReplicasUnavailable".into()));
}

/// One step of a rollout from `old` to `new` (replicas and available pods of each).
#[track_caller]
fn step(bounds: (i32, Value, Value), old: (i32, i32), new: (i32, i32), expected: &[(&str, i64)]) {
    let (replicas, surge, unavailable) = bounds;
    let trees =
        [deployment(replicas, surge, unavailable), set("v1", old.0, old.1, 1), set("v2", new.0, new.1, 2)];
    let expected: Vec<_> = expected.iter().map(|(image, size)| ((*image).to_owned(), *size)).collect();
    assert_eq!(sizes(&view(trees).plan(&key())), expected, "{old:?} {new:?}");
}

#[test]
fn a_rollout_grows_the_new_as_far_as_the_surge_allows() {
    step((10, json!(0), json!(1)), (10, 10), (0, 0), &[("v1", 9)]);
    step((10, json!(2), json!(0)), (10, 10), (0, 0), &[("v2", 2)]);
    step((10, json!(2), json!(0)), (5, 5), (0, 0), &[("v2", 7)]);
    step((10, json!("25%"), json!("25%")), (10, 10), (0, 0), &[("v2", 3)]);
    step((10, json!(2), json!(0)), (0, 0), (11, 11), &[("v2", 10)]);
}

#[test]
fn a_rollout_takes_away_what_availability_allows() {
    step((10, json!(2), json!(0)), (10, 10), (2, 0), &[]);
    step((10, json!(2), json!(0)), (10, 10), (2, 1), &[("v1", 9)]);
    step((10, json!(2), json!(0)), (10, 10), (2, 2), &[("v1", 8)]);
    step((10, json!(0), json!(2)), (10, 8), (0, 0), &[("v1", 8)]);
    step((10, json!(0), json!(2)), (10, 7), (0, 0), &[("v1", 8)]);
    step((10, json!(0), json!(2)), (8, 7), (2, 2), &[("v1", 6)]);
    step((1, json!(0), json!(0)), (1, 1), (0, 0), &[("v1", 0)]);
}

#[test]
fn available_pods_that_are_to_go_already_do_not_count() {
    // The ReplicaSet was scaled from 10 to 8 and has not acted: its status still says 10.
    let mut old = set("v1", 8, 10, 1);
    old["status"]["replicas"] = json!(10);
    let view = view([deployment(10, json!(0), json!(2)), old, set("v2", 2, 1, 2)]);
    assert_eq!(sizes(&view.plan(&key())), [("v1".to_owned(), 7)]);
}

/// A change of size from `before` while the ReplicaSets have these sizes, in order of age.
#[track_caller]
fn scaled(before: (i32, i32), after: (i32, i32), old: &[i32], new: i32, expected: &[i64]) {
    let mut trees = vec![deployment(after.0, json!(after.1), json!(0))];
    let all: Vec<i32> = old.iter().copied().chain([new]).collect();
    for (at, replicas) in all.iter().enumerate() {
        let image = if at == old.len() { "v2".to_owned() } else { format!("old{at}") };
        let mut tree = set(&image, *replicas, *replicas, i32::try_from(at).unwrap() + 1);
        tree["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] =
            json!(before.0.to_string());
        tree["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] =
            json!((before.0 + before.1).to_string());
        trees.push(tree);
    }
    let plan = view(trees).plan(&key());
    let size = |at: usize| {
        let image = if at == old.len() { "v2".to_owned() } else { format!("old{at}") };
        let changed = sizes(&plan).into_iter().find(|(name, _)| *name == image).map(|(_, size)| size);
        changed.unwrap_or(i64::from(all[at]))
    };
    assert_eq!((0..all.len()).map(size).collect::<Vec<_>>(), expected, "{old:?} {new}");
}

#[test]
fn a_change_of_size_in_a_rollout_is_spread_in_proportion() {
    scaled((10, 0), (12, 0), &[], 10, &[12]);
    scaled((10, 0), (5, 0), &[], 10, &[5]);
    scaled((10, 0), (12, 0), &[5], 5, &[6, 6]);
    scaled((10, 0), (5, 0), &[5], 5, &[2, 3]);
    scaled((10, 0), (20, 0), &[3, 2], 5, &[6, 4, 10]);
    scaled((10, 0), (50, 0), &[3, 2], 5, &[15, 10, 25]);
    scaled((10, 0), (0, 0), &[3, 2], 5, &[0, 0, 0]);
    scaled((10, 2), (20, 2), &[4], 8, &[7, 15]);
}

/// Found by chaos (seed 70): upstream scales these to 3, 11 and 0, with 8 allowed.
#[test]
fn a_replica_set_that_was_scaled_by_hand_takes_no_part_in_its_own_proportion() {
    let sized = |mut tree: Value, desired: i32, max: i32| {
        tree["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] =
            json!(desired.to_string());
        tree["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] = json!(max.to_string());
        tree
    };
    let plan = view([
        deployment(6, json!(2), json!("50%")),
        sized(set("v0", 3, 3, 1), 6, 8),
        sized(set("v1", 4, 0, 2), 1, 3),
        sized(set("v2", 5, 0, 3), 6, 8),
    ])
    .plan(&key());
    assert_eq!(sizes(&plan), [("v2".to_owned(), 1)], "four too many go, and none grows");
    let grown = view([
        deployment(10, json!(2), json!(0)),
        sized(set("v1", 4, 4, 1), 20, 22),
        sized(set("v2", 4, 4, 2), 6, 8),
    ])
    .plan(&key());
    assert_eq!(sizes(&grown), [("v2".to_owned(), 8)], "four more come, and none shrinks");
}

#[test]
fn an_old_template_written_back_finds_its_replica_set_and_gets_the_next_number() {
    let view = view([deployment(2, json!(1), json!(0)), set("v2", 0, 0, 1), set("v3", 2, 2, 4)]);
    let plan = view.plan(&key());
    let patch = body(&plan.writes[0]);
    assert_eq!(&*plan.writes[0].key.name, "web-v2");
    assert_eq!(patch["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "5");
    assert_eq!(patch["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    assert_eq!(patch["spec"]["replicas"], 1);
    let last = plan.writes.last().unwrap();
    assert_eq!(body(last), json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "5"}}}));
    assert_eq!(last.precondition.revision, None, "the status was written before it");
}

#[test]
fn history_beyond_the_limit_is_deleted_when_a_rollout_is_complete() {
    let mut tree = deployment(1, json!(1), json!(0));
    tree["spec"]["revisionHistoryLimit"] = json!(1);
    let complete = json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1, "observedGeneration": 1});
    tree["status"] = complete;
    let old = [set("a", 0, 0, 3), set("b", 0, 0, 1), set("c", 0, 0, 2)];
    let mut view = view([tree, set("v2", 1, 1, 4)].into_iter().chain(old));
    let deleted = |plan: &Plan| -> Vec<String> {
        lines(plan).into_iter().filter(|line| line.starts_with("delete")).collect()
    };
    assert_eq!(
        deleted(&view.plan(&key())),
        ["delete replicasets.apps/shop/web-b", "delete replicasets.apps/shop/web-c"]
    );
    let mut busy = set("b", 0, 0, 1);
    busy["status"]["replicas"] = json!(1);
    view.put(busy);
    assert_eq!(deleted(&view.plan(&key())), ["delete replicasets.apps/shop/web-c"], "one with pods stays");
}

#[test]
fn recreate_waits_until_the_last_old_pod_has_ended() {
    let mut tree = deployment(3, json!(0), json!(0));
    tree["spec"]["strategy"] = json!({"type": "Recreate"});
    let mut view = view([tree, set("v1", 3, 3, 1)]);
    assert_eq!(sizes(&view.plan(&key())), [("v1".to_owned(), 0)]);
    view.put(set("v1", 0, 0, 1));
    let pod = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": phase},
            "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-v1", "uid": "web-v1-uid", "controller": true}]}})
    };
    assert_eq!(view.put(pod("Running")), [key()], "the Deployment waits for this pod");
    assert_eq!(sizes(&view.plan(&key())), []);
    view.put(pod("Failed"));
    assert_eq!(sizes(&view.plan(&key()))[0].1, 3);
}

/// Found by chaos (seed 5672): an old ReplicaSet was scaled by hand, the size of the Deployment changed, and it stood still.
#[test]
fn recreate_goes_on_after_a_change_of_size_with_several_replica_sets() {
    let mut tree = deployment(3, json!(0), json!(0));
    tree["spec"]["strategy"] = json!({"type": "Recreate"});
    let sized = |image: &str, revision: i32, desired: &str| {
        let mut set = set(image, 2, 2, revision);
        set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = json!(desired);
        set
    };
    let mut view = view([tree, sized("v1", 1, "5"), sized("v0", 2, "5")]);
    let plan = view.plan(&key());
    let noted: Vec<_> =
        plan.writes.iter().filter(|write| write.key.kind == kind::REPLICA_SETS).map(body).collect();
    let desired = "deployment.kubernetes.io/desired-replicas";
    assert!(noted.len() == 2 && noted.iter().all(|patch| patch["metadata"]["annotations"][desired] == "3"));
    view.put(sized("v1", 1, "3"));
    view.put(sized("v0", 2, "3"));
    let mut ended = sizes(&view.plan(&key()));
    ended.sort();
    assert_eq!(ended, [("v0".to_owned(), 0), ("v1".to_owned(), 0)]);
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll_out() {
    let mut tree = deployment(3, json!(1), json!(0));
    tree["spec"]["paused"] = json!(true);
    let view = view([tree.clone(), set("v1", 2, 2, 1)]);
    let plan = view.plan(&key());
    assert_eq!(sizes(&plan), [("v1".to_owned(), 3)]);
    assert_eq!(condition(&plan, "Progressing"), ("Unknown".into(), "DeploymentPaused".into()));
}

#[test]
fn a_rollout_that_stands_still_is_late_after_its_deadline() {
    let mut tree = deployment(1, json!(1), json!(0));
    let mut view = view([tree.clone(), set("v2", 1, 0, 1)]);
    let plan = view.plan(&key());
    assert_eq!(
        condition(&plan, "Progressing"),
        ("True".into(), "ReplicaSetUpdated".into()),
        "a new pod is progress"
    );
    tree["status"] = status(&plan);
    tree["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    view.put(tree.clone());
    let plan = view.plan(&key());
    assert_eq!((plan.writes.len(), plan.again_after), (0, Some(Duration::from_secs(601))));
    view.wait(601);
    let plan = view.plan(&key());
    assert_eq!(condition(&plan, "Progressing"), ("False".into(), "ProgressDeadlineExceeded".into()));
    let mut late = tree.clone();
    late["status"]["conditions"] = status(&plan)["conditions"].clone();
    view.put(late);
    assert!(view.plan(&key()).is_empty(), "said once");
    view.put(set("v2", 1, 1, 1));
    let plan = view.plan(&key());
    assert_eq!(condition(&plan, "Progressing"), ("True".into(), "NewReplicaSetAvailable".into()));
    assert_eq!(condition(&plan, "Available"), ("True".into(), "MinimumReplicasAvailable".into()));
}

#[test]
fn a_taken_name_is_a_collision_and_gives_another() {
    let mut view = view([deployment(1, json!(1), json!(0))]);
    let name = view.plan(&key()).writes[0].key.name.to_string();
    let mut stranger = set("x", 1, 1, 1);
    stranger["metadata"]["name"] = json!(name);
    stranger["metadata"]["ownerReferences"][0]["uid"] = json!("somebody");
    view.put(stranger);
    let plan = view.plan(&key());
    assert_eq!(
        (lines(&plan), status(&plan)["collisionCount"].clone()),
        (vec!["merge deployments.apps/shop/web status".into()], json!(1))
    );
    let mut tree = deployment(1, json!(1), json!(0));
    tree["status"] = status(&plan);
    view.put(tree);
    let other = view.plan(&key()).writes[0].key.name.to_string();
    assert!(other != name && other.starts_with("web-"), "{other}");
}

#[test]
fn a_replica_set_that_cannot_be_created_is_told() {
    let view = view([deployment(1, json!(1), json!(0))]);
    let plan = view.plan(&key());
    let results: Vec<_> =
        plan.writes.iter().map(|_| Err(Error::Forbidden { key: key(), why: "no".into() })).collect();
    let told = view.controller().outcome(&key(), &plan, &results);
    assert_eq!(&*told[0].reason, "ReplicaSetCreateError");
    let plan = view.plan(&key());
    assert_eq!(condition(&plan, "Progressing"), ("False".into(), "ReplicaSetCreateError".into()));
    assert!(matches!(plan.writes[0].verb, Verb::Create(_)), "tried again");
}

#[test]
fn failures_of_a_replica_set_are_passed_on() {
    let mut failing = set("v2", 1, 0, 1);
    failing["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let view = view([deployment(1, json!(1), json!(0)), failing]);
    assert_eq!(condition(&view.plan(&key()), "ReplicaFailure"), ("True".into(), "FailedCreate".into()));
}

#[test]
fn orphans_are_adopted_before_anything_else() {
    let mut orphan = set("v1", 2, 2, 1);
    orphan["metadata"]["ownerReferences"] = json!([]);
    let view = view([deployment(2, json!(1), json!(0)), orphan]);
    let plan = view.plan(&key());
    assert_eq!(lines(&plan), ["merge replicasets.apps/shop/web-v1"]);
    assert_eq!(plan.writes[0].precondition.revision, Some(Revision(2)));
}

#[test]
fn a_scale_write_means_the_revision_that_was_observed() {
    let view = view([deployment(3, json!(1), json!(0)), set("v1", 3, 3, 1), set("v2", 0, 0, 2)]);
    let plan = view.plan(&key());
    assert!(
        plan.writes
            .iter()
            .filter(|w| w.key.kind == kind::REPLICA_SETS)
            .all(|w| w.precondition.revision.is_some())
    );
}
