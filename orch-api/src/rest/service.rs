//! The server without a socket: a [`tower::Service`] of HTTP requests.
//!
//! It finds out who asks and for what, asks the authorizer, and hands on. Not the verbs. Invariant: whatever happens, the
//! client gets an answer, and one that Kubernetes' clients understand.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use http::{Method, Request, Response};
use orch_core::{Api, Env, PodLogs, User};
use tokio::sync::Semaphore;

use super::access::{self, Attributes, Authorizer, Caller, Masters};
use super::again::Again;
use super::bearer::Authenticator;
use super::body::{self, Answer, Body, BodyError, Room};
use super::call::Call;
use super::health::Check;
use super::lines::Lines;
use super::metrics::{self, Metrics, Place};
use super::query::Query;
use super::status::Status;
use super::target::{self, Target};
use super::{discovery, gzip, health, issuer, openapi, pretty, review, verb, version};

/// Requests at work at once by default, reads and writes together (`--max-requests-inflight` and
/// `--max-mutating-requests-inflight`). A watch counts until it is open.
const IN_FLIGHT: usize = 600;

/// How long anything but a watch may take (`--request-timeout`).
const TIMEOUT: Duration = Duration::from_secs(60);

/// The Kubernetes REST API over an [`Api`]. Cloning copies a pointer.
///
/// Who asks stands in the request's extensions as a [`User`]; a request without one is anonymous, unless
/// [`Rest::acting_as`] says otherwise.
///
/// ```
/// use std::sync::Arc;
/// use http_body_util::{BodyExt, Full};
/// use orch_api::{LocalApi, rest::Rest};
/// use orch_core::{Registry, User};
/// use orch_store::MemStore;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let api = LocalApi::builder(Arc::new(MemStore::new(registry.clone())), env.clone(), registry).build();
/// api.bootstrap().await.unwrap();
/// let mut admin = User::new("admin");
/// admin.groups = vec!["system:masters".into()];
/// let rest = Rest::builder(Arc::new(api), &env).build().acting_as(admin);
/// let request = http::Request::get("/api/v1/namespaces/default").body(Full::<bytes::Bytes>::default()).unwrap();
/// let answer = rest.answer(request).await;
/// assert_eq!(answer.status(), 200);
/// let body = answer.into_body().collect().await.unwrap().to_bytes();
/// let namespace: serde_json::Value = serde_json::from_slice(&body).unwrap();
/// assert_eq!(namespace["status"]["phase"], "Active");
/// # });
/// ```
#[derive(Clone)]
pub struct Rest {
    shared: Arc<Shared>,
    who: Who,
}

/// Whom requests come from that do not say who asks.
#[derive(Clone)]
enum Who {
    Nobody,
    Known(Caller),
    /// Somebody whose certificate is not one that the server trusts.
    Untrusted,
}

pub(super) struct Shared {
    pub(super) api: Arc<dyn Api>,
    pub(super) env: Env,
    pub(super) authorizer: Arc<dyn Authorizer>,
    pub(super) authenticator: Option<Arc<dyn Authenticator>>,
    pub(super) logs: Option<Arc<dyn PodLogs>>,
    pub(super) checks: Vec<Arc<dyn Check>>,
    pub(super) metrics: Metrics,
    pub(super) lines: Lines,
    pub(super) room: Room,
    pub(super) again: Again,
    in_flight: Semaphore,
}

/// What became known of a request on its way.
#[derive(Default)]
pub(super) struct Seen {
    /// What it is for, once that is known to be there.
    pub(super) place: Option<Place>,
    pub(super) is_dry_run: bool,
}

/// What a [`Rest`] is made of.
#[must_use]
pub struct RestBuilder {
    api: Arc<dyn Api>,
    env: Env,
    authorizer: Arc<dyn Authorizer>,
    authenticator: Option<Arc<dyn Authenticator>>,
    logs: Option<Arc<dyn PodLogs>>,
    checks: Vec<Arc<dyn Check>>,
    in_flight: usize,
}

