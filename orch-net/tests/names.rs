//! Names that follow the Api, asked through the network; and the whole path over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::State::{Ready, Starting};
use common::World;
use orch_core::network::dial;
use orch_core::{Env, Key, kind, sim};
use orch_net::{LoopbackNetwork, LoopbackOptions, MemNetwork, MemOptions, Names, SystemPorts};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn names_follow_services_and_their_endpoints() {
    sim::run(3, |env| async move {
        let names = Names::default();
        let network = Arc::new(MemNetwork::new(&env, MemOptions::default().names(names.clone())));
        let world = World::new(&env, network, names).await;
        let resolve = async |name: &str| {
            let mut found =
                world.network.resolve(&format!("{name}.svc.cluster.local")).await.unwrap_or_default();
            found.sort_unstable();
            found
        };
        let web = world.service("web", json!({})).await;
        world.service("db", json!({"clusterIP": "None"})).await;
        let (zero, one) = (world.pod("db-0").await, world.pod("db-1").await);
        world.endpoints("db", &[(&zero, Ready), (&one, Starting)]).await;
        world.settle().await;
        assert_eq!(resolve("web.shop").await, [web.ip()]);
        assert_eq!(resolve("db.shop").await, [zero.address()]);
        assert_eq!(resolve("db-0.db.shop").await, [zero.address()]);
        assert!(resolve("db-1.db.shop").await.is_empty());
        world.endpoints("db", &[(&zero, Ready), (&one, Ready)]).await;
        world.settle().await;
        assert_eq!(resolve("db.shop").await, [zero.address(), one.address()]);
        assert_eq!(resolve("db-1.db.shop").await, [one.address()]);
        world.delete(Key::new(kind::SERVICES, "shop", "db")).await;
        world.settle().await;
        assert!(world.network.resolve("db.shop.svc.cluster.local").await.is_err());
    });
}

fn over_real_sockets(system_ports: SystemPorts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (env, names) = (Env::real(), Names::default());
        let options = LoopbackOptions::default().names(names.clone()).system_ports(system_ports);
        let network = LoopbackNetwork::lease(&env, options).unwrap();
        let world = World::new(&env, Arc::new(network.clone()), names).await;
        let path = async {
            let web = world.service("web", json!({})).await;
            let (a, b) = (world.server("a").await, world.server("b").await);
            world.endpoints("web", &[(&a, Ready), (&b, Ready)]).await;
            world.settle().await;
            let client = world.pod("client").await;
            for _ in 0..4 {
                let from = Some(client.address());
                let mut connection = dial(&*world.network, "shop", from, "web", 80).await.unwrap();
                connection.write_all(b" says hello").await.unwrap();
                connection.shutdown().await.unwrap();
                let mut answer = String::new();
                connection.read_to_string(&mut answer).await.unwrap();
                assert!(["a says hello", "b says hello"].contains(&&*answer), "{answer}");
            }
            assert_eq!([&a, &b].map(|pod| pod.served.lock().unwrap().clone()), [[client.address(); 2]; 2]);
            // A program outside of the cluster finds the same Service.
            let published = network.published(web).unwrap();
            assert_eq!(
                (published.ip(), published == web),
                (web.ip(), system_ports == SystemPorts::Try && published.port() == 80)
            );
            let mut outside = tokio::net::TcpStream::connect(published).await.unwrap();
            outside.shutdown().await.unwrap();
            let mut answer = String::new();
            outside.read_to_string(&mut answer).await.unwrap();
            assert!(["a", "b"].contains(&&*answer), "{answer}");
        };
        env.timeout(Duration::from_secs(60), path).await.unwrap();
        env.shutdown().await;
    });
}

#[test]
fn a_service_is_reached_by_name_over_real_sockets() {
    over_real_sockets(SystemPorts::Try);
}

#[test]
fn a_service_is_reached_where_system_ports_may_not_be_bound() {
    over_real_sockets(SystemPorts::Mapped);
}
