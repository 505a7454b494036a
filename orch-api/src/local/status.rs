//! Changing the status of an object and nothing else, without decoding the rest.

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{FieldValidation, Live, Patch, Result, Subresource, Verb, kind};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::change::must_be_object;
use super::metadata;
use crate::conform::{check_patch, conform, malformed};
use crate::merge::merged;
use crate::strategy;
use crate::tree::{Get, Set, Tree};

impl Of<'_> {
    pub(super) async fn status(mut self) -> Result<Step> {
        let stored = self.stored().await?;
        self.expect(&stored)?;
        let Some(mut new) = self.new_status(&stored)? else { return Ok(Step::Done(stored)) };
        if let Some(ty) = self.strategy.part("status") {
            conform(&self.info, &mut new, ty, self.write.options.field_validation)?;
        }
        if let Some(fields) = new.as_object_mut() {
            let before = stored.part_tree(Part::Status);
            let old = |field: &str| before.get(field).cloned();
            let now = metadata::seconds(self.api.shared.env.now());
            if self.write.subresource == Subresource::Approval {
                strategy::approve(fields, &before, &now);
            } else {
                (self.strategy.row.status)(fields, &old, &now);
            }
        }
        let object = stored.with_status(&self.info, &new)?;
        if object.same_content(&stored) {
            return Ok(Step::Done(stored));
        }
        // Who issues certificates must not be who approves them, however they write.
        let decides = self.info.kind == kind::CERTIFICATE_SIGNING_REQUESTS;
        if decides || self.write.options.field_validation != FieldValidation::Ignore {
            self.judge(&stored, &new)?;
        }
        let answer = Live::spliced(object, Part::Status, Arc::new(new));
        Ok(Commit::replace(answer, stored.revision()).into())
    }

    /// The status as the client wants it; `None` when the write says nothing about it.
    fn new_status(&mut self, stored: &Live) -> Result<Option<Value>> {
        // One that is tried again is still needed.
        let once = self.write.precondition.revision.is_some();
        let new = match &self.write.verb {
            Verb::Update(tree) => {
                self.same_name(tree)?;
                tree.get("status").cloned().unwrap_or_default()
            }
            Verb::Patch(Patch::Merge(patch)) => {
                must_be_object(&self.info, patch)?;
                self.same_name(patch)?;
                if let Some(ty) = self.strategy.ty {
                    check_patch(&self.info, patch, ty, self.write.options.field_validation)?;
                }
                let Some(change) = patch.get("status") else { return Ok(None) };
                let change = if once { self.taken() } else { change.clone() };
                merged(&stored.part_tree(Part::Status), change)
            }
            _ => return Err(self.not_allowed("create of that subresource")),
        };
        Ok(Some(if new.is_null() { Value::Object(Tree::new()) } else { new }))
    }

    /// The `status` of the patch, which is not needed again.
    fn taken(&mut self) -> Value {
        let Verb::Patch(Patch::Merge(patch)) = &mut self.write.verb else { return Value::Null };
        let mut patch = Arc::unwrap_or_clone(std::mem::take(patch));
        patch.get_mut("status").map(Value::take).unwrap_or_default()
    }

    /// Judges the whole object with the new status. A client that says nothing about field validation is a part of the
    /// cluster: its status fits the type, and is not worth decoding the rest for.
    fn judge(&self, stored: &Live, status: &Value) -> Result<()> {
        let old = stored.tree();
        let mut new = Value::clone(&old);
        metadata::root(&self.info, &mut new)?.put("status", status.clone());
        self.validate(&new, Some(&old), self.write.subresource)
    }

    fn same_name(&self, tree: &Value) -> Result<()> {
        let name = tree.object_at("metadata").map_or("", |metadata| metadata.text("name"));
        if name.is_empty() || name == &*self.write.key.name {
            return Ok(());
        }
        let key = &self.write.key.name;
        Err(malformed(
            &self.info,
            format!("the name of the object ({name}) does not match the name on the URL ({key})"),
        ))
    }
}
