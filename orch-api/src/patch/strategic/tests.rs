//! Every directive, every kind of list, and the words of what is refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema;

fn ty(definition: &str) -> TypeRef {
    schema::definition(definition).unwrap().ty()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn pod_spec(live: Value, patch: Value, expected: Value) {
    let patched = strategic_merge(&live, &patch, ty("io.k8s.api.core.v1.PodSpec")).unwrap();
    assert_eq!(patched, expected);
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn refused(live: Value, patch: Value, expected: &Error) {
    let error = strategic_merge(&live, &patch, ty("io.k8s.api.core.v1.PodSpec")).unwrap_err();
    assert_eq!(error, *expected);
}

#[test]
fn maps_are_merged_and_null_removes() {
    pod_spec(
        json!({"nodeSelector": {"a": "1", "b": "2"}, "hostname": "x"}),
        json!({"nodeSelector": {"a": null, "c": "3"}, "hostname": null, "subdomain": null}),
        json!({"nodeSelector": {"b": "2", "c": "3"}}),
    );
    pod_spec(json!({}), json!({"nodeSelector": {"a": null, "b": "2"}}), json!({"nodeSelector": {"b": "2"}}));
    pod_spec(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"$patch": "delete"}}),
        json!({"nodeSelector": {}}),
    );
    pod_spec(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"$patch": "replace", "b": "2"}}),
        json!({"nodeSelector": {"b": "2"}}),
    );
    pod_spec(json!({}), json!({"nodeSelector": {"$patch": "delete"}}), json!({}));
}

#[test]
fn lists_of_objects_are_merged_by_their_key() {
    pod_spec(
        json!({"containers": [{"name": "a", "image": "x:1", "args": ["1"]}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "x:2"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "x:2", "args": ["1"]}, {"name": "b"}]}),
    );
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b"}]}),
    );
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "x"}, {"$patch": "replace"}]}),
        json!({"containers": [{"name": "x"}]}),
    );
    pod_spec(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "w"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "UDP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "w", "protocol": "UDP"}]}]}),
    );
}

#[test]
fn other_lists_are_replaced_or_merged_as_sets() {
    pod_spec(
        json!({"tolerations": [{"key": "x"}]}),
        json!({"tolerations": [{"key": "y"}]}),
        json!({"tolerations": [{"key": "y"}]}),
    );
    let meta = |live: Value, patch: Value| {
        strategic_merge(&live, &patch, ty("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")).unwrap()
    };
    let finalizers = || json!({"finalizers": ["a", "b", "c"]});
    assert_eq!(
        meta(finalizers(), json!({"finalizers": ["d", "a"]})),
        json!({"finalizers": ["d", "a", "b", "c"]})
    );
    assert_eq!(
        meta(finalizers(), json!({"$deleteFromPrimitiveList/finalizers": ["b", "x"]})),
        json!({"finalizers": ["a", "c"]})
    );
    assert_eq!(meta(json!({}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]})), json!({}));
    assert_eq!(
        meta(finalizers(), json!({"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"]})),
        json!({"finalizers": ["b", "c", "d", "a"]})
    );
}

#[test]
fn an_order_orders_what_it_names() {
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]}),
        json!({"containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]}),
    );
    // As kubectl set image sends it.
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b", "image": "x:1"}]}),
        json!({"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
            "containers": [{"name": "b", "image": "x:2"}]}),
        json!({"containers": [{"name": "a"}, {"name": "b", "image": "x:2"}]}),
    );
    pod_spec(
        json!({}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b"}, {"name": "a"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a"}]}),
    );
    pod_spec(json!({}), json!({"$setElementOrder/containers": [{"name": "b"}]}), json!({}));
}

#[test]
fn retained_keys_are_all_that_stays() {
    let strategy = ty("io.k8s.api.apps.v1.DeploymentSpec");
    let live = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
    let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
    assert_eq!(strategic_merge(&live, &patch, strategy).unwrap(), json!({"strategy": {"type": "Recreate"}}));
    pod_spec(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
    );
}

