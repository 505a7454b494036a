//! Discovery: which groups, versions and resources there are, in the old form and all in one
//! (`apiserver/pkg/endpoints/discovery`, KEP-3352).
//!
//! It follows the registry: what is registered at run time is there at once. Invariant: what is listed is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response};
use orch_core::{KindInfo, Registry, Subresource, kind};
use serde_json::{Value, json};

use super::body::{self, Answer, Body};
use super::call::api_version;
use super::negotiate::{self, Encoding};
use super::review;
use super::service::Shared;
use super::status::Status;
use crate::custom::CustomKind;
use crate::{convert, schema};

/// Groups in the order of preference that Kubernetes gives its own (`pkg/controlplane/apiserver/aggregator.go`).
const ORDER: [&str; 21] = [
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "metrics.k8s.io",
];

/// One resource of one version, or a subresource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// `pods` or `pods/status`.
    pub(super) name: String,
    pub(super) singular: String,
    pub(super) is_namespaced: bool,
    /// Of what is sent and answered.
    pub(super) kind: String,
    /// When that is of another group.
    pub(super) group_version: Option<(String, String)>,
    pub(super) verbs: Vec<&'static str>,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) is_stored: bool,
}

/// Group → version → resources; the preferred version first, groups in the order of names.
type Groups = BTreeMap<String, Vec<(String, Vec<Resource>)>>;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Of custom kinds, in the order of `apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go`.
const CUSTOM_VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

fn groups(registry: &Registry) -> Groups {
    let mut groups = Groups::new();
    for info in registry.kinds() {
        let versions = groups.entry(info.kind.group().to_owned()).or_default();
        for version in &info.versions {
            let place = match versions.iter().position(|(name, _)| **name == **version) {
                Some(place) => place,
                None => {
                    versions.push((version.to_string(), Vec::new()));
                    versions.len() - 1
                }
            };
            versions[place].1.extend(resources(&info, version));
        }
    }
    for (group, version, resource) in review::resources() {
        add(&mut groups, group, version, [resource]);
    }
    for (form, info) in converted(registry) {
        add(&mut groups, form.group, form.version, resources(&info, form.version));
    }
    for (_, resources) in groups.values_mut().flatten() {
        // Those of a resource stay together, in their own order.
        resources.sort_by(|a, b| base(&a.name).cmp(base(&b.name)));
    }
    groups
}

fn base(name: &str) -> &str {
    name.split_once('/').map_or(name, |(base, _)| base)
}

fn add(groups: &mut Groups, group: &str, version: &str, more: impl IntoIterator<Item = Resource>) {
    let versions = groups.entry(group.to_owned()).or_default();
    match versions.iter_mut().find(|(name, _)| name == version) {
        Some((_, resources)) => resources.extend(more),
        None => versions.push((version.to_owned(), more.into_iter().collect())),
    }
}

/// Kinds that are served in another group than that in which they are stored: the registry does not list them there.
fn converted(registry: &Registry) -> impl Iterator<Item = (&'static convert::Form, Arc<KindInfo>)> {
    let elsewhere = convert::forms().iter().filter(|form| form.group != form.stored.group());
    elsewhere.filter_map(|form| Some((form, registry.get(form.stored)?)))
}

/// Every group and version that is served.
pub(super) fn group_versions(registry: &Registry) -> Vec<(String, String)> {
    let of = |(group, versions): (String, Vec<(String, Vec<Resource>)>)| {
        versions.into_iter().map(move |(version, _)| (group.clone(), version))
    };
    groups(registry).into_iter().flat_map(of).collect()
}

/// The answer to a path in a group that has no such version or resource: Kubernetes' own groups are known to its router
/// (`apiserver/pkg/server/handler.go`), all others are not.
///
/// # Errors
/// 404 with a status.
pub(super) fn unserved(registry: &Registry, group: &str) -> Answer {
    let is_own = |info: &Arc<KindInfo>| info.kind.group() == group && CustomKind::of(info).is_none();
    let is_known = group.is_empty()
        || registry.kinds().iter().any(is_own)
        || converted(registry).any(|(form, _)| form.group == group)
        || review::resources().any(|(known, ..)| known == group);
    if is_known { Err(Status::no_resource()) } else { Ok(body::not_found()) }
}

