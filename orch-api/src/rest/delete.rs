//! The verbs delete and deletecollection (`apiserver/pkg/endpoints/handlers/delete.go`).
//!
//! What holds an object back is the Api's to know. Invariant: options that do not go together delete nothing.

use bytes::Bytes;
use orch_core::{
    ApiExt, DeleteOptions, DryRun, Error, Fault, FaultKind, Live, Precondition, Propagation, Revision, Verb,
    Write, kind,
};
use serde_json::Value;

use super::body::{self, Answer};
use super::call::Call;
use super::decode::{decode, typeless};
use super::negotiate;
use super::output;
use super::query::{ListOptions, dry_run};
use super::read;
use super::status::{Doing, Status};
use crate::schema;
use crate::tree::Get;
use crate::wire::shows_deleted;

/// How to delete, as the client said in the body or, without one, in the query.
#[derive(Debug, Default)]
struct Options {
    delete: DeleteOptions,
    precondition: Precondition,
    dry_run: DryRun,
    /// `orphanDependents: false`: then an object that stays for now is answered with 202.
    cascades: bool,
}

fn read_options(call: &Call, body: &[u8]) -> Result<Options, Status> {
    let tree = if body.is_empty() { in_query(call)? } else { in_body(call, body)? };
    let mut faults = Vec::new();
    let mut options = Options::default();
    let propagation = tree.text("propagationPolicy");
    options.delete.grace_secs = tree.number("gracePeriodSeconds");
    options.delete.propagation = match propagation {
        "" => None,
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        "Orphan" => Some(Propagation::Orphan),
        other => {
            let why = "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            let fault = Fault::new(FaultKind::NotSupported, "propagationPolicy", why);
            faults.push(fault.value(format!("{other:?}")));
            None
        }
    };
    if let Some(orphan) = tree.at("orphanDependents").and_then(Value::as_bool) {
        if !propagation.is_empty() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            faults.push(
                Fault::new(FaultKind::Invalid, "propagationPolicy", why).value(format!("{propagation:?}")),
            );
        }
        options.cascades = !orphan;
        options.delete.propagation = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
    }
    options.dry_run = dry_run(tree.list("dryRun").iter().filter_map(Value::as_str), &mut faults);
    if let Some(given) = tree.object_at("preconditions") {
        let (uid, revision) = (given.text("uid"), given.text("resourceVersion"));
        options.precondition.uid = (!uid.is_empty()).then(|| uid.into());
        if !revision.is_empty() {
            // No object has a revision that is no number.
            options.precondition.revision = Some(revision.parse().unwrap_or(Revision(u64::MAX)));
        }
    }
    if faults.is_empty() {
        Ok(options)
    } else {
        Err(Status::invalid("DeleteOptions", "meta.k8s.io", "", &faults))
    }
}

fn in_body(call: &Call, body: &[u8]) -> Result<Value, Status> {
    let encoding = negotiate::body(&call.request.headers)?;
    let ty = schema::lookup("", "v1", "DeleteOptions");
    let decoded = decode(body, encoding, ty).map_err(|why| Status::bad_request(typeless(encoding, &why)))?;
    match (decoded.misfit, decoded.tree.text("kind")) {
        (Some(misfit), _) => Err(Status::bad_request(misfit)),
        (None, "" | "DeleteOptions") if decoded.tree.is_object() => Ok(decoded.tree),
        (None, kind) => {
            let version = decoded.tree.text("apiVersion");
            let scheme = "pkg/apis/meta/internalversion/scheme/register.go:29";
            let why = format!("no kind {kind:?} is registered for version {version:?} in scheme {scheme:?}");
            Err(Status::bad_request(why))
        }
    }
}

fn in_query(call: &Call) -> Result<Value, Status> {
    let query = &call.request.query;
    let mut tree = serde_json::json!({"dryRun": query.all("dryRun").collect::<Vec<_>>(),
        "propagationPolicy": query.text("propagationPolicy")});
    if let Some(secs) = query.number("gracePeriodSeconds")? {
        tree["gracePeriodSeconds"] = secs.into();
    }
    if let Some(orphan) = query.optional_flag("orphanDependents") {
        tree["orphanDependents"] = orphan.into();
    }
    Ok(tree)
}

fn write(call: &Call, name: &str, namespace: &str, options: &Options) -> Write {
    let key = orch_core::Key::new(call.info.kind, namespace, name);
    let mut write = Write::new(key, Verb::Delete(options.delete.clone()));
    write.precondition = options.precondition.clone();
    write.options.dry_run = options.dry_run;
    write
}

/// Whether the object is gone, as its last state tells.
fn is_gone(live: &Live) -> bool {
    let header = live.header();
    let phases = live.key().kind == kind::NAMESPACES
        && live.tree().object_at("spec").is_some_and(|spec| !spec.is_unset("finalizers"));
    !header.is_terminating() || header.finalizers.is_empty() && !phases
}

pub(super) async fn one(call: Call, body: Bytes) -> Answer {
    let options = read_options(&call, &body)?;
    let write = write(&call, &call.request.target.name, &call.request.target.namespace, &options);
    let live = call.api.one(write).await.map_err(|error| call.failed(&error, Doing::Delete))?;
    if is_gone(&live) && !shows_deleted(call.info.kind) {
        return Ok(body::status(&Status::deleted(live.key(), live.uid())));
    }
    let code = if options.cascades && !is_gone(&live) { 202 } else { 200 };
    output::object(&call, code, live.object())
}

/// Deletes what a list selects, one by one; what somebody else deletes meanwhile is passed over. The answer is the list, as it
/// was before.
pub(super) async fn collection(call: Call, body: Bytes) -> Answer {
    let options = read_options(&call, &body)?;
    let list = ListOptions::read(&call.request.query, &call.info, call.version(), call.served, false)?;
    let listed = read::listed(&call, &list).await?;
    let write =
        |object: &orch_core::Object| write(&call, &object.key().name, &object.key().namespace, &options);
    let writes: Vec<Write> = listed.items.iter().map(write).collect();
    for answer in call.api.write(writes).await {
        match answer {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(call.failed(&error, Doing::Delete)),
        }
    }
    output::list(call, listed)
}
