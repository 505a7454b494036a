//! A listener whose socket can be closed from elsewhere.
//!
//! Invariant: once it is closed, by its owner, its pod's leaving or the network's end, the port is free.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use orch_core::network::{Connection, Listener};
use tokio::net::{TcpListener, TcpStream};

use super::Inner;

/// What its owner and the network share.
struct Slot {
    /// `None` when it is closed.
    socket: Option<TcpListener>,
    /// Who waits for a connection.
    waiting: Option<Waker>,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The owner's end.
pub(super) struct LoopbackListener {
    slot: Arc<Mutex<Slot>>,
    network: Weak<Inner>,
    address: SocketAddr,
}

/// The network's end: closes the listener when it is dropped.
pub(super) struct Closer {
    slot: Arc<Mutex<Slot>>,
    real: SocketAddr,
}

impl LoopbackListener {
    /// `address` is what the cluster knows, `real` what is bound.
    pub(super) fn new(
        network: Weak<Inner>,
        socket: TcpListener,
        address: SocketAddr,
        real: SocketAddr,
    ) -> (Self, Closer) {
        let slot = Arc::new(Mutex::new(Slot { socket: Some(socket), waiting: None }));
        (Self { slot: Arc::clone(&slot), network, address }, Closer { slot, real })
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut slot = lock(&self.slot);
        let Some(socket) = &slot.socket else {
            let text = format!("{} has left the network", self.address);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, text)));
        };
        let polled = socket.poll_accept(context);
        if polled.is_pending() {
            slot.waiting = Some(context.waker().clone());
        }
        polled
    }
}

impl Closer {
    /// What is bound.
    pub(super) fn real(&self) -> SocketAddr {
        self.real
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        let mut slot = lock(&self.slot);
        slot.socket = None;
        if let Some(waker) = slot.waiting.take() {
            waker.wake();
        }
    }
}

#[async_trait]
impl Listener for LoopbackListener {
    async fn accept(&mut self) -> io::Result<(Connection, SocketAddr)> {
        let (stream, peer) = loop {
            match std::future::poll_fn(|context| self.poll_accept(context)).await {
                // The connection broke before it was accepted: nothing is wrong with the listener.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                accepted => break accepted?,
            }
        };
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LoopbackListener {
    fn drop(&mut self) {
        // The socket goes first: as soon as the network forgets the listener, its port may be asked for.
        lock(&self.slot).socket = None;
        let Some(network) = self.network.upgrade() else { return };
        let mut state = network.state();
        if state.listeners.get(&self.address).is_some_and(|closer| Arc::ptr_eq(&closer.slot, &self.slot)) {
            state.listeners.remove(&self.address);
        }
    }
}

impl fmt::Debug for LoopbackListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoopbackListener({})", self.address)
    }
}
