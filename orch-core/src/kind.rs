//! What names a kind of object: its API group and plural resource, never a version.
//!
//! Two groups may share storage and several versions serve the same objects, so a [`Kind`] carries neither; the
//! [`Registry`](crate::Registry) of a cluster knows the rest. Strings that come from outside are looked up there and are
//! never interned: only registering a kind does that.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A kind of object, for example `deployments.apps`. Cheap to copy and to compare.
///
/// ```
/// use orch_core::kind::{self, Kind};
/// assert_eq!(kind::DEPLOYMENTS.to_string(), "deployments.apps");
/// assert_eq!(Kind::named("apps", "deployments"), kind::DEPLOYMENTS);
/// assert!(kind::PODS < kind::DEPLOYMENTS, "ordered by group, then resource");
/// assert!(matches!(Kind::named("", "pods"), kind::PODS), "constants can stand in patterns");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(&'static Name);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    /// Follows from the two below, and comes first: comparing it decides nearly always.
    start: u128,
    group: &'static str,
    resource: &'static str,
}

impl Name {
    const fn new(group: &'static str, resource: &'static str) -> Self {
        Self { start: start(group.as_bytes(), resource.as_bytes()), group, resource }
    }
}

/// The first 16 bytes of group, a zero byte, and resource, in an order that is theirs: names have no zero bytes.
const fn start(group: &[u8], resource: &[u8]) -> u128 {
    let (mut start, mut at) = (0_u128, 0);
    while at < 16 {
        let byte = if at < group.len() {
            group[at]
        } else if at > group.len() && at - group.len() - 1 < resource.len() {
            resource[at - group.len() - 1]
        } else {
            0
        };
        start = (start << 8) | byte as u128;
        at += 1;
    }
    start
}

/// Kinds that programs named at run time. Grows only with the set of distinct names that the program itself registers.
static INTERNED: RwLock<BTreeMap<(&'static str, &'static str), Kind>> = RwLock::new(BTreeMap::new());

impl Kind {
    /// The kind of that group (empty for the core group) and plural resource.
    ///
    /// The name is kept for the life of the process, so call this for the kinds of a program, not for words that
    /// strangers send: those are looked up in a [`Registry`](crate::Registry).
    #[must_use]
    pub fn named(group: &str, resource: &str) -> Self {
        if let Some(kind) = BUILT_IN.iter().find(|kind| kind.group() == group && kind.resource() == resource)
        {
            return *kind;
        }
        if let Some(kind) = INTERNED.read().unwrap_or_else(PoisonError::into_inner).get(&(group, resource)) {
            return *kind;
        }
        let mut interned = INTERNED.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = interned.get(&(group, resource)) {
            return *kind;
        }
        let (group, resource): (&'static str, &'static str) =
            (group.to_owned().leak(), resource.to_owned().leak());
        let kind = Self(Box::leak(Box::new(Name::new(group, resource))));
        interned.insert((group, resource), kind);
        kind
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.0.group
    }

    /// The plural resource, as it stands in paths.
    #[must_use]
    pub fn resource(self) -> &'static str {
        self.0.resource
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        if std::ptr::eq(self.0, other.0) { Ordering::Equal } else { self.0.cmp(other.0) }
    }
}
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group() {
            "" => f.write_str(self.resource()),
            group => write!(f, "{}.{group}", self.resource()),
        }
    }
}
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $group:literal / $resource:literal;)*) => {
        $($(#[$doc])* pub const $name: Kind = {
            // One address, so that comparing two of these compares pointers.
            static NAME: Name = Name::new($group, $resource);
            Kind(&NAME)
        };)*
        static BUILT_IN: &[Kind] = &[$($name),*];
    };
}

