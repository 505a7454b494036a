//! One HTTP/1.1 request for a probe or a hook (`pkg/probe/http`): GET, the head of the answer, no redirects, no TLS.
//!
//! Bounded: the head of an answer may have 64 KiB, of the body at most 10 KiB are taken.

use std::io;

use orch_core::Str;
use orch_core::network::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MAX_HEAD: usize = 64 << 10;
/// `maxRespBodyLength` of `pkg/probe/http/http.go`.
const MAX_BODY: usize = 10 << 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// An address or a name.
    pub(super) host: Str,
    pub(super) port: u16,
    pub(super) path: Str,
    pub(super) headers: Vec<(Str, Str)>,
    /// Who asks: `kube-probe/1.36` or `kube-lifecycle/1.36`.
    pub(super) agent: &'static str,
}

impl Request {
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.authority(), self.target())
    }

    fn target(&self) -> String {
        if self.path.starts_with('/') { self.path.to_string() } else { format!("/{}", self.path) }
    }

    fn head(&self) -> String {
        let has = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target());
        for (name, value) in [("Host", &*self.authority()), ("User-Agent", self.agent), ("Accept", "*/*")] {
            if !has(name) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection"))
        {
            head += &format!("{name}: {value}\r\n");
        }
        head + "Connection: close\r\n\r\n"
    }
}

/// Asks and answers the status.
///
/// # Errors
/// `InvalidData` when the answer is not HTTP/1; else the connection's own.
pub(super) async fn get(mut connection: Connection, request: &Request) -> io::Result<u16> {
    let head = request.head();
    if head.lines().any(|line| line.bytes().any(|byte| byte.is_ascii_control())) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "net/http: invalid header field value"));
    }
    connection.write_all(head.as_bytes()).await?;
    connection.flush().await?;
    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = connection.read(&mut chunk).await?;
        received.extend_from_slice(&chunk[..count]);
        if let Some(head) = parse(&received)? {
            drain(connection, &received, &head).await;
            return Ok(head.status);
        }
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"));
        }
        if received.len() > MAX_HEAD {
            return Err(malformed("the head is too long"));
        }
    }
}

struct Head {
    status: u16,
    length: usize,
    /// Where the body begins.
    end: usize,
}

/// The head of an answer once it is whole; interim answers (1xx) are skipped.
fn parse(received: &[u8]) -> io::Result<Option<Head>> {
    let mut start = 0;
    while let Some(length) = received[start..].windows(4).position(|window| window == b"\r\n\r\n") {
        let text = std::str::from_utf8(&received[start..start + length])
            .map_err(|_| malformed("the head is not text"))?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status =
            words.next().and_then(|word| word.parse().ok()).filter(|status| (100..1000).contains(status));
        let (true, Some(status)) = (is_http, status) else {
            return Err(malformed("the status line is wrong"));
        };
        start += length + 4;
        if status >= 200 {
            let length = lines
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse().ok());
            return Ok(Some(Head { status, length: length.unwrap_or(0), end: start }));
        }
    }
    Ok(None)
}

/// Takes the body, so that the one who answers sees no broken connection. Its errors change nothing.
async fn drain(mut connection: Connection, received: &[u8], head: &Head) {
    let missing = head.length.min(MAX_BODY).saturating_sub(received.len() - head.end);
    let mut body = vec![0; missing];
    if let Err(error) = connection.read_exact(&mut body).await {
        tracing::trace!(%error, "body of a probe's answer was cut off");
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed HTTP response: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let headers = vec![("X-A".into(), "1".into()), ("host".into(), "other".into())];
        Request {
            host: "10.0.0.1".into(),
            port: 80,
            path: "healthz?x=1".into(),
            headers,
            agent: "kube-probe/1.36",
        }
    }

    async fn answer(parts: &[&str]) -> io::Result<u16> {
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let serve = async move {
            let mut asked = vec![0; 4096];
            let count = far.read(&mut asked).await.unwrap();
            for part in parts {
                far.write_all(part.as_bytes()).await.unwrap();
            }
            drop(far);
            String::from_utf8(asked[..count].to_vec()).unwrap()
        };
        let (status, asked) = futures::join!(async { get(Box::new(near), &request()).await }, serve);
        assert_eq!(
            asked,
            "GET /healthz?x=1 HTTP/1.1\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nX-A: 1\r\nhost: other\r\nConnection: close\r\n\r\n"
        );
        status
    }

    #[tokio::test]
    async fn the_status_is_read() {
        assert_eq!(answer(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await.unwrap(), 200);
        assert_eq!(answer(&["HTTP/1.1 5", "03 Busy\r\nA: b\r", "\n\r\n"]).await.unwrap(), 503);
        assert_eq!(
            answer(&["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 302 Found\r\n\r\n"]).await.unwrap(),
            302
        );
    }

    #[tokio::test]
    async fn what_is_not_http_is_an_error() {
        for parts in [
            &[""][..],
            &["HTTP/1.1 200 OK\r\n"],
            &["SSH-2.0\r\n\r\n"],
            &["HTTP/1.1 abc\r\n\r\n"],
            &["HTTP/1.1 99 x\r\n\r\n"],
        ] {
            assert!(answer(parts).await.is_err(), "{parts:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(70 << 10));
        let (near, mut far) = tokio::io::duplex(256 << 10);
        far.write_all(long.as_bytes()).await.unwrap();
        assert!(get(Box::new(near), &request()).await.is_err());
    }

    #[test]
    fn addresses_of_both_families_make_urls() {
        assert_eq!(request().url(), "http://10.0.0.1:80/healthz?x=1");
        assert_eq!(
            Request { host: "fd00::1".into(), path: "".into(), ..request() }.url(),
            "http://[fd00::1]:80/"
        );
    }
}
