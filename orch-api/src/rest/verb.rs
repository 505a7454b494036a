//! Which verb a request is, and whether the resource has it (`apiserver/pkg/endpoints/installer.go`).
//!
//! Not the verbs themselves. Invariant: what is not in this table is 404 or 405, never a write.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use orch_core::selector::{FieldOperator, FieldSelector, FieldTerm};
use orch_core::{Api, Key, KindInfo, Registry, Str, Subresource, User, kind};

use super::access::Attributes;
use super::body::{self, Answer, BodyError};
use super::call::subresource;
use super::metrics::Place;
use super::query::Query;
use super::service::{Seen, Shared};
use super::status::Status;
use super::target::ResourceTarget;
use super::{create, delete, discovery, log, negotiate, read, scale, table, watch, write};
use crate::convert;
use crate::custom::CustomKind;

/// A request to a resource, without its body.
pub(super) struct Request {
    pub(super) target: ResourceTarget,
    pub(super) query: Query,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) user: Arc<User>,
}

/// The verb as authorizers know it; empty for methods that have none.
fn name(method: &Method, target: &ResourceTarget, query: &Query) -> &'static str {
    let is_collection = target.name.is_empty();
    match *method {
        _ if target.is_watch => "watch",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if is_collection => "deletecollection",
        Method::DELETE => "delete",
        Method::GET | Method::HEAD if is_collection && query.flag("watch") => "watch",
        Method::GET | Method::HEAD if is_collection => "list",
        Method::GET | Method::HEAD => "get",
        _ => "",
    }
}

/// What the authorizer is asked. A list or watch of one name counts as one of that name, and a namespace stands in itself, so
/// that a role in it may give it.
pub(super) fn attributes(method: &Method, target: &ResourceTarget, query: &Query) -> Attributes {
    let verb = name(method, target, query);
    let is_itself = &*target.resource == kind::NAMESPACES.resource() && target.namespace.is_empty();
    let namespace = if is_itself { &target.name } else { &target.namespace };
    let selected = match verb {
        "list" | "watch" if !target.is_watch => selected_name(query),
        _ => None,
    };
    Attributes {
        verb: verb.into(),
        group: target.group.clone(),
        version: target.version.clone(),
        resource: target.resource.clone(),
        subresource: target.subresource.clone(),
        namespace: namespace.clone(),
        name: selected.map_or_else(|| target.name.clone(), Str::from),
        path: Str::default(),
    }
}

/// The one name that a field selector leaves, if it is one that an object can have in a path.
fn selected_name(query: &Query) -> Option<String> {
    let fields: FieldSelector = query.text("fieldSelector").parse().ok()?;
    let is_name = |term: &&FieldTerm| term.field == "metadata.name" && term.operator == FieldOperator::Equals;
    let name = &fields.terms().iter().find(is_name)?.value;
    let is_segment = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '%']);
    is_segment.then(|| name.clone())
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

/// Decides what a request does.
///
/// # Errors
/// 404 when there is no such resource, 405 when it does not have the verb.
fn decide(info: &KindInfo, request: &Request) -> Result<(Do, Subresource), Status> {
    let target = &request.target;
    let (is_collection, everywhere) = (target.name.is_empty(), target.namespace.is_empty());
    let is_placed = if info.is_namespaced() { is_collection || !everywhere } else { everywhere };
    let version = CustomKind::of(info).and_then(|custom| custom.version(&target.version));
    let is_served = |part: &Subresource| {
        is_placed && target.rest.is_empty() && version.is_none_or(|version| version.has(*part))
    };
    let Some(part) = subresource(info, &target.subresource).filter(is_served) else {
        let is_object = version.is_some() && is_placed && !is_collection;
        let key = || Key::new(info.kind, &*target.namespace, &*target.name);
        return Err(if is_object { Status::not_found(&key()) } else { Status::no_resource() });
    };
    let in_one_place = !info.is_namespaced() || !everywhere;
    let (is_whole, is_collected) = (part == Subresource::None, info.kind != kind::NAMESPACES);
    use Subresource::{Binding, Eviction, Finalize, Log, Token};
    let is_made = matches!(part, Binding | Eviction | Token);
    let is_read = !is_made && part != Finalize;
    let verb = name(&request.method, target, &request.query);
    let is_of_many = matches!(verb, "watch" | "list" | "deletecollection");
    if is_of_many && !is_whole {
        return Err(Status::no_resource());
    }
    Ok(match verb {
        "watch" if matches!(request.method, Method::GET | Method::HEAD) => (Do::Watch, part),
        "list" => (Do::List, part),
        "get" if is_read => (Do::Get, part),
        "create" if is_collection && in_one_place => (Do::Create, part),
        "create" if is_made => (Do::Create, part),
        _ if part == Log => return Err(Status::no_method()),
        "update" if !is_collection && (is_read || part == Finalize) => (Do::Update, part),
        "patch" if !is_collection && is_read => (Do::Patch, part),
        "delete" if is_whole => (Do::Delete, part),
        "deletecollection" if in_one_place && is_collected => (Do::DeleteCollection, part),
        _ if version.is_some() && !is_whole => return Err(Status::unsupported_verb(verb, info.kind)),
        _ => return Err(Status::no_method()),
    })
}

