//! What a pod asks for: the rules of sidecars, init containers, pod-level resources and overhead.
//!
//! As `PodRequests` of `staging/src/k8s.io/component-helpers/resource/helpers.go`. Left out: sizes that a running pod was
//! allocated during a resize.

use serde_json::Value;

use super::resource::{Amounts, Resources};

/// What a container without a request for CPU counts as when nodes are compared (`pkg/scheduler/util/pod_resources.go`).
const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container without a request for memory counts as when nodes are compared.
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// What a pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requests {
    /// As its spec says.
    pub amounts: Amounts,
    /// The same CPU, with a default for containers that do not say.
    pub nonzero_milli_cpu: i64,
    /// The same memory, with a default for containers that do not say.
    pub nonzero_memory: i64,
}

impl Requests {
    pub(crate) fn read(spec: &Value, resources: &mut Resources) -> Self {
        let mut total = Self::default();
        for container in spec["containers"].as_array().into_iter().flatten() {
            total.add(&Self::of_container(container, resources));
        }
        let (mut sidecars, mut start) = (Self::default(), Self::default());
        for container in spec["initContainers"].as_array().into_iter().flatten() {
            let mut needs = Self::of_container(container, resources);
            if container["restartPolicy"] == "Always" {
                total.add(&needs);
                sidecars.add(&needs);
                start.raise_to(&sidecars);
            } else {
                needs.add(&sidecars);
                start.raise_to(&needs);
            }
        }
        total.raise_to(&start);
        total.override_by_pod(&spec["resources"]["requests"], resources);
        let overhead = Amounts::read(&spec["overhead"], resources);
        total.nonzero_milli_cpu += overhead.milli_cpu;
        total.nonzero_memory += overhead.memory;
        total.amounts.add(&overhead);
        total
    }

    fn of_container(container: &Value, resources: &mut Resources) -> Self {
        let requests = &container["resources"]["requests"];
        let amounts = Amounts::read(requests, resources);
        let or =
            |name: &str, amount: i64, default: i64| if requests[name].is_null() { default } else { amount };
        Self {
            nonzero_milli_cpu: or("cpu", amounts.milli_cpu, DEFAULT_MILLI_CPU),
            nonzero_memory: or("memory", amounts.memory, DEFAULT_MEMORY),
            amounts,
        }
    }

    /// Requests of the pod as a whole replace the sums; they can be for CPU, memory and huge pages.
    fn override_by_pod(&mut self, requests: &Value, resources: &mut Resources) {
        let amounts = Amounts::read(requests, resources);
        for name in requests.as_object().into_iter().flat_map(|map| map.keys()) {
            let resource = resources.intern(name);
            match name.as_str() {
                "cpu" => self.nonzero_milli_cpu = amounts.milli_cpu,
                "memory" => self.nonzero_memory = amounts.memory,
                name if name.starts_with("hugepages-") => {}
                _ => continue,
            }
            self.amounts.set(resource, amounts.get(resource));
        }
    }

    fn add(&mut self, other: &Self) {
        self.amounts.add(&other.amounts);
        self.nonzero_milli_cpu = self.nonzero_milli_cpu.saturating_add(other.nonzero_milli_cpu);
        self.nonzero_memory = self.nonzero_memory.saturating_add(other.nonzero_memory);
    }

    fn raise_to(&mut self, other: &Self) {
        self.amounts.raise_to(&other.amounts);
        self.nonzero_milli_cpu = self.nonzero_milli_cpu.max(other.nonzero_milli_cpu);
        self.nonzero_memory = self.nonzero_memory.max(other.nonzero_memory);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(spec: &Value, milli_cpu: i64, memory: i64, nonzero: (i64, i64)) {
        let requests = Requests::read(spec, &mut Resources::default());
        let found = (requests.amounts.milli_cpu, requests.amounts.memory);
        assert_eq!(found, (milli_cpu, memory));
        assert_eq!((requests.nonzero_milli_cpu, requests.nonzero_memory), nonzero);
    }

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn sidecar(cpu: &str, memory: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    #[test]
    fn containers_add_up() {
        check(
            &json!({"containers": [container("100m", "1k"), container("1", "2k")]}),
            1100,
            3000,
            (1100, 3000),
        );
    }

    #[test]
    fn missing_requests_count_when_comparing_only() {
        check(&json!({"containers": [{}]}), 0, 0, (100, 200 * 1024 * 1024));
    }

    #[test]
    fn the_largest_init_container_counts_if_it_is_larger() {
        let containers = [container("1", "10")];
        let init = [container("3", "5"), container("2", "1")];
        check(&json!({"containers": containers, "initContainers": init}), 3000, 10, (3000, 10));
    }

    #[test]
    fn sidecars_run_beside_later_init_containers_and_the_containers() {
        let init = [container("4", "1"), sidecar("1", "1"), container("4", "1")];
        check(&json!({"containers": [container("1", "9")], "initContainers": init}), 5000, 10, (5000, 10));
    }

    #[test]
    fn overhead_comes_on_top_and_the_pods_own_requests_replace_the_sum() {
        let spec = json!({"containers": [container("1", "5")], "overhead": {"cpu": "250m"},
            "resources": {"requests": {"cpu": "2"}}});
        check(&spec, 2250, 5, (2250, 5));
    }
}
