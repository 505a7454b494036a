//! Pod templates, passed through as trees: fields that a newer server knows must survive.
//!
//! Two templates are the same when they say the same: order of keys, `null` and empty lists say nothing
//! (`apimachinery/pkg/api/equality`). Sameness is told by a fingerprint of 128 bits, so that a view need not keep the
//! templates themselves.

use orch_core::OwnerReference;
use serde_json::{Map, Value, json};

use crate::names;

/// The label that tells the pods and ReplicaSets of one Deployment apart.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// What a template says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// Of a template, a label of it aside.
    pub(crate) fn of(template: &Value, aside: Option<&str>) -> Self {
        let mut sum = Sum(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        sum.value(template, &mut Vec::new(), aside);
        Self(sum.0)
    }

    /// As it stands in names and labels. Raising the count of collisions gives another.
    pub(crate) fn hash(self, collisions: i32) -> String {
        names::encode_hash(names::hash(&[&self.0.to_le_bytes(), &collisions.to_le_bytes()]))
    }
}

/// FNV-1a of 128 bits over a canonical form.
struct Sum(u128);

impl Sum {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn text(&mut self, tag: u8, text: &str) {
        self.bytes(&[tag]);
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn value<'a>(&mut self, value: &'a Value, path: &mut Vec<&'a str>, aside: Option<&str>) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(flag) => self.bytes(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => self.text(b'#', &number.to_string()),
            Value::String(text) => self.text(b'"', text),
            Value::Array(items) => {
                self.bytes(b"[");
                for item in items {
                    path.push("[]");
                    self.value(item, path, aside);
                    path.pop();
                }
                self.bytes(b"]");
            }
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort_unstable();
                self.bytes(b"{");
                for name in names {
                    let says_nothing = is_empty(&fields[name], path);
                    if says_nothing || (Some(name.as_str()) == aside && *path == ["metadata", "labels"]) {
                        continue;
                    }
                    self.text(b'k', name);
                    path.push(name);
                    self.value(&fields[name], path, aside);
                    path.pop();
                }
                self.bytes(b"}");
            }
        }
    }
}

/// Whether a field that stands under `path` says the same as an absent one. An empty object outside of `metadata` may
/// choose something: `emptyDir: {}`.
fn is_empty(value: &Value, path: &[&str]) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && path.first().is_none_or(|first| *first == "metadata"),
        _ => false,
    }
}

/// The pod that a template describes, for its controller (`pkg/controller/controller_utils.go`, `GetPodFromTemplate`), without
/// a name.
pub(crate) fn pod(template: &Value, namespace: &str, owner: &OwnerReference) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field).filter(|value| !value.is_null()) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    metadata.insert("namespace".to_owned(), json!(namespace));
    metadata.insert("ownerReferences".to_owned(), json!([owner]));
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod"});
    pod["metadata"] = Value::Object(metadata);
    pod["spec"] = template["spec"].clone();
    pod
}

/// Sets a label in the metadata of an object or template.
pub(crate) fn set_label(object: &mut Value, name: &str, value: &str) {
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][name] = json!(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "trees made in place read better")]
    fn check(left: Value, right: Value, same: bool) {
        let of = |template: &Value| Fingerprint::of(template, Some(TEMPLATE_HASH));
        assert_eq!(of(&left) == of(&right), same, "{left} and {right}");
    }

    #[test]
    fn templates_are_the_same_when_they_say_the_same() {
        check(json!({"a": 1, "b": [1, 2]}), json!({"b": [1, 2], "a": 1}), true);
        check(json!({"a": null, "l": []}), json!({}), true);
        check(json!({"a": [1, 2]}), json!({"a": [2, 1]}), false);
        check(json!({"a": ["b", "c"]}), json!({"a": ["bc"]}), false);
        check(json!({"a": {"b": {}}}), json!({"a": {}}), false);
        let labelled = json!({"metadata": {"labels": {"a": "b"}}});
        check(json!({"metadata": {"annotations": {}, "labels": {"a": "b"}}}), labelled, true);
        check(json!({"a": "1"}), json!({"a": 1}), false);
    }

    #[test]
    fn the_hash_label_says_nothing_about_a_template() {
        let labelled =
            |value: &str| json!({"metadata": {"labels": {"app": "web", "pod-template-hash": value}}});
        check(labelled("a"), labelled("b"), true);
        check(labelled("a"), json!({"metadata": {"labels": {"app": "web"}}}), true);
        check(
            json!({"spec": {"pod-template-hash": "a"}}),
            json!({"spec": {"pod-template-hash": "b"}}),
            false,
        );
    }

    #[test]
    fn a_collision_gives_another_hash() {
        let print = Fingerprint::of(&json!({"a": 1}), None);
        assert_eq!(print.hash(0), print.hash(0));
        assert_ne!(print.hash(0), print.hash(1));
    }
}
