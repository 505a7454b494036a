//! Bodies as bytes: encoding with the offsets of their parts, and splices.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Part, Spans, scan, text};
use crate::Revision;

/// A buffer that is kept for the next body, unless this one was unusually large.
const KEPT_BYTES: usize = 64 << 10;

/// Writes bytes and keeps exactly those: a body lives long, so no byte is to spare in it.
pub(super) fn exact(write: impl FnOnce(&mut Vec<u8>)) -> Arc<[u8]> {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    let mut out = BUFFER.take();
    out.clear();
    write(&mut out);
    let bytes = Arc::from(&*out);
    if out.capacity() <= KEPT_BYTES {
        BUFFER.set(out);
    }
    bytes
}

/// Encodes a tree without `resourceVersion` and `managedFields`; says where the parts stand and what was set aside.
pub(super) fn body(tree: &Value) -> (Arc<[u8]>, Spans, Option<Bytes>) {
    let empty = Map::new();
    let map = tree.as_object().unwrap_or(&empty);
    let (mut spans, mut managed) = (Spans::default(), None);
    let body = exact(|out| {
        out.push(b'{');
        // The identifying fields first, as people expect them; the rest in the map's order.
        for name in ["apiVersion", "kind"] {
            if let Some(value) = map.get(name) {
                entry(out, name, value);
            }
        }
        let start = key(out, "metadata");
        managed = metadata(out, map.get("metadata"));
        spans.metadata = start..out.len();
        for (name, value) in map {
            if matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                continue;
            }
            let span = entry(out, name, value);
            match name.as_str() {
                "spec" => spans.spec = span,
                "status" => spans.status = span,
                _ => {}
            }
        }
        out.push(b'}');
    });
    (body, spans, managed)
}

fn metadata(out: &mut Vec<u8>, metadata: Option<&Value>) -> Option<Bytes> {
    let mut managed = None;
    out.push(b'{');
    for (name, value) in metadata.and_then(Value::as_object).into_iter().flatten() {
        match name.as_str() {
            "resourceVersion" => {}
            "managedFields" => managed = Some(value.to_string().into_boxed_str().into_boxed_bytes().into()),
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
    text::string(out, name);
    out.push(b':');
    out.len()
}

fn entry(out: &mut Vec<u8>, name: &str, value: &Value) -> Range<usize> {
    let start = key(out, name);
    text::value(out, value);
    start..out.len()
}

/// Replaces one part of a body, or adds it at the end; says what was set aside when it is the metadata.
pub(super) fn replace(
    body: &[u8],
    spans: &Spans,
    part: Part,
    value: &Value,
) -> (Arc<[u8]>, Spans, Option<Bytes>) {
    let mut managed = None;
    let (body, spans) = splice_part(body, spans, part, |out| match part {
        Part::Metadata => managed = metadata(out, Some(value)),
        Part::Spec | Part::Status => text::value(out, value),
    });
    (body, spans, managed)
}

/// Replaces one field of a part that is an object, or adds it in order of name.
pub(super) fn replace_field(
    body: &[u8],
    spans: &Spans,
    part: Part,
    name: &str,
    value: &Value,
) -> (Arc<[u8]>, Spans) {
    let json = &body[spans.of(part).clone()];
    splice_part(body, spans, part, |out| {
        let start = out.len();
        match scan::find(json, name) {
            scan::Found::Value(range) => {
                out.extend_from_slice(&json[..range.start]);
                text::value(out, value);
                out.extend_from_slice(&json[range.end..]);
            }
            scan::Found::Before(place) => {
                // Up to here a field, if any, has its comma; the new one is behind it or first.
                out.extend_from_slice(&json[..place]);
                let last = json[place] == b'}';
                if last && out.len() > start + 1 {
                    out.push(b',');
                }
                text::string(out, name);
                out.push(b':');
                text::value(out, value);
                if !last {
                    out.push(b',');
                }
                out.extend_from_slice(&json[place..]);
            }
        }
    })
}

/// The body with another text of one part, which `write` appends.
fn splice_part(
    body: &[u8],
    spans: &Spans,
    part: Part,
    write: impl FnOnce(&mut Vec<u8>),
) -> (Arc<[u8]>, Spans) {
    let (old, mut new) = (spans.of(part).clone(), Range::default());
    let body = exact(|out| {
        if old.is_empty() {
            out.extend_from_slice(&body[..body.len() - 1]);
            let start = key(out, part.name());
            write(out);
            new = start..out.len();
            out.push(b'}');
        } else {
            out.extend_from_slice(&body[..old.start]);
            write(out);
            new = old.start..out.len();
            out.extend_from_slice(&body[old.end..]);
        }
    });
    let mut spans = spans.clone();
    for (at, other) in [(Part::Metadata, &mut spans.metadata), (Part::Spec, &mut spans.spec)] {
        shift(at, other, part, &old, &new);
    }
    shift(Part::Status, &mut spans.status, part, &old, &new);
    (body, spans)
}

fn shift(at: Part, range: &mut Range<usize>, part: Part, old: &Range<usize>, new: &Range<usize>) {
    if at == part {
        *range = new.clone();
    } else if !old.is_empty() && range.start >= old.end {
        *range = range.start + new.len() - old.len()..range.end + new.len() - old.len();
    }
}

/// Bytes that a revision takes at most, with its name.
pub(super) const SPLICED: usize = 48;

/// Where the fields behind `apiVersion` and `kind` begin.
pub(super) fn behind_kind(spans: &Spans) -> usize {
    spans.metadata.start.saturating_sub("\"metadata\":".len())
}

/// Appends the body from `start` on, with `resourceVersion` and `managedFields` back in the metadata.
pub(super) fn splice(
    body: &[u8],
    start: usize,
    spans: &Spans,
    revision: Revision,
    managed: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let end = spans.metadata.end - 1;
    out.extend_from_slice(&body[start..end]);
    if revision > Revision::ZERO {
        entry(out, "resourceVersion", &Value::String(revision.to_string()));
    }
    if let Some(managed) = managed {
        key(out, "managedFields");
        out.extend_from_slice(managed);
    }
    out.extend_from_slice(&body[end..]);
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
