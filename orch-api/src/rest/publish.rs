//! Tells the cluster where its API server is: the Service `kubernetes`, its Endpoints and EndpointSlice, which no controller makes
//! (`pkg/controlplane/controller/kubernetesservice`, `pkg/controlplane/reconcilers`).
//!
//! Invariant: after it was told, the slice has this address and no other.

use std::net::SocketAddr;

use orch_core::{Api, ApiExt, Error, Key, Result, Write, kind};
use serde_json::{Value, json};

const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";

/// # Errors
/// What the Api says; some of it may be done then, and may be done again.
pub(super) async fn publish(api: &dyn Api, address: SocketAddr) -> Result<()> {
    make(api, kind::SERVICES, service(address)).await?;
    make(api, kind::ENDPOINTS, endpoints(address)).await?;
    make(api, kind::ENDPOINT_SLICES, slice(address)).await
}

/// Creates an object, or brings the one that is there into its state.
async fn make(api: &dyn Api, kind: orch_core::Kind, tree: Value) -> Result<()> {
    match api.one(Write::create_tree(kind, tree.clone())).await {
        Err(Error::AlreadyExists { .. }) => {}
        answer => return answer.map(drop),
    }
    let mut patch = tree;
    patch.as_object_mut().map(|fields| fields.remove("metadata"));
    api.one(Write::merge(Key::new(kind, NAMESPACE, NAME), patch)).await.map(drop)
}

fn service(address: SocketAddr) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "sessionAffinity": "None", "ports": [
            {"name": "https", "protocol": "TCP", "port": 443, "targetPort": address.port()}]}})
}

/// The older form of the slice, which nobody mirrors into a second one.
fn endpoints(address: SocketAddr) -> Value {
    json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address.ip().to_string()}],
            "ports": [{"name": "https", "protocol": "TCP", "port": address.port()}]}]})
}

fn slice(address: SocketAddr) -> Value {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": NAME}},
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "protocol": "TCP", "port": address.port()}]})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orch_core::Registry;
    use orch_store::MemStore;

    use super::*;
    use crate::LocalApi;

    #[test]
    fn the_slice_follows_the_server() {
        orch_core::sim::run(1, |env| async move {
            let registry = Arc::new(Registry::built_in());
            let store = Arc::new(MemStore::new(Arc::clone(&registry)));
            let api = LocalApi::builder(store, env, registry).build();
            api.bootstrap().await.unwrap();
            for port in [6443, 7443] {
                publish(&api, ([10, 0, 0, 1], port).into()).await.unwrap();
                let read = async |kind| api.read(&Key::new(kind, NAMESPACE, NAME)).await.unwrap().tree();
                let (slice, service) = (read(kind::ENDPOINT_SLICES).await, read(kind::SERVICES).await);
                assert_eq!(slice["ports"][0]["port"], port);
                assert_eq!(slice["endpoints"].as_array().unwrap().len(), 1);
                assert_eq!(service["spec"]["ports"][0]["targetPort"], port);
                assert_eq!(service["metadata"]["labels"]["component"], "apiserver");
            }
        });
    }
}