/// The kind that a path names, and the form in which it is served there, if that is not the stored one.
fn find(
    registry: &Registry,
    target: &ResourceTarget,
) -> Option<(Arc<KindInfo>, Option<&'static convert::Form>)> {
    if let Some(form) = convert::form(&target.group, &target.version, &target.resource) {
        return Some((registry.get(form.stored)?, Some(form)));
    }
    let info = registry.by_resource(&target.group, &target.resource)?;
    info.versions.iter().any(|version| **version == *target.version).then_some((info, None))
}

/// What metrics call a request (`cleanVerb` and `CleanScope` of `apiserver/pkg/endpoints/metrics/metrics.go`).
fn place(
    what: Do,
    part: Subresource,
    (info, served): &(Arc<KindInfo>, Option<&'static convert::Form>),
    request: &Request,
) -> Place {
    let verb = match what {
        Do::Get => "GET",
        Do::List => "LIST",
        Do::Watch => "WATCH",
        Do::Create => "POST",
        Do::Update => "PUT",
        Do::Patch if negotiate::media(&request.headers) == "application/apply-patch+yaml" => "APPLY",
        Do::Patch => "PATCH",
        Do::Delete => "DELETE",
        Do::DeleteCollection => "DELETECOLLECTION",
    };
    let target = &request.target;
    let scope = match (target.name.is_empty(), target.namespace.is_empty()) {
        (false, _) => "resource",
        _ if what == Do::Create => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    };
    let group = served.map_or(info.kind.group(), |form| form.group);
    Place::resource(verb, (group, target.version.clone(), info.kind.resource()), part.as_str(), scope)
}

/// Answers a request to a resource; `api` is bound to the user who asks.
pub(super) async fn answer<B>(
    shared: &Arc<Shared>,
    api: Arc<dyn Api>,
    request: Request,
    body: B,
    seen: &mut Seen,
) -> Answer
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let target = &request.target;
    let registry = shared.api.registry();
    let Some(found) = find(registry, target) else {
        return discovery::unserved(registry, &target.group);
    };
    let (what, part) = decide(&found.0, &request)?;
    let place = place(what, part, &found, &request);
    seen.place = Some(place.clone());
    seen.is_dry_run = request.query.has("dryRun");
    if (what, part) == (Do::Get, Subresource::Log) {
        return Box::pin(log::get(shared, &request)).await;
    }
    let form = negotiate::objects(&request.headers)?;
    table::check(form, &request.query)?;
    let mut call = shared.call(api, request, found, form, place);
    if call.info.kind == kind::ENDPOINTS {
        let warning = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        call.warnings.push(warning.to_owned());
    }
    if let Some(warning) = call.custom().and_then(|(_, version)| version.warning.clone()) {
        call.warnings.push(warning);
    }
    // In boxes, so that a get's future is not as large as that of the largest verb.
    match (what, part) {
        (Do::Get, Subresource::Scale) => Box::pin(scale::get(call)).await,
        (Do::Get, _) => read::get(call).await,
        (Do::List, _) => Box::pin(read::list(call)).await,
        (Do::Watch, _) => Box::pin(watch::watch(call)).await,
        (Do::Delete, _) => Box::pin(with(shared, body, |body| delete::one(call, body))).await,
        (Do::DeleteCollection, _) => {
            Box::pin(with(shared, body, |body| delete::collection(call, body))).await
        }
        (Do::Create, _) => Box::pin(with(shared, body, |body| create::create(call, part, body))).await,
        (Do::Update, _) => Box::pin(with(shared, body, |body| write::update(call, part, body))).await,
        (Do::Patch, _) => Box::pin(with(shared, body, |body| write::patch(call, part, body))).await,
    }
}

/// Answers with the body of the request.
async fn with<B, F>(shared: &Shared, body: B, answer: impl FnOnce(Bytes) -> F) -> Answer
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
    F: Future<Output = Answer>,
{
    let body = body::read(body).await?;
    let _room = shared.room.of(&body).await;
    answer(body).await
}

