//! Stores that lose answers or are beaten: what a write then says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use orch_core::{
    ApiExt, Error, Key, Live, Page, Put, Read, Registry, Result, Revision, Select, Store, Str, Watch, Write,
    WriteOutcome, kind,
};
use orch_store::MemStore;
use serde_json::json;

use crate::LocalApi;

/// What goes wrong with a commit.
#[derive(Clone, Copy)]
enum Fault {
    /// It is done and the answer lost.
    AnswerLost,
    /// It is not done and the answer lost.
    RequestLost,
    /// Others come first.
    Beaten,
    /// The namespace of what is written goes first.
    NamespaceGoes,
    /// The namespace of what is written is changed first.
    NamespaceChanges,
}

/// Fails the next commits.
struct Faulty {
    store: MemStore,
    fault: Fault,
    left: AtomicU32,
}

#[async_trait]
impl Read for Faulty {
    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.store.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.store.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.store.watch(what, from).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn commit(&self, writes: Vec<Put>) -> Vec<Result<Revision>> {
        if self.left.load(Ordering::Relaxed) == 0 {
            return self.store.commit(writes).await;
        }
        self.left.fetch_sub(1, Ordering::Relaxed);
        let keys: Vec<Key> = writes.iter().map(|put| put.key().clone()).collect();
        let unknown = |key: &Key| Err(Error::OutcomeUnknown { key: key.clone() });
        match self.fault {
            Fault::RequestLost => keys.iter().map(unknown).collect(),
            Fault::AnswerLost => {
                self.store.commit(writes).await;
                keys.iter().map(unknown).collect()
            }
            Fault::NamespaceGoes | Fault::NamespaceChanges => {
                let namespace = Key::cluster(kind::NAMESPACES, keys[0].namespace.clone());
                let live = self.store.get(&namespace, Revision::ZERO).await.unwrap();
                let at = live.revision();
                let first = match self.fault {
                    Fault::NamespaceGoes => Put::delete(namespace, at),
                    _ => Put::replace(live.object().clone(), at),
                };
                self.store.commit(vec![first]).await.remove(0).unwrap();
                self.store.commit(writes).await
            }
            Fault::Beaten => {
                let beaten = |key: &Key| {
                    let cause =
                        orch_core::ConflictCause::Revision { expected: Revision(1), actual: Revision(2) };
                    Err(Error::Conflict { key: key.clone(), cause })
                };
                keys.iter().map(beaten).collect()
            }
        }
    }
}

fn sim<F: Future>(fault: Fault, body: impl FnOnce(LocalApi, Arc<Faulty>) -> F) -> F::Output {
    orch_core::sim::run(3, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let store = Arc::new(Faulty { store, fault, left: AtomicU32::new(0) });
        let api = LocalApi::builder(Arc::clone(&store) as Arc<dyn Store>, env, registry).build();
        api.bootstrap().await.unwrap();
        body(api, store).await
    })
}

fn config() -> Key {
    Key::new(kind::CONFIG_MAPS, "default", "a")
}

#[test]
fn a_lost_answer_is_found_by_reading() {
    sim(Fault::AnswerLost, |api, store| async move {
        store.left.store(1, Ordering::Relaxed);
        let made = api.one(Write::create(config(), json!({}))).await.unwrap();
        assert_eq!(made.revision(), api.read(&config()).await.unwrap().revision());
        store.left.store(1, Ordering::Relaxed);
        let patched = api.one(Write::merge(config(), json!({"data": {"k": "v"}}))).await.unwrap();
        assert!(patched.revision() > made.revision());
    });
}

/// Seed 71682 of 2026-11-26: a pod was left in a namespace that had gone between its admission and its commit.
#[test]
fn nothing_is_created_in_a_namespace_that_goes_meanwhile() {
    let namespace = || Write::create(Key::cluster(kind::NAMESPACES, "shop"), json!({}));
    let key = Key::new(kind::CONFIG_MAPS, "shop", "a");
    let write = Write::create(key.clone(), json!({"data": {"k": "v"}}));
    let (of, create) = (key.clone(), write.clone());
    sim(Fault::NamespaceGoes, |api, store| async move {
        api.one(namespace()).await.unwrap();
        store.left.store(1, Ordering::Relaxed);
        let refused = api.one(create).await.unwrap_err();
        assert!(matches!(&refused, Error::NotFound { key } if key.kind == kind::NAMESPACES), "{refused}");
        assert!(api.read(&of).await.is_err());
    });
    sim(Fault::NamespaceChanges, |api, store| async move {
        api.one(namespace()).await.unwrap();
        store.left.store(1, Ordering::Relaxed);
        assert_eq!(api.one(write).await.unwrap().tree()["data"]["k"], "v");
        assert_eq!(api.read(&key).await.unwrap().header().generation, 0);
    });
}

#[test]
fn what_cannot_be_found_out_is_said_to_be_unknown() {
    sim(Fault::RequestLost, |api, store| async move {
        for write in [
            Write::create(config(), json!({})),
            Write::merge(config(), json!({"data": {"k": "v"}})),
            Write::delete(config()),
        ] {
            store.left.store(1, Ordering::Relaxed);
            let error = api.one(write).await;
            match error {
                Err(error) => assert_eq!(error.outcome(), WriteOutcome::Unknown, "{error}"),
                Ok(live) => panic!("{live:?}"),
            }
            store.left.store(0, Ordering::Relaxed);
            drop(api.one(Write::create(config(), json!({}))).await);
        }
    });
}

#[test]
fn a_write_that_was_beaten_is_tried_again_unless_it_names_a_revision() {
    sim(Fault::Beaten, |api, store| async move {
        let made = api.one(Write::create(config(), json!({}))).await.unwrap();
        store.left.store(5, Ordering::Relaxed);
        let patched = api.one(Write::merge(config(), json!({"data": {"k": "v"}}))).await.unwrap();
        assert!(patched.revision() > made.revision());
        store.left.store(1, Ordering::Relaxed);
        let fixed = Write::merge(config(), json!({"data": {"k": "w"}})).at(patched.revision());
        assert!(api.one(fixed).await.unwrap_err().is_conflict());
        store.left.store(1_000, Ordering::Relaxed);
        let error = api.one(Write::merge(config(), json!({"data": {"k": "w"}}))).await.unwrap_err();
        assert!(error.is_conflict());
        assert!(store.left.load(Ordering::Relaxed) > 900, "tries are bounded");
    });
}
