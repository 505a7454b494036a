//! The ports of a container: it listens at them while it runs, answers HTTP, and echoes everything else.
//!
//! One task a container, and only for those with ports. Invariant: the end of a container is told after its listeners and
//! connections are gone.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orch_core::network::{Connection, Listener};
use orch_core::runtime::ContainerId;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::container::{Cause, Made};
use super::machine::{Answer, Asker, Doors};
use super::world::World;

/// Connections of one container at a time: more than a test opens, and Linux' default of open files.
const MAX_CONNECTIONS: usize = 1024;
/// The head of a request, as the node agent bounds the head of an answer.
const MAX_HEAD: usize = 64 << 10;
/// The body of a request that is taken, so that who sends it sees no broken connection.
const MAX_BODY: u64 = 1 << 20;
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"CONNECT ", b"TRACE "];

/// Listens until the container ends.
pub(super) async fn serve(world: Arc<World>, doors: Doors, is_open: oneshot::Sender<()>) {
    let Doors { made, close } = doors;
    // Dropped last.
    let _closed = Closed { world: &world, id: &made.id };
    let listen = async {
        let mut listeners = Vec::new();
        for port in made.spec.ports.iter().collect::<BTreeSet<_>>() {
            let at = SocketAddr::new(made.address, *port);
            match world.network.listen(at).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => return Err((at, error)),
            }
        }
        drop(is_open);
        accept(&world, &made, listeners).await;
        Ok(())
    };
    let listened = tokio::select! {
        biased;
        _ = close => Ok(()),
        listened = listen => listened,
    };
    if let Err((at, error)) = listened {
        world.change(|machine, now| {
            made.log_error(now, &format!("listen tcp {at}: {error}"));
            machine.end(&made.id, Cause::Itself(1), now)
        });
    }
}

/// Tells that the ports of a container are closed, also when its task is dropped.
struct Closed<'a> {
    world: &'a World,
    id: &'a ContainerId,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.world.change(|machine, _| machine.closed(self.id));
    }
}

/// Accepts connections and serves them, all at once, for ever.
async fn accept(world: &World, made: &Made, listeners: Vec<Box<dyn Listener>>) {
    async fn next(mut listener: Box<dyn Listener>) -> (Box<dyn Listener>, io::Result<Connection>) {
        let accepted = listener.accept().await.map(|(connection, _)| connection);
        (listener, accepted)
    }
    let mut accepting: FuturesUnordered<_> = listeners.into_iter().map(next).collect();
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(served) = open.next() => {
                if let Err(error) = served {
                    let error: io::Error = error;
                    tracing::trace!(%error, container = %made.id, "connection of a simulated container broke");
                }
            }
            Some((listener, accepted)) = accepting.next(), if open.len() < MAX_CONNECTIONS => {
                // A listener that fails is broken for good: the pod has left the network.
                if let Ok(connection) = accepted {
                    open.push(converse(world, made, connection));
                    accepting.push(next(listener));
                }
            }
            else => std::future::pending().await,
        }
    }
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Http,
    Other,
    /// Too few bytes to tell.
    Unclear,
}

fn speech(received: &[u8]) -> Speech {
    if METHODS.iter().any(|method| received.starts_with(method)) {
        Speech::Http
    } else if METHODS.iter().any(|method| method.starts_with(received)) {
        Speech::Unclear
    } else {
        Speech::Other
    }
}

async fn converse(world: &World, made: &Made, mut connection: Connection) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let count = connection.read_buf(&mut received).await?;
        match speech(&received) {
            Speech::Http => return answer(world, made, connection, received).await,
            Speech::Unclear if count > 0 => {}
            _ => return echo(world, made, connection, received).await,
        }
    }
}

/// Sends back what comes. A container that hangs takes it and sends nothing.
async fn echo(
    world: &World,
    made: &Made,
    mut connection: Connection,
    mut received: Vec<u8>,
) -> io::Result<()> {
    while !received.is_empty() {
        if world.answer(&made.id, Asker::Anybody).await.is_err() {
            return Ok(());
        }
        connection.write_all(&received).await?;
        connection.flush().await?;
        received.clear();
        connection.read_buf(&mut received).await?;
    }
    connection.shutdown().await
}

/// Answers one request.
async fn answer(
    world: &World,
    made: &Made,
    mut connection: Connection,
    mut received: Vec<u8>,
) -> io::Result<()> {
    let head_end = loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if received.len() > MAX_HEAD || connection.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    };
    let (head, body) = received.split_at(head_end);
    let missing = content_length(head).saturating_sub(body.len() as u64).min(MAX_BODY);
    tokio::io::copy(&mut (&mut connection).take(missing), &mut tokio::io::sink()).await?;
    let asker = if is_probe(head) { Asker::Probe } else { Asker::Anybody };
    let (status, text) = match world.answer(&made.id, asker).await {
        Ok(Answer::Yes(_)) => ("200 OK", body_of(made)),
        Ok(_) => ("503 Service Unavailable", "{\"error\":\"not ready\"}\n".to_owned()),
        // It has ended: so will the connection.
        Err(_) => return Ok(()),
    };
    let shown = if head.starts_with(b"HEAD ") { "" } else { &*text };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{shown}",
        text.len()
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.flush().await?;
    connection.shutdown().await
}

fn body_of(made: &Made) -> String {
    let (pod, uid) = (&made.pod.pod, &*made.pod.uid);
    let body =
        json!({"namespace": &*pod.namespace, "pod": &*pod.name, "uid": uid, "container": &*made.spec.name});
    format!("{body}\n")
}

/// The value of a field of a head; names do not mind their case.
fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.split("\r\n").skip(1);
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn content_length(head: &[u8]) -> u64 {
    field(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Probes give this name, as those of the kubelet do (`pkg/probe/http`).
fn is_probe(head: &[u8]) -> bool {
    field(head, "user-agent").is_some_and(|agent| agent.starts_with("kube-probe/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(received: &str, expected: Speech) {
        assert_eq!(speech(received.as_bytes()), expected);
    }

    #[test]
    fn http_begins_with_a_method() {
        check("GET / HTTP/1.1", Speech::Http);
        check("DELETE /x", Speech::Http);
        check("", Speech::Unclear);
        check("P", Speech::Unclear);
        check("OPTIONS", Speech::Unclear);
        check("ping", Speech::Other);
        check("GETTING", Speech::Other);
        check("PONG", Speech::Other);
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = b"POST / HTTP/1.1\r\nUSER-AGENT: kube-probe/1.36\r\ncontent-Length:  12\r\n\r\n";
        assert_eq!(content_length(head), 12);
        assert!(is_probe(head));
        assert!(!is_probe(b"GET / HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n"));
    }
}
