use orch_core::controller::{Controller, Plan};
use orch_core::{Key, kind};
use serde_json::{Value, json};

use super::*;
use crate::by_hand::{ByHand, body, lines, notes};

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
            "resources": {"requests": {"storage": "5Gi"}}},
        "status": {"phase": "Pending"}})
}

fn volume(name: &str, capacity: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "volumeMode": "Filesystem",
            "capacity": {"storage": capacity}, "persistentVolumeReclaimPolicy": "Retain"},
        "status": {"phase": "Available"}})
}

fn class(provisioner: &str, mode: &str) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
        "provisioner": provisioner, "volumeBindingMode": mode, "reclaimPolicy": "Delete"})
}

fn c() -> Key {
    Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "shop", "c")
}

fn v(name: &str) -> Key {
    Key::cluster(kind::PERSISTENT_VOLUMES, name)
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let mut at = &mut object;
    for step in parent.split('/').skip(1) {
        at = &mut at[step];
    }
    at[field] = value;
    object
}

fn tree<C: Controller>(world: &ByHand<C>, key: &Key) -> Value {
    world.object(key).body_tree()
}

fn binder(objects: &[Value]) -> ByHand<VolumeBinderController> {
    let mut world = ByHand::new(VolumeBinderController);
    objects.iter().for_each(|object| _ = world.put(object.clone()));
    world
}

/// The volume that the claim gets among these; empty for none.
#[track_caller]
fn check(claim: Value, volumes: &[Value], expected: &str) {
    let mut world = binder(volumes);
    world.put(claim);
    let plan = world.plan(&c());
    let merged = plan.writes.iter().find(|write| write.key.kind == kind::PERSISTENT_VOLUMES);
    assert_eq!(
        merged.map_or("", |write| &*write.key.name),
        expected,
        "{:?} {:?}",
        lines(&plan),
        notes(&plan)
    );
}

#[test]
fn the_smallest_volume_that_suits_is_taken() {
    let volumes = [volume("big", "50Gi"), volume("b", "6Gi"), volume("a", "6Gi"), volume("small", "1Gi")];
    check(claim(), &volumes, "a");
    check(claim(), &[volume("small", "1Gi")], "");
    check(with(claim(), "/spec/accessModes", json!(["ReadWriteMany"])), &volumes, "");
    check(with(claim(), "/spec/accessModes", json!(["ReadOnlyMany"])), &volumes, "a");
    check(with(claim(), "/spec/volumeMode", json!("Block")), &volumes, "");
    check(with(claim(), "/spec/storageClassName", json!("slow")), &volumes, "");
    check(claim(), &[with(volume("a", "6Gi"), "/status/phase", json!("Released"))], "");
    check(
        claim(),
        &[with(volume("a", "6Gi"), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))],
        "",
    );
    let selects = with(claim(), "/spec/selector", json!({"matchLabels": {"disk": "ssd"}}));
    check(selects.clone(), &volumes, "");
    check(
        selects,
        &[volume("b", "6Gi"), with(volume("x", "9Gi"), "/metadata/labels", json!({"disk": "ssd"}))],
        "x",
    );
}

#[test]
fn a_volume_reserved_for_the_claim_is_taken_before_all_others() {
    let reserved = |uid: Value| {
        with(volume("mine", "50Gi"), "/spec/claimRef", json!({"namespace": "shop", "name": "c", "uid": uid}))
    };
    check(claim(), &[volume("a", "6Gi"), reserved(Value::Null)], "mine");
    check(claim(), &[volume("a", "6Gi"), reserved(json!("another"))], "a");
    let waits = class("x/y", "WaitForFirstConsumer");
    check(claim(), &[waits.clone(), volume("a", "6Gi")], "");
    check(claim(), &[waits, reserved(Value::Null)], "mine");
}

