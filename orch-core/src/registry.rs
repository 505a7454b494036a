//! The kinds that a cluster knows: names, scope, subresources and selectable fields.
//!
//! A registry belongs to one cluster and grows at run time. It knows no schema, defaults or validation: those are
//! `orch-api`'s, which may keep what it knows of a kind beside the names. Invariant: a word resolves to at most one kind.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Kind, Str, kind};

mod rows;

pub use rows::reviews;

/// Whether objects of a kind stand in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One set for the whole cluster.
    Cluster,
    /// One set for each namespace.
    Namespaced,
}

/// Parts of an object with an endpoint of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Subresource {
    /// The object itself.
    #[default]
    None,
    /// `status`: what is observed; a write to it changes nothing else.
    Status,
    /// `scale`: the replica count of a workload.
    Scale,
    /// `binding`: assigns a pod to a node.
    Binding,
    /// `eviction`: deletes a pod if its disruption budgets allow.
    Eviction,
    /// `finalize`: removes finalizers of a namespace.
    Finalize,
    /// `approval`: says whether a certificate may be issued.
    Approval,
    /// `ephemeralcontainers`: adds containers to a pod that runs.
    EphemeralContainers,
    /// `resize`: changes what the containers of a pod that runs ask for.
    Resize,
    /// `token`: signs a token of a service account; nothing is stored.
    Token,
    /// `log`: what a container has written; it is only read, and not through an [`Api`](crate::Api).
    Log,
}

impl Subresource {
    /// As it stands in paths; empty for the object itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Binding => "binding",
            Self::Eviction => "eviction",
            Self::Finalize => "finalize",
            Self::Approval => "approval",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Token => "token",
            Self::Log => "log",
        }
    }
}

/// What the registry knows of a kind.
///
/// ```
/// use orch_core::{KindInfo, Kind, Registry, Scope};
/// let registry = Registry::built_in();
/// registry.register(KindInfo::new(Kind::named("shop.example", "widgets"), "v1", "Widget", Scope::Namespaced)).unwrap();
/// let info = registry.by_api_version("shop.example/v1", "Widget").unwrap();
/// assert_eq!(info.kind.resource(), "widgets");
/// assert_eq!(info.api_version(), "shop.example/v1");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KindInfo {
    /// Group and plural resource.
    pub kind: Kind,
    /// Served versions, the preferred one first. Never empty.
    pub versions: Vec<Str>,
    /// In CamelCase, as manifests write it.
    pub name: Str,
    /// In lower case.
    pub singular: Str,
    /// For example `po`.
    pub short_names: Vec<Str>,
    /// For example `all`.
    pub categories: Vec<Str>,
    /// Namespaced or not.
    pub scope: Scope,
    /// Without [`Subresource::None`].
    pub subresources: Vec<Subresource>,
    /// Paths of fields that field selectors know besides `metadata.name` and `metadata.namespace`.
    pub selectable: Arc<[Str]>,
    /// What else whoever registered the kind knows of it.
    description: Option<Arc<dyn Any + Send + Sync>>,
}

impl KindInfo {
    /// A kind with one version, the lower-case name as singular, and a status subresource.
    #[must_use]
    pub fn new(kind: Kind, version: &str, name: &str, scope: Scope) -> Self {
        Self {
            kind,
            versions: vec![version.into()],
            name: name.into(),
            singular: name.to_lowercase().into(),
            short_names: Vec::new(),
            categories: Vec::new(),
            scope,
            subresources: vec![Subresource::Status],
            selectable: Arc::default(),
            description: None,
        }
    }

    /// Keeps what else is known of the kind beside its names, for [`KindInfo::described`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use orch_core::{Kind, KindInfo, Scope};
    /// let kind = Kind::named("shop.example", "widgets");
    /// let info = KindInfo::new(kind, "v1", "Widget", Scope::Namespaced).describe(Arc::new(7_u32));
    /// assert_eq!(info.described::<u32>(), Some(&7));
    /// assert_eq!(info.described::<u64>(), None);
    /// ```
    #[must_use]
    pub fn describe<T: Any + Send + Sync>(mut self, description: Arc<T>) -> Self {
        self.description = Some(description);
        self
    }

    /// What else is known of the kind, if it is of that type.
    #[must_use]
    pub fn described<T: Any>(&self) -> Option<&T> {
        self.description.as_deref()?.downcast_ref()
    }

