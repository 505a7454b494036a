//! Kubernetes' other built-in kinds, as rows: those that are stored, and those that are only answered.
//!
//! Names, short names, categories and selectable fields are those of Kubernetes 1.36 (`pkg/registry/*/*/storage`,
//! `pkg/registry/*/*/strategy.go`, and the same of `apiextensions-apiserver` and `kube-aggregator`). No defaults and no
//! rules: those are `orch-api`'s. Invariant: a row names a kind of [`crate::kind`].

use super::Scope::{self, Cluster, Namespaced};
use super::Subresource::{self, Approval, Scale, Status};
use super::{KindInfo, kind};
use crate::Kind;

/// A kind: its short names, categories, subresources and selectable fields are lists of words.
struct Row {
    kind: Kind,
    /// The preferred version first.
    versions: &'static [&'static str],
    name: &'static str,
    scope: Scope,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    subresources: &'static [Subresource],
    selectable: &'static [&'static str],
}

const fn row(kind: Kind, name: &'static str, scope: Scope) -> Row {
    Row {
        kind,
        versions: &["v1"],
        name,
        scope,
        short_names: &[],
        categories: &[],
        subresources: &[],
        selectable: &[],
    }
}

impl Row {
    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    const fn in_all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    const fn extends_the_api(mut self) -> Self {
        self.categories = &["api-extensions"];
        self
    }

    const fn with(mut self, subresources: &'static [Subresource]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn select(mut self, fields: &'static [&'static str]) -> Self {
        self.selectable = fields;
        self
    }

    const fn versions(mut self, versions: &'static [&'static str]) -> Self {
        self.versions = versions;
        self
    }

    fn info(&self) -> KindInfo {
        let mut info = KindInfo::new(self.kind, self.versions[0], self.name, self.scope)
            .short_names(self.short_names)
            .categories(self.categories)
            .subresources(self.subresources)
            .selectable(self.selectable);
        info.versions = self.versions.iter().map(|version| (*version).into()).collect();
        info
    }
}

