//! Validation: whether an object makes sense, as Kubernetes 1.36 judges it.
//!
//! Works on defaulted trees, on what an update or a status write will leave behind. Every fault is reported (up to
//! [`MAX_FAULTS`](crate::schema::MAX_FAULTS)), with its path, in Kubernetes' words; a fault that upstream reports twice is reported twice, for clients count causes. Not structure
//! (that is [`schema`](crate::schema)), not admission, not allocation of addresses and ports.
//!
//! Rules follow `pkg/apis/*/validation` with the default feature gates. Objects that were stored before a rule existed
//! are judged by the rule at their next update: what upstream tolerates there is, apart from addresses, endpoints and
//! templates of stateful sets, not tolerated.
//!
//! The invariant: no tree makes it panic, and the same trees give the same faults in the same order.
//!
//! ```
//! use orch_api::validate::validate;
//! use orch_core::{Subresource, kind};
//! use serde_json::json;
//!
//! let new = json!({"metadata": {"name": "a", "namespace": "shop"}, "data": {"..": "x"}});
//! let faults = validate(kind::CONFIG_MAPS, &new, None, Subresource::None);
//! assert_eq!(faults[0].to_string(), "data[..]: Invalid value: \"..\": must not be '..'");
//! ```

pub(crate) mod address;
mod admission;
mod api_service;
mod at;
mod autoscaling;
mod batch;
mod certificate;
mod cluster;
mod common;
mod config;
mod cron;
mod daemon;
mod definition;
mod devices;
mod endpoint_slice;
mod event;
mod flow_control;
mod ingress;
mod meta;
mod network;
mod node;
mod pod;
mod policy;
mod quota;
mod rules;
mod same;
mod service;
mod stateful_set;
mod storage;
mod workload;
mod zones;

#[cfg(test)]
mod tests;

use orch_core::Scope::{self, Cluster, Namespaced};
use orch_core::{Fault, Kind, Subresource, kind, names};
use serde_json::Value;

pub(crate) use at::{quote, show};
pub(crate) use meta::without_trailing_dash;

use at::{At, Faults};
use meta::Change;

/// The rules of one kind.
struct Rules {
    kind: Kind,
    scope: Scope,
    create: fn(&At<'_, '_>),
    update: fn(&Change<'_, '_>),
    status: Option<fn(&Change<'_, '_>)>,
}

macro_rules! rules {
    ($($kind:ident $scope:ident $create:path, $update:path $(, $status:path)?;)*) => {
        &[$(Rules {
            kind: kind::$kind,
            scope: $scope,
            create: $create,
            update: $update,
            status: [$(Some($status as fn(&Change<'_, '_>)),)? None][0],
        }),*]
    };
}

