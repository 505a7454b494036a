//! The verb create (`apiserver/pkg/endpoints/handlers/create.go`).
//!
//! It reads bodies and words answers; what a create does is the Api's. Invariant: a body that does not decode creates nothing.

use std::sync::Arc;

use bytes::Bytes;
use orch_core::{FieldValidation, Subresource, Write, WriteOptions};
use serde_json::Value;

use super::again::Form;
use super::body::Answer;
use super::call::Call;
use super::query::{Writing, write_options};
use super::status::{Doing, Status};
use super::warnings::{self, Act};
use super::write::{object, said};
use super::{body, grants, output, signers};
use crate::tree::Get;

pub(super) async fn create(mut call: Call, part: Subresource, body: Bytes) -> Answer {
    let options = write_options(&call.request.query, &call.request.headers, Writing::Create)?;
    let is_whole = part == Subresource::None;
    if is_whole && let Some((form, tree, name)) = call.shared.again.find(&call, &body) {
        return create_again(call, &form, (tree, name), options).await;
    }
    let tree = object(&mut call, part, &body, options.field_validation)?;
    let name = tree.object_at("metadata").map_or("", |metadata| metadata.text("name"));
    // Who wishes to hear of no fault is not told whether there was one.
    let is_sound = call.warnings.is_empty() && options.field_validation != FieldValidation::Ignore;
    if is_whole
        && is_sound
        && let Some((form, shared)) = call.shared.again.learn(&call, &body, &tree)
    {
        return create_again(call, &form, (shared, name), options).await;
    }
    let key = if is_whole { call.named(name) } else { call.key() };
    if is_whole {
        signers::check_subject(&call, name, &tree)?;
    }
    if part == Subresource::Eviction && name != &*key.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    // A request for a token has words of its own for that.
    if !is_whole && part != Subresource::Token && !name.is_empty() && name != &*key.name {
        let why =
            format!("the name of the object ({name}) does not match the name on the URL ({})", key.name);
        return Err(Status::bad_request(why));
    }
    let mut write = Write::create(key, tree).to(part);
    write.options = said(options);
    let doing = if part == Subresource::Binding { Doing::Bind } else { Doing::Write };
    let live = grants::write(&call, write, doing).await?;
    if is_whole {
        call.warnings.extend(warnings::of(call.info.kind, &live.tree(), Act::Create));
        if call.custom().is_some() {
            call.warnings.extend(warnings::finalizers(&live.tree()));
        }
        return output::object(&call, 201, live.object());
    }
    if part == Subresource::Token {
        return Ok(output::warn(&call, body::tree(201, call.form.encoding, &live.tree())));
    }
    Ok(body::status(&Status::done(201)))
}

/// Creates one of many objects that a client makes of one form.
async fn create_again(
    mut call: Call,
    form: &Form,
    (tree, name): (Arc<Value>, &str),
    options: WriteOptions,
) -> Answer {
    let mut write = Write::create(call.named(name), tree);
    write.options = said(options);
    let live = grants::write(&call, write, Doing::Write).await?;
    let kind = call.info.kind;
    let of = |object: &Value| warnings::of(kind, object, Act::Create);
    call.warnings.extend(form.warnings(&live, of));
    output::object(&call, 201, live.object())
}
