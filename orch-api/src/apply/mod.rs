//! Manifests as `kubectl apply` applies them on the client's side: create, or merge three ways and patch.
//!
//! The manifest that was applied last stands in an annotation; what it had and the new one has not is removed, what
//! others set stays. After `kubectl/pkg/cmd/apply` and `apimachinery/pkg/util/strategicpatch`. Not server-side apply: no
//! field has an owner. Invariant: applying a manifest twice is applying it once.

mod lists;
mod three_way;

#[cfg(test)]
mod tests;

pub use three_way::three_way;

use orch_core::{Api, ApiExt, Error, Fault, FaultKind, Key, KindInfo, Live, Result, Write};
use serde_json::{Map, Value};

use crate::schema::{self, TypeRef};
use crate::tree::{Get, Set};

/// Where the manifest that was applied last stands.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who manages fields that are applied.
const MANAGER: &str = "kubectl-client-side-apply";

/// Tries against other writers, as many as `kubectl` makes (`maxPatchRetry`).
const TRIES: u32 = 5;

/// What applying a manifest did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object was not there.
    Created,
    /// It was changed.
    Configured,
    /// It was as the manifest says.
    Unchanged,
}

/// An object that a manifest was applied to.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What was done.
    pub outcome: Outcome,
    /// The object as it is now.
    pub live: Live,
}

/// Makes an object what a manifest says. A namespaced object without a namespace stands in `default`.
///
/// ```
/// use std::sync::Arc;
/// use orch_api::{LocalApi, apply::{Outcome, apply}};
/// use orch_core::Registry;
/// use orch_store::MemStore;
/// use serde_json::json;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let store = Arc::new(MemStore::new(Arc::clone(&registry)));
/// let api = LocalApi::builder(store, env, registry).build();
/// api.bootstrap().await.unwrap();
/// let mut manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
/// assert_eq!(apply(&api, &manifest).await.unwrap().outcome, Outcome::Created);
/// assert_eq!(apply(&api, &manifest).await.unwrap().outcome, Outcome::Unchanged);
/// manifest["data"] = json!({"x": "y"});
/// let applied = apply(&api, &manifest).await.unwrap();
/// assert_eq!(applied.outcome, Outcome::Configured);
/// assert_eq!(applied.live.tree()["data"], json!({"x": "y"}));
/// # });
/// ```
///
/// # Errors
/// `UnknownKind`, `Malformed` or `Invalid` when the manifest does not describe an object; what the write says, unknown
/// fields included; `Conflict` when others kept writing.
pub async fn apply(api: &dyn Api, manifest: &Value) -> Result<Applied> {
    let text = |field: &str| manifest.text(field).to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(info) = api.registry().by_api_version(&api_version, &kind) else {
        return Err(Error::UnknownKind { api_version, kind });
    };
    let key = key(&info, manifest)?;
    let modified = annotated(&key, manifest);
    let version = api_version.rsplit_once('/').map_or(&*api_version, |(_, version)| version);
    let ty = schema::lookup(info.kind.group(), version, &info.name);
    let mut tries = 1;
    loop {
        match once(api, &key, &modified, ty).await {
            Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

async fn once(api: &dyn Api, key: &Key, modified: &Value, ty: Option<TypeRef>) -> Result<Applied> {
    let stored = match api.read(key).await {
        Err(Error::NotFound { .. }) => {
            let create = Write::create(key.clone(), modified.clone()).strict().managed_by(MANAGER);
            return Ok(Applied { outcome: Outcome::Created, live: api.one(create).await? });
        }
        stored => stored?,
    };
    let current = stored.tree();
    let original = last_applied(&current);
    let wanted = three_way(original.as_ref(), modified, &current, ty);
    let Some(patch) = merge_diff(&current, &wanted) else {
        return Ok(Applied { outcome: Outcome::Unchanged, live: stored });
    };
    // Lists are sent whole, so the patch is right for the state that was read and no other.
    let patch = Write::merge(key.clone(), patch).at(stored.revision()).strict().managed_by(MANAGER);
    let live = api.one(patch).await?;
    let same = live.revision() == stored.revision();
    Ok(Applied { outcome: if same { Outcome::Unchanged } else { Outcome::Configured }, live })
}

fn key(info: &KindInfo, manifest: &Value) -> Result<Key> {
    let metadata = manifest.object_at("metadata");
    let text = |field: &str| metadata.map_or("", |metadata| metadata.text(field));
    let namespace = match (info.is_namespaced(), text("namespace")) {
        (true, "") => "default",
        (true, namespace) => namespace,
        (false, _) => "",
    };
    let key = Key::new(info.kind, namespace, text("name"));
    if key.name.is_empty() {
        let why = if text("generateName").is_empty() { "" } else { "cannot use generate name with apply" };
        let fault = Fault::new(FaultKind::Required, "metadata.name", why);
        return Err(Error::Invalid { key, faults: vec![fault] });
    }
    Ok(key)
}

/// The manifest with itself in the annotation.
fn annotated(key: &Key, manifest: &Value) -> Value {
    let mut modified = manifest.clone();
    let Some(fields) = modified.as_object_mut() else { return modified };
    let metadata = fields.make("metadata");
    if !key.namespace.is_empty() {
        metadata.put("namespace", &*key.namespace);
    }
    if let Some(annotations) = metadata.object_mut("annotations") {
        annotations.remove(LAST_APPLIED);
    }
    let mut text = Value::Object(fields.clone()).to_string();
    text.push('\n');
    fields.make("metadata").make("annotations").put(LAST_APPLIED, text);
    modified
}

/// The manifest that was applied last, if any was.
fn last_applied(current: &Value) -> Option<Value> {
    let annotations = current.object_at("metadata")?.object_at("annotations")?;
    serde_json::from_str(annotations.text(LAST_APPLIED)).ok()
}

/// The merge patch (RFC 7386) from one tree to another; `None` when they are equal.
fn merge_diff(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patch = Map::new();
    for (field, value) in after {
        let change = match before.get(field) {
            Some(old) => merge_diff(old, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(field.clone(), change);
        }
    }
    for field in before.keys().filter(|field| !after.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}