#[test]
fn what_is_refused_is_refused_in_kubernetes_words() {
    let containers = || json!({"containers": [{"name": "a"}]});
    refused(
        containers(),
        json!({"containers": [{"image": "x"}]}),
        &Error::unfit("map: map[image:x] does not contain declared merge key: name"),
    );
    refused(
        containers(),
        json!({"containers": [{"$patch": "jump", "name": "a"}]}),
        &Error::unfit("unknown patch type: jump in map: map[$patch:jump name:a]"),
    );
    refused(
        containers(),
        json!({"containers": [{"$patch": "merge"}]}),
        &Error::unfit("merging lists cannot yet be specified in the patch"),
    );
    refused(
        containers(),
        json!({"containers": [["x"]]}),
        &Error::unfit("list element types are not identical"),
    );
    refused(
        json!({"containers": []}),
        json!({"containers": [["x"]]}),
        &Error::unprocessable("lists of lists are not supported"),
    );
    refused(json!({}), json!({"$retainKeys": "x"}), &Error::malformed(BAD_RETAIN));
    refused(json!({}), json!({"$retainKeys": ["a"], "hostname": "b"}), &Error::malformed(BAD_RETAIN));
    refused(json!({}), json!({"$deleteFromPrimitiveList": ["a"]}), &Error::malformed(BAD_DELETE));
    refused(
        json!({}),
        json!({"$setElementOrder": []}),
        &Error::malformed("invalid patch format of setElementOrder list"),
    );
    refused(json!({}), json!([]), &Error::malformed("invalid JSON document"));
    refused(
        json!({"nope": {}}),
        json!({"nope": {"a": 1}}),
        &Error::unfit("unable to find api field in struct for the json field \"nope\""),
    );
}

#[test]
fn the_deepest_patch_fits_the_stack() {
    let schema = ty("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    let nested = |leaf: Value, levels: usize| (0..levels).fold(leaf, |tree, _| json!({"not": tree}));
    let (live, patch) = (json!({"title": "a"}), json!({"title": "b"}));
    let patched =
        strategic_merge(&nested(live, MAX_DEPTH - 1), &nested(patch.clone(), MAX_DEPTH - 1), schema).unwrap();
    assert_eq!(patched, nested(patch.clone(), MAX_DEPTH - 1));
    assert!(matches!(
        strategic_merge(&json!({}), &nested(patch, MAX_DEPTH), schema),
        Err(Error::Malformed { .. })
    ));
}

/// Patches that look like ones of a pod's spec.
fn any_patch() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "containers",
        "name",
        "env",
        "ports",
        "containerPort",
        "nodeSelector",
        "finalizers",
        "imagePullSecrets",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/args",
        "args",
        "$setElementOrder/env",
        "volumes",
        "securityContext",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        prop::sample::select(vec!["a", "b", "delete", "replace", "merge", "name"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

/// Values without directives, as objects have them: no element of a list stands twice.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let plain_fields =
                fields.into_iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            Value::Object(plain_fields.map(|(name, value)| (name, plain(value))).collect())
        }
        Value::Array(list) => {
            let mut seen = Vec::new();
            let identity = |value: &Value| {
                ["name", "containerPort"].map(|key| value.get(key).cloned().unwrap_or_default())
            };
            let mut is_new = |value: &Value| {
                let identity = if value.is_object() { json!(identity(value)) } else { value.clone() };
                let is_new = !seen.contains(&identity);
                seen.push(identity);
                is_new
            };
            list.into_iter()
                .filter(|value| !value.is_null())
                .map(plain)
                .filter(|value| is_new(value))
                .collect()
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_patch_makes_it_panic(live in any_patch(), patch in any_patch()) {
        let _ = strategic_merge(&live, &patch, ty("io.k8s.api.core.v1.PodSpec"));
        let _ = strategic_merge(&live, &patch, ty("io.k8s.api.core.v1.Container"));
    }

    #[test]
    fn a_patch_applied_twice_is_applied_once(live in any_patch(), patch in any_patch()) {
        let (live, patch, ty) = (plain(live), plain(patch), ty("io.k8s.api.core.v1.PodSpec"));
        if let Ok(once) = strategic_merge(&live, &patch, ty)
            && let Ok(twice) = strategic_merge(&once, &patch, ty)
        {
            prop_assert_eq!(twice, once);
        }
    }

    #[test]
    fn an_empty_patch_changes_nothing(live in any_patch()) {
        prop_assume!(live.is_object());
        prop_assert_eq!(strategic_merge(&live, &json!({}), ty("io.k8s.api.core.v1.PodSpec")).unwrap(), live);
    }
}
