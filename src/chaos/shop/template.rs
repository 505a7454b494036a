//! Templates of pods as users write them, and what users change in them.
//!
//! Every container listens at port 8080, named `http`, and answers HTTP when it is ready. How it behaves otherwise is said
//! in annotations that the simulated runtime reads (`sim.orch.local/…`, with `.CONTAINER` for one container).
//! Invariant: what [`repaired`] leaves of a template runs, is ready in time, and fits on any node.

use serde_json::{Value, json};

use super::dice::Dice;
use super::tree::text;

/// The taint of users.
pub(super) const UPKEEP: &str = "example.com/upkeep";
/// The finalizer of users.
pub(super) const HOLD: &str = "example.com/hold";

/// The prefix of annotations that say how a container behaves.
const BEHAVIOUR: &str = "sim.orch.local/";
/// Behaviours with which a container does not stay as it should.
const BREAKS: [&str; 6] = ["runs-for", "exit-code", "start-fails", "pull-fails", "probe-fails", "hangs"];
/// The init container: it has to end, so its `runs-for` breaks nothing.
const SETUP: &str = "setup";

/// Requests for CPU and memory, from small to large.
pub(super) const SIZES: [(&str, &str); 3] = [("100m", "64Mi"), ("500m", "256Mi"), ("1500m", "1Gi")];

/// The template of an app: labels `app` and `tier`, and a pod that runs for ever.
pub(super) fn draw(dice: &Dice, app: &str) -> Value {
    let tier = dice.pick(&["front", "back"]);
    let mut annotations = json!({});
    let mut spec = json!({
        "terminationGracePeriodSeconds": dice.weighted(&[(2, 0), (4, 1), (4, 3), (1, 10)]),
        "containers": [container(dice, app)],
    });
    behaviour(dice, &mut annotations);
    if dice.one_in(5) {
        let setup = json!({"name": SETUP, "image": "shop/setup:1"});
        spec["initContainers"] = json!([setup]);
        annotations[format!("{BEHAVIOUR}runs-for.{SETUP}")] = json!("200ms..2s");
    } else if dice.one_in(8) {
        let sidecar = json!({"name": "sidecar", "image": "shop/sidecar:1", "restartPolicy": "Always"});
        spec["initContainers"] = json!([sidecar]);
    }
    if dice.one_in(3) {
        hook(dice, &mut spec);
    }
    if dice.one_in(3) {
        volumes(dice, app, &mut spec);
    }
    place(dice, &mut spec);
    json!({"metadata": {"labels": {"app": app, "tier": tier}, "annotations": annotations}, "spec": spec})
}

fn container(dice: &Dice, app: &str) -> Value {
    let mut container = json!({
        "name": "main", "image": format!("shop/{app}:1"), "ports": [{"name": "http", "containerPort": 8080}],
    });
    let (cpu, memory) = dice.weighted(&[(6, SIZES[0]), (3, SIZES[1]), (2, SIZES[2])]);
    if !dice.one_in(8) {
        container["resources"] = json!({"requests": {"cpu": cpu, "memory": memory}});
        if dice.one_in(4) {
            container["resources"]["limits"] = json!({"cpu": cpu, "memory": memory});
        }
    }
    let mut env = vec![json!({"name": "GREETING", "value": "hello"})];
    if dice.one_in(3) {
        let key = json!({"configMapKeyRef": {"name": app, "key": "motd"}});
        env.push(json!({"name": "MOTD", "valueFrom": key}));
    }
    if dice.one_in(4) {
        let key = json!({"secretKeyRef": {"name": app, "key": "password"}});
        env.push(json!({"name": "PASSWORD", "valueFrom": key}));
    }
    if dice.one_in(4) {
        about_itself(dice, &mut env);
        let config = json!({"configMapRef": {"name": app, "optional": true}});
        let secret = json!({"prefix": "SECRET_", "secretRef": {"name": app, "optional": true}});
        container["envFrom"] = json!([config, secret]);
        container["command"] = json!(["serve", "--as=$(POD)", "--raw=$$(POD)", "--else=$(NOBODY)"]);
        container["args"] = json!(["$(GREETING)"]);
    }
    container["env"] = env.into();
    if dice.one_in(3) {
        container["readinessProbe"] = probe(dice, dice.between(1, 2), dice.between(1, 3));
    }
    if dice.one_in(6) {
        container["livenessProbe"] = probe(dice, dice.between(2, 5), 3);
        // Longer than a container takes to be ready: else a template that is right would restart for ever.
        container["livenessProbe"]["initialDelaySeconds"] = json!(5);
    }
    if dice.one_in(8) {
        container["startupProbe"] = probe(dice, 1, 15);
    }
    container
}

