//! The conformance suite of [`Network`]: one public case a guarantee, each named after it.
//!
//! What it does not state, no caller may rely on. An implementor runs
//! [`network_conformance!`](crate::network_conformance) on networks that have no pods yet.
#![expect(clippy::missing_panics_doc, reason = "a case that does not hold panics: that is how it tells")]

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use orch_core::network::{Attachment, Connection, HostNetwork, Join, Network};
use orch_core::{Env, Key, kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a case waits for what must happen.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes each case of the suite a test. The argument is a function that runs one case on a new network:
///
/// ```
/// use std::sync::Arc;
/// use orch_core::network::Network;
/// fn in_memory(case: impl AsyncFnOnce(&orch_core::Env, &dyn Network)) {
///     orch_core::sim::run(7, |env| async move {
///         let network = orch_net::MemNetwork::new(&env, orch_net::MemOptions::default());
///         case(&env, &network).await;
///     });
/// }
/// orch_net::network_conformance!(in_memory);
/// ```
#[macro_export]
macro_rules! network_conformance {
    ($run:path) => {
        $crate::network_conformance! { $run:
            pods_have_addresses_of_their_own
            same_pod_has_one_attachment
            address_is_not_given_again_while_others_are_free
            detaching_twice_is_harmless
            node_keeps_its_address
            host_network_is_the_node_s_address
            bytes_go_both_ways
            half_closed_connection_still_answers
            nobody_listening_refuses
            connection_comes_from_the_pod
            any_port_is_a_free_one
            system_port_is_reached
            service_address_is_listened_at
            address_has_one_listener
            closed_listener_frees_its_port
            foreign_address_is_not_listened_at
            detaching_closes_listeners
            open_connection_outlives_the_pod
            giving_up_an_accept_loses_no_connection
            unknown_name_is_not_found
        }
    };
    ($run:path: $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $run(async |env: &_, network: &_| $crate::conformance::$case(env, network).await);
        }
    )*};
}

async fn attach(network: &dyn Network, name: &str) -> Attachment {
    let join = Join::new(Key::new(kind::PODS, "shop", name), name.into(), "n1".into());
    network.attach(&join).await.expect("a pod is attached")
}

fn at(pod: &Attachment, port: u16) -> SocketAddr {
    SocketAddr::new(pod.address(), port)
}

async fn within<T>(env: &Env, future: impl Future<Output = T>) -> T {
    env.timeout(LIMIT, future).await.expect("it happens in time")
}

