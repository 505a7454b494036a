//! Kinds that a CustomResourceDefinition describes: their schema, and what follows from it for reads and writes.
//!
//! After `apiextensions-apiserver` (`pkg/apiserver/customresource_handler.go`, `pkg/registry/customresource`). A definition is
//! compiled once, when it is established or changed, and stands in the registry beside the names of its kind; kinds that a
//! program registers have none of it, and no schema. Not when a definition is established: that is `local/definitions`'.
//! Versions differ in nothing but their name and their schema (conversion strategy `None`). The invariant: whatever a
//! definition or an object holds, nothing here panics, and nothing walks deeper than the schema.

pub(crate) mod address;
pub(crate) mod approval;
mod check;
#[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only the REST server shows tables"))]
pub(crate) mod columns;
mod defaults;
mod email;
mod embedded;
pub(crate) mod field_path;
mod format;
mod lists;
pub(crate) mod names;
mod path;
pub(crate) mod pattern;
pub(crate) mod rules;
pub(crate) mod scale;
pub(crate) mod schema;
mod shape;
pub(crate) mod url;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use orch_core::{Fault, FaultKind, Kind, KindInfo, Scope, Str, Subresource};
use serde_json::{Value, json};

use self::columns::CustomColumn;
use self::scale::ScalePaths;
use self::schema::Schema;

pub(crate) use self::defaults::Defaults;
pub(crate) use self::format::{duration, fits, loose_duration};
use crate::patch::Counts;
use crate::tree::{Get, Set, Tree};

/// Why the rules of a schema were not asked.
const UNASKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to \
    complete validation";

/// What a definition says of its kind.
#[derive(Debug)]
pub(crate) struct CustomKind {
    /// The name of the definition.
    pub(crate) definition: Str,
    group: String,
    versions: Vec<Version>,
    storage: usize,
    /// Whether the definition is being deleted: nothing new is created.
    pub(crate) is_terminating: bool,
    /// Whether the definition was another one when objects may have been stored.
    was_changed: bool,
}

/// A version of a custom kind.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    is_served: bool,
    /// Said to whoever uses it.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only the REST server warns"))]
    pub(crate) warning: Option<String>,
    /// The schema as the definition has it.
    pub(crate) tree: Value,
    schema: Schema,
    has_status: bool,
    pub(crate) scale: Option<ScalePaths>,
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only the REST server shows tables"))]
    pub(crate) columns: Vec<CustomColumn>,
    selectable: Vec<String>,
}

/// Whether versions are converted by a webhook. Nobody calls it here: only the version of storage is served.
pub(crate) fn is_by_webhook(spec: &Tree) -> bool {
    spec.object_at("conversion").is_some_and(|conversion| conversion.text("strategy") == "Webhook")
}

/// Whether objects are stored in a version of a definition.
pub(crate) fn is_stored(version: &Value) -> bool {
    version.at("storage") == Some(&Value::Bool(true))
}

impl CustomKind {
    /// What is known of a registered kind, if a definition describes it.
    pub(crate) fn of(info: &KindInfo) -> Option<&Self> {
        info.described()
    }

    /// Compiles a definition; `None` when it is none that was accepted.
    pub(crate) fn compile(definition: &Value) -> Option<Self> {
        let (metadata, spec) = (definition.object_at("metadata")?, definition.object_at("spec")?);
        let (group, kind) = (spec.text("group"), spec.object_at("names")?.text("kind"));
        let mut versions: Vec<Version> =
            spec.list("versions").iter().map(|version| Version::compile(group, kind, version)).collect();
        if is_by_webhook(spec) {
            let all = spec.list("versions").iter().zip(&mut versions);
            all.for_each(|(version, compiled)| compiled.is_served &= is_stored(version));
        }
        Some(Self {
            definition: metadata.text("name").into(),
            group: group.to_owned(),
            storage: spec.list("versions").iter().position(is_stored)?,
            versions,
            is_terminating: metadata.at("deletionTimestamp").is_some(),
            was_changed: metadata.number("generation").is_some_and(|generation| generation > 1),
        })
    }

