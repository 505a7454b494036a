//! Changing the status of an object, and the metadata that may change with it, without decoding the rest.

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{FieldValidation, Live, Patch, Result, Subresource, Verb, kind};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::managed::Managed;
use super::{metadata, removal};
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
        let metadata = self.new_metadata(&stored, patched.as_ref())?;
        let mut new = match self.new_status(&stored, patched)? {
            Some(new) => new,
            None if metadata.is_some() => Value::clone(&stored.part_tree(Part::Status)),
            None => return Ok(Step::Done(stored)),
        };
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
            None => self.tracked_status(&stored, &new, metadata.as_ref())?,
        };
        let mut object = stored.with_status(&self.info, &new)?;
        if let Some(metadata) = &metadata {
            object = object.with_part(&self.info, Part::Metadata, metadata)?;
        }
        if object.same_content(&stored) && managed.is_same(&stored) {
            return Ok(Step::Done(stored));
        }
        let object = managed.put(object, Some(&stored), &self.api.shared.texts);
        // Who issues certificates must not be who approves them, however they write.
        let decides = self.info.kind == kind::CERTIFICATE_SIGNING_REQUESTS;
        let validation = self.write.options.field_validation;
        let is_judged = decides || metadata.is_some() || validation != FieldValidation::Ignore;
        let tree = is_judged.then(|| whole(&stored, &new, metadata.as_ref()));
        if let Some(tree) = &tree {
            self.validate(tree, Some(&stored.tree()), self.write.subresource)?;
        }
        let answer = match tree.filter(|_| metadata.is_some()) {
            Some(tree) => Live::fresh(object, Arc::new(tree)),
            None => Live::spliced(object, Part::Status, Arc::new(new)),
        };
        if metadata.is_some() && removal::is_due(self.strategy.row.deletion, &answer) {
            return Ok(self.remove(&stored, answer));
        }
        Ok(Commit::replace(answer, &stored).into())
    }

    /// The metadata as the client wants it, where it may change with the status; `None` when it stays. An update that says
    /// nothing about field validation comes from a part of the cluster and means the status alone.
    fn new_metadata(&self, stored: &Live, patched: Option<&Value>) -> Result<Option<Value>> {
        let sent = match (&self.write.verb, patched) {
            (_, Some(patched)) => patched.get("metadata").cloned(),
            (Verb::Update(tree), None) if self.write.options.field_validation != FieldValidation::Ignore => {
                tree.get("metadata").cloned()
            }
            (Verb::Patch(Patch::Merge(patch)), None) => {
                let change = patch.get("metadata").cloned();
                change.map(|change| merged(&stored.part_tree(Part::Metadata), change))
            }
            _ => None,
        };
        let Some(mut sent) = sent else { return Ok(None) };
        crate::conform::metadata(&self.info, &mut sent, self.write.options.field_validation)
            .map_err(|error| self.of_patch(error))?;
        let old = stored.part_tree(Part::Metadata);
        let mut new = Value::clone(&old);
        if let (Some(fields), Some(sent)) = (new.as_object_mut(), sent.as_object()) {
            for field in strategy::metadata_with_status(self.info.kind) {
                if sent.is_unset(field) {
                    fields.remove(*field);
                } else {
                    fields.copy_from(sent, field);
                }
            }
        }
        Ok((new != *old).then_some(new))
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
    fn tracked_status(&self, stored: &Live, status: &Value, metadata: Option<&Value>) -> Result<Managed> {
        if self.write.options.field_manager.is_none() && !self.is_untracked {
            return Ok(Managed::Kept);
        }
        let old = stored.tree();
        let new = whole(stored, status, metadata);
        Ok(self.tracked(Some((stored, &old)), &new, None))
    }

    /// The `status` of the patch, which is not needed again.
    fn taken(&mut self) -> Value {
        let Verb::Patch(Patch::Merge(patch)) = &mut self.write.verb else { return Value::Null };
        let mut patch = Arc::unwrap_or_clone(std::mem::take(patch));
        patch.get_mut("status").map(Value::take).unwrap_or_default()
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

/// The whole object with another status, and other metadata if there is any.
fn whole(stored: &Live, status: &Value, metadata: Option<&Value>) -> Value {
    let mut tree = Value::clone(&stored.tree());
    if let Some(fields) = tree.as_object_mut() {
        fields.put("status", status.clone());
        if let Some(metadata) = metadata {
            fields.put("metadata", metadata.clone());
        }
    }
    tree
}
