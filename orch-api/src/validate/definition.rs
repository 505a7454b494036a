//! Rules of definitions of custom resources (`apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go`).
//!
//! Schemas are judged in `schema` and `structural`, their defaults in `defaults`, their rules in `rules`. As upstream, what all versions have in common is reported at the spec
//! and not at each version. The invariant: a definition keeps its group, its plural, and once it is
//! established its kind and scope.

mod defaults;
mod rules;
mod schema;
mod structural;

use std::collections::HashSet;

use orch_core::Scope::Cluster;
use orch_core::names::{self, Validity};
use serde_json::Value;

use self::defaults::Unknown;
use super::admission;
use super::at::At;
use super::meta::{self, Change};
use super::rules::{Seen, annotation, immutable};
use super::same::same;
use crate::custom::approval::{ANNOTATION, Approval, is_protected};
use crate::custom::field_path::{self, Brackets};
use crate::custom::schema::{Schema, Type};

pub(super) fn definition(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    let (name, names) = (meta.field("name"), spec.field("names"));
    let expected = format!("{}.{}", names.get_text("plural"), spec.get_text("group"));
    if !name.is_empty() && name.text() != expected {
        name.invalid_text("must be spec.names.plural+\".\"+spec.group");
    }
    definition_spec(&spec, true, &Before { unknown: Unknown::Refused, spec: &Value::Null });
    status(object);
    approval(object, None);
    preserve(&spec, None);
}

pub(super) fn definition_update(change: &Change<'_, '_>) {
    change.metadata();
    let (spec, old) = (change.new.field("spec"), change.old.field("spec"));
    let conversion = old.field("conversion");
    let versions = conversion.get("webhook").get("conversionReviewVersions").cloned().unwrap_or_default();
    let known =
        versions.as_array().is_none_or(|list| list.is_empty() || list.iter().any(admission::is_accepted));
    definition_spec(&spec, known, &Before { unknown: defaults::of_old(&old), spec: old.value() });
    let (names, old_names) = (spec.field("names"), old.field("names"));
    if is_established(&change.old) {
        immutable(&spec.field("scope"), old.get("scope"));
        immutable(&names.field("kind"), old_names.get("kind"));
    }
    immutable(&spec.field("group"), old.get("group"));
    immutable(&names.field("plural"), old_names.get("plural"));
    status(&change.new);
    approval(&change.new, Some(&change.old));
    preserve(&spec, Some(&old));
}

pub(super) fn definition_status(change: &Change<'_, '_>) {
    change.metadata();
    let status = change.new.field("status");
    resource_names(&status.field("acceptedNames"));
}

fn is_established(object: &At<'_, '_>) -> bool {
    let status = object.field("status");
    let conditions = status.field("conditions");
    conditions.items().any(|one| one.get_text("type") == "Established" && one.get_text("status") == "True")
}

/// A field of the versions: where it is judged. The same for all of them, it is the spec's, under another name.
fn shared<'v>(spec: &At<'v, '_>, field: &str) -> Option<&'v Value> {
    let versions = spec.get("versions").as_array()?;
    let first = versions.first()?.get(field).unwrap_or(&Value::Null);
    let is_same = |version: &Value| same(version.get(field).unwrap_or(&Value::Null), first);
    versions.iter().all(is_same).then_some(first)
}

/// Every message as one, as upstream joins them.
fn joined(at: &At<'_, '_>, text: &str, prefix: &str, rule: impl Fn(&str) -> Validity) {
    if let Err(messages) = rule(text) {
        at.invalid_text(format!("{prefix}{}", messages.join(",")));
    }
}

/// What a definition was.
struct Before<'v> {
    unknown: Unknown,
    spec: &'v Value,
}

/// What was accepted before and is not looked at again.
#[derive(Clone, Copy)]
struct Allowed {
    unknown: Unknown,
    /// Whether a rule may cost too much.
    costs: bool,
}

impl Before<'_> {
    fn allows(&self, version: &str, schema: &Value) -> Allowed {
        let is_same = |old: &Value| {
            old.get("name").is_some_and(|name| name == version)
                && old.get("schema").is_some_and(|old| same(old, schema))
        };
        let versions = self.spec.get("versions").and_then(Value::as_array);
        Allowed { unknown: self.unknown, costs: versions.is_some_and(|all| all.iter().any(is_same)) }
    }
}

