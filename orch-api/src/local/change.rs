//! Changing an object as a whole: update, merge patch, `scale` and `finalize`.
//!
//! After `apiserver/pkg/registry/rest/update.go` and `registry/generic/registry/store.go`. Invariants: a change that
//! changes nothing writes nothing; the status stays what it is.

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{
    ConflictCause, Error, Fault, FaultKind, KindInfo, Live, Object, Patch, Result, Revision, Subresource,
    Verb,
};
use serde_json::{Value, json};

use super::batch::{Commit, Of, Step};
use super::facts::Facts;
use super::managed::Managed;
use super::patched::Patched;
use super::{managed, metadata, removal};
use crate::conform::{check_patch, malformed};
use crate::convert::Form;
use crate::custom::CustomKind;
use crate::merge::merged;
use crate::services::{self, Claim};
use crate::strategy::{self, Generation, Strategy};
use crate::tree::{Get, Set, Tree, type_of};
use crate::{defaults, merge_patch};

impl Of<'_> {
    pub(super) async fn change(mut self, facts: &mut Facts<'_>) -> Result<Step> {
        let stored = match self.stored().await {
            Err(Error::NotFound { .. }) if self.makes_absent() => {
                let new = match &self.write.verb {
                    Verb::Update(tree) => Value::clone(tree).into(),
                    Verb::Patch(Patch::Apply { config, .. }) if says_uid(config) => {
                        return Err(self.unknown_uid(config));
                    }
                    _ => self.applied(None)?,
                };
                return self.begin(new, facts).await;
            }
            stored => stored?,
        };
        self.expect(&stored)?;
        let old = self.spoken(stored.tree());
        let mut new = self.changed(&stored, &old)?;
        self.in_stored_form(&mut new.tree)?;
        let step = self.replace(&stored, &old, new)?;
        if self.write.subresource == Subresource::Resize
            && let Step::Commit(commit) = &step
        {
            self.admit_resize(&stored, &commit.answer, facts).await?;
        }
        Ok(step)
    }

    /// An apply knew an object that is gone.
    fn unknown_uid(&self, config: &Value) -> Error {
        let uid = config.object_at("metadata").map_or("", |metadata| metadata.text("uid"));
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        );
        Error::Conflict { key: self.key(), cause: ConflictCause::State(why) }
    }

    /// Whether the write's tree or patch is that of the whole object, though it may change only a part.
    fn is_of_whole(&self) -> bool {
        use Subresource::{EphemeralContainers, None, Resize};
        matches!(self.write.subresource, None | EphemeralContainers | Resize)
    }

    pub(super) async fn stored(&self) -> Result<Live> {
        let stored = self.api.shared.store.get(&self.write.key, Revision::ZERO).await?;
        Ok(self.api.shared.recent.enrich(stored))
    }

    /// Whether the write of an absent object creates it: not when the client knew an object.
    fn makes_absent(&self) -> bool {
        let expected = &self.write.precondition;
        let may_be_absent =
            expected.uid.is_none() && expected.revision.is_none_or(|revision| revision == Revision::ZERO);
        if !may_be_absent || self.write.subresource != Subresource::None {
            return false;
        }
        let tree = match &self.write.verb {
            Verb::Update(tree) => tree,
            Verb::Patch(Patch::Apply { .. }) => return true,
            _ => return false,
        };
        let known = |field| tree.object_at("metadata").is_some_and(|metadata| !metadata.is_unset(field));
        self.strategy.row.creates_on_update() && !known("uid") && !known("resourceVersion")
    }

    /// Checks the precondition, that of the tree or patch included.
    pub(super) fn expect(&mut self, stored: &Live) -> Result<()> {
        let given = match &self.write.verb {
            Verb::Create(tree) | Verb::Update(tree) | Verb::Patch(Patch::Merge(tree)) => {
                metadata::precondition(&self.write.key, &self.write.precondition, tree)?
            }
            _ => self.write.precondition.clone(),
        };
        let whole = matches!(self.write.verb, Verb::Update(_)) && self.write.subresource == Subresource::None;
        if whole && self.strategy.row.needs_revision() && given.revision.is_none() {
            let why = "must be specified for an update";
            return Err(self
                .invalid(vec![Fault::new(FaultKind::Invalid, "metadata.resourceVersion", why).value("0")]));
        }
        // From here on it is the write's own: whether it is tried again depends on it.
        self.write.precondition = given;
        metadata::expect(&self.write.precondition, stored)
    }

    /// The object as the client wants it, before the server completes it.
    fn changed(&mut self, stored: &Live, old: &Arc<Value>) -> Result<Patched> {
        let patched = self.patched(stored)?;
        if let (Subresource::Scale, Verb::Update(scale)) = (self.write.subresource, &self.write.verb) {
            self.check_scale(scale)?;
        }
        let is_of_whole = self.is_of_whole();
        if is_of_whole {
            self.check_merge()?;
        }
        let once = self.write.precondition.revision.is_some();
        match (self.write.subresource, &mut self.write.verb) {
            (_, Verb::Update(tree)) if is_of_whole && once => {
                Ok(Arc::unwrap_or_clone(std::mem::take(tree)).into())
            }
            (_, Verb::Update(tree)) if is_of_whole => Ok(Value::clone(tree).into()),
            (_, Verb::Patch(Patch::Merge(patch))) if is_of_whole && patched.is_none() => {
                let patch =
                    if once { Arc::unwrap_or_clone(std::mem::take(patch)) } else { Value::clone(patch) };
                Ok(merged(old, patch).into())
            }
            (Subresource::Scale, _) if CustomKind::of(&self.info).is_some() => self.scaled(old, patched),
            (Subresource::Scale, verb) => part(&self.info, old, verb, patched, "replicas", json!(0)),
            (Subresource::Finalize, verb) => part(&self.info, old, verb, patched, "finalizers", Value::Null),
            _ => patched.ok_or_else(|| self.not_allowed("that patch")),
        }
    }

    /// Checks a merge patch as far as that can be done before it is merged.
    pub(super) fn check_merge(&self) -> Result<()> {
        let Verb::Patch(Patch::Merge(patch)) = &self.write.verb else { return Ok(()) };
        must_be_object(&self.info, patch)?;
        let Some(ty) = self.form.map_or(self.strategy.ty, Form::ty) else { return Ok(()) };
        check_patch(&self.info, patch, ty, self.write.options.field_validation)
            .map_err(|error| self.of_patch(error))
    }

    /// Completes the new state and writes it over the old one.
    fn replace(&mut self, stored: &Live, old: &Arc<Value>, new: Patched) -> Result<Step> {
        let Patched { tree: mut new, managers } = new;
        let info = Arc::clone(&self.info);
        let empty = Tree::new();
        let before = old.as_object().unwrap_or(&empty);
        let given = self.complete(before, &mut new)?;
        let managed = match managers {
            Some(managers) => Managed::Now(managers),
            None => self.tracked(Some((stored, old)), &new, given.as_ref()),
        };
        let fields = metadata::root(&info, &mut new)?;
        if self.write.subresource != Subresource::Finalize {
            (self.strategy.row.update)(fields, before);
        }
        self.admit_change(fields);
        if let Some(spec) = self.service_spec(fields) {
            services::families(spec, self.api.shared.services.family())
                .map_err(|faults| self.invalid(faults))?;
        }
        if self.is_stored(&new, stored, old) && managed.is_same(stored) {
            return Ok(Step::Done(stored.clone()));
        }
        let fields = metadata::root(&info, &mut new)?;
        if counts(self.strategy.row.generation, fields, before) {
            metadata::count(fields.make("metadata"));
        }
        self.validate(&new, Some(old), self.write.subresource)?;
        let claim = self.allocate(&mut new, Some(old))?;
        let object = match CustomKind::of(&info) {
            Some(custom) => {
                custom.to_storage(&mut new);
                Object::encode(&info, &new)
            }
            None => encode(&info, stored, &new, before),
        };
        let object = object.inspect_err(|_| self.abandon(claim.as_ref()))?;
        let answer = Live::fresh(managed.put(object, Some(stored), &self.api.shared.texts), Arc::new(new));
        if removal::is_due(self.strategy.row.deletion, &answer) {
            self.abandon(claim.as_ref());
            return Ok(self.remove(stored, answer));
        }
        Ok(Commit { claim, ..Commit::replace(answer, stored) }.into())
    }

    /// Gives a new state the form of its kind, what is the server's of the old one, and defaults. Returns the managed
    /// fields that the client sent.
    fn complete(&self, before: &Tree, new: &mut Value) -> Result<Option<Value>> {
        let (info, empty) = (&self.info, Tree::new());
        self.check_type(new)?;
        metadata::identify(info, &self.write.key, metadata::root(info, new)?)?;
        self.conform(new).map_err(|error| self.of_patch(error))?;
        let fields = metadata::root(info, new)?;
        let given = managed::take(fields);
        metadata::carry_over(fields.make("metadata"), before.object_at("metadata").unwrap_or(&empty));
        if Strategy::owns_status(info) {
            fields.copy_from(before, "status");
        }
        (self.strategy.row.defaults)(fields);
        defaults::metadata(fields);
        strategy::narrow(self.write.subresource, fields, before);
        Ok(given)
    }

    /// The spec, when the object is a service.
    pub(super) fn service_spec<'t>(&self, fields: &'t mut Tree) -> Option<&'t mut Tree> {
        if self.info.kind == orch_core::kind::SERVICES { fields.object_mut("spec") } else { None }
    }

    /// Takes what a service needs.
    pub(super) fn allocate(&self, new: &mut Value, old: Option<&Value>) -> Result<Option<Claim>> {
        let Some(spec) = new.as_object_mut().and_then(|fields| self.service_spec(fields)) else {
            return Ok(None);
        };
        let old = old.and_then(|old| old.object_at("spec"));
        self.api.shared.services.allocate(spec, old).map(Some).map_err(|faults| self.invalid(faults))
    }

    pub(super) fn abandon(&self, claim: Option<&Claim>) {
        claim.into_iter().for_each(|claim| self.api.shared.services.abandon(claim));
    }
}

