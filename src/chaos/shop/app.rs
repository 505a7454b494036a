//! What users deploy: apps with what they need, and pods of their own.
//!
//! An app is a Deployment, StatefulSet or ReplicaSet, with a Service, a ConfigMap and a Secret of its name. Not what users
//! do with them later. Invariant: every manifest is one that the Api takes.

use orch_core::kind;
use orch_core::{Env, Key, Kind};
use serde_json::{Value, json};

use super::dice::Dice;
use super::template::{self, HOLD};
use super::tree::Manifest;

/// The storage class that users name; it is the default one, too.
const CLASS: &str = "node-directory";

/// An app.
#[derive(Clone, Debug)]
pub(super) struct App {
    /// The Deployment, StatefulSet or ReplicaSet.
    pub(super) workload: Manifest,
    /// Its ConfigMap, Secret and Service.
    pub(super) needs: Vec<Manifest>,
}

impl App {
    pub(super) fn key(&self) -> &Key {
        &self.workload.key
    }

    /// Whether it is of that kind.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.key().kind == kind
    }

    /// A Deployment, with up to so many replicas.
    pub(super) fn deployment(env: &Env, namespace: &str, name: &str, most: usize) -> Self {
        let dice = Dice::new(env, &format!("app/{name}"));
        let ready = dice.weighted(&[(3, 0), (1, 1), (1, dice.between(2, 5))]);
        let replicas = if dice.one_in(8) { 0 } else { dice.between(most / 4, most) };
        let spec = json!({
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": template::draw(&dice, name), "strategy": strategy(&dice),
            "minReadySeconds": ready, "progressDeadlineSeconds": dice.between(6, 60),
            "revisionHistoryLimit": dice.pick(&[0, 1, 2, 10]),
        });
        Self::new(&dice, Manifest::new(kind::DEPLOYMENTS, namespace, name, json!({"spec": spec})))
    }

    /// A ReplicaSet that no Deployment owns.
    pub(super) fn replica_set(env: &Env, namespace: &str, name: &str, most: usize) -> Self {
        let dice = Dice::new(env, &format!("app/{name}"));
        let spec = json!({
            "replicas": dice.between(0, most), "selector": {"matchLabels": {"app": name}},
            "template": template::draw(&dice, name), "minReadySeconds": dice.pick(&[0, 0, 2]),
        });
        Self::new(&dice, Manifest::new(kind::REPLICA_SETS, namespace, name, json!({"spec": spec})))
    }

    /// A StatefulSet.
    pub(super) fn stateful_set(env: &Env, namespace: &str, name: &str, most: usize) -> Self {
        let dice = Dice::new(env, &format!("app/{name}"));
        let mut spec = json!({
            "replicas": dice.between(2, most.max(2)), "selector": {"matchLabels": {"app": name}}, "serviceName": name,
            "template": template::draw(&dice, name), "updateStrategy": update_strategy(&dice),
            "podManagementPolicy": dice.pick(&["OrderedReady", "Parallel"]),
            "minReadySeconds": dice.pick(&[0, 0, 1]), "revisionHistoryLimit": dice.pick(&[0, 1, 10]),
        });
        if dice.one_in(2) {
            let mut claim =
                json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
            if dice.one_in(2) {
                claim["storageClassName"] = json!(CLASS);
            }
            spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "disk"}, "spec": claim}]);
            spec["template"]["spec"]["containers"][0]["volumeMounts"] =
                json!([{"name": "disk", "mountPath": "/var/lib/disk"}]);
            spec["template"]["spec"]["volumes"] = Value::Null;
            let keep = ["Retain", "Delete"];
            spec["persistentVolumeClaimRetentionPolicy"] =
                json!({"whenDeleted": dice.pick(&keep), "whenScaled": dice.pick(&keep)});
        }
        if dice.one_in(4) {
            spec["ordinals"] = json!({"start": dice.between(0, 3)});
        }
        Self::new(&dice, Manifest::new(kind::STATEFUL_SETS, namespace, name, json!({"spec": spec})))
    }

    fn new(dice: &Dice, workload: Manifest) -> Self {
        let (namespace, name) = (workload.key.namespace.clone(), workload.key.name.clone());
        let config = json!({"data": {"motd": "fresh bread", "colour": "blue"}});
        let secret = json!({"type": "Opaque", "stringData": {"password": "correct-horse"}});
        let headless = workload.key.kind == kind::STATEFUL_SETS || dice.one_in(4);
        let service = service(dice, &json!({"app": &*name}), headless);
        let needs = vec![
            Manifest::new(kind::CONFIG_MAPS, &namespace, &name, config),
            Manifest::new(kind::SECRETS, &namespace, &name, secret),
            Manifest::new(kind::SERVICES, &namespace, &name, service),
        ];
        Self { workload, needs }
    }
}

