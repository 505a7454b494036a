//! The slices of a Service are its pods.

use std::collections::BTreeMap;

use orch_core::{Key, Live, Str, kind};

use super::is_judged;
use crate::chaos::Truth;
use crate::chaos::invariants::endpoints::{Backend, Service, entries, service_of};
use crate::chaos::invariants::tree::node_of;

pub(super) fn settled(truth: &Truth) -> Result<(), String> {
    for live in truth.of(kind::SERVICES).filter(|service| is_judged(truth, service)) {
        if let Some(service) = Service::read(&live.tree()) {
            compare(truth, live, &service)?;
        }
    }
    Ok(())
}

fn compare(truth: &Truth, live: &Live, service: &Service) -> Result<(), String> {
    let key = live.key();
    let mut wanted: BTreeMap<Str, (bool, &Str)> = BTreeMap::new();
    for pod in truth.in_namespace(kind::PODS, &key.namespace) {
        if !service.selector.matches(|label| pod.label(label)) {
            continue;
        }
        let is_there = truth.get(&Key::cluster(kind::NODES, node_of(pod))).is_some();
        if let Some(ready) = service.wants(&Backend::read(pod, &pod.tree()["status"], is_there)) {
            wanted.insert(pod.uid().clone(), (ready, &pod.key().name));
        }
    }
    let slices = truth.in_namespace(kind::ENDPOINT_SLICES, &key.namespace);
    let mut found: BTreeMap<Str, Vec<bool>> = BTreeMap::new();
    for slice in slices.filter(|slice| service_of(slice) == Some(&*key.name)) {
        for (uid, ready) in entries(&slice.tree()) {
            found.entry(uid).or_default().push(ready);
        }
    }
    for (uid, (ready, name)) in &wanted {
        match found.remove(uid) {
            None => return Err(format!("{name} ({uid}) is no endpoint of {key}")),
            Some(said) if said.iter().any(|said| said != ready) => {
                return Err(format!(
                    "the endpoint {name} ({uid}) of {key} says ready: {said:?}, {ready} is true"
                ));
            }
            Some(_) => {}
        }
    }
    match found.pop_first() {
        Some((uid, _)) => Err(format!("{key} has the endpoint {uid}, which is none of its pods")),
        None => Ok(()),
    }
}
