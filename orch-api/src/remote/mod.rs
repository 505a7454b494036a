//! The [`Api`] of any Kubernetes API server, over its REST API: what runs here on [`LocalApi`](crate::LocalApi) runs against a
//! real cluster, too.
//!
//! - [`RemoteApi`]: the Api, over any [`tower::Service`] of HTTP requests.
//! - [`Connection`]: such a service over TLS, from a [`Kubeconfig`] for example.
//!
//! Each kind has a watch of its own ([`Watches::PerKind`]). Invariants: nothing that a server sends makes it panic, and what
//! is kept of an answer is bounded; a write that may have happened is never told as one that has not.

mod connection;
mod discovery;
mod error;
mod events;
mod exchange;
mod kubeconfig;
mod path;
mod read;
mod watch;
mod write;

#[cfg(feature = "rest")]
#[cfg(test)]
mod tests;

pub use connection::{Connection, ConnectionError};
pub use exchange::{AnswerBody, RequestBody};
pub use kubeconfig::{Kubeconfig, KubeconfigError};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use orch_core::{
    Api, Env, Error, Key, KindInfo, Live, Page, Read, Registry, Result, Revision, Select, Str, User, Watch,
    Watches, Write,
};

use exchange::{BodyError, Exchange};

/// How long anything but a watch may take; Kubernetes' own servers give up after a minute (`--request-timeout`).
const TIMEOUT: Duration = Duration::from_secs(70);

/// In whose name requests are made, besides that of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acting {
    /// As the user that a part says it is, by impersonation: the connection's user must be allowed to, and the part's user
    /// must have its roles.
    #[default]
    Impersonated,
    /// As the connection's user, whoever a part says it is.
    Itself,
}

/// The Api of a server. Cloning copies a pointer.
///
/// What the trait promises holds, with these differences that are REST's: a list over several kinds stands at one revision
/// for each kind, and says the first; a watch over several kinds is refused; the revision of a deletion is one that is not
/// older than it.
///
/// ```
/// # #[cfg(feature = "rest")] {
/// use std::sync::Arc;
/// use orch_api::{LocalApi, remote::RemoteApi, rest::{MASTERS, Rest}};
/// use orch_core::{ApiExt, Key, Registry, User, kind};
/// use orch_store::MemStore;
/// use serde_json::json;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let local = LocalApi::builder(Arc::new(MemStore::new(registry.clone())), env.clone(), registry).build();
/// local.bootstrap().await.unwrap();
/// let mut admin = User::new("admin");
/// admin.groups = vec![MASTERS.into()];
/// let rest = Rest::builder(Arc::new(local), &env).build().acting_as(admin);
/// // Any service of HTTP requests will do: here the server itself, without a socket.
/// let api = RemoteApi::over(rest, &env).discover().await.unwrap();
/// let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}});
/// let made = api.create(map).await.unwrap();
/// let read = api.read(&Key::new(kind::CONFIG_MAPS, "default", "a")).await.unwrap();
/// assert!(read.is_same(&made));
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteApi {
    shared: Arc<Shared>,
    /// Whom requests are made for; `None` is the connection's own.
    user: Option<User>,
    acting: Acting,
}

struct Shared {
    exchange: Exchange,
    registry: Arc<Registry>,
    env: Env,
}

impl RemoteApi {
    /// The Api behind a service. It knows the built-in kinds, until [`RemoteApi::discover`] or
    /// [`RemoteApi::with_registry`] says otherwise.
    pub fn over<S, B>(service: S, env: &Env) -> Self
    where
        S: tower::Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BodyError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let shared = Shared {
            exchange: Exchange::over(service),
            registry: Arc::new(Registry::built_in()),
            env: env.child("remote-api"),
        };
        Self { shared: Arc::new(shared), user: None, acting: Acting::default() }
    }

    /// With those kinds.
    #[must_use]
    pub fn with_registry(self, registry: Arc<Registry>) -> Self {
        let (exchange, env) = (self.shared.exchange.clone(), self.shared.env.clone());
        Self { shared: Arc::new(Shared { exchange, registry, env }), ..self }
    }

    /// With the kinds that the server says it serves: those that are built in and served, and every other.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when the server's discovery is not the aggregated one (Kubernetes 1.30 and later).
    pub async fn discover(self) -> Result<Self> {
        let registry = discovery::registry(&self).await?;
        Ok(self.with_registry(Arc::new(registry)))
    }

    /// Whether parts act as the users that they say they are; by default they do.
    #[must_use]
    pub fn acting(mut self, acting: Acting) -> Self {
        self.acting = acting;
        self
    }

    /// What is known of a kind.
    ///
    /// # Errors
    /// `UnknownKind`.
    fn info(&self, kind: orch_core::Kind) -> Result<Arc<KindInfo>> {
        self.shared.registry.get(kind).ok_or_else(|| Error::UnknownKind {
            api_version: kind.group().to_owned(),
            kind: kind.resource().to_owned(),
        })
    }
}

#[async_trait]
impl Read for RemoteApi {
    fn watches(&self) -> Watches {
        Watches::PerKind
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        read::get(self, key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        read::list(self, what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        watch::open(self, what, from).await
    }
}

#[async_trait]
impl Api for RemoteApi {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        write::all(self, writes).await
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        let user = (self.acting == Acting::Impersonated).then(|| user.clone());
        Arc::new(Self { user, ..self.clone() })
    }

    fn registry(&self) -> &Registry {
        &self.shared.registry
    }
}

impl std::fmt::Debug for RemoteApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteApi").field("user", &self.user).finish_non_exhaustive()
    }
}
