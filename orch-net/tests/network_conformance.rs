//! Both networks pass the conformance suite: the one in memory in virtual time, the one on loopback with real sockets.

use std::time::Duration;

use orch_core::Env;
use orch_core::network::Network;
use orch_net::{LoopbackNetwork, LoopbackOptions, MemNetwork, MemOptions, SystemPorts};

mod memory {
    use super::*;

    fn run(case: impl AsyncFnOnce(&Env, &dyn Network)) {
        orch_core::sim::run(7, |env| async move {
            case(&env, &MemNetwork::new(&env, MemOptions::default())).await
        });
    }

    orch_net::network_conformance!(run);
}

mod memory_with_latency {
    use super::*;

    fn run(case: impl AsyncFnOnce(&Env, &dyn Network)) {
        orch_core::sim::run(8, |env| async move {
            let options = MemOptions::default().latency(Duration::from_millis(1)..Duration::from_millis(50));
            case(&env, &MemNetwork::new(&env, options)).await;
        });
    }

    orch_net::network_conformance!(run);
}

fn on_loopback(system_ports: SystemPorts, case: impl AsyncFnOnce(&Env, &dyn Network)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime is built");
    runtime.block_on(async {
        let env = Env::real();
        let options = LoopbackOptions::default().system_ports(system_ports);
        let network = LoopbackNetwork::lease(&env, options).expect("a block is free");
        case(&env, &network).await;
    });
}

mod loopback {
    use super::*;

    fn run(case: impl AsyncFnOnce(&Env, &dyn Network)) {
        on_loopback(SystemPorts::Try, case);
    }

    orch_net::network_conformance!(run);
}

mod loopback_with_mapped_ports {
    use super::*;

    fn run(case: impl AsyncFnOnce(&Env, &dyn Network)) {
        on_loopback(SystemPorts::Mapped, case);
    }

    orch_net::network_conformance!(run);
}
