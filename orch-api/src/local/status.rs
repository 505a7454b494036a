//! Changing the status of an object and nothing else, without decoding the rest.

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{FieldValidation, Live, Patch, Result, Subresource, Verb, kind};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::managed::Managed;
use super::metadata;
use crate::conform::{conform, malformed};
use crate::convert;
use crate::custom::CustomKind;
use crate::merge::merged;
use crate::strategy;
use crate::tree::{Get, Set, Tree};

impl Of<'_> {
    pub(super) async fn status(mut self) -> Result<Step> {
        let stored = self.stored().await?;
        self.expect(&stored)?;
        if CustomKind::of(&self.info).is_some() {
            return self.custom_status(&stored);
        }
        let patched = self.patched(&stored)?;
        let (patched, managers) = patched.map(|patched| (patched.tree, patched.managers)).unzip();
        let Some(mut new) = self.new_status(&stored, patched)? else { return Ok(Step::Done(stored)) };
        if let Some(ty) = self.strategy.part("status") {
            conform(&self.info, &mut new, ty, self.write.options.field_validation)
                .map_err(|error| self.of_patch(error))?;
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
        let managed = match managers.flatten() {
            Some(managers) => Managed::Now(managers),
            None => self.tracked_status(&stored, &new)?,
        };
        let object = stored.with_status(&self.info, &new)?;
        if object.same_content(&stored) && managed.is_same(&stored) {
            return Ok(Step::Done(stored));
        }
        let object = managed.put(object, Some(&stored), &self.api.shared.texts);
        // Who issues certificates must not be who approves them, however they write.
        let decides = self.info.kind == kind::CERTIFICATE_SIGNING_REQUESTS;
        if decides || self.write.options.field_validation != FieldValidation::Ignore {
            self.judge(&stored, &new)?;
        }
        let answer = Live::spliced(object, Part::Status, Arc::new(new));
        Ok(Commit::replace(answer, &stored).into())
    }

    /// The status as the client wants it; `None` when the write says nothing about it.
    fn new_status(&mut self, stored: &Live, patched: Option<Value>) -> Result<Option<Value>> {
        // One that is tried again is still needed.
        let once = self.write.precondition.revision.is_some();
        let new = match &self.write.verb {
            Verb::Update(tree) => {
                self.same_name(tree)?;
                match convert::sent_as(self.info.kind, tree) {
                    None => tree.get("status").cloned().unwrap_or_default(),
                    Some(_) => {
                        let mut tree = Value::clone(tree);
                        self.in_stored_form(&mut tree)?;
                        tree.get_mut("status").map(Value::take).unwrap_or_default()
                    }
                }
            }
            Verb::Patch(Patch::Merge(patch)) if patched.is_none() => {
                self.check_merge()?;
                self.same_name(patch)?;
                let Some(change) = patch.get("status") else { return Ok(None) };
                let change = if once { self.taken() } else { change.clone() };
                merged(&stored.part_tree(Part::Status), change)
            }
            _ => match patched {
                Some(mut patched) => {
                    self.same_name(&patched)?;
                    self.in_stored_form(&mut patched)?;
                    patched.get_mut("status").map(Value::take).unwrap_or_default()
                }
                None => return Err(self.not_allowed("create of that subresource")),
            },
        };
        Ok(Some(if new.is_null() { Value::Object(Tree::new()) } else { new }))
    }

    /// The managed fields after a write that is no apply. The rest of the object is decoded only when it is tracked.
    fn tracked_status(&self, stored: &Live, status: &Value) -> Result<Managed> {
        if self.write.options.field_manager.is_none() && !self.is_untracked {
            return Ok(Managed::Kept);
        }
        let old = stored.tree();
        let mut new = Value::clone(&old);
        metadata::root(&self.info, &mut new)?.put("status", status.clone());
        Ok(self.tracked(Some((stored, &old)), &new, None))
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

    pub(super) fn same_name(&self, tree: &Value) -> Result<()> {
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