fn says_uid(tree: &Value) -> bool {
    tree.object_at("metadata").is_some_and(|metadata| !metadata.is_unset("uid"))
}

/// Encodes a new state; when only the spec is another, as of a Lease that is renewed, the rest of the bytes is kept.
fn encode(info: &KindInfo, stored: &Object, new: &Value, before: &Tree) -> Result<Object> {
    let is_kept = |(name, value): (&String, &Value)| match name.as_str() {
        "spec" => value.is_object() && before.object_at("spec").is_some(),
        _ => before.get(name) == Some(value),
    };
    let has_spec = |fields: &&Tree| fields.len() == before.len() && fields.contains_key("spec");
    let fields = new.as_object().filter(has_spec);
    if fields.is_some_and(|fields| fields.iter().all(is_kept)) {
        return stored.with_part(info, Part::Spec, &new["spec"]);
    }
    Object::encode(info, new)
}

/// The object with another value of one field of its spec, which a subresource's tree or patch gives.
fn part(
    info: &KindInfo,
    old: &Arc<Value>,
    verb: &Verb,
    patched: Option<Patched>,
    field: &str,
    absent: Value,
) -> Result<Patched> {
    let mut new = Value::clone(old);
    let spec = metadata::root(info, &mut new)?.make("spec");
    let of = |tree: &Value| tree.object_at("spec").and_then(|spec| spec.at(field)).cloned();
    let (patched, managers) = patched.map(|patched| (patched.tree, patched.managers)).unzip();
    match (verb, &patched) {
        (Verb::Update(tree), _) => spec.put(field, of(tree).unwrap_or(absent)),
        (_, Some(tree)) => spec.put(field, of(tree).unwrap_or(absent)),
        (Verb::Patch(Patch::Merge(patch)), _) => {
            must_be_object(info, patch)?;
            if let Some(change) = patch.object_at("spec").and_then(|spec| spec.get(field)) {
                let mut value = spec.get(field).cloned().unwrap_or_default();
                merge_patch(&mut value, change);
                spec.put(field, if value.is_null() { absent } else { value });
            }
        }
        _ => {}
    }
    if spec.is_unset(field) {
        spec.remove(field);
    }
    Ok(Patched { tree: new, managers: managers.flatten() })
}

