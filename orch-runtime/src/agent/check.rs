//! What a probe or a hook asks of a container, resolved from its spec, and the asking.

use std::io;
use std::time::Duration;

use orch_core::network::{self, Network};
use orch_core::runtime::{self, ContainerId, Runtime};
use orch_core::{Env, Str};

use super::http::{self, Request};
use super::spec::{Container, Hook, HttpGet, Port, Probe};
use super::text;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Exec(Vec<Str>),
    /// Any answer from 200 to 399 is a yes.
    Http(Request),
    /// Any answer is a yes.
    Notify(Request),
    Tcp {
        host: Str,
        port: u16,
    },
    Sleep(Duration),
    /// It cannot be asked, and why.
    Impossible(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// A failure, as people see it.
    No(String),
    /// It could not be asked.
    Failed(String),
}

impl Check {
    /// Of a probe; `ip` is the pod's.
    pub(super) fn probe(probe: &Probe, container: &Container, ip: &str) -> Self {
        if let Some(exec) = &probe.exec {
            return Self::Exec(exec.command.clone());
        }
        if let Some(get) = &probe.http_get {
            return Self::http(get, container, ip, "kube-probe/1.36");
        }
        match &probe.tcp_socket {
            Some(socket) => match socket.port.of(container) {
                Some(port) => Self::Tcp { host: host(&socket.host, ip), port },
                None => Self::no_port(&socket.port),
            },
            None => Self::Impossible(
                "missing probe handler: this node has exec, httpGet and tcpSocket".to_owned(),
            ),
        }
    }

    /// Of a lifecycle hook.
    pub(super) fn hook(hook: &Hook, container: &Container, ip: &str) -> Self {
        if let Some(exec) = &hook.exec {
            return Self::Exec(exec.command.clone());
        }
        if let Some(get) = &hook.http_get {
            return match Self::http(get, container, ip, "kube-lifecycle/1.36") {
                Self::Http(request) => Self::Notify(request),
                other => other,
            };
        }
        match &hook.sleep {
            Some(sleep) => Self::Sleep(Duration::from_secs(sleep.seconds)),
            None => Self::Impossible("invalid handler".to_owned()),
        }
    }

    fn http(get: &HttpGet, container: &Container, ip: &str, agent: &'static str) -> Self {
        if get.scheme.eq_ignore_ascii_case("https") {
            return Self::Impossible("this node cannot speak HTTPS to containers".to_owned());
        }
        let Some(port) = get.port.of(container) else { return Self::no_port(&get.port) };
        let headers =
            get.http_headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        Self::Http(Request { host: host(&get.host, ip), port, path: get.path.clone(), headers, agent })
    }

    fn no_port(port: &Port) -> Self {
        Self::Impossible(format!("couldn't find port: {port:?}"))
    }
}

fn host(own: &Str, ip: &str) -> Str {
    if own.is_empty() { ip.into() } else { own.clone() }
}

/// Who is asked and by what means.
pub(super) struct Asker<'a> {
    pub(super) env: &'a Env,
    pub(super) runtime: &'a dyn Runtime,
    pub(super) network: &'a dyn Network,
    pub(super) namespace: &'a str,
    pub(super) container: &'a ContainerId,
}

