//! The cluster that is driven unless the user composes one: simulated nodes of different sizes in three zones.

use std::sync::Arc;
use std::time::Duration;

use orch_core::Env;
use orch_runtime::simulated::Profile;

use super::Compose;
use crate::{Cluster, NodeSpec, Timings};

/// So many nodes, `n0` and so on.
pub(super) fn compose(nodes: usize) -> Compose {
    Arc::new(move |env| {
        let specs = (0..nodes).map(|number| node(&env.child(&number.to_string()), number));
        Cluster::builder().nodes(specs).timings(timings(env)).memory_disk()
    })
}

fn node(env: &Env, number: usize) -> NodeSpec {
    let cpu = ["1", "2", "4"].get(usize::try_from(env.below(3)).unwrap_or(2)).copied().unwrap_or("4");
    let zone = ["a", "b", "c"].get(number % 3).copied().unwrap_or("a");
    NodeSpec::new(format!("n{number}")).cpu(cpu).memory("4Gi").pods(20).label("zone", zone).simulated(
        |_, _| {
            let millis = Duration::from_millis;
            Profile::default()
                .start_latency(millis(5)..millis(800))
                .pull_latency(millis(1)..millis(1500))
                .stop_latency(millis(1)..millis(900))
        },
    )
}

/// Kubernetes' timings, or ones that make a minute as good as an hour.
fn timings(env: &Env) -> Timings {
    let secs = Duration::from_secs;
    if env.child("timings").below(3) == 0 {
        return Timings::default();
    }
    Timings::default()
        .node_grace(secs(9))
        .node_lease_renewal(secs(3))
        .toleration(secs(6))
        .pod_gc_quarantine(secs(5))
}