/// A merge patch of an object is one itself.
pub(super) fn must_be_object(info: &KindInfo, patch: &Value) -> Result<()> {
    if patch.is_object() {
        Ok(())
    } else {
        let found = type_of(patch);
        let why = "into Go value of type map[string]interface {}";
        Err(malformed(info, format!("error decoding patch: json: cannot unmarshal {found} {why}")))
    }
}

/// Whether a change is one that the generation counts.
fn counts(generation: Generation, new: &Tree, old: &Tree) -> bool {
    let content = |ignored: &[&str]| {
        let counted = |field: &(&String, &Value)| !ignored.contains(&field.0.as_str());
        !new.iter().filter(counted).eq(old.iter().filter(counted))
    };
    let labels =
        |tree: &Tree| tree.object_at("metadata").and_then(|metadata| metadata.object_at("labels")).cloned();
    match generation {
        Generation::Not => false,
        Generation::Spec => new.get("spec") != old.get("spec"),
        Generation::SpecAndAnnotations => {
            new.get("spec") != old.get("spec") || annotations(new).ne(annotations(old))
        }
        Generation::Content => content(&["metadata", "apiVersion", "kind"]),
        Generation::ContentAndLabels => content(&["metadata"]) || labels(new) != labels(old),
    }
}

/// The annotations that a generation counts. Kubernetes' own controller writes its ones through the status, where nothing
/// is counted; here it writes them to the object.
fn annotations(tree: &Tree) -> impl Iterator<Item = (&String, &Value)> {
    let annotations = tree.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
    annotations.into_iter().flatten().filter(|(name, _)| !name.starts_with("deployment.kubernetes.io/"))
}
