//! Every endpoint that is written is as its pod was in the view: there, and ready as long as the pod is and stays.
//!
//! Sources: `podToEndpoint` of `staging/src/k8s.io/endpointslice/utils.go`, and `EndpointConditions` of
//! `staging/src/k8s.io/api/discovery/v1/types.go` ("ready … should never be true for terminating endpoints", unless the
//! Service publishes addresses that are not ready). What a late view makes of it is for
//! [`EndpointsFollow`](super::EndpointsFollow) to see.

use orch_controllers::pod::PodFacts;
use orch_core::object::Part;
use orch_core::view::{Needs, Projection, View};
use orch_core::{Key, Kind, Live, Patch, Verb, Write, kind};
use serde_json::Value;

use super::tree::{field, is_true, list, table, text};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointsPlanned;

/// A Service, for the object that stands beside it.
#[derive(Debug)]
struct Service;

impl Projection for Service {
    fn kind() -> Option<Kind> {
        Some(kind::SERVICES)
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

impl Invariant for EndpointsPlanned {
    fn name(&self) -> &str {
        "endpoints-planned"
    }

    /// Only for the objects that stand beside the facts.
    fn needs(&self) -> Needs {
        Needs::new().of::<Service>().of::<PodFacts>()
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Planned { controller: "endpointslice-controller", key, view, plan } = what else {
            return Ok(());
        };
        let slices = plan.writes.iter().filter(|write| write.key.kind == kind::ENDPOINT_SLICES);
        slices.filter_map(written).try_for_each(|slice| judge(*view, key, slice))
    }
}

/// What a write makes of a slice.
fn written(write: &Write) -> Option<&Value> {
    match &write.verb {
        Verb::Create(tree) | Verb::Update(tree) | Verb::Patch(Patch::Merge(tree)) => Some(tree),
        _ => None,
    }
}

fn judge(view: &dyn View, service: &Key, slice: &Value) -> Result<(), String> {
    let row = table::<Service>(view).and_then(|services| services.get(service));
    let publishes_all =
        row.is_some_and(|row| field(&row.object, Part::Spec, "publishNotReadyAddresses") == true);
    for endpoint in list(&slice["endpoints"]) {
        let (name, uid) = (text(&endpoint["targetRef"]["name"]), text(&endpoint["targetRef"]["uid"]));
        let row = table::<PodFacts>(view).and_then(|pods| pods.get(&service.sibling(kind::PODS, name)));
        let Some(pod) = row.map(|row| &row.object).filter(|pod| &**pod.uid() == uid) else {
            return Err(format!(
                "{service} is to have the endpoint {name} ({uid}), and no such pod is there"
            ));
        };
        let is_ready = publishes_all || (is_true(pod, "Ready") && !pod.header().is_terminating());
        let said = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        if said != is_ready {
            return Err(format!(
                "{service} is to have the endpoint {name} with ready: {said}, {is_ready} is true"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use orch_core::controller::Plan;
    use orch_core::view::Cache;
    use orch_core::{Change, Event, Object, Registry, Revision};
    use serde_json::json;

    use super::super::testing::{Bench, deleted, ready, with};
    use super::*;

    #[track_caller]
    fn check(pod: &Value, publishes_all: bool, said: bool, expected: Result<(), &str>) {
        let mut cache = Cache::new(&EndpointsPlanned.needs());
        let spec = json!({"publishNotReadyAddresses": publishes_all});
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": spec});
        let registry = Registry::built_in();
        for (at, tree) in [pod.clone(), service].into_iter().enumerate() {
            let info = registry.by_api_version("v1", tree["kind"].as_str().unwrap()).unwrap();
            let revision = Revision(at as u64 + 1);
            let live = Live::from(Object::encode(&info, &tree).unwrap().at(revision));
            cache.apply(None, &Event::Changed(Change::new(revision, Some(live), None).into()));
        }
        let endpoint = json!({"addresses": ["10.0.0.1"], "conditions": {"ready": said},
            "targetRef": {"kind": "Pod", "name": "a", "namespace": "shop", "uid": "a"}});
        let key = Key::new(kind::ENDPOINT_SLICES, "shop", "web-1");
        let plan = Plan::new().write(Write::create(key, json!({"endpoints": [endpoint]})));
        let service = Key::new(kind::SERVICES, "shop", "web");
        let mut bench = Bench::of(EndpointsPlanned);
        let controller = "endpointslice-controller";
        let found = bench.see(&Happening::Planned { controller, key: &service, view: &cache, plan: &plan });
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(why) => super::super::testing::fails(found, why),
        }
    }

    #[test]
    fn endpoints_are_as_ready_as_their_pods() {
        let going = deleted(ready("a", "n1"), 30);
        check(&ready("a", "n1"), false, true, Ok(()));
        check(&ready("a", "n1"), false, false, Err("ready: false"));
        check(&going, false, true, Err("ready: true"));
        check(&going, false, false, Ok(()));
        check(&going, true, true, Ok(()));
        let other = with(ready("a", "n1"), json!({"metadata": {"uid": "b"}}));
        check(&other, false, true, Err("no such pod"));
    }
}
