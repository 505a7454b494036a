//! The Api in process: Kubernetes' verbs over any store.
//!
//! Reads pass through to the store. A write goes through one pipeline for all kinds: current state, change, shape,
//! defaults, admission, rules, allocation, commit; what differs between kinds stands in the strategy table. Not REST, and no
//! authorisation: whoever hands out a handle vouches for its user. Invariants: an error says truly whether the write may have
//! happened; only the server sets the fields that are the server's.

mod admission;
mod batch;
mod binding;
mod bootstrap;
mod change;
mod create;
mod custom;
mod definitions;
mod delete;
mod evict;
mod facts;
mod limits;
mod managed;
mod metadata;
mod patched;
pub(crate) mod prepared;
mod quota;
mod recent;
mod removal;
mod resize;
mod runtime_class;
pub(crate) mod scaled;
mod service_account;
mod settle;
mod status;
mod texts;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::{IpNet, Ipv4Net};
use orch_core::{
    Api, Env, Key, KindInfo, Live, Page, Read, Registry, Result, Revision, Select, Store, Str, User, Watch,
    Watches, Write,
};

#[cfg(feature = "rest")]
pub(crate) use self::admission::terminating;
#[cfg(feature = "rest")]
pub(crate) use self::bootstrap::{make_absent, make_namespaces};
#[cfg(any(feature = "rest", feature = "remote"))]
pub(crate) use self::create::REVISION_SET;
use self::definitions::Definitions;
use self::prepared::Classes;
use self::recent::Recent;
use self::texts::Texts;
use crate::quota::{Counting, Quotas};
use crate::services::Allocator;
use crate::tokens::TokenSigner;

/// The range of cluster addresses by default, kubeadm's.
const SERVICE_RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12);

/// Seconds that a pod tolerates a node that is not ready or not reachable, by default
/// (`--default-not-ready-toleration-seconds`).
const TOLERATION_SECS: i64 = 300;

/// The Kubernetes API over a [`Store`], in process. Cloning copies a pointer; one of them writes the services of a store,
/// since cluster addresses are allocated in memory.
///
/// ```
/// use std::sync::Arc;
/// use orch_api::LocalApi;
/// use orch_core::{ApiExt, Key, Registry, Write, kind};
/// use orch_store::MemStore;
/// use serde_json::json;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let store = Arc::new(MemStore::new(Arc::clone(&registry)));
/// let api = LocalApi::builder(store, env, registry).build();
/// api.bootstrap().await.unwrap();
/// let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
///     "spec": {"containers": [{"name": "web", "image": "nginx"}]}});
/// let pod = api.create(pod).await.unwrap();
/// assert_eq!(pod.tree()["spec"]["schedulerName"], "default-scheduler");
/// let bound = api.one(Write::bind(pod.key().clone(), "n1")).await.unwrap();
/// assert_eq!(bound.field("spec.nodeName"), Some("n1"));
/// # });
/// ```
#[derive(Clone)]
pub struct LocalApi {
    shared: Arc<Shared>,
    user: User,
}

struct Shared {
    store: Arc<dyn Store>,
    env: Env,
    registry: Arc<Registry>,
    services: Allocator,
    recent: Recent,
    texts: Texts,
    definitions: Definitions,
    toleration_secs: i64,
    has_accounts: bool,
    tokens: Option<Arc<dyn TokenSigner>>,
    quotas: Quotas,
    classes: Classes,
}

/// What a [`LocalApi`] is made of.
#[must_use]
pub struct LocalApiBuilder {
    store: Arc<dyn Store>,
    env: Env,
    registry: Arc<Registry>,
    service_range: IpNet,
    toleration_secs: i64,
    has_accounts: bool,
    tokens: Option<Arc<dyn TokenSigner>>,
    counting: Counting,
    user: User,
}

impl LocalApiBuilder {
    /// The range of cluster addresses; `10.96.0.0/12` by default. Its family is that of all services.
    pub fn service_range(mut self, range: IpNet) -> Self {
        self.service_range = range;
        self
    }

    /// Seconds that a pod tolerates a node that is not ready or not reachable, unless it says otherwise; 300 by default.
    pub fn default_toleration_secs(mut self, secs: i64) -> Self {
        self.toleration_secs = secs;
        self
    }

    /// Pods act as service accounts, whose tokens are mounted into their containers. Off by default: somebody must make the
    /// account `default` of each namespace, and nodes must mount tokens.
    pub fn service_accounts(mut self) -> Self {
        self.has_accounts = true;
        self
    }

    /// Somebody else counts what namespaces use of their quotas and writes it into the quotas' status, as Kubernetes' quota
    /// controller does: writes are judged by what the status says, and added to it. By default the Api counts itself.
    pub fn quotas_counted_elsewhere(mut self) -> Self {
        self.counting = Counting::Elsewhere;
        self
    }

    /// Who signs tokens of service accounts. Without, they have no subresource `token`.
    pub fn tokens(mut self, signer: Arc<dyn TokenSigner>) -> Self {
        self.tokens = Some(signer);
        self
    }

    /// Who acts; `system:admin` of `system:masters` by default.
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// The Api. Call [`LocalApi::bootstrap`] before anything else.
    #[must_use]
    pub fn build(self) -> LocalApi {
        let env = self.env.child("api");
        let services = Allocator::new(self.service_range, env.child("services"));
        let Self { store, registry, toleration_secs, has_accounts, tokens, counting, user, .. } = self;
        let shared = Shared {
            store,
            env,
            registry,
            services,
            recent: Recent::default(),
            texts: Texts::default(),
            definitions: Definitions::default(),
            toleration_secs,
            has_accounts,
            tokens,
            quotas: Quotas::new(counting),
            classes: Classes::default(),
        };
        LocalApi { shared: Arc::new(shared), user }
    }
}

impl LocalApi {
    /// An Api over a store. The registry is that of the cluster.
    pub fn builder(store: Arc<dyn Store>, env: Env, registry: Arc<Registry>) -> LocalApiBuilder {
        let service_range = SERVICE_RANGE.into();
        let mut user = User::new("system:admin");
        user.groups = vec!["system:masters".into()];
        LocalApiBuilder {
            store,
            env,
            registry,
            service_range,
            toleration_secs: TOLERATION_SECS,
            has_accounts: false,
            tokens: None,
            counting: Counting::default(),
            user,
        }
    }

    /// Who acts.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The kind of a key, if it is registered.
    fn info(&self, key: &Key) -> Result<Arc<KindInfo>> {
        self.shared.registry.get(key.kind).ok_or_else(|| orch_core::Error::UnknownKind {
            api_version: key.kind.group().to_owned(),
            kind: key.kind.resource().to_owned(),
        })
    }
}

#[async_trait]
impl Read for LocalApi {
    fn watches(&self) -> Watches {
        self.shared.store.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.shared.env.edge().await;
        self.shared.store.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.shared.env.edge().await;
        self.shared.store.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.shared.env.edge().await;
        self.shared.store.watch(what, from).await
    }
}

#[async_trait]
impl Api for LocalApi {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        self.shared.env.edge().await;
        batch::run(self, writes).await
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        Arc::new(Self { shared: Arc::clone(&self.shared), user: user.clone() })
    }

    fn registry(&self) -> &Registry {
        &self.shared.registry
    }
}

impl fmt::Debug for LocalApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalApi").field("user", &self.user.name).finish_non_exhaustive()
    }
}
