//! The promises that every run is held to, one file each, each with its source.
//!
//! They are Kubernetes' own, and hold whatever fails; exceptions stand where the promise is, with their reason. Written
//! against objects alone: no reader, no formula of the parts that are judged is used. Invariant: each keeps what it needs
//! to judge a change without looking at all objects.

mod adoption;
mod bound_once;
mod collection;
mod desired;
mod endpoints;
mod endpoints_follow;
mod endpoints_planned;
mod evictions;
mod finalizers;
mod fit;
mod fixed_fields;
mod forced_removal;
mod fresh_view;
mod node_capacity;
mod one_per_identity;
mod ordered_start;
mod own_fields;
mod placements_fit;
mod pod_lifecycle;
mod propagation;
mod quiet;
mod removal;
mod replica_count;
mod revisions;
mod rollout_bounds;
mod statuses;
#[cfg(test)]
mod testing;
mod tree;

pub use adoption::Adoption;
pub use bound_once::BoundOnce;
pub use collection::Collection;
pub use desired::Desired;
pub use endpoints_follow::EndpointsFollow;
pub use endpoints_planned::EndpointsPlanned;
pub use evictions::Evictions;
pub use finalizers::Finalizers;
pub use fixed_fields::FixedFields;
pub use forced_removal::ForcedRemoval;
pub use fresh_view::FreshView;
pub use node_capacity::NodeCapacity;
pub use one_per_identity::OnePerIdentity;
pub use ordered_start::OrderedStart;
pub use own_fields::OwnFields;
pub use placements_fit::PlacementsFit;
pub use pod_lifecycle::PodLifecycle;
pub use propagation::Propagation;
pub use quiet::Quiet;
pub use replica_count::ReplicaCount;
pub use revisions::Revisions;
pub use rollout_bounds::RolloutBounds;
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
        Box::new(FixedFields::default()),
        Box::new(OwnFields),
        Box::new(Adoption::default()),
        Box::new(Finalizers::default()),
        Box::new(Collection::default()),
        Box::new(Propagation::default()),
        Box::new(BoundOnce::default()),
        Box::new(PlacementsFit::default()),
        Box::new(NodeCapacity::default()),
        Box::new(PodLifecycle::default()),
        Box::new(ForcedRemoval::default()),
        Box::new(OnePerIdentity::default()),
        Box::new(Evictions::default()),
        Box::new(FreshView::default()),
        Box::new(ReplicaCount),
        Box::new(RolloutBounds),
        Box::new(OrderedStart),
        Box::new(EndpointsPlanned),
        Box::new(EndpointsFollow::default()),
        Box::new(Statuses::default()),
        Box::new(Desired),
        Box::new(Quiet::default()),
    ]
}
