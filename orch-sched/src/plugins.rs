//! The plugins of Kubernetes' default profile, as far as they are there.
//!
//! Each is written against the same traits as a user's. They know nothing of each other.

mod default_preemption;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources;
mod node_unschedulable;
mod priority_sort;
mod scheduling_gates;
mod taint_toleration;
mod volume_binding;

pub use default_preemption::DefaultPreemption;
pub use node_affinity::NodeAffinity;
pub use node_name::NodeName;
pub use node_ports::NodePorts;
pub use node_resources::{NodeResourcesBalancedAllocation, NodeResourcesFit};
pub use node_unschedulable::NodeUnschedulable;
pub use priority_sort::PrioritySort;
pub use scheduling_gates::SchedulingGates;
pub use taint_toleration::TaintToleration;
pub use volume_binding::VolumeBinding;

/// The best score that a node can have after normalising.
pub const MAX_SCORE: i64 = 100;

/// The share of the greatest score, as `DefaultNormalizeScore` (`pkg/scheduler/framework/plugins/helper/normalize_score.go`).
fn share_of(score: i64, max: i64) -> i64 {
    if max == 0 { score } else { score.saturating_mul(MAX_SCORE) / max }
}
