//! Operations, Kubernetes' laxities, and the bounds.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::merge::tests::any_json;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(document: Value, patch: Value, expected: Value) {
    assert_eq!(json_patch(&document, &patch).unwrap(), expected);
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn refused(document: Value, patch: Value, expected: &str) {
    let error = json_patch(&document, &patch).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn the_operations_of_the_rfc_are_done() {
    check(json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": [1]}]), json!({"a": 1, "b": [1]}));
    check(json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/1", "value": 9}]), json!({"a": [1, 9, 2]}));
    check(json!({"a": [1]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2]}));
    check(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/0"}]), json!({"a": [2]}));
    check(
        json!({"a": {"b": 1}}),
        json!([{"op": "replace", "path": "/a/b", "value": 2}]),
        json!({"a": {"b": 2}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!([{"op": "move", "from": "/a/b", "path": "/c"}]),
        json!({"a": {}, "c": 1}),
    );
    check(json!({"a": 1}), json!([{"op": "copy", "from": "/a", "path": "/b"}]), json!({"a": 1, "b": 1}));
    check(json!({"a/b": {"~c": 1}}), json!([{"op": "remove", "path": "/a~1b/~0c"}]), json!({"a/b": {}}));
    check(json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {"b": 2}}]), json!({"b": 2}));
    check(json!({"": 1}), json!([{"op": "test", "path": "/", "value": 1}]), json!({"": 1}));
}

#[test]
fn kubernetes_is_laxer_than_the_rfc() {
    check(json!({}), json!([{"op": "replace", "path": "/a", "value": 1}]), json!({"a": 1}));
    check(json!({}), json!([{"op": "test", "path": "/a", "value": null}]), json!({}));
    check(json!({}), json!([{"op": "add", "path": "/a"}]), json!({"a": null}));
    check(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]}));
    check(json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-1", "value": 3}]), json!({"a": [1, 2, 3]}));
    check(
        json!({"a": [1, 2]}),
        json!([{"op": "replace", "path": "/a/-2", "value": 3}]),
        json!({"a": [3, 2]}),
    );
}

#[test]
fn what_cannot_be_done_is_refused() {
    let document = || json!({"a": 1, "l": [1], "o": {}});
    refused(document(), json!([{"op": "test", "path": "/a", "value": 2}]), "test failed");
    refused(document(), json!([{"op": "test", "path": "/l", "value": [1.0]}]), "test failed");
    refused(document(), json!([{"op": "replace", "path": "/x/y", "value": 2}]), "missing path: \"/x/y\"");
    refused(document(), json!([{"op": "remove", "path": "/x"}]), "nonexistent key: x");
    refused(document(), json!([{"op": "move", "from": "/x", "path": "/y"}]), "nonexistent key: x");
    refused(document(), json!([{"op": "add", "path": "/a/x", "value": 2}]), "missing path");
    refused(document(), json!([{"op": "add", "path": "", "value": {}}]), "missing path");
    refused(document(), json!([{"op": "add", "path": "/l/3", "value": 2}]), "invalid index: 3");
    refused(document(), json!([{"op": "remove", "path": "/l/-2"}]), "invalid index: -2");
    refused(document(), json!([{"op": "remove", "path": "/l/x"}]), "not a proper array index");
    refused(document(), json!([{"op": "jump", "path": "/l"}]), "Unexpected kind: jump");
    refused(document(), json!([{"path": "/l"}]), "Unexpected kind: unknown");
    refused(document(), json!([{"op": "add", "value": 1}]), "failed to decode path");
    refused(document(), json!([{"op": "replace", "path": "", "value": 1}]), "must be object or array");
}

#[test]
fn what_is_not_a_patch_is_malformed() {
    let error = json_patch(&json!({}), &json!({"op": "add"})).unwrap_err();
    let why =
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
    assert_eq!(error, Error::malformed(why));
    refused(json!({}), json!(["x"]), "cannot unmarshal string into Go value of type handlers.jsonPatchOp");
}

#[test]
fn a_patch_is_bounded_in_operations_copies_depth_and_work() {
    let many: Vec<_> =
        (0..=MAX_OPERATIONS).map(|_| json!({"op": "test", "path": "/a", "value": null})).collect();
    let error = json_patch(&json!({}), &many.into()).unwrap_err();
    assert_eq!(error.to_string(), "The allowed maximum operations in a JSON patch is 10000, got 10001");

    let doubling: Vec<_> =
        (0..64).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")})).collect();
    refused(json!({"a": {"x": "y".repeat(1000)}}), doubling.into(), "accumulated size");

    let mut chain = json!(1);
    for _ in 0..MAX_DEPTH / 2 + 1 {
        chain = json!({"c": chain});
    }
    let deeper = json!([
        {"op": "add", "path": "/a", "value": chain},
        {"op": "move", "from": "/a", "path": format!("/b{}", "/c".repeat(MAX_DEPTH / 2))},
    ]);
    refused(json!({"b": chain}), deeper, "nested deeper");

    let wide: Vec<Value> = vec![json!(1); 100_000];
    let moves: Vec<_> = (0..200)
        .map(|n| if n % 2 == 0 { ("/a", "/b") } else { ("/b", "/a") })
        .map(|(from, to)| json!({"op": "move", "from": from, "path": to}))
        .collect();
    refused(json!({"a": wide}), moves.into(), "moves too much");
}

fn any_operation() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        prop::collection::vec("[a-c0-2-]", 0..4)
            .prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect()),
        ".{0,4}".prop_map(String::from),
    ];
    let kind = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "?"]);
    (kind, path.clone(), path, any_json())
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_patch_makes_it_panic(document in any_json(), operations in prop::collection::vec(any_operation(), 0..6)) {
        let _ = json_patch(&document, &Value::Array(operations));
    }

    #[test]
    fn no_tree_makes_it_panic(document in any_json(), patch in any_json()) {
        let _ = json_patch(&document, &patch);
    }

    #[test]
    fn a_value_that_was_added_is_there(document in any_json(), value in any_json()) {
        prop_assume!(document.is_object());
        let patch = json!([{"op": "add", "path": "/a", "value": value}, {"op": "test", "path": "/a", "value": value}]);
        let patched = json_patch(&document, &patch).unwrap();
        prop_assert_eq!(&patched["a"], &value);
    }
}