fn service(dice: &Dice, selector: &Value, headless: bool) -> Value {
    let target = if dice.one_in(2) { json!("http") } else { json!(8080) };
    let mut spec =
        json!({"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": target}]});
    if headless {
        spec["clusterIP"] = json!("None");
    }
    if dice.one_in(4) {
        spec["publishNotReadyAddresses"] = json!(true);
    }
    json!({"spec": spec})
}

/// The Service in front of every app of a tier in a namespace.
pub(super) fn tier(env: &Env, namespace: &str) -> Manifest {
    let dice = Dice::new(env, &format!("tier/{namespace}"));
    let tier = service(&dice, &json!({"tier": dice.pick(&["front", "back"])}), false);
    Manifest::new(kind::SERVICES, namespace, "tier", tier)
}

/// How a Deployment is rolled out.
pub(super) fn strategy(dice: &Dice) -> Value {
    if dice.one_in(5) {
        return json!({"type": "Recreate", "rollingUpdate": null});
    }
    let pairs = [
        (json!(1), json!(0)),
        (json!(0), json!(1)),
        (json!("25%"), json!("25%")),
        (json!(2), json!("50%")),
        (json!("100%"), json!(0)),
        (json!(0), json!("30%")),
        (json!(1), json!(1)),
    ];
    let (surge, unavailable) = dice.pick(&pairs);
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

/// How a StatefulSet comes to a new template.
pub(super) fn update_strategy(dice: &Dice) -> Value {
    if dice.one_in(5) {
        return json!({"type": "OnDelete", "rollingUpdate": null});
    }
    json!({"type": "RollingUpdate", "rollingUpdate": {"partition": dice.pick(&[0, 0, 0, 1, 2])}})
}

/// A pod of the user's own: one that runs, one that ends, one that wants much room.
pub(super) fn pod(dice: &Dice, namespace: &str, name: &str) -> Manifest {
    let mut pod = template::draw(dice, name);
    // No ConfigMap or Secret has its name.
    let container = &mut pod["spec"]["containers"][0];
    container["env"] = Value::Null;
    if container["volumeMounts"].is_array() {
        container["volumeMounts"] = Value::Null;
        pod["spec"]["volumes"] = Value::Null;
    }
    match dice.below(4) {
        0 => {
            let after = dice.pick(&["500ms", "2s..6s", "10s..40s"]);
            template::end(&mut pod, after, dice.pick(&[0, 0, 3]));
            pod["spec"]["restartPolicy"] = json!(dice.pick(&["Never", "OnFailure"]));
        }
        1 => {
            template::resize(&mut pod, 2);
            pod["spec"]["priorityClassName"] = json!(dice.pick(&["high", "patient"]));
        }
        2 => pod["metadata"]["finalizers"] = json!([HOLD]),
        _ => {}
    }
    Manifest::new(kind::PODS, namespace, name, pod)
}

/// What no namespace holds: priorities and storage.
pub(super) fn of_the_cluster(env: &Env) -> Vec<Manifest> {
    let dice = Dice::new(env, "cluster");
    let priority = |name: &str, value: i32, policy: &str| {
        let tree = json!({"value": value, "preemptionPolicy": policy});
        Manifest::new(kind::PRIORITY_CLASSES, "", name, tree)
    };
    let class = json!({
        "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": orch_controllers::volume::NODE_DIRECTORY, "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": dice.pick(&["Delete", "Delete", "Retain"]),
    });
    // Disks that somebody has put into machines, for whoever asks for one of their size.
    let disks = (0..dice.pick(&[0, 0, 1, 3])).map(|number| {
        let zone = json!({"key": "zone", "operator": "In", "values": [dice.pick(&["a", "b", "c"])]});
        let required = json!({"nodeSelectorTerms": [{"matchExpressions": [zone]}]});
        let spec = json!({
            "capacity": {"storage": dice.pick(&["500Mi", "1Gi", "2Gi"])}, "accessModes": ["ReadWriteOnce"],
            "storageClassName": CLASS, "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": format!("/srv/disk-{number}")}, "nodeAffinity": {"required": required},
        });
        Manifest::new(kind::PERSISTENT_VOLUMES, "", &format!("disk-{number}"), json!({"spec": spec}))
    });
    let others = [
        priority("low", -10, "PreemptLowerPriority"),
        priority("high", 1000, "PreemptLowerPriority"),
        priority("patient", 500, "Never"),
        Manifest::new(kind::STORAGE_CLASSES, "", CLASS, class),
    ];
    others.into_iter().chain(disks).collect()
}
