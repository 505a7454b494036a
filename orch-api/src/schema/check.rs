//! Strict decoding without decoding: does a tree fit a type?
//!
//! Not validation: no defaults, no required fields, no meaning of values. The invariant: no input makes it panic, recurse
//! deeper than [`MAX_DEPTH`] or report more than [`MAX_FAULTS`].

use std::fmt;

use orch_core::Quantity;
use serde_json::Value;

use super::format::{Fraction, is_base64, is_time};
use super::path::Step;
use super::types::{Type, TypeRef};

/// Faults reported at most: Kubernetes' own bound (`sigs.k8s.io/json`), enough for any person to read.
pub const MAX_FAULTS: usize = 100;

/// Levels looked at: no built-in kind nests this deep, and the recursion stays within a small stack.
pub const MAX_DEPTH: usize = 128;

/// Characters of a wrong value that a message shows.
const PREVIEW: usize = 60;

/// One thing in an object that Kubernetes' strict decoding refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Where: `spec.template.spec.containers[0].image`; the empty string is the object itself. A map key that is not
    /// a plain word stands in brackets: `metadata.labels[app.kubernetes.io/name]`.
    pub path: String,
    /// What is wrong.
    pub reason: FaultReason,
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultReason {
    /// The type has no such field.
    UnknownField,
    /// The value has another type.
    Mismatch {
        /// The expected type.
        expected: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// The integer does not fit.
    Range {
        /// `int32` or `int64`.
        format: &'static str,
        /// What is there.
        found: String,
    },
    /// The string is not in the required format.
    Format {
        /// The required format.
        expected: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// The tree is deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason == FaultReason::UnknownField {
            return write!(f, "unknown field \"{}\"", self.path);
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.reason.fmt(f)
    }
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField => f.write_str("unknown field"),
            Self::Mismatch { expected, found } | Self::Format { expected, found } => {
                write!(f, "expected {expected}, got {found}")
            }
            Self::Range { format, found } => write!(f, "{found} does not fit {format}"),
            Self::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} levels"),
        }
    }
}

impl std::error::Error for Fault {}

/// Every fault of `tree` against `ty`, ordered as the tree is walked: at most [`MAX_FAULTS`].
///
/// `null` fits everything: it means absent.
///
/// ```
/// use orch_api::schema::{check, lookup};
/// use serde_json::json;
///
/// let secret = lookup("", "v1", "Secret").expect("a built-in kind");
/// let faults = check(&json!({"data": {"password": "not base64!"}, "immutable": null}), secret);
/// assert_eq!(faults.len(), 1);
/// assert_eq!(faults[0].to_string(), r#"data.password: expected base64, got string "not base64!""#);
/// ```
#[must_use]
pub fn check(tree: &Value, ty: TypeRef) -> Vec<Fault> {
    let mut walk = Walk { path: String::new(), depth: 0, faults: Vec::new() };
    walk.value(tree, ty);
    walk.faults
}

struct Walk {
    path: String,
    depth: usize,
    faults: Vec<Fault>,
}

impl Walk {
    fn fault(&mut self, reason: FaultReason) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { path: self.path.clone(), reason });
        }
    }

    fn value(&mut self, value: &Value, ty: TypeRef) {
        if self.depth >= MAX_DEPTH {
            return self.fault(FaultReason::TooDeep);
        }
        let expected = match (ty.get(), value) {
            (_, Value::Null)
            | (Type::Any, _)
            | (Type::String, Value::String(_))
            | (Type::Number, Value::Number(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::Quantity, Value::Number(_))
            | (Type::IntOrString, Value::String(_)) => return,
            (Type::Quantity, Value::String(text)) => {
                if text.parse::<Quantity>().is_err() {
                    let found = preview(value);
                    self.fault(FaultReason::Format { expected: "a quantity such as 500m or 1Gi", found });
                }
                return;
            }
            (Type::Object(definition), Value::Object(fields)) => {
                for (key, value) in fields {
                    let field = definition.field(key);
                    self.inside(Step::Field(key), |walk| match field {
                        Some(field) => walk.value(value, field.ty()),
                        None => walk.fault(FaultReason::UnknownField),
                    });
                }
                return;
            }
            (Type::Map(item), Value::Object(entries)) => {
                for (key, value) in entries {
                    self.inside(Step::Key(key), |walk| walk.value(value, item));
                }
                return;
            }
            (Type::Array(item), Value::Array(elements)) => {
                for (index, value) in elements.iter().enumerate() {
                    self.inside(Step::Index(index), |walk| walk.value(value, item));
                }
                return;
            }
            (Type::Int32 | Type::IntOrString, Value::Number(number)) if is_integer(number) => {
                let fits = number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
                return self.range(fits, "int32", value);
            }
            (Type::Int64, Value::Number(number)) if is_integer(number) => {
                return self.range(number.as_i64().is_some(), "int64", value);
            }
            (Type::Bytes, Value::String(text)) => return self.format(is_base64(text), "base64", value),
            (Type::Time, Value::String(text)) => {
                return self.format(is_time(text, Fraction::Any), "RFC 3339 time", value);
            }
            (Type::MicroTime, Value::String(text)) => {
                let fits = is_time(text, Fraction::Micro);
                return self.format(fits, "RFC 3339 time with six digits of fraction", value);
            }
            (ty, _) => type_name(ty),
        };
        self.fault(FaultReason::Mismatch { expected, found: preview(value) });
    }

    fn range(&mut self, fits: bool, format: &'static str, value: &Value) {
        if !fits {
            self.fault(FaultReason::Range { format, found: preview(value) });
        }
    }

    fn format(&mut self, fits: bool, expected: &'static str, value: &Value) {
        if !fits {
            self.fault(FaultReason::Format { expected, found: preview(value) });
        }
    }

    fn inside(&mut self, step: Step<'_>, check: impl FnOnce(&mut Self)) {
        if self.faults.len() == MAX_FAULTS {
            return;
        }
        let before = self.path.len();
        step.append(&mut self.path);
        self.depth += 1;
        check(self);
        self.depth -= 1;
        self.path.truncate(before);
    }
}