/// What a pod is told of itself.
fn about_itself(dice: &Dice, env: &mut Vec<Value>) {
    let fields = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.labels['app']",
        "metadata.annotations['sim.orch.local/ready-after']",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.podIP",
        "status.podIPs",
    ];
    for name in ["POD", "FIELD", "OTHER"] {
        env.push(json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": dice.pick(&fields)}}}));
    }
    let resources = ["limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    for name in ["ROOM", "MORE"] {
        let resource = dice.pick(&resources);
        let divisor = match (resource.ends_with("cpu"), dice.below(2)) {
            (true, 0) => "1m",
            (false, 0) => "1Mi",
            _ => "1",
        };
        let from = json!({"resource": resource, "divisor": divisor});
        env.push(json!({"name": name, "valueFrom": {"resourceFieldRef": from}}));
    }
    let absent = json!({"key": "nothing", "name": "nobody", "optional": true});
    env.push(json!({"name": "ABSENT", "valueFrom": {"configMapKeyRef": absent}}));
    env.push(json!({"name": "WELCOME", "value": "$(GREETING), $(POD) and $(NOBODY); costs $$5"}));
}

fn probe(dice: &Dice, period: usize, failures: usize) -> Value {
    let mut probe = json!({"periodSeconds": period, "failureThreshold": failures});
    match dice.weighted(&[(3, "httpGet"), (1, "tcpSocket"), (1, "exec")]) {
        "httpGet" => probe["httpGet"] = json!({"path": "/", "port": "http"}),
        "tcpSocket" => probe["tcpSocket"] = json!({"port": 8080}),
        _ => probe["exec"] = json!({"command": ["true"]}),
    }
    probe
}

/// Harmless ways to behave, and some that are harmless now and then.
fn behaviour(dice: &Dice, annotations: &mut Value) {
    let mut say = |name: &str, value: &str| annotations[format!("{BEHAVIOUR}{name}")] = json!(value);
    if dice.one_in(3) {
        say("ready-after", dice.pick(&["200ms", "1s..3s", "0s..5s"]));
    }
    if dice.one_in(3) {
        say("start-latency", dice.pick(&["10ms..200ms", "1s", "100ms..2s"]));
    }
    if dice.one_in(5) {
        say("ignores-stop", "0.3");
    }
    match dice.below(24) {
        0 => say("probe-fails", "0.05"),
        1 => say("start-fails", "0.2"),
        2 => say("pull-fails", "0.2"),
        3 => say("runs-for", "5s..40s"),
        _ => {}
    }
}

fn hook(dice: &Dice, spec: &mut Value) {
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(0);
    let hook = match dice.below(3) {
        0 if grace > 0 => json!({"sleep": {"seconds": 1}}),
        1 => json!({"httpGet": {"path": "/bye", "port": "http"}}),
        _ => json!({"exec": {"command": ["true"]}}),
    };
    spec["containers"][0]["lifecycle"] = json!({"preStop": hook});
}

