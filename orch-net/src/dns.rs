//! Cluster DNS over the wire, for programs that ask a resolver instead of the network.
//!
//! It serves a [`Names`] table on real sockets and forwards nothing: other names are refused. Invariant: what it answers is
//! what [`Names::resolve`] knows at that moment.

mod answer;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use orch_core::{Env, Task};
use tokio::net::{TcpListener, UdpSocket};

use crate::loopback::MAPPED_BY;
use crate::{Error, Names};
use answer::Answer;

/// DNS' own port.
const PORT: u16 = 53;
/// How long a TCP connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// Answers under way on one TCP connection.
const ANSWERS: usize = 32;
/// Ports that are free for UDP and not for TCP are given up; so many of them do not come in a row.
const PORT_TRIES: usize = 16;
/// The largest answer over UDP, as CoreDNS has it.
const MAX_UDP: u16 = 4096;

/// A DNS server. It ends with its environment or when it is dropped.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// use orch_core::Env;
/// use orch_net::{DnsServer, Names};
/// let server = DnsServer::start(&Env::real(), Names::default(), [127, 0, 0, 1].into()).await.unwrap();
/// assert_ne!(server.address().port(), 0);
/// # });
/// ```
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    task: Task<()>,
}

impl DnsServer {
    /// Serves names at an address of this machine over UDP and TCP: at port 53 where the user may, else at port 20053 or
    /// any free one.
    ///
    /// # Errors
    /// `Dns` when it cannot listen there at all.
    pub async fn start(env: &Env, names: Names, address: IpAddr) -> Result<Self, Error> {
        let (udp, tcp) = bind(address).await.map_err(|source| Error::Dns { address, source })?;
        let address = udp.local_addr().map_err(|source| Error::Dns { address, source })?;
        let mut server = Server::new(Answers { names });
        server.register_socket(udp);
        server.register_listener(tcp, IDLE, ANSWERS);
        let task = env.child("dns").spawn(async move {
            if let Err(error) = server.block_until_done().await {
                tracing::warn!(%error, "dns server has ended");
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens, for both UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bind(address: IpAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for port in [PORT, PORT + MAPPED_BY].into_iter().chain(std::iter::repeat_n(0, PORT_TRIES)) {
        let bound = async {
            let udp = UdpSocket::bind((address, port)).await?;
            let tcp = TcpListener::bind(udp.local_addr()?).await?;
            io::Result::Ok((udp, tcp))
        };
        match bound.await {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::AddrInUse) =>
            {
                last = Some(error);
            }
            bound => return bound,
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// Answers questions from the table.
struct Answers {
    names: Names,
}

impl Answers {
    fn answer(&self, request: &Request) -> Answer {
        if request.metadata.message_type != MessageType::Query || request.metadata.op_code != OpCode::Query {
            return Answer::failed(ResponseCode::NotImp);
        }
        match request.request_info() {
            Ok(info) => answer::answer(&self.names, info.query.original()),
            Err(_) => Answer::failed(ResponseCode::FormErr),
        }
    }
}

#[async_trait]
impl RequestHandler for Answers {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let answer = self.answer(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = answer.code;
        metadata.authoritative = answer.code != ResponseCode::Refused;
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(asked.max_payload().clamp(512, MAX_UDP));
            edns
        });
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let message = builder.build(metadata, &answer.answers, [], &answer.authority, &answer.additionals);
        match response.send_response(message).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "dns answer was not sent");
                metadata.response_code = ResponseCode::ServFail;
                Header { metadata, counts: HeaderCounts::default() }.into()
            }
        }
    }
}
