//! Connections: taken at a service address, carried to an endpoint.
//!
//! It decides nothing about endpoints. Invariant: a connection that could not be carried anywhere is closed at once, and
//! one that is open is left alone until one of its ends is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orch_core::Env;
use orch_core::network::{Connection, Listener, Network};

use super::backends::Backends;

/// Endpoints tried for one connection: more than fail at once in a rolling update with the usual `maxUnavailable`.
const MAX_TRIES: usize = 8;
/// How long an endpoint has to take a connection before the next is tried; within a cluster milliseconds suffice.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Bytes under way in one direction of a connection.
const BUFFER: usize = 16 * 1024;

/// Endpoints of a service port, shared by what follows them and the connections.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Backends>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Backends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Counts as a connection to its endpoint while it lives.
struct Open {
    backends: Shared,
    backend: SocketAddr,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.backends.lock().close(self.backend);
    }
}

/// Takes connections until the listener breaks.
pub(super) async fn accept(
    env: Env,
    network: Arc<dyn Network>,
    mut listener: Box<dyn Listener>,
    backends: Shared,
) {
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                env.spawn(forward(env.clone(), Arc::clone(&network), backends.clone(), client, peer));
            }
            Err(error) => {
                tracing::warn!(%error, address = %listener.address(), "service address is not served any more");
                return;
            }
        }
    }
}

/// Carries one connection to its end.
async fn forward(
    env: Env,
    network: Arc<dyn Network>,
    backends: Shared,
    mut client: Connection,
    peer: SocketAddr,
) {
    let mut tried = Vec::new();
    while tried.len() < MAX_TRIES {
        let Some(backend) = backends.lock().choose(peer.ip(), env.elapsed(), &tried) else { break };
        let _open = Open { backends: backends.clone(), backend };
        match env.timeout(CONNECT_LIMIT, network.connect(Some(peer.ip()), backend)).await {
            Some(Ok(mut server)) => {
                // A side that breaks ends the connection; both know by themselves.
                let _ =
                    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
                return;
            }
            Some(Err(error)) => tracing::debug!(%error, %backend, "endpoint refuses; trying another"),
            None => tracing::debug!(%backend, "endpoint does not answer; trying another"),
        }
        tried.push(backend);
    }
}
