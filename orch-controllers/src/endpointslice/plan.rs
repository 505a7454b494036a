//! From the endpoints that should be to the fewest writes: `staging/src/k8s.io/endpointslice/reconciler.go`,
//! `reconcileByPortMapping`.
//!
//! Slices that change anyway are filled first, then the one that becomes fullest, then new ones. Invariant: an endpoint
//! stays in the slice that it is in.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::controller::Plan;
use orch_core::view::Row;
use orch_core::{Key, Object, Str, Write, kind};
use serde_json::{Map, Value, json};

use super::desired::{Group, desired};
use super::facts::{Endpoint, Family, Port, Slice, labels};
use super::{MAX_ENDPOINTS, Observed};

/// What stands in a slice.
type Content = (Vec<Port>, Vec<Endpoint>);

/// What is to become of the slices.
#[derive(Default)]
struct Outcome {
    create: Vec<(Group, Vec<Endpoint>)>,
    /// `None` when only labels may change.
    update: Vec<(Arc<Row<Slice>>, Option<Content>)>,
    delete: Vec<Arc<Row<Slice>>>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let mut desired = desired(observed);
    let mut outcome = Outcome::default();
    let mut existing: BTreeMap<Group, Vec<Arc<Row<Slice>>>> = BTreeMap::new();
    for slice in &observed.slices {
        match slice.facts.family.filter(|family| observed.service.facts.families.contains(family)) {
            Some(family) if is_owned(&slice.object, &observed.service.object) => {
                existing.entry((family, slice.facts.ports.clone())).or_default().push(Arc::clone(slice));
            }
            _ => outcome.delete.push(Arc::clone(slice)),
        }
    }
    for (group, slices) in existing {
        match desired.remove(&group) {
            Some(endpoints) => outcome.fit(&group, endpoints, &slices),
            None => outcome.delete.extend(slices),
        }
    }
    for (group, endpoints) in desired {
        outcome.fit(&group, endpoints, &[]);
    }
    for family in &observed.service.facts.families {
        outcome.keep_one(*family, &observed.service.object);
    }
    outcome.reuse(&observed.service.object);
    outcome.into_plan(observed)
}

