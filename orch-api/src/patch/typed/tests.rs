//! Comparing, merging, taking out, and what a value owns: built-in types, structural schemas, and none.

use serde_json::json;

use super::*;
use crate::patch::fields::FieldSet;
use crate::schema;

fn deployment() -> Shape<'static> {
    Shape::of(schema::lookup("apps", "v1", "Deployment"))
}

fn pod_spec() -> Shape<'static> {
    Shape::of(schema::definition("io.k8s.api.core.v1.PodSpec").map(schema::Definition::ty))
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn owns(shape: Shape<'_>, value: Value, expected: Value) {
    assert_eq!(field_set(&value, shape).encode(), expected);
}

#[test]
fn a_configuration_owns_its_leaves_and_elements() {
    owns(
        deployment(),
        json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "args": ["x"], "env": [], "resources": {}}]}}}}),
        json!({"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}":
                {".": {}, "f:name": {}, "f:args": {}, "f:resources": {}}}}}}}),
    );
    owns(
        Shape::Deduced,
        json!({"a": {"b": 1, "l": [1]}, "n": null}),
        json!({"f:a": {".": {}, "f:b": {}, "f:l": {}}, "f:n": {}}),
    );
    owns(Shape::Atomic, json!({"a": 1}), json!({}));
    owns(
        pod_spec(),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "a", "image": "2"}]}),
        json!({"f:containers": {"k:{\"name\":\"a\"}": {}}}),
    );
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn differ(shape: Shape<'_>, old: Value, new: Value, expected: [&[&str]; 3]) {
    let found = compare(&old, &new, shape).unwrap();
    let paths = [&found.removed, &found.modified, &found.added].map(FieldSet::paths);
    assert_eq!(paths, expected.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn every_difference_is_one_of_three() {
    differ(
        Shape::Deduced,
        json!({"a": 1, "b": 2, "m": {"x": 1}, "l": [1]}),
        json!({"b": 3, "c": 4, "m": {"x": 1.0, "y": 2}, "l": [2]}),
        [&[".a"], &[".b", ".l"], &[".c", ".m.y"]],
    );
    differ(
        pod_spec(),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}),
        [
            &[".containers[name=\"b\"]", ".containers[name=\"b\"].name"],
            &[".containers[name=\"a\"].image"],
            &[".containers[name=\"c\"]", ".containers[name=\"c\"].name"],
        ],
    );
    // The order of elements is nobody's.
    let containers = |names: [&str; 2]| json!({"containers": names.map(|name| json!({"name": name}))});
    differ(pod_spec(), containers(["a", "b"]), containers(["b", "a"]), [&[], &[], &[]]);
    differ(Shape::Deduced, json!({"a": "x"}), json!({"a": {"b": 1}}), [&[], &[".a"], &[".a.b"]]);
}

#[test]
fn elements_that_stand_twice_are_one_field() {
    let env = |values: &[&str]| {
        let env: Vec<_> = values.iter().map(|value| json!({"name": "A", "value": value})).collect();
        json!({"containers": [{"name": "c", "env": env}]})
    };
    let field = ".containers[name=\"c\"].env[name=\"A\"]";
    let below = [field, &format!("{field}.name"), &format!("{field}.value")].map(str::to_owned);
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    differ(pod_spec(), env(&["1", "2"]), env(&["1", "3"]), [&[], &[field], &[]]);
    differ(pod_spec(), env(&["1", "2"]), env(&["1", "2"]), [&[], &[], &[]]);
    differ(pod_spec(), env(&["1"]), env(&["1", "2"]), [&below, &[], &[field]]);
    differ(pod_spec(), env(&["1", "2"]), env(&["1"]), [&[field], &[], &below]);
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn merged(shape: Shape<'_>, live: Value, config: Value, expected: Value) {
    assert_eq!(merge(&live, &config, shape).unwrap(), expected);
}

#[test]
fn a_configuration_is_merged_by_the_types_rules() {
    merged(
        Shape::Deduced,
        json!({"a": {"b": 1}, "l": [1, 2]}),
        json!({"a": {"c": 2}, "l": [3]}),
        json!({"a": {"b": 1, "c": 2}, "l": [3]}),
    );
    merged(
        pod_spec(),
        json!({"nodeSelector": {"a": "1"}, "tolerations": [{"key": "x"}], "containers": [{"name": "a", "image": "1"}]}),
        json!({"nodeSelector": {"b": "2"}, "tolerations": [{"key": "y"}], "containers": [{"name": "a", "args": ["x"]}]}),
        // A node selector is atomic.
        json!({"nodeSelector": {"b": "2"}, "tolerations": [{"key": "y"}],
            "containers": [{"name": "a", "image": "1", "args": ["x"]}]}),
    );
}

#[test]
fn merged_lists_keep_the_objects_order_unless_the_configuration_differs() {
    let names = |names: &str| {
        let list: Vec<_> = names.chars().map(|name| json!({"name": name.to_string()})).collect();
        json!({"containers": list})
    };
    for (live, config, expected) in [
        ("abc", "b", "abc"),
        ("abc", "d", "abcd"),
        ("abc", "da", "dabc"),
        ("abc", "ca", "bca"),
        ("ab", "ba", "ba"),
        ("axb", "ab", "axb"),
        ("", "ab", "ab"),
        ("abcd", "dxb", "acdxb"),
    ] {
        let found = merge(&names(live), &names(config), pod_spec()).unwrap();
        let found: String =
            found["containers"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(found, expected, "{live} with {config}");
    }
    let error = merge(&names("a"), &names("bb"), pod_spec()).unwrap_err();
    assert_eq!(error, ".containers: duplicate entries for key [name=\"b\"]");
}

#[test]
fn what_is_taken_out_leaves_its_holder() {
    let take =
        |value: &Value, fields: Value, shape| remove(value, &FieldSet::decode(&fields).unwrap(), shape);
    let value =
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}], "nodeSelector": {"x": "y"}});
    assert_eq!(
        take(
            &value,
            json!({"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}, "k:{\"name\":\"b\"}": {}}}),
            pod_spec()
        ),
        json!({"containers": [{"name": "a"}], "nodeSelector": {"x": "y"}})
    );
    assert_eq!(take(&json!({"a": {"b": 1}}), json!({"f:a": {"f:b": {}}}), Shape::Deduced), json!({"a": {}}));
    assert_eq!(take(&json!({"a": 1}), json!({"f:a": {}}), Shape::Deduced), Value::Null);
}

