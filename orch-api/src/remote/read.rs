//! Get and list.
//!
//! A list without a limit is asked for in pages, so that one answer stays small. Invariant: what is listed of a kind stands
//! at one revision.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request};
use orch_core::{Error, Key, Kind, KindInfo, Live, Object, Page, Result, Revision, Select, Str};
use serde_json::{Value, json};

use super::RemoteApi;
use super::error::{About, Asks};
use super::exchange::Answer;
use super::path::Path;
use crate::tree::Get;

/// Objects an answer, as Kubernetes' own clients ask for (`client-go/tools/pager`).
const PAGE: u32 = 500;
/// How often a list begins anew when its history goes away under it.
const TRIES: usize = 3;

impl RemoteApi {
    /// Asks for something; an answer that is no success is an error.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &Path,
        content: Option<(&'static str, Bytes)>,
        about: &About,
    ) -> Result<Answer> {
        let request = Request::builder().method(method).uri(path.as_str()).header(ACCEPT, "application/json");
        let (request, body) = match content {
            Some((ty, body)) => (request.header(http::header::CONTENT_TYPE, ty), body),
            None => (request, Bytes::new()),
        };
        let answer = self.send(request, body).await.map_err(|lost| about.lost(lost))?;
        if answer.code.is_success() {
            return Ok(answer);
        }
        Err(about.refused(&self.shared.registry, &answer))
    }
}

/// Refuses a key that would name another place, or a collection.
pub(super) fn check(info: &KindInfo, key: &Key) -> Result<()> {
    let wrong = |field: &str, why: &str| {
        Err(Error::Malformed { subject: key.to_string(), field: field.to_owned(), why: why.to_owned() })
    };
    if matches!(&*key.name, "" | "." | "..") {
        return wrong("metadata.name", "must be the name of an object");
    }
    placed(info, &key.namespace).or_else(|why| wrong("metadata.namespace", why))
}

/// Refuses a namespace where there is none, and the lack of one.
pub(super) fn placed(info: &KindInfo, namespace: &str) -> Result<(), &'static str> {
    match (info.is_namespaced(), namespace) {
        (true, "" | "." | "..") => Err("must be the name of a namespace"),
        (false, other) if !other.is_empty() => Err("must be empty: the kind has no namespaces"),
        _ => Ok(()),
    }
}

/// An object as a server sends it.
pub(super) fn live(info: &KindInfo, mut tree: Value) -> Result<Live> {
    if let Some(fields) = tree.as_object_mut() {
        // Items of typed lists do not say what they are.
        fields.entry("apiVersion").or_insert_with(|| info.api_version().into());
        fields.entry("kind").or_insert_with(|| (&*info.name).into());
    }
    let metadata = tree.at("metadata").cloned().unwrap_or_default();
    let revision = metadata.text("resourceVersion").parse().unwrap_or_default();
    let object = Object::encode(info, &tree)?.at(revision);
    if let Some(metadata) = tree.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    Ok(Live::fresh(object, Arc::new(tree)))
}

/// The tree of an answer.
pub(super) fn tree(answer: &Answer) -> Result<Value> {
    serde_json::from_slice(&answer.body).map_err(|error| Error::Internal {
        part: "the API server".into(),
        why: format!("an answer that is no JSON: {error}"),
    })
}

pub(super) async fn get(api: &RemoteApi, key: &Key, at_least: Revision) -> Result<Live> {
    let info = api.info(key.kind)?;
    check(&info, key)?;
    let path = Path::object(&info, None, key);
    let (path, about) = match at_least {
        Revision::ZERO => (path, About::read(key)),
        at_least => (path.with("resourceVersion", &at_least.to_string()), About::read_at(key, at_least)),
    };
    let answer = api.ask(Method::GET, &path, None, &about).await?;
    live(&info, tree(&answer)?)
}

/// A list that the server has given a part of.
pub(super) struct Chunk {
    pub(super) items: Vec<Live>,
    pub(super) revision: Revision,
    /// Where to go on.
    pub(super) next: String,
    remaining: Option<u64>,
}

async fn chunk(
    api: &RemoteApi,
    info: &KindInfo,
    what: &Select,
    at: (&str, Revision),
    limit: u32,
) -> Result<Chunk> {
    let (place, revision) = at;
    let namespace = what.namespace.as_deref().unwrap_or_default();
    let path = Path::collection(info, None, namespace).selected(what).with("limit", &limit.to_string());
    let key = Key::new(info.kind, namespace, "");
    let (path, about) = match place {
        "" => (path, About::read(&key)),
        place => (path.with("continue", place), About { asks: Asks::Page, ..About::read_at(&key, revision) }),
    };
    let answer = api.ask(Method::GET, &path, None, &about).await?;
    let mut tree = tree(&answer)?;
    let items = match tree.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let metadata = tree.at("metadata").cloned().unwrap_or_default();
    Ok(Chunk {
        items: items.into_iter().map(|item| live(info, item)).collect::<Result<_>>()?,
        revision: metadata.text("resourceVersion").parse().unwrap_or_default(),
        next: metadata.text("continue").to_owned(),
        remaining: metadata.number("remainingItemCount").and_then(|count| u64::try_from(count).ok()),
    })
}

