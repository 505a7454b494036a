//! Writes of objects of custom kinds: the version in which a client speaks, the shape that its schema gives, status and scale.
//!
//! After `apiextensions-apiserver/pkg/registry/customresource`. Not for kinds that a program registered without a definition.
//! The invariant: what is stored speaks the version of storage.

use std::sync::Arc;

use orch_core::{
    Error, Fault, FaultKind, FieldValidation, Live, Object, Patch, PatchFault, Result, Subresource, Verb,
};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::managed::Managed;
use super::metadata;
use super::patched::Patched;
use crate::conform::malformed;
use crate::custom::CustomKind;
use crate::custom::scale::ScalePaths;
use crate::merge::merged;
use crate::tree::{Get, Set};

/// Why nothing is created of a kind whose definition goes.
const TERMINATING: &str = "create not allowed while custom resource definition is terminating";

impl Of<'_> {
    /// What is stored, as the client of this write sees it. Of other kinds than custom ones it is what is stored.
    pub(super) fn spoken(&self, stored: Arc<Value>) -> Arc<Value> {
        let Some(custom) = CustomKind::of(&self.info) else { return stored };
        let api_version = match (&self.write.options.api_version, &self.write.verb) {
            (Some(api_version), _) => api_version,
            (None, Verb::Update(tree) | Verb::Patch(Patch::Apply { config: tree, .. })) => {
                tree.text("apiVersion")
            }
            _ => "",
        };
        let mut tree = Value::clone(&stored);
        custom.read(&mut tree, custom.spoken(api_version));
        if tree == *stored { stored } else { Arc::new(tree) }
    }

    /// Refuses an object that says to be of another kind; and a patch that makes it one of another version
    /// (`ValidateTypeMeta` of `registry/customresource/validator.go`).
    pub(super) fn check_type(&self, tree: &Value) -> Result<()> {
        let Some(custom) = CustomKind::of(&self.info) else { return self.check_registered(tree) };
        let mut faults = Vec::new();
        let mut must_be = |field: &str, expected: &str| {
            let found = tree.text(field);
            if !found.is_empty() && found != expected {
                let fault = Fault::new(FaultKind::Invalid, field, format!("must be {expected}"));
                faults.push(fault.value(format!("{found:?}")));
            }
        };
        must_be("kind", &self.info.name);
        if let (Verb::Patch(_), Some(spoken)) = (&self.write.verb, &self.write.options.api_version) {
            must_be("apiVersion", &custom.api_version(custom.spoken(spoken)));
        }
        if faults.is_empty() { Ok(()) } else { Err(self.invalid(faults)) }
    }

    /// Refuses a patch that makes an object one of no kind that there is.
    fn check_registered(&self, tree: &Value) -> Result<()> {
        if !matches!(self.write.verb, Verb::Patch(Patch::Json(_) | Patch::Merge(_))) {
            return Ok(());
        }
        let (kind, api_version) = (tree.text("kind"), tree.text("apiVersion"));
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let is_version =
            group == self.info.kind.group() && self.info.versions.iter().any(|known| &**known == version);
        if (kind.is_empty() || kind == &*self.info.name) && (api_version.is_empty() || is_version) {
            return Ok(());
        }
        let why = format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        );
        Err(self.invalid(vec![
            Fault::new(FaultKind::Invalid, "patch", why).value(format!("{:?}", tree.to_string())),
        ]))
    }

    /// Gives an object the shape of its version.
    pub(super) fn conform_custom(&self, custom: &CustomKind, tree: &mut Value) -> Result<()> {
        let mut misfit = None;
        let version = custom.spoken(tree.text("apiVersion"));
        let unknown = version.complete(tree, &mut |metadata| {
            if let Err(error) = crate::conform::metadata(&self.info, metadata, FieldValidation::Ignore) {
                misfit = Some(error);
            }
        });
        if let Some(error) = misfit {
            return Err(error);
        }
        if self.write.options.field_validation == FieldValidation::Strict && !unknown.is_empty() {
            let all: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
            return Err(malformed(&self.info, format!("strict decoding error: {}", all.join(", "))));
        }
        Ok(())
    }

    /// Refuses what is new of a kind whose definition is being deleted.
    pub(super) fn admit_custom(&self) -> Result<()> {
        match CustomKind::of(&self.info) {
            Some(custom) if custom.is_terminating => Err(self.forbidden(TERMINATING)),
            _ => Ok(()),
        }
    }

    /// Whether a new state is what is stored: of a custom kind also in its version and its defaults.
    pub(super) fn is_stored(&self, new: &Value, stored: &Live, old: &Value) -> bool {
        if *new != *old {
            return false;
        }
        let Some(custom) = CustomKind::of(&self.info) else { return true };
        let mut storage = new.clone();
        custom.to_storage(&mut storage);
        storage == *stored.tree()
    }

    /// Where the counts of an object stand, if its version says.
    pub(super) fn scale_paths(&self, tree: &Value) -> Option<&ScalePaths> {
        CustomKind::of(&self.info)?.spoken(tree.text("apiVersion")).scale.as_ref()
    }

    /// The object with the count that a Scale, or a patch of one, gives.
    pub(super) fn scaled(&self, old: &Arc<Value>, patched: Option<Patched>) -> Result<Patched> {
        let Some(paths) = self.scale_paths(old) else {
            return Err(self.not_allowed("scale in that version"));
        };
        let count = |scale: &Value| scale.object_at("spec").and_then(|spec| spec.number("replicas"));
        let mut managers = None;
        let replicas = match (&self.write.verb, patched) {
            (Verb::Update(scale), _) => Some(count(scale).unwrap_or_default()),
            (_, Some(patched)) => {
                managers = patched.managers;
                // A Scale of nothing has no count, and neither has what wants none.
                count(&patched.tree).or_else(|| paths.wanted(old).map(|_| 0))
            }
            _ => return Err(self.not_allowed("that write of a scale")),
        };
        let Some(replicas) = replicas else {
            let fault = PatchFault::Malformed;
            return Err(Error::Patch { key: self.key(), fault, why: paths.emptied() });
        };
        let mut tree = Value::clone(old);
        paths.set(&mut tree, replicas);
        Ok(Patched { tree, managers })
    }

    /// Changes the status of an object of a custom kind.
    pub(super) fn custom_status(self, stored: &Live) -> Result<Step> {
        let info = Arc::clone(&self.info);
        let Some(custom) = CustomKind::of(&info) else { return Err(self.not_allowed("status")) };
        let old = self.spoken(stored.tree());
        let patched = self.patched(stored)?;
        let (patched, managers) = patched.map(|patched| (patched.tree, patched.managers)).unzip();
        let sent = match (&self.write.verb, patched) {
            (Verb::Update(tree), _) => Value::clone(tree),
            (_, Some(patched)) => patched,
            (Verb::Patch(Patch::Merge(patch)), None) => {
                self.check_merge()?;
                merged(&old, Value::clone(patch))
            }
            _ => return Err(self.not_allowed("that write of a status")),
        };
        self.same_name(&sent)?;
        let mut new = Value::clone(&old);
        let fields = metadata::root(&info, &mut new)?;
        match sent.at("status") {
            Some(status) => fields.put("status", status.clone()),
            None => drop(fields.remove("status")),
        }
        self.conform_custom(custom, &mut new).map_err(|error| self.of_patch(error))?;
        let managed = match managers.flatten() {
            Some(managers) => Managed::Now(managers),
            None if self.write.options.field_manager.is_none() && !self.is_untracked => Managed::Kept,
            None => self.tracked(Some((stored, &old)), &new, None),
        };
        self.validate(&new, Some(&old), Subresource::Status)?;
        if self.is_stored(&new, stored, &old) && managed.is_same(stored) {
            return Ok(Step::Done(stored.clone()));
        }
        custom.to_storage(&mut new);
        let object = managed.put(Object::encode(&info, &new)?, Some(stored), &self.api.shared.texts);
        Ok(Commit::replace(Live::fresh(object, Arc::new(new)), stored).into())
    }
}