#[track_caller]
fn fails<T>(result: io::Result<T>, kind: io::ErrorKind) {
    match result {
        Ok(_) => panic!("{kind:?} was to be"),
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
}

/// Both ends of a connection to a new listener.
async fn connected(env: &Env, network: &dyn Network, to: SocketAddr) -> (Connection, Connection) {
    let mut listener = network.listen(to).await.expect("the address is free");
    let client = within(env, network.connect(None, to)).await.expect("somebody listens");
    let (server, _) = within(env, listener.accept()).await.expect("the connection arrives");
    (client, server)
}

/// Each pod has an address of the pods' range that no other has.
pub async fn pods_have_addresses_of_their_own(_env: &Env, network: &dyn Network) {
    let mut addresses = BTreeSet::new();
    for pod in 0..50 {
        let address = attach(network, &format!("web-{pod}")).await.address();
        assert!(network.ranges().pods.contains(&address), "{address} is not a pod's");
        assert!(addresses.insert(address), "{address} was given twice");
    }
}

/// Attaching the same uid again answers the same attachment.
pub async fn same_pod_has_one_attachment(_env: &Env, network: &dyn Network) {
    assert_eq!(attach(network, "web").await, attach(network, "web").await);
}

/// Whoever remembers an old pod does not reach a new one.
pub async fn address_is_not_given_again_while_others_are_free(_env: &Env, network: &dyn Network) {
    let mut addresses = BTreeSet::new();
    for pod in 0..200 {
        let pod = attach(network, &format!("web-{pod}")).await;
        network.detach(&pod).await.expect("a pod is detached");
        assert!(addresses.insert(pod.address()), "{} was given again", pod.address());
    }
}

/// Detaching what has left changes nothing, not even for a pod of the same uid that came back.
pub async fn detaching_twice_is_harmless(_env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    network.detach(&pod).await.expect("a pod is detached");
    network.detach(&pod).await.expect("a pod that has left is detached");
}

/// A node has one address, outside of the ranges of pods and Services.
pub async fn node_keeps_its_address(_env: &Env, network: &dyn Network) {
    let one = network.node("n1").await.expect("a node has an address");
    assert_eq!(network.node("n1").await.expect("a node has an address"), one);
    assert_ne!(network.node("n2").await.expect("a node has an address"), one);
    assert!(!network.ranges().pods.contains(&one) && !network.ranges().services.contains(&one), "{one}");
}

/// A pod on its node's network has the node's address, which outlives it.
pub async fn host_network_is_the_node_s_address(env: &Env, network: &dyn Network) {
    let join = Join::new(Key::new(kind::PODS, "shop", "proxy"), "proxy".into(), "n1".into())
        .host(HostNetwork::Shared);
    let pod = network.attach(&join).await.expect("a pod is attached");
    assert_eq!(pod.address(), network.node("n1").await.expect("a node has an address"));
    network.detach(&pod).await.expect("a pod is detached");
    connected(env, network, at(&pod, 18_080)).await;
}

/// What one side writes the other reads, and the end of one is seen by the other.
pub async fn bytes_go_both_ways(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let (mut client, mut server) = connected(env, network, at(&pod, 8080)).await;
    let mut bytes = [0; 4];
    client.write_all(b"ping").await.expect("the connection is open");
    within(env, server.read_exact(&mut bytes)).await.expect("the bytes arrive");
    assert_eq!(&bytes, b"ping");
    server.write_all(b"pong").await.expect("the connection is open");
    drop(server);
    let mut rest = Vec::new();
    within(env, client.read_to_end(&mut rest)).await.expect("the end is seen");
    assert_eq!(rest, b"pong");
}

/// A side that has said that it writes no more still reads the answer.
pub async fn half_closed_connection_still_answers(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let (mut client, mut server) = connected(env, network, at(&pod, 8080)).await;
    client.write_all(b"question").await.expect("the connection is open");
    client.shutdown().await.expect("a side is closed");
    let mut question = String::new();
    within(env, server.read_to_string(&mut question)).await.expect("the end is seen");
    server.write_all(question.to_uppercase().as_bytes()).await.expect("the other side is open");
    drop(server);
    let mut answer = String::new();
    within(env, client.read_to_string(&mut answer)).await.expect("the answer arrives");
    assert_eq!(answer, "QUESTION");
}

/// Where nobody listens a connection is refused at once: at pods, nodes and Services.
pub async fn nobody_listening_refuses(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let node = SocketAddr::new(network.node("n1").await.expect("a node has an address"), 8080);
    for to in [at(&pod, 8080), at(&pod, 80), node, service(network, 8080), service(network, 80)] {
        fails(within(env, network.connect(None, to)).await, io::ErrorKind::ConnectionRefused);
    }
}

fn service(network: &dyn Network, port: u16) -> SocketAddr {
    let address = network.ranges().services.hosts().nth(9).expect("the range has addresses");
    SocketAddr::new(address, port)
}

/// A connection from a pod is seen to come from it; one from outside, from no pod.
pub async fn connection_comes_from_the_pod(env: &Env, network: &dyn Network) {
    let (server, client) = (attach(network, "server").await, attach(network, "client").await);
    let mut listener = network.listen(at(&server, 8080)).await.expect("the address is free");
    assert_eq!(listener.address(), at(&server, 8080));
    let _inside =
        within(env, network.connect(Some(client.address()), at(&server, 8080))).await.expect("it listens");
    let (_connection, peer) = within(env, listener.accept()).await.expect("the connection arrives");
    assert_eq!(peer.ip(), client.address());
    let _outside = within(env, network.connect(None, at(&server, 8080))).await.expect("it listens");
    let (_connection, peer) = within(env, listener.accept()).await.expect("the connection arrives");
    assert!(!network.ranges().pods.contains(&peer.ip()) || peer.ip() == server.address(), "{peer}");
}

/// Port 0 means a free one, which the listener knows.
pub async fn any_port_is_a_free_one(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let one = network.listen(at(&pod, 0)).await.expect("a port is free");
    let two = network.listen(at(&pod, 0)).await.expect("a port is free");
    assert_ne!(one.address(), two.address());
    assert_ne!(one.address().port(), 0);
    within(env, network.connect(None, one.address())).await.expect("it listens");
}

/// Ports below 1024 work like others, whatever the user may bind.
pub async fn system_port_is_reached(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let mut listener = network.listen(at(&pod, 80)).await.expect("the address is free");
    assert_eq!(listener.address(), at(&pod, 80));
    fails(network.listen(at(&pod, 80)).await, io::ErrorKind::AddrInUse);
    let _client = within(env, network.connect(None, at(&pod, 80))).await.expect("it listens");
    within(env, listener.accept()).await.expect("the connection arrives");
}

/// An address of the Services' range can be listened at.
pub async fn service_address_is_listened_at(env: &Env, network: &dyn Network) {
    connected(env, network, service(network, 8080)).await;
    connected(env, network, service(network, 443)).await;
}

/// A second listener at one address is refused; another port or pod is no matter.
pub async fn address_has_one_listener(_env: &Env, network: &dyn Network) {
    let (one, two) = (attach(network, "one").await, attach(network, "two").await);
    let _first = network.listen(at(&one, 8080)).await.expect("the address is free");
    fails(network.listen(at(&one, 8080)).await, io::ErrorKind::AddrInUse);
    let _port = network.listen(at(&one, 8081)).await.expect("another port is free");
    let _pod = network.listen(at(&two, 8080)).await.expect("another pod's port is free");
}

/// A listener that is dropped frees its port and refuses connections at once.
pub async fn closed_listener_frees_its_port(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    for _ in 0..3 {
        connected(env, network, at(&pod, 8080)).await;
        fails(within(env, network.connect(None, at(&pod, 8080))).await, io::ErrorKind::ConnectionRefused);
    }
}

/// Only addresses that this network has given can be listened at.
pub async fn foreign_address_is_not_listened_at(_env: &Env, network: &dyn Network) {
    let never_given = network.ranges().pods.hosts().nth(5000).expect("the range has addresses");
    for address in [never_given, IpAddr::from([192, 0, 2, 1])] {
        fails(network.listen(SocketAddr::new(address, 8080)).await, io::ErrorKind::AddrNotAvailable);
    }
}

/// With its pod a listener leaves the network, also one that waits for a connection.
pub async fn detaching_closes_listeners(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let mut listener = network.listen(at(&pod, 8080)).await.expect("the address is free");
    let _idle = network.listen(at(&pod, 8081)).await.expect("the address is free");
    let detach = async {
        env.sleep(Duration::from_millis(10)).await;
        network.detach(&pod).await.expect("a pod is detached");
    };
    let (accepted, ()) = tokio::join!(within(env, listener.accept()), detach);
    assert!(accepted.is_err(), "nobody connected");
    for port in [8080, 8081] {
        fails(within(env, network.connect(None, at(&pod, port))).await, io::ErrorKind::ConnectionRefused);
    }
    fails(network.listen(at(&pod, 8082)).await, io::ErrorKind::AddrNotAvailable);
}

/// An open connection goes on when its pod leaves: its end can be drained.
pub async fn open_connection_outlives_the_pod(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let (mut client, mut server) = connected(env, network, at(&pod, 8080)).await;
    network.detach(&pod).await.expect("a pod is detached");
    server.write_all(b"last").await.expect("the connection is open");
    drop(server);
    let mut rest = String::new();
    within(env, client.read_to_string(&mut rest)).await.expect("the bytes arrive");
    assert_eq!(rest, "last");
}

/// Dropping the future of an accept loses no connection.
pub async fn giving_up_an_accept_loses_no_connection(env: &Env, network: &dyn Network) {
    let pod = attach(network, "web").await;
    let mut listener = network.listen(at(&pod, 8080)).await.expect("the address is free");
    assert!(env.timeout(Duration::from_millis(10), listener.accept()).await.is_none());
    let _client = within(env, network.connect(None, at(&pod, 8080))).await.expect("it listens");
    within(env, listener.accept()).await.expect("the connection arrives");
}

/// A name that cluster DNS does not know is told apart from one without addresses.
pub async fn unknown_name_is_not_found(_env: &Env, network: &dyn Network) {
    fails(network.resolve("none.shop.svc.cluster.local").await, io::ErrorKind::NotFound);
}