fn definition_spec(spec: &At<'_, '_>, known_versions: bool, before: &Before<'_>) {
    let group = spec.field("group");
    if group.is_empty() {
        group.required("");
    } else if names::dns1123_subdomain(group.text()).is_err() {
        joined(&group, group.text(), "", names::dns1123_subdomain);
    } else if !group.text().contains('.') {
        group.invalid_text("should be a domain with at least one dot");
    }
    spec.field("scope").required_one_of(&["Cluster", "Namespaced"]);
    versions(spec, before);
    let names = spec.field("names");
    names.require(&["plural", "singular", "kind", "listKind"]);
    resource_names(&names);
    if let Some(validation) = shared(spec, "schema") {
        let status = spec.field("versions").items().any(|version| has_status(&version));
        let first = spec.field("versions").list().first().and_then(|first| first.get("name"));
        let allowed = before.allows(first.and_then(Value::as_str).unwrap_or_default(), validation);
        schema::validation(&spec.with(validation).shown("validation"), status, allowed);
    }
    if let Some(shared) = shared(spec, "subresources") {
        subresources(&spec.with(shared).shown("subresources"));
    }
    if let Some(columns) = shared(spec, "additionalPrinterColumns") {
        spec.with(columns).shown("additionalPrinterColumns").items().for_each(|one| column(&one));
    }
    if let (Some(fields), Some(validation)) = (shared(spec, "selectableFields"), shared(spec, "schema")) {
        selectable(&spec.with(fields).shown("selectableFields"), validation);
    }
    conversion(&spec.field("conversion"), known_versions, spec.field("preserveUnknownFields").is_true());
}

fn has_status(version: &At<'_, '_>) -> bool {
    version.get("subresources").get("status").is_some_and(|status| !status.is_null())
}

fn versions(spec: &At<'_, '_>, before: &Before<'_>) {
    let versions = spec.field("versions");
    let whole = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"]
        .map(|field| shared(spec, field).is_some());
    let schemas_shared = whole[0];
    for version in versions.items() {
        let schema = version.field("schema");
        if !schema.has("openAPIV3Schema") {
            schema.field("openAPIV3Schema").required("");
        }
    }
    let mut seen = Seen::new();
    let (mut unique, mut stored) = (true, 0);
    for version in versions.items() {
        unique &= seen.insert(version.get_text("name"));
        stored += usize::from(version.field("storage").is_true());
        let name = version.field("name");
        joined(&name, name.text(), "", names::dns1035_label);
        deprecation(&version);
        if !schemas_shared {
            let allowed = before.allows(name.text(), version.get("schema"));
            schema::validation(&version.field("schema"), has_status(&version), allowed);
        }
        if !whole[1] {
            subresources(&version.field("subresources"));
        }
        if !whole[2] {
            version.field("additionalPrinterColumns").items().for_each(|one| column(&one));
        }
        if !whole[3] || !schemas_shared {
            selectable(&version.field("selectableFields"), version.get("schema"));
        }
    }
    if !unique {
        versions.invalid("must contain unique version names");
    }
    if stored != 1 {
        versions.invalid("must have exactly one version marked as storage version");
    }
}

fn deprecation(version: &At<'_, '_>) {
    let warning = version.field("deprecationWarning");
    if !warning.is_set() {
        return;
    }
    if !version.field("deprecated").is_true() {
        return warning.invalid_text("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        warning.invalid_text("must be <= 256 characters long");
    }
    if warning.is_empty() {
        warning.invalid_text("must not be an empty string");
    }
    if let Some((at, _)) = warning.text().char_indices().find(|(_, c)| c.is_control()) {
        warning.invalid_text(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {at}"
        ));
    }
}

fn resource_names(names: &At<'_, '_>) {
    const CASE: &str = "may have mixed case, but should otherwise match: ";
    let (kind, list) = (names.field("kind"), names.field("listKind"));
    for name in ["plural", "singular"].map(|name| names.field(name)).iter().filter(|name| !name.is_empty()) {
        joined(name, name.text(), "", names::dns1035_label);
    }
    for name in [&kind, &list].into_iter().filter(|name| !name.is_empty()) {
        joined(name, &name.text().to_lowercase(), CASE, names::dns1035_label);
    }
    names.field("shortNames").items().for_each(|name| joined(&name, name.text(), "", names::dns1035_label));
    if !kind.is_empty() && kind.text() == list.text() {
        list.invalid_text("kind and listKind may not be the same");
    }
    names.field("categories").items().for_each(|name| joined(&name, name.text(), "", names::dns1035_label));
}

/// A path of fields, beginning with a dot; `false` after a fault.
fn simple_path(at: &At<'_, '_>) -> bool {
    let valid = at.text().starts_with('.');
    if !valid {
        at.invalid_text("must be a simple json path starting with .");
    }
    valid
}

fn subresources(subresources: &At<'_, '_>) {
    let scale = subresources.get("scale");
    if scale.is_null() {
        return;
    }
    // Upstream writes these paths as one name.
    let path = |name: &str, shown: &str, below: &[&str], words: &str| {
        let value = scale.get(name).unwrap_or(&Value::Null);
        let at = subresources.with(value);
        let at = at.shown(shown);
        if at.is_empty() {
            if name != "labelSelectorPath" {
                at.required("");
            }
        } else if simple_path(&at) && !below.iter().any(|start| at.text().starts_with(start)) {
            at.invalid_text(format!("should be a json path under {words}"));
        }
    };
    path("specReplicasPath", "scale.specReplicasPath", &[".spec."], ".spec");
    path("statusReplicasPath", "scale.statusReplicasPath", &[".status."], ".status");
    let either = "either .spec or .status";
    path("labelSelectorPath", "scale.labelSelectorPath", &[".spec.", ".status."], either);
}

