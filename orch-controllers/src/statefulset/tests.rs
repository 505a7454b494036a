//! The plans of a StatefulSet, on views made by hand.

use std::time::Duration;

use orch_core::controller::Plan;
use orch_core::{Key, Revision, Subresource, Verb, kind};
use serde_json::{Value, json};

use super::StatefulSetController;
use crate::by_hand::{ByHand, body, lines, notes};

type View = ByHand<StatefulSetController>;

fn key() -> Key {
    Key::new(kind::STATEFUL_SETS, "shop", "db")
}

fn set(replicas: i32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "generation": 1},
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image, "newField": 1}]}},
        },
    })
}

fn with_claims(mut tree: Value) -> Value {
    tree["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data", "labels": {"l": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Pending"}}]);
    tree
}

/// Creates what a plan creates and writes its status, as the Api would; deletions are left to the test.
fn settle(view: &mut View, tree: &mut Value, plan: &Plan) {
    for write in &plan.writes {
        match &write.verb {
            Verb::Create(created) => {
                let mut created = (**created).clone();
                if write.key.kind == kind::PODS {
                    created["status"] = json!({"phase": "Pending"});
                }
                view.put(created);
            }
            Verb::Patch(_) if write.subresource == Subresource::Status => {
                for (field, value) in body(write)["status"].as_object().unwrap() {
                    tree["status"][field] = value.clone();
                }
                view.put(tree.clone());
            }
            _ => {}
        }
    }
}

fn pod_key(ordinal: i32) -> Key {
    Key::new(kind::PODS, "shop", format!("db-{ordinal}"))
}

fn make_ready(view: &mut View, ordinal: i32) {
    let mut tree = view.object(&pod_key(ordinal)).body_tree();
    tree["status"] = json!({"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": orch_core::rfc3339(view.now)}]});
    view.put(tree);
}

fn pods(plan: &Plan) -> Vec<String> {
    let verbs = lines(plan).into_iter().filter(|line| line.contains(" pods/"));
    verbs.map(|line| line.replace(" pods/shop/", " ")).collect()
}

/// A set whose pods are all there and ready.
fn running(tree: &mut Value) -> View {
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    for _ in 0..20 {
        let plan = view.plan(&key());
        settle(&mut view, tree, &plan);
        for line in pods(&plan) {
            make_ready(&mut view, line.rsplit_once('-').unwrap().1.parse().unwrap());
        }
    }
    assert!(view.plan(&key()).is_empty(), "{:?}", lines(&view.plan(&key())));
    view
}

fn revision_of(view: &View, ordinal: i32) -> String {
    view.object(&pod_key(ordinal)).label("controller-revision-hash").unwrap_or_default().to_owned()
}

/// Found by chaos (a set deleted in the foreground): the collector took the revision away, the controller made it again,
/// for ever.
#[test]
fn a_set_that_is_going_gets_no_new_revision() {
    let mut tree = set(2, "v1");
    tree["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    tree["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree);
    assert!(view.plan(&key()).is_empty());
}

#[test]
fn pods_start_in_order_each_when_those_before_it_are_ready() {
    let mut tree = set(2, "v1");
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    let plan = view.plan(&key());
    assert_eq!(plan.writes.len(), 1, "first the revision, which pods will name");
    let revision = body(&plan.writes[0]);
    assert_eq!(revision["data"]["spec"]["template"]["$patch"], "replace");
    assert_eq!(revision["data"]["spec"]["template"]["spec"], tree["spec"]["template"]["spec"]);
    settle(&mut view, &mut tree, &plan);
    let plan = view.plan(&key());
    assert_eq!(pods(&plan), ["create db-0"]);
    let pod = body(&plan.writes[0]);
    let labels = json!({"app": "db", "statefulset.kubernetes.io/pod-name": "db-0", "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": revision["metadata"]["name"]});
    assert_eq!(pod["metadata"]["labels"], labels);
    assert_eq!((&pod["spec"]["hostname"], &pod["spec"]["subdomain"]), (&json!("db-0"), &json!("db")));
    settle(&mut view, &mut tree, &plan);
    assert_eq!(pods(&view.plan(&key())), Vec::<String>::new(), "db-0 is not ready");
    make_ready(&mut view, 0);
    assert_eq!(pods(&view.plan(&key())), ["create db-1"]);
}