impl Outcome {
    /// Brings the endpoints of one group into its slices.
    fn fit(&mut self, group: &Group, endpoints: Vec<Endpoint>, slices: &[Arc<Row<Slice>>]) {
        let mut wanted: BTreeMap<_, Endpoint> =
            endpoints.into_iter().map(|one| (one.identity(), one)).collect();
        let mut changed: Vec<(&Arc<Row<Slice>>, Vec<Endpoint>)> = Vec::new();
        let mut same: Vec<&Arc<Row<Slice>>> = Vec::new();
        for slice in slices {
            let kept: Vec<Endpoint> =
                slice.facts.endpoints.iter().filter_map(|one| wanted.remove(&one.identity())).collect();
            if kept == slice.facts.endpoints { same.push(slice) } else { changed.push((slice, kept)) }
        }
        let mut rest: Vec<Endpoint> = wanted.into_values().collect();
        // The fullest first, so that the emptiest may become empty and go.
        changed.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.len()));
        for (_, kept) in &mut changed {
            let room = MAX_ENDPOINTS.saturating_sub(kept.len()).min(rest.len());
            kept.extend(rest.drain(..room));
        }
        while !rest.is_empty() {
            if let Some(at) = fullest_with_room(&same, rest.len()) {
                let slice = same.swap_remove(at);
                changed.push((slice, slice.facts.endpoints.iter().cloned().chain(rest.drain(..)).collect()));
            } else {
                let part = rest.drain(..MAX_ENDPOINTS.min(rest.len())).collect();
                self.create.push((group.clone(), part));
            }
        }
        for (slice, kept) in changed {
            if kept.is_empty() {
                self.delete.push(Arc::clone(slice));
            } else {
                self.update.push((Arc::clone(slice), Some((group.1.clone(), kept))));
            }
        }
        self.update.extend(same.into_iter().map(|slice| (Arc::clone(slice), None)));
    }

    /// A family without endpoints has one slice without ports, so that consumers can tell "none" from "not yet".
    fn keep_one(&mut self, family: Family, service: &Object) {
        let is_of = |slice: &Arc<Row<Slice>>| slice.facts.family == Some(family);
        if self.update.iter().any(|(slice, _)| is_of(slice))
            || self.create.iter().any(|((of, _), _)| *of == family)
        {
            return;
        }
        let empty = |slice: &Arc<Row<Slice>>| {
            is_of(slice)
                && slice.facts.ports.is_empty()
                && slice.facts.endpoints.is_empty()
                && is_owned(&slice.object, service)
        };
        match self.delete.iter().position(empty) {
            Some(at) => self.update.push((self.delete.remove(at), None)),
            None => self.create.push(((family, Vec::new()), Vec::new())),
        }
    }

    /// A slice that would go becomes one that would come.
    fn reuse(&mut self, service: &Object) {
        for ((family, ports), endpoints) in std::mem::take(&mut self.create) {
            let fits = |slice: &Arc<Row<Slice>>| {
                slice.facts.family == Some(family) && is_owned(&slice.object, service)
            };
            match self.delete.iter().position(fits) {
                Some(at) => self.update.push((self.delete.remove(at), Some((ports, endpoints)))),
                None => self.create.push(((family, ports), endpoints)),
            }
        }
    }

    fn into_plan(self, observed: &Observed) -> Plan {
        let (service, facts) = (&observed.service.object, &observed.service.facts);
        let labels = labels(service, facts);
        let mut plan = Plan::new();
        // Updates before deletions: an endpoint that moves is in two slices for a moment, never in none.
        if !service.header().is_terminating() {
            for ((group, endpoints), name) in self.create.into_iter().zip(&observed.names) {
                plan = plan.write(create(service, &labels, &group, &endpoints, name));
            }
        }
        for (slice, content) in self.update {
            let mut patch = Map::new();
            if let Some((ports, endpoints)) = content {
                if ports != slice.facts.ports {
                    patch.insert("ports".into(), json!(ports));
                }
                patch.insert("endpoints".into(), json!(endpoints));
            }
            if let Some(labels) = label_patch(&slice.object, &labels) {
                patch.insert("metadata".into(), json!({"labels": labels}));
            }
            if !patch.is_empty() {
                let write = Write::merge(slice.object.key().clone(), Value::Object(patch));
                plan = plan.write(write.at(slice.object.revision()));
            }
        }
        for slice in self.delete.iter().filter(|slice| !slice.object.header().is_terminating()) {
            plan = plan.write(Write::delete(slice.object.key().clone()).of(slice.object.uid()));
        }
        plan
    }
}

/// Of the slices that take so many more, the one that is fullest then.
fn fullest_with_room(slices: &[&Arc<Row<Slice>>], more: usize) -> Option<usize> {
    let filled = slices.iter().enumerate().map(|(at, slice)| (slice.facts.endpoints.len() + more, at));
    filled
        .filter(|(length, _)| *length <= MAX_ENDPOINTS)
        .max_by_key(|(length, at)| (*length, usize::MAX - at))
        .map(|(_, at)| at)
}

fn is_owned(slice: &Object, service: &Object) -> bool {
    slice.header().owners.iter().any(|owner| owner.uid == *service.uid() && &*owner.kind == "Service")
}

fn create(
    service: &Object,
    labels: &[(Str, Str)],
    group: &Group,
    endpoints: &[Endpoint],
    name: &str,
) -> Write {
    let namespace = &service.key().namespace;
    let labels: Map<String, Value> =
        labels.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let tree = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": service.key().name,
                "uid": service.uid(), "controller": true, "blockOwnerDeletion": true}],
        },
        "addressType": group.0.as_str(), "ports": group.1, "endpoints": endpoints,
    });
    Write::create(Key::new(kind::ENDPOINT_SLICES, namespace.clone(), name), tree)
}

/// What to merge so that the slice has these labels and no others.
fn label_patch(slice: &Object, labels: &[(Str, Str)]) -> Option<Map<String, Value>> {
    let present = &slice.header().labels;
    let gone =
        present.iter().filter(|(name, _)| labels.binary_search_by(|(wanted, _)| wanted.cmp(name)).is_err());
    let mut patch: Map<String, Value> = gone.map(|(name, _)| (name.to_string(), Value::Null)).collect();
    let changed = labels.iter().filter(|(name, value)| slice.label(name) != Some(&**value));
    patch.extend(changed.map(|(name, value)| (name.to_string(), json!(value))));
    (!patch.is_empty()).then_some(patch)
}
