//! Bodies: reading those of requests within a bound, making those of answers.
//!
//! Invariants: no more of a request's body is kept than [`MAX_BYTES`]; large bodies that are at work at once are no more than
//! [`LARGE`] together.

use std::error::Error as StdError;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::negotiate::Encoding;
use super::status::Status;

/// Bytes of a request's body: what Kubernetes reads (`--max-request-body-bytes` of `apiserver/pkg/server/config.go`).
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Bytes of a body that never waits for room; most have fewer.
const SMALL: usize = 16 << 10;

/// Bytes of all larger bodies at work at once. A tree may take a hundred times the memory of its text.
const LARGE: u32 = 16 << 20;

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

/// Room for what is made of large bodies.
pub(super) struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(LARGE as usize))
    }
}

impl Room {
    /// Waits for room for what is made of a body, if it is large. It is taken until the permit is dropped.
    pub(super) async fn of(&self, body: &[u8]) -> Option<SemaphorePermit<'_>> {
        if body.len() <= SMALL {
            return None;
        }
        let bytes = u32::try_from(body.len()).unwrap_or(LARGE);
        self.0.acquire_many(bytes.min(LARGE)).await.ok()
    }
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
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound() {
        let fits = read(Full::new(Bytes::from(vec![b'a'; MAX_BYTES]))).await.unwrap();
        assert_eq!(fits.len(), MAX_BYTES);
        let status = read(Full::new(Bytes::from(vec![b'a'; MAX_BYTES + 1]))).await.unwrap_err();
        assert_eq!(status.code(), 413);
    }

    #[test]
    fn large_bodies_wait_for_each_other() {
        let (room, large) = (Room::default(), vec![b'a'; MAX_BYTES]);
        let taken: Vec<_> = (0..5).map(|_| room.of(&large).now_or_never().unwrap()).collect();
        assert!(room.of(&large).now_or_never().is_none(), "a sixth is more than there is room for");
        assert!(room.of(&large[..SMALL]).now_or_never().unwrap().is_none(), "a small one needs none");
        drop(taken);
        assert!(room.of(&large).now_or_never().unwrap().is_some());
    }
}
