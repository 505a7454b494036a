//! Expressions of policies that change objects: what they may make.

use orch_core::kind;
use serde_json::json;

use super::created;

#[track_caller]
fn check(kind: &str, field: &str, expression: &str, why: Option<&str>) {
    let mutation = json!({"patchType": kind, field: {"expression": expression}});
    let path = format!("spec.mutations[0].{field}.expression");
    let shown = crate::validate::quote(expression.trim());
    let told = why.map(|why| format!("{path}: Invalid value: {shown}: {why}"));
    created(
        kind::MUTATING_ADMISSION_POLICIES,
        json!({"spec": {"mutations": [mutation], "variables": [{"name": "ops", "expression": "[1]"}]}}),
        &told.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[track_caller]
fn json(expression: &str, why: Option<&str>) {
    check("JSONPatch", "jsonPatch", expression, why);
}

#[track_caller]
fn apply(expression: &str, why: Option<&str>) {
    check("ApplyConfiguration", "applyConfiguration", expression, why);
}

fn failed(text: &str, at: usize, why: &str) -> String {
    let mark = ".".repeat(at);
    format!("compilation failed: ERROR: <input>:1:{}: {why}\n | {text}\n | {mark}^", at + 1)
}

fn undeclared(text: &str, at: usize, name: &str) -> String {
    failed(text, at, &format!("undeclared reference to '{name}' (in container '')"))
}

#[test]
fn expressions_that_make_patches_are_taken() {
    for right in [
        "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'}]",
        "  [JSONPatch{op: 'add', path: '/spec', value: Object.spec.selector{matchLabels: {'a': 'b'}},}, JSONPatch{}]",
        "has(object.spec.replicas) ? [JSONPatch{op: 'test', path: object.metadata.name, value: 1}] : []",
        "has(object.spec.replicas) ? [] : [JSONPatch{op: 'test'}] + [JSONPatch{?from: oldObject.metadata[?'name']}]",
        "object.spec.containers.map(c, JSONPatch{op: 'remove', path: c.name})",
        "variables.ops + [JSONPatch{op: 'add'}]",
        "[JSONPatch{op: 'add'}] + object.spec.ops",
        "[JSONPatch{op: 'add'}].filter(p, p.op == 'add')",
    ] {
        json(right, None);
    }
    for right in [
        "Object{}",
        "Object{spec: Object.spec{replicas: object.spec.replicas % 2 == 0 ? 1 : 2}}",
        "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', ?image: oldObject.?image}]}}",
    ] {
        apply(right, None);
    }
}

#[test]
fn expressions_that_make_something_else_are_refused() {
    for (wrong, got) in [
        ("[]", "list(dyn)"),
        ("[object.spec]", "list(dyn)"),
        ("object.spec.ops", "dyn"),
        ("variables.ops", "dyn"),
        ("JSONPatch{op: 'add'}", "JSONPatch"),
        ("[1]", "list(int)"),
        ("Object{}", "Object"),
        ("[JSONPatch{op: 'add'}, object.spec]", "list(dyn)"),
        ("[object.spec, JSONPatch{op: 'add'}]", "list(dyn)"),
        ("[JSONPatch{op: 'add'}] + [object.spec]", "list(dyn)"),
        ("has(object.spec) ? [JSONPatch{op: 'add'}] : object.spec", "dyn"),
        ("[[JSONPatch{}]]", "list(list(JSONPatch))"),
    ] {
        json(wrong, Some(&format!("must evaluate to list(JSONPatch) but got {got}")));
    }
    for (wrong, got) in [
        ("Object.spec{}", "Object.spec"),
        ("object", "dyn"),
        ("[Object{}]", "list(Object)"),
        ("has(object.spec) ? Object{} : object", "dyn"),
        ("null", "null_type"),
    ] {
        apply(wrong, Some(&format!("must evaluate to Object but got {got}")));
    }
    for (text, name, at) in
        [("[Patch{op: 'add'}]", "Patch", 6), ("Objects{}", "Objects", 7), ("Object.spec{a: b}", "b", 15)]
    {
        json(text, Some(&undeclared(text, at, name)));
    }
    for (text, at, why) in [
        ("[JSONPatch{op: 1}]", 13, "expected type of field 'op' is 'string' but provided type is 'int'"),
        ("[JSONPatch{to: 'a'}]", 13, "undefined field 'to'"),
        (
            "[JSONPatch{?op: 'add'}]",
            14,
            "expected type of field 'op' is 'optional_type(string)' but provided type is 'string'",
        ),
        ("[JSONPatch{op 'a'}]", 14, "Syntax error: missing ':'"),
    ] {
        json(text, Some(&failed(text, at, why)));
    }
}

#[test]
fn elsewhere_nobody_makes_objects() {
    for (text, at, name) in
        [("Object{} == object", 6, "Object"), ("jsonpatch.escapeKey('a') == 'a'", 0, "jsonpatch")]
    {
        let shown = crate::validate::quote(text);
        let why = undeclared(text, at, name);
        created(
            kind::VALIDATING_ADMISSION_POLICIES,
            json!({"spec": {"validations": [{"expression": text}]}}),
            &[&format!("spec.validations[0].expression: Invalid value: {shown}: {why}")],
        );
    }
}