fn is_integer(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64()
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Any => "any value",
        Type::String | Type::Bytes | Type::Time | Type::MicroTime => "string",
        Type::Int32 | Type::Int64 => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::Quantity => "quantity (string or number)",
        Type::IntOrString => "integer or string",
        Type::Map(_) | Type::Object(_) => "object",
        Type::Array(_) => "array",
    }
}

/// The type and, of scalars, the beginning of the value.
fn preview(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean {value}"),
        Value::Number(number) if is_integer(number) => format!("integer {number}"),
        Value::Number(number) => format!("number {number}"),
        Value::String(text) => match text.char_indices().nth(PREVIEW) {
            Some((end, _)) => format!("string {:?}...", &text[..end]),
            None => format!("string {text:?}"),
        },
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::lookup;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn faults(group: &str, kind: &str, tree: Value, expected: &[&str]) {
        let found: Vec<String> =
            check(&tree, lookup(group, "v1", kind).unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_whole_object_without_faults_has_none() {
        faults(
            "",
            "Pod",
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "creationTimestamp": null, "labels": {"a.b/c": "d"}},
                "spec": {"containers": [{
                    "name": "a", "ports": [{"containerPort": 80}], "args": [null],
                    "resources": {"limits": {"cpu": 1, "memory": "1Gi", "example.com/x": 1.5}},
                    "livenessProbe": {"httpGet": {"port": "http"}},
                }]},
                "status": {"startTime": "2026-01-01T00:00:00Z"},
            }),
            &[],
        );
    }

    #[test]
    fn every_unknown_field_is_reported_with_its_path() {
        let container = json!({"name": "a", "imgae": "b", "env": [{"name": "x"}, {"nmae": "y"}]});
        faults(
            "apps",
            "Deployment",
            json!({"sepc": 1, "spec": {"template": {"spec": {"containers": [container]}}}}),
            &[
                "unknown field \"sepc\"",
                "unknown field \"spec.template.spec.containers[0].env[1].nmae\"",
                "unknown field \"spec.template.spec.containers[0].imgae\"",
            ],
        );
    }

    #[test]
    fn every_type_mismatch_is_reported_with_path_and_value() {
        let long = "x".repeat(100);
        faults("", "Pod", json!([]), &["expected object, got array"]);
        faults(
            "",
            "Pod",
            json!({
                "kind": 1,
                "metadata": {"labels": {"a.b/c": true, "plain": 1.5}, "generation": 1.5},
                "spec": {
                    "containers": {}, "hostNetwork": "yes", "overhead": {"cpu": []}, "priority": 3_000_000_000_u64,
                    "terminationGracePeriodSeconds": u64::MAX, "activeDeadlineSeconds": long, "volumes": ["a"],
                },
                "status": {"startTime": "now"},
            }),
            &[
                "kind: expected string, got integer 1",
                "metadata.generation: expected integer, got number 1.5",
                "metadata.labels[a.b/c]: expected string, got boolean true",
                "metadata.labels.plain: expected string, got number 1.5",
                &format!(
                    "spec.activeDeadlineSeconds: expected integer, got string \"{}\"...",
                    &long[..PREVIEW]
                ),
                "spec.containers: expected array, got object",
                "spec.hostNetwork: expected boolean, got string \"yes\"",
                "spec.overhead.cpu: expected quantity (string or number), got array",
                "spec.priority: integer 3000000000 does not fit int32",
                "spec.terminationGracePeriodSeconds: integer 18446744073709551615 does not fit int64",
                "spec.volumes[0]: expected object, got string \"a\"",
                "status.startTime: expected RFC 3339 time, got string \"now\"",
            ],
        );
    }

    #[test]
    fn the_number_of_faults_is_bounded() {
        let tree: Value = (0..1000).map(|n| (format!("f{n}"), json!(n))).collect();
        assert_eq!(check(&tree, lookup("", "v1", "Pod").unwrap()).len(), MAX_FAULTS);
    }

    #[test]
    fn depth_is_bounded_where_a_type_contains_itself() {
        let mut schema = json!({});
        for _ in 0..2 * MAX_DEPTH {
            schema = json!({"not": schema});
        }
        let version = json!({"name": "v1", "schema": {"openAPIV3Schema": schema}});
        let tree = json!({"spec": {"versions": [version]}});
        let found = check(&tree, lookup("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].reason, FaultReason::TooDeep);
    }

    fn any_tree() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            prop::sample::select(vec!["spec", "metadata", "labels", "containers", "data", "status", "items"]),
            Just("x.y"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_tree_makes_it_panic_and_pruning_adds_no_fault(tree in any_tree()) {
            for (group, kind) in [("", "Pod"), ("", "Secret"), ("", "PodList"), ("apps", "Deployment")] {
                let ty = lookup(group, "v1", kind).unwrap();
                let before = check(&tree, ty);
                let mut pruned = tree.clone();
                crate::schema::prune_nulls(&mut pruned, ty);
                prop_assert_eq!(check(&pruned, ty), before);
            }
        }
    }
}
