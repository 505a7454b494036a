//! The claims of a pod: made before it, and owned as the retention policy says
//! (`pkg/controller/statefulset/stateful_set_utils.go`, KEP-1847).

use orch_core::{Key, Object, OwnerReference, Write, kind};
use serde_json::{Value, json};

use super::facts::{Retention, StatefulSetFacts};
use super::{Observed, identity};
use crate::json::{list, text};
use crate::owner::set_owners;

/// Whether the claims of an ordinal let its pod be created.
#[derive(Debug)]
pub(super) enum Claimed {
    /// They are all there.
    Ready,
    /// These must be created first.
    Missing(Vec<(Key, Value)>),
    /// One of them is on its way out or still that of an earlier pod.
    Stale,
}

/// How the claims of a pod that is to be created stand.
pub(super) fn of_ordinal(observed: &Observed, spec: &Value, ordinal: i32) -> Claimed {
    let set = observed.row.object.key();
    let pod = identity::pod_name(&set.name, ordinal);
    let mut missing = Vec::new();
    for template in list(&spec["volumeClaimTemplates"]) {
        let name = identity::claim_name(text(&template["metadata"]["name"]), &set.name, ordinal);
        match observed.claims.get(name.as_str()) {
            None => {
                let key = set.sibling(kind::PERSISTENT_VOLUME_CLAIMS, name.as_str());
                missing.push((key, tree(observed, spec, template, &name)));
            }
            Some(claim) if is_stale(&claim.object, &pod) => return Claimed::Stale,
            Some(_) => {}
        }
    }
    if missing.is_empty() { Claimed::Ready } else { Claimed::Missing(missing) }
}

/// A claim that is deleted, or goes with a pod that had this name before.
fn is_stale(claim: &Object, pod: &str) -> bool {
    let header = claim.header();
    header.is_terminating() || header.owners.iter().any(|owner| is_pod(owner, pod))
}

fn is_pod(owner: &OwnerReference, name: &str) -> bool {
    &*owner.api_version == "v1" && &*owner.kind == "Pod" && &*owner.name == name
}

fn tree(observed: &Observed, spec: &Value, template: &Value, name: &str) -> Value {
    let facts = &observed.row.facts;
    let mut claim = template.clone();
    if let Some(fields) = claim.as_object_mut() {
        fields.remove("status");
    }
    claim["apiVersion"] = json!("v1");
    claim["kind"] = json!("PersistentVolumeClaim");
    claim["metadata"]["name"] = json!(name);
    claim["metadata"]["namespace"] = json!(&*observed.row.object.key().namespace);
    for (label, value) in spec["selector"]["matchLabels"].as_object().into_iter().flatten() {
        crate::template::set_label(&mut claim, label, text(value));
    }
    if facts.when_deleted == Retention::Delete {
        claim["metadata"]["ownerReferences"] = json!([observed.parent.reference()]);
    }
    claim
}

/// The writes that give the claims of a pod the owners that the retention policy asks for.
pub(super) fn fix_owners(observed: &Observed, pod: &Object, ordinal: i32) -> Vec<Write> {
    let set = &observed.row.object.key().name;
    let names = observed.row.facts.claims.iter().map(|template| identity::claim_name(template, set, ordinal));
    names
        .filter_map(|name| {
            let claim = &observed.claims.get(name.as_str())?.object;
            let owners = owners(observed, claim, pod, ordinal)?;
            Some(set_owners(claim, &owners))
        })
        .collect()
}

/// The owners that a claim should have; `None` when it has them or is somebody else's.
fn owners(observed: &Observed, claim: &Object, pod: &Object, ordinal: i32) -> Option<Vec<OwnerReference>> {
    let facts = &observed.row.facts;
    let set = observed.parent.reference();
    let pod = pod_reference(pod);
    let owners = &claim.header().owners;
    let names = |owner: &OwnerReference, of: &OwnerReference| {
        owner.api_version == of.api_version && owner.kind == of.kind && owner.name == of.name
    };
    let is_ours = |owner: &OwnerReference| names(owner, &set) || names(owner, &pod);
    if owners.iter().any(|owner| is_ours(owner) && owner.uid != set.uid && owner.uid != pod.uid) {
        return None;
    }
    let keeps_all = facts.when_scaled == Retention::Retain && facts.when_deleted == Retention::Retain;
    let foreign = !keeps_all && owners.iter().any(|owner| !is_ours(owner) && owner.controller == Some(true));
    let (wants_set, wants_pod) = if foreign { (false, false) } else { wanted(facts, ordinal) };
    let as_wanted = |of: &OwnerReference, wanted: bool| match owners.iter().find(|owner| owner.uid == of.uid)
    {
        Some(owner) => wanted && owner.controller == Some(true),
        None => !wanted,
    };
    if as_wanted(&set, wants_set) && as_wanted(&pod, wants_pod) {
        return None;
    }
    let others = owners.iter().filter(|owner| !is_ours(owner)).cloned();
    let ours = [(&set, wants_set), (&pod, wants_pod)].into_iter().filter(|(_, wanted)| *wanted);
    Some(others.chain(ours.map(|(owner, _)| owner.clone())).collect())
}

/// Whether the set and the pod are to own a claim.
fn wanted(facts: &StatefulSetFacts, ordinal: i32) -> (bool, bool) {
    let scaled_down = !facts.has(ordinal);
    match (facts.when_scaled, facts.when_deleted) {
        (Retention::Retain, Retention::Retain) => (false, false),
        (Retention::Retain, Retention::Delete) => (true, false),
        (Retention::Delete, Retention::Retain) => (false, scaled_down),
        (Retention::Delete, Retention::Delete) => (!scaled_down, scaled_down),
    }
}

fn pod_reference(pod: &Object) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: pod.key().name.clone(),
        uid: pod.uid().clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