impl RestBuilder {
    /// Who may do what; [`Masters`] by default.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Arc::new(authorizer);
        self
    }

    /// Who shows bearer tokens; without, none is good.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Where logs of pods come from; without, they are unavailable.
    pub fn logs(mut self, logs: Arc<dyn PodLogs>) -> Self {
        self.logs = Some(logs);
        self
    }

    /// How many requests may be at work at once, 600 by default; who comes then is told to come again. Members of
    /// `system:masters` always get an answer.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests.min(Semaphore::MAX_PERMITS);
        self
    }

    /// A health check besides those given before.
    pub fn check(mut self, check: impl Check) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// The service.
    #[must_use]
    pub fn build(self) -> Rest {
        let Self { api, env, authorizer, authenticator, logs, checks, in_flight } = self;
        let in_flight = Semaphore::new(in_flight);
        let (metrics, lines, room) = (Metrics::default(), Lines::default(), Room::default());
        let again = Again::default();
        let shared = Shared {
            api,
            env,
            authorizer,
            authenticator,
            logs,
            checks,
            metrics,
            lines,
            room,
            again,
            in_flight,
        };
        Rest { shared: Arc::new(shared), who: Who::Nobody }
    }
}

impl Rest {
    /// A server over an Api; `env` gives it clock and randomness.
    pub fn builder(api: Arc<dyn Api>, env: &Env) -> RestBuilder {
        let env = env.child("rest");
        let authorizer = Arc::new(Masters);
        RestBuilder {
            api,
            env,
            authorizer,
            authenticator: None,
            logs: None,
            checks: Vec::new(),
            in_flight: IN_FLIGHT,
        }
    }

    /// The same server, for which requests that do not say who asks come from that user: for use in the process.
    #[must_use]
    pub fn acting_as(&self, user: User) -> Self {
        self.with(Who::Known(self.shared.caller(user)))
    }

    /// The same server, for which requests that do not say who asks are anonymous.
    pub(super) fn acting_as_nobody(&self) -> Self {
        self.with(Who::Nobody)
    }

    /// The same server for a client whose certificate is not one that it trusts: a token alone says who that is.
    pub(super) fn acting_as_untrusted(&self) -> Self {
        self.with(Who::Untrusted)
    }

    fn with(&self, who: Who) -> Self {
        Self { shared: Arc::clone(&self.shared), who }
    }