static STORED: &[Row] = &[
    row(kind::ENDPOINTS, "Endpoints", Namespaced).short(&["ep"]),
    row(kind::LIMIT_RANGES, "LimitRange", Namespaced).short(&["limits"]),
    row(kind::POD_TEMPLATES, "PodTemplate", Namespaced),
    row(kind::REPLICATION_CONTROLLERS, "ReplicationController", Namespaced)
        .short(&["rc"])
        .in_all()
        .with(&[Status, Scale])
        .select(&["status.replicas"]),
    row(kind::RESOURCE_QUOTAS, "ResourceQuota", Namespaced).short(&["quota"]).with(&[Status]),
    row(kind::DAEMON_SETS, "DaemonSet", Namespaced).short(&["ds"]).in_all().with(&[Status]),
    row(kind::JOBS, "Job", Namespaced).in_all().with(&[Status]).select(&["status.successful"]),
    row(kind::CRON_JOBS, "CronJob", Namespaced).short(&["cj"]).in_all().with(&[Status]),
    row(kind::INGRESSES, "Ingress", Namespaced).short(&["ing"]).with(&[Status]),
    row(kind::INGRESS_CLASSES, "IngressClass", Cluster),
    row(kind::NETWORK_POLICIES, "NetworkPolicy", Namespaced).short(&["netpol"]),
    row(kind::IP_ADDRESSES, "IPAddress", Cluster).short(&["ip"]),
    row(kind::SERVICE_CIDRS, "ServiceCIDR", Cluster).with(&[Status]),
    row(kind::ROLES, "Role", Namespaced),
    row(kind::ROLE_BINDINGS, "RoleBinding", Namespaced),
    row(kind::CLUSTER_ROLES, "ClusterRole", Cluster),
    row(kind::CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding", Cluster),
    row(kind::CSI_DRIVERS, "CSIDriver", Cluster),
    row(kind::CSI_NODES, "CSINode", Cluster),
    row(kind::CSI_STORAGE_CAPACITIES, "CSIStorageCapacity", Namespaced),
    row(kind::VOLUME_ATTACHMENTS, "VolumeAttachment", Cluster).with(&[Status]),
    row(kind::VOLUME_ATTRIBUTES_CLASSES, "VolumeAttributesClass", Cluster).short(&["vac"]),
    row(kind::HORIZONTAL_POD_AUTOSCALERS, "HorizontalPodAutoscaler", Namespaced)
        .versions(&["v2", "v1"])
        .short(&["hpa"])
        .in_all()
        .with(&[Status]),
    row(kind::POD_DISRUPTION_BUDGETS, "PodDisruptionBudget", Namespaced).short(&["pdb"]).with(&[Status]),
    row(kind::RUNTIME_CLASSES, "RuntimeClass", Cluster),
    row(kind::CERTIFICATE_SIGNING_REQUESTS, "CertificateSigningRequest", Cluster)
        .short(&["csr"])
        .with(&[Status, Approval])
        .select(&["spec.signerName"]),
    row(kind::MUTATING_WEBHOOK_CONFIGURATIONS, "MutatingWebhookConfiguration", Cluster).extends_the_api(),
    row(kind::VALIDATING_WEBHOOK_CONFIGURATIONS, "ValidatingWebhookConfiguration", Cluster).extends_the_api(),
    row(kind::VALIDATING_ADMISSION_POLICIES, "ValidatingAdmissionPolicy", Cluster)
        .extends_the_api()
        .with(&[Status]),
    row(kind::VALIDATING_ADMISSION_POLICY_BINDINGS, "ValidatingAdmissionPolicyBinding", Cluster)
        .extends_the_api(),
    row(kind::MUTATING_ADMISSION_POLICIES, "MutatingAdmissionPolicy", Cluster).extends_the_api(),
    row(kind::MUTATING_ADMISSION_POLICY_BINDINGS, "MutatingAdmissionPolicyBinding", Cluster)
        .extends_the_api(),
    row(kind::FLOW_SCHEMAS, "FlowSchema", Cluster).with(&[Status]),
    row(kind::PRIORITY_LEVEL_CONFIGURATIONS, "PriorityLevelConfiguration", Cluster).with(&[Status]),
    row(kind::DEVICE_CLASSES, "DeviceClass", Cluster),
    row(kind::RESOURCE_CLAIMS, "ResourceClaim", Namespaced).with(&[Status]),
    row(kind::RESOURCE_CLAIM_TEMPLATES, "ResourceClaimTemplate", Namespaced),
    row(kind::RESOURCE_SLICES, "ResourceSlice", Cluster).select(&["spec.nodeName", "spec.driver"]),
    row(kind::CUSTOM_RESOURCE_DEFINITIONS, "CustomResourceDefinition", Cluster)
        .short(&["crd", "crds"])
        .extends_the_api()
        .with(&[Status]),
    row(kind::API_SERVICES, "APIService", Cluster).extends_the_api().with(&[Status]),
];

static ANSWERED: &[Row] = &[
    row(kind::TOKEN_REQUESTS, "TokenRequest", Namespaced),
    row(kind::TOKEN_REVIEWS, "TokenReview", Cluster),
    row(kind::SELF_SUBJECT_REVIEWS, "SelfSubjectReview", Cluster),
    row(kind::SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", Cluster),
    row(kind::LOCAL_SUBJECT_ACCESS_REVIEWS, "LocalSubjectAccessReview", Namespaced),
    row(kind::SELF_SUBJECT_ACCESS_REVIEWS, "SelfSubjectAccessReview", Cluster),
    row(kind::SELF_SUBJECT_RULES_REVIEWS, "SelfSubjectRulesReview", Cluster),
];

/// Kinds whose objects are stored.
pub(super) fn stored() -> impl Iterator<Item = KindInfo> {
    STORED.iter().map(Row::info)
}

/// The kinds of which an object is created to be answered and never stored: reviews of users and of access, and requests
/// for tokens. No [`Registry`](crate::Registry) holds them, for nobody can read, list or watch them.
///
/// ```
/// let names: Vec<_> = orch_core::reviews().into_iter().map(|info| info.name).collect();
/// assert!(names.iter().any(|name| &**name == "SubjectAccessReview"));
/// ```
#[must_use]
pub fn reviews() -> Vec<KindInfo> {
    ANSWERED.iter().map(Row::info).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn every_row_is_registered_without_a_clash() {
        let registry = Registry::built_in();
        for info in stored() {
            registry.register(info).expect("no word is taken");
        }
        for info in reviews() {
            assert!(registry.get(info.kind).is_none(), "{} is not stored", info.kind);
            registry.register(info).expect("no word is taken");
        }
    }

    #[test]
    fn words_of_kubectl_find_their_kind() {
        let registry = Registry::built_in();
        for (word, kind) in [
            ("ds", kind::DAEMON_SETS),
            ("cj", kind::CRON_JOBS),
            ("ep", kind::ENDPOINTS),
            ("hpa", kind::HORIZONTAL_POD_AUTOSCALERS),
            ("pdb", kind::POD_DISRUPTION_BUDGETS),
            ("netpol", kind::NETWORK_POLICIES),
            ("crds", kind::CUSTOM_RESOURCE_DEFINITIONS),
            ("ingress", kind::INGRESSES),
            ("ip", kind::IP_ADDRESSES),
            ("quota", kind::RESOURCE_QUOTAS),
        ] {
            assert_eq!(registry.by_word(word).map(|info| info.kind), Some(kind), "{word}");
        }
        let hpa = registry.by_api_version("autoscaling/v1", "HorizontalPodAutoscaler").unwrap();
        assert_eq!(
            hpa.api_version(),
            "autoscaling/v2",
            "the older version is served, the newer is preferred"
        );
    }
}