/// Every selected object of a kind.
pub(super) async fn every(api: &RemoteApi, info: &KindInfo, what: &Select) -> Result<Chunk> {
    let mut tries = 0;
    loop {
        match every_once(api, info, what).await {
            Err(Error::Compacted { .. }) if tries < TRIES => tries += 1,
            answer => return answer,
        }
    }
}

async fn every_once(api: &RemoteApi, info: &KindInfo, what: &Select) -> Result<Chunk> {
    let mut all = chunk(api, info, what, ("", Revision::ZERO), PAGE).await?;
    while !all.next.is_empty() {
        let more = chunk(api, info, what, (&all.next, all.revision), PAGE).await?;
        all.items.extend(more.items);
        all.next = more.next;
    }
    Ok(all)
}

/// The revision that is current now, as a list of next to nothing tells.
pub(super) async fn current(api: &RemoteApi, kind: Kind, namespace: &str) -> Result<Revision> {
    let info = api.info(kind)?;
    let select = Select::kind(kind);
    let select = if namespace.is_empty() { select } else { select.namespace(namespace) };
    Ok(chunk(api, &info, &select, ("", Revision::ZERO), 1).await?.revision)
}

/// Where a list goes on.
#[derive(Debug, Default)]
struct Place {
    kind: usize,
    next: String,
    /// Of the whole list.
    revision: Revision,
    /// Of the kind that is under way.
    own: Revision,
}

impl Place {
    fn read(page: &str, kinds: &[Arc<KindInfo>]) -> Result<Self> {
        let tree: Value = serde_json::from_str(page).map_err(|_| Error::BadPage)?;
        let is_it = |info: &Arc<KindInfo>| {
            (info.kind.group(), info.kind.resource()) == (tree.text("group"), tree.text("resource"))
        };
        let revision = |field| tree.at(field).and_then(Value::as_u64).map(Revision).ok_or(Error::BadPage);
        Ok(Self {
            kind: kinds.iter().position(is_it).ok_or(Error::BadPage)?,
            next: tree.text("next").to_owned(),
            revision: revision("revision")?,
            own: revision("own")?,
        })
    }

    /// `None` when nothing follows.
    fn write(&self, kinds: &[Arc<KindInfo>]) -> Option<Str> {
        let kind = kinds.get(self.kind)?.kind;
        let tree = json!({"group": kind.group(), "resource": kind.resource(), "next": self.next,
            "revision": self.revision.0, "own": self.own.0});
        Some(tree.to_string().into())
    }
}

/// The kinds of a selection; those that a namespace cannot have are left out of a list of all.
fn kinds(api: &RemoteApi, what: &Select) -> Result<Vec<Arc<KindInfo>>> {
    if !what.kinds.is_empty() {
        return what.kinds.iter().map(|kind| api.info(*kind)).collect();
    }
    let mut all = api.shared.registry.kinds();
    all.retain(|info| info.is_namespaced() || what.namespace.is_none());
    Ok(all)
}

pub(super) async fn list(api: &RemoteApi, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
    let kinds = kinds(api, what)?;
    let mut place = match &page {
        Some(page) => Place::read(page, &kinds)?,
        None => Place::default(),
    };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut items, mut remaining) = (Vec::new(), None);
    while let Some(info) = kinds.get(place.kind) {
        if what.namespace.is_some() && !info.is_namespaced() {
            place.kind += 1;
            continue;
        }
        let chunk = match limit {
            0 if place.next.is_empty() => every(api, info, what).await,
            _ => {
                let room = wanted.saturating_sub(items.len());
                let room = if limit == 0 { PAGE } else { u32::try_from(room).unwrap_or(PAGE) };
                chunk(api, info, what, (&place.next, place.own), room).await
            }
        };
        let chunk = match chunk {
            // Of all the kinds that are known here some may not be there.
            Err(Error::UnknownKind { .. }) if what.kinds.len() != 1 => {
                place.kind += 1;
                continue;
            }
            chunk => chunk?,
        };
        if place.revision == Revision::ZERO {
            place.revision = chunk.revision;
        }
        items.extend(chunk.items.into_iter().map(Live::into_object));
        remaining = chunk.remaining.filter(|_| kinds.len() == 1);
        (place.next, place.own) = (chunk.next, chunk.revision);
        if place.next.is_empty() {
            place.kind += 1;
        }
        if limit > 0 && items.len() >= wanted {
            break;
        }
    }
    if limit == 0 {
        items.sort_by(|a, b| a.key().cmp(b.key()));
    }
    let page = Page::new(items, place.revision);
    Ok(match place.write(&kinds) {
        Some(next) => page.followed(next, remaining),
        None => page,
    })
}