#[test]
fn parallel_pods_start_and_end_at_once() {
    let mut tree = set(3, "v1");
    tree["spec"]["podManagementPolicy"] = json!("Parallel");
    tree["spec"]["ordinals"] = json!({"start": 5});
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    let plan = view.plan(&key());
    assert_eq!(pods(&plan), ["create db-5", "create db-6", "create db-7"]);
    settle(&mut view, &mut tree, &plan);
    tree["spec"]["replicas"] = json!(1);
    view.put(tree);
    assert_eq!(pods(&view.plan(&key())), ["delete db-7", "delete db-6"]);
}

/// The hard case: every turn of a rolling update, and its status.
#[test]
fn the_plan_of_a_rolling_update() {
    let mut tree = set(3, "v1");
    let mut view = running(&mut tree);
    let old = revision_of(&view, 0);
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v2");
    tree["metadata"]["generation"] = json!(2);
    view.put(tree.clone());
    let plan = view.plan(&key());
    assert_eq!(lines(&plan).len(), 1, "the new revision comes first: {:?}", lines(&plan));
    let new = plan.writes[0].key.name.to_string();
    settle(&mut view, &mut tree, &plan);
    for ordinal in [2, 1, 0] {
        let plan = view.plan(&key());
        assert_eq!(pods(&plan), [format!("delete db-{ordinal}")]);
        let write = plan.writes.iter().find(|write| write.key == pod_key(ordinal)).unwrap();
        assert_eq!(write.precondition.uid.as_deref(), Some(&*format!("db-{ordinal}-uid")));
        assert_eq!(write.precondition.revision, Some(view.object(&pod_key(ordinal)).revision()));
        settle(&mut view, &mut tree, &plan);
        let mut terminating = view.object(&pod_key(ordinal)).body_tree();
        terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
        view.put(terminating);
        let plan = view.plan(&key());
        assert_eq!(pods(&plan), Vec::<String>::new(), "nobody takes the place of a pod that may still run");
        settle(&mut view, &mut tree, &plan);
        view.remove(&pod_key(ordinal));
        let plan = view.plan(&key());
        assert_eq!(pods(&plan), [format!("create db-{ordinal}")]);
        settle(&mut view, &mut tree, &plan);
        assert_eq!(revision_of(&view, ordinal), new);
        assert_eq!(pods(&view.plan(&key())), Vec::<String>::new(), "the next waits until this one is ready");
        make_ready(&mut view, ordinal);
        if ordinal > 0 {
            assert_eq!(tree["status"]["currentRevision"], json!(old));
        }
    }
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    let expected = json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "currentReplicas": 3, "updatedReplicas": 3, "currentRevision": new, "updateRevision": new, "collisionCount": 0});
    assert_eq!(tree["status"], expected);
    assert!(view.plan(&key()).is_empty());
    // Back to the template before: its revision becomes the latest, no new one is made.
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v1");
    view.put(tree.clone());
    let plan = view.plan(&key());
    assert_eq!(lines(&plan)[0], format!("merge controllerrevisions.apps/shop/{old}"));
    assert_eq!(body(&plan.writes[0]), json!({"revision": 3}));
    assert_eq!(pods(&plan), ["delete db-2"]);
}

