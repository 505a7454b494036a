//! The proxy at work, in virtual time over the network in memory.

mod common;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use common::State::{Draining, Ready, Starting};
use common::{TARGET, World, is_alive};
use orch_core::{Key, kind, sim};
use orch_net::{MemNetwork, MemOptions, Names};
use serde_json::json;

fn with_world<Fut: Future<Output = ()>>(case: impl FnOnce(World) -> Fut) {
    for_seed(5, Duration::ZERO, case);
}

fn for_seed<Fut: Future<Output = ()>>(seed: u64, latency: Duration, case: impl FnOnce(World) -> Fut) {
    sim::run(seed, |env| async move {
        let names = Names::default();
        let options = MemOptions::default().names(names.clone()).latency(Duration::ZERO..latency);
        let network = Arc::new(MemNetwork::new(&env, options));
        case(World::new(&env, network, names).await).await;
    });
}

#[track_caller]
fn refused<T>(result: io::Result<T>) {
    match result {
        Ok(_) => panic!("the connection was to be refused"),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}"),
    }
}

#[test]
fn open_connections_are_spread_evenly() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, b, c) = (world.server("a").await, world.server("b").await, world.server("c").await);
        world.endpoints("web", &[(&a, Ready), (&b, Ready), (&c, Ready)]).await;
        world.settle().await;
        let mut open = Vec::new();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..9 {
            let (connection, name) = world.open(web).await;
            *count.entry(name).or_default() += 1;
            open.push(connection);
        }
        assert_eq!(count.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    });
}

#[test]
fn the_endpoint_whose_connections_end_gets_the_next_ones() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, b) = (world.server("a").await, world.server("b").await);
        world.endpoints("web", &[(&a, Ready), (&b, Ready)]).await;
        world.settle().await;
        let mut open: Vec<_> = Vec::new();
        for _ in 0..6 {
            open.push(world.open(web).await);
        }
        open.retain(|(_, name)| name != "b");
        world.env.sleep(Duration::from_secs(1)).await;
        for _ in 0..3 {
            let (connection, name) = world.open(web).await;
            assert_eq!(name, "b");
            open.push((connection, name));
        }
    });
}

#[test]
fn an_endpoint_that_is_gone_gets_nothing_new_and_keeps_what_is_open() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, b) = (world.server("a").await, world.server("b").await);
        world.endpoints("web", &[(&a, Ready)]).await;
        world.settle().await;
        let (mut old, _) = world.open(web).await;
        world.endpoints("web", &[(&b, Ready)]).await;
        world.settle().await;
        for _ in 0..5 {
            assert_eq!(world.ask(web).await.unwrap(), "b");
        }
        assert!(is_alive(&mut old).await);
        assert_eq!(a.served.lock().unwrap().len(), 1);
        world.delete(Key::new(kind::SERVICES, "shop", "web")).await;
        world.settle().await;
        refused(world.connect(web).await);
        assert!(is_alive(&mut old).await);
    });
}

#[test]
fn an_endpoint_that_refuses_costs_no_request() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, dead, b) = (world.server("a").await, world.pod("dead").await, world.server("b").await);
        world.endpoints("web", &[(&a, Ready), (&dead, Ready), (&b, Ready)]).await;
        world.settle().await;
        for _ in 0..10 {
            world.ask(web).await.unwrap();
        }
    });
}

#[test]
fn when_every_endpoint_refuses_the_connection_is_closed_at_once() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (one, two) = (world.pod("one").await, world.pod("two").await);
        world.endpoints("web", &[(&one, Ready), (&two, Ready)]).await;
        world.settle().await;
        let before = world.env.elapsed();
        assert_eq!(world.ask(web).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(world.env.elapsed(), before);
    });
}

#[test]
fn without_endpoints_connections_are_refused_until_there_is_one() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let a = world.server("a").await;
        world.settle().await;
        refused(world.connect(web).await);
        world.endpoints("web", &[(&a, Starting)]).await;
        world.settle().await;
        refused(world.connect(web).await);
        world.endpoints("web", &[(&a, Ready)]).await;
        world.settle().await;
        assert_eq!(world.ask(web).await.unwrap(), "a");
        world.endpoints("web", &[]).await;
        world.settle().await;
        refused(world.connect(web).await);
    });
}

#[test]
fn endpoints_that_serve_while_they_terminate_are_the_last_resort() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, b) = (world.server("a").await, world.server("b").await);
        world.endpoints("web", &[(&a, Draining), (&b, Ready)]).await;
        world.settle().await;
        for _ in 0..4 {
            assert_eq!(world.ask(web).await.unwrap(), "b");
        }
        world.endpoints("web", &[(&a, Draining), (&b, Starting)]).await;
        world.settle().await;
        assert_eq!(world.ask(web).await.unwrap(), "a");
    });
}

