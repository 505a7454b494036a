//! Bodies: reading those of requests within a bound, making those of answers.
//!
//! Invariant: no more of a request's body is kept than [`MAX_BYTES`].

use std::error::Error as StdError;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;

use super::negotiate::Encoding;
use super::status::Status;

/// Bytes of a request's body: what Kubernetes reads (`--max-request-body-bytes` of `apiserver/pkg/server/config.go`).
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// What goes wrong under a body.
pub type BodyError = Box<dyn StdError + Send + Sync>;

/// The body of an answer: whole, or a stream of watch events.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

pub(super) type Answer = Result<Response<Body>, Status>;

/// The whole body of a request.
///
/// # Errors
/// 413 when it is too large, 400 when it breaks off.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let mut body = std::pin::pin!(body);
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error: BodyError = error.into();
            Status::bad_request(format!("the body broke off: {error}"))
        })?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > MAX_BYTES {
                return Err(Status::too_large(MAX_BYTES));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer of bytes.
pub(super) fn bytes(code: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer of plain text.
pub(super) fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    bytes(code, "text/plain; charset=utf-8", text.into())
}

/// What Go's router says to a path that it does not know.
pub(super) fn not_found() -> Response<Body> {
    text(404, "404 page not found\n")
}

/// An answer of a tree.
pub(super) fn tree(code: u16, encoding: Encoding, tree: &Value) -> Response<Body> {
    match encoding {
        Encoding::Json => bytes(code, encoding.content_type(), tree.to_string()),
        Encoding::Yaml => match serde_saphyr::to_string(tree) {
            Ok(text) => bytes(code, encoding.content_type(), text),
            Err(error) => {
                tracing::error!(%error, "a tree could not be written as yaml");
                text(500, "internal error: the answer could not be written as YAML\n")
            }
        },
    }
}

/// An answer without an object.
pub(super) fn status(status: &Status) -> Response<Body> {
    let mut response = tree(status.code(), Encoding::Json, &status.to_tree());
    if let Some(after) = status.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// Marks an answer that is large and ends, unlike a watch: it may be compressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Large;

/// An answer in pieces.
pub(super) fn large(
    content_type: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let mut response = stream(content_type, pieces);
    response.extensions_mut().insert(Large);
    response
}

/// An answer that goes on for as long as the stream does.
pub(super) fn stream(
    content_type: &'static str,
    events: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let frames = events.map(|bytes| Ok::<_, BodyError>(Frame::data(bytes)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound() {
        let fits = read(Full::new(Bytes::from(vec![b'a'; MAX_BYTES]))).await.unwrap();
        assert_eq!(fits.len(), MAX_BYTES);
        let status = read(Full::new(Bytes::from(vec![b'a'; MAX_BYTES + 1]))).await.unwrap_err();
        assert_eq!(status.code(), 413);
    }
}
