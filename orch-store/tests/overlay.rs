//! A layer passes the suite over a store that stands still: an empty one, and one with a past.

use std::sync::Arc;

use orch_core::{Env, Object, Put, Registry, Store, kind};
use orch_store::conformance::Harness;
use orch_store::{MemStore, Overlay};

async fn harness(env: Env, registry: Arc<Registry>, base: MemStore) -> Harness {
    let layer =
        Overlay::over(Arc::new(base), Arc::clone(&registry)).await.expect("a store in memory can be read");
    let compacted = layer.clone();
    Harness::new(env, registry, layer).compacting(move |revision| {
        let layer = compacted.clone();
        Box::pin(async move { layer.compact(revision) })
    })
}

mod over_nothing {
    use super::*;

    async fn make(env: Env, registry: Arc<Registry>) -> Harness {
        let base = MemStore::new(Arc::clone(&registry));
        harness(env, registry, base).await
    }
    orch_store::store_conformance!(virtual make);
}

mod over_a_past {
    use super::*;

    async fn make(env: Env, registry: Arc<Registry>) -> Harness {
        let base = MemStore::new(Arc::clone(&registry));
        let tree =
            serde_json::json!({"metadata": {"name": "x", "namespace": "a"}, "data": {"value": "past"}});
        let info = registry.get(kind::CONFIG_MAPS).expect("built in");
        let object = Object::encode(&info, &tree).expect("well formed");
        let created =
            base.commit(vec![Put::create(object.clone())]).await.remove(0).expect("the store is empty");
        base.commit(vec![Put::delete(object.key().clone(), created)])
            .await
            .remove(0)
            .expect("it was just created");
        harness(env, registry, base).await
    }
    orch_store::store_conformance!(virtual make);
}
