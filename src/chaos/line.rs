//! The line between everybody and the API server: requests over REST, without a socket.
//!
//! A request runs where its client waits, so what a crash or a broken line drops is dropped on both sides, as a server drops
//! what it does for a connection that has ended. Invariants: bodies are encoded and decoded as over a socket; a line on which
//! nothing is wrong changes nothing of what is sent.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::unfold;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody};
use orch_api::remote::{AnswerBody, RemoteApi, RequestBody};
use orch_api::rest::{Attributes, Authorizer, Decision, Rest};
use orch_core::{Api, Env, Registry, User};
use orch_store::Faults;

type BodyError = Box<dyn std::error::Error + Send + Sync>;
type Sent = Result<Response<AnswerBody>, BodyError>;

/// The longest time until a connection breaks in the middle of a request.
const BREAKS: Duration = Duration::from_millis(200);

/// The line of a run. Cloning copies a pointer.
#[derive(Clone)]
pub(super) struct Line {
    env: Env,
    registry: Arc<Registry>,
    state: Arc<State>,
    /// One server with one client: whom a request is for stands in it.
    remote: Arc<OnceLock<RemoteApi>>,
}

/// How bad it is, with a random stream for each fault, so that none moves another.
struct State {
    faults: Mutex<Faults>,
    /// Sent so far.
    requests: AtomicU64,
    lost: Env,
    refused: Env,
    delay: Env,
    broken: Env,
    lag: Env,
}

impl Line {
    pub(super) fn new(env: &Env, registry: &Arc<Registry>) -> Self {
        let die = |name: &str| env.child("faults").child(name);
        let state = State {
            faults: Mutex::new(Faults::quiet()),
            requests: AtomicU64::new(0),
            lost: die("lost"),
            refused: die("refused"),
            delay: die("delay"),
            broken: die("broken"),
            lag: die("lag"),
        };
        let (registry, remote) = (Arc::clone(registry), Arc::default());
        Self { env: env.clone(), registry, state: Arc::new(state), remote }
    }

    /// The Api behind the line. The first that is given has the server; whoever asks later reaches the same.
    pub(super) fn to(&self, api: Arc<dyn Api>) -> Arc<dyn Api> {
        let remote = self.remote.get_or_init(|| {
            let rest =
                Rest::builder(api, &self.env).authorizer(Anybody).build().acting_as(crate::client::admin());
            let end = End { rest, env: self.env.clone(), state: Arc::clone(&self.state) };
            RemoteApi::over(end, &self.env).with_registry(Arc::clone(&self.registry))
        });
        Arc::new(remote.clone())
    }