kinds! {
    /// `apiservices.apiregistration.k8s.io`
    API_SERVICES = "apiregistration.k8s.io" / "apiservices";
    /// `certificatesigningrequests.certificates.k8s.io`
    CERTIFICATE_SIGNING_REQUESTS = "certificates.k8s.io" / "certificatesigningrequests";
    /// `clusterroles.rbac.authorization.k8s.io`
    CLUSTER_ROLES = "rbac.authorization.k8s.io" / "clusterroles";
    /// `clusterrolebindings.rbac.authorization.k8s.io`
    CLUSTER_ROLE_BINDINGS = "rbac.authorization.k8s.io" / "clusterrolebindings";
    /// `configmaps`
    CONFIG_MAPS = "" / "configmaps";
    /// `controllerrevisions.apps`
    CONTROLLER_REVISIONS = "apps" / "controllerrevisions";
    /// `cronjobs.batch`
    CRON_JOBS = "batch" / "cronjobs";
    /// `csidrivers.storage.k8s.io`
    CSI_DRIVERS = "storage.k8s.io" / "csidrivers";
    /// `csinodes.storage.k8s.io`
    CSI_NODES = "storage.k8s.io" / "csinodes";
    /// `csistoragecapacities.storage.k8s.io`
    CSI_STORAGE_CAPACITIES = "storage.k8s.io" / "csistoragecapacities";
    /// `customresourcedefinitions.apiextensions.k8s.io`
    CUSTOM_RESOURCE_DEFINITIONS = "apiextensions.k8s.io" / "customresourcedefinitions";
    /// `daemonsets.apps`
    DAEMON_SETS = "apps" / "daemonsets";
    /// `deployments.apps`
    DEPLOYMENTS = "apps" / "deployments";
    /// `deviceclasses.resource.k8s.io`
    DEVICE_CLASSES = "resource.k8s.io" / "deviceclasses";
    /// `endpoints`
    ENDPOINTS = "" / "endpoints";
    /// `endpointslices.discovery.k8s.io`
    ENDPOINT_SLICES = "discovery.k8s.io" / "endpointslices";
    /// `events`
    EVENTS = "" / "events";
    /// `flowschemas.flowcontrol.apiserver.k8s.io`
    FLOW_SCHEMAS = "flowcontrol.apiserver.k8s.io" / "flowschemas";
    /// `horizontalpodautoscalers.autoscaling`
    HORIZONTAL_POD_AUTOSCALERS = "autoscaling" / "horizontalpodautoscalers";
    /// `ingresses.networking.k8s.io`
    INGRESSES = "networking.k8s.io" / "ingresses";
    /// `ingressclasses.networking.k8s.io`
    INGRESS_CLASSES = "networking.k8s.io" / "ingressclasses";
    /// `ipaddresses.networking.k8s.io`
    IP_ADDRESSES = "networking.k8s.io" / "ipaddresses";
    /// `jobs.batch`
    JOBS = "batch" / "jobs";
    /// `leases.coordination.k8s.io`
    LEASES = "coordination.k8s.io" / "leases";
    /// `limitranges`
    LIMIT_RANGES = "" / "limitranges";
    /// `localsubjectaccessreviews.authorization.k8s.io`
    LOCAL_SUBJECT_ACCESS_REVIEWS = "authorization.k8s.io" / "localsubjectaccessreviews";
    /// `mutatingadmissionpolicies.admissionregistration.k8s.io`
    MUTATING_ADMISSION_POLICIES = "admissionregistration.k8s.io" / "mutatingadmissionpolicies";
    /// `mutatingadmissionpolicybindings.admissionregistration.k8s.io`
    MUTATING_ADMISSION_POLICY_BINDINGS = "admissionregistration.k8s.io" / "mutatingadmissionpolicybindings";
    /// `mutatingwebhookconfigurations.admissionregistration.k8s.io`
    MUTATING_WEBHOOK_CONFIGURATIONS = "admissionregistration.k8s.io" / "mutatingwebhookconfigurations";
    /// `namespaces`
    NAMESPACES = "" / "namespaces";
    /// `networkpolicies.networking.k8s.io`
    NETWORK_POLICIES = "networking.k8s.io" / "networkpolicies";
    /// `nodes`
    NODES = "" / "nodes";
    /// `persistentvolumes`
    PERSISTENT_VOLUMES = "" / "persistentvolumes";
    /// `persistentvolumeclaims`
    PERSISTENT_VOLUME_CLAIMS = "" / "persistentvolumeclaims";
    /// `pods`
    PODS = "" / "pods";
    /// `poddisruptionbudgets.policy`
    POD_DISRUPTION_BUDGETS = "policy" / "poddisruptionbudgets";
    /// `podtemplates`
    POD_TEMPLATES = "" / "podtemplates";
    /// `priorityclasses.scheduling.k8s.io`
    PRIORITY_CLASSES = "scheduling.k8s.io" / "priorityclasses";
    /// `prioritylevelconfigurations.flowcontrol.apiserver.k8s.io`
    PRIORITY_LEVEL_CONFIGURATIONS = "flowcontrol.apiserver.k8s.io" / "prioritylevelconfigurations";
    /// `replicationcontrollers`
    REPLICATION_CONTROLLERS = "" / "replicationcontrollers";
    /// `replicasets.apps`
    REPLICA_SETS = "apps" / "replicasets";
    /// `resourceclaims.resource.k8s.io`
    RESOURCE_CLAIMS = "resource.k8s.io" / "resourceclaims";
    /// `resourceclaimtemplates.resource.k8s.io`
    RESOURCE_CLAIM_TEMPLATES = "resource.k8s.io" / "resourceclaimtemplates";
    /// `resourcequotas`
    RESOURCE_QUOTAS = "" / "resourcequotas";
    /// `resourceslices.resource.k8s.io`
    RESOURCE_SLICES = "resource.k8s.io" / "resourceslices";
    /// `roles.rbac.authorization.k8s.io`
    ROLES = "rbac.authorization.k8s.io" / "roles";
    /// `rolebindings.rbac.authorization.k8s.io`
    ROLE_BINDINGS = "rbac.authorization.k8s.io" / "rolebindings";
    /// `runtimeclasses.node.k8s.io`
    RUNTIME_CLASSES = "node.k8s.io" / "runtimeclasses";
    /// `secrets`
    SECRETS = "" / "secrets";
    /// `selfsubjectaccessreviews.authorization.k8s.io`
    SELF_SUBJECT_ACCESS_REVIEWS = "authorization.k8s.io" / "selfsubjectaccessreviews";
    /// `selfsubjectreviews.authentication.k8s.io`
    SELF_SUBJECT_REVIEWS = "authentication.k8s.io" / "selfsubjectreviews";
    /// `selfsubjectrulesreviews.authorization.k8s.io`
    SELF_SUBJECT_RULES_REVIEWS = "authorization.k8s.io" / "selfsubjectrulesreviews";
    /// `services`
    SERVICES = "" / "services";
    /// `serviceaccounts`
    SERVICE_ACCOUNTS = "" / "serviceaccounts";
    /// `servicecidrs.networking.k8s.io`
    SERVICE_CIDRS = "networking.k8s.io" / "servicecidrs";
    /// `statefulsets.apps`
    STATEFUL_SETS = "apps" / "statefulsets";
    /// `storageclasses.storage.k8s.io`
    STORAGE_CLASSES = "storage.k8s.io" / "storageclasses";
    /// `subjectaccessreviews.authorization.k8s.io`
    SUBJECT_ACCESS_REVIEWS = "authorization.k8s.io" / "subjectaccessreviews";
    /// `tokenrequests.authentication.k8s.io`: what is posted to a service account's `token`
    TOKEN_REQUESTS = "authentication.k8s.io" / "tokenrequests";
    /// `tokenreviews.authentication.k8s.io`
    TOKEN_REVIEWS = "authentication.k8s.io" / "tokenreviews";
    /// `validatingadmissionpolicies.admissionregistration.k8s.io`
    VALIDATING_ADMISSION_POLICIES = "admissionregistration.k8s.io" / "validatingadmissionpolicies";
    /// `validatingadmissionpolicybindings.admissionregistration.k8s.io`
    VALIDATING_ADMISSION_POLICY_BINDINGS = "admissionregistration.k8s.io" / "validatingadmissionpolicybindings";
    /// `validatingwebhookconfigurations.admissionregistration.k8s.io`
    VALIDATING_WEBHOOK_CONFIGURATIONS = "admissionregistration.k8s.io" / "validatingwebhookconfigurations";
    /// `volumeattachments.storage.k8s.io`
    VOLUME_ATTACHMENTS = "storage.k8s.io" / "volumeattachments";
    /// `volumeattributesclasses.storage.k8s.io`
    VOLUME_ATTRIBUTES_CLASSES = "storage.k8s.io" / "volumeattributesclasses";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_kind_is_interned_once() {
        let one = Kind::named("shop.example", "widgets");
        let two = Kind::named("shop.example", "widgets");
        assert!(std::ptr::eq(one.0, two.0));
        assert_eq!(one.to_string(), "widgets.shop.example");
    }

    #[test]
    fn kinds_stand_in_the_order_of_their_groups_and_resources() {
        let mut kinds = BUILT_IN.to_vec();
        let strange = ["", "a", "apps", "apps.example", "a-very-long-group.example"];
        kinds.extend(
            strange.iter().flat_map(|group| ["p", "pods", "podsets"].map(|name| Kind::named(group, name))),
        );
        for one in &kinds {
            for other in &kinds {
                let expected = (one.group(), one.resource()).cmp(&(other.group(), other.resource()));
                assert_eq!(one.cmp(other), expected, "{one} and {other}");
            }
        }
    }

    #[test]
    fn built_in_names_are_found_and_distinct() {
        for kind in BUILT_IN {
            assert_eq!(Kind::named(kind.group(), kind.resource()), *kind);
        }
        let distinct: std::collections::BTreeSet<_> = BUILT_IN.iter().collect();
        assert_eq!(distinct.len(), BUILT_IN.len());
    }
}
