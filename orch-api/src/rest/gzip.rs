//! Large answers, compressed for clients that take gzip
//! (`apiserver/pkg/endpoints/handlers/responsewriters/writers.go`, feature `APIResponseCompression`).
//!
//! Not watches: their events go out one by one. Invariant: an answer in pieces is compressed in pieces, so that no more of it
//! is in memory than without.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, VARY};
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;

use super::body::{Body, BodyError, Large};

/// Bytes from which an answer is compressed.
const THRESHOLD: u64 = 128 << 10;

/// Compressed bytes that are sent at once, about.
const PIECE: usize = 16 << 10;

/// Whether a client takes gzip. Go's server looks for the bare word, and so a quality is no yes.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let values = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    values.split(',').any(|token| token.trim() == "gzip")
}

/// The same answer, compressed when it is large.
pub(super) fn compressed(response: Response<Body>) -> Response<Body> {
    let is_large = response.extensions().get::<Large>().is_some()
        || response.body().size_hint().exact().is_some_and(|bytes| bytes > THRESHOLD);
    if !is_large || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    parts.headers.remove(CONTENT_LENGTH);
    let encoder = Some(GzEncoder::new(Vec::with_capacity(PIECE * 2), Compression::fast()));
    Response::from_parts(parts, Gzip { body, encoder }.boxed_unsync())
}

/// A body that compresses another.
struct Gzip {
    body: Body,
    /// `None` once it has ended.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl http_body::Body for Gzip {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context)).transpose();
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            let Some(encoder) = &mut self.encoder else { continue };
            let Some(frame) = frame else {
                let rest = self.encoder.take().map(GzEncoder::finish);
                return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest?.into()))));
            };
            if let Ok(data) = frame.into_data()
                && let Err(error) = encoder.write_all(&data)
            {
                return Poll::Ready(Some(Err(error.into())));
            }
            if encoder.get_ref().len() >= PIECE {
                let piece = std::mem::replace(encoder.get_mut(), Vec::with_capacity(PIECE * 2));
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::super::body;
    use super::*;

    fn taken(accepted: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
        is_taken(&headers)
    }

    #[test]
    fn gzip_is_given_to_who_names_it() {
        assert!(taken("gzip") && taken("deflate, gzip ,br"));
        assert!(!taken("gzip;q=0") && !taken("br") && !taken("xgzip") && !is_taken(&HeaderMap::new()));
    }

    fn bytes(response: Response<Body>) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(response.into_body().collect()).unwrap().to_bytes().to_vec()
    }

    #[test]
    fn small_answers_and_watches_stay_as_they_are() {
        let small = compressed(body::text(200, "x".repeat(128 << 10)));
        assert!(!small.headers().contains_key(CONTENT_ENCODING));
        let events = futures::stream::iter(vec![Bytes::from(vec![b'x'; 1 << 20])]);
        let watch = compressed(body::stream("application/json", events));
        assert!(!watch.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(bytes(watch).len(), 1 << 20);
        let large = compressed(body::text(200, "x".repeat((128 << 10) + 1)));
        assert_eq!(large.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(large.headers()[VARY], "Accept-Encoding");
        assert!(bytes(large).len() < 4096);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_compressed_comes_out_as_it_was(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..6),
        ) {
            let expected = pieces.concat();
            let pieces = futures::stream::iter(pieces.into_iter().map(Bytes::from));
            let response = compressed(body::large("application/json", pieces));
            prop_assert_eq!(&response.headers()[CONTENT_ENCODING], "gzip");
            let mut found = Vec::new();
            GzDecoder::new(&*bytes(response)).read_to_end(&mut found).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
