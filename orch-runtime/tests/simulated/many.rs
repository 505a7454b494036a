//! Ten thousand containers are cheap: no task each, and everything is counted.

use std::net::Ipv4Addr;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orch_core::network::Attachment;
use orch_core::runtime::{
    ContainerSpec, ContainerState, Runtime, RuntimeEvent, SandboxId, SandboxSpec, Streams,
};
use orch_core::{Key, kind};
use orch_runtime::simulated::Profile;

use crate::{Node, on_node, secs};

const PODS: u32 = 10_000;

impl Node {
    /// A pod that the network does not know: nothing of it listens.
    async fn quick(&self, number: u32) -> SandboxId {
        let (pod, uid) = (Key::new(kind::PODS, "many", number.to_string()), format!("uid-{number}"));
        let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 128, 0, 0)) + number);
        let attachment = Attachment::new(pod.clone(), uid.as_str().into(), address.into());
        self.runtime.run_pod(&SandboxSpec::new(pod, uid.into(), "n1".into()), &attachment).await.unwrap()
    }
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[test]
fn ten_thousand_containers_need_one_task() {
    let profile = Profile::default()
        .start_latency(secs(1)..secs(10))
        .runs_for(secs(100)..secs(1000))
        .exit_codes([0, 0, 0, 1]);
    on_node(profile, |node| async move {
        let mut events = node.runtime.events().await.unwrap();
        let starts: FuturesUnordered<_> = (0..PODS)
            .map(|number| {
                let node = &node;
                async move {
                    let pod = node.quick(number).await;
                    node.runtime.start(&pod, &ContainerSpec::new("main", "any")).await.unwrap()
                }
            })
            .collect();
        let ids: Vec<_> = starts.collect().await;
        assert_eq!(node.runtime.containers().len(), 10_000);
        assert!(tasks() <= 1, "{} tasks", tasks());
        let mut told = 0;
        while let Some(event) = node.env.timeout(secs(1000), events.next()).await.flatten() {
            assert!(matches!(event, RuntimeEvent::Exited { .. }), "a listener that keeps up loses nothing");
            told += 1;
        }
        assert_eq!(told, 10_000);
        assert!(node.runtime.containers().is_empty());
        let state = node.runtime.state().await.unwrap();
        let failed = state
            .iter()
            .filter(|pod| matches!(pod.containers[0].state, ContainerState::Exited { code: 1, .. }));
        let failed = failed.count();
        assert!((2_300..2_700).contains(&failed), "{failed} of 10,000 failed with a chance of one in four");
        assert_eq!(node.runtime.logs(&ids[0], &Default::default()).await.unwrap().len(), 2);
        for pod in state {
            node.runtime.remove_pod(&pod.id).await.unwrap();
        }
        assert!(node.runtime.state().await.unwrap().is_empty());
        assert!(node.runtime.logs(&ids[0], &Default::default()).await.is_err());
    });
}
