//! Defaults of a definition's schema, which must fit it.

use orch_core::{Subresource, kind};
use serde_json::{Value, json};

use super::{assert_faults, created, merged, valid};

const X: &str = "spec.validation.openAPIV3Schema.properties[spec].properties[x]";

fn definition(x: &Value) -> Value {
    let version = valid(kind::CUSTOM_RESOURCE_DEFINITIONS)["spec"]["versions"][0].clone();
    let schema = json!({"schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {"x": x}}}}}});
    json!({"spec": {"versions": [merged(version, schema)]}})
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(x: Value, expected: &[String]) {
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    created(kind::CUSTOM_RESOURCE_DEFINITIONS, definition(&x), &expected);
}

#[test]
fn a_default_fits_its_schema() {
    let fits = [
        json!({"type": "integer", "minimum": 1, "default": 1}),
        json!({"type": "string", "nullable": true, "default": "x"}),
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"a": "x"}}),
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "default": {"any": 1}}),
        json!({"type": "integer", "default": 3, "x-kubernetes-validations": [{"rule": "self > 2"}]}),
    ];
    fits.into_iter().for_each(|x| check(x, &[]));
    check(
        json!({"type": "integer", "minimum": 1, "default": 0}),
        &[format!("{X}.default: Invalid value: 0:  in body should be greater than or equal to 1")],
    );
    check(
        json!({"type": "integer", "default": "many"}),
        &[format!("{X}.default: Invalid value: \"string\":  in body must be of type integer: \"string\"")],
    );
    check(
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}, "default": {}}),
        &[format!("{X}.default.a: Required value")],
    );
}

#[test]
fn a_default_holds_nothing_unknown_and_breaks_no_rule() {
    let object = |default: Value| json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": default});
    let unknown = format!("{X}.default: Invalid value: {{\"b\":1}}: must not have unknown fields");
    check(object(json!({"b": 1})), std::slice::from_ref(&unknown));
    let rules = json!([{"rule": "self > 2", "message": "too few"}]);
    check(
        json!({"type": "integer", "default": 2, "x-kubernetes-validations": rules}),
        &[format!("{X}.default: Invalid value: 2: too few")],
    );
    let inner = json!([{"rule": "self.startsWith('a')"}]);
    let nested = json!({"type": "object", "default": {"a": "b"},
        "properties": {"a": {"type": "string", "x-kubernetes-validations": inner}}});
    check(nested, &[format!("{X}.default.a: Invalid value: \"b\": failed rule: self.startsWith('a')")]);
    // An object in it says what it is.
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true, "default": {"kind": "Pod"}});
    check(embedded, &[format!("{X}.default.apiVersion: Required value")]);
    // What a definition held before, it may go on holding.
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    let revised = |default: Value| {
        let whole = merged(valid(crd), definition(&object(default)));
        merged(whole, json!({"metadata": {"resourceVersion": "1"}}))
    };
    let old = revised(json!({"b": 1}));
    assert_faults(crd, &old, Some(&old), Subresource::None, &[]);
    let clean = revised(json!({"a": "x"}));
    assert_faults(crd, &old, Some(&clean), Subresource::None, &[&unknown]);
}