    /// Answers a request. Dropping the future may leave a write done or not.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let (env, metrics) = (&self.shared.env, &self.shared.metrics);
        let began = env.elapsed();
        let at_work = metrics.at_work(request.method());
        let takes_gzip = gzip::is_taken(request.headers());
        let is_for_people = pretty::is_wanted(request.uri().query(), request.headers());
        let mut seen = Seen::default();
        let answered = env.timeout(TIMEOUT, self.routed(request, &mut seen)).await;
        let timeout = || {
            let message = "Timeout: request did not complete within the allotted timeout";
            Err(Status::failure(orch_core::Reason::Timeout, message))
        };
        let response = match answered.unwrap_or_else(timeout) {
            Ok(response) => response,
            Err(status) => body::status(&status),
        };
        if let Some(place) = seen.place {
            metrics.answered(place, seen.is_dry_run, response.status().as_u16(), env.elapsed() - began);
        }
        drop(at_work);
        let response = if is_for_people { pretty::indented(response).await } else { response };
        let mut response = if takes_gzip { gzip::compressed(response) } else { response };
        let headers = response.headers_mut();
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        if let Ok(id) = HeaderValue::from_str(&env.uuid()) {
            headers.insert("audit-id", id);
        }
        response
    }

    #[cfg(test)]
    pub(super) fn again(&self) -> &Again {
        &self.shared.again
    }

    #[cfg(test)]
    pub(super) fn shared_api(&self) -> Arc<dyn Api> {
        Arc::clone(&self.shared.api)
    }

    async fn routed<B>(&self, request: Request<B>, seen: &mut Seen) -> Answer
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        // What few requests need is boxed, so that the future of every request is small: it is moved several times.
        let (parts, body) = request.into_parts();
        let mut caller = match self.known(&parts.extensions) {
            Some(caller) => caller,
            None => Box::pin(self.shown(&parts.headers)).await?,
        };
        let permit = self.shared.in_flight.try_acquire();
        if permit.is_err() && !access::is_master(&caller.user) {
            return Err(Status::too_many());
        }
        let authorizer = &*self.shared.authorizer;
        if access::is_impersonating(&parts.headers) {
            let user = Box::pin(access::acting(authorizer, &caller.user, &parts.headers)).await?;
            caller = self.shared.caller(user);
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let Some(target) = target::parse(parts.uri.path()) else { return Ok(body::not_found()) };
        match target {
            Target::Path(path) => {
                let verb = parts.method.as_str().to_lowercase();
                let what = Attributes::path(&verb, parts.uri.path());
                access::check(authorizer, &caller.user, &what).await?;
                Box::pin(self.path(&path, &query, &parts, seen)).await
            }
            Target::Resource(target) => {
                let what = verb::attributes(&parts.method, &target, &query);
                access::check(authorizer, &caller.user, &what).await?;
                let http::request::Parts { method, headers, .. } = parts;
                let Caller { user, api } = caller;
                let request = verb::Request { target, query, method, headers, user };
                if let Some(review) = review::Review::of(&request) {
                    return Box::pin(review.answer(&self.shared, request, body)).await;
                }
                Box::pin(verb::answer(&self.shared, api, request, body, seen)).await
            }
        }
    }

    /// Who asks, when that is said beside the request: by the program, or by the certificate of a connection.
    fn known(&self, extensions: &http::Extensions) -> Option<Caller> {
        match (&self.who, extensions.get::<User>()) {
            (Who::Untrusted, _) | (Who::Nobody, None) => None,
            (_, Some(user)) => Some(self.shared.caller(user.clone())),
            (Who::Known(caller), None) => Some(caller.clone()),
        }
    }

    /// Who asks, by what the request shows: a token, or nothing.
    ///
    /// # Errors
    /// 401.
    async fn shown(&self, headers: &http::HeaderMap) -> Result<Caller, Status> {
        let Some(token) = bearer(headers) else {
            return match self.who {
                Who::Untrusted => Err(Status::unauthorized()),
                Who::Nobody | Who::Known(_) => Ok(self.shared.caller(access::anonymous())),
            };
        };
        let Some(authenticator) = &self.shared.authenticator else { return Err(Status::unauthorized()) };
        match authenticator.authenticate(&token, &[]).await {
            Ok(known) => Ok(self.shared.caller(known.user)),
            Err(error) => {
                tracing::debug!(%error, "a token is not good");
                Err(Status::unauthorized())
            }
        }
    }

    async fn path(
        &self,
        path: &[String],
        query: &Query,
        parts: &http::request::Parts,
        seen: &mut Seen,
    ) -> Answer {
        let shared = &*self.shared;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            // Documents are there to be read; what else there is, is not told.
            let is_document =
                path.first().is_some_and(|root| matches!(root.as_str(), "api" | "apis" | "version"));
            return if is_document { Err(Status::no_method()) } else { Ok(body::not_found()) };
        }
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [""] => Ok(discovery::paths(shared)),
            ["version"] => Ok(version::answer()),
            [root @ ("healthz" | "livez" | "readyz"), ref rest @ ..] if rest.len() < 2 => {
                seen.place = Some(Place::path(match root {
                    "healthz" => "/healthz",
                    "livez" => "/livez",
                    _ => "/readyz",
                }));
                Ok(health::answer(shared, root, rest.first().copied(), query).await)
            }
            ["metrics"] => Ok(metrics::answer(shared).await),
            [".well-known", "openid-configuration"] => Ok(issuer::configuration(shared)),
            ["openid", "v1", "jwks"] => Ok(issuer::keys(shared)),
            ["api" | "apis", ..] => discovery::answer(shared, path, &parts.headers),
            ["openapi", "v2"] => openapi::v2(shared, &parts.headers),
            ["openapi", "v3", ..] => Ok(openapi::answer(shared, &path[2..], query, &parts.headers)),
            _ => Ok(body::not_found()),
        }
    }
}

/// The bearer token of a request; other ways to say who one is are not known
/// (`apiserver/pkg/authentication/request/bearertoken`).
fn bearer(headers: &http::HeaderMap) -> Option<String> {
    let header = String::from_utf8_lossy(headers.get(AUTHORIZATION)?.as_bytes());
    let mut words = header.trim().splitn(3, ' ');
    words.next().filter(|scheme| scheme.eq_ignore_ascii_case("bearer"))?;
    words.next().filter(|token| !token.is_empty()).map(str::to_owned)
}

impl Shared {
    fn caller(&self, user: User) -> Caller {
        Caller::new(user, &*self.api)
    }

    /// Starts a call to a resource that is registered.
    pub(super) fn call(
        self: &Arc<Self>,
        api: Arc<dyn Api>,
        request: verb::Request,
        (info, served): (Arc<orch_core::KindInfo>, Option<&'static crate::convert::Form>),
        form: super::negotiate::Form,
        place: Place,
    ) -> Call {
        let (shared, warnings) = (Arc::clone(self), Vec::new());
        Call { shared, api, info, served, request, form, warnings, place }
    }
}

impl<B> tower::Service<Request<B>> for Rest
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let rest = self.clone();
        Box::pin(async move { Ok(rest.answer(request).await) })
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = match &self.who {
            Who::Known(caller) => Some(&*caller.user),
            Who::Nobody | Who::Untrusted => None,
        };
        f.debug_struct("Rest").field("user", &user).finish_non_exhaustive()
    }
}
