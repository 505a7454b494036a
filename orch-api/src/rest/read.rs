//! The verbs get and list (`apiserver/pkg/endpoints/handlers/get.go`, `pkg/storage/etcd3/store.go`).
//!
//! A list stands at one revision, over all its pages. Invariant: whatever a client says about the revision, it gets that or
//! an error, never something older.

use std::time::Duration;

use futures::future::BoxFuture;
use orch_core::{Error, Object, Result as CoreResult, Revision, Select, Str};

use super::body::Answer;
use super::call::Call;
use super::output::{self, Listed};
use super::past;
use super::query::{ListOptions, Match, revision};
use super::status::{Doing, Status};
use super::token::Token;

/// How long a read waits for a revision that has not come (`blockTimeout` of the watch cache).
const WAIT: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(25);

/// Revisions from which an exact list of old is pieced together without the store's own pages.
const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";

/// `NewResourceExpired` of a page that is gone.
const PAGE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
    new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
    results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
    deleted between the time the first chunk was returned and now may show up in the list.";

pub(super) async fn get(call: Call) -> Answer {
    let at_least = revision(&call.request.query)?.unwrap_or_default();
    let (key, api) = (call.key(), &call.api);
    let live = arrived(&call, || api.get(&key, at_least)).await?;
    output::object(&call, 200, live.object())
}

pub(super) async fn list(call: Call) -> Answer {
    let options = ListOptions::read(&call.request.query, &call.info, call.version(), call.served, false)?;
    let listed = listed(&call, &options).await?;
    output::list(call, listed)
}

/// What is selected by a request.
pub(super) fn selection(call: &Call, options: &ListOptions) -> Select {
    call.select().labels(options.labels.clone()).fields(options.fields.clone())
}

/// Tries a read until the revision that it asks for has come.
pub(super) async fn arrived<'a, T>(
    call: &Call,
    read: impl Fn() -> BoxFuture<'a, CoreResult<T>>,
) -> Result<T, Status> {
    let env = &call.shared.env;
    let until = env.elapsed() + WAIT;
    loop {
        match read().await {
            Ok(found) => return Ok(found),
            Err(Error::Ahead { .. }) if env.elapsed() < until => env.sleep(STEP).await,
            Err(error) => return Err(call.failed(&error, Doing::Read)),
        }
    }
}

pub(super) async fn listed(call: &Call, options: &ListOptions) -> Result<Listed, Status> {
    let select = selection(call, options);
    let asked = options.revision.unwrap_or_default();
    if !options.page.is_empty() {
        if asked != Revision::ZERO {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return next(call, &select, &Token::read(&options.page)?, options.limit).await;
    }
    // A limit without a word on the revision means exactly that one, for the sake of old clients.
    let is_exact = match options.matching {
        Some(matching) => matching == Match::Exact,
        None => options.limit > 0,
    };
    if is_exact && asked != Revision::ZERO {
        let items = as_of(call, &select, asked).await?;
        return Ok(cut(items, asked, options.limit));
    }
    // What may be of any revision comes whole (`computeListLimit` of `storage/cacher/cacher.go`).
    let limit = if options.revision == Some(Revision::ZERO) { 0 } else { options.limit };
    let api = &call.api;
    arrived(call, || {
        Box::pin(async {
            let check = |current: Revision| match current < asked {
                true => Err(Error::Ahead { requested: asked, current }),
                false => Ok(()),
            };
            // What has not come is waited for with small lists.
            if asked != Revision::ZERO {
                check(api.list(&Select::kind(call.info.kind), None, 1).await?.revision)?;
            }
            let page = api.list(&select, None, limit).await?;
            check(page.revision)?;
            Ok(page)
        })
    })
    .await
    .map(|page| {
        let token = page.next.clone().and_then(|next| following(&page.items, page.revision, Some(next)));
        Listed {
            page: token.unwrap_or_default(),
            items: page.items,
            revision: page.revision,
            remaining: page.remaining,
        }
    })
}

/// Every object as of a revision that is exactly that.
async fn as_of(call: &Call, select: &Select, revision: Revision) -> Result<Vec<Object>, Status> {
    let api = &*call.api;
    let found = arrived(call, || Box::pin(past::as_of(api, select, revision))).await;
    found.map_err(|status| if status.code() == 410 { Status::expired(TOO_OLD) } else { status })
}

/// The first objects, and where to go on.
fn cut(mut items: Vec<Object>, revision: Revision, limit: u32) -> Listed {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 || items.len() <= limit {
        return Listed { items, revision, ..Listed::default() };
    }
    let remaining = u64::try_from(items.len() - limit).ok();
    items.truncate(limit);
    let page = following(&items, revision, None).unwrap_or_default();
    Listed { items, revision, page, remaining }
}

fn following(items: &[Object], revision: Revision, page: Option<Str>) -> Option<String> {
    let last = items.last()?;
    Some(Token::new(i64::try_from(revision.0).unwrap_or(i64::MAX), last.key(), page).write())
}

/// The next page of a list.
async fn next(call: &Call, select: &Select, token: &Token, limit: u32) -> Result<Listed, Status> {
    let api = &*call.api;
    let Ok(revision) = u64::try_from(token.rv).map(Revision) else {
        // The list goes on as of now.
        let page = api.list(select, None, 0).await.map_err(|error| call.failed(&error, Doing::Read))?;
        return Ok(cut(behind(page.items, token), page.revision, limit));
    };
    if let Some(page) = &token.page {
        match api.list(select, Some(page.clone()), limit).await {
            Ok(page) => {
                let token =
                    page.next.clone().and_then(|next| following(&page.items, page.revision, Some(next)));
                return Ok(Listed {
                    page: token.unwrap_or_default(),
                    items: page.items,
                    revision: page.revision,
                    remaining: page.remaining,
                });
            }
            Err(Error::Compacted { .. }) => return Err(gone(token)),
            // Another store's, or another selection's: the key and the revision still say where to go on.
            Err(Error::BadPage) => {}
            Err(error) => return Err(call.failed(&error, Doing::Read)),
        }
    }
    match past::as_of(api, select, revision).await {
        Ok(items) => Ok(cut(behind(items, token), revision, limit)),
        Err(Error::Compacted { .. }) => Err(gone(token)),
        Err(error) => Err(call.failed(&error, Doing::Read)),
    }
}

fn behind(mut items: Vec<Object>, token: &Token) -> Vec<Object> {
    let after = token.after();
    items.retain(|object| (&*object.key().namespace, &*object.key().name) > after);
    items
}

/// A page whose history is gone, with a token for going on as of now.
fn gone(token: &Token) -> Status {
    let mut again = token.clone();
    again.rv = -1;
    again.page = None;
    Status::expired(PAGE_TOO_OLD).page(again.write())
}
