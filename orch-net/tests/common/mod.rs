//! A cluster without controllers: the Api, a network, a proxy and names; tests play the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use orch_api::LocalApi;
use orch_core::network::{Attachment, Connection, Join, Network};
use orch_core::{Api, ApiExt, Env, Key, Registry, Revision, Task, Write, kind};
use orch_net::{Names, Proxy};
use orch_store::MemStore;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The port that every server listens at.
pub(crate) const TARGET: u16 = 8080;

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) names: Names,
    revision: Mutex<Revision>,
}

/// What an endpoint's conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Ready,
    Draining,
}

impl World {
    /// With a proxy and names that follow the Api.
    pub(crate) async fn new(env: &Env, network: Arc<dyn Network>, names: Names) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api =
            LocalApi::builder(store, env.clone(), registry).service_range(network.ranges().services).build();
        api.bootstrap().await.unwrap();
        let api: Arc<dyn Api> = Arc::new(api);
        env.spawn(Proxy::new(&api, &env.child("proxy"), Arc::clone(&network)).run());
        env.spawn(names.follow(&api, &env.child("names")));
        let world = Self { env: env.clone(), api, network, names, revision: Mutex::default() };
        world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
        world
    }

    pub(crate) async fn create(&self, tree: Value) -> orch_core::Live {
        let live = self.api.create(tree).await.unwrap();
        self.note(live.revision());
        live
    }

    fn note(&self, revision: Revision) {
        *self.revision.lock().unwrap() = revision;
    }

    /// Waits until proxy and names have done everything that was written.
    pub(crate) async fn settle(&self) {
        let revision = *self.revision.lock().unwrap();
        self.env.activity().idle_at(revision).await;
    }

    /// A Service with port 80; answers its address.
    pub(crate) async fn service(&self, name: &str, more: Value) -> SocketAddr {
        let mut spec = json!({"ports": [{"name": "http", "port": 80, "targetPort": TARGET}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let metadata = json!({"name": name, "namespace": "shop"});
        let live = self
            .create(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
            .await;
        let address: IpAddr =
            live.tree()["spec"]["clusterIP"].as_str().unwrap().parse().unwrap_or([0, 0, 0, 0].into());
        SocketAddr::new(address, 80)
    }

    pub(crate) async fn delete(&self, key: Key) {
        let gone = self.api.one(Write::delete(key)).await.unwrap();
        self.note(gone.revision());
    }

    /// The endpoints of a Service from now on.
    pub(crate) async fn endpoints(&self, service: &str, pods: &[(&Pod, State)]) {
        let endpoint = |(pod, state): &(&Pod, State)| {
            json!({"addresses": [pod.address()], "hostname": pod.name, "conditions": {
                "ready": *state == State::Ready, "serving": *state != State::Starting,
                "terminating": *state == State::Draining}})
        };
        let endpoints: Vec<_> = pods.iter().map(endpoint).collect();
        let name = format!("{service}-1");
        let key = Key::new(kind::ENDPOINT_SLICES, "shop", name.as_str());
        let tree = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "port": TARGET, "protocol": "TCP"}], "endpoints": endpoints});
        let write = match self.api.read(&key).await {
            Ok(_) => Write::merge(key, json!({"endpoints": tree["endpoints"]})),
            Err(_) => Write::create_tree(kind::ENDPOINT_SLICES, tree),
        };
        let live = self.api.one(write).await.unwrap();
        self.note(live.revision());
    }

    pub(crate) async fn pod(&self, name: &str) -> Pod {
        let join = Join::new(Key::new(kind::PODS, "shop", name), name.into(), "n1".into());
        let attachment = self.network.attach(&join).await.unwrap();
        Pod { name: name.to_owned(), attachment, task: None, served: Arc::default() }
    }

    /// A pod that answers every connection with its name, and then with what it is sent.
    pub(crate) async fn server(&self, name: &str) -> Pod {
        let mut pod = self.pod(name).await;
        let mut listener = self.network.listen(SocketAddr::new(pod.address(), TARGET)).await.unwrap();
        let (env, name, served) = (self.env.clone(), pod.name.clone(), Arc::clone(&pod.served));
        pod.task = Some(self.env.spawn(async move {
            while let Ok((mut connection, peer)) = listener.accept().await {
                served.lock().unwrap().push(peer.ip());
                let name = name.clone();
                env.spawn(async move {
                    connection.write_all(name.as_bytes()).await?;
                    let (mut from, mut to) = tokio::io::split(connection);
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        }));
        pod
    }

    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<Connection> {
        self.network.connect(None, to).await
    }

    /// A whole request; the answer is the name of the pod that gave it.
    pub(crate) async fn ask(&self, to: SocketAddr) -> io::Result<String> {
        let mut connection = self.connect(to).await?;
        connection.shutdown().await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }

    /// An open connection and the name of the pod that holds its other end.
    pub(crate) async fn open(&self, to: SocketAddr) -> (Connection, String) {
        let mut connection = self.connect(to).await.unwrap();
        let mut name = vec![0; 1];
        connection.read_exact(&mut name).await.unwrap();
        (connection, String::from_utf8(name).unwrap())
    }
}

pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) attachment: Attachment,
    task: Option<Task<()>>,
    /// Where its connections came from.
    pub(crate) served: Arc<Mutex<Vec<IpAddr>>>,
}

impl Pod {
    pub(crate) fn address(&self) -> IpAddr {
        self.attachment.address()
    }

    /// Takes no more connections; open ones go on.
    pub(crate) async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            task.await;
        }
    }
}

/// The connection still carries bytes.
pub(crate) async fn is_alive(connection: &mut Connection) -> bool {
    let mut bytes = [0; 4];
    connection.write_all(b"ping").await.is_ok()
        && connection.read_exact(&mut bytes).await.is_ok()
        && &bytes == b"ping"
}
