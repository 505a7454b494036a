//! The subresource `scale` of a custom kind: where in its objects the counts stand
//! (`apiextensions-apiserver/pkg/registry/customresource/etcd.go`, `validator.go`).

use orch_core::{Fault, FaultKind};
use serde_json::{Map, Value, json};

use crate::patch::FieldSet;
use crate::tree::{Get, Tree};

/// Paths into an object.
#[derive(Debug)]
pub(crate) struct ScalePaths {
    spec: String,
    status: String,
    selector: String,
}

/// What stands at a path.
enum At<'v> {
    Nothing,
    Here(&'v Value),
    /// Something on the way is no object.
    Blocked {
        path: String,
        value: &'v Value,
    },
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('.').split('.')
}

fn find<'v>(tree: &'v Value, path: &str) -> At<'v> {
    let mut value = tree;
    let mut walked = String::new();
    for step in steps(path) {
        let Some(fields) = value.as_object() else { return At::Blocked { path: walked, value } };
        walked.push('.');
        walked.push_str(step);
        match fields.get(step) {
            Some(below) => value = below,
            None => return At::Nothing,
        }
    }
    At::Here(value)
}

/// Go's name of the type of a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it, about.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unfit(path: &str, value: &Value, expected: &str) -> String {
    format!("{path} accessor error: {} is of the type {}, expected {expected}", shown(value), go_type(value))
}

/// A count at a path; 0 when there is none.
fn count(tree: &Value, path: &str) -> Result<Option<i64>, String> {
    match find(tree, path) {
        At::Nothing => Ok(None),
        At::Here(value) => value.as_i64().map(Some).ok_or_else(|| unfit(path, value, "int64")),
        At::Blocked { path, value } => Err(unfit(&path, value, "map[string]interface{}")),
    }
}

fn text(tree: &Value, path: &str) -> Result<String, String> {
    match find(tree, path) {
        At::Here(Value::String(text)) => Ok(text.clone()),
        At::Here(value) => Err(unfit(path, value, "string")),
        At::Nothing => Ok(String::new()),
        At::Blocked { path, value } => Err(unfit(&path, value, "map[string]interface{}")),
    }
}

impl ScalePaths {
    pub(super) fn compile(tree: &Tree) -> Self {
        let path = |name: &str| tree.text(name).to_owned();
        Self {
            spec: path("specReplicasPath"),
            status: path("statusReplicasPath"),
            selector: path("labelSelectorPath"),
        }
    }

    /// The field with the count that is wanted.
    pub(super) fn count_field(&self) -> FieldSet {
        FieldSet::field(&steps(&self.spec).collect::<Vec<_>>())
    }

    /// The count that is wanted, if the object says.
    pub(crate) fn wanted(&self, tree: &Value) -> Option<i64> {
        count(tree, &self.spec).ok().flatten()
    }

    /// What is said when it does not.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only the REST server shows a Scale"))]
    pub(crate) fn unknown(&self) -> String {
        format!("the spec replicas field {:?} does not exist", self.spec)
    }

    /// What is said to who takes the count away.
    pub(crate) fn emptied(&self) -> String {
        format!("the spec replicas field {:?} cannot be empty", self.spec)
    }

    /// Sets the count that is wanted; objects on the way are made.
    pub(crate) fn set(&self, tree: &mut Value, replicas: i64) {
        let mut place = tree;
        for step in steps(&self.spec) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(fields) = place else { return };
            place = fields.entry(step).or_insert(Value::Null);
        }
        *place = replicas.into();
    }

    /// The object as a Scale, given with its revision.
    pub(crate) fn scale(&self, tree: &Value) -> Value {
        let mut metadata = Map::new();
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = tree["metadata"].at(field) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
        let mut spec = Map::new();
        if let Some(replicas) = self.wanted(tree).filter(|replicas| *replicas != 0) {
            spec.insert("replicas".to_owned(), replicas.into());
        }
        let replicas = count(tree, &self.status).ok().flatten().unwrap_or_default();
        let mut status = json!({"replicas": replicas});
        let selector = if self.selector.is_empty() {
            String::new()
        } else {
            text(tree, &self.selector).unwrap_or_default()
        };
        if !selector.is_empty() {
            status["selector"] = selector.into();
        }
        json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
    }

    /// What an object breaks of it.
    pub(super) fn faults(&self, tree: &Value, is_status: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !is_status {
            counted(tree, &self.spec, &mut faults);
        }
        counted(tree, &self.status, &mut faults);
        if !self.selector.is_empty()
            && let Err(why) = text(tree, &self.selector)
        {
            faults.push(Fault::new(FaultKind::Invalid, self.selector.clone(), why).value("\"\""));
        }
        faults
    }
}

fn counted(tree: &Value, path: &str, faults: &mut Vec<Fault>) {
    let mut invalid =
        |value: i64, why: String| faults.push(Fault::new(FaultKind::Invalid, path, why).value(value));
    match count(tree, path) {
        Err(why) => invalid(0, why),
        Ok(Some(replicas)) if replicas < 0 => {
            invalid(replicas, "should be a non-negative integer".to_owned())
        }
        Ok(Some(replicas)) if replicas > i64::from(i32::MAX) => {
            invalid(replicas, format!("should be less than or equal to {}", i32::MAX));
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> ScalePaths {
        let tree = json!({"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size",
            "labelSelectorPath": ".status.selector"});
        ScalePaths::compile(tree.as_object().unwrap())
    }

    #[test]
    fn a_scale_is_read_and_written_where_the_paths_say() {
        let mut tree =
            json!({"metadata": {"name": "w"}, "spec": {"size": 2}, "status": {"size": 1, "selector": "a=b"}});
        let scale = paths().scale(&tree);
        assert_eq!(
            (&scale["spec"], &scale["status"]),
            (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "a=b"}))
        );
        paths().set(&mut tree, 5);
        assert_eq!(tree["spec"]["size"], 5);
        let mut empty = json!({});
        paths().set(&mut empty, 1);
        assert_eq!(empty, json!({"spec": {"size": 1}}));
    }

    #[test]
    fn what_is_no_count_is_told_in_gos_words() {
        let told =
            |tree: Value| paths().faults(&tree, false).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told(json!({"spec": {"size": "x"}})),
            [
                ".spec.size: Invalid value: 0: .spec.size accessor error: x is of the type string, expected int64"
            ]
        );
        assert_eq!(
            told(json!({"spec": {"size": -1}, "status": {"selector": 1}})),
            [
                ".spec.size: Invalid value: -1: should be a non-negative integer",
                ".status.selector: Invalid value: \"\": .status.selector accessor error: 1 is of the type int64, expected string",
            ]
        );
        assert!(told(json!({})).is_empty());
    }
}
