//! Selectors: which objects a query, a service or a controller means, by their labels or by their fields.
//!
//! The one matcher of the project: everything that selects goes through here. It knows no objects, only a
//! lookup by key. Invariant: what a selector prints, parses as the same selector.

mod field;
mod label;
mod parse;

pub use field::{FieldOperator, FieldSelector, FieldSelectorError, FieldTerm};
pub use label::{Operator, Requirement, Selector, SelectorError};
