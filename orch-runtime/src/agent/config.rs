//! What an agent is told about its node and its timings. Not here: anything that the cluster says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use orch_core::{Quantity, Str};

use super::MemoryDisk;

/// A taint that the node registers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: Str,
    /// Its value; may be empty.
    pub value: Str,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: Str,
}

/// How long something waits after failures in a row: doubled each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubling {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
    /// A failure that comes this long after the last start counts as the first.
    pub reset: Duration,
}

impl Doubling {
    /// From `first` doubled up to `most`, as if nothing had happened after twice that (`client-go/util/flowcontrol/backoff.go`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use orch_runtime::agent::Doubling;
    /// let crash_loop = Doubling::new(Duration::from_secs(10), Duration::from_secs(300));
    /// assert_eq!(crash_loop.reset, Duration::from_secs(600));
    /// ```
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, reset: most * 2 }
    }
}

/// The timings of an agent. The defaults are Kubernetes' (`pkg/kubelet/apis/config/v1beta1/defaults.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// How long the node's Lease holds: 40 s.
    pub lease_duration: Duration,
    /// How often it is renewed: 10 s.
    pub lease_renew: Duration,
    /// How often the node's status is written when nothing changed: 5 min.
    pub status_report: Duration,
    /// Between tries to pull an image: 10 s up to 300 s.
    pub image_pull: Doubling,
    /// Between restarts of a container: 10 s up to 300 s.
    pub crash_loop: Doubling,
    /// Between tries to set up what a pod needs (volumes): 500 ms up to 122 s.
    pub setup: Doubling,
    /// Until a step that failed (a sandbox, a config error, a write) is tried again: 10 s.
    pub retry: Duration,
    /// The least time a container has to end by itself: 2 s (`minimumGracePeriodInSeconds`).
    pub least_grace: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            lease_duration: secs(40),
            lease_renew: secs(10),
            status_report: secs(300),
            image_pull: Doubling::new(secs(10), secs(300)),
            crash_loop: Doubling::new(secs(10), secs(300)),
            setup: Doubling::new(Duration::from_millis(500), secs(122)),
            retry: secs(10),
            least_grace: secs(2),
        }
    }
}

/// A node and how its agent works.
///
/// ```
/// use orch_runtime::agent::AgentConfig;
/// let config = AgentConfig::new("n1").label("zone", "a").capacity("example.com/gpu", "2".parse().unwrap());
/// assert_eq!(config.capacity["pods"].to_string(), "110");
/// assert_eq!(config.allocatable()["example.com/gpu"].to_string(), "2");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentConfig {
    /// The node's name.
    pub node: Str,
    /// Besides the well-known ones.
    pub labels: BTreeMap<String, String>,
    /// Registered once, with the node.
    pub taints: Vec<Taint>,
    /// What the node has.
    pub capacity: BTreeMap<String, Quantity>,
    /// What of it is not for pods.
    pub reserved: BTreeMap<String, Quantity>,
    /// Where pods' directories stand.
    pub data_dir: PathBuf,
    /// What `data_dir` and host paths are on; `None` for the disk of the machine.
    pub memory_disk: Option<MemoryDisk>,
    /// When things are done.
    pub timings: Timings,
}

impl AgentConfig {
    /// A node with 4 CPUs, 8 GiB of memory, 64 GiB of ephemeral storage and room for 110 pods.
    ///
    /// # Panics
    /// Never: the default quantities are well formed.
    #[must_use]
    pub fn new(node: impl Into<Str>) -> Self {
        let node = node.into();
        let default = [("cpu", "4"), ("memory", "8Gi"), ("ephemeral-storage", "64Gi"), ("pods", "110")];
        let parse =
            |(name, amount): (&str, &str)| (name.to_owned(), amount.parse().expect("a constant quantity"));
        Self {
            data_dir: std::env::temp_dir().join("orch").join(&*node),
            memory_disk: None,
            node,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            capacity: default.into_iter().map(parse).collect(),
            reserved: BTreeMap::new(),
            timings: Timings::default(),
        }
    }

    /// With a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// With a taint.
    #[must_use]
    pub fn taint(mut self, key: impl Into<Str>, value: impl Into<Str>, effect: impl Into<Str>) -> Self {
        self.taints.push(Taint { key: key.into(), value: value.into(), effect: effect.into() });
        self
    }

    /// With so much of a resource.
    #[must_use]
    pub fn capacity(mut self, resource: impl Into<String>, amount: Quantity) -> Self {
        self.capacity.insert(resource.into(), amount);
        self
    }

    /// With so much of a resource kept from pods.
    #[must_use]
    pub fn reserve(mut self, resource: impl Into<String>, amount: Quantity) -> Self {
        self.reserved.insert(resource.into(), amount);
        self
    }

    /// With pods' directories under that one.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = path.into();
        self
    }

    /// With volumes and host paths on a disk in memory, for runtimes that open no files of the machine. It outlives the
    /// agent: the next one that is given a clone of it finds what this one made.
    #[must_use]
    pub fn memory_disk(mut self, disk: MemoryDisk) -> Self {
        self.memory_disk = Some(disk);
        self
    }

    /// With other timings.
    #[must_use]
    pub fn timings(mut self, change: impl FnOnce(&mut Timings)) -> Self {
        change(&mut self.timings);
        self
    }

    /// What is there for pods: the capacity without what is reserved.
    #[must_use]
    pub fn allocatable(&self) -> BTreeMap<String, Quantity> {
        let reserved = |name: &String| self.reserved.get(name).copied().unwrap_or_default();
        self.capacity
            .iter()
            .map(|(name, amount)| (name.clone(), amount.sub_to_zero(reserved(name))))
            .collect()
    }

    /// The labels that the node registers with, the well-known ones included.
    #[must_use]
    pub fn all_labels(&self) -> BTreeMap<String, String> {
        let (os, arch) = (OS.to_owned(), arch().to_owned());
        let known = [
            ("kubernetes.io/hostname", self.node.to_string()),
            ("kubernetes.io/os", os.clone()),
            ("kubernetes.io/arch", arch.clone()),
            ("beta.kubernetes.io/os", os),
            ("beta.kubernetes.io/arch", arch),
        ];
        let mut labels: BTreeMap<_, _> =
            known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        labels.extend(self.labels.clone());
        labels
    }
}

/// Pods of orch are Linux pods wherever the program itself runs: that is what manifests select.
pub(super) const OS: &str = "linux";

/// The machine's architecture in Go's words, as in `kubernetes.io/arch`.
pub(super) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocatable_is_the_capacity_without_what_is_reserved() {
        let config = AgentConfig::new("n1")
            .reserve("cpu", "500m".parse().unwrap())
            .reserve("memory", "1Ti".parse().unwrap());
        let allocatable = config.allocatable();
        assert_eq!(allocatable["cpu"].to_string(), "3500m");
        assert!(allocatable["memory"].is_zero(), "never less than nothing");
        assert_eq!(allocatable["pods"], "110".parse().unwrap());
    }

    #[test]
    fn a_label_of_the_user_wins() {
        let labels = AgentConfig::new("n1").label("kubernetes.io/hostname", "other").all_labels();
        assert_eq!(labels["kubernetes.io/hostname"], "other");
        assert_eq!(labels["kubernetes.io/os"], "linux");
    }
}
