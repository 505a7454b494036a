//! Writes: one request each, in their order; bindings of a batch side by side.
//!
//! REST does not answer each write with the object: what is missing is read after it. Invariant: once a request may have
//! been done, no error says that it was not.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::Method;
use orch_core::{
    ConflictCause, Conflicts, DeleteOptions, DryRun, Error, FieldValidation, Key, KindInfo, Live, Patch,
    Precondition, Propagation, Result, Revision, Subresource, Verb, Write,
};
use serde_json::{Value, json};

use super::error::About;
use super::path::Path;
use super::{RemoteApi, read};
use crate::tree::{Get, Set, Tree};
use crate::wire::shows_deleted;

/// Bindings under way at once.
const AT_ONCE: usize = 16;
/// How often an update without a precondition is tried where the server wants one.
const TRIES: usize = 5;
pub(super) async fn all(api: &RemoteApi, writes: Vec<Write>) -> Vec<Result<Live>> {
    let mut answers = Vec::with_capacity(writes.len());
    let mut rest = writes.as_slice();
    while !rest.is_empty() {
        // Bindings of different pods do not see each other, in whatever order they are done.
        let mut pods = BTreeSet::new();
        let bindings = rest
            .iter()
            .take_while(|write| write.subresource == Subresource::Binding)
            .take_while(|write| pods.insert(write.key.clone()))
            .count();
        let (now, later) = rest.split_at(bindings.max(1));
        rest = later;
        let now: Vec<BoxFuture<'_, _>> = now.iter().map(|write| one(api, write).boxed()).collect();
        answers.extend(futures::stream::iter(now).buffered(AT_ONCE).collect::<Vec<_>>().await);
    }
    answers
}

async fn one(api: &RemoteApi, write: &Write) -> Result<Live> {
    let answer = match &write.verb {
        Verb::Create(tree) => create(api, write, tree).await,
        Verb::Update(tree) => update(api, write, tree).await,
        Verb::Patch(patch) => self::patch(api, write, patch).await,
        Verb::Delete(options) => delete(api, write, options).await,
        _ => {
            let what = "a verb that is not one of REST";
            Err(Error::NotAllowed { kind: write.key.kind, what })
        }
    };
    match answer {
        Err(error) => Err(completed(api, error).await),
        live => live,
    }
}

/// What a conflict does not say of the object as it is.
async fn completed(api: &RemoteApi, mut error: Error) -> Error {
    let Error::Conflict { key, cause } = &mut error else { return error };
    match cause {
        ConflictCause::Revision { actual, .. } if *actual == Revision::ZERO => {
            if let Ok(live) = read::get(api, key, Revision::ZERO).await {
                *actual = live.revision();
            }
        }
        ConflictCause::Uid { actual, .. } if actual.is_empty() => {
            if let Ok(live) = read::get(api, key, Revision::ZERO).await {
                *actual = live.uid().clone();
            }
        }
        _ => {}
    }
    error
}

/// The path with what goes with every write.
fn with_options(path: Path, write: &Write) -> Path {
    let options = &write.options;
    let path = match &options.field_manager {
        Some(manager) => path.with("fieldManager", manager),
        None => path,
    };
    let path = match options.field_validation {
        FieldValidation::Strict => path.with("fieldValidation", "Strict"),
        FieldValidation::Warn => path.with("fieldValidation", "Warn"),
        FieldValidation::Ignore => path.with("fieldValidation", "Ignore"),
    };
    if options.dry_run == DryRun::All { path.with("dryRun", "All") } else { path }
}

fn bytes(tree: &Value) -> Bytes {
    Bytes::from(tree.to_string())
}

/// Says in the metadata which object is meant.
fn expect(metadata: &mut Tree, expected: &Precondition) {
    if let Some(uid) = &expected.uid {
        metadata.put("uid", &**uid);
    }
    if let Some(revision) = expected.revision {
        metadata.put("resourceVersion", revision.to_string());
    }
}

/// The tree of a write with what the path and the precondition say.
fn completed_tree(info: &KindInfo, write: &Write, tree: &Value) -> Value {
    let mut tree = tree.clone();
    let Some(fields) = tree.as_object_mut() else { return tree };
    let (api_version, kind) = match write.subresource {
        Subresource::Binding => ("v1".to_owned(), "Binding"),
        Subresource::Eviction => ("policy/v1".to_owned(), "Eviction"),
        Subresource::Scale => ("autoscaling/v1".to_owned(), "Scale"),
        _ => (info.api_version(), &*info.name),
    };
    fields.default_text("apiVersion", &api_version);
    fields.default_text("kind", kind);
    if write.subresource == Subresource::Eviction {
        let given = &write.precondition;
        if given.uid.is_some() || given.revision.is_some() {
            expect(fields.make("deleteOptions").make("preconditions"), given);
        }
    }
    let metadata = fields.make("metadata");
    if !write.key.name.is_empty() {
        metadata.default_text("name", &write.key.name);
    }
    if info.is_namespaced() {
        metadata.default_text("namespace", &write.key.namespace);
    }
    if write.subresource != Subresource::Eviction {
        expect(metadata, &write.precondition);
    }
    tree
}

