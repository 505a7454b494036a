//! Creating an object (`apiserver/pkg/registry/rest/create.go`).

use std::sync::Arc;

use orch_core::{Env, Error, Fault, FaultKind, Key, Live, Object, Result, Str, Subresource, Verb, kind};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::facts::Facts;
use super::managed::Managed;
use super::patched::Patched;
use super::{managed, metadata};
use crate::custom::CustomKind;
use crate::strategy::{Generation, Strategy};
use crate::tree::{Get, Set, Tree};
use crate::{convert, defaults, services};

/// Why an object is not created that has a revision.
pub(crate) const REVISION_SET: &str = "resourceVersion should not be set on objects to be created";

/// Characters that a generated name keeps of its prefix: 63 less those of the suffix.
const PREFIX: usize = 58;

/// A name that begins so (`apiserver/pkg/storage/names/generate.go`).
pub(super) fn generated_name(prefix: &str, env: &Env) -> String {
    let kept: String = prefix.chars().take(PREFIX).collect();
    kept + &env.name_suffix()
}

impl Of<'_> {
    pub(super) async fn create(mut self, facts: &mut Facts<'_>) -> Result<Step> {
        let Verb::Create(tree) = &mut self.write.verb else { return Err(self.not_allowed("create")) };
        // The key of a create is often read from the tree, which loses its namespace as well.
        if !self.info.is_namespaced() {
            self.write.key.namespace = Str::default();
        }
        let tree = std::mem::take(tree);
        if let Some(step) = self.create_again(&tree, facts).await? {
            return Ok(step);
        }
        // A copy only if somebody else still holds the tree; a create is done once.
        let tree = Arc::unwrap_or_clone(tree);
        self.begin(tree.into(), facts).await
    }

    /// Makes a tree the new object that it describes.
    pub(super) async fn begin(&mut self, new: Patched, facts: &mut Facts<'_>) -> Result<Step> {
        let Patched { mut tree, managers } = new;
        self.in_stored_form(&mut tree)?;
        let (info, env) = (Arc::clone(&self.info), &self.api.shared.env);
        self.check_type(&tree)?;
        let fields = metadata::root(&info, &mut tree)?;
        metadata::identify(&info, &self.write.key, fields)?;
        if !fields["metadata"].is_unset("resourceVersion") {
            return Err(crate::conform::malformed(&info, REVISION_SET));
        }
        self.conform(&mut tree)?;
        let namespace = self.admit_namespace(facts).await?;
        self.admit_custom()?;
        let fields = metadata::root(&info, &mut tree)?;
        let now = metadata::seconds(env.now());
        let given = managed::take(fields);
        let head = fields.make("metadata");
        metadata::begin(head, &env.uuid(), &now);
        if head.is_unset("name") {
            self.generate_name(head)?;
        }
        if self.strategy.row.generation != Generation::Not {
            head.put("generation", 1);
        }
        (self.strategy.row.defaults)(fields);
        defaults::metadata(fields);
        let managed = match managers {
            Some(managers) => Managed::Now(managers),
            None => self.tracked(None, &tree, given.as_ref()),
        };
        let fields = metadata::root(&info, &mut tree)?;
        self.admit_create(fields, facts).await?;
        (self.strategy.row.create)(fields);
        if Strategy::owns_status(&info) {
            match (self.strategy.row.initial_status)(fields, &now) {
                Some(status) => fields.put("status", status),
                None => drop(fields.remove("status")),
            }
        }
        if let Some(spec) = self.service_spec(fields) {
            services::families(spec, self.api.shared.services.family())
                .map_err(|faults| self.invalid(faults))?;
        }
        self.validate(&tree, None, Subresource::None)?;
        if let Some(custom) = CustomKind::of(&info) {
            custom.to_storage(&mut tree);
        }
        let claim = self.allocate(&mut tree, None)?;
        let object = Object::encode(&info, &tree).inspect_err(|_| self.abandon(claim.as_ref()))?;
        let answer = Live::fresh(managed.put(object, None, &self.api.shared.texts), Arc::new(tree));
        let commit = Commit { claim, ..Commit::create(answer) };
        Ok(match namespace {
            Some((key, revision)) => commit.given(key, revision),
            None => commit,
        }
        .into())
    }

    fn generate_name(&self, metadata: &mut Tree) -> Result<()> {
        let prefix = metadata.text("generateName");
        if prefix.is_empty() {
            let fault = Fault::new(FaultKind::Required, "metadata.name", "name or generateName is required");
            return Err(self.invalid(vec![fault]));
        }
        let name = generated_name(prefix, &self.api.shared.env);
        metadata.put("name", name);
        Ok(())
    }

    pub(super) fn key(&self) -> Key {
        self.write.key.clone()
    }

    pub(super) fn invalid(&self, faults: Vec<Fault>) -> Error {
        Error::Invalid { key: self.key(), faults }
    }

    pub(super) fn not_allowed(&self, what: &'static str) -> Error {
        Error::NotAllowed { kind: self.info.kind, what }
    }

    pub(super) fn forbidden(&self, why: impl Into<String>) -> Error {
        Error::Forbidden { key: self.key(), why: why.into() }
    }

    /// Brings the whole object into the shape of its kind; of one that nothing describes only the metadata is known.
    pub(super) fn conform(&self, tree: &mut Value) -> Result<()> {
        let validation = self.write.options.field_validation;
        if let Some(ty) = self.strategy.ty {
            return crate::conform::conform(&self.info, tree, ty, validation);
        }
        if let Some(metadata) = tree.get_mut("metadata") {
            crate::conform::metadata(&self.info, metadata, validation)?;
        }
        match CustomKind::of(&self.info) {
            Some(custom) => self.conform_custom(custom, tree),
            None => Ok(()),
        }
    }

    /// Makes an object that was sent in another form than the stored one what is stored.
    pub(super) fn in_stored_form(&mut self, tree: &mut Value) -> Result<()> {
        self.form = convert::sent_as(self.info.kind, tree);
        let Some(form) = self.form else { return Ok(()) };
        if let Some(ty) = form.ty() {
            crate::conform::conform(&self.info, tree, ty, self.write.options.field_validation)?;
        }
        form.to_stored(tree);
        Ok(())
    }

    /// What is stored, in the form in which it is patched.
    pub(super) fn in_sent_form(&self, tree: Arc<Value>) -> Arc<Value> {
        let Some(form) = self.form else { return tree };
        let mut tree = Value::clone(&tree);
        form.from_stored(&mut tree);
        Arc::new(tree)
    }

    /// Every fault; an event that was sent in its newer form is judged in that form.
    fn faults(&self, new: &Value, old: Option<&Value>, subresource: Subresource) -> Vec<Fault> {
        let form = self.form.filter(|form| form.stored == kind::EVENTS);
        let sent = |tree: &Value| {
            form.map(|form| {
                let mut sent = tree.clone();
                form.from_stored(&mut sent);
                sent
            })
        };
        let (sent_new, sent_old) = (sent(new), old.and_then(sent));
        let mut faults = crate::validate::validate(
            self.info.kind,
            sent_new.as_ref().unwrap_or(new),
            sent_old.as_ref().or(old),
            subresource,
        );
        if let Some(custom) = CustomKind::of(&self.info) {
            faults.extend(custom.faults(custom.spoken(new.text("apiVersion")), new, old, subresource));
        }
        faults
    }

    /// Every rule of the kind.
    pub(super) fn validate(&self, new: &Value, old: Option<&Value>, subresource: Subresource) -> Result<()> {
        match self.faults(new, old, subresource) {
            faults if faults.is_empty() => Ok(()),
            faults => {
                // A generated name is in the object only.
                let name = new.object_at("metadata").map_or("", |metadata| metadata.text("name"));
                let key = Key { name: name.into(), ..self.key() };
                Err(Error::Invalid { key, faults })
            }
        }
    }
}
