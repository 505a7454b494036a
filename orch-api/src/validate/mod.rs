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

mod address;
mod at;
mod cluster;
mod config;
mod endpoint_slice;
mod event;
mod meta;
mod node;
mod pod;
mod rules;
mod same;
mod service;
mod stateful_set;
mod storage;
mod workload;

#[cfg(test)]
mod tests;

use orch_core::Scope::{self, Cluster, Namespaced};
use orch_core::{Fault, Kind, Subresource, kind, names};
use serde_json::Value;

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
};

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
        _ => (rules.update)(&change),
    }
}
