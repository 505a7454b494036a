//! Ownership: who has what after applies and updates, in tables and as laws.

use orch_core::{ConflictCause, Conflicts, Error, KindInfo, Registry, Subresource, kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Managers, Operation, Tracker};
use crate::patch::typed::{Shape, compare};
use crate::schema::{self, MAX_DEPTH};

const NOW: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-01T00:00:01Z";

/// An object with its managers, changed as a server changes it.
struct World {
    info: std::sync::Arc<KindInfo>,
    shape: Shape<'static>,
    object: Option<Value>,
    managers: Managers,
    now: &'static str,
}

impl World {
    fn new(kind: orch_core::Kind) -> Self {
        let info = Registry::built_in().get(kind).unwrap();
        let shape = Shape::of(schema::lookup(kind.group(), &info.versions[0], &info.name));
        Self { info, shape, object: None, managers: Managers::default(), now: NOW }
    }

    /// Of a kind without a type.
    fn custom() -> Self {
        let world = Self::new(kind::CONFIG_MAPS);
        Self { shape: Shape::Deduced, ..world }
    }

    fn tree(&self, mut fields: Value) -> Value {
        fields["apiVersion"] = self.info.api_version().into();
        fields["kind"] = (*self.info.name).into();
        fields["metadata"]["name"] = "a".into();
        fields
    }

    fn tracker(&self, subresource: Subresource) -> Tracker<'_> {
        Tracker::new(&self.info, self.shape, subresource, self.now)
    }

    fn try_apply(&mut self, manager: &str, config: Value, conflicts: Conflicts) -> Result<(), Error> {
        let config = self.tree(config);
        let (live, managers) = (self.object.as_ref(), self.managers.clone());
        let applied = self.tracker(Subresource::None).apply(live, &config, managers, manager, conflicts)?;
        self.managers = applied.managers;
        self.object = applied.object.or(self.object.take());
        Ok(())
    }

    #[track_caller]
    fn apply(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, config, Conflicts::Refuse).unwrap();
    }

    fn update(&mut self, manager: &str, fields: Value) {
        let new = self.tree(fields);
        let managers = self.managers.clone();
        self.managers = self.tracker(Subresource::None).update(self.object.as_ref(), &new, managers, manager);
        self.object = Some(new);
    }

    #[track_caller]
    fn has(&self, fields: Value) {
        assert_eq!(self.object, Some(self.tree(fields)));
    }

    #[track_caller]
    fn owns(&self, manager: &str, operation: Operation, expected: Value) {
        let found = self.managers.iter().find(|(m, _)| m.name == manager && m.operation == operation);
        assert_eq!(
            found.map(|(_, owned)| owned.fields.encode()),
            Some(expected).filter(|fields| *fields != json!({}))
        );
    }
}