impl Asker<'_> {
    /// Asks, at most that long.
    pub(super) async fn ask(&self, check: &Check, limit: Duration) -> Answer {
        match check {
            Check::Exec(command) => self.exec(command, limit).await,
            Check::Http(request) => match self.get(request, limit).await {
                Ok(status) if (200..400).contains(&status) => Answer::Yes,
                Ok(status) => Answer::No(format!("HTTP probe failed with statuscode: {status}")),
                Err(why) => Answer::No(why),
            },
            Check::Notify(request) => self.get(request, limit).await.map_or_else(Answer::No, |_| Answer::Yes),
            Check::Tcp { host, port } => match self.env.timeout(limit, self.dial(host, *port)).await {
                Some(Ok(_)) => Answer::Yes,
                Some(Err(error)) => Answer::No(dialled(host, *port, &error)),
                None => Answer::No(format!("dial tcp {host}:{port}: i/o timeout")),
            },
            Check::Sleep(duration) => match self.env.timeout(limit, self.env.sleep(*duration)).await {
                Some(()) => Answer::Yes,
                None => Answer::No("container terminated before sleep hook finished".to_owned()),
            },
            Check::Impossible(why) => Answer::Failed(why.clone()),
        }
    }

    /// The status, or why there is none.
    async fn get(&self, request: &Request, limit: Duration) -> Result<u16, String> {
        let asked = async { http::get(self.dial(&request.host, request.port).await?, request).await };
        let url = request.url();
        match self.env.timeout(limit, asked).await {
            Some(Ok(status)) => Ok(status),
            Some(Err(error)) => Err(format!("Get {url:?}: {}", dialled(&request.host, request.port, &error))),
            None => Err(format!(
                "Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            )),
        }
    }

    async fn dial(&self, host: &str, port: u16) -> io::Result<network::Connection> {
        network::dial(self.network, self.namespace, None, host, port).await
    }

    async fn exec(&self, command: &[Str], limit: Duration) -> Answer {
        let Some(streams) = self.runtime.streams() else {
            return Answer::Failed(format!("{} cannot run commands in containers", self.runtime.info().name));
        };
        match streams.exec(self.container, command, limit).await {
            Ok(output) if output.code == 0 => Answer::Yes,
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                let said = &said[..said.len().min(MAX_OUTPUT)];
                let said = String::from_utf8_lossy(said);
                if said.trim().is_empty() {
                    Answer::No(format!("command terminated with exit code {}", output.code))
                } else {
                    Answer::No(said.into_owned())
                }
            }
            Err(runtime::Error::Timeout { .. }) => {
                let words: Vec<&str> = command.iter().map(|word| &**word).collect();
                Answer::No(format!(
                    "command timed out: {:?} timed out after {}",
                    words.join(" "),
                    text::duration(limit)
                ))
            }
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

/// What is kept of a command's output (`maxReadLength` of `pkg/probe/exec`).
const MAX_OUTPUT: usize = 10 << 10;

fn dialled(host: &str, port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("dial tcp {host}:{port}: connect: connection refused"),
        io::ErrorKind::TimedOut => format!("dial tcp {host}:{port}: i/o timeout"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(probe: Value, expected: Check) {
        let container: Container =
            serde_json::from_value(json!({"ports": [{"name": "web", "containerPort": 8080}]})).unwrap();
        let probe: Probe = serde_json::from_value(probe).unwrap();
        assert_eq!(Check::probe(&probe, &container, "10.0.0.1"), expected);
    }

    #[test]
    fn ports_and_hosts_are_resolved() {
        let request = |host: &str, port| {
            let agent = "kube-probe/1.36";
            Check::Http(Request {
                host: host.into(),
                port,
                path: "/z".into(),
                headers: vec![("A".into(), "b".into())],
                agent,
            })
        };
        let headers = json!([{"name": "A", "value": "b"}]);
        check(
            json!({"httpGet": {"path": "/z", "port": "web", "httpHeaders": headers}}),
            request("10.0.0.1", 8080),
        );
        check(
            json!({"httpGet": {"host": "db", "path": "/z", "port": 81, "httpHeaders": headers}}),
            request("db", 81),
        );
        check(json!({"tcpSocket": {"port": "8081"}}), Check::Tcp { host: "10.0.0.1".into(), port: 8081 });
        check(json!({"exec": {"command": ["a"]}}), Check::Exec(vec!["a".into()]));
        check(
            json!({"tcpSocket": {"port": "none"}}),
            Check::Impossible("couldn't find port: Name(\"none\")".into()),
        );
        check(
            json!({"httpGet": {"port": 1, "scheme": "HTTPS"}}),
            Check::Impossible("this node cannot speak HTTPS to containers".into()),
        );
    }
}