fn volumes(dice: &Dice, app: &str, spec: &mut Value) {
    let mode = dice.pick(&[0o400, 0o644]);
    let items = json!([{"key": "motd", "path": "etc/motd", "mode": mode}]);
    let volume = match dice.below(7) {
        0 => json!({"name": "data", "configMap": {"name": app}}),
        1 => json!({"name": "data", "secret": {"secretName": app, "optional": dice.one_in(2)}}),
        2 => json!({"name": "data", "emptyDir": {}}),
        3 => json!({"name": "data", "configMap": {"name": app, "items": items, "defaultMode": mode}}),
        4 => json!({"name": "data", "hostPath": {"path": "/srv/shop", "type": "DirectoryOrCreate"}}),
        5 => json!({"name": "data", "projected": {"sources": [
            {"configMap": {"name": app, "items": items}},
            {"secret": {"name": app, "optional": true}},
            {"downwardAPI": downward()},
        ]}}),
        _ => json!({"name": "data", "downwardAPI": downward()}),
    };
    spec["volumes"] = json!([volume]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/srv/data"}]);
    if dice.one_in(4) {
        // Expanded with what the container is told.
        spec["containers"][0]["volumeMounts"][0]["subPathExpr"] = json!("for-$(GREETING)");
        if spec["volumes"][0].get("emptyDir").is_none() && spec["volumes"][0].get("hostPath").is_none() {
            spec["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        }
    }
}

/// Files about the pod itself.
fn downward() -> Value {
    json!({"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
        {"path": "room", "resourceFieldRef": {"containerName": "main", "resource": "requests.cpu", "divisor": "1m"}},
    ]})
}

/// Where it may run, and before whom.
fn place(dice: &Dice, spec: &mut Value) {
    let zones = ["a", "b", "c"];
    let zone = json!({"key": "zone", "operator": "In", "values": [dice.pick(&zones), dice.pick(&zones)]});
    let term = json!({"matchExpressions": [zone]});
    match dice.below(8) {
        0 => spec["nodeSelector"] = json!({"zone": dice.pick(&zones)}),
        1 => {
            let required =
                json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
            spec["affinity"] = json!({"nodeAffinity": required});
        }
        2 => {
            let preferred = json!([{"weight": 10, "preference": term}]);
            spec["affinity"] =
                json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}});
        }
        _ => {}
    }
    match dice.below(6) {
        0 => spec["tolerations"] = json!([{"key": UPKEEP, "operator": "Exists"}]),
        1 => {
            // Not 0: a pod that ends at once is bound to the same node and evicted without end, also in Kubernetes
            // (kubernetes/kubernetes#112930), as fast as clients are. In virtual time that is as fast as one likes.
            let secs = dice.between(1, 5);
            spec["tolerations"] = json!([{"key": UPKEEP, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": secs}]);
        }
        _ => {}
    }
    if let Some(class) = dice.pick(&[None, None, Some("low"), Some("high"), Some("patient")]) {
        spec["priorityClassName"] = json!(class);
    }
}

/// How a template is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breakage {
    /// The image cannot be had.
    Pull,
    /// The container cannot be started.
    Start,
    /// It ends soon after every start.
    Crash,
    /// It is never ready.
    Ready,
    /// It hangs.
    Hang,
}

impl Breakage {
    pub(super) const ALL: [Self; 5] = [Self::Pull, Self::Start, Self::Crash, Self::Ready, Self::Hang];

    /// Breaks a template.
    pub(super) fn apply(self, template: &mut Value) {
        let pairs: &[(&str, &str)] = match self {
            Self::Pull => &[("pull-fails", "1")],
            Self::Start => &[("start-fails", "1")],
            Self::Crash => &[("runs-for", "100ms..2s"), ("exit-code", "3")],
            Self::Ready => &[("probe-fails", "1")],
            Self::Hang => &[("hangs", "true")],
        };
        for (name, value) in pairs {
            template["metadata"]["annotations"][format!("{BEHAVIOUR}{name}")] = json!(value);
        }
        if self == Self::Ready {
            let probe = json!({"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1});
            template["spec"]["containers"][0]["readinessProbe"] = probe;
        }
    }
}

/// Makes a container that runs end after a while, with that code.
pub(super) fn end(template: &mut Value, after: &str, code: usize) {
    let annotations = &mut template["metadata"]["annotations"];
    annotations[format!("{BEHAVIOUR}runs-for")] = json!(after);
    if code != 0 {
        annotations[format!("{BEHAVIOUR}exit-code")] = json!(code.to_string());
    }
}

/// Whether annotations ask for a behaviour with which the pod does not stay as it should.
pub(super) fn is_broken(metadata: &Value) -> bool {
    metadata["annotations"].as_object().is_some_and(|all| all.keys().any(|name| breaks(name)))
}

fn breaks(annotation: &str) -> bool {
    let Some(behaviour) = annotation.strip_prefix(BEHAVIOUR) else { return false };
    let (name, container) = behaviour.split_once('.').unwrap_or((behaviour, ""));
    BREAKS.contains(&name) && container != SETUP
}

/// Whether a pod asks for more than the smallest size.
pub(super) fn is_large(spec: &Value) -> bool {
    let small = json!({"cpu": SIZES[0].0, "memory": SIZES[0].1});
    let requests = &spec["containers"][0]["resources"]["requests"];
    requests.is_object() && *requests != small
}

/// Makes a template one that works and is small.
pub(super) fn repaired(template: &mut Value) {
    if let Some(Value::Object(annotations)) = template.pointer_mut("/metadata/annotations") {
        annotations.retain(|name, _| !breaks(name));
    }
    if is_large(&template["spec"]) {
        resize(template, 0);
    }
}

/// Gives a template another size.
pub(super) fn resize(template: &mut Value, size: usize) {
    let (cpu, memory) = SIZES[size];
    template["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": cpu, "memory": memory}});
}

/// Gives a template another tag of its image.
pub(super) fn retag(template: &mut Value, tag: usize) {
    let image = &mut template["spec"]["containers"][0]["image"];
    let repository = text(image).split(':').next().unwrap_or_default().to_owned();
    *image = json!(format!("{repository}:{tag}"));
}

#[cfg(test)]
mod tests {
    use orch_core::sim;

    use super::*;

    #[test]
    fn whatever_is_broken_can_be_repaired() {
        sim::run(1, |env| async move {
            for seed in 0..100 {
                let dice = Dice::new(&env, &seed.to_string());
                let mut template = draw(&dice, "web");
                let breakage = dice.pick(&Breakage::ALL);
                breakage.apply(&mut template);
                assert!(is_broken(&template["metadata"]), "{breakage:?}");
                repaired(&mut template);
                assert!(!is_broken(&template["metadata"]) && !is_large(&template["spec"]));
                let before = template.clone();
                repaired(&mut template);
                assert_eq!(template, before, "once is enough");
            }
        });
    }

    #[test]
    fn a_template_without_annotations_needs_no_repair() {
        let template =
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main"}]}});
        let mut same = template.clone();
        repaired(&mut same);
        assert_eq!(same, template);
    }

    #[test]
    fn an_init_container_that_ends_breaks_nothing() {
        let broken = |name: &str| is_broken(&json!({"annotations": {name: "1s"}}));
        assert!(broken("sim.orch.local/runs-for") && broken("sim.orch.local/runs-for.main"));
        assert!(!broken("sim.orch.local/runs-for.setup") && !broken("sim.orch.local/ready-after"));
        assert!(!broken("runs-for"));
    }
}
