//! The algebra of sets, and their text.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(crate) fn any_set() -> impl Strategy<Value = FieldSet> {
    let element = prop_oneof![
        "[a-c]".prop_map(|name| Element::named(&name)),
        "[a-b]".prop_map(|name| Element::Key(vec![("name".to_owned(), Scalar(json!(name)))])),
        (0..2_i64).prop_map(|value| Element::Value(Scalar(json!(value)))),
        (0..2_i64).prop_map(Element::Index),
    ];
    let path = prop::collection::vec(element, 1..4);
    prop::collection::vec(path, 0..8).prop_map(|paths| {
        let mut set = FieldSet::default();
        paths.iter().for_each(|path| set.insert(path));
        set
    })
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn round(tree: Value, paths: &[&str]) {
    let set = FieldSet::decode(&tree).unwrap();
    assert_eq!(set.paths(), paths);
    assert_eq!(set.len(), paths.len());
    assert_eq!(set.encode(), tree);
}

#[test]
fn kubernetes_form_is_read_and_written() {
    round(json!({}), &[]);
    round(json!({"f:data": {}}), &[".data"]);
    round(json!({"f:data": {".": {}, "f:a": {}}}), &[".data", ".data.a"]);
    round(
        json!({"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:protocol": {}}},
            "f:finalizers": {".": {}, "v:\"x\"": {}}, "f:list": {"i:1": {}}}),
        &[
            ".finalizers",
            ".finalizers[=\"x\"]",
            ".list[1]",
            ".ports[containerPort=80,protocol=\"TCP\"]",
            ".ports[containerPort=80,protocol=\"TCP\"].protocol",
        ],
    );
    round(json!({"v:\"\\u003ca\\u0026b\\u003e\"": {}}), &["[=\"<a&b>\"]"]);
}

#[test]
fn what_is_not_a_set_is_refused_with_its_element() {
    let refused = |tree: Value| FieldSet::decode(&tree).unwrap_err();
    assert_eq!(refused(json!({"f:a": {"b": {}}})), "missing colon: b");
    assert_eq!(refused(json!({"f:a": 1})), "fields must be objects");
    assert!(refused(json!({"k:[]": {}})).contains("not an object"));
    assert!(refused(json!({"i:x": {}})).contains("not an index"));
    let mut deep = json!({});
    for _ in 0..2 * MAX {
        deep = json!({"f:a": deep});
    }
    assert!(refused(deep).contains("deeper"));
    assert_eq!(FieldSet::decode(&json!({"z:later": {"f:a": {}}})).unwrap(), FieldSet::default());
}

const MAX: usize = crate::schema::MAX_DEPTH;

#[test]
fn what_lies_under_goes_too_where_it_shall() {
    let set = FieldSet::decode(&json!({"f:a": {".": {}, "f:b": {"f:c": {}}}, "f:d": {}})).unwrap();
    let a = FieldSet::field(&["a"]);
    assert_eq!(set.difference(&a).paths(), [".d", ".a.b.c"]);
    assert_eq!(set.without_under(&a).paths(), [".d"]);
    assert_eq!(set.without_under(&FieldSet::field(&["a", "b"])).paths(), [".a", ".d"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_set_survives_its_text(set in any_set()) {
        let mut text = String::new();
        set.write(&mut text);
        prop_assert_eq!(&serde_json::from_str::<FieldSet>(&text).unwrap(), &set);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &set.encode());
        prop_assert_eq!(FieldSet::decode(&set.encode()).unwrap(), set);
    }

    #[test]
    fn the_laws_of_sets_hold(a in any_set(), b in any_set(), c in any_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert_eq!(a.difference(&b.union(&c)), a.difference(&b).difference(&c));
        prop_assert!(a.difference(&a).is_empty());
        prop_assert_eq!(a.is_within(&b), a.difference(&b).is_empty());
        prop_assert!(a.is_within(&a.union(&b)));
        prop_assert_eq!(a.without_under(&b).difference(&a), FieldSet::default());
        prop_assert_eq!(a.len(), a.paths().len());
    }
}