#[test]
fn a_service_that_comes_again_is_another() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, b) = (world.server("a").await, world.server("b").await);
        world.endpoints("web", &[(&a, Ready)]).await;
        world.settle().await;
        let key = Key::new(kind::SERVICES, "shop", "web");
        world.delete(key).await;
        let again = world.service("web", json!({"clusterIP": web.ip()})).await;
        assert_eq!(again, web);
        world.endpoints("web", &[(&b, Ready)]).await;
        world.settle().await;
        assert_eq!(world.ask(web).await.unwrap(), "b");
    });
}

#[test]
fn node_ports_are_served_at_every_node() {
    with_world(|world| async move {
        let a = world.server("a").await;
        let node = |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        world.create(node("n1")).await;
        let ports = json!([{"name": "http", "port": 80, "targetPort": TARGET, "nodePort": 30080}]);
        world.service("web", json!({"type": "NodePort", "ports": ports})).await;
        world.endpoints("web", &[(&a, Ready)]).await;
        world.settle().await;
        world.create(node("n2")).await;
        world.settle().await;
        for name in ["n1", "n2"] {
            let address = world.network.node(name).await.unwrap();
            assert_eq!(world.ask((address, 30080).into()).await.unwrap(), "a", "{name}");
        }
        world.delete(Key::cluster(kind::NODES, "n1")).await;
        world.settle().await;
        refused(world.connect((world.network.node("n1").await.unwrap(), 30080).into()).await);
    });
}

#[test]
fn a_client_stays_with_its_endpoint_when_the_service_asks_for_it() {
    with_world(|world| async move {
        let web = world.service("web", json!({"sessionAffinity": "ClientIP"})).await;
        let (a, b) = (world.server("a").await, world.server("b").await);
        world.endpoints("web", &[(&a, Ready), (&b, Ready)]).await;
        world.settle().await;
        let first = world.ask(web).await.unwrap();
        for _ in 0..5 {
            assert_eq!(world.ask(web).await.unwrap(), first);
        }
        world.env.sleep(Duration::from_secs(10_801)).await;
        assert_ne!(world.ask(web).await.unwrap(), first);
    });
}

#[test]
fn an_endpoint_sees_who_the_client_is() {
    with_world(|world| async move {
        let web = world.service("web", json!({})).await;
        let (a, client) = (world.server("a").await, world.pod("client").await);
        world.endpoints("web", &[(&a, Ready)]).await;
        world.settle().await;
        let _connection = world.network.connect(Some(client.address()), web).await.unwrap();
        world.env.sleep(Duration::from_secs(1)).await;
        assert_eq!(*a.served.lock().unwrap(), [client.address()]);
    });
}

/// Replaces every pod, one after the other, while clients ask without a pause: each old pod is taken out of the
/// endpoints, and closes its port when that is settled.
#[test]
fn a_rolling_update_loses_no_request() {
    for seed in 0..10 {
        for_seed(seed, Duration::from_millis(3), |world| async move {
            let world = Arc::new(world);
            let web = world.service("web", json!({})).await;
            let mut pods = Vec::new();
            for number in 0..3 {
                pods.push(world.server(&format!("old-{number}")).await);
            }
            let ready = |pods: &[common::Pod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
            world.endpoints("web", &pods.iter().map(|pod| (pod, Ready)).collect::<Vec<_>>()).await;
            world.settle().await;
            let clients: Vec<_> = (0..8_u64)
                .map(|number| {
                    let world = Arc::clone(&world);
                    world.env.clone().spawn(async move {
                        let mut answers = Vec::new();
                        for _ in 0..100 {
                            answers.push(world.ask(web).await);
                            world.env.sleep(Duration::from_millis(1 + number)).await;
                        }
                        answers
                    })
                })
                .collect();
            for number in 0..3 {
                pods.push(world.server(&format!("new-{number}")).await);
                world.endpoints("web", &pods.iter().map(|pod| (pod, Ready)).collect::<Vec<_>>()).await;
                let mut old = pods.remove(0);
                let states: Vec<_> = pods.iter().map(|pod| (pod, Ready)).chain([(&old, Draining)]).collect();
                world.endpoints("web", &states).await;
                world.settle().await;
                // Connections that were being made when the proxy learned of it have arrived.
                world.env.sleep(Duration::from_millis(5)).await;
                old.close().await;
                world.network.detach(&old.attachment).await.unwrap();
            }
            assert!(ready(&pods).iter().all(|name| name.starts_with("new")));
            for client in clients {
                for answer in client.await.unwrap() {
                    answer.unwrap();
                }
            }
        });
    }
}

#[test]
fn one_seed_one_trace() {
    let trace = |seed| {
        let names = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&names);
        for_seed(seed, Duration::from_millis(20), |world| async move {
            let web = world.service("web", json!({})).await;
            let (a, b) = (world.server("a").await, world.server("b").await);
            world.endpoints("web", &[(&a, Ready), (&b, Ready)]).await;
            world.settle().await;
            for _ in 0..10 {
                let answer = world.ask(web).await.unwrap();
                told.lock().unwrap().push((world.env.elapsed(), answer));
            }
        });
        Arc::into_inner(names).unwrap().into_inner().unwrap()
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}
