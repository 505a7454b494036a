use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Object, Part};
use crate::{Registry, Revision, kind};

fn pod(status: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n1", "containers": []}, "status": status,
        "metadata": {"name": "a", "namespace": "b", "uid": "u", "labels": {"z": "1", "a": "2"},
            "resourceVersion": "9", "managedFields": [{"manager": "m"}],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "o", "controller": true}]}})
}

#[test]
fn header_says_what_the_body_says() {
    let info = Registry::built_in().get(kind::PODS).unwrap();
    let object = Object::encode(&info, &pod(&json!({"phase": "Running"}))).unwrap();
    assert_eq!(object.label("a"), Some("2"));
    assert_eq!(object.field("spec.nodeName"), Some("n1"));
    assert_eq!(object.field("status.phase"), Some("Running"));
    assert_eq!(object.field("status.podIP"), Some(""), "declared but absent");
    assert_eq!(object.field("spec.unknown"), None);
    assert_eq!(object.header().controller().map(|owner| &*owner.uid), Some("o"));
}

#[test]
fn revision_and_managed_fields_stand_outside_the_body() {
    let info = Registry::built_in().get(kind::PODS).unwrap();
    let object = Object::encode(&info, &pod(&json!({}))).unwrap().at(Revision(12));
    let body = std::str::from_utf8(object.body()).unwrap();
    assert!(!body.contains("resourceVersion") && !body.contains("managedFields"));
    let json: Value = serde_json::from_slice(&object.to_json()).unwrap();
    assert_eq!(json, object.to_tree());
    assert_eq!(json["metadata"]["resourceVersion"], "12");
    assert_eq!(json["metadata"]["managedFields"][0]["manager"], "m");
    assert_eq!(Object::decode(&info, &object.to_json()).unwrap().revision(), Revision(12));
}

#[test]
fn a_tree_without_a_name_or_with_wrong_metadata_is_refused() {
    let info = Registry::built_in().get(kind::PODS).unwrap();
    for (tree, field) in [
        (json!({"metadata": {}}), "metadata.name"),
        (json!({"metadata": []}), "metadata"),
        (json!(3), ""),
        (json!({"metadata": {"name": "a", "labels": {"x": 1}}}), "metadata.labels[x]"),
        (json!({"metadata": {"name": "a", "deletionTimestamp": "soon"}}), "metadata.deletionTimestamp"),
        (json!({"metadata": {"name": "a", "ownerReferences": [3]}}), "metadata.ownerReferences"),
    ] {
        match Object::encode(&info, &tree) {
            Err(crate::Error::Malformed { field: found, .. }) if !field.is_empty() => {
                assert_eq!(found, field)
            }
            Err(crate::Error::Malformed { .. }) => {}
            other => panic!("{tree}: {other:?}"),
        }
    }
}

fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parts_stand_where_the_offsets_say(spec in trees(), first in trees(), second in trees(), extra in trees()) {
        let info = Registry::built_in().get(kind::DEPLOYMENTS).unwrap();
        let tree = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec, "status": first, "zzz": extra});
        let object = Object::encode(&info, &tree).unwrap();
        prop_assert_eq!(object.body_tree(), tree.clone());
        let changed = object.with_status(&info, &second).unwrap();
        prop_assert_eq!(changed.part_to::<Value>(Part::Status).unwrap(), second.clone());
        prop_assert_eq!(changed.part_to::<Value>(Part::Spec).unwrap(), spec);
        let mut expected = tree;
        expected["status"] = second;
        prop_assert_eq!(changed.body_tree(), expected.clone());
        prop_assert_eq!(changed.part_to::<Value>(Part::Metadata).unwrap(), expected["metadata"].clone());
    }

    #[test]
    fn a_status_is_added_where_none_was(status in trees()) {
        let info = Registry::built_in().get(kind::DEPLOYMENTS).unwrap();
        let object = Object::encode(&info, &json!({"metadata": {"name": "a"}})).unwrap();
        let changed = object.with_status(&info, &status).unwrap();
        prop_assert_eq!(changed.part_to::<Value>(Part::Status).unwrap(), status);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), tree in trees()) {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let _ = Object::decode(&info, &bytes);
        let _ = Object::encode(&info, &json!({"metadata": tree}));
    }
}

/// Parts whose selectable fields are plain, as the header needs them.
fn parts() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)];
    let field = prop_oneof![
        3 => ("nodeName|phase|podIP|hostNetwork", plain),
        3 => ("[a-z]{1,4}|[\"\\\\é]", trees()),
    ];
    prop::collection::vec(field, 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

proptest! {
    #[test]
    fn a_part_replaced_is_the_part_encoded(status in parts(), spec in parts(), label in "[a-z]{0,3}") {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let object = Object::encode(&info, &pod(&json!({"phase": "Pending"}))).unwrap();
        let mut tree = object.body_tree();
        let mut metadata = tree["metadata"].clone();
        metadata["labels"]["a"] = json!(label);
        metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut replaced = object;
        for (part, value) in [(Part::Metadata, &metadata), (Part::Status, &status), (Part::Spec, &spec)] {
            replaced = replaced.with_part(&info, part, value).unwrap();
            tree[part.name()] = value.clone();
            let expected = Object::encode(&info, &tree).unwrap();
            prop_assert_eq!(replaced.header(), expected.header());
            prop_assert_eq!(replaced.body(), expected.body());
            prop_assert_eq!(replaced.part(Part::Spec), expected.part(Part::Spec));
        }
    }

    #[test]
    fn a_field_replaced_is_the_field_encoded(part in parts(), change in parts()) {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        for at in [Part::Spec, Part::Status] {
            let mut tree = pod(&json!({"phase": "Pending", "podIP": "1"}));
            tree[at.name()] = part.clone();
            let mut replaced = Object::encode(&info, &tree).unwrap();
            for (name, value) in change.as_object().unwrap() {
                // A name with escapes is not looked for: no kind has such a field.
                prop_assume!(!name.contains(['"', '\\']));
                replaced = replaced.with_field(&info, at, name, value).unwrap();
                tree[at.name()][name] = value.clone();
                let expected = Object::encode(&info, &tree).unwrap();
                prop_assert_eq!(replaced.header(), expected.header());
                prop_assert_eq!(replaced.body(), expected.body());
                let json = value.to_string();
                prop_assert_eq!(replaced.part_field(at, name), Some(json.as_bytes()));
            }
        }
    }
}

#[test]
fn the_metadata_of_another_object_is_refused() {
    let info = Registry::built_in().get(kind::PODS).unwrap();
    let object = Object::encode(&info, &pod(&json!({}))).unwrap();
    assert!(object.with_part(&info, Part::Metadata, &json!({"name": "other", "namespace": "b"})).is_err());
}

#[test]
fn a_shared_tree_is_decoded_once_for_all_clones() {
    let info = Registry::built_in().get(kind::PODS).unwrap();
    let live = super::Live::shared(Object::encode(&info, &pod(&json!({}))).unwrap());
    let clone = live.at(Revision(3));
    assert!(std::sync::Arc::ptr_eq(&live.tree(), &clone.tree()));
}