    /// The row of the registry, with the names that were accepted; `None` when no version is served.
    pub(crate) fn info(self, spec: &Tree, names: &Tree) -> Option<KindInfo> {
        let kind = Kind::named(&self.group, names.text("plural"));
        let scope = if spec.text("scope") == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
        let mut served: Vec<&str> =
            self.versions.iter().filter(|version| version.is_served).map(|version| &*version.name).collect();
        served.sort_by_key(|name| std::cmp::Reverse(names::rank(name)));
        let first = served.first()?;
        let texts = |field: &str| names.list(field).iter().filter_map(Value::as_str).map(Str::from).collect();
        let mut info = KindInfo::new(kind, first, names.text("kind"), scope);
        info.versions = served.into_iter().map(Str::from).collect();
        info.singular = names.text("singular").into();
        info.short_names = texts("shortNames");
        info.categories = texts("categories");
        let has = |part: fn(&Version) -> bool| self.versions.iter().any(part);
        let parts = [
            (Subresource::Status, has(|version| version.has_status)),
            (Subresource::Scale, has(|version| version.scale.is_some())),
        ];
        info.subresources = parts.into_iter().filter(|(_, has)| *has).map(|(part, _)| part).collect();
        let mut fields: Vec<&String> = self.versions.iter().flat_map(|version| &version.selectable).collect();
        fields.sort();
        fields.dedup();
        info.selectable = fields.into_iter().map(|field| field.as_str().into()).collect();
        Some(info.describe(Arc::new(self)))
    }

    /// The version of that name.
    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The version that objects are stored in.
    pub(crate) fn storage(&self) -> &Version {
        &self.versions[self.storage]
    }

    /// The version that an `apiVersion` names; that of storage when it names none of the kind.
    pub(crate) fn spoken(&self, api_version: &str) -> &Version {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let found = self.version(version).filter(|_| group == self.group);
        found.unwrap_or_else(|| self.storage())
    }

    /// `shop.example/v1`
    pub(crate) fn api_version(&self, version: &Version) -> String {
        format!("{}/{}", self.group, version.name)
    }

    /// Where the count of a Scale stands in each version.
    pub(crate) fn counts(&self) -> Counts {
        let count = |version: &Version| version.scale.as_ref().map(ScalePaths::count_field);
        self.versions.iter().map(|version| (self.api_version(version), count(version))).collect()
    }

    /// Gives a tree the `apiVersion` in which it is stored.
    pub(crate) fn to_storage(&self, tree: &mut Value) {
        self.rename(tree, self.storage());
    }

    fn rename(&self, tree: &mut Value, version: &Version) {
        if let Some(fields) = tree.as_object_mut() {
            let api_version = self.api_version(version);
            if fields.text("apiVersion") != api_version {
                fields.put("apiVersion", api_version);
            }
        }
    }

    /// Whether what is stored may not be what is read in a version.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "in the process what is stored is read"))]
    pub(crate) fn changes_reads(&self, version: &Version) -> bool {
        self.was_changed || self.versions.len() > 1 || version.schema.has_defaults
    }

    /// What is stored, as it is read in a version.
    pub(crate) fn read(&self, tree: &mut Value, version: &Version) {
        let stored = self.spoken(tree.text("apiVersion"));
        shape::prune(tree, &stored.schema);
        shape::prune_nulls(tree, &stored.schema);
        shape::default(tree, &stored.schema);
        if stored.name != version.name {
            shape::prune(tree, &version.schema);
        }
        // Its version may be gone.
        self.rename(tree, version);
    }