#[test]
fn a_partition_keeps_the_pods_below_it() {
    let mut tree = set(3, "v1");
    let mut view = running(&mut tree);
    let old = revision_of(&view, 0);
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v2");
    tree["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(2);
    view.put(tree.clone());
    for _ in 0..20 {
        let plan = view.plan(&key());
        settle(&mut view, &mut tree, &plan);
        for line in pods(&plan) {
            let ordinal = line.rsplit_once('-').unwrap().1.parse().unwrap();
            if line.starts_with("delete") {
                _ = view.remove(&pod_key(ordinal))
            } else {
                make_ready(&mut view, ordinal)
            }
        }
    }
    assert_ne!(revision_of(&view, 2), old);
    assert_eq!((revision_of(&view, 1), revision_of(&view, 0)), (old.clone(), old.clone()));
    assert_eq!(
        (&tree["status"]["currentReplicas"], &tree["status"]["updatedReplicas"]),
        (&json!(2), &json!(1))
    );
    view.remove(&pod_key(0));
    let plan = view.plan(&key());
    assert_eq!(body(&plan.writes[0])["metadata"]["labels"]["controller-revision-hash"], json!(old));
    assert_eq!(body(&plan.writes[0])["spec"]["containers"][0]["image"], "v1");
}

#[test]
fn max_unavailable_lets_several_be_updated_at_once() {
    let mut tree = set(5, "v1");
    let mut view = running(&mut tree);
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v2");
    tree["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = json!("40%");
    view.put(tree.clone());
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    assert_eq!(pods(&view.plan(&key())), ["delete db-4", "delete db-3"]);
}

#[test]
fn old_pods_that_cannot_become_ready_are_repaired_by_an_update() {
    let mut tree = set(3, "v1");
    tree["spec"]["podManagementPolicy"] = json!("Parallel");
    let mut view = running(&mut tree);
    for ordinal in [0, 1] {
        let mut broken = view.object(&pod_key(ordinal)).body_tree();
        broken["status"]["conditions"][0]["status"] = json!("False");
        view.put(broken);
    }
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v2");
    view.put(tree.clone());
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    assert_eq!(pods(&view.plan(&key())), Vec::<String>::new(), "db-2 is available and needed");
    tree["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = json!(3);
    view.put(tree.clone());
    assert_eq!(pods(&view.plan(&key())), ["delete db-2", "delete db-1", "delete db-0"]);
}

#[test]
fn on_delete_waits_for_somebody_to_delete() {
    let mut tree = set(2, "v1");
    tree["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    let mut view = running(&mut tree);
    let old = revision_of(&view, 1);
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!("v2");
    view.put(tree.clone());
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    assert_eq!(pods(&view.plan(&key())), Vec::<String>::new());
    view.remove(&pod_key(1));
    let plan = view.plan(&key());
    assert_eq!(pods(&plan), ["create db-1"]);
    assert_ne!(body(&plan.writes[0])["metadata"]["labels"]["controller-revision-hash"], json!(old));
}

#[test]
fn scaling_down_goes_from_the_last_one_at_a_time() {
    let mut tree = set(3, "v1");
    let mut view = running(&mut tree);
    tree["spec"]["replicas"] = json!(0);
    view.put(tree.clone());
    assert_eq!(pods(&view.plan(&key())), ["delete db-2"]);
    let mut terminating = view.object(&pod_key(2)).body_tree();
    terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    view.put(terminating);
    assert_eq!(pods(&view.plan(&key())), Vec::<String>::new());
    view.remove(&pod_key(2));
    let mut broken = view.object(&pod_key(0)).body_tree();
    broken["status"]["conditions"][0]["status"] = json!("False");
    view.put(broken);
    assert_eq!(pods(&view.plan(&key())), ["delete db-1"], "db-1 is healthy");
    let mut broken = view.object(&pod_key(1)).body_tree();
    broken["status"]["conditions"][0]["status"] = json!("False");
    view.put(broken);
    assert_eq!(
        pods(&view.plan(&key())),
        Vec::<String>::new(),
        "two are broken, and db-0 is the first of them"
    );
}

#[test]
fn ended_pods_are_deleted_and_made_again() {
    let mut tree = set(2, "v1");
    let mut view = running(&mut tree);
    for phase in ["Failed", "Succeeded"] {
        let mut ended = view.object(&pod_key(0)).body_tree();
        ended["status"]["phase"] = json!(phase);
        view.put(ended);
        assert_eq!(pods(&view.plan(&key())), ["delete db-0"]);
    }
    view.remove(&pod_key(0));
    assert_eq!(pods(&view.plan(&key())), ["create db-0"]);
}

#[test]
fn claims_come_before_their_pod() {
    let mut tree = with_claims(set(1, "v1"));
    tree["spec"]["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenDeleted": "Delete", "whenScaled": "Retain"});
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    let plan = view.plan(&key());
    assert_eq!(lines(&plan)[0], "create persistentvolumeclaims/shop/data-db-0");
    let claim = body(&plan.writes[0]);
    assert_eq!(claim["metadata"]["labels"], json!({"app": "db", "l": "1"}));
    assert_eq!(claim["metadata"]["ownerReferences"][0]["uid"], "db-uid");
    assert!(claim.get("status").is_none());
    assert_eq!(pods(&plan), Vec::<String>::new());
    assert_eq!(notes(&plan)[0].1, "create Claim data-db-0 Pod db-0 in StatefulSet db success");
    settle(&mut view, &mut tree, &plan);
    let plan = view.plan(&key());
    assert_eq!(pods(&plan), ["create db-0"]);
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]);
    assert_eq!(body(&plan.writes[0])["spec"]["volumes"], volumes);
    let mut stale = view.object(&Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "shop", "data-db-0")).body_tree();
    stale["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    view.put(stale);
    assert_eq!(pods(&view.plan(&key())), Vec::<String>::new(), "a claim that is deleted is waited for");
}

#[test]
fn a_claim_follows_its_pod_only_when_the_pod_is_scaled_away() {
    let mut tree = with_claims(set(2, "v1"));
    tree["spec"]["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenDeleted": "Retain", "whenScaled": "Delete"});
    let mut view = running(&mut tree);
    tree["spec"]["replicas"] = json!(1);
    view.put(tree.clone());
    let plan = view.plan(&key());
    assert_eq!(lines(&plan)[0], "merge persistentvolumeclaims/shop/data-db-1");
    assert_eq!(pods(&plan), Vec::<String>::new(), "first the claim learns whom it goes with");
    let owners = body(&plan.writes[0])["metadata"]["ownerReferences"].clone();
    assert_eq!((&owners[0]["kind"], &owners[0]["uid"]), (&json!("Pod"), &json!("db-1-uid")));
    let mut claim = view.object(&Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "shop", "data-db-1")).body_tree();
    claim["metadata"]["ownerReferences"] = owners;
    view.put(claim);
    assert_eq!(pods(&view.plan(&key())), ["delete db-1"]);
    tree["spec"]["replicas"] = json!(2);
    view.put(tree.clone());
    let plan = view.plan(&key());
    let fix = plan.writes.iter().find(|write| write.key.kind == kind::PERSISTENT_VOLUME_CLAIMS).unwrap();
    assert_eq!(body(fix)["metadata"]["ownerReferences"], json!([]), "it is needed again");
}