fn causes(result: Result<(), Error>) -> Vec<(String, String)> {
    match result {
        Err(Error::Conflict { cause: ConflictCause::Fields(causes), .. }) => {
            causes.into_iter().map(|cause| (cause.manager, cause.field)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_left_out_goes_unless_somebody_else_has_it() {
    let mut world = World::new(kind::CONFIG_MAPS);
    world.apply("m1", json!({"data": {"a": "1", "b": "2"}}));
    world.owns("m1", Operation::Apply, json!({"f:data": {"f:a": {}, "f:b": {}}}));
    world.apply("m2", json!({"data": {"b": "2"}}));
    world.apply("m1", json!({"data": {"c": "3"}}));
    world.has(json!({"data": {"b": "2", "c": "3"}}));
    world.owns("m1", Operation::Apply, json!({"f:data": {"f:c": {}}}));
    world.owns("m2", Operation::Apply, json!({"f:data": {"f:b": {}}}));
    world.apply("m2", json!({}));
    world.has(json!({"data": {"c": "3"}}));
    world.owns("m2", Operation::Apply, json!({}));
}

#[test]
fn fields_of_others_are_conflicts_until_they_are_taken() {
    let mut world = World::new(kind::CONFIG_MAPS);
    world.apply("m1", json!({"data": {"a": "1"}}));
    let conflict = world.try_apply("m2", json!({"data": {"a": "2"}}), Conflicts::Refuse);
    assert_eq!(causes(conflict), [("\"m1\"".to_owned(), ".data.a".to_owned())]);
    world.try_apply("m2", json!({"data": {"a": "2"}}), Conflicts::Force).unwrap();
    world.owns("m1", Operation::Apply, json!({}));
    world.has(json!({"data": {"a": "2"}}));
    // The same value is shared.
    world.apply("m3", json!({"data": {"a": "2"}}));
    world.owns("m2", Operation::Apply, json!({"f:data": {"f:a": {}}}));
    let conflict = world.try_apply("m3", json!({"data": {"a": "3"}}), Conflicts::Refuse);
    assert_eq!(causes(conflict), [("\"m2\"".to_owned(), ".data.a".to_owned())]);
}

#[test]
fn updates_own_what_they_change() {
    let mut world = World::new(kind::CONFIG_MAPS);
    world.update("post", json!({"data": {"a": "1", "b": "2"}}));
    world.owns("post", Operation::Update, json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
    let conflict = world.try_apply("m1", json!({"data": {"a": "2"}}), Conflicts::Refuse);
    assert_eq!(causes(conflict), [("\"post\" using v1".to_owned(), ".data.a".to_owned())]);
    world.now = LATER;
    world.update("edit", json!({"data": {"a": "3"}}));
    world.owns("post", Operation::Update, json!({"f:data": {}}));
    world.owns("edit", Operation::Update, json!({"f:data": {"f:a": {}}}));
    let encoded = world.managers.encode().unwrap();
    assert_eq!((&encoded[0]["manager"], &encoded[0]["time"]), (&json!("post"), &json!(NOW)));
    assert_eq!((&encoded[1]["manager"], &encoded[1]["time"]), (&json!("edit"), &json!(LATER)));
    world.update("nobody", json!({"data": {"a": "3"}}));
    assert_eq!(world.managers.iter().count(), 2, "who changes nothing owns nothing");
}

#[test]
fn what_was_there_before_is_owned_by_nobody_in_particular() {
    let mut world = World::new(kind::CONFIG_MAPS);
    world.object = Some(world.tree(json!({"data": {"a": "1"}})));
    world.update("edit", json!({"data": {"a": "2"}}));
    assert!(world.managers.is_empty(), "nothing is tracked before the first apply");
    world.apply("m1", json!({"data": {"b": "1"}}));
    world.owns("before-first-apply", Operation::Update, json!({"f:data": {".": {}, "f:a": {}}}));
    let conflict = world.try_apply("m1", json!({"data": {"a": "9"}}), Conflicts::Refuse);
    assert_eq!(causes(conflict), [("\"before-first-apply\" using v1".to_owned(), ".data.a".to_owned())]);
}

#[test]
fn elements_are_owned_with_their_keys() {
    let mut world = World::new(kind::PODS);
    let container = |fields: Value| json!({"spec": {"containers": [fields]}});
    world.apply("m1", container(json!({"name": "a", "image": "1", "ports": [{"containerPort": 80}]})));
    world.apply("m2", container(json!({"name": "b", "image": "2"})));
    world.apply("m1", container(json!({"name": "a", "image": "3"})));
    world.has(json!({"spec": {"containers": [{"name": "a", "image": "3"}, {"name": "b", "image": "2"}]}, "status": {}}));
    world.apply("m1", json!({}));
    world.has(json!({"spec": {"containers": [{"name": "b", "image": "2"}]}, "status": {}}));
    world.owns(
        "m2",
        Operation::Apply,
        json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}":
        {".": {}, "f:image": {}, "f:name": {}}}}}),
    );
}

#[test]
fn custom_kinds_with_a_schema_are_owned_as_it_says() {
    // As kube-apiserver v1.36.2 answers applies of such a kind.
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}}}});
    let mut world = World::new(kind::CONFIG_MAPS);
    world.shape = Shape::Custom(Box::leak(Box::new(schema)));
    world.apply("m1", json!({"spec": {"size": 2, "tags": ["a"]}}));
    world.apply("m2", json!({"spec": {"size": 2, "tags": ["b"]}}));
    world.has(json!({"spec": {"size": 2, "tags": ["a", "b"]}}));
    world.owns("m1", Operation::Apply, json!({"f:spec": {"f:size": {}, "f:tags": {"v:\"a\"": {}}}}));
    world.owns("m2", Operation::Apply, json!({"f:spec": {"f:size": {}, "f:tags": {"v:\"b\"": {}}}}));
    let error = world.try_apply("m1", json!({"spec": {"nope": 1}}), Conflicts::Refuse).unwrap_err();
    assert!(error.to_string().ends_with(".spec.nope: field not declared in schema"), "{error}");
}

