//! What a change changed, as paths.

use orch_core::object::Part;
use orch_core::{Kind, Live, Object, kind};
use serde_json::{Map, Value};

use crate::chaos::invariants::tree::fields;

/// The part that alone has changed, or nothing for an Event: those are not worth a look; `None` when it must be looked at.
pub(super) fn only(before: &Object, now: &Object) -> Option<&'static str> {
    if now.key().kind == kind::EVENTS {
        return Some("count");
    }
    let same = |part| before.part(part) == now.part(part);
    if !is_usual(now.key().kind) || !same(Part::Metadata) {
        return None;
    }
    match (same(Part::Spec), same(Part::Status)) {
        (true, _) => Some("status"),
        (false, true) => Some("spec"),
        (false, false) => None,
    }
}

/// Whether objects of the kind are nothing but metadata, spec and status.
fn is_usual(kind: Kind) -> bool {
    const USUAL: [Kind; 10] = [
        kind::PODS,
        kind::NODES,
        kind::DEPLOYMENTS,
        kind::REPLICA_SETS,
        kind::STATEFUL_SETS,
        kind::SERVICES,
        kind::NAMESPACES,
        kind::PERSISTENT_VOLUME_CLAIMS,
        kind::PERSISTENT_VOLUMES,
        kind::LEASES,
    ];
    USUAL.contains(&kind)
}

/// The paths at which the objects differ, without what the server sets: a status of a node that was not there gets its
/// defaults with the first write.
pub(super) fn paths(before: &Object, now: &Live, deletes: bool) -> Vec<String> {
    let mut paths = Vec::new();
    let read = |object: &Object, part| object.part_to::<Value>(part).unwrap_or_default();
    if before.part(Part::Metadata) != now.part(Part::Metadata) {
        metadata(&mut paths, &read(before, Part::Metadata), &read(now, Part::Metadata), deletes);
    }
    for (part, name) in [(Part::Spec, "spec"), (Part::Status, "status")] {
        if part == Part::Spec && is_bound(before, now) {
            paths.push("spec.nodeName".to_owned());
        } else if before.part(part) != now.part(part) {
            let (old, new) = (read(before, part), read(now, part));
            let defaulted = |field: &String| {
                let ours = matches!(field.as_str(), "allocatable" | "daemonEndpoints" | "nodeInfo");
                now.key().kind == kind::NODES && ours && old[field.as_str()].is_null()
            };
            let differs = different(&old, &new).into_iter().filter(|field| !defaulted(field));
            paths.extend(differs.map(|field| format!("{name}.{field}")));
        }
    }
    if !is_usual(now.key().kind) {
        let known = |name: &str| matches!(name, "apiVersion" | "kind" | "metadata" | "spec" | "status");
        paths.extend(different(&before.body_tree(), &now.tree()).into_iter().filter(|name| !known(name)));
    }
    if deletes && now.key().kind == kind::NAMESPACES {
        paths.retain(|path| path != "status.phase");
    }
    paths
}

/// Whether a pod was bound and its spec is the same otherwise, as bytes.
fn is_bound(before: &Object, now: &Object) -> bool {
    let node = now.field("spec.nodeName").unwrap_or_default();
    let (Some(old), Some(new)) = (before.part(Part::Spec), now.part(Part::Spec)) else { return false };
    let entry = format!("\"nodeName\":\"{node}\",");
    let at = new.windows(entry.len()).position(|part| part == entry.as_bytes());
    at.is_some_and(|at| {
        !node.is_empty()
            && old[..at.min(old.len())] == new[..at]
            && old[at.min(old.len())..] == new[at + entry.len()..]
    })
}

fn metadata(paths: &mut Vec<String>, before: &Value, now: &Value, deletes: bool) {
    for field in different(before, now) {
        match field.as_str() {
            "generation" | "deletionTimestamp" | "deletionGracePeriodSeconds" => {}
            // A deletion sets or replaces what the garbage collector is to do.
            "finalizers" if deletes && others(&before["finalizers"]) == others(&now["finalizers"]) => {}
            "labels" | "annotations" => {
                let keys = different(&before[&field], &now[&field]);
                paths.extend(keys.into_iter().map(|key| format!("metadata.{field}[{key}]")));
            }
            _ => paths.push(format!("metadata.{field}")),
        }
    }
}

/// Finalizers that are not the garbage collector's.
fn others(finalizers: &Value) -> Vec<&Value> {
    let all = finalizers.as_array().into_iter().flatten();
    all.filter(|name| !matches!(name.as_str(), Some("orphan" | "foregroundDeletion"))).collect()
}

/// The names of fields that differ.
fn different(before: &Value, now: &Value) -> Vec<String> {
    let empty = Map::new();
    let old = before.as_object().unwrap_or(&empty);
    let new = now.as_object().unwrap_or(&empty);
    let changed =
        fields(now).filter(|(name, value)| old.get(*name) != Some(value)).map(|(name, _)| name.clone());
    let gone = old.keys().filter(|name| !new.contains_key(*name)).cloned();
    changed.chain(gone).collect()
}
