use orch_core::Subresource;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::schema::Schema;
use super::{CustomKind, check, lists, shape};

/// A definition of widgets whose version `v1` has that schema.
fn widgets(schema: &Value) -> CustomKind {
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}}});
    let definition = json!({"metadata": {"name": "widgets.shop.example"}, "spec": {"group": "shop.example",
        "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [version]}});
    CustomKind::compile(&definition).unwrap()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn faults(schema: Value, object: Value, old: Option<Value>, expected: &[&str]) {
    let kind = widgets(&json!({"type": "object", "properties": {"spec": schema}}));
    let whole = |spec: Value| json!({"apiVersion": "shop.example/v1", "kind": "Widget", "spec": spec});
    let (new, old) = (whole(object), old.map(whole));
    let found = kind.faults(kind.storage(), &new, old.as_ref(), Subresource::None);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

fn sized() -> Value {
    json!({"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "name": {"type": "string", "maxLength": 3, "minLength": 1, "pattern": "^[a-z]+$"},
        "port": {"x-kubernetes-int-or-string": true},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 3, "items": {"type": "string"}},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
            "items": {"type": "object", "properties": {"key": {"type": "string"}, "n": {"type": "integer", "maximum": 5}}}},
        "note": {"type": "string", "nullable": true},
        "since": {"type": "string", "format": "date-time"},
        "any": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}}
    }})
}