fn resources(info: &KindInfo, version: &str) -> Vec<Resource> {
    let custom = CustomKind::of(info);
    let of_version = custom.and_then(|custom| custom.version(version));
    let is_collected = info.kind != kind::NAMESPACES;
    let is_typed = schema::lookup(info.kind.group(), &info.versions[0], &info.name).is_some();
    let verbs = if is_typed { VERBS } else { CUSTOM_VERBS };
    let ends = custom.is_some_and(|custom| custom.is_terminating);
    let is_left = |verb: &&str| match *verb {
        "deletecollection" => is_collected,
        "create" | "patch" | "update" => !ends,
        _ => true,
    };
    let verbs = verbs.into_iter().filter(is_left).collect();
    let texts = |texts: &[orch_core::Str]| texts.iter().map(ToString::to_string).collect();
    let whole = Resource {
        name: info.kind.resource().to_owned(),
        singular: info.singular.to_string(),
        is_namespaced: info.is_namespaced(),
        kind: info.name.to_string(),
        group_version: None,
        verbs,
        short_names: texts(&info.short_names),
        categories: texts(&info.categories),
        is_stored: true,
    };
    let mut all = vec![whole];
    let is_served = |part: &&Subresource| of_version.is_none_or(|version| version.has(**part));
    for part in info.subresources.iter().filter(is_served) {
        let of = |group: &str, version: &str, kind: &str, verbs: &[&'static str]| {
            let group_version = Some((group.to_owned(), version.to_owned()));
            (kind.to_owned(), group_version.filter(|_| !version.is_empty()), verbs.to_vec())
        };
        let own = |verbs| of("", "", &info.name, verbs);
        let (kind, group_version, verbs) = match part {
            Subresource::Scale => of("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
            Subresource::Eviction => of("policy", "v1", "Eviction", &["create"]),
            Subresource::Binding => of("", "", "Binding", &["create"]),
            Subresource::Token => of("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
            Subresource::Finalize => own(&["update"]),
            Subresource::Log => own(&["get"]),
            _ => own(&["get", "patch", "update"]),
        };
        all.push(Resource {
            name: format!("{}/{}", info.kind.resource(), part.as_str()),
            singular: String::new(),
            kind,
            group_version,
            verbs,
            short_names: Vec::new(),
            categories: Vec::new(),
            is_stored: false,
            ..all[0].clone()
        });
    }
    if is_typed {
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all
}

/// Answers `/api`, `/apis` and what is below them down to a version.
pub(super) fn answer(shared: &Shared, path: &[String], headers: &HeaderMap) -> Answer {
    let groups = groups(shared.api.registry());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ([root], Some(version)) = (&path[..], negotiate::aggregated(headers)) {
        return Ok(aggregated(&groups, root, version));
    }
    negotiate::objects(headers)?;
    let tree = match path[..] {
        ["api"] => versions(&groups),
        ["apis"] => {
            let all: Vec<Value> = ordered(&groups).map(|(name, versions)| group(name, versions)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": all})
        }
        ["apis", name] => match groups.get(name).filter(|_| !name.is_empty()) {
            Some(versions) => {
                let mut tree = group(name, versions);
                tree["kind"] = "APIGroup".into();
                tree["apiVersion"] = "v1".into();
                tree
            }
            None => return Ok(body::not_found()),
        },
        ["api", version] | ["apis", _, version] => {
            let name = if path[0] == "api" { "" } else { path[1] };
            let found = groups.get(name).filter(|_| path[0] == "api" || !name.is_empty());
            match found.and_then(|versions| versions.iter().find(|(name, _)| name == version)) {
                Some((_, resources)) => resource_list(name, version, resources),
                None => return unserved(shared.api.registry(), name),
            }
        }
        _ => return Ok(body::not_found()),
    };
    Ok(body::tree(200, Encoding::Json, &tree))
}

/// Named groups in the order of preference.
fn ordered(groups: &Groups) -> impl Iterator<Item = (&str, &Vec<(String, Vec<Resource>)>)> {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut all: Vec<_> =
        groups.iter().filter(|(name, _)| !name.is_empty()).map(|(name, v)| (name.as_str(), v)).collect();
    all.sort_by_key(|(name, _)| rank(name));
    all.into_iter()
}

fn versions(groups: &Groups) -> Value {
    let names: Vec<&str> = groups.get("").into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    json!({"kind": "APIVersions", "versions": names,
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]})
}

fn group(name: &str, versions: &[(String, Vec<Resource>)]) -> Value {
    let version = |version: &str| json!({"groupVersion": api_version(name, version), "version": version});
    let all: Vec<Value> = versions.iter().map(|(name, _)| version(name)).collect();
    json!({"name": name, "versions": all,
        "preferredVersion": all.first().cloned().unwrap_or_default()})
}

fn resource_list(group: &str, version: &str, resources: &[Resource]) -> Value {
    let resource = |resource: &Resource| {
        let mut tree = json!({"name": resource.name, "singularName": resource.singular,
            "namespaced": resource.is_namespaced, "kind": resource.kind, "verbs": resource.verbs});
        if let Some((group, version)) = &resource.group_version {
            if !group.is_empty() {
                tree["group"] = group.as_str().into();
            }
            tree["version"] = version.as_str().into();
        }
        if !resource.short_names.is_empty() {
            tree["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            tree["categories"] = json!(resource.categories);
        }
        if resource.is_stored {
            tree["storageVersionHash"] = hash(&format!("{group}/{version}/{}", resource.kind)).into();
        }
        tree
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version),
        "resources": resources.iter().map(resource).collect::<Vec<_>>()})
}

/// A short text that differs where the words differ (FNV-1a).
pub(super) fn hash(words: &str) -> String {
    use base64::Engine;
    let hash = words
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    base64::engine::general_purpose::STANDARD.encode(hash.to_be_bytes())
}

/// `APIGroupDiscoveryList` of all groups, or of the core group alone.
fn aggregated(groups: &Groups, root: &str, version: &'static str) -> Response<Body> {
    let items: Vec<Value> = if root == "api" {
        groups.get("").into_iter().map(|versions| aggregated_group("", versions)).collect()
    } else {
        ordered(groups).map(|(name, versions)| aggregated_group(name, versions)).collect()
    };
    let tree = json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items});
    let mut response = body::tree(200, Encoding::Json, &tree);
    let content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn aggregated_group(name: &str, versions: &[(String, Vec<Resource>)]) -> Value {
    let version = |(version, resources): &(String, Vec<Resource>)| {
        let whole = resources.iter().filter(|resource| !resource.name.contains('/'));
        let all: Vec<Value> =
            whole.map(|whole| aggregated_resource(name, version, whole, resources)).collect();
        json!({"version": version, "resources": all, "freshness": "Current"})
    };
    let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
    json!({"metadata": metadata, "versions": versions.iter().map(version).collect::<Vec<_>>()})
}

fn aggregated_resource(group: &str, version: &str, whole: &Resource, all: &[Resource]) -> Value {
    let kind = |resource: &Resource| {
        let (group, version) = match &resource.group_version {
            Some((group, version)) => (group.as_str(), version.as_str()),
            None => (group, version),
        };
        json!({"group": group, "version": version, "kind": resource.kind})
    };
    let scope = if whole.is_namespaced { "Namespaced" } else { "Cluster" };
    let mut tree = json!({"resource": whole.name, "responseKind": kind(whole), "scope": scope,
        "singularResource": whole.singular, "verbs": whole.verbs});
    if !whole.short_names.is_empty() {
        tree["shortNames"] = json!(whole.short_names);
    }
    if !whole.categories.is_empty() {
        tree["categories"] = json!(whole.categories);
    }
    let parts: Vec<Value> = all
        .iter()
        .filter_map(|part| Some((part.name.strip_prefix(&format!("{}/", whole.name))?, part)))
        .map(|(name, part)| json!({"subresource": name, "responseKind": kind(part), "verbs": part.verbs}))
        .collect();
    if !parts.is_empty() {
        tree["subresources"] = parts.into();
    }
    tree
}

/// `/`: the paths that are served.
pub(super) fn paths(shared: &Shared) -> Response<Body> {
    let groups = groups(shared.api.registry());
    let served = ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"];
    let mut paths: Vec<String> = served.map(str::to_owned).to_vec();
    for (name, versions) in &groups {
        let root = if name.is_empty() { "/api".to_owned() } else { format!("/apis/{name}") };
        if !name.is_empty() {
            paths.push(root.clone());
        }
        paths.extend(versions.iter().map(|(version, _)| format!("{root}/{version}")));
    }
    paths.sort();
    body::tree(200, Encoding::Json, &json!({"paths": paths}))
}

/// Group versions that are served, with the kinds of each: for OpenAPI.
pub(super) fn served(shared: &Shared) -> BTreeMap<(String, String), Vec<Arc<KindInfo>>> {
    let mut all: BTreeMap<_, Vec<Arc<KindInfo>>> = BTreeMap::new();
    for info in shared.api.registry().kinds() {
        for version in &info.versions {
            let place = (info.kind.group().to_owned(), version.to_string());
            all.entry(place).or_default().push(Arc::clone(&info));
        }
    }
    for (form, info) in converted(shared.api.registry()) {
        all.entry((form.group.to_owned(), form.version.to_owned())).or_default().push(info);
    }
    all
}
