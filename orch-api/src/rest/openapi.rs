//! `/openapi/v3`: an index and a document for each group and version, made from the table of types
//! (`kube-openapi/pkg/handler3`); and `/openapi/v2`.
//!
//! Not complete: kinds that are not Kubernetes' own have only their names. It is what `kubectl create`, `apply` and `explain`
//! ask for. Invariant: a document refers to nothing that is not in it.

mod descriptions;
mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{CACHE_CONTROL, ETAG, EXPIRES, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION, VARY};
use jiff::Timestamp;
use orch_core::{KindInfo, Subresource};
use serde_json::{Map, Value, json};

use self::descriptions::Descriptions;
use super::body::{self, Body};
use super::discovery::{hash, served};
use super::negotiate::{self, Encoding};
use super::query::Query;
use super::service::Shared;
use super::version::GIT_VERSION;
use crate::custom::CustomKind;
use crate::schema::{self, Definition, Field, ListType, MapType, Type, TypeRef};

/// How long a document may be kept at the address that has its hash.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// Answers the one document of version 2.
///
/// # Errors
/// 406 for any form but JSON.
pub(super) fn v2(shared: &Shared, headers: &HeaderMap) -> body::Answer {
    negotiate::objects(headers)?;
    let descriptions = Arc::new(Descriptions::read());
    let all = served(shared);
    let documents =
        all.iter().map(|((group, version), kinds)| document(group, version, kinds, &descriptions));
    Ok(body::tree(200, Encoding::Json, &v2::merged(GIT_VERSION, documents)))
}

/// Answers the index, or the document of `api/v1` or `apis/GROUP/VERSION`: at the address that has its hash it may be kept, and
/// from an older hash the way leads to the newest (`kube-openapi/pkg/handler3/handler.go`).
pub(super) fn answer(shared: &Shared, path: &[String], query: &Query, headers: &HeaderMap) -> Response<Body> {
    let all = served(shared);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let place = match path[..] {
        [] => return body::tree(200, Encoding::Json, &index(&all)),
        ["api", version] => ("", version),
        ["apis", group, version] if !group.is_empty() => (group, version),
        _ => return body::not_found(),
    };
    let (group, version) = place;
    let Some(kinds) = all.get(&(group.to_owned(), version.to_owned())) else { return body::not_found() };
    let hash = hash_of(version, kinds);
    let asked = query.text("hash");
    if !asked.is_empty() && asked != hash {
        let mut moved = body::bytes(301, "text/html; charset=utf-8", "");
        if let Ok(place) = HeaderValue::from_str(&url(group, version, &hash)) {
            moved.headers_mut().insert(LOCATION, place);
        }
        return moved;
    }
    let tag = format!("\"{hash}\"");
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        body::bytes(304, "application/json", "")
    } else {
        let descriptions = Arc::new(Descriptions::read());
        body::tree(200, Encoding::Json, &document(group, version, kinds, &descriptions))
    };
    let answered = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answered.insert(ETAG, tag);
    }
    if !asked.is_empty() {
        answered.insert(VARY, HeaderValue::from_static("Accept"));
        answered.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        let until = shared.env.now().checked_add(YEAR).unwrap_or(Timestamp::MAX);
        let until = until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(until) = HeaderValue::from_str(&until) {
            answered.insert(EXPIRES, until);
        }
    }
    response
}

fn url(group: &str, version: &str, hash: &str) -> String {
    format!("/openapi/v3/{}?hash={hash}", root(group, version))
}

