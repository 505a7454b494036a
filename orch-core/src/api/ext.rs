//! Sugar over [`Api`] for single writes.

use async_trait::async_trait;
use serde_json::Value;

use super::{Api, Write};
use crate::{Error, Key, Live, Result, Revision};

/// What every [`Api`] can do with one write, for people.
#[async_trait]
pub trait ApiExt: Api {
    /// Does one write.
    ///
    /// # Errors
    /// The write's own.
    async fn one(&self, write: Write) -> Result<Live> {
        let key = write.key.clone();
        self.write(vec![write]).await.pop().unwrap_or(Err(Error::OutcomeUnknown { key }))
    }

    /// Reads an object as of now.
    ///
    /// # Errors
    /// As [`Read::get`](crate::Read::get).
    async fn read(&self, key: &Key) -> Result<Live> {
        self.get(key, Revision::ZERO).await
    }

    /// Creates the object that a tree describes; its kind is found by `apiVersion` and `kind`.
    ///
    /// # Errors
    /// `UnknownKind`, and the write's own.
    async fn create(&self, tree: Value) -> Result<Live> {
        let text = |field: &str| tree[field].as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let Some(info) = self.registry().by_api_version(&api_version, &kind) else {
            return Err(Error::UnknownKind { api_version, kind });
        };
        self.one(Write::create_tree(info.kind, tree)).await
    }
}

impl<A: Api + ?Sized> ApiExt for A {}
