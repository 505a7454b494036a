//! Bodies as bytes: encoding with the offsets of their parts, and splices.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Part, Spans};
use crate::Revision;

/// Encodes a tree without `resourceVersion` and `managedFields`; says where the parts stand and what was set aside.
pub(super) fn body(tree: &Value) -> (Bytes, Spans, Option<Bytes>) {
    let empty = Map::new();
    let map = tree.as_object().unwrap_or(&empty);
    let mut out = Vec::with_capacity(512);
    let (mut spans, mut managed) = (Spans::default(), None);
    out.push(b'{');
    // The identifying fields first, as people expect them; the rest in the map's order.
    for name in ["apiVersion", "kind"] {
        if let Some(value) = map.get(name) {
            entry(&mut out, name, value);
        }
    }
    let start = key(&mut out, "metadata");
    managed = metadata(&mut out, map.get("metadata")).or(managed);
    spans.metadata = start..out.len();
    for (name, value) in map {
        if matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let span = entry(&mut out, name, value);
        match name.as_str() {
            "spec" => spans.spec = span,
            "status" => spans.status = span,
            _ => {}
        }
    }
    out.push(b'}');
    (out.into(), spans, managed)
}

fn metadata(out: &mut Vec<u8>, metadata: Option<&Value>) -> Option<Bytes> {
    let mut managed = None;
    out.push(b'{');
    for (name, value) in metadata.and_then(Value::as_object).into_iter().flatten() {
        match name.as_str() {
            "resourceVersion" => {}
            "managedFields" => managed = Some(Bytes::from(value.to_string())),
            _ => {
                entry(out, name, value);
            }
        }
    }
    out.push(b'}');
    managed
}

fn key(out: &mut Vec<u8>, name: &str) -> usize {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write(out, name);
    out.push(b':');
    out.len()
}

fn entry(out: &mut Vec<u8>, name: &str, value: &Value) -> std::ops::Range<usize> {
    let start = key(out, name);
    write(out, value);
    start..out.len()
}

fn write<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a tree has string keys and a vector takes every byte");
}

/// Replaces one part of a body, or adds it at the end.
pub(super) fn replace(body: &Bytes, spans: &Spans, part: Part, value: &Value) -> (Bytes, Spans) {
    let mut out = Vec::with_capacity(body.len() + 256);
    let mut spans = spans.clone();
    let old = spans.of(part).clone();
    let span = if old.is_empty() {
        out.extend_from_slice(&body[..body.len() - 1]);
        let name = match part {
            Part::Metadata => "metadata",
            Part::Spec => "spec",
            Part::Status => "status",
        };
        let span = entry(&mut out, name, value);
        out.push(b'}');
        span
    } else {
        out.extend_from_slice(&body[..old.start]);
        write(&mut out, value);
        let span = old.start..out.len();
        out.extend_from_slice(&body[old.end..]);
        span
    };
    for (at, other) in [(Part::Metadata, &mut spans.metadata), (Part::Spec, &mut spans.spec)] {
        shift(at, other, part, &old, &span);
    }
    shift(Part::Status, &mut spans.status, part, &old, &span);
    (out.into(), spans)
}

fn shift(
    at: Part,
    range: &mut std::ops::Range<usize>,
    part: Part,
    old: &std::ops::Range<usize>,
    new: &std::ops::Range<usize>,
) {
    if at == part {
        *range = new.clone();
    } else if !old.is_empty() && range.start >= old.end {
        *range = range.start + new.len() - old.len()..range.end + new.len() - old.len();
    }
}

/// The body with `resourceVersion` and `managedFields` back in the metadata.
pub(super) fn splice(body: &Bytes, spans: &Spans, revision: Revision, managed: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 48 + managed.map_or(0, <[u8]>::len));
    let end = spans.metadata.end - 1;
    out.extend_from_slice(&body[..end]);
    if revision > Revision::ZERO {
        entry(&mut out, "resourceVersion", &Value::String(revision.to_string()));
    }
    if let Some(managed) = managed {
        key(&mut out, "managedFields");
        out.extend_from_slice(managed);
    }
    out.extend_from_slice(&body[end..]);
    out
}

/// The same on a tree.
pub(super) fn splice_tree(tree: &mut Value, revision: Revision, managed: Option<&[u8]>) {
    let Some(metadata) = tree.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if revision > Revision::ZERO {
        metadata.insert("resourceVersion".into(), revision.to_string().into());
    }
    if let Some(managed) = managed.and_then(|json| serde_json::from_slice(json).ok()) {
        metadata.insert("managedFields".into(), managed);
    }
}
