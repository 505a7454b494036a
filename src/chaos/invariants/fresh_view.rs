//! A controller plans on a whole view, and on one that shows what it has written itself.
//!
//! Sources: `WaitForCacheSync` of `staging/src/k8s.io/client-go/tools/cache/shared_informer.go` (no controller works before
//! its informers have listed) and KEP-5647, "Stale Controller Handling" (no planning for an owner on a view that is older
//! than the last write for it). Upstream expects creations and deletions instead (`ControllerExpectations`), and gives up
//! after five minutes; here there is no giving up. Judged are the kinds that decide how many pods, ReplicaSets and slices
//! there are.

use std::collections::{BTreeMap, HashMap};

use orch_core::view::View;
use orch_core::{Key, Kind, Revision, Str, kind};

use crate::chaos::{Happening, Invariant, World};

/// What a controller looks at, and of that what it makes.
struct Looks {
    controller: &'static str,
    at: &'static [Kind],
    makes: Kind,
}

const LOOKS: &[Looks] = &[
    Looks {
        controller: "deployment-controller",
        at: &[kind::DEPLOYMENTS, kind::REPLICA_SETS],
        makes: kind::REPLICA_SETS,
    },
    Looks { controller: "replicaset-controller", at: &[kind::REPLICA_SETS, kind::PODS], makes: kind::PODS },
    Looks {
        controller: "statefulset-controller",
        at: &[kind::STATEFUL_SETS, kind::CONTROLLER_REVISIONS, kind::PERSISTENT_VOLUME_CLAIMS, kind::PODS],
        makes: kind::PODS,
    },
    Looks {
        controller: "endpointslice-controller",
        at: &[kind::SERVICES, kind::PODS, kind::NODES, kind::ENDPOINT_SLICES],
        makes: kind::ENDPOINT_SLICES,
    },
];

/// See the module.
#[derive(Debug, Default)]
pub struct FreshView {
    /// For which key a controller planned a write of another, by controller and written key.
    planned: HashMap<(Str, Key), Key>,
    /// The latest write of a controller for a key.
    written: BTreeMap<(Str, Key), Revision>,
}

impl Invariant for FreshView {
    fn name(&self) -> &str {
        "fresh-view"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { actor, change } => {
                let Some(looks) = LOOKS.iter().find(|looks| looks.controller == *actor) else {
                    return Ok(());
                };
                if looks.makes == change.key().kind
                    && let Some(of) = self.planned.get(&((*actor).into(), change.key().clone()))
                {
                    self.written.insert(((*actor).into(), of.clone()), change.revision);
                }
                Ok(())
            }
            Happening::Planned { controller, key, view, plan } => {
                let Some(looks) = LOOKS.iter().find(|looks| looks.controller == *controller) else {
                    return Ok(());
                };
                for write in plan.writes.iter().filter(|write| write.key.kind == looks.makes) {
                    self.planned.insert(((*controller).into(), write.key.clone()), (*key).clone());
                }
                self.judge(looks, key, *view)
            }
            _ => Ok(()),
        }
    }
}

impl FreshView {
    fn judge(&self, looks: &Looks, key: &Key, view: &dyn View) -> Result<(), String> {
        let controller = looks.controller;
        if let Some(kind) = looks.at.iter().find(|kind| view.revision(**kind) == Revision::ZERO) {
            return Err(format!("{controller} plans for {key} before it has seen what {kind} there are"));
        }
        let seen = view.revision(looks.makes);
        match self.written.get(&(controller.into(), key.clone())) {
            Some(written) if *written > seen => Err(format!(
                "{controller} plans for {key} on {} as of {seen}, and wrote some for it at {written}",
                looks.makes
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::controller::Plan;
    use orch_core::view::{Cache, Needs};
    use orch_core::{Event, Write};
    use serde_json::json;

    use super::super::testing::{Bench, fails, pod};
    use super::*;

    fn plan(bench: &mut Bench<FreshView>, seen: &[(Kind, u64)], plan: &Plan) -> Result<(), String> {
        let mut cache = Cache::new(&Needs::new());
        for (kind, revision) in seen {
            cache.apply(Some(*kind), &Event::Progress(Revision(*revision)));
        }
        let key = Key::new(kind::REPLICA_SETS, "shop", "web");
        bench.see(&Happening::Planned { controller: "replicaset-controller", key: &key, view: &cache, plan })
    }

    #[test]
    fn plans_wait_for_every_kind_and_for_their_own_writes() {
        let mut bench = Bench::of(FreshView::default());
        let sets = (kind::REPLICA_SETS, 1);
        fails(plan(&mut bench, &[sets], &Plan::new()), "before it has seen what pods");
        let create = Plan::new().write(Write::create(Key::new(kind::PODS, "shop", "web-a"), json!({})));
        assert_eq!(plan(&mut bench, &[sets, (kind::PODS, 1)], &create), Ok(()));
        bench.ok("user", pod("other", ""));
        bench.ok("replicaset-controller", pod("web-a", ""));
        fails(plan(&mut bench, &[sets, (kind::PODS, 1)], &Plan::new()), "wrote some for it at 2");
        assert_eq!(plan(&mut bench, &[sets, (kind::PODS, 2)], &Plan::new()), Ok(()));
    }
}
