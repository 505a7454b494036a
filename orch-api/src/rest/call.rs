//! One request to a resource that exists: what every verb needs to answer it.

use std::sync::Arc;

use orch_core::{Api, Error, FieldValidation, Key, KindInfo, Object, Select, Subresource};
use serde_json::Value;

use super::decode;
use super::metrics::Place;
use super::negotiate::Form;
use super::service::Shared;
use super::status::{Doing, Status};
use super::verb::Request;
use crate::convert;
use crate::custom::{self, CustomKind};
use crate::schema::{self, TypeRef};
use crate::tree::Set;

pub(super) struct Call {
    pub(super) shared: Arc<Shared>,
    /// Bound to the user who asks.
    pub(super) api: Arc<dyn Api>,
    pub(super) info: Arc<KindInfo>,
    /// How objects are served, when the path names another form than that in which they are stored.
    pub(super) served: Option<&'static convert::Form>,
    pub(super) request: Request,
    /// Of the answer.
    pub(super) form: Form,
    /// For the `Warning` headers.
    pub(super) warnings: Vec<String>,
    /// What metrics call it.
    pub(super) place: Place,
}

impl Call {
    /// The object that the path names.
    pub(super) fn key(&self) -> Key {
        let target = &self.request.target;
        Key::new(self.info.kind, target.namespace.clone(), target.name.clone())
    }

    /// An object of that name where the path points to.
    pub(super) fn named(&self, name: &str) -> Key {
        Key::new(self.info.kind, self.request.target.namespace.clone(), name)
    }

    /// Every object where the path points to.
    pub(super) fn select(&self) -> Select {
        let select = Select::kind(self.info.kind);
        match &*self.request.target.namespace {
            "" => select,
            namespace => select.namespace(namespace),
        }
    }

    /// The version that the path names.
    pub(super) fn version(&self) -> &str {
        &self.request.target.version
    }

    /// `apps/v1`
    pub(super) fn api_version(&self) -> String {
        api_version(&self.request.target.group, self.version())
    }

    /// The type of the kind, when it is one of Kubernetes' own.
    pub(super) fn ty(&self) -> Option<TypeRef> {
        schema::lookup(&self.request.target.group, self.version(), &self.info.name)
    }

    /// What is known of a custom kind in the version that the path names.
    pub(super) fn custom(&self) -> Option<(&CustomKind, &custom::Version)> {
        let custom = CustomKind::of(&self.info)?;
        Some((custom, custom.version(self.version())?))
    }

    /// Whether objects may not be sent as they are stored.
    pub(super) fn is_converted(&self) -> bool {
        match self.custom() {
            Some((custom, version)) => custom.changes_reads(version),
            None => self.served.is_some() || self.info.versions.len() > 1 && self.ty().is_none(),
        }
    }

    /// An object in the version that the path names.
    pub(super) fn tree(&self, object: &Object) -> Value {
        let mut tree = object.to_tree();
        if let Some((custom, version)) = self.custom() {
            if custom.changes_reads(version) {
                custom.read(&mut tree, version);
            }
        } else if let Some(form) = self.served {
            form.from_stored(&mut tree);
        } else if self.is_converted()
            && let Some(fields) = tree.as_object_mut()
        {
            fields.put("apiVersion", self.api_version());
        }
        tree
    }

    /// The same, encoded: where nothing is converted, nothing is decoded.
    pub(super) fn json(&self, object: &Object) -> Vec<u8> {
        if self.is_converted() { self.tree(object).to_string().into_bytes() } else { object.to_json() }
    }

    pub(super) fn failed(&self, error: &Error, doing: Doing) -> Status {
        Status::of(error, self.api.registry(), doing)
    }

    /// Takes what strict decoding found as the client wishes.
    ///
    /// # Errors
    /// 400 when it wishes to be refused.
    pub(super) fn strict(
        &mut self,
        kind: &str,
        found: &[String],
        validation: FieldValidation,
    ) -> Result<(), Status> {
        match validation {
            FieldValidation::Strict if !found.is_empty() => {
                let why = format!("strict decoding error: {}", found.join(", "));
                Err(self.undecoded(kind, &why))
            }
            FieldValidation::Warn => {
                self.warnings.extend(found.iter().flat_map(|fault| decode::warnings(fault)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A body that is not what it should be.
    pub(super) fn undecoded(&self, kind: &str, why: &str) -> Status {
        Status::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: {why}",
            self.version()
        ))
    }
}

pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The subresource of that name, if the kind has it.
pub(super) fn subresource(info: &KindInfo, name: &str) -> Option<Subresource> {
    if name.is_empty() {
        return Some(Subresource::None);
    }
    info.subresources.iter().copied().find(|subresource| subresource.as_str() == name)
}
