//! The requests of a connection of HTTP/2: which have a task of their own, and the turns of the connection's task.
//!
//! Most reads are short and a watch waits most of the time: both stay in the task of their connection. So a get needs no other
//! thread, and what a change has to say to all watches of a connection leaves in one piece ([`Joined`]). Invariants: writes,
//! tables, YAML and documents do not keep the others of their connection waiting (a list in JSON does while a piece of it is
//! made); a request that panics ends alone.

use std::future::Future;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::header::ACCEPT;
use http::{Method, Request};
use orch_core::Env;
use tokio::io::AsyncWrite;

use super::body::BodyError;
use super::joined::Joined;

/// Where hyper puts the requests of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    env: Env,
    /// Whether the request that comes next has a task of its own.
    next_apart: Arc<AtomicBool>,
    /// Those that stay and have not been driven yet.
    begun: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
}

impl Streams {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), next_apart: Arc::default(), begun: Arc::default() }
    }

    /// Says what request hyper is about to put here.
    pub(super) fn announce<B>(&self, request: &Request<B>) {
        self.next_apart.store(is_apart(request), Ordering::Relaxed);
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request may work for long: a write, what is decoded to be shown, a document.
fn is_apart<B>(request: &Request<B>) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut parts = request.uri().path().trim_matches('/').split('/');
    let is_resource = match parts.next() {
        Some("api") => parts.count() > 1,
        Some("apis") => parts.count() > 2,
        _ => false,
    };
    let accepted = request.headers().get_all(ACCEPT).iter();
    let is_shown = |accept: &[u8]| accept.windows(3).any(|part| part == b"as=" || part == b"yam");
    !is_read || !is_resource || accepted.into_iter().any(|accept| is_shown(accept.as_bytes()))
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        if self.next_apart.load(Ordering::Relaxed) {
            self.env.spawn(future);
            return;
        }
        let mut future = Box::pin(AssertUnwindSafe(future).catch_unwind().map(drop));
        // Most are done at once. What is not is polled again with a waker that wakes.
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.begun().push(future);
        }
    }
}

/// A connection and its requests, in one task.
pub(super) struct Turns<C, T> {
    connection: Pin<Box<C>>,
    streams: Streams,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
    line: Joined<T>,
}

impl<C, T> Turns<C, T> {
    /// `connection` puts its requests into `streams` and writes to `line`.
    pub(super) fn new(connection: C, streams: Streams, line: Joined<T>) -> Self {
        Self { connection: Box::pin(connection), streams, running: FuturesUnordered::new(), line }
    }

    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

impl<C, T> Future for Turns<C, T>
where
    C: Future<Output = hyper::Result<()>>,
    T: AsyncWrite + Unpin,
{
    type Output = Result<(), BodyError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turns = &mut *self;
        loop {
            while let Poll::Ready(Some(())) = turns.running.poll_next_unpin(context) {}
            let ended = turns.connection.as_mut().poll(context);
            let begun = mem::take(&mut *turns.streams.begun());
            if ended.is_pending() && !begun.is_empty() {
                turns.running.extend(begun);
                continue;
            }
            let sent = turns.line.send(context);
            return match (ended, sent) {
                (Poll::Ready(ended), _) => Poll::Ready(ended.map_err(Into::into)),
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error.into())),
                (Poll::Pending, _) => Poll::Pending,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, uri: &str, accept: &str, expected: bool) {
        let request = Request::builder().method(method).uri(uri).header(ACCEPT, accept).body(()).unwrap();
        assert_eq!(is_apart(&request), expected, "{method} {uri} {accept}");
    }

    #[test]
    fn what_may_work_for_long_has_a_task_of_its_own() {
        let (pods, json) = ("/api/v1/namespaces/shop/pods", "application/json");
        check(&Method::GET, pods, json, false);
        check(&Method::GET, "/apis/apps/v1/deployments?watch=1", json, false);
        check(&Method::GET, pods, "application/vnd.kubernetes.protobuf, application/json", false);
        check(&Method::POST, pods, json, true);
        check(&Method::GET, pods, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", true);
        check(&Method::GET, pods, "application/yaml", true);
        check(&Method::GET, "/openapi/v2", json, true);
        check(&Method::GET, "/api/v1", json, true);
        check(&Method::GET, "/apis/apps/v1", json, true);
        check(&Method::GET, "/api/v1/nodes", json, false);
    }

    #[test]
    fn a_request_that_panics_ends_alone() {
        use std::time::Duration;

        use hyper::rt::Executor as _;

        async fn panics(after: impl Future<Output = ()>) {
            after.await;
            panic!("so much for that");
        }

        orch_core::sim::run(1, |env| async move {
            let streams = Streams::new(&env);
            streams.execute(panics(std::future::ready(())));
            assert!(streams.begun().is_empty(), "it is over");
            let clock = env.clone();
            streams.execute(panics(async move { clock.sleep(Duration::from_secs(1)).await }));
            let later = streams.begun().pop().unwrap();
            later.await;
        });
    }
}
