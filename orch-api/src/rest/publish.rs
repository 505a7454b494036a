//! Tells the cluster where its API server is: the Service `kubernetes`, its Endpoints and EndpointSlice, which no controller makes
//! (`pkg/controlplane/controller/kubernetesservice`, `pkg/controlplane/reconcilers`), and keeps them and what else every
//! API server keeps (`systemnamespaces`, `defaultservicecidr`, `pkg/registry/flowcontrol/ensurer`).
//!
//! Not the roles and the classes of priority: Kubernetes makes those when it starts and not again. Invariant: after it was told,
//! the slice has this address and no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use orch_core::{Api, ApiExt, Env, Error, Key, Kind, Result, Revision, Write, kind};
use serde_json::{Value, json};

use super::start;
use crate::local;
use crate::merge::merged;

const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";

/// How often the Service and the range of addresses are looked after.
const EVERY: Duration = Duration::from_secs(10);

/// Of so many turns one is for namespaces and flow schemas, too: a minute.
const LONG_TURN: u32 = 6;

/// Publishes again and again, until the environment ends. What fails is tried again at the next turn.
pub(super) async fn keep(api: Arc<dyn Api>, env: Env, address: SocketAddr, services: IpNet) {
    let mut turn = 0;
    loop {
        env.sleep(EVERY).await;
        turn = (turn + 1) % LONG_TURN;
        if let Err(error) = restore(&*api, &env, (address, services), turn == 0).await {
            tracing::warn!(%error, "what every cluster has could not be kept");
        }
    }
}

/// # Errors
/// The first; the rest is done nevertheless.
async fn restore(
    api: &dyn Api,
    env: &Env,
    (address, services): (SocketAddr, IpNet),
    is_long: bool,
) -> Result<()> {
    let mut done = Vec::new();
    if is_long {
        done.push(local::make_namespaces(api).await);
        done.push(start::flow_control(api, env).await);
    }
    done.push(publish(api, address).await);
    done.push(start::service_range(api, env, services).await);
    done.into_iter().collect()
}

/// # Errors
/// What the Api says first; the rest is done nevertheless, and may be done again.
pub(super) async fn publish(api: &dyn Api, address: SocketAddr) -> Result<()> {
    let done = [
        make(api, kind::SERVICES, service(address)).await,
        make(api, kind::ENDPOINTS, endpoints(address)).await,
        make(api, kind::ENDPOINT_SLICES, slice(address)).await,
    ];
    done.into_iter().collect()
}

/// Creates an object, or brings the one that is there into its state.
async fn make(api: &dyn Api, kind: Kind, tree: Value) -> Result<()> {
    let key = Key::new(kind, NAMESPACE, NAME);
    let stored = match api.get(&key, Revision::ZERO).await {
        Ok(stored) => stored.tree(),
        Err(Error::NotFound { .. }) => return api.one(Write::create_tree(kind, tree)).await.map(drop),
        Err(error) => return Err(error),
    };
    let mut patch = tree;
    patch.as_object_mut().map(|fields| fields.remove("metadata"));
    if merged(&stored, patch.clone()) == *stored {
        return Ok(());
    }
    api.one(Write::merge(key, patch)).await.map(drop)
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
    use orch_core::Verb;

    use super::*;
    use crate::rest::tests::local;

    #[test]
    fn the_slice_follows_the_server() {
        orch_core::sim::run(1, |env| async move {
            let api = local(&env);
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

    #[test]
    fn what_fails_keeps_nothing_else_from_being_restored() {
        orch_core::sim::run(1, |env| async move {
            let api = local(&env);
            let place = (([10, 0, 0, 1], 6443).into(), "10.96.0.0/12".parse().unwrap());
            crate::local::make_namespaces(&api).await.unwrap();
            let none = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": NAMESPACE},
                "spec": {"hard": {"services": "0"}}});
            api.create(none).await.unwrap();
            let error = restore(&api, &env, place, true).await.unwrap_err();
            assert!(error.to_string().contains("exceeded quota"), "{error}");
            for key in [
                Key::new(kind::ENDPOINTS, NAMESPACE, NAME),
                Key::new(kind::ENDPOINT_SLICES, NAMESPACE, NAME),
                Key::cluster(kind::SERVICE_CIDRS, NAME),
            ] {
                assert!(api.read(&key).await.is_ok(), "{key}");
            }
        });
    }

    #[test]
    fn what_is_deleted_comes_back() {
        orch_core::sim::run(1, |env| async move {
            let api: Arc<dyn Api> = Arc::new(local(&env));
            let (address, services) = (([10, 0, 0, 1], 6443).into(), "10.96.0.0/12".parse().unwrap());
            crate::local::make_namespaces(&*api).await.unwrap();
            publish(&*api, address).await.unwrap();
            start::bootstrap(&*api, &env, services).await.unwrap();
            let keeper = env.child("keeper");
            let _task = keeper.spawn(keep(Arc::clone(&api), keeper.clone(), address, services));
            let all = [
                Key::new(kind::SERVICES, NAMESPACE, NAME),
                Key::new(kind::ENDPOINT_SLICES, NAMESPACE, NAME),
                Key::cluster(kind::SERVICE_CIDRS, NAME),
                Key::cluster(kind::FLOW_SCHEMAS, "probes"),
            ];
            env.sleep(EVERY).await;
            let before = api.list(&orch_core::Select::kind(kind::SERVICES), None, 0).await.unwrap();
            for key in &all {
                api.one(Write::new(key.clone(), Verb::Delete(orch_core::DeleteOptions::default())))
                    .await
                    .unwrap();
            }
            env.sleep(EVERY * 2).await;
            let there = async |key: &Key| api.get(key, Revision::ZERO).await.is_ok();
            for key in &all[..3] {
                assert!(there(key).await, "{key} within ten seconds");
            }
            env.sleep(EVERY * LONG_TURN).await;
            assert!(there(&all[3]).await, "flow schemas within a minute");
            let after = api.list(&orch_core::Select::kind(kind::SERVICES), None, 0).await.unwrap();
            assert_ne!(before.items[0].uid(), after.items[0].uid());
            env.sleep(EVERY * LONG_TURN).await;
            let later = api.list(&orch_core::Select::kind(kind::SERVICES), None, 0).await.unwrap();
            assert_eq!(later.revision, after.revision, "nothing is written where nothing is missing");
            env.shutdown().await;
        });
    }
}