    /// Replaces the short names.
    #[must_use]
    pub fn short_names(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Replaces the categories.
    #[must_use]
    pub fn categories(mut self, names: &[&str]) -> Self {
        self.categories = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Replaces the subresources.
    #[must_use]
    pub fn subresources(mut self, subresources: &[Subresource]) -> Self {
        self.subresources = subresources.to_vec();
        self
    }

    /// Replaces the selectable fields.
    #[must_use]
    pub fn selectable(mut self, paths: &[&str]) -> Self {
        self.selectable = paths.iter().map(|path| (*path).into()).collect();
        self
    }

    /// The preferred `apiVersion`, for example `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.kind.group() {
            "" => self.versions[0].to_string(),
            group => format!("{group}/{}", self.versions[0]),
        }
    }

    /// Whether objects of the kind stand in namespaces.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether the kind has that subresource; every kind has [`Subresource::None`].
    #[must_use]
    pub fn has(&self, subresource: Subresource) -> bool {
        subresource == Subresource::None || self.subresources.contains(&subresource)
    }
}

/// The kinds of one cluster. Lookups take a short read lock; answers are shared, not copied.
#[derive(Debug, Default)]
pub struct Registry {
    kinds: RwLock<BTreeMap<Kind, Arc<KindInfo>>>,
}

/// A kind cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kind {kind} cannot be registered: {word} already means {taken_by}")]
pub struct Taken {
    /// The kind that was refused.
    pub kind: Kind,
    /// The word (plural, singular, short name or kind name) that is taken within the group.
    pub word: String,
    /// Who has it.
    pub taken_by: Kind,
}

impl Registry {
    /// A registry of the kinds that this crate names.
    #[must_use]
    pub fn built_in() -> Self {
        let kinds = built_in_kinds()
            .into_iter()
            .chain(rows::stored())
            .map(|info| (info.kind, Arc::new(info)))
            .collect();
        Self { kinds: RwLock::new(kinds) }
    }

    /// Adds a kind, or replaces it when it is there.
    ///
    /// # Errors
    /// [`Taken`] when one of its names means another kind of the same group.
    pub fn register(&self, info: KindInfo) -> Result<(), Taken> {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        for other in kinds.values().filter(|o| o.kind != info.kind && o.kind.group() == info.kind.group()) {
            let words = std::iter::once(&info.singular).chain(&info.short_names);
            let word =
                words.map(|word| &**word).chain([info.kind.resource()]).find(|word| other.answers_to(word));
            let name = (info.name == other.name).then_some(&*info.name);
            if let Some(word) = word.or(name) {
                return Err(Taken { kind: info.kind, word: word.to_owned(), taken_by: other.kind });
            }
        }
        kinds.insert(info.kind, Arc::new(info));
        Ok(())
    }

    /// Forgets a kind. Its objects are the caller's concern.
    pub fn remove(&self, kind: Kind) {
        self.kinds.write().unwrap_or_else(PoisonError::into_inner).remove(&kind);
    }

    /// What is known of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<Arc<KindInfo>> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned()
    }

    /// The kind that a manifest names.
    #[must_use]
    pub fn by_api_version(&self, api_version: &str, name: &str) -> Option<Arc<KindInfo>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds
            .values()
            .find(|info| {
                info.kind.group() == group
                    && &*info.name == name
                    && info.versions.iter().any(|v| &**v == version)
            })
            .cloned()
    }

    /// The kind that a path names, without interning anything.
    #[must_use]
    pub fn by_resource(&self, group: &str, resource: &str) -> Option<Arc<KindInfo>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.values().find(|info| info.kind.group() == group && info.kind.resource() == resource).cloned()
    }

    /// The kind that a person means by a plural, singular or short name, with or without `.group`.
    /// Without a group the first in order of group wins, the core group before all.
    #[must_use]
    pub fn by_word(&self, word: &str) -> Option<Arc<KindInfo>> {
        let word = word.to_lowercase();
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let full = kinds.values().find(|info| {
            word.split_once('.')
                .is_some_and(|(word, group)| group == info.kind.group() && info.answers_to(word))
        });
        full.or_else(|| kinds.values().find(|info| info.answers_to(&word))).cloned()
    }

    /// Every kind in order of group and resource.
    #[must_use]
    pub fn kinds(&self) -> Vec<Arc<KindInfo>> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl KindInfo {
    fn answers_to(&self, word: &str) -> bool {
        self.kind.resource() == word
            || &*self.singular == word
            || self.short_names.iter().any(|name| &**name == word)
    }
}

