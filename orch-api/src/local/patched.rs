//! Objects as patches want them: JSON patch, strategic merge patch and apply. A merge patch is done where the tree is.
//!
//! After `apiserver/pkg/endpoints/handlers/patch.go`.

use orch_core::{
    Error, Fault, FaultKind, FieldValidation, Live, Patch, PatchFault, Precondition, Result, Subresource,
    Verb,
};
use serde_json::Value;

use super::batch::Of;
use super::change::must_be_object;
use super::{managed, metadata};
use crate::conform::malformed;
use crate::convert::Form;
use crate::merge::merged;
use crate::patch::{Managers, json_patch, strategic_merge, unknown_fields};
use crate::tree::Set;

/// An object that a patch makes.
pub(super) struct Patched {
    pub(super) tree: Value,
    /// Who manages it, when the patch says: an apply.
    pub(super) managers: Option<Managers>,
}

impl From<Value> for Patched {
    fn from(tree: Value) -> Self {
        Self { tree, managers: None }
    }
}

impl Of<'_> {
    /// The whole object after a patch, or its Scale, in the form that the patch is for; `None` for other writes, and for merge
    /// patches of the stored form, which are done where the tree is.
    pub(super) fn patched(&self, stored: &Live) -> Result<Option<Patched>> {
        let patched = match &self.write.verb {
            Verb::Patch(Patch::Json(patch)) => self.operated(stored, patch)?.into(),
            Verb::Patch(Patch::Strategic(patch)) => self.strategic(stored, patch)?.into(),
            Verb::Patch(Patch::Apply { .. }) => self.applied(Some(stored))?,
            Verb::Patch(Patch::Merge(patch))
                if self.form.is_some() || self.write.subresource == Subresource::Scale =>
            {
                must_be_object(&self.info, patch)?;
                merged(&self.document(stored, patch)?, Value::clone(patch)).into()
            }
            _ => return Ok(None),
        };
        if !patched.tree.is_object() {
            return Err(self.unprocessable("the patch makes no object of it"));
        }
        if self.write.subresource == Subresource::Scale {
            self.check_scale(&patched.tree)?;
        }
        // The patch may say which state it is for.
        let expected = metadata::precondition(&self.write.key, &Precondition::default(), &patched.tree)?;
        metadata::expect(&expected, stored)?;
        Ok(Some(patched))
    }

    fn unprocessable(&self, why: &str) -> Error {
        Error::Patch { key: self.key(), fault: PatchFault::Unprocessable, why: why.to_owned() }
    }

    /// The stored object as clients see it, which is what they patch. The managed fields are in it only if the patch may look
    /// at them: nobody reads what nobody asks for.
    fn document(&self, stored: &Live, patch: &Value) -> Result<Value> {
        let mut tree = Value::clone(&self.spoken(stored.tree()));
        let fields = metadata::root(&self.info, &mut tree)?.make("metadata");
        fields.put("resourceVersion", stored.revision().to_string());
        if concerns_managers(patch)
            && let Some(managed) = managed::tree(stored)
        {
            fields.put("managedFields", managed);
        }
        if let Some(form) = self.form {
            form.from_stored(&mut tree);
        }
        Ok(if self.write.subresource == Subresource::Scale { self.scale_of(&tree) } else { tree })
    }

    fn operated(&self, stored: &Live, patch: &Value) -> Result<Value> {
        let unknown = unknown_fields(patch);
        if self.write.options.field_validation == FieldValidation::Strict && !unknown.is_empty() {
            let why = format!("strict decoding error: {}", unknown.join(", "));
            return Err(self.of_patch(malformed(&self.info, why)));
        }
        json_patch(&self.document(stored, patch)?, patch).map_err(|error| error.of(&self.key()))
    }

    fn strategic(&self, stored: &Live, patch: &Value) -> Result<Value> {
        let ty = match self.write.subresource {
            Subresource::Scale => crate::schema::lookup("autoscaling", "v1", "Scale"),
            _ => self.form.map_or(self.strategy.ty, Form::ty),
        };
        let why = "strategic merge patch format is not supported";
        let refused = || Error::Patch { key: self.key(), fault: PatchFault::Malformed, why: why.to_owned() };
        let ty = ty.ok_or_else(refused)?;
        strategic_merge(&self.document(stored, patch)?, patch, ty).map_err(|error| error.of(&self.key()))
    }

    /// The object after an apply, which may be absent before.
    pub(super) fn applied(&self, stored: Option<&Live>) -> Result<Patched> {
        let Verb::Patch(Patch::Apply { config, conflicts }) = &self.write.verb else {
            return Err(self.not_allowed("apply"));
        };
        let Some(manager) = self.write.options.field_manager.as_deref() else {
            let why = "is required for apply patch";
            return Err(self.invalid(vec![Fault::new(FaultKind::Required, "fieldManager", why)]));
        };
        if let Some(stored) = stored
            && self.write.subresource == Subresource::Scale
        {
            let live = self.document(stored, config)?;
            let applied = self.scale_applied(stored, &live, config, manager, *conflicts);
            return applied.map_err(|error| self.named(error));
        }
        let managers = stored.map_or_else(|| Ok(Managers::default()), |stored| self.managers(stored))?;
        let live = stored.map(|stored| self.in_sent_form(self.spoken(stored.tree())));
        let applied = self.with_tracker(config, |tracker| {
            tracker.apply(live.as_deref(), config, managers, manager, *conflicts)
        });
        let applied = applied.map_err(|error| self.named(error))?;
        let tree = applied.object.or_else(|| live.as_deref().cloned());
        Ok(Patched { tree: tree.unwrap_or_else(|| Value::clone(config)), managers: Some(applied.managers) })
    }

    /// What does not fit the kind's type, when a patch made it: a patch that is invalid, not a body that cannot be read.
    pub(super) fn of_patch(&self, error: Error) -> Error {
        let is_patch =
            matches!(self.write.verb, Verb::Patch(Patch::Json(_) | Patch::Merge(_) | Patch::Strategic(_)));
        match error {
            Error::Malformed { why, .. } if is_patch => {
                self.invalid(vec![Fault::new(FaultKind::Invalid, "patch", why)])
            }
            other => other,
        }
    }

    /// The error with the key of the write: the configuration need not have it all.
    fn named(&self, error: Error) -> Error {
        let key = self.key();
        match error {
            Error::Patch { fault, why, .. } => Error::Patch { key, fault, why },
            Error::Conflict { cause, .. } => Error::Conflict { key, cause },
            other => other,
        }
    }
}