fn column(column: &At<'_, '_>) {
    const TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];
    const FORMATS: &[&str] = &["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    let [name, kind, format] = ["name", "type", "format"].map(|name| column.field(name));
    let path = column.field_shown("jsonPath", "JSONPath");
    let one_of = |words: &[&str]| format!("must be one of {}", words.join(","));
    if name.is_empty() {
        name.required("");
    }
    if kind.is_empty() {
        kind.required(one_of(TYPES));
    } else if !TYPES.contains(&kind.text()) {
        kind.invalid_text(one_of(TYPES));
    }
    if !format.is_empty() && !FORMATS.contains(&format.text()) {
        format.invalid_text(one_of(FORMATS));
    }
    if path.is_empty() {
        path.required("");
    } else {
        simple_path(&path);
    }
}

const SELECTABLE_MAX: usize = 8;

fn selectable(fields: &At<'_, '_>, validation: &Value) {
    if fields.is_empty() {
        return;
    }
    let schema = Schema::structure(validation.get("openAPIV3Schema").unwrap_or(&Value::Null));
    let mut seen = HashSet::new();
    let mut count = 0;
    for field in fields.items() {
        let path = field.field("jsonPath");
        if path.is_empty() {
            path.required("");
            continue;
        }
        let found = match field_path::follow(path.text(), &schema, Brackets::Refused) {
            Ok(found) => found,
            Err(why) => {
                path.invalid_text(format!("is an invalid path: {why}"));
                continue;
            }
        };
        if found.shown == "metadata" || found.shown.starts_with("metadata.") {
            path.invalid_text("must not point to fields in metadata");
        }
        if !matches!(found.schema.ty, Type::Text | Type::Boolean | Type::Integer) {
            path.invalid_text(
                "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                 formats are allowed.",
            );
        }
        if seen.insert(found.shown) {
            count += 1;
        } else {
            path.duplicate();
        }
    }
    if count > SELECTABLE_MAX {
        fields.too_many(SELECTABLE_MAX);
    }
}

fn conversion(conversion: &At<'_, '_>, known_versions: bool, preserves: bool) {
    if !conversion.is_set() {
        return;
    }
    let strategy = conversion.field("strategy");
    if preserves && strategy.text() != "None" {
        strategy.invalid_text("must be None if spec.preserveUnknownFields is true");
    }
    strategy.required_one_of(&["None", "Webhook"]);
    let webhook = conversion.get("webhook");
    let part = |name: &str| webhook.get(name).unwrap_or(&Value::Null);
    let (client, versions) =
        (conversion.with(part("clientConfig")), conversion.with(part("conversionReviewVersions")));
    let (client, versions) =
        (client.shown("webhookClientConfig"), versions.shown("conversionReviewVersions"));
    if strategy.text() != "Webhook" {
        const REFUSED: &str = "should not be set when strategy is not set to Webhook";
        if client.is_set() {
            client.forbidden(REFUSED);
        }
        if !versions.is_empty() {
            versions.forbidden(REFUSED);
        }
        return;
    }
    if client.is_set() {
        admission::client(&client);
    } else {
        client.required("required when strategy is set to Webhook");
    }
    if versions.is_empty() {
        return versions.required("");
    }
    admission::review_versions(&versions, known_versions);
}

fn status(object: &At<'_, '_>) {
    let (spec, status) = (object.field("spec"), object.field("status"));
    resource_names(&status.field("acceptedNames"));
    let stored = status.field("storedVersions");
    if stored.is_empty() {
        return stored.invalid("must have at least one stored version");
    }
    let versions = spec.field("versions");
    for version in versions.items().filter(|version| version.field("storage").is_true()) {
        let name = version.get_text("name");
        if !stored.list().iter().any(|known| known == name) {
            stored.invalid(format!("must have the storage version {name}"));
        }
    }
    for known in stored.items() {
        let name = known.text();
        if !versions.items().any(|version| version.get_text("name") == name) {
            known.invalid_text(format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            ));
        }
    }
}

/// A group of Kubernetes' own is extended by who was let do it.
fn approval(object: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let of =
        |object: &At<'_, '_>| Approval::of(annotation(&object.field("metadata"), ANNOTATION).unwrap_or(""));
    let now = of(object);
    if !is_protected(object.field("spec").get_text("group")) || old.is_some_and(|old| of(old) == now) {
        return;
    }
    let meta = object.field("metadata");
    let annotations = meta.field("annotations");
    let at = annotations.key(ANNOTATION);
    match now {
        Approval::Missing => at.required(now.reason("")),
        Approval::Invalid => at.invalid_text(now.reason(at.text())),
        Approval::Approved | Approval::Bypassed => {}
    }
}

fn preserve(spec: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let preserve = spec.field("preserveUnknownFields");
    let before = old.is_some_and(|old| old.field("preserveUnknownFields").is_true());
    if preserve.is_true() && !before {
        preserve.invalid(
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        );
    }
}