/// The `apiVersion` of a tree, where it is one that the kind has: then the path is of that version.
fn version<'a>(info: &KindInfo, tree: &'a Value) -> Option<&'a str> {
    let given = tree.text("apiVersion");
    let (group, version) = given.rsplit_once('/').unwrap_or(("", given));
    (group == info.kind.group() && info.versions.iter().any(|known| **known == *version)).then_some(given)
}

async fn create(api: &RemoteApi, write: &Write, tree: &Value) -> Result<Live> {
    let info = api.info(write.key.kind)?;
    let about = About::write(write);
    let body = completed_tree(&info, write, tree);
    let is_whole = write.subresource == Subresource::None;
    if !is_whole {
        read::check(&info, &write.key)?;
        let before = match write.subresource {
            // It may be gone after.
            Subresource::Eviction => Some(read::get(api, &write.key, Revision::ZERO).await?),
            _ => None,
        };
        let path = with_options(Path::object(&info, None, &write.key).part(write.subresource), write);
        api.ask(Method::POST, &path, Some(("application/json", bytes(&body))), &about).await?;
        return after(api, write, before).await;
    }
    let placed = read::placed(&info, &write.key.namespace);
    placed.map_err(|why| malformed(&write.key, "metadata.namespace", why))?;
    let path = Path::collection(&info, version(&info, &body), &write.key.namespace);
    let content = Some(("application/json", bytes(&body)));
    let answer = api.ask(Method::POST, &with_options(path, write), content, &about).await?;
    done(api, &info, write, &answer.body).await
}

fn malformed(key: &Key, field: &str, why: &str) -> Error {
    Error::Malformed { subject: key.to_string(), field: field.to_owned(), why: why.to_owned() }
}

/// The object after a write whose answer is something else.
async fn after(api: &RemoteApi, write: &Write, before: Option<Live>) -> Result<Live> {
    match (read::get(api, &write.key, Revision::ZERO).await, before) {
        (Ok(live), _) => Ok(live),
        (Err(Error::NotFound { .. }), Some(before)) => gone(api, write, before).await,
        _ => Err(Error::OutcomeUnknown { key: write.key.clone() }),
    }
}

/// The object in the answer to a write.
async fn done(api: &RemoteApi, info: &KindInfo, write: &Write, body: &[u8]) -> Result<Live> {
    let unknown = || Error::OutcomeUnknown { key: write.key.clone() };
    let tree: Value = serde_json::from_slice(body).map_err(|_| unknown())?;
    let is_own = tree.text("kind") == &*info.name && version(info, &tree) == Some(&*info.api_version());
    if is_own {
        return read::live(info, tree).map_err(|_| unknown());
    }
    // Another version of it, or a Scale.
    let name = tree.at("metadata").map_or("", |metadata| metadata.text("name"));
    let key = write.key.sibling(write.key.kind, name);
    read::get(api, &key, Revision::ZERO).await.map_err(|_| unknown())
}

async fn update(api: &RemoteApi, write: &Write, tree: &Value) -> Result<Live> {
    let info = api.info(write.key.kind)?;
    read::check(&info, &write.key)?;
    let mut body = completed_tree(&info, write, tree);
    let about = About::write(write);
    let path = Path::object(&info, version(&info, &body).filter(|_| is_own(write)), &write.key);
    let path = with_options(path.part(write.subresource), write);
    let put = async |body: &Value| {
        api.ask(Method::PUT, &path, Some(("application/json", bytes(body))), &about).await
    };
    let mut answer = put(&body).await;
    for _ in 0..TRIES {
        // Some kinds take no update that does not say which state it is of.
        let is_unsaid = |error: &Error| {
            matches!(error, Error::Invalid { faults, .. }
            if faults.iter().any(|fault| fault.field == "metadata.resourceVersion"))
        };
        let is_late = |error: &Error| matches!(error, Error::Conflict { .. });
        let was_given = !tree.at("metadata").is_none_or(|metadata| metadata.is_unset("resourceVersion"));
        let Err(error) = &answer else { break };
        if write.precondition.revision.is_some() || was_given || !(is_unsaid(error) || is_late(error)) {
            break;
        }
        let now = read::get(api, &write.key, Revision::ZERO).await?;
        if let Some(fields) = body.as_object_mut() {
            fields.make("metadata").put("resourceVersion", now.revision().to_string());
        }
        answer = put(&body).await;
    }
    done(api, &info, write, &answer?.body).await
}

fn is_own(write: &Write) -> bool {
    write.subresource != Subresource::Scale
}

