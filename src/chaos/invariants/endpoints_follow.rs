//! Endpoints follow their pods within a bound: ready when the pod is and is not being deleted, gone when it is.
//!
//! Sources: <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions>, and
//! [`endpoints`](super::endpoints) for which pods are endpoints. Both ways: a pod that is ready and no endpoint misses
//! requests, an endpoint whose pod is not gets them. What is compared is what the store says of the pod; that it is late
//! about a node that died is not the endpoints' fault. Bound: as long as views may be late in a run, and [`SLACK`]; after
//! the faults [`HEALED`]. Excepted: a Service that is being deleted, or whose namespace is: it gets no new slice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Change, Key, Live, Str, kind};

use super::endpoints::{Backend, Service, entries, service_of};
use super::tree::node_of;
use crate::chaos::{Happening, Invariant, Phase, World};

/// What a controller may need besides, to be started again and to try again after conflicts.
const SLACK: Duration = Duration::from_secs(30);
/// How long after the end of faults an endpoint may be wrong: the longest wait of a key that has failed often.
const HEALED: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Debug, Default)]
pub struct EndpointsFollow {
    services: BTreeMap<Key, Kept>,
    /// By namespace and uid.
    pods: BTreeMap<Str, BTreeMap<Str, Pod>>,
    nodes: BTreeSet<Str>,
    /// Since when an endpoint has been wrong.
    wrong: BTreeMap<(Key, Str), Duration>,
    /// The same, the longest first.
    order: BTreeSet<(Duration, Key, Str)>,
}

/// A Service and the entries of its slices.
#[derive(Debug, Default)]
struct Kept {
    /// `None` when nobody keeps its endpoints, or it is not there.
    service: Option<Service>,
    slices: BTreeMap<Key, Vec<(Str, bool)>>,
}

#[derive(Debug)]
struct Pod {
    live: Live,
    backend: Backend,
}

impl Invariant for EndpointsFollow {
    fn name(&self) -> &str {
        "endpoints-follow"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        if let Happening::Changed { change, .. } = what {
            match change.key().kind {
                kind::PODS => self.pod(world.at, change),
                kind::SERVICES => self.service(world.at, change),
                kind::ENDPOINT_SLICES => self.slice(world.at, change),
                kind::NODES => self.node(world.at, change),
                _ => {}
            }
        }
        self.overdue(world)
    }
}

impl EndpointsFollow {
    fn pod(&mut self, at: Duration, change: &Change) {
        let object = change.object();
        let (namespace, uid) = (object.key().namespace.clone(), object.uid().clone());
        let pods = self.pods.entry(namespace.clone()).or_default();
        match &change.now {
            None => _ = pods.remove(&uid),
            Some(live) => {
                let node_is_there = self.nodes.contains(node_of(live));
                let backend = Backend::read(live, &live.part_tree(Part::Status), node_is_there);
                let same = |known: &&Pod| {
                    known.backend == backend && known.live.header().labels == live.header().labels
                };
                if pods.get(&uid).filter(same).is_some() {
                    return;
                }
                pods.insert(uid.clone(), Pod { live: live.clone(), backend });
            }
        }
        for service in self.services_in(&namespace) {
            self.compare(at, &service, &uid);
        }
    }

    fn services_in(&self, namespace: &Str) -> Vec<Key> {
        let first = Key::new(kind::SERVICES, namespace.clone(), "");
        let here = self.services.range(first..).map(|(key, _)| key);
        here.take_while(|key| key.namespace == *namespace).cloned().collect()
    }

    fn service(&mut self, at: Duration, change: &Change) {
        let key = change.key();
        let kept = self.services.entry(key.clone()).or_default();
        kept.service = change.now.as_ref().and_then(|live| Service::read(&live.tree()));
        let listed = kept.slices.values().flatten().map(|(uid, _)| uid.clone());
        let pods = self.pods.get(&key.namespace).into_iter().flat_map(BTreeMap::keys).cloned();
        for uid in listed.chain(pods).collect::<BTreeSet<Str>>() {
            self.compare(at, key, &uid);
        }
    }

