//! Whole requests against a server over a store in memory, in virtual time.

mod access;
mod again;
mod custom;
mod documents;
mod forms;
mod fuzz;
mod guard;
mod lists;
mod metrics;
mod patches;
mod scales;
mod socket;
mod tokens;
mod total;
mod verbs;
mod watches;
mod wording;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use orch_core::{Env, Registry, User};
use orch_store::MemStore;
use serde_json::{Value, json};

use super::{Body, MASTERS, Rest};
use crate::LocalApi;

/// A server and what is behind it.
struct Server {
    rest: Rest,
    store: MemStore,
    env: Env,
}

/// What came back.
struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Value,
    raw: String,
}

fn admin() -> User {
    let mut user = User::new("admin");
    user.groups = vec![MASTERS.into()];
    user
}

/// An Api of a store of its own.
pub(super) fn local(env: &Env) -> LocalApi {
    let registry = Arc::new(Registry::built_in());
    LocalApi::builder(Arc::new(MemStore::new(Arc::clone(&registry))), env.clone(), registry).build()
}

/// Runs a test against a new server.
fn with<F, Fut>(test: F)
where
    F: FnOnce(Server) -> Fut,
    Fut: Future<Output = ()>,
{
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let api = LocalApi::builder(Arc::new(store.clone()), env.clone(), registry).build();
        api.bootstrap().await.unwrap();
        let rest = Rest::builder(Arc::new(api), &env).build().acting_as(admin());
        test(Server { rest, store, env }).await;
    });
}

impl Server {
    async fn open(&self, request: Request<Full<Bytes>>) -> Response<Body> {
        self.rest.answer(request).await
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.open(request.body(Full::new(body.into())).unwrap()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let raw = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { code: parts.status.as_u16(), headers: parts.headers, body, raw }
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(Method::GET, uri, &[], "").await
    }

    async fn post(&self, uri: &str, tree: Value) -> Answer {
        self.send(Method::POST, uri, &[], tree.to_string()).await
    }

    async fn put(&self, uri: &str, tree: Value) -> Answer {
        self.send(Method::PUT, uri, &[], tree.to_string()).await
    }

    async fn merge(&self, uri: &str, tree: Value) -> Answer {
        let headers = [("content-type", "application/merge-patch+json")];
        self.send(Method::PATCH, uri, &headers, tree.to_string()).await
    }

    async fn delete(&self, uri: &str, tree: Option<Value>) -> Answer {
        let body = tree.map(|tree| tree.to_string()).unwrap_or_default();
        self.send(Method::DELETE, uri, &[], body).await
    }

    /// Makes a config map in the namespace `default`.
    async fn map(&self, name: &str, labels: Value) -> Answer {
        let answer = self.post(MAPS, json!({"metadata": {"name": name, "labels": labels}})).await;
        answer.expect(201)
    }
}

impl Answer {
    #[track_caller]
    fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", self.raw);
        self
    }

    fn text(&self, path: &str) -> &str {
        self.body.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn revision(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    fn names(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}})
}
