//! The promises that every run is held to, one file each, each with its source.
//!
//! They are Kubernetes' own, and hold whatever fails; exceptions stand where the promise is, with their reason. Written
//! against objects alone: no reader, no formula of the parts that are judged is used. Invariant: each keeps what it needs
//! to judge a change without looking at all objects.

mod bound_once;
mod collection;
mod desired;
mod endpoints;
mod finalizers;
mod fit;
mod node_capacity;
mod one_per_identity;
mod quiet;
mod removal;
mod revisions;
mod statuses;
#[cfg(test)]
mod testing;
mod tree;

pub use bound_once::BoundOnce;
pub use collection::Collection;
pub use desired::Desired;
pub use finalizers::Finalizers;
pub use node_capacity::NodeCapacity;
pub use one_per_identity::OnePerIdentity;
pub use quiet::Quiet;
pub use revisions::Revisions;
pub use statuses::Statuses;

use super::Invariant;

/// Every invariant of this module, new.
///
/// ```
/// let mut names: Vec<_> = orch::chaos::invariants::all().iter().map(|one| one.name().to_owned()).collect();
/// let count = names.len();
/// names.sort_unstable();
/// names.dedup();
/// assert_eq!(names.len(), count, "each has a name of its own");
/// ```
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Revisions::default()),
        Box::new(BoundOnce::default()),
        Box::new(NodeCapacity::default()),
        Box::new(OnePerIdentity::default()),
        Box::new(Collection::default()),
        Box::new(Finalizers::default()),
        Box::new(Statuses::default()),
        Box::new(Desired),
        Box::new(Quiet),
    ]
}
