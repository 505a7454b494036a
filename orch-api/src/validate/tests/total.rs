//! Validation is total: whatever the trees are, it answers, with a bounded number of faults, and always the same ones.

use orch_core::{Kind, Subresource};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{created, updated, valid_objects, validate};
use orch_core::kind;

const SUBRESOURCES: [Subresource; 9] = [
    Subresource::None,
    Subresource::Status,
    Subresource::Scale,
    Subresource::Binding,
    Subresource::Eviction,
    Subresource::Finalize,
    Subresource::Approval,
    Subresource::EphemeralContainers,
    Subresource::Resize,
];

/// Names of fields that rules look at, and texts that they take apart.
const WORDS: &[&str] = &[
    "",
    "-",
    "/",
    "..",
    "a/b",
    "a.b",
    "%",
    "1%",
    "a:b",
    "']",
    "metadata.labels['",
    "1Gi",
    "-1",
    "1e99",
    "None",
    "::1",
    "10.0.0.1/8",
    "iqn.",
    "eui.",
    "Always",
    "Exists",
    "In",
    "hugepages-",
    "hugepages-0",
    "example.com/gpu",
    "\\",
    "é",
    "\u{0}",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "containers",
    "initContainers",
    "volumes",
    "template",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "ports",
    "port",
    "type",
    "env",
    "resources",
    "limits",
    "requests",
    "affinity",
    "nodeAffinity",
    "securityContext",
    "data",
    "clusterIPs",
    "endpoints",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![3 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(word(), inner, 0..6).prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

/// Puts `part` in the place that is reached after `skip` others; `false` if there are fewer.
fn put(tree: &mut Value, skip: &mut usize, part: &Value) -> bool {
    if *skip == 0 {
        tree.clone_from(part);
        return true;
    }
    *skip -= 1;
    match tree {
        Value::Array(list) => list.iter_mut().any(|item| put(item, skip, part)),
        Value::Object(map) => map.values_mut().any(|item| put(item, skip, part)),
        _ => false,
    }
}

fn places(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(list) => list.iter().map(places).sum(),
        Value::Object(map) => map.values().map(places).sum(),
        _ => 0,
    }
}

/// A built-in kind and an object of it in which some places hold anything.
fn damaged() -> impl Strategy<Value = (Kind, Value, Value)> {
    let damage = || vec((any::<prop::sample::Index>(), tree()), 0..3);
    (prop::sample::select(valid_objects()), damage(), damage()).prop_map(|((kind, object), new, old)| {
        let apply = |damage: Vec<(prop::sample::Index, Value)>| {
            let mut object = object.clone();
            for (place, part) in damage {
                let mut skip = place.index(places(&object));
                put(&mut object, &mut skip, &part);
            }
            object
        };
        (kind, apply(new), apply(old))
    })
}

fn answers(kind: Kind, new: &Value, old: &Value) {
    for subresource in SUBRESOURCES {
        for old in [None, Some(old)] {
            let faults = validate(kind, new, old, subresource);
            assert!(faults.len() <= crate::schema::MAX_FAULTS);
            assert_eq!(faults, validate(kind, new, old, subresource), "the same trees, the same faults");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_trees_are_answered(new in tree(), old in tree()) {
        for (kind, _) in valid_objects() {
            answers(kind, &new, &old);
        }
        answers(Kind::named("shop.example", "widgets"), &new, &old);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_objects_are_answered((kind, new, old) in damaged()) {
        answers(kind, &new, &old);
    }
}

#[test]
fn every_kind_that_is_named_has_rules() {
    for info in orch_core::Registry::built_in().kinds() {
        assert!(super::super::KINDS.iter().any(|rules| rules.kind == info.kind), "{}", info.kind);
        let rules = super::super::KINDS.iter().find(|rules| rules.kind == info.kind);
        assert_eq!(rules.map(|rules| rules.scope), Some(info.scope), "{}", info.kind);
    }
}

#[test]
fn a_kind_of_a_user_has_metadata_only() {
    let widgets = Kind::named("shop.example", "widgets");
    let new =
        json!({"metadata": {"name": "A", "namespace": "shop", "labels": {"a b": ""}}, "spec": {"x": -1}});
    let fields = |old| -> Vec<String> {
        validate(widgets, &new, old, Subresource::None).into_iter().map(|fault| fault.field).collect()
    };
    assert_eq!(fields(None), ["metadata.name", "metadata.labels"]);
    assert_eq!(fields(Some(&new)), ["metadata.labels"; 3], "upstream checks labels three times at an update");
}

#[test]
fn a_binding_names_a_node() {
    let check = |binding: Value, expected: &[&str]| {
        let faults = validate(kind::PODS, &binding, None, Subresource::Binding);
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    };
    check(json!({"target": {"kind": "Node", "name": "n"}}), &[]);
    check(
        json!({"target": {"kind": "Pod"}}),
        &[
            "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"",
            "target.name: Required value",
        ],
    );
}

#[test]
fn large_texts_are_refused_without_being_shown() {
    let annotations = json!({"metadata": {"annotations": {"a": "x".repeat(256 * 1024)}}});
    created(
        kind::CONFIG_MAPS,
        annotations,
        &["metadata.annotations: Too long: may not be more than 262144 bytes"],
    );
    let data = json!({"data": {"a": "x".repeat(1024 * 1024 + 1)}});
    created(kind::CONFIG_MAPS, data, &["[]: Too long: may not be more than 1048576 bytes"]);
    let secret = json!({"data": {"a": "eHh4".repeat(350_000)}});
    created(kind::SECRETS, secret, &["data: Too long: may not be more than 1048576 bytes"]);
}

#[test]
fn a_hundred_faults_are_enough() {
    let ports: Vec<_> = (0..5_000).map(|_| json!({"port": 0, "protocol": "TCP", "targetPort": 1})).collect();
    let new = super::merged(super::valid(kind::SERVICES), json!({"spec": {"ports": ports}}));
    assert_eq!(validate(kind::SERVICES, &new, None, Subresource::None).len(), crate::schema::MAX_FAULTS);
}

#[test]
fn a_large_value_is_not_shown_a_hundred_times() {
    let ips: Vec<_> = (0..20_000).map(|n| format!("x{n}é")).collect();
    let old =
        super::merged(super::valid(kind::SERVICES), json!({"spec": {"clusterIPs": vec![""; ips.len()]}}));
    let new = super::merged(old.clone(), json!({"spec": {"clusterIPs": ips}}));
    let faults = validate(kind::SERVICES, &new, Some(&old), Subresource::None);
    let size: usize = faults.iter().map(|fault| fault.to_string().len()).sum();
    assert_eq!(faults.len(), crate::schema::MAX_FAULTS);
    assert!(size < 2 * 1024 * 1024, "{size} bytes");
}

#[test]
fn what_is_valid_may_stay_as_it_is() {
    for (kind, _) in valid_objects() {
        updated(kind, json!({}), json!({}), &[]);
    }
}
