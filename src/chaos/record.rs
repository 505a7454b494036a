//! The lowest layer: a store whose every change is told at once, with who asked for it.
//!
//! It changes nothing. Invariant: changes are told in order of revision, before the writer learns of them.

use std::sync::Arc;

use async_trait::async_trait;
use orch_core::{Change, Key, Live, Page, Put, Read, Result, Revision, Select, Store, Str, Watch, Watches};

use super::hub::Hub;

/// A store that tells a hub what is written.
pub(super) struct Recorded<S> {
    inner: S,
    hub: Hub,
}

impl<S> Recorded<S> {
    pub(super) fn new(inner: S, hub: Hub) -> Self {
        Self { inner, hub }
    }
}

#[async_trait]
impl<S: Store> Read for Recorded<S> {
    fn watches(&self) -> Watches {
        self.inner.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.inner.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.inner.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.inner.watch(what, from).await
    }
}

#[async_trait]
impl<S: Store> Store for Recorded<S> {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        let told: Vec<(Key, Option<Live>)> =
            writes.iter().map(|put| (put.key().clone(), put.now().cloned())).collect();
        let answers = self.inner.commit(writes).await;
        for ((key, now), answer) in told.into_iter().zip(&answers) {
            let Ok(revision) = answer else { continue };
            let before = self.hub.with_truth(|truth| truth.get(&key).map(|live| live.object().clone()));
            let now = now.map(|live| live.at(*revision));
            self.hub.changed(&Arc::new(Change::new(*revision, now, before)));
        }
        answers
    }
}