#[test]
fn what_kubectl_applied_from_the_client_is_no_conflict_of_kubectls() {
    let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": {}}, "data": {"a": "1"}});
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
    let mut world = World::new(kind::CONFIG_MAPS);
    world.update(
        "kubectl-client-side-apply",
        json!({"metadata": {"annotations": annotations}, "data": {"a": "1", "b": "2"}}),
    );
    let conflict = world.try_apply("other", json!({"data": {"a": "2"}}), Conflicts::Refuse);
    assert_eq!(causes(conflict).len(), 1);
    let conflict = world.try_apply("kubectl", json!({"data": {"a": "2", "b": "3"}}), Conflicts::Refuse);
    let manager = "\"kubectl-client-side-apply\" using v1".to_owned();
    assert_eq!(causes(conflict), [(manager, ".data.b".to_owned())], "what the annotation has not is one");
    world.apply("kubectl", json!({"data": {"a": "2"}}));
    let object = world.object.clone().unwrap();
    assert_eq!(object["data"], json!({"a": "2", "b": "2"}));
    let kept = object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        .as_str()
        .unwrap();
    let kept: Value = serde_json::from_str(kept).unwrap();
    assert_eq!((&kept["data"], &kept["metadata"]), (&json!({"a": "2"}), &json!({"name": "a"})));
}

#[test]
fn updaters_are_bounded() {
    let mut world = World::new(kind::CONFIG_MAPS);
    for n in 0..15 {
        let data: serde_json::Map<String, Value> = (0..=n).map(|n| (format!("k{n}"), json!("v"))).collect();
        world.update(&format!("m{n:02}"), json!({"data": data}));
    }
    let names: Vec<&str> = world.managers.iter().map(|(manager, _)| &*manager.name).collect();
    assert_eq!(names.len(), 10);
    assert_eq!((names[0], names[9]), ("ancient-changes", "m14"));
    let all: usize = world.managers.iter().map(|(_, owned)| owned.fields.len()).sum();
    assert_eq!(all, 16, "no field is lost");
}

#[test]
fn a_subresource_owns_what_it_can_change() {
    let mut world = World::new(kind::DEPLOYMENTS);
    world.update("post", json!({"spec": {"paused": true}}));
    let config = world.tree(json!({"metadata": {"labels": {"x": "y"}}, "spec": {"paused": false},
        "status": {"conditions": [{"type": "X", "status": "True"}]}}));
    let tracker = world.tracker(Subresource::Status);
    let applied = tracker
        .apply(world.object.as_ref(), &config, world.managers.clone(), "st", Conflicts::Refuse)
        .unwrap();
    let (manager, owned) = applied.managers.iter().find(|(manager, _)| manager.name == "st").unwrap();
    assert_eq!(manager.subresource, "status");
    assert_eq!(
        owned.fields.encode(),
        json!({"f:status": {"f:conditions": {"k:{\"type\":\"X\"}": {".": {}, "f:status": {}, "f:type": {}}}}})
    );
}

