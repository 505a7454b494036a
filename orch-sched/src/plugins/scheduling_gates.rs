//! Pods with gates stay out of the queue. As `pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go`.

use crate::cluster::Pod;
use crate::framework::{Plugin, PreEnqueue, Signature};

/// Holds a pod until `spec.schedulingGates` is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn sign(&self, _: &Pod, _: &mut Signature) {}
}

impl PreEnqueue for SchedulingGates {
    /// In the words of the condition that the API server sets (`pkg/registry/core/pod/strategy.go`).
    fn admit(&self, pod: &Pod) -> Result<(), String> {
        if pod.spec().gates.is_empty() {
            Ok(())
        } else {
            Err("Scheduling is blocked due to non-empty scheduling gates".to_owned())
        }
    }
}
