//! What a change changed, as paths.

use orch_core::object::Part;
use orch_core::{Kind, Live, Object, kind};
use serde_json::{Map, Value};

use crate::chaos::invariants::tree::fields;

/// What alone has changed, as far as that can be told without decoding; `None` when it must be looked at. Of an Event
/// nothing is worth a look, and of a slice nothing but its endpoints, ports and address type.
pub(super) fn only(before: &Object, now: &Object) -> Option<&'static str> {
    let kind = now.key().kind;
    if kind == kind::EVENTS {
        return Some("count");
    }
    if !same_metadata(before, now) {
        return None;
    }
    if kind == kind::ENDPOINT_SLICES {
        return (address_type(before) == address_type(now)).then_some("endpoints");
    }
    let same = |part| before.part(part) == now.part(part);
    match (is_usual(kind), same(Part::Spec), same(Part::Status)) {
        (true, true, _) => Some("status"),
        (true, false, true) => only_field(before, now),
        _ => None,
    }
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|part| part == text.as_bytes())
}

/// `addressType` of a slice, as bytes.
fn address_type(slice: &Object) -> Option<&[u8]> {
    const FIELD: &str = "\"addressType\":";
    let value = &slice.body()[find(slice.body(), FIELD)? + FIELD.len()..];
    value.split(|byte| matches!(byte, b',' | b'}')).next()
}

/// Whether the metadata is the same but for the generation, as bytes.
fn same_metadata(before: &Object, now: &Object) -> bool {
    let (Some(old), Some(new)) = (before.part(Part::Metadata), now.part(Part::Metadata)) else {
        return false;
    };
    let counted = |object: &Object| format!("\"generation\":{},", object.header().generation);
    if old == new {
        return true;
    }
    let (old_entry, new_entry) = (counted(before), counted(now));
    match (find(old, &old_entry), find(new, &new_entry)) {
        (Some(at), Some(other)) => {
            old[..at] == new[..other] && old[at + old_entry.len()..] == new[other + new_entry.len()..]
        }
        _ => false,
    }
}

/// The one field of the spec that controllers change often.
fn only_field(before: &Object, now: &Object) -> Option<&'static str> {
    if now.key().kind == kind::LEASES {
        return Some("spec");
    }
    let (old, new) = (around_replicas(before)?, around_replicas(now)?);
    (old == new).then_some("spec.replicas")
}

/// The bytes of a spec before and after the value of `replicas`.
fn around_replicas(object: &Object) -> Option<(&[u8], &[u8])> {
    let spec = object.part(Part::Spec)?;
    let replicas = object.part_field(Part::Spec, "replicas")?;
    let at = replicas.as_ptr() as usize - spec.as_ptr() as usize;
    Some((&spec[..at], &spec[at + replicas.len()..]))
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
    match find(new, &entry) {
        Some(at) if !node.is_empty() && at <= old.len() => {
            old[..at] == new[..at] && old[at..] == new[at + entry.len()..]
        }
        _ => false,
    }
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
