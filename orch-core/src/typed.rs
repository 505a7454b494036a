//! Kubernetes' own types over an [`Api`]: `k8s-openapi`'s, which users of `kube` have already, or a user's own.

use std::marker::PhantomData;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::selector::Selector;
use crate::{
    Api, ApiExt, Change, Error, Event, Key, Kind, Result, Revision, Select, Str, Subresource, Write,
};

/// The objects of one kind in one namespace (or of the cluster), as values of `T`.
///
/// A value that was read carries its `resourceVersion`: giving it back to [`Objects::update`] fails with a conflict when
/// somebody else wrote in between. `Cluster::of` of the facade makes one.
pub struct Objects<T> {
    api: Arc<dyn Api>,
    kind: Kind,
    namespace: Str,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Objects<T> {
    fn clone(&self) -> Self {
        let Self { api, kind, namespace, of } = self;
        Self { api: Arc::clone(api), kind: *kind, namespace: namespace.clone(), of: *of }
    }
}

impl<T: Resource> Objects<T> {
    /// Of one of Kubernetes' own types. The namespace is empty for a cluster-scoped kind.
    #[must_use]
    pub fn new(api: Arc<dyn Api>, namespace: impl Into<Str>) -> Self {
        Self {
            api,
            kind: Kind::named(T::GROUP, T::URL_PATH_SEGMENT),
            namespace: namespace.into(),
            of: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> Objects<T> {
    /// Of a kind of the user's own, whose objects have the shape of `T`.
    #[must_use]
    pub fn of_kind(api: Arc<dyn Api>, kind: Kind, namespace: impl Into<Str>) -> Self {
        Self { api, kind, namespace: namespace.into(), of: PhantomData }
    }

    /// The key of the object of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Key {
        Key { kind: self.kind, namespace: self.namespace.clone(), name: name.into() }
    }

    /// The object of that name.
    ///
    /// # Errors
    /// `NotFound`, and as [`Read::get`](crate::Read::get); `Malformed` when it does not have the shape of `T`.
    pub async fn get(&self, name: &str) -> Result<T> {
        self.api.read(&self.key(name)).await?.to()
    }

    /// The object of that name, if it is there.
    ///
    /// # Errors
    /// As [`Objects::get`], `NotFound` aside.
    pub async fn find(&self, name: &str) -> Result<Option<T>> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects in order of name; of every namespace when the namespace is empty.
    ///
    /// # Errors
    /// As [`Read::list`](crate::Read::list).
    pub async fn list(&self) -> Result<Vec<T>> {
        self.selected(Selector::default()).await
    }

    /// The objects that have these labels.
    ///
    /// # Errors
    /// As [`Read::list`](crate::Read::list).
    pub async fn selected(&self, labels: Selector) -> Result<Vec<T>> {
        let page = self.api.list(&self.select().labels(labels), None, 0).await?;
        page.items.iter().map(crate::Object::to).collect()
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The write's own: `AlreadyExists`, `Invalid` with every fault, …
    pub async fn create(&self, object: &T) -> Result<T> {
        let tree = self.tree(object)?;
        let name = tree["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.api.one(Write::create(self.key(&name), tree)).await?.to()
    }

    /// Replaces an object, its status aside.
    ///
    /// # Errors
    /// `Conflict` when the value carries a `resourceVersion` that is not the current one; `NotFound`; `Invalid`.
    pub async fn update(&self, object: &T) -> Result<T> {
        self.replace(object, Subresource::None).await
    }

    /// Replaces an object's status and nothing else.
    ///
    /// # Errors
    /// As [`Objects::update`].
    pub async fn update_status(&self, object: &T) -> Result<T> {
        self.replace(object, Subresource::Status).await
    }

    async fn replace(&self, object: &T, subresource: Subresource) -> Result<T> {
        let tree = self.tree(object)?;
        let name = tree["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.api.one(Write::update(self.key(&name), tree).to(subresource)).await?.to()
    }

    /// Changes parts of an object by a JSON merge patch.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, …
    pub async fn merge(&self, name: &str, patch: Value) -> Result<T> {
        self.api.one(Write::merge(self.key(name), patch)).await?.to()
    }

    /// Deletes an object, with the grace and propagation of its kind. It may stay for a while.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, …
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.api.one(Write::delete(self.key(name))).await.map(|_| ())
    }

    /// Changes from now on, the present objects first. Ends with the underlying watch.
    ///
    /// # Errors
    /// As [`Read::watch`](crate::Read::watch).
    pub async fn watch(&self) -> Result<BoxStream<'static, Result<Arc<Change>>>> {
        let watch = self.api.watch(&self.select(), None::<Revision>).await?;
        let changes = watch.filter_map(|event| {
            futures::future::ready(match event {
                Ok(Event::Changed(change)) => Some(Ok(change)),
                Ok(Event::Progress(_)) => None,
                Err(error) => Some(Err(error)),
            })
        });
        Ok(changes.boxed())
    }

    fn select(&self) -> Select {
        let select = Select::kind(self.kind);
        if self.namespace.is_empty() { select } else { select.namespace(self.namespace.clone()) }
    }

    fn tree(&self, object: &T) -> Result<Value> {
        serde_json::to_value(object).map_err(|error| Error::Malformed {
            subject: self.kind.to_string(),
            field: String::new(),
            why: error.to_string(),
        })
    }
}
