//! JSON patch (RFC 6902) as Kubernetes applies it.
//!
//! After `evanphx/json-patch` v4, which the API server uses, and `apiserver/pkg/endpoints/handlers/patch.go` for the bounds. It
//! is laxer than the RFC, and clients rely on that: indices may count from the end (`-1`), `replace` adds an absent field,
//! a `test` for `null` holds for what is absent; so the crate `json-patch` does not fit. Invariant: no operation nests
//! the object deeper than [`MAX_DEPTH`], and what an operation may cost is bounded.

use serde_json::Value;

use super::Error;
use crate::schema::{MAX_DEPTH, MAX_FAULTS};
use crate::tree::{Tree, type_of};

/// Operations of a patch at most.
pub const MAX_OPERATIONS: usize = 10_000;

/// Bytes that all copies of a patch may make (`JSONPatchMaxCopyBytes`).
pub const MAX_COPIED_BYTES: usize = 3 << 20;

/// Levels of what an operation makes: what is stored must be readable again, and parsers of JSON stop at [`MAX_DEPTH`].
const MAX_LEVELS: usize = MAX_DEPTH - 8;

/// Values that a patch may move and measure, so that a small patch cannot move a large object ten thousand times. No object
/// has as many.
const MAX_WORK: usize = 8 << 20;

/// Applies the operations in order; all of them or none.
///
/// ```
/// use orch_api::patch::json_patch;
/// use serde_json::json;
/// let patch = json!([{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/b/-", "value": 3}]);
/// assert_eq!(json_patch(&json!({"a": 1, "b": [2]}), &patch).unwrap(), json!({"a": 1, "b": [2, 3]}));
/// ```
///
/// # Errors
/// [`Error::Malformed`] when it is not a list of operations, [`Error::TooManyOperations`], and [`Error::Unprocessable`] when
/// one cannot be done.
pub fn json_patch(document: &Value, patch: &Value) -> Result<Value, Error> {
    let refused = |value, into| {
        let why = format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type {into}",
            type_of(value)
        );
        Err(Error::malformed(why))
    };
    let Value::Array(operations) = patch else { return refused(patch, "[]handlers.jsonPatchOp") };
    if let Some(odd) = operations.iter().find(|operation| !operation.is_object()) {
        return refused(odd, "handlers.jsonPatchOp");
    }
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooManyOperations { limit: MAX_OPERATIONS, count: operations.len() });
    }
    let mut patched = Patched { document: document.clone(), copied: 0, work: 0 };
    for operation in operations {
        patched.apply(operation).map_err(Error::unprocessable)?;
    }
    Ok(patched.document)
}

/// The fields of operations that no operation has, as strict field validation words them.
///
/// ```
/// use orch_api::patch::unknown_fields;
/// use serde_json::json;
/// let patch = json!([{"op": "test", "path": "/a", "valeu": 1}]);
/// assert_eq!(unknown_fields(&patch), [r#"json patch unknown field "[0].valeu""#]);
/// ```
#[must_use]
pub fn unknown_fields(patch: &Value) -> Vec<String> {
    const KNOWN: [&str; 4] = ["from", "op", "path", "value"];
    let operations = patch.as_array().into_iter().flatten().enumerate();
    let fields = operations.flat_map(|(at, operation)| {
        operation.as_object().into_iter().flat_map(Tree::keys).map(move |name| (at, name))
    });
    let unknown = fields.filter(|(_, name)| !KNOWN.contains(&name.as_str()));
    unknown.take(MAX_FAULTS).map(|(at, name)| format!("json patch unknown field \"[{at}].{name}\"")).collect()
}

struct Patched {
    document: Value,
    copied: usize,
    work: usize,
}

type Done<T = ()> = Result<T, String>;

