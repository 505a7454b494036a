//! Objects and lists in the form that the client asked for.
//!
//! The bytes at rest are what is sent, with the revision spliced in: nothing is decoded for JSON. Not the columns of tables.
//! Invariant: an object stands in an answer as it was at its revision.

use std::collections::HashSet;
use std::vec::IntoIter;

use bytes::Bytes;
use http::Response;
use http::header::{HeaderValue, WARNING};
use orch_core::{Object, Revision};
use serde_json::{Value, json};

use super::body::{self, Body};
use super::call::Call;
use super::negotiate::{Encoding, Shape};
use super::status::Status;
use super::table;

/// Objects of a list and what is known of the whole.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) items: Vec<Object>,
    pub(super) revision: Revision,
    /// Empty on the last page.
    pub(super) page: String,
    pub(super) remaining: Option<u64>,
}

impl Listed {
    fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if !self.page.is_empty() {
            metadata["continue"] = self.page.as_str().into();
            if let Some(remaining) = self.remaining {
                metadata["remainingItemCount"] = remaining.into();
            }
        }
        metadata
    }
}

/// Characters of all warnings of an answer, and of one of those that are too long together: headers are no place for more
/// (`apiserver/pkg/endpoints/filters/warning.go`).
const MAX_WARNED: usize = 4 << 10;
const MAX_WARNING: usize = 256;

/// A list with more bytes than this is made while it is sent, in pieces of about this size.
const PIECE: usize = 64 << 10;

/// Adds the warnings of a call (RFC 9111's `Warning`, code 299).
pub(super) fn warn(call: &Call, response: Response<Body>) -> Response<Body> {
    warned(&call.warnings, response)
}

/// Each is told once, however often it was found (`apiserver/pkg/endpoints/filters/warning.go`).
fn warned(warnings: &[String], mut response: Response<Body>) -> Response<Body> {
    let mut seen = HashSet::new();
    let warnings: Vec<&String> = warnings.iter().filter(|text| seen.insert(*text)).collect();
    let is_too_much = warnings.iter().map(|text| text.chars().count()).sum::<usize>() > MAX_WARNED;
    let mut written = 0;
    for warning in warnings {
        let warning: String = match is_too_much {
            _ if written >= MAX_WARNED => break,
            true => warning.chars().take(MAX_WARNING).collect(),
            false => warning.clone(),
        };
        written += warning.chars().count();
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

/// One object.
///
/// # Errors
/// 406 for a form that only lists have.
pub(super) fn object(call: &Call, code: u16, object: &Object) -> Result<Response<Body>, Status> {
    let encoding = call.form.encoding;
    let response = match call.form.shape {
        Shape::Whole if encoding == Encoding::Json => {
            body::bytes(code, encoding.content_type(), call.json(object))
        }
        Shape::Whole => body::tree(code, encoding, &call.tree(object)),
        Shape::Table(version) => {
            let rows = [call.tree(object)];
            let metadata = json!({"resourceVersion": object.revision().to_string()});
            body::tree(code, encoding, &table::table(call, version, &metadata, &rows, table::Header::Shown))
        }
        Shape::Metadata(version) => body::tree(code, encoding, &partial(&call.tree(object), version)),
        Shape::MetadataList(_) => return Err(Status::not_acceptable(&["application/json"])),
    };
    Ok(warn(call, response))
}

/// A list.
///
/// # Errors
/// 406 for a form that only objects have.
pub(super) fn list(mut call: Call, listed: Listed) -> Result<Response<Body>, Status> {
    let encoding = call.form.encoding;
    let response = match call.form.shape {
        Shape::Whole if encoding == Encoding::Json => {
            let warnings = std::mem::take(&mut call.warnings);
            return Ok(warned(&warnings, whole(call, listed)));
        }
        Shape::Whole => {
            let json: Vec<u8> = Pieces::new(call, listed).flatten().collect();
            let tree: Value = serde_json::from_slice(&json).unwrap_or_default();
            return Ok(body::tree(200, encoding, &tree));
        }
        Shape::Table(version) => {
            let rows: Vec<Value> = listed.items.iter().map(|object| call.tree(object)).collect();
            let tree = table::table(&call, version, &listed.metadata(), &rows, table::Header::Shown);
            body::tree(200, encoding, &tree)
        }
        Shape::MetadataList(version) => {
            let items: Vec<Value> =
                listed.items.iter().map(|object| partial(&call.tree(object), version)).collect();
            let tree = json!({"kind": "PartialObjectMetadataList", "items": items,
                "apiVersion": format!("meta.k8s.io/{version}"), "metadata": listed.metadata()});
            body::tree(200, encoding, &tree)
        }
        Shape::Metadata(_) => return Err(Status::not_acceptable(&["application/json"])),
    };
    Ok(warn(&call, response))
}

/// The objects as they are stored.
fn whole(call: Call, listed: Listed) -> Response<Body> {
    let content_type = call.form.encoding.content_type();
    let mut pieces = Pieces::new(call, listed);
    let first = pieces.next().unwrap_or_default();
    match pieces.next() {
        None => body::bytes(200, content_type, first),
        Some(second) => {
            let all = [first, second].into_iter().chain(pieces);
            body::large(content_type, futures::stream::iter(all))
        }
    }
}

/// A list as JSON, made piece by piece: no more of it is in memory than is being sent.
struct Pieces {
    call: Call,
    items: IntoIter<Object>,
    /// What stands before the next item.
    before: Vec<u8>,
    /// Typed lists of Kubernetes leave the type of the items out; lists of custom resources have it.
    is_typed: bool,
    is_over: bool,
}

impl Pieces {
    fn new(call: Call, listed: Listed) -> Self {
        let kind = Value::from(format!("{}List", call.info.name));
        let api_version = Value::from(call.api_version());
        let metadata = listed.metadata();
        let before =
            format!("{{\"kind\":{kind},\"apiVersion\":{api_version},\"metadata\":{metadata},\"items\":[");
        let is_typed = call.ty().is_some();
        Self { call, items: listed.items.into_iter(), before: before.into(), is_typed, is_over: false }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut out = std::mem::take(&mut self.before);
        let mut size = 2;
        for object in self.items.as_slice() {
            size += object.body().len() + object.managed_fields().map_or(0, Bytes::len) + 64;
            if size > PIECE {
                break;
            }
        }
        out.reserve(size);
        while out.len() < PIECE {
            let Some(object) = self.items.next() else {
                self.is_over = true;
                out.extend_from_slice(b"]}");
                break;
            };
            let left = self.items.len();
            match self.call.served {
                Some(_) => out.extend_from_slice(&converted(self.call.tree(&object))),
                None if self.is_typed => object.write_item(&mut out),
                None => out.extend_from_slice(&self.call.json(&object)),
            }
            if left > 0 {
                out.push(b',');
            }
        }
        Some(out.into())
    }
}

/// An item of a list that is not sent as it is stored.
fn converted(mut tree: Value) -> Vec<u8> {
    if let Some(fields) = tree.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    tree.to_string().into_bytes()
}

/// The metadata alone.
pub(super) fn partial(tree: &Value, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": tree["metadata"]})
}