#[test]
fn faults_of_a_configuration_are_worded_as_kubernetes_words_them() {
    let fault = |tree: Value| check(&tree, deployment()).unwrap_err();
    let containers = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    assert_eq!(
        fault(containers(json!([{"name": "c"}, {"name": "c"}]))),
        ".spec.template.spec.containers: duplicate entries for key [name=\"c\"]"
    );
    assert_eq!(fault(json!({"spec": {"nope": 1}})), ".spec.nope: field not declared in schema");
    assert_eq!(
        fault(json!({"spec": {"replicas": "x"}})),
        ".spec.replicas: expected numeric (int or float), got string"
    );
    assert_eq!(
        fault(json!({"spec": {"paused": "x", "replicas": "x"}})),
        "errors:\n  .spec.paused: expected boolean, got &{x}\n  .spec.replicas: expected numeric (int or float), got string"
    );
    assert_eq!(fault(containers(json!({}))), ".spec.template.spec.containers: expected list, got &{map[]}");
}

#[test]
fn structural_schemas_say_how_their_lists_and_maps_merge() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {
                "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "x": {"type": "string"}}}},
        "list": {"type": "array", "items": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "values": {"type": "object", "additionalProperties": {"type": "integer"}},
    }}}});
    let shape = Shape::Custom(&schema);
    owns(
        shape,
        json!({"apiVersion": "a/v1", "kind": "B", "metadata": {"finalizers": ["x/y"]}}),
        json!({"f:apiVersion": {}, "f:kind": {}, "f:metadata": {"f:finalizers": {"v:\"x/y\"": {}}}}),
    );
    owns(
        shape,
        json!({"spec": {"set": ["a"], "map": [{"port": 1, "x": "y"}], "list": ["b"], "whole": {"a": "1"},
            "free": {"q": {"r": 1}}, "values": {"v": 1}}}),
        json!({"f:spec": {"f:set": {"v:\"a\"": {}}, "f:list": {}, "f:whole": {}, "f:free": {"f:q": {".": {}, "f:r": {}}},
            "f:values": {"f:v": {}}, "f:map": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:x": {}}}}}),
    );
    let fault = |tree: Value| check(&tree, shape).unwrap_err();
    assert_eq!(fault(json!({"spec": {"nope": 1}})), ".spec.nope: field not declared in schema");
    assert_eq!(
        fault(json!({"spec": {"values": {"v": "x"}}})),
        ".spec.values.v: expected numeric (int or float), got string"
    );
    merged(
        shape,
        json!({"spec": {"set": ["a", "b"]}}),
        json!({"spec": {"set": ["c"]}}),
        json!({"spec": {"set": ["a", "b", "c"]}}),
    );
}

#[test]
fn sets_of_older_types_become_those_of_today() {
    let old = FieldSet::decode(
        &json!({"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}, "f:replicas": {}}}),
    )
    .unwrap();
    let new = reconcile(&old, deployment()).unwrap();
    assert_eq!(new.encode(), json!({"f:spec": {"f:selector": {}, "f:replicas": {}}}));
    assert_eq!(reconcile(&new, deployment()), None);
}
