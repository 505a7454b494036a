//! Kubernetes' strategic merge patch: a merge patch that knows how the lists of a type merge.
//!
//! After `apimachinery/pkg/util/strategicpatch/patch.go` and its design document, *preserve order in strategic merge patch*.
//! Only the applying of a patch is here, not the making of one. Directives: `$patch` (`delete`, `replace`, `merge`),
//! `$retainKeys`, `$deleteFromPrimitiveList/<field>` and `$setElementOrder/<field>`. Invariant: no directive is left in the
//! result where Kubernetes leaves none.

mod lists;
mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use self::lists::List;
use super::Error;
use super::typed::is_deeper;
use crate::schema::{Field, MAX_DEPTH, TypeRef};
use crate::tree::Tree;

pub(super) const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Changes an object as a patch says.
///
/// ```
/// use orch_api::{patch::strategic_merge, schema};
/// use serde_json::json;
/// let pod = schema::lookup("", "v1", "Pod").unwrap();
/// let live = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]}});
/// let patch = json!({"spec": {"containers": [{"name": "b", "image": "y:2"}]}});
/// let patched = strategic_merge(&live, &patch, pod).unwrap();
/// assert_eq!(patched["spec"]["containers"][1]["image"], "y:2");
/// assert_eq!(patched["spec"]["containers"][0]["image"], "x:1");
/// ```
///
/// # Errors
/// [`Error::Malformed`] when it is not an object or a directive is not well formed, [`Error::Unprocessable`] for lists of
/// lists, [`Error::Unfit`] when it does not fit the type: an element without its merge key, a field that the type has not.
pub fn strategic_merge(live: &Value, patch: &Value, ty: TypeRef) -> Result<Value, Error> {
    let Value::Object(fields) = patch else { return Err(Error::malformed("invalid JSON document")) };
    if is_deeper(patch, MAX_DEPTH) || is_deeper(live, MAX_DEPTH) {
        return Err(Error::malformed(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    let live = live.as_object().cloned().unwrap_or_default();
    Ok(Value::Object(merge_map(live, fields.clone(), Some(ty))?))
}

/// Merges a patch into an object. The type is that of the object; `None` below what types know.
pub(super) fn merge_map(mut live: Tree, mut patch: Tree, ty: Option<TypeRef>) -> Result<Tree, Error> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Tree::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut live, &mut patch)?;
    order::apply(&mut live, &mut patch, ty)?;
    for (name, change) in patch {
        match name.strip_prefix(DELETE_FROM) {
            Some(rest) => {
                let name = rest.strip_prefix('/').ok_or_else(|| Error::malformed(BAD_DELETE))?;
                delete_from(&mut live, name, change, ty)?;
            }
            None => merge_field(&mut live, name, change, ty)?,
        }
    }
    Ok(live)
}

const BAD_DELETE: &str = "invalid patch format of primitive list";
const BAD_RETAIN: &str = "invalid patch format of retainKeys";

fn merge_field(live: &mut Tree, name: String, change: Value, ty: Option<TypeRef>) -> Result<(), Error> {
    if change.is_null() {
        live.remove(&name);
        return Ok(());
    }
    let merged = match (live.remove(&name), change) {
        (Some(Value::Object(live)), Value::Object(change)) => match facts(ty, &name)? {
            Facts { field: Some(field), .. } if field.patch_strategy().replace => Some(Value::Object(change)),
            Facts { below, .. } => Some(Value::Object(merge_map(live, change, below)?)),
        },
        (Some(Value::Array(live)), Value::Array(change)) => {
            let list = List::of(facts(ty, &name)?)?;
            Some(Value::Array(list.merge(live, change)?))
        }
        // Another kind of value, or none: the patch's is taken without the directives.
        (Some(Value::Object(_) | Value::Array(_)) | None, mut change) => {
            discard_nulls(&mut change);
            without_directives(change)
        }
        (Some(_), mut change) => {
            discard_nulls(&mut change);
            without_directives(change)
        }
    };
    if let Some(merged) = merged {
        live.insert(name, merged);
    }
    Ok(())
}

/// Takes elements out of a list of scalars.
fn delete_from(live: &mut Tree, name: &str, change: Value, ty: Option<TypeRef>) -> Result<(), Error> {
    if change.is_null() {
        live.remove(name);
        return Ok(());
    }
    if let (Some(Value::Array(list)), Value::Array(gone)) = (live.get(name), change) {
        let list = List::of(facts(ty, name)?)?.delete(list.clone(), gone)?;
        live.insert(name.to_owned(), Value::Array(list));
    }
    Ok(())
}

/// `$retainKeys` lists all keys that stay; the patch may name no other.
fn retain_keys(live: &mut Tree, patch: &mut Tree) -> Result<(), Error> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = directive else { return Err(Error::malformed(BAD_RETAIN)) };
    let keys: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let is_content = |(name, value): &(&String, &Value)| {
        !value.is_null() && !name.starts_with(DELETE_FROM) && !name.starts_with(SET_ORDER)
    };
    if patch.iter().filter(is_content).any(|(name, _)| !keys.contains(name.as_str())) {
        return Err(Error::malformed(BAD_RETAIN));
    }
    live.retain(|name, _| keys.contains(name.as_str()));
    Ok(())
}

/// What the type says of a field.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// `None` for the key of a map.
    pub(super) field: Option<Field>,
    /// The type of what is in it.
    pub(super) below: Option<TypeRef>,
}

/// Looks a field up.
fn facts(ty: Option<TypeRef>, name: &str) -> Result<Facts, Error> {
    let unknown = || Error::unfit(format!("unable to find api field in struct for the json field {name:?}"));
    let Some(ty) = ty else { return Ok(Facts { field: None, below: None }) };
    match ty.definition() {
        Some(definition) => {
            let field = definition.field(name).ok_or_else(unknown)?;
            Ok(Facts { field: Some(field), below: Some(field.ty()) })
        }
        None => Ok(Facts { field: None, below: ty.item() }),
    }
}

fn unknown_directive(directive: &Value, map: &Tree) -> Error {
    let directive = directive.as_str().map_or_else(|| directive.to_string(), str::to_owned);
    Error::unfit(format!("unknown patch type: {directive} in map: {}", super::typed::go_map(map)))
}

/// A value as it stands without directives; `None` when it is one itself.
pub(super) fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => {
            let kept =
                fields.into_iter().filter_map(|(name, value)| Some((name, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(list) => Some(list.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(discard_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}
