//! Rules about the metadata of every object, at creation and at an update.
//!
//! Sources: `staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go`, `pkg/apis/core/validation/validation.go`
//! (`ValidateObjectMeta`), `staging/src/k8s.io/apiserver/pkg/registry/rest/update.go`. Not the preparation of metadata:
//! that names are generated and that an update keeps uid and times is done before. The invariant: what an update may
//! leave out counts as kept.

use std::borrow::Cow;

use orch_core::{Fault, Scope, names};
use serde_json::Value;

use super::at::{At, quote};
use super::rules;

/// A rule for the names of a kind.
pub(super) type NameRule = fn(&str) -> names::Validity;

/// Longest name of a subresource in managed fields, in bytes.
const SUBRESOURCE_MAX: usize = 256;
/// Longest name of a field manager, in bytes.
const MANAGER_MAX: usize = 128;

/// An update: the object as it is to be and as it was.
pub(super) struct Change<'v, 'c> {
    pub(super) new: At<'v, 'c>,
    pub(super) old: At<'v, 'c>,
    /// What the metadata of the update was found to break.
    metadata: Vec<Fault>,
}

impl<'v, 'c> Change<'v, 'c> {
    /// Checks what every update has in common.
    pub(super) fn check(new: At<'v, 'c>, old: At<'v, 'c>, scope: Option<Scope>) -> Self {
        let meta = new.field("metadata");
        object_of_any_kind(&meta, scope, names::path_segment_name);
        let before = new.faults().count();
        update(&meta, &old.field("metadata"));
        let metadata = meta.faults().since(before);
        Self { new, old, metadata }
    }

    /// What a kind's own rules say about the metadata: upstream checks it again, and so reports it again.
    pub(super) fn metadata(&self) {
        self.metadata_of_any_kind();
        kubernetes_finalizers(&self.new.field("metadata"));
    }

    /// As [`metadata`](Self::metadata), for kinds where finalizers need no domain.
    pub(super) fn metadata_of_any_kind(&self) {
        self.new.faults().extend(&self.metadata);
    }
}

/// The metadata of an object of one of Kubernetes' own kinds (`ValidateObjectMeta`).
pub(super) fn object(object: &At<'_, '_>, scope: Scope, name_rule: NameRule) {
    let meta = object.field("metadata");
    object_of_any_kind(&meta, Some(scope), name_rule);
    kubernetes_finalizers(&meta);
}

/// The metadata of an object (`ValidateObjectMetaAccessor`). Of a kind without a known scope, a namespace may be given or
/// not.
pub(super) fn object_of_any_kind(meta: &At<'_, '_>, scope: Option<Scope>, name_rule: NameRule) {
    let prefix = meta.field("generateName");
    prefix.optional_name(|prefix| name_rule(&without_trailing_dash(prefix)));
    let name = meta.field("name");
    if name.text().is_empty() {
        name.required("name or generateName is required");
    } else {
        name.named(name_rule);
    }
    let namespace = meta.field("namespace");
    match scope {
        Some(Scope::Namespaced) => namespace.required_name(names::dns1123_label),
        Some(Scope::Cluster) if !namespace.is_empty() => namespace.forbidden("not allowed on this type"),
        Some(Scope::Cluster) => {}
        None => namespace.optional_name(names::dns1123_label),
    }
    meta.field("generation").non_negative();
    rules::labels(&meta.field("labels"));
    rules::annotations(&meta.field("annotations"));
    owner_references(&meta.field("ownerReferences"));
    finalizers(&meta.field("finalizers"));
    managed_fields(&meta.field("managedFields"));
}

/// What follows the prefix is not known yet: a dash before it is fine.
pub(crate) fn without_trailing_dash(prefix: &str) -> Cow<'_, str> {
    let Some(rest) = prefix.strip_suffix('-') else { return prefix.into() };
    match rest.chars().next_back() {
        None => prefix.into(),
        Some(last) if last.is_ascii_alphanumeric() => rest.into(),
        // Upstream replaces what is before the dash, too.
        Some(last) => format!("{}a", &rest[..rest.len() - last.len_utf8()]).into(),
    }
}

/// Changes of metadata (`ValidateObjectMetaAccessorUpdate`).
fn update(new: &At<'_, '_>, old: &At<'_, '_>) {
    if old.has("deletionTimestamp") {
        no_new_finalizers(&new.field("finalizers"), old.get("finalizers"));
    }
    let generation = new.field("generation");
    if generation.is_set() && generation.number() < old.field("generation").number() {
        generation.invalid_number("must not be decremented");
    }
    for name in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        let field = new.field(name);
        if field.is_set() || matches!(name, "name" | "namespace") {
            rules::immutable(&field, old.get(name));
        }
    }
    rules::labels(&new.field("labels"));
    rules::annotations(&new.field("annotations"));
    owner_references(&new.field("ownerReferences"));
    managed_fields(&new.field("managedFields"));
}