#[cfg(test)]
mod tests {
    use orch_core::Registry;

    use super::super::target::{Target, parse};
    use super::*;

    #[track_caller]
    fn check(method: Method, uri: &str, expected: Result<(Do, Subresource), u16>) {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let Some(Target::Resource(target)) = parse(path) else { panic!("{path} is no resource") };
        let info = Registry::built_in().by_resource(&target.group, &target.resource).unwrap();
        let query = Query::parse(query);
        let request = Request { target, query, method, headers: HeaderMap::new(), user: Arc::default() };
        assert_eq!(decide(&info, &request).map_err(|status| status.code()), expected, "{uri}");
    }

    #[test]
    fn every_method_has_its_verb_or_none() {
        use Subresource::{Binding, Eviction, Finalize, None, Scale, Status};
        let pods = "/api/v1/namespaces/a/pods";
        check(Method::GET, "/api/v1/pods", Ok((Do::List, None)));
        check(Method::GET, "/api/v1/pods?watch=1", Ok((Do::Watch, None)));
        check(Method::GET, "/api/v1/watch/pods", Ok((Do::Watch, None)));
        check(Method::GET, "/api/v1/watch/namespaces/a/pods/x/status", Err(404));
        check(Method::POST, "/api/v1/watch/namespaces/a/pods", Err(405));
        check(Method::DELETE, "/api/v1/watch/namespaces/a/pods/x", Err(405));
        for method in [Method::OPTIONS, Method::TRACE, Method::CONNECT, "SEARCH".parse().unwrap()] {
            check(method.clone(), pods, Err(405));
            check(method, &format!("{pods}/x"), Err(405));
        }
        check(Method::POST, "/api/v1/pods", Err(405));
        check(Method::POST, pods, Ok((Do::Create, None)));
        check(Method::PUT, pods, Err(405));
        check(Method::DELETE, pods, Ok((Do::DeleteCollection, None)));
        check(Method::DELETE, "/api/v1/pods", Err(405));
        check(Method::DELETE, "/api/v1/namespaces", Err(405));
        check(Method::DELETE, "/api/v1/namespaces/a", Ok((Do::Delete, None)));
        check(Method::POST, &format!("{pods}/x"), Err(405));
        check(Method::GET, "/api/v1/pods/x", Err(404));
        check(Method::GET, "/api/v1/namespaces/a/nodes", Err(404));
        check(Method::PATCH, &format!("{pods}/x/status"), Ok((Do::Patch, Status)));
        check(Method::DELETE, &format!("{pods}/x/status"), Err(405));
        check(Method::POST, &format!("{pods}/x/binding"), Ok((Do::Create, Binding)));
        check(Method::POST, &format!("{pods}/x/eviction"), Ok((Do::Create, Eviction)));
        check(Method::GET, &format!("{pods}/x/eviction"), Err(405));
        check(Method::GET, &format!("{pods}/x/nope"), Err(404));
        check(Method::PUT, "/api/v1/namespaces/a/finalize", Ok((Do::Update, Finalize)));
        check(Method::GET, "/apis/apps/v1/namespaces/a/deployments/x/scale", Ok((Do::Get, Scale)));
        check(Method::GET, "/api/v1/namespaces/a/configmaps/x/status", Err(404));
    }

    #[test]
    fn the_authorizer_is_asked_what_will_be_done() {
        for (method, uri, expected) in [
            (Method::GET, "/api/v1/namespaces/a", ("get", "a", "a")),
            (Method::PUT, "/api/v1/namespaces/a/finalize", ("update", "a", "a")),
            (Method::GET, "/api/v1/namespaces", ("list", "", "")),
            (Method::GET, "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dx", ("list", "a", "x")),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods?watch=1&fieldSelector=metadata.name%3Dx",
                ("watch", "a", "x"),
            ),
            (Method::GET, "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%21%3Dx", ("list", "a", "")),
            (Method::GET, "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3D..", ("list", "a", "")),
            (
                Method::DELETE,
                "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dx",
                ("deletecollection", "a", ""),
            ),
            (Method::POST, "/api/v1/watch/namespaces/a/pods", ("watch", "a", "")),
            (Method::OPTIONS, "/api/v1/namespaces/a/pods", ("", "a", "")),
        ] {
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            let Some(Target::Resource(target)) = parse(path) else { panic!("{path} is no resource") };
            let asked = attributes(&method, &target, &Query::parse(query));
            assert_eq!((&*asked.verb, &*asked.namespace, &*asked.name), expected, "{method} {uri}");
        }
    }
}
