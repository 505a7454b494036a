//! What a change of an object does to the ownership of its fields (`structured-merge-diff/merge/update.go`).
//!
//! Versions: a set whose version the kind still has is compared as it stands, since the versions of a kind here have one
//! form; a set of any other version is dropped, as Kubernetes drops it.

use orch_core::KindInfo;
use serde_json::Value;

use super::{Conflict, Manager, Managers, Owned};
use crate::convert;
use crate::patch::fields::FieldSet;
use crate::patch::typed::{Shape, compare, reconcile};

/// What the ownership of a kind's fields depends on.
pub(super) struct Rules<'s> {
    pub(super) shape: Shape<'s>,
    /// The version of the write.
    pub(super) api_version: &'s str,
    pub(super) kind: &'s KindInfo,
    /// Fields that writes through this subresource do not change.
    pub(super) ignored: FieldSet,
}

/// Whether an apply takes what others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Refuse,
    Force,
}

/// Why ownership could not be worked out.
#[derive(Debug)]
pub(super) enum Failure {
    Conflicts(Vec<Conflict>),
    Unfit(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Unfit(why)
    }
}

/// Whether a kind has that version, in its own group or in another one in which it is served, too.
pub(super) fn has_version(kind: &KindInfo, api_version: &str) -> bool {
    let version = match kind.kind.group() {
        "" => Some(api_version),
        group => api_version.strip_prefix(group).and_then(|rest| rest.strip_prefix('/')),
    };
    version.is_some_and(|version| kind.versions.iter().any(|known| &**known == version))
        || convert::named(kind.kind, api_version).is_some()
}

impl Rules<'_> {
    /// Brings what was written for older types into today's form.
    pub(super) fn reconciled(&self, mut managers: Managers) -> Managers {
        managers.0.retain(|_, owned| has_version(self.kind, &owned.api_version));
        for owned in managers.0.values_mut() {
            if let Some(fields) = reconcile(&owned.fields, self.shape) {
                owned.fields = fields;
            }
        }
        managers
    }

    /// Takes from everybody but `actor` what the change from `old` to `new` changed or removed. Returns both.
    pub(super) fn transfer(
        &self,
        old: &Value,
        new: &Value,
        managers: &mut Managers,
        actor: &Manager,
        take: Take,
    ) -> Result<(FieldSet, FieldSet), Failure> {
        let (changed, removed) = compare(old, new, self.shape)?.without(&self.ignored).split();
        if take == Take::Refuse {
            let conflict = |(manager, owned): (&Manager, &Owned)| Conflict {
                manager: manager.clone(),
                fields: owned.fields.intersection(&changed),
            };
            let others = managers.iter().filter(|(manager, _)| *manager != actor);
            let conflicts: Vec<_> =
                others.map(conflict).filter(|conflict| !conflict.fields.is_empty()).collect();
            if !conflicts.is_empty() {
                return Err(Failure::Conflicts(conflicts));
            }
        }
        managers.0.retain(|manager, owned| {
            if manager != actor {
                owned.fields.remove(&changed);
                owned.fields.remove(&removed);
            }
            !owned.fields.is_empty()
        });
        Ok((changed, removed))
    }

    /// A write that is no apply: its manager owns what it changed, from now on.
    pub(super) fn update(
        &self,
        old: &Value,
        new: &Value,
        managers: Managers,
        actor: &Manager,
    ) -> Result<Managers, Failure> {
        let mut managers = self.reconciled(managers);
        let (changed, removed) = self.transfer(old, new, &mut managers, actor, Take::Force)?;
        let mut fields = managers.0.remove(actor).map(|owned| owned.fields).unwrap_or_default();
        fields.remove(&removed);
        fields.add(changed);
        fields.remove_under(&self.ignored);
        managers.own(actor, self.api_version, fields, None);
        Ok(managers)
    }
}

impl Managers {
    /// Sets what a manager owns.
    pub(super) fn own(
        &mut self,
        manager: &Manager,
        api_version: &str,
        fields: FieldSet,
        time: Option<String>,
    ) {
        if fields.is_empty() {
            self.0.remove(manager);
        } else {
            self.0.insert(manager.clone(), Owned { fields, api_version: api_version.to_owned(), time });
        }
    }
}
