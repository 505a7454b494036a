//! Which kinds a server has, by its aggregated discovery (KEP-3352).
//!
//! Invariant: what the server does not list, watch and get is no kind here.

use http::header::ACCEPT;
use http::{Method, Request};
use orch_core::{Error, Key, Kind, KindInfo, Registry, Result, Scope, Str, Subresource, kind};
use serde_json::Value;

use super::error::About;
use super::exchange::Answer;
use super::{RemoteApi, read};
use crate::convert;
use crate::tree::Get;

/// Kinds that are taken in: their names are kept for the life of the process.
const MAX_KINDS: usize = 10_000;
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// The subresources that this crate has a word for.
const PARTS: [Subresource; 6] = [
    Subresource::Status,
    Subresource::Scale,
    Subresource::Binding,
    Subresource::Eviction,
    Subresource::Finalize,
    Subresource::Approval,
];

/// The kinds of the server.
pub(super) async fn registry(api: &RemoteApi) -> Result<Registry> {
    let (built_in, registry) = (Registry::built_in(), Registry::default());
    let mut count = 0;
    for root in ["/api", "/apis"] {
        let tree = read::tree(&ask(api, root).await?)?;
        if tree.text("kind") != "APIGroupDiscoveryList" {
            let why = format!(
                "{root} is answered with a {:?}: its discovery is not aggregated (before 1.30)",
                tree.text("kind")
            );
            return Err(Error::Internal { part: "the API server".into(), why });
        }
        for info in tree.list("items").iter().flat_map(|group| of_group(&built_in, group)) {
            count += 1;
            if count > MAX_KINDS {
                tracing::warn!(limit = MAX_KINDS, "the server has more kinds: the rest is not known");
                return Ok(registry);
            }
            if let Err(error) = registry.register(info) {
                tracing::debug!(%error, "a kind of the server is not known");
            }
        }
    }
    Ok(registry)
}

async fn ask(api: &RemoteApi, root: &str) -> Result<Answer> {
    let about = About::read(&Key::cluster(kind::NAMESPACES, ""));
    let request = Request::builder().method(Method::GET).uri(root);
    let request = request.header(ACCEPT, format!("{AGGREGATED},application/json"));
    let answer = api.send(request, bytes::Bytes::new()).await.map_err(|lost| about.lost(lost))?;
    if answer.code.is_success() {
        return Ok(answer);
    }
    Err(about.refused(&Registry::built_in(), &answer))
}

/// The kinds of a group, each with its versions in the server's order of preference.
fn of_group(built_in: &Registry, tree: &Value) -> Vec<KindInfo> {
    let group = tree.at("metadata").map_or("", |metadata| metadata.text("name"));
    let mut kinds: Vec<KindInfo> = Vec::new();
    for version in tree.list("versions") {
        let name = version.text("version");
        for resource in version.list("resources") {
            let plural = resource.text("resource");
            let verbs = resource.list("verbs");
            let has = |verb: &str| verbs.iter().any(|known| known == verb);
            // What is stored elsewhere is known there.
            let is_elsewhere = convert::forms().iter().any(|form| {
                (form.group, form.resource) == (group, plural) && form.group != form.stored.group()
            });
            if !(has("get") && has("list") && has("watch")) || plural.is_empty() || is_elsewhere {
                continue;
            }
            match kinds.iter_mut().find(|info| info.kind.resource() == plural) {
                Some(info) => info.versions.push(name.into()),
                None => kinds.push(of_resource(Kind::named(group, plural), name, resource)),
            }
        }
    }
    for info in &mut kinds {
        let Some(known) = built_in.get(info.kind) else { continue };
        // Its other versions have another form.
        let served: Vec<Str> =
            known.versions.iter().filter(|known| info.versions.contains(known)).cloned().collect();
        let versions = if served.is_empty() { std::mem::take(&mut info.versions) } else { served };
        *info = (*known).clone();
        info.versions = versions;
    }
    kinds
}

fn of_resource(kind: Kind, version: &str, tree: &Value) -> KindInfo {
    let name = tree.at("responseKind").map_or("", |kind| kind.text("kind"));
    let scope = if tree.text("scope") == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
    let texts = |field: &str| tree.list(field).iter().filter_map(Value::as_str).map(Str::from).collect();
    let parts = tree.list("subresources").iter().map(|part| part.text("subresource"));
    let mut info = KindInfo::new(kind, version, name, scope);
    info.subresources =
        parts.filter_map(|name| PARTS.into_iter().find(|part| part.as_str() == name)).collect();
    if !tree.text("singularResource").is_empty() {
        info.singular = tree.text("singularResource").into();
    }
    info.short_names = texts("shortNames");
    info.categories = texts("categories");
    info
}
