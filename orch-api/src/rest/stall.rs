//! A socket that is given up when its client does not read.
//!
//! Invariant: nothing waits for longer than [`PATIENCE`] to be taken.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use orch_core::Env;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a client may leave what it is sent unread.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that fails when its client leaves what it is sent unread for too long.
pub(super) struct Stall {
    stream: TcpStream,
    env: Env,
    after: Duration,
    /// Runs while the client does not read.
    limit: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stall {
    pub(super) fn new(stream: TcpStream, env: &Env) -> Self {
        Self { stream, env: env.clone(), after: PATIENCE, limit: None }
    }

    /// Starts, looks at or forgets the limit.
    fn watched<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.limit = None;
            return poll;
        }
        let (env, after) = (&self.env, self.after);
        let limit = self.limit.get_or_insert_with(|| {
            let env = env.clone();
            Box::pin(async move { env.sleep(after).await })
        });
        match limit.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stall {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.watched(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watched(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.watched(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;

    use super::*;

    /// Writes until the connection fails; says how much it took.
    async fn flood(stall: &mut Stall) -> (usize, io::Error) {
        let bytes = vec![0; 64 << 10];
        let mut written = 0;
        loop {
            match poll_fn(|context| Pin::new(&mut *stall).poll_write(context, &bytes)).await {
                Ok(count) => written += count,
                Err(error) => return (written, error),
            }
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let env = Env::real();
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let idle = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let after = Duration::from_millis(50);
            let mut stall = Stall { after, ..Stall::new(stream, &env) };
            let (written, error) = flood(&mut stall).await;
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(written > 0 && env.elapsed() >= after, "{written}");
            // One that reads again in time goes on.
            let (stream, _) = {
                let address = listener.local_addr().unwrap();
                let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
                let reader = connected.unwrap();
                env.spawn(async move {
                    let mut buffer = vec![0; 1 << 20];
                    while reader.readable().await.is_ok() && !matches!(reader.try_read(&mut buffer), Ok(0)) {}
                });
                accepted.unwrap()
            };
            let mut stall = Stall::new(stream, &env);
            let flood = async {
                let bytes = vec![0; 64 << 10];
                for _ in 0..256 {
                    poll_fn(|context| Pin::new(&mut stall).poll_write(context, &bytes)).await.unwrap();
                }
            };
            assert!(env.timeout(Duration::from_secs(20), flood).await.is_some(), "16 MiB");
            drop(idle);
            env.shutdown().await;
        });
    }
}
