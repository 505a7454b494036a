//! The DNS server over real sockets, asked as a resolver asks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use orch_core::Env;
use orch_net::{DnsServer, LoopbackNetwork, LoopbackOptions, Names, Records};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

fn names() -> Names {
    let names = Names::default();
    let many = (1..=100).map(|last| [10, 0, 0, last].into()).collect();
    let one = vec!["10.0.0.1".parse().unwrap()];
    let records = |addresses: Vec<IpAddr>| Records { addresses, ..Records::default() };
    names.replace("shop", "db", [("".into(), records(one))].into());
    names.replace("shop", "big", [("".into(), records(many))].into());
    names
}

fn question(name: &str) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message
}

async fn over_udp(server: SocketAddr, question: &Message) -> Message {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(&question.to_vec().unwrap(), server).await.unwrap();
    let mut bytes = vec![0; 65_535];
    let (length, _) = socket.recv_from(&mut bytes).await.unwrap();
    Message::from_vec(&bytes[..length]).unwrap()
}

async fn over_tcp(server: SocketAddr, question: &Message) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let bytes = question.to_vec().unwrap();
    stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn with_server<Fut: Future<Output = ()>>(case: impl FnOnce(SocketAddr) -> Fut) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let env = Env::real();
        let network = LoopbackNetwork::lease(&env, LoopbackOptions::default()).unwrap();
        let at = orch_core::network::Network::ranges(&network).services.hosts().nth(9).unwrap();
        let server = DnsServer::start(&env, names(), at).await.unwrap();
        env.timeout(Duration::from_secs(30), case(server.address())).await.unwrap();
        drop(server);
        env.shutdown().await;
    });
}

#[test]
fn questions_are_answered_over_udp_and_tcp() {
    with_server(async |server| {
        let question = question("db.shop.svc.cluster.local.");
        for answer in [over_udp(server, &question).await, over_tcp(server, &question).await] {
            assert_eq!((answer.metadata.id, answer.metadata.response_code), (7, ResponseCode::NoError));
            assert!(answer.metadata.authoritative);
            let found: Vec<_> = answer.answers.iter().map(|record| record.data.to_string()).collect();
            assert_eq!(found, ["10.0.0.1"]);
        }
    });
}

#[test]
fn what_does_not_exist_is_denied_and_what_is_not_ours_refused() {
    with_server(async |server| {
        let denied = over_udp(server, &question("none.shop.svc.cluster.local.")).await;
        assert_eq!(denied.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(denied.authorities.len(), 1);
        let refused = over_udp(server, &question("example.com.")).await;
        assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
    });
}

#[test]
fn an_answer_too_long_for_udp_is_whole_over_tcp() {
    with_server(async |server| {
        let mut question = question("big.shop.svc.cluster.local.");
        assert!(over_udp(server, &question).await.metadata.truncation);
        assert_eq!(over_tcp(server, &question).await.answers.len(), 100);
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        question.set_edns(edns);
        let answer = over_udp(server, &question).await;
        assert_eq!((answer.answers.len(), answer.metadata.truncation), (100, false));
    });
}