#[test]
fn both_sides_are_bound_step_by_step() {
    let mut world = binder(&[volume("a", "6Gi"), claim()]);
    assert_eq!(world.take_in(&c()), ["merge persistentvolumes/a"]);
    assert_eq!(tree(&world, &v("a"))["spec"]["claimRef"]["uid"], "c-uid");
    assert_eq!(tree(&world, &v("a"))["metadata"]["annotations"][BOUND_BY_CONTROLLER], "yes");
    assert_eq!(
        world.take_in(&c()),
        ["merge persistentvolumes/a status", "merge persistentvolumeclaims/shop/c"]
    );
    let bound = tree(&world, &c());
    assert_eq!(bound["spec"]["volumeName"], "a");
    assert_eq!(bound["metadata"]["annotations"], json!({BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}));
    assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c status"]);
    let status = json!({"phase": "Bound", "capacity": {"storage": "6Gi"}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"]});
    assert_eq!(tree(&world, &c())["status"], status);
    assert_eq!(tree(&world, &v("a"))["status"]["phase"], "Bound");
    assert!(world.plan(&c()).is_empty() && world.plan(&v("a")).is_empty());
}

#[test]
fn a_volume_that_a_person_names_is_bound_if_it_suits() {
    let asks = with(claim(), "/spec/volumeName", json!("a"));
    let mut world = binder(&[volume("a", "6Gi"), asks.clone()]);
    (0..3).for_each(|_| _ = world.take_in(&c()));
    assert_eq!(tree(&world, &c())["metadata"]["annotations"], json!({BIND_COMPLETED: "yes"}));
    assert_eq!(tree(&world, &c())["status"]["phase"], "Bound");
    for (volume, reason, message) in [
        (
            volume("a", "1Gi"),
            "VolumeMismatch",
            "Cannot bind to requested volume \"a\": requested PV is too small",
        ),
        (
            with(volume("a", "6Gi"), "/spec/claimRef", json!({"namespace": "shop", "name": "d", "uid": "u"})),
            "FailedBinding",
            "volume \"a\" already bound to a different claim.",
        ),
    ] {
        let plan = binder(&[volume, asks.clone()]).plan(&c());
        assert_eq!(notes(&plan), [(reason.into(), message.to_owned())]);
        assert!(plan.writes.is_empty());
    }
    assert!(binder(&[asks]).plan(&c()).is_empty(), "it waits for a volume that is not there yet");
}

#[test]
fn people_are_told_why_a_claim_waits() {
    let told = |objects: &[Value], claim: Value| {
        let mut world = binder(objects);
        world.put(claim);
        let (reason, message) = notes(&world.plan(&c())).remove(0);
        format!("{reason}: {message}")
    };
    let none = with(claim(), "/spec/storageClassName", Value::Null);
    let words = "FailedBinding: no persistent volumes available for this claim and no storage class is set";
    assert_eq!(told(&[], none), words);
    assert_eq!(told(&[], with(claim(), "/spec/storageClassName", json!(""))), words);
    assert_eq!(told(&[], claim()), "ProvisioningFailed: storageclass.storage.k8s.io \"fast\" not found");
    assert_eq!(
        told(&[class("x/y", "WaitForFirstConsumer")], claim()),
        "WaitForFirstConsumer: waiting for first consumer to be created before binding"
    );
    assert_eq!(
        told(&[class("kubernetes.io/no-provisioner", "Immediate")], claim()),
        "ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner"
    );
    let mut world = binder(&[class("x/y", "Immediate"), claim()]);
    assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c"]);
    let annotations = &tree(&world, &c())["metadata"]["annotations"];
    assert_eq!(*annotations, json!({STORAGE_PROVISIONER[0]: "x/y", STORAGE_PROVISIONER[1]: "x/y"}));
    assert_eq!(&*notes(&world.plan(&c()))[0].0, "ExternalProvisioning");
}

#[test]
fn a_claim_without_a_class_gets_the_default_one_later() {
    let default = with(
        class("x/y", "Immediate"),
        "/metadata/annotations",
        json!({"storageclass.kubernetes.io/is-default-class": "true"}),
    );
    let mut world = binder(&[with(claim(), "/spec/storageClassName", Value::Null)]);
    assert!(world.plan(&c()).writes.is_empty());
    assert_eq!(world.put(default), [c()]);
    assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c"]);
    assert_eq!(tree(&world, &c())["spec"]["storageClassName"], "fast");
}

#[test]
fn a_bound_claim_that_loses_its_volume_is_lost() {
    let mut world = binder(&[volume("a", "6Gi"), claim()]);
    (0..3).for_each(|_| _ = world.take_in(&c()));
    assert_eq!(world.remove(&v("a")), [c(), v("a")]);
    let plan = world.plan(&c());
    assert_eq!(&*notes(&plan)[0].0, "ClaimLost");
    assert_eq!(body(&plan.writes[0])["status"]["phase"], "Lost");
    world.take_in(&c());
    assert!(world.plan(&c()).is_empty());
}

/// What becomes of a volume whose claim goes: its phase in the end.
#[track_caller]
fn check_reclaim(volume: Value, phase: &str) -> ByHand<VolumeBinderController> {
    let mut world = binder(&[volume, claim()]);
    (0..3).for_each(|_| _ = world.take_in(&c()));
    assert!(world.remove(&c()).contains(&v("a")));
    (0..3).for_each(|_| _ = world.take_in(&v("a")));
    assert_eq!(tree(&world, &v("a"))["status"]["phase"], phase);
    assert!(world.plan(&v("a")).is_empty());
    world
}

#[test]
fn a_volume_whose_claim_is_gone_is_released_and_reclaimed_by_its_policy() {
    let policy =
        |policy: &str| with(volume("a", "6Gi"), "/spec/persistentVolumeReclaimPolicy", json!(policy));
    let world = check_reclaim(policy("Retain"), "Released");
    assert_eq!(tree(&world, &v("a"))["spec"]["claimRef"]["uid"], "c-uid", "nobody else gets the data");
    check_reclaim(policy("Delete"), "Failed");
    check_reclaim(policy("Recycle"), "Failed");
    check_reclaim(
        with(policy("Delete"), "/metadata/annotations", json!({PROVISIONED_BY: "x/y"})),
        "Released",
    );
}

#[test]
fn a_volume_that_lost_the_race_for_its_claim_is_free_again() {
    let mut world = binder(&[
        with(
            with(claim(), "/spec/volumeName", json!("b")),
            "/metadata/annotations",
            json!({BIND_COMPLETED: "yes"}),
        ),
        with(
            with(
                volume("a", "6Gi"),
                "/spec/claimRef",
                json!({"namespace": "shop", "name": "c", "uid": "c-uid"}),
            ),
            "/metadata/annotations",
            json!({BOUND_BY_CONTROLLER: "yes"}),
        ),
    ]);
    assert_eq!(world.take_in(&v("a")), ["merge persistentvolumes/a"]);
    assert_eq!(tree(&world, &v("a"))["spec"]["claimRef"], Value::Null);
}

#[test]
fn a_volume_that_becomes_free_asks_the_claims_that_wait() {
    let mut world = binder(&[claim()]);
    let new = with(volume("a", "6Gi"), "/status/phase", json!("Pending"));
    assert_eq!(world.put(new), [v("a")]);
    assert_eq!(world.take_in(&v("a")), ["merge persistentvolumes/a status"]);
    assert_eq!(world.put(volume("a", "6Gi")), [c(), v("a")]);
    assert_eq!(world.take_in(&c()), ["merge persistentvolumes/a"]);
}

mod directories {
    use super::*;

    fn provisioner(objects: &[Value]) -> ByHand<NodeDirectoryProvisioner> {
        let mut world = ByHand::new(NodeDirectoryProvisioner::new("/data"));
        objects.iter().for_each(|object| _ = world.put(object.clone()));
        world
    }

    fn node() -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "h1"}}})
    }

    fn waiting(node: &str) -> Value {
        with(
            claim(),
            "/metadata/annotations",
            json!({STORAGE_PROVISIONER[0]: NODE_DIRECTORY, SELECTED_NODE: node}),
        )
    }

    fn directory(mode: &str) -> Value {
        class(NODE_DIRECTORY, mode)
    }

    fn made() -> Key {
        v("pvc-c-uid")
    }

    #[test]
    fn a_claim_gets_a_directory_of_the_node_that_was_chosen_for_it() {
        let mut world = provisioner(&[node(), directory("WaitForFirstConsumer"), waiting("n1")]);
        let plan = world.plan(&c());
        assert_eq!(lines(&plan), ["create persistentvolumes/pvc-c-uid"]);
        assert_eq!(notes(&plan)[0].1, "Successfully provisioned volume pvc-c-uid");
        let volume = body(&plan.writes[0]);
        assert_eq!(volume["spec"]["local"]["path"], "/data/pvc-c-uid");
        assert_eq!(volume["spec"]["capacity"]["storage"], "5Gi");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Delete");
        assert_eq!(volume["metadata"]["labels"], json!({"kubernetes.io/hostname": "h1"}));
        let terms =
            &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0];
        assert_eq!(terms["values"], json!(["h1"]));
        world.take_in(&c());
        assert!(world.plan(&c()).is_empty(), "one volume for one claim");
        let mut binder = binder(&[directory("WaitForFirstConsumer"), waiting("n1"), volume]);
        assert_eq!(
            binder.take_in(&c()),
            ["merge persistentvolumes/pvc-c-uid status", "merge persistentvolumeclaims/shop/c"]
        );
    }

    #[test]
    fn nothing_is_made_before_a_node_is_chosen_or_for_others() {
        let wait = directory("WaitForFirstConsumer");
        assert!(provisioner(&[node(), wait.clone(), waiting("")]).plan(&c()).is_empty());
        assert!(
            provisioner(&[node(), wait.clone(), claim()]).plan(&c()).is_empty(),
            "the binder has not asked"
        );
        let bound = with(waiting("n1"), "/spec/volumeName", json!("a"));
        assert!(provisioner(&[node(), wait, bound]).plan(&c()).is_empty());
        assert!(provisioner(&[node(), class("x/y", "Immediate"), waiting("n1")]).plan(&c()).is_empty());
    }

    #[test]
    fn what_a_directory_cannot_be_is_refused_with_the_reason() {
        let told = |class: Value, claim: Value| {
            let plan = provisioner(&[node(), class, claim]).plan(&c());
            assert!(plan.writes.is_empty());
            notes(&plan).remove(0).1
        };
        let wait = || directory("WaitForFirstConsumer");
        assert!(told(directory("Immediate"), waiting("")).contains("must be WaitForFirstConsumer"));
        assert!(
            told(wait(), with(waiting("n1"), "/spec/accessModes", json!(["ReadWriteMany"])))
                .contains("ReadWriteOnce")
        );
        assert!(told(wait(), with(waiting("n1"), "/spec/volumeMode", json!("Block"))).contains("Filesystem"));
    }

    #[test]
    fn a_chosen_node_that_is_gone_is_given_back() {
        let mut world = provisioner(&[directory("WaitForFirstConsumer"), waiting("n1")]);
        assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c"]);
        assert_eq!(tree(&world, &c())["metadata"]["annotations"][SELECTED_NODE], Value::Null);
    }

    #[test]
    fn a_released_directory_is_deleted_and_held_for_the_agent_of_its_node() {
        let mut world = provisioner(&[node(), directory("WaitForFirstConsumer"), waiting("n1")]);
        world.take_in(&c());
        assert!(world.plan(&made()).is_empty());
        let released = with(tree(&world, &made()), "/status", json!({"phase": "Released"}));
        world.put(released);
        assert_eq!(world.take_in(&made()), ["delete persistentvolumes/pvc-c-uid"]);
        assert!(world.plan(&made()).is_empty(), "protection and agent hold it");
        let unprotected = with(tree(&world, &made()), "/metadata/finalizers", json!([DIRECTORY_FINALIZER]));
        world.put(unprotected);
        assert!(world.plan(&made()).is_empty(), "the agent's turn");
        assert_eq!(world.remove(&Key::cluster(kind::NODES, "n1")), [c(), made()]);
        assert_eq!(world.take_in(&made()), ["merge persistentvolumes/pvc-c-uid"], "it went with the node");
        assert_eq!(tree(&world, &made())["metadata"]["finalizers"], Value::Null);
    }

    #[test]
    fn a_directory_to_be_retained_is_let_go_as_it_is() {
        let retain = with(directory("WaitForFirstConsumer"), "/reclaimPolicy", json!("Retain"));
        let mut world = provisioner(&[node(), retain, waiting("n1")]);
        world.take_in(&c());
        let mut volume = tree(&world, &made());
        volume["status"] = json!({"phase": "Released"});
        world.put(volume.clone());
        assert!(world.plan(&made()).is_empty());
        volume["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        volume["metadata"]["finalizers"] = json!([DIRECTORY_FINALIZER]);
        world.put(volume);
        assert_eq!(world.take_in(&made()), ["merge persistentvolumes/pvc-c-uid"]);
    }
}

