//! Requests and answers: sending within a time limit, reading no more than a bound.
//!
//! Invariant: an error says whether the request may have reached the server.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

use super::{RemoteApi, TIMEOUT};

/// Bytes of one answer. A page of 500 objects of the largest size that etcd keeps would be more; those are asked for in
/// smaller pages.
const MAX_ANSWER: usize = 256 << 20;

/// What goes wrong under a body.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
pub type RequestBody = Full<Bytes>;

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, BodyError>;

type Sending =
    dyn Fn(Request<RequestBody>) -> BoxFuture<'static, Result<Response<AnswerBody>, BodyError>> + Send + Sync;

/// A service of HTTP requests whose type nobody needs to know.
#[derive(Clone)]
pub(super) struct Exchange(Arc<Sending>);

impl Exchange {
    pub(super) fn over<S, B>(service: S) -> Self
    where
        S: tower::Service<Request<RequestBody>, Response = Response<B>> + Clone,
        S: Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BodyError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                std::future::poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
                let response = service.call(request).await.map_err(Into::into)?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            })
        }))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// The request has not reached the server.
    Before(String),
    /// It may have.
    After(String),
}

impl Lost {
    fn of(error: &BodyError) -> Self {
        let why = super::error::chain(&**error);
        let is_unsent = error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        if is_unsent { Self::Before(why) } else { Self::After(why) }
    }

    pub(super) fn why(self) -> String {
        match self {
            Self::Before(why) | Self::After(why) => why,
        }
    }
}

/// An answer that has been read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: StatusCode,
    pub(super) retry_after: Option<u64>,
    pub(super) body: Bytes,
}

impl RemoteApi {
    /// Sends a request; the body of the answer is still to be read.
    pub(super) async fn open(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<AnswerBody>, Lost> {
        let request = self.signed(request)?.body(Full::new(body));
        // A name in it that no header or path can have.
        let request = request.map_err(|error| Lost::Before(error.to_string()))?;
        let sent = self.shared.env.timeout(TIMEOUT, (self.shared.exchange.0)(request)).await;
        match sent {
            Some(answer) => answer.map_err(|error| Lost::of(&error)),
            None => Err(Lost::After(format!("no answer within {TIMEOUT:?}"))),
        }
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<Answer, Lost> {
        let response = self.open(request, body).await?;
        answer(self, response).await
    }

    /// With what every request says of whom it is from.
    ///
    /// # Errors
    /// For a user without a name: servers take such a request for one of the connection's own user.
    fn signed(&self, request: http::request::Builder) -> Result<http::request::Builder, Lost> {
        let request = request.header(http::header::USER_AGENT, "orch");
        let Some(user) = &self.user else { return Ok(request) };
        if user.name.is_empty() {
            return Err(Lost::Before("a user without a name cannot act".to_owned()));
        }
        // As bytes: names need not be ASCII.
        let mut request = request.header("impersonate-user", user.name.as_bytes());
        for group in &user.groups {
            request = request.header("impersonate-group", group.as_bytes());
        }
        if !user.uid.is_empty() {
            request = request.header("impersonate-uid", user.uid.as_bytes());
        }
        for (key, values) in &user.extra {
            let name = format!("impersonate-extra-{}", super::path::encoded(key));
            for value in values {
                request = request.header(name.as_str(), value.as_bytes());
            }
        }
        Ok(request)
    }
}

/// Reads an answer whole.
pub(super) async fn answer(api: &RemoteApi, response: Response<AnswerBody>) -> Result<Answer, Lost> {
    let (parts, body) = response.into_parts();
    let read = api.shared.env.timeout(TIMEOUT, whole(body)).await;
    let body = read.unwrap_or_else(|| Err(format!("the answer did not end within {TIMEOUT:?}")));
    let retry_after = parts.headers.get(http::header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Answer { code: parts.status, retry_after, body: body.map_err(Lost::After)? })
}

async fn whole(body: AnswerBody) -> Result<Bytes, String> {
    let mut body = std::pin::pin!(body);
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| super::error::chain(&*error))?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > MAX_ANSWER {
                return Err(format!("the answer has more than {MAX_ANSWER} bytes"));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}
