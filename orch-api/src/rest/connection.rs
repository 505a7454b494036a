//! One connection, from its handshake to its end.
//!
//! Invariants: a request carries the user of the connection's certificate, whatever it says itself, and only while that is good; a
//! connection whose client asks for nothing any more is closed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use orch_core::Env;
use tokio_rustls::server::TlsStream;

use super::body::{Body, BodyError};
use super::joined::Joined;
use super::service::Rest;
use super::stall::Stall;
use super::streams::{Streams, Turns};
use super::tls::Client;

/// Streams of one HTTP/2 connection at once: client-go runs all watches of a program over one.
const STREAMS: u32 = 1_000;
/// Bytes of the headers of a request over HTTP/2; of an HTTP/1.1 one hyper takes about as many.
const HEADERS: u32 = 256 << 10;

/// How long connections are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the headers of a request, and over HTTP/1.1 for the next request (`ReadHeaderTimeout` of
    /// `apiserver/pkg/server/secure_serving.go`).
    pub(super) headers: Duration,
    /// For a request over HTTP/2 where none is at work (`IdleTimeout`): places are counted, and nobody may keep one for nothing.
    pub(super) idle: Duration,
    /// How often a client of HTTP/2 is asked whether it is there, and how long it may take to answer.
    pub(super) ping: (Duration, Duration),
}

pub(super) const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(32),
    idle: Duration::from_secs(90),
    ping: (Duration::from_secs(30), Duration::from_secs(15)),
};

/// Answers the requests of a connection until it ends.
pub(super) async fn serve(
    stream: TlsStream<Stall>,
    served: Served,
    patience: Patience,
    env: &Env,
) -> Result<(), BodyError> {
    let Patience { headers, idle, ping } = patience;
    let (work, streams) = (Work::new(env), Streams::new(env));
    let (counted, announced) = (work.clone(), streams.clone());
    let clock = env.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        announced.announce(&request);
        let (rest, at_work) = (Arc::clone(served.at(clock.now())), counted.begin());
        async move {
            let response = rest.answer(request).await;
            Ok::<_, Infallible>(response.map(|body| Worked { body, _at_work: at_work }))
        }
    });
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(headers);
        return Ok(http.serve_connection(TokioIo::new(stream), service).await?);
    }
    let line = Joined::new(stream);
    let connection = hyper::server::conn::http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(ping.0)
        .keep_alive_timeout(ping.1)
        .serve_connection(TokioIo::new(line.clone()), service);
    let mut turns = Turns::new(connection, streams, line);
    tokio::select! {
        ended = &mut turns => return ended,
        () = work.idle_for(idle) => {}
    }
    // What comes now is still answered; who leaves it open nevertheless is cut off.
    turns.connection().graceful_shutdown();
    tokio::select! {
        ended = turns => ended,
        () = work.idle_for(idle) => Ok(()),
    }
}

/// The server as the client of a connection has it. A connection may outlive the certificate that it began with.
pub(super) struct Served {
    rest: Arc<Rest>,
    until: Timestamp,
    after: Arc<Rest>,
}

impl Served {
    pub(super) fn new(rest: &Rest, client: Client) -> Self {
        let after = Arc::new(rest.acting_as_untrusted());
        let (rest, until) = match client {
            Client::Known { user, until } => (rest.acting_as(user), until),
            Client::Anonymous => (rest.acting_as_nobody(), Timestamp::MAX),
            Client::Untrusted => (rest.acting_as_untrusted(), Timestamp::MAX),
        };
        Self { rest: Arc::new(rest), until, after }
    }

    fn at(&self, now: Timestamp) -> &Arc<Rest> {
        if now <= self.until { &self.rest } else { &self.after }
    }
}

/// The requests of a connection that are at work, their answers included.
#[derive(Clone)]
struct Work(Arc<Counted>);

struct Counted {
    count: AtomicUsize,
    /// When the last one began or ended, in milliseconds of the environment.
    changed: AtomicU64,
    env: Env,
}

impl Work {
    fn new(env: &Env) -> Self {
        let counted = Counted { count: AtomicUsize::new(0), changed: AtomicU64::new(0), env: env.clone() };
        let work = Self(Arc::new(counted));
        work.touch();
        work
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.env.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.0.changed.store(self.now(), Ordering::Relaxed);
    }

    fn begin(&self) -> AtWork {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.touch();
        AtWork(self.clone())
    }

    /// Ends when nothing has been at work for that long.
    async fn idle_for(&self, long: Duration) {
        let mut wait = long;
        loop {
            self.0.env.sleep(wait).await;
            let since = self.now().saturating_sub(self.0.changed.load(Ordering::Relaxed));
            let rest = long.saturating_sub(Duration::from_millis(since));
            let is_busy = self.0.count.load(Ordering::Relaxed) > 0;
            if !is_busy && rest.is_zero() {
                return;
            }
            wait = if rest.is_zero() { long } else { rest };
        }
    }
}

/// One of them.
struct AtWork(Work);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which is work until it has been sent.
struct Worked {
    body: Body,
    _at_work: AtWork,
}

impl http_body::Body for Worked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use orch_core::User;

    use super::*;
    use crate::rest::tests::local;

    #[test]
    fn a_certificate_ends_while_its_connection_goes_on() {
        orch_core::sim::run(1, |env| async move {
            let rest = Rest::builder(Arc::new(local(&env)), &env).build();
            let until = Timestamp::from_second(1_000).unwrap();
            let served = Served::new(&rest, Client::Known { user: User::new("jane"), until });
            for (secs, expected) in [(1_000, 200), (1_001, 401)] {
                let request = Request::get("/api").body(Full::<Bytes>::default()).unwrap();
                let answer = served.at(Timestamp::from_second(secs).unwrap()).answer(request).await;
                assert_eq!(answer.status(), expected, "{secs}");
            }
        });
    }
}