    fn slice(&mut self, at: Duration, change: &Change) {
        let of = |object: &orch_core::Object| {
            service_of(object).map(|service| object.key().sibling(kind::SERVICES, service))
        };
        let (before, now) =
            (change.before.as_ref().and_then(of), change.now.as_ref().and_then(|live| of(live)));
        let mut touched: BTreeSet<(Key, Str)> = BTreeSet::new();
        if let Some(service) = before
            && let Some(kept) = self.services.get_mut(&service)
        {
            let listed = kept.slices.remove(change.key()).into_iter().flatten();
            touched.extend(listed.map(|(uid, _)| (service.clone(), uid)));
        }
        if let (Some(service), Some(live)) = (now, &change.now) {
            let listed: Vec<(Str, bool)> = entries(&live.tree()).collect();
            touched.extend(listed.iter().map(|(uid, _)| (service.clone(), uid.clone())));
            self.services.entry(service).or_default().slices.insert(change.key().clone(), listed);
        }
        for (service, uid) in touched {
            self.compare(at, &service, &uid);
        }
    }

    fn node(&mut self, at: Duration, change: &Change) {
        let name = &change.key().name;
        let is_there = change.now.is_some();
        let changed = if is_there { self.nodes.insert(name.clone()) } else { self.nodes.remove(name) };
        if !changed {
            return;
        }
        let mut touched = Vec::new();
        for (namespace, pods) in &mut self.pods {
            for (uid, pod) in pods.iter_mut().filter(|(_, pod)| node_of(&pod.live) == &**name) {
                pod.backend.node_is_there = is_there;
                touched.push((namespace.clone(), uid.clone()));
            }
        }
        for (namespace, uid) in touched {
            for service in self.services_in(&namespace) {
                self.compare(at, &service, &uid);
            }
        }
    }

    /// Whether the endpoint of a pod is right.
    fn compare(&mut self, at: Duration, service: &Key, uid: &Str) {
        let is_wrong = self.verdict(service, uid).is_some();
        let entry = (service.clone(), uid.clone());
        match (is_wrong, self.wrong.get(&entry).copied()) {
            (true, None) => {
                self.order.insert((at, entry.0.clone(), entry.1.clone()));
                self.wrong.insert(entry, at);
            }
            (false, Some(since)) => {
                self.wrong.remove(&entry);
                self.order.remove(&(since, entry.0, entry.1));
            }
            _ => {}
        }
    }

    /// What is wrong about the endpoint of a pod.
    fn verdict(&self, key: &Key, uid: &Str) -> Option<String> {
        let kept = self.services.get(key)?;
        let service = kept.service.as_ref()?;
        let pod = self.pods.get(&key.namespace).and_then(|pods| pods.get(uid));
        let selected = pod.filter(|pod| service.selector.matches(|label| pod.live.label(label)));
        let wanted = selected.and_then(|pod| service.wants(&pod.backend));
        let mut found =
            kept.slices.values().flatten().filter(|(of, _)| of == uid).map(|(_, ready)| *ready).peekable();
        match wanted {
            None => found.next().map(|_| "is an endpoint and should be none".to_owned()),
            Some(ready) if found.peek().is_none() => ready.then(|| "is ready and no endpoint".to_owned()),
            Some(ready) => {
                let wrong = found.find(|found| *found != ready)?;
                Some(format!("is an endpoint with ready: {wrong}, {ready} is true"))
            }
        }
    }

