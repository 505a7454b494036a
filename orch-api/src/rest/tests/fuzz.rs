//! Whatever is sent, in whatever order: an answer comes, it is not the server's fault, it is bounded, and what is stored
//! stays whole.
//!
//! ```text
//! cargo test -p orch-api --features rest fuzz                                             # a few thousand requests
//! ORCH_FUZZ_CASES=1000000 cargo test --release -p orch-api --features rest fuzz           # a million
//! ```

mod make;

use std::time::Duration;

use futures::StreamExt;
use http_body_util::BodyStream;
use orch_core::{Read, Select, kind};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use make::{Known, Sent};

/// Requests without further words.
const CASES: u32 = 2_000;
/// Requests to one server.
const SEQUENCE: usize = 25;
/// Bytes of an answer's body that are read: more only lists have, and those are never this large here.
const MAX_ANSWER: usize = 16 << 20;
/// How long a watch is listened to, in virtual time.
const LISTEN: Duration = Duration::from_secs(2);

fn config() -> Config {
    let cases = std::env::var("ORCH_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let sequences = (cases / u32::try_from(SEQUENCE).unwrap()).max(1);
    Config { cases: sequences, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() }
}

impl Server {
    /// Sends one, checks the answer, and says what became known by it.
    async fn throw(&self, sent: &Sent, known: &mut Known) {
        let Some(request) = sent.request() else { return };
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let (code, is_json) = (
            parts.status.as_u16(),
            parts.headers.get("content-type").is_some_and(|value| value == "application/json"),
        );
        let mut bytes = Vec::new();
        let is_watch = parts.status == 200 && sent.is_watch();
        let read = async {
            let mut frames = BodyStream::new(body);
            while let Some(frame) = frames.next().await {
                let Ok(data) = frame.unwrap().into_data() else { continue };
                bytes.extend_from_slice(&data);
                assert!(bytes.len() <= MAX_ANSWER, "{sent:?}: the answer has no end");
            }
        };
        let is_whole = self.env.timeout(LISTEN, read).await.is_some();
        assert!(is_whole || is_watch, "{sent:?}: the answer does not end");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]);
        if is_json && !is_watch && !parts.headers.contains_key("content-encoding") && !sent.is_head() {
            let tree: Value =
                serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{sent:?}: {error}: {shown}"));
            assert!(code < 400 || tree["code"] == code, "{sent:?}: {code}: {shown}");
            // An error without a reason is one that Kubernetes has no better answer to either.
            let is_unknown = tree["kind"] == "Status" && tree.get("reason").is_none();
            assert!(code < 500 || code == 504 || is_unknown, "{sent:?}: {code}: {shown}");
            known.learn(&tree);
        } else {
            // Of a revision that does not come.
            assert!(code < 500 || code == 504, "{sent:?}: {code}: {shown}");
        }
        let bound = 8 * sent.size() + (256 << 10);
        assert!(code < 400 || bytes.len() < bound, "{sent:?}: {code} with {} bytes", bytes.len());
    }

    /// What is stored can be read, listed and is as it says.
    async fn is_whole(&self) {
        let all = self.store.list(&Select::default(), None, 0).await.unwrap();
        for object in &all.items {
            let tree: Value = serde_json::from_slice(&object.to_json()).unwrap();
            assert_eq!(tree["metadata"]["name"], &*object.key().name, "{object:?}");
            assert_eq!(tree["metadata"]["uid"], &**object.uid(), "{object:?}");
            assert!(object.revision() <= all.revision, "{object:?}");
        }
        let count = |kind| all.items.iter().filter(|object| object.key().kind == kind).count();
        for (kind, uri) in [
            (kind::PODS, "/api/v1/pods"),
            (kind::CONFIG_MAPS, "/api/v1/configmaps"),
            (kind::DEPLOYMENTS, "/apis/apps/v1/deployments"),
            (kind::NAMESPACES, "/api/v1/namespaces"),
            (kind::HORIZONTAL_POD_AUTOSCALERS, "/apis/autoscaling/v1/horizontalpodautoscalers"),
        ] {
            let listed = self.get(uri).await.expect(200);
            assert_eq!(listed.names().len(), count(kind), "{uri}");
        }
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn no_sequence_of_requests_is_the_servers_fault(
        seeds in prop::collection::vec(any::<u64>().no_shrink(), 1..2 * SEQUENCE),
    ) {
        with(|server| async move {
            let mut known = Known::default();
            for seed in &seeds {
                let sent = make::request(*seed, &known);
                server.throw(&sent, &mut known).await;
            }
            server.is_whole().await;
        });
    }
}