/// It is another when the document is.
fn hash_of(version: &str, kinds: &[Arc<KindInfo>]) -> String {
    let names: Vec<&str> = kinds.iter().map(|info| &*info.name).collect();
    let described = kinds.iter().filter_map(|info| CustomKind::of(info)?.version(version));
    let described: Vec<String> = described.map(|version| version.tree.to_string()).collect();
    let hash = hash(&format!("{GIT_VERSION} {} {}", names.join(" "), described.join(" ")));
    hash.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

type Served = BTreeMap<(String, String), Vec<Arc<KindInfo>>>;

fn index(all: &Served) -> Value {
    let paths: Map<String, Value> = all
        .iter()
        .map(|((group, version), kinds)| {
            let url = url(group, version, &hash_of(version, kinds));
            (root(group, version), json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

fn document(group: &str, version: &str, kinds: &[Arc<KindInfo>], descriptions: &Arc<Descriptions>) -> Value {
    let mut schemas = Schemas { descriptions: Arc::clone(descriptions), ..Schemas::default() };
    let mut paths = Map::new();
    for info in kinds {
        match CustomKind::of(info).and_then(|custom| custom.version(version)) {
            Some(described) => schemas.described(group, version, &info.name, &described.tree),
            None => {
                schemas.kind(group, version, &info.name);
                schemas.kind(group, version, &format!("{}List", info.name));
            }
        }
        add_paths(&mut paths, group, version, info);
    }
    for name in ["Status", "DeleteOptions", "WatchEvent"] {
        if let Some(definition) = schema::definition(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"))
        {
            schemas.add(definition);
        }
    }
    // Any object: what it means depends on its media type.
    schemas.custom.insert(PATCH.to_owned(), json!({"type": "object"}));
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": GIT_VERSION}, "paths": paths,
        "components": {"schemas": schemas.finish()}})
}

/// Definitions that a document needs, each once.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<&'static str, Value>,
    seen: BTreeSet<Definition>,
    /// Of the definitions that are kinds.
    kinds: BTreeMap<&'static str, Vec<Value>>,
    custom: BTreeMap<String, Value>,
    descriptions: Arc<Descriptions>,
}

impl Schemas {
    fn kind(&mut self, group: &str, version: &str, kind: &str) {
        let gvk = json!({"group": group, "version": version, "kind": kind});
        match schema::lookup(group, version, kind).and_then(TypeRef::definition) {
            Some(definition) => {
                self.kinds.entry(definition.name()).or_default().push(gvk);
                self.add(definition);
            }
            None => {
                let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "x-kubernetes-group-version-kind": [gvk]});
                self.custom.insert(name(group, version, kind), free);
            }
        }
    }

    /// A kind with the schema of its definition, and its list
    /// (`apiextensions-apiserver/pkg/controller/openapi/builder/builder.go`).
    fn described(&mut self, group: &str, version: &str, kind: &str, schema: &Value) {
        let place = |kind: &str| json!([{"group": group, "version": version, "kind": kind}]);
        let refer = |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]});
        let text = json!({"type": "string"});
        let mut tree = schema.clone();
        let properties = &mut tree["properties"];
        (properties["apiVersion"], properties["kind"]) = (text.clone(), text.clone());
        properties["metadata"] = refer(OBJECT_META);
        tree["x-kubernetes-group-version-kind"] = place(kind);
        self.custom.insert(name(group, version, kind), tree);
        let item = json!({"$ref": format!("#/components/schemas/{}", name(group, version, kind))});
        let list = format!("{kind}List");
        let list_tree = json!({"type": "object", "required": ["items"], "x-kubernetes-group-version-kind": place(&list),
            "properties": {"apiVersion": text, "kind": text, "metadata": refer(LIST_META),
                "items": {"type": "array", "items": item}}});
        self.custom.insert(name(group, version, &list), list_tree);
        for meta in [OBJECT_META, LIST_META] {
            if let Some(definition) = schema::definition(meta) {
                self.add(definition);
            }
        }
    }

    /// Adds a definition and everything that it refers to. Not by recursion: types refer to themselves.
    fn add(&mut self, definition: Definition) {
        let mut open = vec![definition];
        while let Some(definition) = open.pop() {
            if !self.seen.insert(definition) {
                continue;
            }
            let mut properties = Map::new();
            let mut required = Vec::new();
            for field in definition.fields() {
                let mut tree = property(field, &mut open);
                if let Some(text) = self.descriptions.of_field(definition, field.name()) {
                    tree["description"] = text.into();
                }
                properties.insert(field.name().to_owned(), tree);
                if field.is_required() {
                    required.push(field.name());
                }
            }
            let mut tree = json!({"type": "object", "properties": properties});
            if let Some(text) = self.descriptions.of(definition) {
                tree["description"] = text.into();
            }
            if !required.is_empty() {
                tree["required"] = json!(required);
            }
            if definition.map_type() == Some(MapType::Atomic) {
                tree["x-kubernetes-map-type"] = "atomic".into();
            }
            self.done.insert(definition.name(), tree);
        }
    }

    fn finish(mut self) -> Map<String, Value> {
        for (name, kinds) in self.kinds {
            if let Some(tree) = self.done.get_mut(name) {
                tree["x-kubernetes-group-version-kind"] = kinds.into();
            }
        }
        self.done.into_iter().map(|(name, tree)| (name.to_owned(), tree)).chain(self.custom).collect()
    }
}

/// The name of a definition: that of Kubernetes, or one that no definition of Kubernetes has.
fn name(group: &str, version: &str, kind: &str) -> String {
    match schema::lookup(group, version, kind).and_then(TypeRef::definition) {
        Some(definition) => definition.name().to_owned(),
        None => {
            let reversed: Vec<&str> = group.split('.').rev().filter(|part| !part.is_empty()).collect();
            format!("{}.{version}.{kind}", reversed.join("."))
        }
    }
}