    fn overdue(&mut self, world: &World<'_>) -> Result<(), String> {
        while let Some((since, key, uid)) = self.order.first() {
            let (begins, bound) = match world.phase {
                Phase::Faults => (*since, world.patience.saturating_add(SLACK)),
                _ => ((*since).max(world.since), HEALED),
            };
            let late = world.at.saturating_sub(begins);
            if late <= bound {
                return Ok(());
            }
            let is_going = |key: &Key| world.truth.get(key).is_none_or(|live| live.header().is_terminating());
            let excused = is_going(key) || is_going(&Key::cluster(kind::NAMESPACES, key.namespace.clone()));
            if excused {
                self.order.pop_first();
                continue;
            }
            let name = self.pods.get(&key.namespace).and_then(|pods| pods.get(uid));
            let name = name.map_or("a pod that is gone", |pod| &pod.live.key().name);
            let what = self.verdict(key, uid).unwrap_or_default();
            return Err(format!(
                "{name} ({uid}) {what} of {key}, for {late:?} by now; {bound:?} are allowed"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, node, plain, ready, with};

    fn labelled(tree: Value, labels: &[(&str, &str)]) -> Value {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        with(tree, json!({"metadata": {"labels": labels}}))
    }

    fn web(name: &str) -> Value {
        labelled(ready(name, "a"), &[("app", "web")])
    }

    fn slice(entries: &[(&str, bool)]) -> Value {
        let endpoints: Vec<Value> = entries
            .iter()
            .map(|(uid, ready)| json!({"conditions": {"ready": ready}, "targetRef": {"uid": uid}}))
            .collect();
        let managed = [
            ("kubernetes.io/service-name", "web"),
            ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
        ];
        let slice = with(plain("discovery.k8s.io/v1", "EndpointSlice", "s"), json!({"endpoints": endpoints}));
        labelled(slice, &managed)
    }

    fn bench() -> Bench<EndpointsFollow> {
        let mut bench = Bench::of(EndpointsFollow::default());
        for tree in [
            plain("v1", "Namespace", "shop"),
            node("a"),
            with(plain("v1", "Service", "web"), json!({"spec": {"selector": {"app": "web"}}})),
            web("p"),
            slice(&[("p", true)]),
        ] {
            bench.ok("x", tree);
        }
        bench
    }

    #[track_caller]
    fn late(bench: &mut Bench<EndpointsFollow>, why: &str) {
        bench.wait(39);
        assert_eq!(bench.see(&Happening::Noted { what: "" }), Ok(()));
        bench.wait(2);
        fails(bench.see(&Happening::Noted { what: "" }), why);
    }

    #[test]
    fn a_pod_that_comes_goes_or_changes_is_followed_in_time() {
        let mut bench = self::bench();
        bench.ok("x", web("q"));
        late(&mut bench, "q (q) is ready and no endpoint of services/shop/web");
        let mut bench = self::bench();
        bench.ok("x", deleted(web("p"), 30));
        late(&mut bench, "ready: true, false is true");
        let mut bench = self::bench();
        bench.gone("x", "pods/shop/p");
        late(&mut bench, "a pod that is gone (p) is an endpoint and should be none");
        let mut bench = self::bench();
        bench.gone("x", "nodes/a");
        late(&mut bench, "p (p) is an endpoint and should be none");
        let mut bench = self::bench();
        bench.ok("x", labelled(ready("p", "a"), &[("app", "other")]));
        late(&mut bench, "should be none");
    }

    #[test]
    fn what_is_put_right_in_time_starts_anew() {
        let mut bench = bench();
        for _ in 0..3 {
            bench.ok("x", web("q"));
            bench.wait(30);
            bench.ok("x", slice(&[("p", true), ("q", true)]));
            bench.gone("x", "pods/shop/q");
            bench.wait(30);
            bench.ok("x", slice(&[("p", true)]));
        }
        bench.wait(100);
        bench.ok("x", web("p"));
    }

    #[test]
    fn what_is_not_kept_or_goes_is_not_judged() {
        let mut bench = bench();
        bench.ok("x", web("q"));
        bench.ok("x", with(plain("v1", "Service", "web"), json!({"spec": {"type": "ExternalName"}})));
        bench.wait(100);
        bench.ok("x", web("q"));
        let mut bench = self::bench();
        bench.ok("x", web("q"));
        bench.ok("x", deleted(plain("v1", "Namespace", "shop"), 0));
        bench.wait(100);
        bench.ok("x", web("p"));
        let mut bench = self::bench();
        bench.ok(
            "x",
            with(
                ready("q", "a"),
                json!({"metadata": {"labels": {"app": "web"}}, "status": {"phase": "Succeeded"}}),
            ),
        );
        bench.wait(100);
        bench.ok("x", web("p"));
    }

    #[test]
    fn healing_begins_the_bound_anew() {
        let mut bench = bench();
        bench.ok("x", web("q"));
        bench.wait(35);
        bench.enter(Phase::Healing);
        bench.wait(170);
        bench.ok("x", web("p"));
        bench.wait(20);
        fails(bench.see(&Happening::Noted { what: "" }), "q (q) is ready and no endpoint");
    }
}