#[test]
fn values_are_judged_in_kubernetes_words() {
    for (object, expected) in [
        (json!({"size": 3}), vec![]),
        (
            json!({"size": 99}),
            vec!["spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10"],
        ),
        (
            json!({"size": 0}),
            vec!["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"],
        ),
        (json!({}), vec!["spec.size: Required value"]),
        (
            json!({"size": "x"}),
            vec![
                "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            ],
        ),
        (json!({"size": 3.0}), vec![]),
        (
            json!({"size": 1, "color": "green"}),
            vec!["spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\""],
        ),
        (json!({"size": 1, "name": "abcd"}), vec!["spec.name: Too long: may not be more than 3 bytes"]),
        (
            json!({"size": 1, "name": "A"}),
            vec!["spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"],
        ),
        (json!({"size": 1, "port": 80}), vec![]),
        (json!({"size": 1, "port": "http"}), vec![]),
        (
            json!({"size": 1, "port": true}),
            vec![
                "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
            ],
        ),
        (json!({"size": 1, "tags": ["a", "b", "a"]}), vec!["spec.tags[2]: Duplicate value: \"a\""]),
        (
            json!({"size": 1, "tags": ["a", "b", "c", "d"]}),
            vec!["spec.tags: Too many: 4: must have at most 3 items"],
        ),
        (
            json!({"size": 1, "parts": [{"key": "a"}, {"key": "a"}]}),
            vec!["spec.parts[1]: Duplicate value: {\"key\":\"a\"}"],
        ),
        (json!({"size": 1, "note": null}), vec![]),
        (
            json!({"size": 1, "name": null}),
            vec!["spec.name: Invalid value: \"null\": spec.name in body must be of type string: \"null\""],
        ),
        (
            json!({"size": 1, "since": "now"}),
            vec!["spec.since: Invalid value: \"now\": spec.since in body must be of type date-time: \"now\""],
        ),
        (
            json!({"size": 1, "any": {"a": 1, "b": 2}}),
            vec!["spec.any: Too many: 2: must have at most 1 items"],
        ),
        (
            json!({"size": 1, "any": {"a": "x"}}),
            vec![
                "spec.any.a: Invalid value: \"string\": spec.any.a in body must be of type integer: \"string\"",
            ],
        ),
    ] {
        faults(sized(), object, None, &expected);
    }
}

#[test]
fn what_an_update_leaves_alone_is_not_judged() {
    faults(sized(), json!({"size": 99, "color": "red"}), Some(json!({"size": 99})), &[]);
    faults(
        sized(),
        json!({"size": 98}),
        Some(json!({"size": 99})),
        &["spec.size: Invalid value: 98: spec.size in body should be less than or equal to 10"],
    );
    let part = |n: i64| json!({"size": 1, "parts": [{"key": "b", "n": 1}, {"key": "a", "n": n}]});
    let old = json!({"size": 1, "parts": [{"key": "a", "n": 9}]});
    faults(sized(), part(9), Some(old.clone()), &[]);
    faults(
        sized(),
        part(8),
        Some(old),
        &["spec.parts[1].n: Invalid value: 8: spec.parts[1].n in body should be less than or equal to 5"],
    );
}

#[test]
fn schemas_within_schemas_narrow_values() {
    let spec = |logic: &str, all: Value| {
        let mut schema =
            json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
        schema[logic] = all;
        schema
    };
    let either = json!([{"required": ["a"]}, {"required": ["b"]}]);
    faults(spec("oneOf", either.clone()), json!({"a": 1}), None, &[]);
    faults(
        spec("oneOf", either.clone()),
        json!({"a": 1, "b": 1}),
        None,
        &[
            "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ],
    );
    faults(
        spec("anyOf", either.clone()),
        json!({}),
        None,
        &[
            "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)",
            "spec.a: Required value",
        ],
    );
    faults(spec("not", json!({"required": ["a"]})), json!({"b": 1}), None, &[]);
    faults(
        spec("not", json!({"required": ["a"]})),
        json!({"a": 1}),
        None,
        &["<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)"],
    );
}

fn ruled(rules: Value) -> Value {
    let mut schema = sized();
    schema["x-kubernetes-validations"] = rules;
    schema
}

#[test]
fn rules_are_asked_where_the_object_fits_its_schema() {
    let rule = json!([{"rule": "self.size < 9 || self.color == 'blue'", "message": "big ones are blue"}]);
    faults(ruled(rule.clone()), json!({"size": 9, "color": "blue"}), None, &[]);
    faults(
        ruled(rule.clone()),
        json!({"size": 9, "color": "red"}),
        None,
        &["spec: Invalid value: big ones are blue"],
    );
    faults(
        ruled(rule.clone()),
        json!({"size": "x"}),
        None,
        &[
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the \
             existing errors to complete validation",
        ],
    );
    // Without a color the rule has no answer.
    faults(
        ruled(rule),
        json!({"size": 9}),
        None,
        &["spec: Invalid value: \"object\": no such key: color evaluating rule: big ones are blue"],
    );
}

#[test]
fn a_rule_says_what_and_where() {
    let rule = json!([{"rule": "self.size == 1", "messageExpression": "'size is ' + string(self.size)",
        "reason": "FieldValueForbidden", "fieldPath": ".size"}]);
    faults(ruled(rule), json!({"size": 2}), None, &["spec.size: Forbidden: size is 2"]);
    faults(
        ruled(json!([{"rule": "self.size == 1"}])),
        json!({"size": 2}),
        None,
        &["spec: Invalid value: failed rule: self.size == 1"],
    );
}

#[test]
fn a_rule_about_a_change_is_asked_at_changes_only() {
    let rule = json!([{"rule": "self.size >= oldSelf.size", "message": "never less"}]);
    faults(ruled(rule.clone()), json!({"size": 1}), None, &[]);
    faults(ruled(rule.clone()), json!({"size": 2}), Some(json!({"size": 1})), &[]);
    faults(ruled(rule), json!({"size": 1}), Some(json!({"size": 2})), &["spec: Invalid value: never less"]);
    let optional = json!([{"rule": "oldSelf.hasValue() || self.size == 1", "optionalOldSelf": true, "message": "born small"}]);
    faults(ruled(optional.clone()), json!({"size": 2}), None, &["spec: Invalid value: born small"]);
    faults(ruled(optional), json!({"size": 3}), Some(json!({"size": 2})), &[]);
}

#[test]
fn an_object_gets_the_shape_of_its_schema() {
    let kind = widgets(&json!({"type": "object", "properties": {"spec": sized(), "free": {"type": "object",
        "x-kubernetes-preserve-unknown-fields": true, "properties": {"deep": {"type": "object", "properties": {"a": {"type": "integer", "default": 7}}}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}));
    let mut tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"}, "nope": 1,
        "spec": {"size": 1, "nope": {"a": 1}, "name": null, "note": null, "parts": [{"key": "a", "b": 1}]},
        "free": {"x": {"y": 1}, "deep": {"b": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}}});
    let mut seen = 0;
    let unknown = kind.storage().complete(&mut tree, &mut |_| seen += 1);
    assert_eq!(unknown, ["free.deep.b", "nope", "spec.nope", "spec.parts[0].b"]);
    assert_eq!(seen, 1, "one object is embedded");
    assert_eq!(
        tree,
        json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"size": 1, "color": "red", "note": null, "parts": [{"key": "a"}]},
            "free": {"x": {"y": 1}, "deep": {"a": 7}},
            "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}}})
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-cé]{0,3}".prop_map(Value::from),
    ];
    let name =
        prop::sample::select(vec!["a", "b", "spec", "metadata", "kind", "size", "parts", "key", "any"]);
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec!["object", "array", "string", "integer", "number", "boolean", ""]);
    let leaf = (types, any::<[bool; 4]>(), prop::option::of(any_value()), 0_i64..4).prop_map(|(ty, flags, default, n)| {
        let mut schema = json!({"type": ty, "nullable": flags[0], "x-kubernetes-preserve-unknown-fields": flags[1],
            "x-kubernetes-embedded-resource": flags[2], "x-kubernetes-int-or-string": flags[3] && ty.is_empty(),
            "maxLength": n, "minimum": n, "maxItems": n, "minProperties": n});
        if let Some(default) = default {
            schema["default"] = default;
        }
        schema
    });
    let name = prop::sample::select(vec!["a", "b", "spec", "size", "parts", "key", "any"]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (inner.clone(), prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4), 0..4)
            .prop_map(|(mut schema, properties, form)| {
                let below = schema.clone();
                match form {
                    0 => schema["additionalProperties"] = below,
                    1 => schema["items"] = below,
                    2 => schema["oneOf"] = json!([below, {"required": ["a"]}]),
                    _ => schema["additionalProperties"] = true.into(),
                }
                schema["properties"] = properties.into_iter().collect();
                schema["x-kubernetes-validations"] = json!([{"rule": "has(self.a) || size(self) > 0"}]);
                schema
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn pruning_and_defaulting_twice_is_doing_it_once(schema in any_schema(), object in any_value(), old in any_value()) {
        let schema = Schema::root(&schema);
        let mut once = object.clone();
        shape::prune(&mut once, &schema);
        let mut twice = once.clone();
        prop_assert!(shape::prune(&mut twice, &schema).is_empty());
        prop_assert_eq!(&once, &twice);
        shape::default(&mut once, &schema);
        let mut twice = once.clone();
        shape::default(&mut twice, &schema);
        prop_assert_eq!(&once, &twice);
        for tree in [&object, &once] {
            check::check(tree, Some(&old), &schema, "");
            lists::check(tree, &schema);
            super::rules::check(tree, Some(&old), &schema);
        }
    }

    #[test]
    fn no_definition_makes_it_panic(definition in any_value(), schema in any_schema(), object in any_value()) {
        if let Some(kind) = CustomKind::compile(&definition) {
            kind.storage();
        }
        let kind = widgets(&schema);
        let mut tree = object;
        kind.read(&mut tree, kind.storage());
        kind.storage().complete(&mut tree, &mut |_| {});
        kind.faults(kind.storage(), &tree, None, Subresource::None);
        kind.faults(kind.storage(), &tree, Some(&tree), Subresource::Status);
    }
}

#[test]
fn objects_within_objects_say_what_they_are() {
    let schema = json!({"type": "object", "properties": {
        "one": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}});
    let check = |one: Value, expected: &[&str]| faults(schema.clone(), json!({"one": one}), None, expected);
    check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}), &[]);
    check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}), &[]);
    check(json!({"x": 1}), &["spec.one.apiVersion: Required value", "spec.one.kind: Required value"]);
    check(
        json!({"apiVersion": "a/b/c", "kind": 5}),
        &[
            "spec.one.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            "spec.one.kind: Invalid value: 5: must be a string",
        ],
    );
    let bad = json!({"apiVersion": "", "kind": "Pod", "metadata": {"name": "a/b", "generation": -1}});
    check(
        bad,
        &[
            "spec.one.apiVersion: Invalid value: \"\": must not be empty",
            "spec.one.metadata.name: Invalid value: \"a/b\": may not contain '/'",
            "spec.one.metadata.generation: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
}
