//! The store in memory passes the suite.

use std::sync::Arc;

use orch_core::{Env, Registry};
use orch_store::MemStore;
use orch_store::conformance::Harness;

async fn make(env: Env, registry: Arc<Registry>) -> Harness {
    let store = MemStore::new(Arc::clone(&registry));
    let compacted = store.clone();
    Harness::new(env, registry, store).compacting(move |revision| {
        let store = compacted.clone();
        Box::pin(async move { store.compact(revision) })
    })
}

orch_store::store_conformance!(virtual make);
