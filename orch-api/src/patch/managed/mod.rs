//! Who manages which fields of an object: `metadata.managedFields`, and what writes do to it.
//!
//! After `apimachinery/pkg/util/managedfields` and `structured-merge-diff/merge`. Pure: the time is an input. Not the
//! storing of it. Invariant: no manager is kept that owns nothing.

mod apply;
mod cap;
mod codec;
mod conflict;
mod created;
mod last_applied;
mod name;
mod ownership;
mod reset;
mod scale;
mod tracker;
mod zero;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use conflict::Conflict;
pub use name::{manager_faults, manager_name};
pub(crate) use scale::Counts;
pub use tracker::{Applied, Tracker};

use super::fields::FieldSet;

/// What a manager does to the fields that it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}

impl Operation {
    /// In Kubernetes' spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns: two writes of the same manager are one owner when they do the same through the same subresource. What an
/// applier owns does not depend on the version that it speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// The version that it speaks; empty for an applier.
    pub api_version: String,
    /// The subresource that it writes; empty for the object itself.
    pub subresource: String,
}

/// What a manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The fields.
    pub fields: FieldSet,
    /// The version that their names belong to.
    pub api_version: String,
    /// When the manager changed something last, as RFC 3339.
    pub time: Option<String>,
}

/// Everybody who owns fields of an object.
///
/// ```
/// use orch_api::patch::Managers;
/// use serde_json::json;
/// let entry = json!({"manager": "me", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
///     "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}});
/// let managers = Managers::decode(&json!([entry])).unwrap();
/// let (manager, owned) = managers.iter().next().unwrap();
/// assert_eq!((&*manager.name, owned.fields.paths()), ("me", vec![".data.a".to_owned()]));
/// assert_eq!(managers.encode(), Some(json!([entry])));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers(BTreeMap<Manager, Owned>);

impl Managers {
    /// Whether nobody owns anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&Manager, &Owned)> {
        self.0.iter()
    }

    /// Whether both say the same but for the times.
    #[must_use]
    pub fn same_but_times(&self, other: &Self) -> bool {
        let plain = |(manager, owned): (&Manager, &Owned)| {
            (manager.clone(), owned.fields.clone(), owned.api_version.clone())
        };
        self.0.len() == other.0.len() && self.0.iter().map(plain).eq(other.0.iter().map(plain))
    }
}
