//! The faulty store passes the suite with the faults that its readers are asked to bear: delays, lag, watches that break off.

use std::sync::Arc;
use std::time::Duration;

use orch_core::{Env, Registry};
use orch_store::conformance::Harness;
use orch_store::{Faults, Faulty, MemStore};

fn harness(env: Env, registry: Arc<Registry>, faults: Faults) -> Harness {
    let store = Arc::new(MemStore::new(Arc::clone(&registry)));
    let faulty = Faulty::new(Arc::clone(&store), env.child("store"), faults);
    Harness::new(env, registry, faulty).compacting(move |revision| {
        let store = Arc::clone(&store);
        Box::pin(async move { store.compact(revision) })
    })
}

fn benign() -> Faults {
    let (delay, lag) = (Duration::from_millis(10), Duration::from_millis(50));
    Faults::quiet().delays(0.3, delay).lag(0.3, lag).dropped_watches(0.1)
}

mod joint {
    use super::*;

    async fn make(env: Env, registry: Arc<Registry>) -> Harness {
        harness(env, registry, benign())
    }
    orch_store::store_conformance!(virtual make);
}

mod per_kind {
    use super::*;

    async fn make(env: Env, registry: Arc<Registry>) -> Harness {
        harness(env, registry, benign().per_kind())
    }
    orch_store::store_conformance!(virtual make);
}
