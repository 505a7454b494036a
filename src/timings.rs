//! How long a cluster waits: Kubernetes' defaults, and setters for those who cannot wait that long.

use std::time::Duration;

/// The waits of a cluster. The defaults are Kubernetes'.
///
/// ```
/// use std::time::Duration;
/// let timings = orch::Timings::default().node_grace(Duration::from_secs(2));
/// assert_eq!(timings.node_grace, Duration::from_secs(2));
/// assert_eq!(timings.toleration, Duration::from_secs(300));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// A node whose Lease stays the same for so long is Unknown (`--node-monitor-grace-period`, 50 s).
    pub node_grace: Duration,
    /// How often a node renews its Lease (10 s).
    pub node_lease_renewal: Duration,
    /// How long pods that do not say otherwise stay on a node that is not ready or unreachable (300 s).
    pub toleration: Duration,
    /// How long the pods of a Node that is gone are spared, in case it comes back (40 s).
    pub pod_gc_quarantine: Duration,
    /// How long Events are kept (1 h).
    pub event_ttl: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            node_grace: Duration::from_secs(50),
            node_lease_renewal: Duration::from_secs(10),
            toleration: Duration::from_secs(300),
            pod_gc_quarantine: Duration::from_secs(40),
            event_ttl: Duration::from_secs(3600),
        }
    }
}

impl Timings {
    /// A node whose Lease stays the same for so long is Unknown.
    #[must_use]
    pub fn node_grace(mut self, grace: Duration) -> Self {
        self.node_grace = grace;
        self
    }

    /// How often a node renews its Lease.
    #[must_use]
    pub fn node_lease_renewal(mut self, period: Duration) -> Self {
        self.node_lease_renewal = period;
        self
    }

    /// How long pods that do not say otherwise stay on a node that is not ready or unreachable.
    #[must_use]
    pub fn toleration(mut self, wait: Duration) -> Self {
        self.toleration = wait;
        self
    }

    /// How long the pods of a Node that is gone are spared.
    #[must_use]
    pub fn pod_gc_quarantine(mut self, wait: Duration) -> Self {
        self.pod_gc_quarantine = wait;
        self
    }

    /// How long Events are kept.
    #[must_use]
    pub fn event_ttl(mut self, age: Duration) -> Self {
        self.event_ttl = age;
        self
    }
}