impl Patched {
    fn apply(&mut self, operation: &Value) -> Done {
        let kind = operation["op"].as_str().unwrap_or("unknown");
        let text = |field: &str| {
            operation[field]
                .as_str()
                .ok_or_else(|| format!("{kind} operation failed to decode {field}: missing value"))
        };
        let value = &operation["value"];
        match kind {
            "add" => self.add("add", text("path")?, value.clone()),
            "remove" => self.take("remove", text("path")?).map(drop),
            "replace" => self.replace(text("path")?, value),
            "test" => self.test(text("path")?, value),
            "move" => {
                let value = self.take("move", text("from")?)?;
                self.add("move", text("path")?, value)
            }
            "copy" => {
                let from = text("from")?;
                let (holder, name) = self.holder("copy", from)?;
                let value = child(holder, &name)
                    .map_err(|why| at("copy", from, &why))?
                    .cloned()
                    .unwrap_or(Value::Null);
                self.copied += value.to_string().len();
                if self.copied > MAX_COPIED_BYTES {
                    return Err(format!(
                        "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {}",
                        self.copied, MAX_COPIED_BYTES
                    ));
                }
                self.add("copy", text("path")?, value)
            }
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    /// The value that holds what a path names, and the last step.
    fn holder(&mut self, kind: &str, path: &str) -> Done<(&mut Value, String)> {
        let missing =
            || format!("{kind} operation does not apply: doc is missing path: {path:?}: missing value");
        let (_, steps) = path.split_once('/').ok_or_else(missing)?;
        let (steps, last) = match steps.rsplit_once('/') {
            Some((steps, last)) => (Some(steps), last),
            None => (None, steps),
        };
        let mut holder = &mut self.document;
        for step in steps.into_iter().flat_map(|steps| steps.split('/')) {
            let step = decoded(step);
            holder = match holder {
                Value::Object(fields) => fields.get_mut(&step).ok_or_else(missing)?,
                Value::Array(list) => {
                    let index = index(&step, list.len()).map_err(|_| missing())?;
                    list.get_mut(index).ok_or_else(missing)?
                }
                _ => return Err(missing()),
            };
        }
        if holder.is_object() || holder.is_array() { Ok((holder, decoded(last))) } else { Err(missing()) }
    }

    fn add(&mut self, kind: &str, path: &str, value: Value) -> Done {
        let depth = path.matches('/').count();
        self.measure(&value, MAX_LEVELS.checked_sub(depth)).map_err(|why| at(kind, path, &why))?;
        let (holder, name) = self.holder(kind, path)?;
        let mut moved = 0;
        match holder {
            Value::Object(fields) => drop(fields.insert(name, value)),
            Value::Array(list) if name == "-" => list.push(value),
            Value::Array(list) => {
                let place = index(&name, list.len() + 1).map_err(|why| at(kind, path, &why))?;
                moved = list.len() - place;
                list.insert(place, value);
            }
            _ => {}
        }
        self.charge(moved / 64).map_err(|why| at(kind, path, &why))
    }

    fn take(&mut self, kind: &str, path: &str) -> Done<Value> {
        let (holder, name) = self.holder(kind, path)?;
        let (taken, moved) = match holder {
            Value::Object(fields) => (fields.remove(&name), 0),
            Value::Array(list) => {
                let place = index(&name, list.len()).map_err(|why| at(kind, path, &why))?;
                (Some(list.remove(place)), list.len() - place)
            }
            _ => (None, 0),
        };
        self.charge(moved / 64)?;
        taken.ok_or_else(|| {
            at(kind, path, &format!("Unable to remove nonexistent key: {name}: missing value"))
        })
    }

    fn replace(&mut self, path: &str, value: &Value) -> Done {
        if path.is_empty() {
            if !value.is_object() && !value.is_array() {
                return Err("replace operation value must be object or array".to_owned());
            }
            self.measure(value, Some(MAX_LEVELS))?;
            self.document.clone_from(value);
            return Ok(());
        }
        self.measure(value, MAX_LEVELS.checked_sub(path.matches('/').count()))?;
        let (holder, name) = self.holder("replace", path)?;
        match holder {
            Value::Object(fields) => drop(fields.insert(name, value.clone())),
            Value::Array(list) => {
                let place = index(&name, list.len()).map_err(|why| at("replace", path, &why))?;
                list[place].clone_from(value);
            }
            _ => {}
        }
        Ok(())
    }

    fn test(&mut self, path: &str, value: &Value) -> Done {
        let found = if path.is_empty() {
            Some(&self.document)
        } else {
            let (holder, name) = self.holder("test", path)?;
            child(holder, &name).map_err(|why| at("test", path, &why))?
        };
        let holds = found.unwrap_or(&Value::Null) == value;
        if holds { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
    }

    /// Counts the values in a tree, which is not to be deeper than there is room.
    fn measure(&mut self, value: &Value, room: Option<usize>) -> Done {
        let room = room.ok_or_else(too_deep)?;
        self.charge(1)?;
        let below = || room.checked_sub(1);
        match value {
            Value::Array(list) => list.iter().try_for_each(|value| self.measure(value, below())),
            Value::Object(fields) => fields.values().try_for_each(|value| self.measure(value, below())),
            _ => Ok(()),
        }
    }

    fn charge(&mut self, work: usize) -> Done {
        self.work += work;
        if self.work > MAX_WORK { Err("the patch moves too much".to_owned()) } else { Ok(()) }
    }
}

fn too_deep() -> String {
    format!("the object would be nested deeper than {MAX_LEVELS} levels")
}

fn at(kind: &str, path: &str, why: &str) -> String {
    format!("error in {kind} for path: '{path}': {why}")
}

/// The value of a step; `None` for a field that is absent.
fn child<'v>(holder: &'v Value, name: &str) -> Done<Option<&'v Value>> {
    match holder {
        Value::Array(list) => index(name, list.len()).map(|index| list.get(index)),
        other => Ok(other.get(name)),
    }
}

/// The place that a text names in a list; negative ones count from the end.
fn index(text: &str, len: usize) -> Done<usize> {
    let number: i64 = text.parse().map_err(|_| format!("value was not a proper array index: '{text}'"))?;
    let invalid = || format!("Unable to access invalid index: {number}: invalid index referenced");
    let from_end = usize::try_from(number.unsigned_abs()).map_err(|_| invalid())?;
    let place = if number < 0 { len.checked_sub(from_end) } else { Some(from_end) };
    place.filter(|place| *place < len).ok_or_else(invalid)
}

fn decoded(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests;