/// Whether a patch names the managed fields, or has an operation on all metadata as one.
fn concerns_managers(patch: &Value) -> bool {
    fn names(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains("managedFields"),
            Value::Array(items) => items.iter().any(names),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| name.contains("managedFields") || names(value))
            }
            _ => false,
        }
    }
    let is_of_whole = |operation: &Value| {
        let places = ["path", "from"].map(|field| operation.get(field).and_then(Value::as_str));
        places.into_iter().flatten().any(|place| matches!(place, "" | "/metadata"))
    };
    names(patch) || patch.as_array().is_some_and(|operations| operations.iter().any(is_of_whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn managed_fields_are_read_for_patches_that_may_look_at_them() {
        for (patch, expected) in [
            (json!({"metadata": {"labels": {"a": "b"}}}), false),
            (json!({"metadata": {"managedFields": null}}), true),
            (json!({"metadata": {"$setElementOrder/managedFields": []}}), true),
            (json!([{"op": "add", "path": "/metadata/labels", "value": {}}]), false),
            (json!([{"op": "remove", "path": "/metadata/managedFields/0"}]), true),
            (json!([{"op": "copy", "from": "/metadata", "path": "/spec/template/metadata"}]), true),
            (json!([{"op": "test", "path": "", "value": {}}]), true),
        ] {
            assert_eq!(concerns_managers(&patch), expected, "{patch}");
        }
    }
}