/// Most used first.
const KINDS: &[Rules] = rules! {
    PODS Namespaced pod::pod, pod::update::pod_update, pod::status::pod_status;
    NODES Cluster node::node, node::node_update, node::changes;
    LEASES Namespaced cluster::lease, cluster::lease_update;
    EVENTS Namespaced event::event, event::event_update;
    REPLICA_SETS Namespaced workload::replica_set, workload::replica_set_update, workload::replica_set_status;
    DEPLOYMENTS Namespaced workload::deployment, workload::deployment_update, workload::deployment_status;
    STATEFUL_SETS Namespaced
        stateful_set::stateful_set, stateful_set::stateful_set_update, stateful_set::stateful_set_status;
    CONTROLLER_REVISIONS Namespaced config::controller_revision, config::controller_revision_update;
    ENDPOINT_SLICES Namespaced endpoint_slice::endpoint_slice, endpoint_slice::endpoint_slice_update;
    SERVICES Namespaced service::service, service::service_update, service::service_status;
    CONFIG_MAPS Namespaced config::config_map, config::config_map_update;
    SECRETS Namespaced config::secret, config::secret_update;
    SERVICE_ACCOUNTS Namespaced config::service_account, config::service_account_update;
    NAMESPACES Cluster cluster::namespace, cluster::namespace_update, cluster::namespace_status;
    PERSISTENT_VOLUME_CLAIMS Namespaced
        storage::claim::claim, storage::claim::claim_update, storage::claim::claim_status;
    PERSISTENT_VOLUMES Cluster
        storage::volume::volume, storage::volume::volume_update, storage::volume::volume_status;
    STORAGE_CLASSES Cluster storage::class::class, storage::class::class_update;
    PRIORITY_CLASSES Cluster cluster::priority_class, cluster::priority_class_update;
    DAEMON_SETS Namespaced daemon::daemon_set, daemon::daemon_set_update, daemon::daemon_set_status;
    JOBS Namespaced batch::job, batch::job_update, batch::job_status;
    CRON_JOBS Namespaced batch::cron_job, batch::cron_job_update, batch::cron_job_update;
    REPLICATION_CONTROLLERS Namespaced
        daemon::replication_controller, daemon::replication_controller_update, daemon::replication_controller_status;
    POD_TEMPLATES Namespaced daemon::pod_template, daemon::pod_template_update;
    HORIZONTAL_POD_AUTOSCALERS Namespaced
        autoscaling::autoscaler, autoscaling::autoscaler_update, autoscaling::autoscaler_status;
    POD_DISRUPTION_BUDGETS Namespaced
        policy::disruption_budget, policy::disruption_budget_update, policy::disruption_budget_status;
    INGRESSES Namespaced ingress::ingress, ingress::ingress_update, ingress::ingress_status;
    INGRESS_CLASSES Cluster ingress::class, ingress::class_update;
    NETWORK_POLICIES Namespaced network::network_policy, network::network_policy_update;
    ENDPOINTS Namespaced network::endpoints, network::endpoints_update;
    IP_ADDRESSES Cluster network::ip_address, network::ip_address_update;
    SERVICE_CIDRS Cluster network::service_cidr, network::service_cidr_update, network::service_cidr_status;
    ROLES Namespaced policy::role, policy::role_update;
    CLUSTER_ROLES Cluster policy::cluster_role, policy::cluster_role_update;
    ROLE_BINDINGS Namespaced policy::role_binding, policy::role_binding_update;
    CLUSTER_ROLE_BINDINGS Cluster policy::cluster_role_binding, policy::cluster_role_binding_update;
    RESOURCE_QUOTAS Namespaced quota::resource_quota, quota::resource_quota_update, quota::resource_quota_status;
    LIMIT_RANGES Namespaced quota::limit_range, quota::limit_range_update;
    RUNTIME_CLASSES Cluster policy::runtime_class, policy::runtime_class_update;
    CSI_DRIVERS Cluster storage::csi::driver, storage::csi::driver_update;
    CSI_NODES Cluster storage::csi::node, storage::csi::node_update;
    CSI_STORAGE_CAPACITIES Namespaced storage::csi::capacity, storage::csi::capacity_update;
    VOLUME_ATTACHMENTS Cluster
        storage::csi::attachment, storage::csi::attachment_update, storage::csi::attachment_update;
    VOLUME_ATTRIBUTES_CLASSES Cluster storage::csi::attributes, storage::csi::attributes_update;
    FLOW_SCHEMAS Cluster flow_control::schema, flow_control::schema_update, flow_control::status_update;
    PRIORITY_LEVEL_CONFIGURATIONS Cluster
        flow_control::level, flow_control::level_update, flow_control::status_update;
    CERTIFICATE_SIGNING_REQUESTS Cluster
        certificate::request, certificate::request_update, certificate::request_status;
    MUTATING_WEBHOOK_CONFIGURATIONS Cluster admission::webhooks, admission::webhooks_update;
    VALIDATING_WEBHOOK_CONFIGURATIONS Cluster admission::webhooks, admission::webhooks_update;
    VALIDATING_ADMISSION_POLICIES Cluster
        admission::policy::validating, admission::policy::validating_update, admission::policy::validating_status;
    VALIDATING_ADMISSION_POLICY_BINDINGS Cluster
        admission::policy::validating_binding, admission::policy::validating_binding_update;
    MUTATING_ADMISSION_POLICIES Cluster admission::policy::mutating, admission::policy::mutating_update;
    MUTATING_ADMISSION_POLICY_BINDINGS Cluster
        admission::policy::mutating_binding, admission::policy::mutating_binding_update;
    DEVICE_CLASSES Cluster devices::class, devices::class_update;
    RESOURCE_CLAIMS Namespaced devices::claim, devices::claim_update, devices::claim_status;
    RESOURCE_CLAIM_TEMPLATES Namespaced devices::template, devices::template_update;
    RESOURCE_SLICES Cluster devices::slice, devices::slice_update;
    CUSTOM_RESOURCE_DEFINITIONS Cluster
        definition::definition, definition::definition_update, definition::definition_status;
    API_SERVICES Cluster api_service::api_service, api_service::api_service_update, api_service::api_service_status;
    TOKEN_REQUESTS Namespaced api_service::token_request, unchanged;
    TOKEN_REVIEWS Cluster api_service::token_review, unchanged;
    SELF_SUBJECT_REVIEWS Cluster api_service::any_review, unchanged;
    SUBJECT_ACCESS_REVIEWS Cluster api_service::access_review, unchanged;
    LOCAL_SUBJECT_ACCESS_REVIEWS Namespaced api_service::local_access_review, unchanged;
    SELF_SUBJECT_ACCESS_REVIEWS Cluster api_service::self_access_review, unchanged;
    SELF_SUBJECT_RULES_REVIEWS Cluster api_service::any_review, unchanged;
};