fn property(field: Field, open: &mut Vec<Definition>) -> Value {
    let mut tree = of(field.ty(), open);
    match field.list_type() {
        Some(ListType::Atomic) => tree["x-kubernetes-list-type"] = "atomic".into(),
        Some(ListType::Set) => tree["x-kubernetes-list-type"] = "set".into(),
        Some(ListType::Map) => {
            tree["x-kubernetes-list-type"] = "map".into();
            tree["x-kubernetes-list-map-keys"] = field.list_keys().collect();
        }
        None => {}
    }
    let strategy = field.patch_strategy();
    let names =
        [(strategy.merge, "merge"), (strategy.retain_keys, "retainKeys"), (strategy.replace, "replace")];
    let names: Vec<&str> = names.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect();
    if !names.is_empty() {
        tree["x-kubernetes-patch-strategy"] = names.join(",").into();
    }
    if let Some(key) = field.merge_key() {
        tree["x-kubernetes-patch-merge-key"] = key.into();
    }
    tree
}

fn of(ty: TypeRef, open: &mut Vec<Definition>) -> Value {
    match ty.get() {
        Type::String => json!({"type": "string"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Number => json!({"type": "number", "format": "double"}),
        Type::Boolean => json!({"type": "boolean"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Time | Type::MicroTime => json!({"type": "string", "format": "date-time"}),
        Type::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Type::IntOrString => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        Type::Map(item) => json!({"type": "object", "additionalProperties": of(item, open)}),
        Type::Array(item) => json!({"type": "array", "items": of(item, open)}),
        Type::Object(definition) => {
            open.push(definition);
            // Behind `allOf`, so that other facts may stand beside it.
            json!({"allOf": [{"$ref": format!("#/components/schemas/{}", definition.name())}]})
        }
        _ => json!({}),
    }
}

fn add_paths(paths: &mut Map<String, Value>, group: &str, version: &str, info: &KindInfo) {
    let place = if info.is_namespaced() { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{}{place}/{}", root(group, version), info.kind.resource());
    let kind = name(group, version, &info.name);
    let list = name(group, version, &format!("{}List", info.name));
    let operation = |action: &str, method: &str, body: Option<&str>, answer: &str| {
        operation(group, version, info, action, method, body, answer)
    };
    let mut all = json!({"get": operation("list", "list", None, &list),
        "post": operation("post", "create", Some(&kind), &kind),
        "delete": operation("deletecollection", "deleteCollection", None, "io.k8s.apimachinery.pkg.apis.meta.v1.Status")});
    if info.is_namespaced() {
        all["parameters"] = json!([in_path("namespace")]);
    }
    paths.insert(collection.clone(), all);
    let mut parameters = vec![in_path("name")];
    if info.is_namespaced() {
        parameters.push(in_path("namespace"));
    }
    let written = json!({"get": operation("get", "read", None, &kind),
        "put": operation("put", "replace", Some(&kind), &kind),
        "patch": operation("patch", "patch", Some(PATCH), &kind),
        "parameters": parameters});
    let mut one = written.clone();
    one["delete"] = operation("delete", "delete", None, "io.k8s.apimachinery.pkg.apis.meta.v1.Status");
    paths.insert(format!("{collection}/{{name}}"), one);
    let described = CustomKind::of(info).and_then(|custom| custom.version(version));
    if info.has(Subresource::Status) && described.is_none_or(|version| version.has(Subresource::Status)) {
        paths.insert(format!("{collection}/{{name}}/status"), written);
    }
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

fn operation(
    group: &str,
    version: &str,
    info: &KindInfo,
    action: &str,
    method: &str,
    body: Option<&str>,
    answer: &str,
) -> Value {
    let reference = |name: &str| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
    let query =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let code = if action == "post" { "201" } else { "200" };
    let group_name: String = group.split('.').next().unwrap_or_default().to_owned();
    let group_name = if group.is_empty() { "core".to_owned() } else { group_name };
    let mut tree = json!({"operationId": format!("{method}_{group_name}_{version}_{}", info.name),
        "responses": {code: {"description": "OK", "content": {"application/json": reference(answer)}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": &*info.name}});
    let mut parameters = Vec::new();
    match action {
        "post" | "put" | "patch" => {
            parameters.extend(["dryRun", "fieldManager", "fieldValidation"].map(query));
            if action == "patch" {
                parameters.push(query("force"));
            }
        }
        "list" | "deletecollection" => {
            let names = [
                "labelSelector",
                "fieldSelector",
                "limit",
                "continue",
                "resourceVersion",
                "resourceVersionMatch",
            ];
            parameters.extend(names.map(query));
        }
        "delete" => parameters.extend(["dryRun", "gracePeriodSeconds", "propagationPolicy"].map(query)),
        _ => {}
    }
    if !parameters.is_empty() {
        tree["parameters"] = parameters.into();
    }
    if let Some(body) = body {
        let is_typed = schema::lookup(group, version, &info.name).is_some();
        let patches = super::write::patches(is_typed);
        let media = if action == "patch" { patches } else { vec!["application/json"] };
        let content: Map<String, Value> =
            media.into_iter().map(|media| (media.to_owned(), reference(body))).collect();
        tree["requestBody"] = json!({"required": true, "content": content});
    }
    tree
}
