//! `/metrics`: what the server has done and is doing, under Kubernetes' names
//! (`apiserver/pkg/endpoints/metrics/metrics.go`, `apiserver/pkg/storage/etcd3/metrics/metrics.go`).
//!
//! Labels are names of registered kinds, verbs and codes, nothing that a client makes up: so there is a bound to what is
//! kept. Not here: what etcd and webhooks have. Who may read it is the authorizer's to say.

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use http::{Method, Response};
use orch_core::{Select, Str};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::body::{self, Body};
use super::service::Shared;
use super::version::GIT_VERSION;

/// Upper bounds of the durations of requests, in seconds.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Place {
    /// In Kubernetes' words for its metrics: `GET`, `LIST`, `APPLY`, …
    pub(super) verb: &'static str,
    pub(super) group: &'static str,
    pub(super) version: Str,
    pub(super) resource: &'static str,
    /// Of a path that is no resource, the path.
    pub(super) subresource: &'static str,
    pub(super) scope: &'static str,
    component: &'static str,
}

/// Of the labels that nearly always tell two of them apart: each request hashes it twice.
impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.verb, self.resource).hash(state);
    }
}

impl Place {
    pub(super) fn resource(
        verb: &'static str,
        (group, version, resource): (&'static str, Str, &'static str),
        subresource: &'static str,
        scope: &'static str,
    ) -> Self {
        Self { verb, group, version, resource, subresource, scope, component: "apiserver" }
    }

    pub(super) fn path(path: &'static str) -> Self {
        Self::resource("GET", ("", Str::default(), ""), path, "")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    #[prometheus(flatten)]
    place: Place,
    dry_run: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    #[prometheus(flatten)]
    asked: Asked,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestKind {
    request_kind: &'static str,
}

type Count = Gauge<i64, AtomicI64>;

/// What is counted of a server.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
    long_running: Family<Place, Count>,
    /// Those that write, and those that read.
    in_flight: [Count; 2],
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let (requests, long_running) = (Family::default(), Family::default());
        let durations = Family::<_, _, fn() -> Histogram>::new_with_constructor(histogram);
        let in_flight = Family::<RequestKind, Count>::default();
        let of = |request_kind| in_flight.get_or_create_owned(&RequestKind { request_kind });
        registry.register(
            "apiserver_request",
            "Requests answered, by verb, dry run, group, version, resource, subresource, scope, component and code",
            Family::clone(&requests),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "How long answers took, in seconds",
            durations.clone(),
        );
        registry.register(
            "apiserver_longrunning_requests",
            "Watches that are open",
            Family::clone(&long_running),
        );
        registry.register(
            "apiserver_current_inflight_requests",
            "Requests at work, by whether they write",
            in_flight.clone(),
        );
        registry.register("kubernetes_build_info", "Always 1; the labels say what serves", build_info());
        let in_flight = [of("mutating"), of("readOnly")];
        Self { registry, requests, durations, long_running, in_flight }
    }
}

fn build_info() -> Family<Vec<(&'static str, &'static str)>, Gauge> {
    let info = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    let labels = vec![("git_version", GIT_VERSION), ("major", "1"), ("minor", "36"), ("compiler", "rustc")];
    info.get_or_create_owned(&labels).set(1);
    info
}

/// Something that is counted for as long as it is there.
pub(super) struct Counted(Count);

impl Counted {
    fn new(count: &Count) -> Self {
        count.inc();
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A request is at work.
    pub(super) fn at_work(&self, method: &Method) -> Counted {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        Counted::new(&self.in_flight[usize::from(reads)])
    }

    /// A watch is open.
    pub(super) fn open(&self, place: &Place) -> Counted {
        Counted::new(&self.long_running.get_or_create_owned(place))
    }

    /// A request was answered.
    pub(super) fn answered(&self, place: Place, is_dry_run: bool, code: u16, took: Duration) {
        let asked = Asked { place, dry_run: if is_dry_run { "All" } else { "" } };
        self.durations.get_or_create(&asked).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { asked, code }).inc();
    }
}

/// Objects of each kind: counted when somebody asks.
async fn objects(shared: &Shared) -> Registry {
    let mut registry = Registry::default();
    let (old, new) =
        (Family::<[(&str, String); 1], Count>::default(), Family::<[(&str, String); 2], Count>::default());
    registry.register("apiserver_storage_objects", "Objects stored, by kind", old.clone());
    registry.register("apiserver_resource_objects", "Objects stored, by group and resource", new.clone());
    for info in shared.api.registry().kinds() {
        let Ok(page) = shared.api.list(&Select::kind(info.kind), None, 1).await else { continue };
        let count = page.remaining.unwrap_or(0).saturating_add(page.items.len() as u64);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let (group, resource) = (info.kind.group().to_owned(), info.kind.resource().to_owned());
        old.get_or_create(&[("resource", info.kind.to_string())]).set(count);
        new.get_or_create(&[("group", group), ("resource", resource)]).set(count);
    }
    registry
}

pub(super) async fn answer(shared: &Shared) -> Response<Body> {
    let objects = objects(shared).await;
    let mut text = String::new();
    for registry in [&shared.metrics.registry, &objects] {
        if let Err(error) = prometheus_text::encode(&mut text, registry) {
            tracing::error!(%error, "metrics could not be written");
            return body::text(500, "internal error: the metrics could not be written\n");
        }
    }
    body::bytes(200, prometheus_text::CONTENT_TYPE, text)
}
