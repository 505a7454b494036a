//! Metadata: whose object a tree is, which fields are the server's, and what a precondition means.
//!
//! After `apiserver/pkg/registry/rest/{create,update,meta}.go`.

use jiff::Timestamp;
use orch_core::{
    ConflictCause, Error, Fault, FaultKind, Key, KindInfo, Live, Precondition, Result, Revision,
};
use serde_json::Value;

use crate::conform::malformed;
use crate::tree::{Get, Set, Tree};

/// The whole object as fields.
pub(super) fn root<'a>(info: &KindInfo, tree: &'a mut Value) -> Result<&'a mut Tree> {
    tree.as_object_mut().ok_or_else(|| malformed(info, "an object must be a JSON object"))
}

/// Checks that a tree is of that kind and says `apiVersion` and `kind`, of that namespace and, when it has one, of that
/// name. Completes what is absent; an object of no namespace loses the one that it says.
///
/// # Errors
/// `Malformed` in Kubernetes' words.
pub(super) fn identify(info: &KindInfo, key: &Key, tree: &mut Tree) -> Result<()> {
    let name = tree.text("kind");
    if !name.is_empty() && name != &*info.name {
        return Err(malformed(info, format!("a {name} cannot be handled as a {}", info.name)));
    }
    let api_version = tree.text("apiVersion");
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let known = group == info.kind.group() && info.versions.iter().any(|known| &**known == version);
    if !api_version.is_empty() && !known {
        let why = format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            info.api_version()
        );
        return Err(malformed(info, why));
    }
    if api_version.is_empty() {
        tree.put("apiVersion", info.api_version());
    }
    tree.default_text("kind", &info.name);
    let metadata = tree.make("metadata");
    if !info.is_namespaced() && !metadata.text("namespace").is_empty() {
        metadata.remove("namespace");
    }
    if metadata.is_unset("namespace") && info.is_namespaced() {
        metadata.put("namespace", &*key.namespace);
    }
    if metadata.text("namespace") != &*key.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(malformed(info, why));
    }
    if metadata.is_unset("name") && !key.name.is_empty() {
        metadata.put("name", &*key.name);
    }
    let name = metadata.text("name");
    if !key.name.is_empty() && name != &*key.name {
        let why =
            format!("the name of the object ({name}) does not match the name on the URL ({})", key.name);
        return Err(malformed(info, why));
    }
    Ok(())
}

/// The precondition of a write and of the tree or patch that it carries, which say the same when both say something.
///
/// # Errors
/// `Invalid` when the tree's `resourceVersion` is not a revision; `Conflict` when they differ.
pub(super) fn precondition(key: &Key, given: &Precondition, tree: &Value) -> Result<Precondition> {
    let mut all = given.clone();
    let Some(metadata) = tree.object_at("metadata") else { return Ok(all) };
    let uid = metadata.text("uid");
    if !uid.is_empty() && all.uid.is_none() {
        all.uid = Some(uid.into());
    }
    let revision = metadata.text("resourceVersion");
    if !revision.is_empty() && revision != "0" {
        let revision: Revision = revision.parse().map_err(|_| {
            let fault = Fault::new(FaultKind::Invalid, "metadata.resourceVersion", "must be a revision");
            Error::Invalid { key: key.clone(), faults: vec![fault.value(format!("{revision:?}"))] }
        })?;
        if let Some(expected) = all.revision.filter(|expected| *expected != revision) {
            let cause = ConflictCause::Revision { expected, actual: revision };
            return Err(Error::Conflict { key: key.clone(), cause });
        }
        all.revision = Some(revision);
    }
    Ok(all)
}

/// Whether the stored object is the one that a write expects.
///
/// # Errors
/// `Conflict`.
pub(super) fn expect(precondition: &Precondition, stored: &Live) -> Result<()> {
    let conflict = |cause| Err(Error::Conflict { key: stored.key().clone(), cause });
    match precondition {
        Precondition { uid: Some(expected), .. } if expected != stored.uid() => {
            conflict(ConflictCause::Uid { expected: expected.clone(), actual: stored.uid().clone() })
        }
        Precondition { revision: Some(expected), .. } if *expected != stored.revision() => {
            conflict(ConflictCause::Revision { expected: *expected, actual: stored.revision() })
        }
        _ => Ok(()),
    }
}

/// Sets what the server says of a new object.
pub(super) fn begin(metadata: &mut Tree, uid: &str, now: &str) {
    for field in [
        "resourceVersion",
        "selfLink",
        "managedFields",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        metadata.remove(field);
    }
    metadata.put("uid", uid);
    metadata.put("creationTimestamp", now);
}

/// Sets what the server says of an object that is written over another.
pub(super) fn carry_over(metadata: &mut Tree, old: &Tree) {
    for field in ["resourceVersion", "selfLink", "managedFields"] {
        metadata.remove(field);
    }
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        metadata.copy_from(old, field);
    }
    if metadata.is_unset("generateName") {
        metadata.copy_from(old, "generateName");
    }
}

/// Counts a change of the desired state, where the kind counts.
pub(super) fn count(metadata: &mut Tree) {
    if let Some(generation) = metadata.number("generation").filter(|generation| *generation > 0) {
        metadata.put("generation", generation.saturating_add(1));
    }
}

/// A time as Kubernetes writes it: UTC, whole seconds.
pub(super) fn seconds(time: Timestamp) -> String {
    orch_core::rfc3339(time)
}