mod in_use {
    use super::*;

    fn pod(node: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"nodeName": node, "volumes": [{"name": "x", "persistentVolumeClaim": {"claimName": "c"}}]}})
    }

    fn dying() -> Value {
        let dying = with(claim(), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
        with(dying, "/metadata/finalizers", json!(["x/y", CLAIM_FINALIZER]))
    }

    #[test]
    fn a_claim_is_held_from_the_beginning() {
        let mut world = ByHand::new(ClaimProtectionController);
        assert_eq!(world.put(claim()), [c()]);
        assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c"]);
        assert_eq!(tree(&world, &c())["metadata"]["finalizers"], json!([CLAIM_FINALIZER]));
        assert_eq!(world.plan(&c()), Plan::new());
    }

    #[test]
    fn a_claim_goes_when_its_last_pod_has_gone() {
        let mut world = ByHand::new(ClaimProtectionController);
        world.put(pod("n1"));
        world.put(dying());
        assert!(world.plan(&c()).is_empty());
        assert_eq!(world.remove(&Key::new(kind::PODS, "shop", "p")), [c()]);
        assert_eq!(world.take_in(&c()), ["merge persistentvolumeclaims/shop/c"]);
        assert_eq!(tree(&world, &c())["metadata"]["finalizers"], json!(["x/y"]));
    }

    #[test]
    fn a_pod_that_is_not_assigned_uses_nothing() {
        let mut world = ByHand::new(ClaimProtectionController);
        world.put(pod(""));
        world.put(dying());
        assert_eq!(lines(&world.plan(&c())), ["merge persistentvolumeclaims/shop/c"]);
    }

    #[test]
    fn a_generic_ephemeral_volume_uses_the_claim_named_after_it() {
        let mut world = ByHand::new(ClaimProtectionController);
        let mut pod = pod("n1");
        pod["metadata"]["name"] = "a".into();
        pod["spec"]["volumes"] = json!([{"name": "b", "ephemeral": {"volumeClaimTemplate": {}}}]);
        world.put(pod);
        world.put(with(dying(), "/metadata/name", json!("a-b")));
        assert!(world.plan(&c().sibling(kind::PERSISTENT_VOLUME_CLAIMS, "a-b")).is_empty());
    }

    #[test]
    fn a_volume_is_held_while_it_is_bound() {
        let mut world = ByHand::new(VolumeProtectionController);
        world.put(volume("a", "6Gi"));
        world.take_in(&v("a"));
        assert_eq!(tree(&world, &v("a"))["metadata"]["finalizers"], json!([VOLUME_FINALIZER]));
        let mut dying =
            with(tree(&world, &v("a")), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
        dying["status"]["phase"] = "Bound".into();
        world.put(dying.clone());
        assert!(world.plan(&v("a")).is_empty());
        dying["status"]["phase"] = "Released".into();
        world.put(dying);
        assert_eq!(lines(&world.plan(&v("a"))), ["merge persistentvolumes/a"]);
    }
}

/// What is not in a view that is too old may be there.
mod behind {
    use super::*;

    #[track_caller]
    fn check<C: Controller>(controller: C, object: Value, key: &Key, of: orch_core::Kind) {
        let mut world = ByHand::per_kind(controller);
        world.put(object);
        assert_eq!(world.plan(key), Plan::new().when_seen(of, world.object(key).revision()));
    }

    #[test]
    fn a_volume_or_claim_that_is_not_seen_is_not_lost() {
        let bound = with(claim(), "/spec/volumeName", json!("a"));
        let bound = with(bound, "/metadata/annotations", json!({BIND_COMPLETED: "yes"}));
        check(VolumeBinderController, bound, &c(), kind::PERSISTENT_VOLUMES);
        let of = json!({"namespace": "shop", "name": "c", "uid": "c-uid"});
        let volume = with(volume("a", "1Gi"), "/spec/claimRef", of);
        check(VolumeBinderController, volume, &v("a"), kind::PERSISTENT_VOLUME_CLAIMS);
    }

    #[test]
    fn a_claim_whose_pods_are_not_seen_is_held() {
        let dying = with(claim(), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
        let dying = with(dying, "/metadata/finalizers", json!([CLAIM_FINALIZER]));
        check(ClaimProtectionController, dying, &c(), kind::PODS);
    }

    #[test]
    fn a_directory_whose_node_is_not_seen_is_held() {
        let mut volume =
            with(volume("a", "1Gi"), "/metadata/annotations", json!({PROVISIONED_BY: NODE_DIRECTORY}));
        volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete".into();
        volume["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        volume["metadata"]["finalizers"] = json!([DIRECTORY_FINALIZER]);
        check(NodeDirectoryProvisioner::default(), volume, &v("a"), kind::NODES);
    }
}
