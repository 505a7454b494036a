//! Which endpoints a Service should have, and which it has: shared by the invariants about them.
//!
//! Sources: `staging/src/k8s.io/endpointslice` (`utils.go`, `reconciler.go`) and
//! <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>. A pod is an endpoint while it matches the
//! selector, has an address of one of the Service's families, has not ended, and its node is there. It is ready when the
//! pod is and is not being deleted, or when the Service publishes whatever there is.

use orch_core::selector::Selector;
use orch_core::{Object, Str};
use serde_json::Value;

use super::tree::{fields, holds, is_terminal, list, text};

/// What the endpoints of a Service follow from.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) selector: Selector,
    publishes_all: bool,
    /// IPv4 and IPv6; both when it does not say.
    families: [bool; 2],
}

impl Service {
    /// `None` for a Service whose endpoints nobody keeps.
    pub(super) fn read(tree: &Value) -> Option<Self> {
        let spec = &tree["spec"];
        if spec["type"] == "ExternalName"
            || spec["selector"].as_object().is_none_or(serde_json::Map::is_empty)
        {
            return None;
        }
        let labels = fields(&spec["selector"]).map(|(name, value)| (name.clone(), text(value).to_owned()));
        let named = list(&spec["ipFamilies"]);
        let serves = |family: &str| named.is_empty() || named.iter().any(|one| one == family);
        Some(Self {
            selector: Selector::from_labels(&labels.collect()),
            publishes_all: spec["publishNotReadyAddresses"] == true,
            families: [serves("IPv4"), serves("IPv6")],
        })
    }

    /// Whether a pod is to be a ready endpoint; `None` when it is to be none.
    pub(super) fn wants(&self, pod: &Backend) -> Option<bool> {
        let serves = (0..2).any(|family| self.families[family] && pod.families[family]);
        let is_one = !pod.ended && serves && (pod.node_is_there || self.publishes_all);
        is_one.then_some(self.publishes_all || pod.ready)
    }
}

/// What makes a pod an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    ended: bool,
    /// And not being deleted.
    ready: bool,
    /// IPv4 and IPv6.
    families: [bool; 2],
    pub(super) node_is_there: bool,
}

impl Backend {
    pub(super) fn read(pod: &Object, status: &Value, node_is_there: bool) -> Self {
        let listed = list(&status["podIPs"]).iter().map(|ip| text(&ip["ip"]));
        let all = listed.chain([text(&status["podIP"])]).filter(|ip| !ip.is_empty());
        let mut families = [false, false];
        all.for_each(|ip| families[usize::from(ip.contains(':'))] = true);
        Self {
            ended: is_terminal(pod),
            ready: holds(status, "Ready") && !pod.header().is_terminating(),
            families,
            node_is_there,
        }
    }
}

/// The Service of a slice that the cluster keeps.
pub(super) fn service_of(slice: &Object) -> Option<&str> {
    let kept =
        slice.label("endpointslice.kubernetes.io/managed-by") == Some("endpointslice-controller.k8s.io");
    slice.label("kubernetes.io/service-name").filter(|service| kept && !service.is_empty())
}

/// The uids of the pods in a slice, each with whether it is ready.
pub(super) fn entries(slice: &Value) -> impl Iterator<Item = (Str, bool)> + '_ {
    let entry = |endpoint: &Value| {
        // Absent means unknown, which consumers read as ready.
        let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        Some((endpoint["targetRef"]["uid"].as_str()?.into(), ready))
    };
    list(&slice["endpoints"]).iter().filter_map(entry)
}