#[test]
fn history_beyond_the_limit_is_forgotten() {
    let mut tree = set(1, "v1");
    tree["spec"]["revisionHistoryLimit"] = json!(1);
    let mut view = running(&mut tree);
    let first = revision_of(&view, 0);
    for image in ["v2", "v3"] {
        tree["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        view.put(tree.clone());
        for _ in 0..6 {
            let plan = view.plan(&key());
            settle(&mut view, &mut tree, &plan);
            for line in pods(&plan) {
                if line.starts_with("delete") {
                    _ = view.remove(&pod_key(0))
                } else {
                    make_ready(&mut view, 0)
                }
            }
        }
    }
    assert_eq!(lines(&view.plan(&key())), [format!("delete controllerrevisions.apps/shop/{first}")]);
}

#[test]
fn min_ready_seconds_hold_the_next_pod_back() {
    let mut tree = set(2, "v1");
    tree["spec"]["minReadySeconds"] = json!(10);
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    for _ in 0..2 {
        let plan = view.plan(&key());
        settle(&mut view, &mut tree, &plan);
    }
    make_ready(&mut view, 0);
    let plan = view.plan(&key());
    assert_eq!((pods(&plan), plan.again_after), (Vec::new(), Some(Duration::from_secs(10))));
    view.wait(10);
    assert_eq!(pods(&view.plan(&key())), ["create db-1"]);
}

#[test]
fn somebody_elses_pod_of_the_name_is_left_alone() {
    let mut tree = set(1, "v1");
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    view.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "shop"}}));
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    let plan = view.plan(&key());
    assert_eq!(pods(&plan), Vec::<String>::new());
    assert_eq!(&*notes(&plan)[0].0, "FailedCreate");
}

#[test]
fn a_name_that_somebody_gives_back_is_taken_at_once() {
    let mut tree = with_claims(set(1, "i:1"));
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree.clone());
    let mut stranger =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "shop"}});
    view.put(stranger.clone());
    assert_eq!(view.remove(&pod_key(0)), [key()], "the set waited for the name of its pod");
    stranger["metadata"]["name"] = json!("web-0");
    assert_eq!(view.put(stranger), [], "no set has that name");
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0",
        "namespace": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let claim_key = view.put(claim);
    assert_eq!(claim_key, [key()]);
    let plan = view.plan(&key());
    settle(&mut view, &mut tree, &plan);
    assert_eq!(pods(&view.plan(&key())), [] as [String; 0], "the claim is on its way out");
    let claim = Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "shop", "data-db-0");
    assert_eq!(view.remove(&claim), [key()], "and the set waited for it to be gone");
}

#[test]
fn an_orphan_with_its_name_and_labels_is_adopted() {
    let tree = set(1, "v1");
    let mut view = ByHand::new(StatefulSetController::default());
    view.put(tree);
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": "db"}}});
    assert_eq!(view.put(pod("db-0")), [key()]);
    view.put(pod("other"));
    let plan = view.plan(&key());
    assert_eq!(lines(&plan), ["merge pods/shop/db-0"], "only pods whose name is one of its own");
    assert_eq!(plan.writes[0].precondition.revision, Some(Revision(2)));
}