    /// How many requests were sent.
    pub(super) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// It is as bad as that from now on.
    pub(super) fn set(&self, faults: Faults) {
        *self.state.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

/// Lets everybody do everything, and act as anybody: which roles the parts need is not what is tried here.
struct Anybody;

#[async_trait]
impl Authorizer for Anybody {
    async fn authorize(&self, _: &User, _: &Attributes) -> Decision {
        Decision::Allow
    }
}

impl State {
    /// The faults of now.
    fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a fault of that probability strikes.
fn strikes(die: &Env, chance: f64) -> bool {
    chance > 0.0 && die.fraction() < chance
}

/// A random time up to `longest`.
fn up_to(die: &Env, longest: Duration) -> Duration {
    longest.mul_f64(die.fraction())
}

/// The client's end of the line.
#[derive(Clone)]
struct End {
    rest: Rest,
    env: Env,
    state: Arc<State>,
}

impl End {
    async fn send(self, request: Request<RequestBody>) -> Sent {
        let Self { rest, env, state } = self;
        state.requests.fetch_add(1, Ordering::Relaxed);
        env.edge().await;
        let faults = state.faults();
        if strikes(&state.refused, faults.unavailable) {
            return Ok(refusal());
        }
        let is_late = strikes(&state.delay, faults.delay);
        if is_late {
            env.sleep(up_to(&state.delay, faults.max_delay)).await;
        }
        let is_lost = strikes(&state.lost, faults.unknown);
        let how = if is_lost { state.lost.below(3) } else { 3 };
        let answer = match how {
            // The request never arrives.
            0 => None,
            // The connection breaks while the server is at work, at a time of its own.
            1 => {
                env.timeout(up_to(&state.lost, BREAKS), rest.answer(request)).await;
                None
            }
            // The answer gets lost: what was asked for is done.
            2 => {
                rest.answer(request).await;
                None
            }
            _ => Some(rest.answer(request).await),
        };
        if is_late {
            env.sleep(up_to(&state.delay, faults.max_delay)).await;
        }
        let answer = answer.ok_or("the connection broke")?;
        Ok(answer.map(|body| carried(body, env, state)))
    }
}

/// What somebody in between answers for a server that has too much to do.
fn refusal() -> Response<AnswerBody> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(RETRY_AFTER, 1.into());
    response
}

/// A body whose frames are late or end in the middle when the line is bad.
fn carried(body: AnswerBody, env: Env, state: Arc<State>) -> AnswerBody {
    let frames = unfold(Some((body, env, state)), |carried| async move {
        let (mut body, env, state) = carried?;
        let frame = body.frame().await?;
        let faults = state.faults();
        if strikes(&state.broken, faults.dropped_watch) {
            return Some((Err(BodyError::from("the connection broke")), None));
        }
        if strikes(&state.lag, faults.lag) {
            env.sleep(up_to(&state.lag, faults.max_lag)).await;
        }
        Some((frame, Some((body, env, state))))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl tower::Service<Request<RequestBody>> for End {
    type Response = Response<AnswerBody>;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Sent> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use orch_api::LocalApi;
    use orch_core::{ApiExt, Error, Event, Key, Revision, Select, WriteOutcome, kind, sim};
    use orch_store::MemStore;
    use serde_json::{Value, json};

    use super::*;

    /// A server, and the Api behind a line to it.
    async fn world(env: &Env, faults: Faults) -> (Line, Arc<dyn Api>, Arc<dyn Api>) {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let local = LocalApi::builder(store, env.clone(), Arc::clone(&registry)).build();
        local.bootstrap().await.unwrap();
        let local: Arc<dyn Api> = Arc::new(local);
        let line = Line::new(env, &registry);
        let remote = line.to(Arc::clone(&local));
        line.set(faults);
        (line, local, remote)
    }

    fn map(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
    }

    fn key(name: &str) -> Key {
        Key::new(kind::CONFIG_MAPS, "default", name)
    }

    #[test]
    fn what_is_sent_arrives_and_is_counted() {
        sim::run(1, |env| async move {
            let (line, local, remote) = world(&env, Faults::quiet()).await;
            let made = remote.create(map("a")).await.unwrap();
            assert!(local.read(&key("a")).await.unwrap().is_same(&made));
            assert_eq!(line.requests(), 1);
        });
    }

    #[test]
    fn a_write_on_a_broken_line_may_have_been_done() {
        sim::run(2, |env| async move {
            let (_, local, remote) = world(&env, Faults::quiet().unknown(1.0)).await;
            let mut done = 0;
            for number in 0..20 {
                let name = format!("map-{number}");
                let error = remote.create(map(&name)).await.unwrap_err();
                assert_eq!(error.outcome(), WriteOutcome::Unknown, "{error:?}");
                done += usize::from(local.read(&key(&name)).await.is_ok());
            }
            assert!((1..20).contains(&done), "{done}");
        });
    }

    #[test]
    fn a_refused_write_was_not_done() {
        sim::run(3, |env| async move {
            let (_, local, remote) = world(&env, Faults::quiet().unavailable(1.0)).await;
            let error = remote.create(map("a")).await.unwrap_err();
            let after = Some(Duration::from_secs(1));
            assert!(matches!(&error, Error::TooManyRequests { retry_after, .. } if *retry_after == after));
            assert!(local.read(&key("a")).await.is_err());
        });
    }

    #[test]
    fn a_watch_breaks_off_and_lags_and_never_leaves_anything_out() {
        sim::run(4, |env| async move {
            let (line, local, remote) = world(&env, Faults::quiet().lag(1.0, Duration::from_secs(2))).await;
            let maps = Select::kind(kind::CONFIG_MAPS).namespace("default");
            let current = local.list(&maps, None, 0).await.unwrap().revision;
            let mut watch = remote.watch(&maps, Some(current)).await.unwrap();
            let made = local.create(map("a")).await.unwrap();
            let told: Revision = loop {
                if let Event::Changed(change) = watch.next().await.unwrap().unwrap() {
                    break change.revision;
                }
            };
            assert_eq!(told, made.revision());
            assert!(env.elapsed() > Duration::ZERO, "it was late");
            line.set(Faults::quiet().dropped_watches(1.0));
            local.create(map("b")).await.unwrap();
            let end = watch.next().await.unwrap();
            assert!(matches!(end, Err(Error::Unavailable { .. })), "{end:?}");
            assert!(watch.next().await.is_none());
        });
    }
}
