//! Fields of an apply that belong to others (`managedfields/internal/conflict.go`).

use orch_core::FieldConflict;

use super::{Manager, Operation};
use crate::patch::fields::FieldSet;

/// The fields of an apply that one other manager has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who has them.
    pub manager: Manager,
    /// Which they are.
    pub fields: FieldSet,
}

impl Conflict {
    /// One conflict a field, in Kubernetes' words.
    #[must_use]
    pub fn causes(&self) -> Vec<FieldConflict> {
        let manager = self.manager.to_string();
        let cause = |field| FieldConflict { manager: manager.clone(), field };
        self.fields.paths().into_iter().map(cause).collect()
    }
}

/// As conflicts show a manager.
impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(f, " using {}", self.api_version),
        }
    }
}
