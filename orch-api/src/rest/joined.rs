//! A connection whose bytes are gathered and leave together: what is written in a turn of its task is one record of TLS and one
//! call of the system, not one for each frame.
//!
//! HTTP/2 flushes after every frame, so a flush does nothing here: whoever drives the connection calls [`Joined::send`] at the end of each
//! turn. Invariant: no more than [`LIMIT`] bytes wait; who writes more waits until they are gone.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Four whole records of TLS: as much as rustls takes at once.
const LIMIT: usize = 64 << 10;
/// What an empty buffer may keep.
const KEPT: usize = 4 << 10;

/// The connection; a clone is the same.
pub(super) struct Joined<T>(Arc<Mutex<Line<T>>>);

struct Line<T> {
    stream: T,
    waiting: Vec<u8>,
    /// So many of those are gone.
    sent: usize,
}

impl<T> Clone for Joined<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: AsyncWrite + Unpin> Joined<T> {
    pub(super) fn new(stream: T) -> Self {
        Self(Arc::new(Mutex::new(Line { stream, waiting: Vec::new(), sent: 0 })))
    }

    /// Sends what waits.
    pub(super) fn send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line().send(context)
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Unpin> Line<T> {
    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting[self.sent..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.sent = 0;
        self.waiting.clear();
        self.waiting.shrink_to(KEPT);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Takes bytes while there is room for more.
    fn take(
        &mut self,
        context: &mut Context<'_>,
        pieces: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= LIMIT {
            ready!(self.send(context))?;
        }
        let before = self.waiting.len();
        for piece in pieces {
            let piece = piece.as_ref();
            let room = LIMIT - self.waiting.len();
            if piece.len() > KEPT {
                self.waiting.reserve(room);
            }
            self.waiting.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Poll::Ready(Ok(self.waiting.len() - before))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Joined<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Joined<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.line().take(context, std::iter::once(buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line().take(context, buffers.iter().map(|buffer| &**buffer))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line();
        ready!(line.send(context))?;
        Pin::new(&mut line.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Takes so many bytes at a time, and nothing every other time.
    #[derive(Default)]
    struct Slow {
        pace: usize,
        waits: bool,
        writes: usize,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.waits = !self.waits;
            if self.pace < LIMIT && self.waits {
                return Poll::Pending;
            }
            let count = bytes.len().min(self.pace);
            self.writes += 1;
            self.taken.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_written_in_a_turn_leaves_in_one_piece() {
        let mut context = Context::from_waker(Waker::noop());
        let mut joined = Joined::new(Slow { pace: usize::MAX, ..Slow::default() });
        for _ in 0..30 {
            let parts = [IoSlice::new(b"head"), IoSlice::new(&[7; 2000])];
            assert!(matches!(
                Pin::new(&mut joined).poll_write_vectored(&mut context, &parts),
                Poll::Ready(Ok(2004))
            ));
            assert!(Pin::new(&mut joined).poll_flush(&mut context).is_ready());
        }
        assert_eq!(joined.line().stream.writes, 0);
        assert!(joined.send(&mut context).is_ready());
        let line = joined.line();
        assert_eq!((line.stream.writes, line.stream.taken.len()), (1, 30 * 2004));
        assert!(line.waiting.capacity() <= KEPT, "an idle connection keeps no buffer");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_is_lost_however_slow_the_other_side_is(
            pieces in prop::collection::vec((any::<u8>(), 0_usize..50_000, any::<bool>()), 0..12),
            pace in 1_000_usize..70_000,
        ) {
            let mut context = Context::from_waker(Waker::noop());
            let mut joined = Joined::new(Slow { pace, ..Slow::default() });
            let mut expected = Vec::new();
            for (byte, size, is_last) in pieces {
                let piece = vec![byte; size];
                expected.extend_from_slice(&piece);
                let mut rest = &piece[..];
                while !rest.is_empty() {
                    if let Poll::Ready(count) = Pin::new(&mut joined).poll_write(&mut context, rest) {
                        rest = &rest[count.unwrap()..];
                    }
                    prop_assert!(joined.line().waiting.len() <= LIMIT);
                }
                if is_last {
                    let _ = joined.send(&mut context);
                }
            }
            while joined.send(&mut context).is_pending() {}
            prop_assert_eq!(&joined.line().stream.taken, &expected);
        }
    }
}