/// A review is never stored, so never updated.
fn unchanged(_: &Change<'_, '_>) {}

/// Every fault of `new`, which is created, or which takes the place of `old`.
///
/// `new` is complete: defaults are filled in, and an update carries what it does not change (uid, times, and for a
/// subresource the other parts of the object). Of a kind that is not built in, only the metadata is judged. For
/// [`Subresource::Binding`] `new` is the binding, for [`Subresource::Eviction`] there are no rules, and a change of scale
/// is judged as a change of the object.
#[must_use]
pub fn validate(kind: Kind, new: &Value, old: Option<&Value>, subresource: Subresource) -> Vec<Fault> {
    let faults = Faults::default();
    let new = At::root(new, &faults);
    let rules = KINDS.iter().find(|rules| rules.kind == kind);
    match (subresource, old) {
        (Subresource::Binding, _) => cluster::binding(&new),
        (Subresource::Eviction, _) => {}
        (_, None) => create(rules, &new),
        (_, Some(old)) => update(rules, &new, old, subresource),
    }
    faults.into_vec()
}

/// Every fault of the metadata of an object within another, which needs no name.
pub(crate) fn embedded_metadata(metadata: &Value) -> Vec<Fault> {
    let mut object = serde_json::json!({"metadata": metadata});
    let has = |name: &str| metadata[name].as_str().is_some_and(|text| !text.is_empty());
    if !has("name") {
        object["metadata"]["name"] = "name".into();
    }
    let scope = if has("namespace") { Scope::Namespaced } else { Scope::Cluster };
    let faults = Faults::default();
    meta::object_of_any_kind(
        &At::root(&object, &faults).field("metadata"),
        Some(scope),
        names::path_segment_name,
    );
    faults.into_vec()
}

fn create(rules: Option<&Rules>, new: &At<'_, '_>) {
    match rules {
        Some(rules) => (rules.create)(new),
        None => meta::object_of_any_kind(&new.field("metadata"), None, names::dns1123_subdomain),
    }
}

fn update(rules: Option<&Rules>, new: &At<'_, '_>, old: &Value, subresource: Subresource) {
    let change = Change::check(*new, At::root(old, new.faults()), rules.map(|rules| rules.scope));
    let Some(rules) = rules else { return change.metadata_of_any_kind() };
    match (subresource, rules.status) {
        (Subresource::Status, Some(status)) => status(&change),
        (Subresource::Finalize, _) => cluster::namespace_finalize(&change),
        (Subresource::Approval, _) => certificate::request_approval(&change),
        (Subresource::EphemeralContainers, _) => pod::update::ephemeral_containers_update(&change),
        (Subresource::Resize, _) => pod::resize::pod_resize(&change),
        _ => (rules.update)(&change),
    }
}
