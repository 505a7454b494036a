//! Ports: HTTP, echo, hanging, and ports that are taken.

use std::io;

use orch_core::network::{Connection, Network};
use orch_core::runtime::{ContainerId, ContainerSpec, Runtime, SandboxId};
use orch_runtime::simulated::Profile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{GRACE, Node, on_node, secs};

impl Node {
    async fn listening(&self, pod: &SandboxId, name: &str, ports: &[u16]) -> ContainerId {
        let mut spec = ContainerSpec::new(name, "web");
        spec.ports = ports.to_vec();
        self.runtime.start(pod, &spec).await.unwrap()
    }

    /// Connects to the first pod.
    async fn connect(&self, port: u16) -> io::Result<Connection> {
        self.network.connect(None, ([10, 128, 0, 1], port).into()).await
    }

    /// Sends all of it and reads to the end of the answer.
    async fn talk(&self, port: u16, text: &str) -> String {
        let mut connection = self.connect(port).await.unwrap();
        connection.write_all(text.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

const PROBE: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.36\r\n\r\n";
const USER: &str = "POST /order HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn http_is_answered_once_the_container_is_ready() {
    on_node(Profile::default().ready_after(secs(5)), |node| async move {
        let pod = node.pod("web").await;
        node.listening(&pod, "main", &[80, 8080, 80]).await;
        assert!(node.talk(80, PROBE).await.starts_with("HTTP/1.1 503 "));
        node.env.sleep(secs(5)).await;
        for port in [80, 8080] {
            let answer = node.talk(port, USER).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let expected =
                serde_json::json!({"namespace": "shop", "pod": "web", "uid": "uid-web", "container": "main"});
            assert_eq!(body, expected);
        }
        assert!(node.talk(80, "HEAD / HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\n"));
        assert!(node.connect(81).await.is_err());
    });
}

#[test]
fn only_probes_fail_by_draw() {
    on_node(Profile::default().probe_fails(0.5), |node| async move {
        let pod = node.pod("web").await;
        node.listening(&pod, "main", &[80]).await;
        let mut failed = 0;
        for _ in 0..100 {
            failed += usize::from(node.talk(80, PROBE).await.starts_with("HTTP/1.1 503 "));
            assert!(node.talk(80, USER).await.starts_with("HTTP/1.1 200 "));
        }
        assert!((30..70).contains(&failed), "{failed}");
    });
}

#[test]
fn what_is_not_http_comes_back() {
    on_node(Profile::default(), |node| async move {
        let pod = node.pod("web").await;
        node.listening(&pod, "main", &[80]).await;
        let long = "x".repeat(1_000_000);
        let mut connection = node.connect(80).await.unwrap();
        let (mut from, mut to) = tokio::io::split(&mut connection);
        let send = async {
            to.write_all(long.as_bytes()).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let mut back = String::new();
        let (_, read) = futures::join!(send, from.read_to_string(&mut back));
        read.unwrap();
        assert!(back == long);
        assert_eq!(node.talk(80, "PO").await, "PO", "the beginning of a method is none");
        assert_eq!(node.talk(80, "").await, "");
    });
}

#[test]
fn a_hanging_container_accepts_and_does_not_answer() {
    on_node(Profile::default().hangs(1.0), |node| async move {
        let pod = node.pod("web").await;
        let id = node.listening(&pod, "main", &[80]).await;
        for text in [PROBE, "ping"] {
            let talk = node.talk(80, text);
            assert!(node.env.timeout(secs(60), talk).await.is_none(), "{text:?} was answered");
        }
        let talk = node.talk(80, PROBE);
        let go_on = async {
            node.env.sleep(secs(1)).await;
            node.runtime.set_hanging(&id, false);
        };
        assert!(futures::join!(talk, go_on).0.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn ports_and_connections_close_before_the_end_is_told() {
    on_node(Profile::default(), |node| async move {
        let pod = node.pod("web").await;
        let mut spec_id = node.listening(&pod, "main", &[80]).await;
        for (attempt, way) in ["stop", "exit", "remove", "remove_pod"].into_iter().enumerate() {
            let mut open = node.connect(80).await.unwrap();
            open.write_all(b"hi").await.unwrap();
            match way {
                "stop" => node.runtime.stop(&spec_id, GRACE).await.unwrap(),
                "exit" => {
                    assert!(node.runtime.exit(&spec_id, 1));
                    // Who stops what is ending waits for its end.
                    node.runtime.stop(&spec_id, GRACE).await.unwrap();
                    assert_eq!(node.ended(&spec_id).await, Some((1, String::new())));
                }
                "remove" => node.runtime.remove(&spec_id).await.unwrap(),
                _ => node.runtime.remove_pod(&pod).await.unwrap(),
            }
            assert!(node.connect(80).await.is_err(), "{way}: the port is open");
            let mut rest = Vec::new();
            // Closed either way; what was under way may have come back.
            _ = node.env.timeout(secs(1), open.read_to_end(&mut rest)).await.expect(way);
            if way != "remove_pod" {
                let mut spec = ContainerSpec::new("main", "web");
                (spec.ports, spec.attempt) = (vec![80], u32::try_from(attempt).unwrap() + 1);
                spec_id = node.runtime.start(&pod, &spec).await.unwrap();
            }
        }
        assert!(node.runtime.state().await.unwrap().is_empty());
        assert!(node.runtime.containers().is_empty());
    });
}

#[test]
fn a_port_that_is_taken_ends_the_container() {
    on_node(Profile::default(), |node| async move {
        let pod = node.pod("web").await;
        let first = node.listening(&pod, "first", &[80]).await;
        let second = node.listening(&pod, "second", &[8080, 80]).await;
        node.env.sleep(secs(1)).await;
        assert_eq!(node.ended(&first).await, None);
        assert_eq!(node.ended(&second).await, Some((1, String::new())));
        let log = node.log(&second).await;
        assert!(log.iter().any(|line| line.starts_with("listen tcp 10.128.0.1:80: ")), "{log:?}");
        assert!(node.connect(8080).await.is_err(), "what it had opened is closed");
        assert!(node.talk(80, USER).await.contains("first"));
    });
}

#[test]
fn only_a_container_with_ports_has_a_task() {
    on_node(Profile::default(), |node| async move {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let pod = node.pod("web").await;
        let before = tasks();
        let id = node.listening(&pod, "main", &[80, 81, 82]).await;
        assert_eq!(tasks(), before + 1);
        let mut open = Vec::new();
        for _ in 0..50 {
            open.push(node.connect(80).await.unwrap());
        }
        node.env.sleep(secs(1)).await;
        assert_eq!(tasks(), before + 1, "connections need no tasks");
        node.runtime.stop(&id, GRACE).await.unwrap();
        node.env.sleep(secs(1)).await;
        assert_eq!(tasks(), before);
    });
}
