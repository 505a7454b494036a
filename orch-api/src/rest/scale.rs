//! The subresource `scale`: a workload as `autoscaling/v1` Scale (`pkg/registry/apps/*/storage`).
//!
//! Writes of it are the Api's; here the object that it answers becomes a Scale. Invariant: a Scale has the revision of its
//! object.

use http::Response;
use orch_core::{Object, Revision};

use super::body::{self, Answer, Body};
use super::call::Call;
use super::negotiate::Shape;
use super::output;
use super::query::revision;
use super::read::arrived;
use super::status::Status;
use super::table;
use crate::scale::scale;

pub(super) async fn get(call: Call) -> Answer {
    let at_least = revision(&call.request.query)?.unwrap_or(Revision::ZERO);
    let (key, api) = (call.key(), &call.api);
    let live = arrived(&call, || Box::pin(api.get(&key, at_least))).await?;
    if let Some(paths) = call.custom().and_then(|(_, version)| version.scale.as_ref())
        && paths.wanted(&call.tree(live.object())).is_none()
    {
        return Err(Status::internal(&paths.unknown()));
    }
    answer(&call, live.object())
}

/// A Scale as the answer.
pub(super) fn answer(call: &Call, object: &Object) -> Result<Response<Body>, Status> {
    let tree = match call.custom().and_then(|(_, version)| version.scale.as_ref()) {
        Some(paths) => paths.scale(&call.tree(object)),
        None => scale(&object.to_tree()),
    };
    let tree = match call.form.shape {
        Shape::Table(version) => table::scale(call, version, &tree),
        _ => tree,
    };
    Ok(output::warn(call, body::tree(200, call.form.encoding, &tree)))
}