async fn patch(api: &RemoteApi, write: &Write, patch: &Patch) -> Result<Live> {
    let info = api.info(write.key.kind)?;
    read::check(&info, &write.key)?;
    let about = About::write(write);
    let path =
        Path::object(&info, write.options.api_version.as_deref().filter(|_| is_own(write)), &write.key);
    let path = with_options(path.part(write.subresource), write);
    let (ty, body, path) = match patch {
        Patch::Merge(tree) => ("application/merge-patch+json", expecting(write, tree), path),
        Patch::Strategic(tree) => ("application/strategic-merge-patch+json", expecting(write, tree), path),
        Patch::Json(operations) => {
            ("application/json-patch+json", expecting_operations(write, operations), path)
        }
        Patch::Apply { config, conflicts } => {
            let path = if *conflicts == Conflicts::Force { path.with("force", "true") } else { path };
            let mut config = expecting(write, config);
            if let Some(fields) = Arc::make_mut(&mut config).as_object_mut() {
                let given = write.options.api_version.as_deref();
                fields.default_text("apiVersion", given.unwrap_or(&info.api_version()));
                fields.default_text("kind", &info.name);
                fields.make("metadata").default_text("name", &write.key.name);
            }
            ("application/apply-patch+yaml", config, path)
        }
        _ => {
            return Err(Error::NotAllowed { kind: info.kind, what: "a patch that is not one of REST" });
        }
    };
    let answer = api.ask(Method::PATCH, &path, Some((ty, bytes(&body))), &about).await?;
    done(api, &info, write, &answer.body).await
}

/// A patch by parts that says which object it is for.
fn expecting(write: &Write, tree: &Arc<Value>) -> Arc<Value> {
    let mut tree = Arc::clone(tree);
    if write.precondition != Precondition::default()
        && let Some(fields) = Arc::make_mut(&mut tree).as_object_mut()
    {
        expect(fields.make("metadata"), &write.precondition);
    }
    tree
}

/// A patch by operations that does: setting them to something else is a conflict, as in Kubernetes.
fn expecting_operations(write: &Write, operations: &Arc<Value>) -> Arc<Value> {
    let Precondition { uid, revision } = &write.precondition;
    let uid = uid.as_ref().map(|uid| json!({"op": "add", "path": "/metadata/uid", "value": &**uid}));
    let revision = revision.map(
        |revision| json!({"op": "add", "path": "/metadata/resourceVersion", "value": revision.to_string()}),
    );
    let Some(given) = operations.as_array() else { return Arc::clone(operations) };
    Arc::new(Value::Array(uid.into_iter().chain(revision).chain(given.iter().cloned()).collect()))
}

async fn delete(api: &RemoteApi, write: &Write, options: &DeleteOptions) -> Result<Live> {
    let info = api.info(write.key.kind)?;
    read::check(&info, &write.key)?;
    let about = About::write(write);
    let is_shown = shows_deleted(info.kind);
    let before = if is_shown { None } else { Some(read::get(api, &write.key, Revision::ZERO).await?) };
    let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
    if let Some(fields) = body.as_object_mut() {
        if let Some(secs) = options.grace_secs {
            fields.put("gracePeriodSeconds", secs);
        }
        if let Some(propagation) = options.propagation {
            let word = match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            };
            fields.put("propagationPolicy", word);
        }
        if write.options.dry_run == DryRun::All {
            fields.put("dryRun", vec![Value::from("All")]);
        }
        if write.precondition != Precondition::default() {
            expect(fields.make("preconditions"), &write.precondition);
        }
    }
    let path = Path::object(&info, None, &write.key);
    let answer = api.ask(Method::DELETE, &path, Some(("application/json", bytes(&body))), &about).await?;
    let unknown = || Error::OutcomeUnknown { key: write.key.clone() };
    let tree: Value = serde_json::from_slice(&answer.body).map_err(|_| unknown())?;
    if tree.text("kind") == "Status" {
        return gone(api, write, before.ok_or_else(unknown)?).await;
    }
    let live = read::live(&info, tree).map_err(|_| unknown())?;
    if is_shown && is_last(&live) { gone(api, write, live).await } else { Ok(live) }
}

/// Whether an object that a deletion answers with is its last state.
fn is_last(live: &Live) -> bool {
    let has_grace = || {
        live.tree()
            .at("metadata")
            .and_then(|metadata| metadata.number("deletionGracePeriodSeconds"))
            .unwrap_or(0)
            > 0
    };
    let header = live.header();
    !header.is_terminating() || header.finalizers.is_empty() && !has_grace()
}

/// The last state of an object that is gone, at a revision that is not older than its deletion. Where none can be had nothing
/// is told: whoever took an older one for it would plan on a view that still has the object.
async fn gone(api: &RemoteApi, write: &Write, last: Live) -> Result<Live> {
    if write.options.dry_run == DryRun::All {
        return Ok(last);
    }
    let revision = read::current(api, write.key.kind, &write.key.namespace).await;
    let revision = revision.map_err(|_| Error::OutcomeUnknown { key: write.key.clone() })?;
    Ok(last.at(revision))
}