#[test]
fn what_is_no_configuration_of_the_kind_is_refused() {
    let mut world = World::new(kind::DEPLOYMENTS);
    let mut why = |config: Value| match world.try_apply("m", config, Conflicts::Refuse) {
        Err(Error::Patch { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let container = json!({"name": "c"});
    assert_eq!(
        why(json!({"spec": {"template": {"spec": {"containers": [container, container]}}}})),
        "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate \
         entries for key [name=\"c\"]"
    );
    assert_eq!(
        why(json!({"metadata": {"managedFields": [{"manager": "x"}]}})),
        "metadata.managedFields must be nil"
    );
    let tracker = world.tracker(Subresource::None);
    let odd = json!({"apiVersion": "v1", "kind": "Pod"});
    let error = tracker.apply(None, &odd, Managers::default(), "m", Conflicts::Refuse).unwrap_err();
    assert!(error.to_string().ends_with("invalid object type: /v1, Kind=Pod"), "{error}");
}

#[test]
fn managers_that_a_client_sends_are_taken_or_forgotten() {
    let mut world = World::new(kind::CONFIG_MAPS);
    world.apply("m1", json!({"data": {"a": "1"}}));
    let tracker = world.tracker(Subresource::None);
    let given = |given: Option<Value>| tracker.given(given.as_ref());
    assert_eq!(given(None), None);
    assert_eq!(given(Some(json!([{"manager": "odd"}]))), None, "what cannot be read counts as nothing");
    for reset in [json!([]), json!([{}])] {
        assert_eq!(given(Some(reset)), Some(Managers::default()));
    }
    let mut other = world.managers.encode().unwrap();
    other[0]["manager"] = "m2".into();
    assert_eq!(given(Some(other.clone())).unwrap().iter().next().unwrap().0.name, "m2");
    let status = world.tracker(Subresource::Status);
    assert_eq!(status.given(Some(&other)), None);
}

#[test]
fn trees_are_bounded_in_depth_and_the_deepest_fit_the_stack() {
    // The stack of a test is that of tokio's workers: two mebibytes.
    let nested = |levels: usize| (0..levels).fold(json!("x"), |tree, _| json!({"a": tree}));
    let mut world = World::custom();
    let deepest = MAX_DEPTH - 10;
    world.apply("m1", json!({"data": {"a": nested(deepest)}}));
    world.apply("m2", json!({"data": {"b": nested(deepest)}}));
    world.apply("m1", json!({"data": {"c": nested(deepest)}}));
    world.update("m3", json!({"data": {"c": nested(deepest - 1)}}));
    assert_eq!(world.managers.iter().count(), 3);
    // What is stored can be read, within an object.
    let text = format!("{{\"metadata\":{{\"managedFields\":{}}}}}", world.managers.to_json().unwrap());
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(Managers::decode(&read["metadata"]["managedFields"]).unwrap(), world.managers);
    assert_eq!(world.managers.encode(), Some(read["metadata"]["managedFields"].clone()));
    let error = world.try_apply("m1", json!({"data": nested(MAX_DEPTH)}), Conflicts::Refuse).unwrap_err();
    assert!(error.to_string().ends_with("nested too deeply"), "{error}");
    world.update("m3", json!({"data": nested(MAX_DEPTH)}));
    assert!(world.managers.is_empty(), "what cannot be tracked is tracked no more");
}

fn any_data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("x")), Just(json!("y")), Just(json!({})), Just(json!([1]))];
    let tree = leaf.prop_recursive(3, 8, 3, |inner| {
        prop::collection::btree_map("[a-c]", inner, 1..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map("[a-c]", tree, 0..3)
        .prop_map(|map| json!({"data": Value::Object(map.into_iter().collect())}))
}

pub(super) fn any_pod() -> impl Strategy<Value = Value> {
    let port = (80..82_i64, prop::option::of(prop::sample::select(vec!["TCP", "UDP"])));
    let container = (
        prop::sample::select(vec!["a", "b", "c"]),
        prop::option::of(prop::sample::select(vec!["x:1", "x:2"])),
        prop::collection::btree_map(0..2_i64, port, 0..3),
    );
    let container = container.prop_map(|(name, image, ports)| {
        let mut fields = json!({"name": name});
        if let Some(image) = image {
            fields["image"] = image.into();
        }
        let mut seen = Vec::new();
        let mut list = Vec::new();
        for (number, protocol) in ports.into_values() {
            let key = (number, protocol.unwrap_or("TCP"));
            if !seen.contains(&key) {
                seen.push(key);
                list.push(match protocol {
                    Some(protocol) => json!({"containerPort": number, "protocol": protocol}),
                    None => json!({"containerPort": number}),
                });
            }
        }
        if !list.is_empty() {
            fields["ports"] = list.into();
        }
        (name, fields)
    });
    prop::collection::vec(container, 0..4).prop_map(|containers| {
        let mut unique: Vec<(&str, Value)> = Vec::new();
        for (name, fields) in containers {
            if unique.iter().all(|(other, _)| *other != name) {
                unique.push((name, fields));
            }
        }
        let containers: Vec<_> = unique.into_iter().map(|(_, fields)| fields).collect();
        json!({"spec": {"containers": containers}})
    })
}

fn laws(mut world: World, configs: &[Value]) -> Result<(), TestCaseError> {
    for (at, config) in configs.iter().enumerate() {
        let manager = format!("m{}", at % 2);
        world.try_apply(&manager, config.clone(), Conflicts::Force).unwrap();
        if world.managers.is_empty() {
            // Nothing is tracked then; the next apply finds an object that nobody manages, as in Kubernetes.
            continue;
        }
        let once = (world.object.clone(), world.managers.clone());
        world.now = LATER;
        world.try_apply(&manager, config.clone(), Conflicts::Refuse).unwrap();
        prop_assert_eq!(&(world.object.clone(), world.managers.clone()), &once, "apply twice is apply once");
        let encoded = world.managers.encode().unwrap_or_default();
        prop_assert_eq!(&Managers::decode(&encoded).unwrap(), &world.managers, "managers survive their text");
    }
    for manager in ["m0", "m1"] {
        world.try_apply(manager, json!({}), Conflicts::Refuse).unwrap();
        prop_assert!(
            world.managers.iter().all(|(other, _)| other.name != manager),
            "who applies nothing owns nothing"
        );
    }
    Ok(())
}

/// The same tree with every list the other way round, read from a text whose fields are too.
fn turned(tree: &Value) -> Value {
    fn text(tree: &Value) -> String {
        let join = |parts: Vec<String>| parts.join(",");
        match tree {
            Value::Array(list) => format!("[{}]", join(list.iter().rev().map(text).collect())),
            Value::Object(map) => {
                let fields = map.iter().rev().map(|(name, value)| format!("{}:{}", json!(name), text(value)));
                format!("{{{}}}", join(fields.collect()))
            }
            scalar => scalar.to_string(),
        }
    }
    serde_json::from_str(&text(tree)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn applies_of_custom_kinds_keep_the_laws(configs in prop::collection::vec(any_data(), 1..4)) {
        laws(World::custom(), &configs)?;
    }

    #[test]
    fn applies_of_pods_keep_the_laws(configs in prop::collection::vec(any_pod(), 1..4)) {
        laws(World::new(kind::PODS), &configs)?;
    }

    #[test]
    fn the_order_of_fields_and_elements_is_nobodys(config in any_pod(), live in any_pod()) {
        let turned = turned(&config);
        let [one, two] = [config, turned].map(|config| {
            let mut world = World::new(kind::PODS);
            world.update("post", live.clone());
            world.try_apply("m1", config, Conflicts::Force).unwrap();
            world
        });
        // Another order is a change of the object, which has a time.
        prop_assert!(one.managers.same_but_times(&two.managers));
        let (one, shape, two) = (one.object.unwrap(), one.shape, two.object.unwrap());
        let (changed, removed) = compare(&one, &two, shape).unwrap().split();
        prop_assert!(changed.is_empty() && removed.is_empty(), "{} {}", one, two);
    }

    #[test]
    fn managers_of_other_fields_do_not_mind_who_comes_first(a in any_pod(), b in any_data()) {
        let b = json!({"metadata": {"annotations": {"b": b.to_string()}}});
        let both = |first: (&str, &Value), second: (&str, &Value)| {
            let mut world = World::new(kind::PODS);
            world.try_apply(first.0, first.1.clone(), Conflicts::Refuse).unwrap();
            world.try_apply(second.0, second.1.clone(), Conflicts::Refuse).unwrap();
            (world.object, world.managers)
        };
        // Who creates the object by an apply that owns nothing leaves it without managers.
        prop_assume!(a["spec"]["containers"] != json!([]));
        prop_assert_eq!(both(("a", &a), ("b", &b)), both(("b", &b), ("a", &a)));
    }

    #[test]
    fn an_update_to_what_is_there_changes_nothing(first in any_pod(), second in any_pod()) {
        let mut world = World::new(kind::PODS);
        world.update("a", first);
        world.update("b", second.clone());
        let before = world.managers.clone();
        world.now = LATER;
        world.update("c", second);
        prop_assert_eq!(world.managers, before);
    }

    #[test]
    fn no_tree_makes_it_panic(live in crate::merge::tests::any_json(), config in crate::merge::tests::any_json(),
        managers in crate::merge::tests::any_json()) {
        let mut world = World::custom();
        world.object = Some(live.clone());
        let _ = world.try_apply("m", json!({"data": config}), Conflicts::Force);
        world.update("m", json!({"data": config}));
        let _ = Managers::decode(&managers);
        let pods = World::new(kind::PODS);
        let _ = pods.tracker(Subresource::None).update(Some(&live), &config, world.managers.clone(), "m");
        let spec = pods.tree(json!({"spec": config}));
        let _ = pods.tracker(Subresource::None).apply(Some(&live), &spec, Managers::default(), "m", Conflicts::Refuse);
    }
}