fn no_new_finalizers(new: &At<'_, '_>, old: &Value) {
    let old = old.as_array().map_or(&[][..], Vec::as_slice);
    let mut added: Vec<&str> =
        new.list().iter().filter(|finalizer| !old.contains(finalizer)).filter_map(Value::as_str).collect();
    added.sort_unstable();
    added.dedup();
    if !added.is_empty() {
        let added: Vec<String> = added.into_iter().map(quote).collect();
        new.forbidden(format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        ));
    }
}

fn owner_references(at: &At<'_, '_>) {
    let mut controller = None;
    for owner in at.items() {
        // Upstream reports the faults of each at the list.
        let owner = at.with(owner.value());
        let api_version = owner.field("apiVersion");
        if version(api_version.text()).is_empty() {
            api_version.invalid_text("version must not be empty");
        }
        for field in
            ["kind", "name", "uid"].map(|name| owner.field(name)).iter().filter(|field| field.is_empty())
        {
            field.invalid_text("must not be empty");
        }
        if api_version.text() == "v1" && owner.get_text("kind") == "Event" {
            owner.invalid("/v1, Kind=Event is disallowed from being an owner");
        }
        if owner.field("controller").is_true() {
            let (kind, name) = (owner.get_text("kind"), owner.get_text("name"));
            match controller {
                None => controller = Some((kind, name)),
                Some((first, of)) => at.invalid(format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for \
                     {first}/{of} and {kind}/{name}"
                )),
            }
        }
    }
}

/// The version in an `apiVersion`; one with two slashes has none.
fn version(api_version: &str) -> &str {
    match api_version.split_once('/') {
        Some((_, version)) if version.contains('/') => "",
        Some((_, version)) => version,
        None => api_version,
    }
}

/// Finalizers as names; all faults are reported at the list.
fn finalizers(at: &At<'_, '_>) {
    let (mut orphan, mut foreground) = (false, false);
    for finalizer in at.list() {
        at.with(finalizer).named(names::qualified_name);
        orphan |= finalizer == "orphan";
        foreground |= finalizer == "foregroundDeletion";
    }
    if orphan && foreground {
        at.invalid("finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// A finalizer without a domain must be one of Kubernetes' own.
fn kubernetes_finalizers(meta: &At<'_, '_>) {
    meta.field("finalizers").items().for_each(|finalizer| kubernetes_finalizer(&finalizer));
}

fn kubernetes_finalizer(at: &At<'_, '_>) {
    let name = at.text();
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        at.invalid_text("name is neither a standard finalizer name nor is it fully qualified");
    }
}

/// A finalizer in the spec of a namespace.
pub(super) fn spec_finalizer(at: &At<'_, '_>) {
    at.named(names::qualified_name);
    kubernetes_finalizer(at);
}

fn managed_fields(at: &At<'_, '_>) {
    for entry in at.items() {
        let operation = entry.field("operation");
        if !matches!(operation.text(), "Apply" | "Update") {
            operation.invalid_text("must be `Apply` or `Update`");
        }
        let fields_type = entry.field("fieldsType");
        if !matches!(fields_type.text(), "" | "FieldsV1") {
            fields_type.invalid_text("must be `FieldsV1`");
        }
        let manager = entry.field("manager");
        if manager.len() > MANAGER_MAX {
            manager.too_long(MANAGER_MAX);
        }
        for (position, c) in manager.text().char_indices().filter(|(_, c)| c.is_control()) {
            manager
                .invalid_text(format!("invalid character U+{:04X} (at position {position})", u32::from(c)));
        }
        let subresource = entry.field("subresource");
        if subresource.len() > SUBRESOURCE_MAX {
            subresource.too_long(SUBRESOURCE_MAX);
        }
    }
}

/// The metadata of a template of objects: labels and annotations, and nothing else.
pub(super) fn template(meta: &At<'_, '_>) {
    rules::annotations(&meta.field("annotations"));
    rules::labels(&meta.field("labels"));
    for (name, value) in meta.map().into_iter().flatten() {
        if !matches!(name.as_str(), "annotations" | "labels") && !super::same::same(value, &Value::Null) {
            meta.field(name).forbidden("cannot be set");
        }
    }
}
