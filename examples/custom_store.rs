//! A store of your own: here a layer that writes a line for every write, over the memory store.
//!
//! ```text
//! cargo run --release --example custom_store
//! ```
//!
//! You will see the first writes of a cluster's life and how many there were. The reads are passed on as they are; a store
//! from scratch would implement them too, and run `orch::store::store_conformance!` in its tests.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use orch::core::{Key, Live, Page, Put, Read, Registry, Result, Revision, Select, Store, Str, Watch};
use orch::store::MemStore;
use orch::{Cluster, NodeSpec};

/// Notes every write that the store below has taken.
struct Audited {
    below: Arc<dyn Store>,
    journal: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Read for Audited {
    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.below.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.below.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.below.watch(what, from).await
    }
}

#[async_trait]
impl Store for Audited {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        let lines: Vec<String> = writes
            .iter()
            .map(|write| format!("{} {}", if write.now().is_some() { "put" } else { "delete" }, write.key()))
            .collect();
        let results = self.below.commit(writes).await;
        let taken =
            lines.into_iter().zip(&results).filter_map(|(line, result)| Some((line, result.as_ref().ok()?)));
        let mut journal = self.journal.lock().expect("no holder of the lock panics");
        journal.extend(taken.map(|(line, revision)| format!("{revision:>4} {line}")));
        results
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A store and its cluster share the registry of kinds.
    let registry = Arc::new(Registry::built_in());
    let journal = Arc::new(Mutex::new(Vec::new()));
    let store =
        Audited { below: Arc::new(MemStore::new(Arc::clone(&registry))), journal: Arc::clone(&journal) };
    let cluster =
        Cluster::builder().registry(registry).store(store).nodes([NodeSpec::new("n1")]).start().await?;
    cluster
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: menu, namespace: default}, data: {bread: rye}}")
        .await?;
    cluster.shutdown().await?;

    let journal = journal.lock().expect("no holder of the lock panics");
    journal.iter().take(8).for_each(|line| println!("{line}"));
    let mut kinds = BTreeMap::<&str, usize>::new();
    for line in journal.iter() {
        *kinds.entry(line[5..].split('/').next().unwrap_or_default()).or_default() += 1;
    }
    println!("{kinds:?}");
    anyhow::ensure!(
        journal.iter().any(|line| line.ends_with("put configmaps/default/menu")),
        "the write is missing"
    );
    println!("{} writes went through the user's store", journal.len());
    Ok(())
}
