//! The queue by priority, then by time. As `pkg/scheduler/framework/plugins/queuesort/priority_sort.go`.

use jiff::Timestamp;

use crate::cluster::Pod;
use crate::framework::{Plugin, QueueSort, Signature};

/// The most important pod first; among equals the one that waits longest.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrioritySort;

impl Plugin for PrioritySort {
    fn name(&self) -> &'static str {
        "PrioritySort"
    }

    fn sign(&self, _: &Pod, _: &mut Signature) {}
}

impl QueueSort for PrioritySort {
    fn key(&self, pod: &Pod, waiting_since: Timestamp) -> (i64, i64) {
        (pod.priority().saturating_neg(), waiting_since.as_millisecond())
    }
}
