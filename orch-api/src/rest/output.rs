//! Objects and lists in the form that the client asked for.
//!
//! The bytes at rest are what is sent, with the revision spliced in: nothing is decoded for JSON. Not the columns of tables.
//! Invariant: an object stands in an answer as it was at its revision.

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

/// Warnings that an answer shows: more would not fit into headers.
const MAX_WARNINGS: usize = 50;

/// Adds the warnings of a call (RFC 9111's `Warning`, code 299).
pub(super) fn warn(call: &Call, mut response: Response<Body>) -> Response<Body> {
    for warning in call.warnings.iter().take(MAX_WARNINGS) {
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
pub(super) fn list(call: &Call, listed: &Listed) -> Result<Response<Body>, Status> {
    let encoding = call.form.encoding;
    let response = match call.form.shape {
        Shape::Whole if encoding == Encoding::Json => {
            body::bytes(200, encoding.content_type(), whole(call, listed))
        }
        Shape::Whole => {
            let tree: Value = serde_json::from_slice(&whole(call, listed)).unwrap_or_default();
            body::tree(200, encoding, &tree)
        }
        Shape::Table(version) => {
            let rows: Vec<Value> = listed.items.iter().map(|object| call.tree(object)).collect();
            let tree = table::table(call, version, &listed.metadata(), &rows, table::Header::Shown);
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
    Ok(warn(call, response))
}

fn whole(call: &Call, listed: &Listed) -> Vec<u8> {
    let kind = Value::from(format!("{}List", call.info.name));
    let api_version = Value::from(call.api_version());
    let metadata = listed.metadata();
    let size = listed.items.iter().map(|object| object.body().len() + 64).sum::<usize>();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(
        format!("{{\"kind\":{kind},\"apiVersion\":{api_version},\"metadata\":{metadata},\"items\":[")
            .as_bytes(),
    );
    // Typed lists of Kubernetes leave the type of the items out; lists of custom resources have it.
    let is_typed = call.ty().is_some();
    for (at, object) in listed.items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match call.served {
            Some(_) => out.extend_from_slice(&converted(call.tree(object))),
            None if is_typed => {
                out.push(b'{');
                out.extend_from_slice(untyped(&object.to_json()));
            }
            None => out.extend_from_slice(&call.json(object)),
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// An item of a list that is not sent as it is stored.
fn converted(mut tree: Value) -> Vec<u8> {
    if let Some(fields) = tree.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    tree.to_string().into_bytes()
}

/// The fields of an encoded object behind `apiVersion` and `kind`, which stand first.
fn untyped(json: &[u8]) -> &[u8] {
    const METADATA: &[u8] = b"\"metadata\":";
    let found = json.windows(METADATA.len()).position(|window| window == METADATA);
    &json[found.unwrap_or(1)..]
}

/// The metadata alone.
pub(super) fn partial(tree: &Value, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": tree["metadata"]})
}
