//! Decoding without decoding: brings a tree into the shape that its type has after Kubernetes' decoder and encoder.
//!
//! One walk removes unknown fields and `null`s and writes quantities and times in their canonical text, so that equal
//! objects are equal trees. Not validation, and no defaults. The invariant: a tree that was conformed and had no error
//! fits its type, so whoever reads it later needs no second look.

use jiff::Timestamp;
use orch_core::{Error, FieldValidation, KindInfo, Result, quantity};
use serde_json::{Map, Value};

use crate::schema::{self, FaultReason, MAX_DEPTH, Type, TypeRef};

/// In Kubernetes' words (`apimachinery/pkg/api/resource/quantity.go`).
pub(crate) const NOT_A_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Conforms a tree, or a part of one, to its type.
///
/// # Errors
/// `Malformed` with everything that does not fit, unknown fields only when `validation` is strict.
pub(crate) fn conform(
    info: &KindInfo,
    tree: &mut Value,
    ty: TypeRef,
    validation: FieldValidation,
) -> Result<()> {
    if validation == FieldValidation::Strict {
        let mut unknown = schema::check(tree, ty);
        unknown.retain(|fault| fault.reason == FaultReason::UnknownField);
        if !unknown.is_empty() {
            return Err(refused(info, "strict decoding error: ", &unknown));
        }
    }
    let mut walk = Walk { misfit: false, quantity: None };
    walk.value(tree, ty, 0);
    if walk.misfit {
        let mut misfits = schema::check(tree, ty);
        misfits.retain(|fault| fault.reason != FaultReason::UnknownField);
        return Err(refused(info, "", &misfits));
    }
    match walk.quantity {
        Some(text) => Err(malformed(info, format!("{NOT_A_QUANTITY}: {text:?}"))),
        None => Ok(()),
    }
}

/// Checks a patch, whose `null`s mean removal.
///
/// # Errors
/// As [`conform`].
pub(crate) fn check_patch(
    info: &KindInfo,
    patch: &Value,
    ty: TypeRef,
    validation: FieldValidation,
) -> Result<()> {
    if validation != FieldValidation::Strict {
        return Ok(());
    }
    match schema::check(patch, ty) {
        faults if faults.is_empty() => Ok(()),
        faults => Err(refused(info, "strict decoding error: ", &faults)),
    }
}

fn refused(info: &KindInfo, prefix: &str, faults: &[schema::Fault]) -> Error {
    let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
    malformed(info, format!("{prefix}{}", all.join(", ")))
}

/// The error for a tree that cannot be read as that kind.
pub(crate) fn malformed(info: &KindInfo, why: impl Into<String>) -> Error {
    let subject = format!("{} in version {:?}", info.name, &*info.versions[0]);
    Error::Malformed { subject, field: String::new(), why: why.into() }
}

struct Walk {
    misfit: bool,
    quantity: Option<String>,
}

impl Walk {
    fn value(&mut self, value: &mut Value, ty: TypeRef, depth: usize) {
        if depth >= MAX_DEPTH {
            self.misfit = true;
            return;
        }
        match (ty.get(), &mut *value) {
            (Type::Any, _)
            | (Type::String, Value::String(_))
            | (Type::Number, Value::Number(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::IntOrString, Value::String(_)) => {}
            (Type::Object(definition), Value::Object(fields)) => {
                let mut is_over = false;
                for (key, value) in fields.iter_mut() {
                    match definition.field(key) {
                        Some(field) if !value.is_null() => self.value(value, field.ty(), depth + 1),
                        _ => is_over = true,
                    }
                }
                // Hardly ever: taking out costs more than looking.
                if is_over {
                    fields.retain(|key, value| !value.is_null() && definition.field(key).is_some());
                }
            }
            (Type::Map(item), Value::Object(entries)) => {
                entries.values_mut().for_each(|value| self.element(value, item, depth + 1));
            }
            (Type::Array(item), Value::Array(elements)) => {
                elements.iter_mut().for_each(|value| self.element(value, item, depth + 1));
            }
            (Type::Int32 | Type::IntOrString, Value::Number(number)) => {
                self.misfit |= number.as_i64().is_none_or(|number| i32::try_from(number).is_err());
            }
            (Type::Int64, Value::Number(number)) => self.misfit |= !number.is_i64(),
            (Type::Quantity, Value::String(_) | Value::Number(_)) => self.quantity(value),
            (Type::Bytes, Value::String(_)) => self.misfit |= !schema::check(value, ty).is_empty(),
            (Type::Time | Type::MicroTime, Value::String(_)) => self.time(value, ty),
            _ => self.misfit = true,
        }
    }

    fn element(&mut self, value: &mut Value, ty: TypeRef, depth: usize) {
        if value.is_null() {
            *value = empty(ty);
        } else {
            self.value(value, ty, depth);
        }
    }

    /// As Kubernetes writes it: UTC, with whole seconds or with microseconds.
    fn time(&mut self, value: &mut Value, ty: TypeRef) {
        let micro = ty.get() == Type::MicroTime;
        let text = value.as_str().unwrap_or_default();
        let canonical = text.ends_with('Z') && text.len() == if micro { 27 } else { 20 };
        if !schema::check(value, ty).is_empty() {
            self.misfit = true;
            return;
        }
        if canonical {
            return;
        }
        let Ok(time) = text.parse::<Timestamp>() else {
            self.misfit = true;
            return;
        };
        let canonical = if micro { orch_core::rfc3339_micro(time) } else { orch_core::rfc3339(time) };
        if value.as_str() != Some(&canonical) {
            *value = Value::String(canonical);
        }
    }

    fn quantity(&mut self, value: &mut Value) {
        let number;
        let text = match &*value {
            Value::String(text) => text,
            other => {
                number = other.to_string();
                &number
            }
        };
        match quantity::normalize(text.trim()) {
            Ok(normal) if value.as_str() == Some(&*normal) => {}
            Ok(normal) => *value = Value::String(normal.into_owned()),
            Err(_) => self.quantity = Some(text.clone()),
        }
    }
}

/// What Go's decoder leaves in an element that is `null`.
fn empty(ty: TypeRef) -> Value {
    match ty.get() {
        Type::Any | Type::Time | Type::MicroTime => Value::Null,
        Type::String | Type::Bytes => Value::from(""),
        Type::Int32 | Type::Int64 | Type::Number | Type::IntOrString => Value::from(0),
        Type::Boolean => Value::from(false),
        Type::Quantity => Value::from("0"),
        Type::Map(_) | Type::Object(_) => Value::Object(Map::new()),
        Type::Array(_) => Value::Array(Vec::new()),
    }
}

/// Conforms the metadata of an object whose kind has no type here.
///
/// # Errors
/// As [`conform`].
pub(crate) fn metadata(info: &KindInfo, metadata: &mut Value, validation: FieldValidation) -> Result<()> {
    let definition = schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    definition.map_or(Ok(()), |definition| conform(info, metadata, definition.ty(), validation))
}
