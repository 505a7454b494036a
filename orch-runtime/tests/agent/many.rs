//! A full node, and many nodes on one task.

use std::sync::Arc;
use std::time::Duration;

use orch_core::network::Network;
use orch_core::runtime::Runtime;
use orch_core::{ApiExt, Key, Select, kind, sim};
use orch_runtime::agent::{Agent, AgentConfig, run_all};
use orch_runtime::task::TaskRuntime;
use serde_json::json;

use crate::world::{World, condition, with_node};

/// The third hard case of the design.
#[test]
fn a_full_node_runs_its_pods_and_probes() {
    with_node(|world| async move {
        let probe = json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5});
        let spec = json!({"containers": [{"name": "c", "image": "server:1", "livenessProbe": probe, "readinessProbe": probe,
            "startupProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1, "failureThreshold": 10}}]});
        for number in 0..110 {
            world.pod(&format!("pod-{number}"), spec.clone()).await;
        }
        let pods = Select::kind(kind::PODS).field("spec.nodeName", "n1");
        let ready = async || {
            let page = world.api.list(&pods, None, 0).await.unwrap();
            page.items
                .iter()
                .filter(|pod| condition(&pod.to_tree()["status"], "Ready")["status"] == "True")
                .count()
        };
        while ready().await < 110 {
            assert!(world.env.elapsed() < Duration::from_secs(60), "{} pods are ready", ready().await);
            world.secs(1).await;
        }
        let writes = world.env.activity().writes();
        world.secs(3600).await;
        assert_eq!(ready().await, 110);
        assert_eq!(world.env.activity().writes(), writes, "an hour of probes that succeed writes nothing");
        let one_more =
            world.pod("one-more", json!({"containers": [{"name": "c", "image": "pause:1"}]})).await;
        assert_eq!(world.until_phase(&one_more, "Failed").await["reason"], "OutOfpods");
        for number in 0..110 {
            world.delete(&Key::new(kind::PODS, "default", format!("pod-{number}"))).await;
        }
        world.secs(10).await;
        assert_eq!(world.api.list(&pods, None, 0).await.unwrap().items.len(), 1);
        assert!(world.runtime.state().await.unwrap().is_empty());
    });
}

#[test]
fn one_task_drives_many_agents() {
    sim::run(3, |env| async move {
        let world = World::new(&env).await;
        let network: Arc<dyn Network> = world.network.clone();
        let agents: Vec<Agent> = (0..200)
            .map(|number| {
                let name = format!("node-{number}");
                let env = env.child(&name);
                let runtime =
                    TaskRuntime::builder(&env, network.clone()).images(world.images.clone()).build();
                let runtime: Arc<dyn Runtime> = Arc::new(runtime);
                let config = AgentConfig::new(name.clone()).data_dir(world.dir.path().join(name));
                Agent::new(&env, &world.api, &runtime, &network, config)
            })
            .collect();
        env.spawn(run_all(agents));
        for number in 0..200 {
            let tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{number}"), "namespace": "default"},
                "spec": {"nodeName": format!("node-{number}"), "containers": [{"name": "c", "image": "pause:1"}]}});
            world.api.create(tree).await.unwrap();
        }
        let last = world.api.read(&Key::new(kind::PODS, "default", "p199")).await.unwrap().revision();
        env.activity().idle_at(last).await;
        let page = world.api.list(&Select::kind(kind::PODS), None, 0).await.unwrap();
        let running = page.items.iter().filter(|pod| pod.field("status.phase") == Some("Running")).count();
        assert_eq!(running, 200);
    });
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    let trace = |seed| {
        sim::run(seed, |env| async move {
            let mut world = World::new(&env).await;
            world.start_agent();
            for number in 0..5 {
                let spec = json!({"containers": [{"name": "c", "image": "exit:1", "args": ["1", number.to_string()]}]});
                world.pod(&format!("p{number}"), spec).await;
            }
            world.secs(120).await;
            let page = world.api.list(&Select::default(), None, 0).await.unwrap();
            page.items
                .iter()
                .map(|object| (object.revision(), object.to_tree().to_string()))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(trace(5), trace(5));
}