    /// Every fault of an object in a version.
    pub(crate) fn faults(
        &self,
        version: &Version,
        new: &Value,
        old: Option<&Value>,
        subresource: Subresource,
    ) -> Vec<Fault> {
        let schema = &version.schema;
        let is_status = subresource == Subresource::Status;
        let mut faults = Vec::new();
        match (is_status, schema.properties.get("status"), new.get("status")) {
            (true, Some(schema), Some(status)) => {
                let old = old.and_then(|old| old.get("status"));
                faults.extend(check::check(status, old, schema, "status"));
            }
            (true, ..) => {}
            (false, ..) => faults.extend(check::check(new, old, schema, "")),
        }
        if let Some(paths) = &version.scale {
            faults.extend(paths.faults(new, is_status));
        }
        if !is_status {
            faults.extend(embedded::check(new, schema));
        }
        let twice = lists::check(new, schema);
        if !twice.is_empty() && old.is_none_or(|old| lists::check(old, schema).is_empty()) {
            faults.extend(twice);
        }
        if schema.has_rules {
            if faults.iter().any(is_blocking) {
                faults.push(Fault::new(FaultKind::Invalid, "<nil>", UNASKED).value("null"));
            } else {
                faults.extend(rules::check(new, old, schema));
            }
        }
        faults
    }
}

/// Whether rules are not asked because of a fault.
fn is_blocking(fault: &Fault) -> bool {
    use FaultKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    matches!(fault.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
}

impl Version {
    fn compile(group: &str, kind: &str, version: &Value) -> Self {
        let tree = version.object_at("schema").and_then(|schema| schema.at("openAPIV3Schema")).cloned();
        let tree = tree.unwrap_or_else(|| json!({"type": "object"}));
        let name = version.text("name").to_owned();
        let flag = |field: &str| version.at(field) == Some(&Value::Bool(true));
        let said = version.text("deprecationWarning");
        let warning = flag("deprecated").then(|| match said {
            "" => format!("{group}/{name} {kind} is deprecated"),
            said => said.to_owned(),
        });
        let parts = version.object_at("subresources");
        let paths = version.list("selectableFields").iter().map(|field| field.text("jsonPath"));
        Self {
            is_served: flag("served"),
            warning,
            schema: Schema::root(&tree),
            tree,
            has_status: parts.is_some_and(|parts| parts.at("status").is_some()),
            scale: parts.and_then(|parts| parts.object_at("scale")).map(ScalePaths::compile),
            columns: columns::compile(version.list("additionalPrinterColumns")),
            selectable: paths.map(|path| path.trim_start_matches('.').to_owned()).collect(),
            name,
        }
    }

    /// Whether objects are selected by that field.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only paths name a version"))]
    pub(crate) fn selects(&self, field: &str) -> bool {
        self.selectable.iter().any(|known| known == field)
    }

    /// Whether the version has that subresource.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only paths name a version"))]
    pub(crate) fn has(&self, subresource: Subresource) -> bool {
        match subresource {
            Subresource::None => true,
            Subresource::Status => self.has_status,
            Subresource::Scale => self.scale.is_some(),
            _ => false,
        }
    }

    /// Gives an object that was sent the shape of the version: what is unknown is taken out, what has a default is filled in.
    /// Returns the paths of what was unknown. The metadata is not looked at, that of embedded objects is handed over.
    pub(crate) fn complete(&self, tree: &mut Value, metadata: &mut dyn FnMut(&mut Value)) -> Vec<String> {
        let unknown = shape::prune(tree, &self.schema);
        shape::prune_nulls(tree, &self.schema);
        let inner = &mut *metadata;
        for (name, below) in &self.schema.properties {
            if let Some(value) = tree.get_mut(name).filter(|_| name != "metadata") {
                shape::embedded(value, below, inner);
            }
        }
        shape::default(tree, &self.schema);
        unknown
    }

    /// The paths of what is unknown in an object.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "only the REST server decodes"))]
    pub(crate) fn unknown(&self, tree: &Value) -> Vec<String> {
        shape::prune(&mut tree.clone(), &self.schema)
    }
}
