//! EndpointSlices: which addresses stand behind each Service that selects pods (`pkg/controller/endpointslice`,
//! `staging/src/k8s.io/endpointslice`).
//!
//! Services without a selector, and slices that somebody else manages, are not touched. Left out: the annotation
//! `endpoints.kubernetes.io/last-change-trigger-time` and topology hints by annotation (`trafficDistribution` is served).
//! Invariant: a slice holds at most [`MAX_ENDPOINTS`] endpoints, all with the slice's ports.

mod desired;
mod facts;
mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use orch_core::controller::{Controller, Plan};
use orch_core::view::{Needs, Projection, Row, View};
use orch_core::{Change, Key, Live, Object, Revision, kind};

use crate::facts::{BY_NODE, Node, Pod};
use crate::names;
use facts::{BY_SERVICE, SELECTS, Service, Slice, pair_entry, service_entry};

/// Endpoints in one slice, as many as the upstream controller puts there by default.
pub const MAX_ENDPOINTS: usize = 100;

/// Who manages the slices: the value of the label `endpointslice.kubernetes.io/managed-by`.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

/// Sets of ports that one plan can make new slices for.
const SPARE_NAMES: usize = 4;
const ZONE: &str = "topology.kubernetes.io/zone";

/// Keeps the EndpointSlices of Services.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EndpointSliceController;

/// A Service, the pods it selects, where they stand, and the slices that exist.
pub struct Observed {
    service: Arc<Row<Service>>,
    pods: Vec<Backend>,
    slices: Vec<Arc<Row<Slice>>>,
    /// Free names for new slices, as many as one plan may make.
    names: Vec<String>,
}

struct Backend {
    pod: Arc<Row<Pod>>,
    /// The zone of its node; `None` when the node is not there.
    zone: Option<orch_core::Str>,
}

impl Controller for EndpointSliceController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "endpointslice-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Service>().of::<Slice>().of::<Pod>().of::<Node>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        match change.key().kind {
            of if of == kind::SERVICES => out(change.key().clone()),
            of if of == kind::ENDPOINT_SLICES => {
                for slice in change.states() {
                    if let Some(service) = facts::managed_service(slice) {
                        out(slice.key().sibling(kind::SERVICES, service));
                    }
                }
            }
            of if of == kind::PODS && pod_matters(change, view) => {
                change.states().for_each(|pod| services_of(pod, view, out));
            }
            of if of == kind::NODES && node_matters(change) => {
                for pod in view.of::<Pod>().indexed(BY_NODE, &change.key().name) {
                    services_of(&pod.object, view, out);
                }
            }
            _ => {}
        }
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let service = view.of::<Service>().get(key)?;
        let selector = service.facts.selector.as_ref()?;
        let (pods, nodes, slices) = (view.of::<Pod>(), view.of::<Node>(), view.of::<Slice>());
        let backend = |pod: &Arc<Row<Pod>>| {
            let node = nodes.get(&Key::cluster(kind::NODES, pod.facts.node.clone()));
            let zone = node.map(|node| node.object.label(ZONE).unwrap_or_default().into());
            Backend { pod: Arc::clone(pod), zone }
        };
        let own: Vec<_> = slices.indexed(BY_SERVICE, &service_entry(key)).cloned().collect();
        let pods: Vec<_> = pods.selected(&key.namespace, selector).into_iter().map(backend).collect();
        let free = |name: &String| slices.get(&key.sibling(kind::ENDPOINT_SLICES, name.as_str())).is_none();
        // More than one plan needs, unless every pod has ports of its own: then the next turn makes the rest.
        let enough = service.facts.families.len() * (pods.len() / MAX_ENDPOINTS + SPARE_NAMES);
        let child = |index| names::child(&key.name, service.object.uid(), Revision::ZERO, index);
        let names = (0..).map(child).filter(free).take(enough).collect();
        Some(Observed { service: Arc::clone(service), pods, slices: own, names })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        plan::plan(observed)
    }
}

/// Whether a pod's change can change an endpoint: most changes of a pod's status do not.
fn pod_matters(change: &Change, view: &dyn View) -> bool {
    let (Some(now), Some(before)) = (&change.now, &change.before) else { return true };
    let (new, old) = (now.header(), before.header());
    if new.labels != old.labels || new.deletion.is_some() != old.deletion.is_some() || new.uid != old.uid {
        return true;
    }
    let Some(row) = view.of::<Pod>().get(now.key()) else { return true };
    match view.of::<Pod>().before(change) {
        Some(was) => !was.facts.is_like(&row.facts),
        None => !Pod::project(&Live::from(before.clone())).is_like(&row.facts),
    }
}

fn node_matters(change: &Change) -> bool {
    match (&change.before, &change.now) {
        (Some(before), Some(now)) => before.label(ZONE) != now.label(ZONE),
        _ => true,
    }
}

/// The services that select a pod with these labels: found by one pair of their selector, then matched whole.
fn services_of(pod: &Object, view: &dyn View, out: &mut dyn FnMut(Key)) {
    for (name, value) in pod.header().labels.iter() {
        for service in view.of::<Service>().indexed(SELECTS, &pair_entry(&pod.key().namespace, name, value)) {
            let selector = service.facts.selector.as_ref();
            if selector.is_some_and(|selector| selector.matches(|name| pod.label(name))) {
                out(service.object.key().clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