/// Names, short names and selectable fields as in Kubernetes 1.36 (`pkg/registry/*/*/storage`, `.../strategy.go`).
fn built_in_kinds() -> Vec<KindInfo> {
    use Scope::{Cluster, Namespaced};
    use Subresource::{Binding, EphemeralContainers, Eviction, Finalize, Log, Resize, Scale, Status, Token};
    let info = KindInfo::new;
    vec![
        info(kind::CONFIG_MAPS, "v1", "ConfigMap", Namespaced).short_names(&["cm"]).subresources(&[]),
        info(kind::CONTROLLER_REVISIONS, "v1", "ControllerRevision", Namespaced).subresources(&[]),
        info(kind::DEPLOYMENTS, "v1", "Deployment", Namespaced)
            .short_names(&["deploy"])
            .categories(&["all"])
            .subresources(&[Status, Scale]),
        info(kind::ENDPOINT_SLICES, "v1", "EndpointSlice", Namespaced).subresources(&[]),
        info(kind::EVENTS, "v1", "Event", Namespaced).short_names(&["ev"]).subresources(&[]).selectable(&[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]),
        info(kind::LEASES, "v1", "Lease", Namespaced).subresources(&[]),
        info(kind::NAMESPACES, "v1", "Namespace", Cluster)
            .short_names(&["ns"])
            .subresources(&[Status, Finalize])
            .selectable(&["status.phase"]),
        info(kind::NODES, "v1", "Node", Cluster).short_names(&["no"]).selectable(&["spec.unschedulable"]),
        info(kind::PERSISTENT_VOLUME_CLAIMS, "v1", "PersistentVolumeClaim", Namespaced).short_names(&["pvc"]),
        info(kind::PERSISTENT_VOLUMES, "v1", "PersistentVolume", Cluster).short_names(&["pv"]),
        info(kind::PODS, "v1", "Pod", Namespaced)
            .short_names(&["po"])
            .categories(&["all"])
            .subresources(&[Status, Binding, Eviction, EphemeralContainers, Resize, Log])
            .selectable(&[
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "spec.hostNetwork",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            ]),
        info(kind::PRIORITY_CLASSES, "v1", "PriorityClass", Cluster).short_names(&["pc"]).subresources(&[]),
        info(kind::REPLICA_SETS, "v1", "ReplicaSet", Namespaced)
            .short_names(&["rs"])
            .categories(&["all"])
            .subresources(&[Status, Scale])
            .selectable(&["status.replicas"]),
        info(kind::SECRETS, "v1", "Secret", Namespaced).subresources(&[]).selectable(&["type"]),
        info(kind::SERVICE_ACCOUNTS, "v1", "ServiceAccount", Namespaced)
            .short_names(&["sa"])
            .subresources(&[Token]),
        info(kind::SERVICES, "v1", "Service", Namespaced)
            .short_names(&["svc"])
            .categories(&["all"])
            .selectable(&["spec.clusterIP", "spec.type"]),
        info(kind::STATEFUL_SETS, "v1", "StatefulSet", Namespaced)
            .short_names(&["sts"])
            .categories(&["all"])
            .subresources(&[Status, Scale]),
        info(kind::STORAGE_CLASSES, "v1", "StorageClass", Cluster).short_names(&["sc"]).subresources(&[]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_find_their_kind() {
        let registry = Registry::built_in();
        for (word, kind) in [
            ("po", kind::PODS),
            ("Pod", kind::PODS),
            ("pods", kind::PODS),
            ("deploy", kind::DEPLOYMENTS),
            ("deployments.apps", kind::DEPLOYMENTS),
            ("sts.apps", kind::STATEFUL_SETS),
        ] {
            assert_eq!(registry.by_word(word).map(|info| info.kind), Some(kind), "{word}");
        }
        assert!(registry.by_word("pods.apps").is_none());
        assert!(registry.by_word("gadgets").is_none());
    }

    #[test]
    fn a_word_means_one_kind_of_a_group() {
        let registry = Registry::built_in();
        let clash =
            KindInfo::new(Kind::named("", "portals"), "v1", "Portal", Scope::Cluster).short_names(&["po"]);
        let taken = registry.register(clash).expect_err("po is pods");
        assert_eq!((taken.word.as_str(), taken.taken_by), ("po", kind::PODS));
        assert!(registry.get(Kind::named("", "portals")).is_none(), "a refusal changes nothing");
    }
}
