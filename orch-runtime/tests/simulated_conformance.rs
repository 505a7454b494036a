//! The simulated runtime passes the conformance suite, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orch_core::network::{Attachment, Connection, Join, Network};
use orch_core::runtime::{ContainerSpec, Runtime};
use orch_core::{Env, Key, Str};
use orch_net::{MemNetwork, MemOptions};
use orch_runtime::conformance::{Behaviour, Harness};
use orch_runtime::runtime_conformance;
use orch_runtime::simulated::{Profile, SimulatedRuntime};
use tempfile::TempDir;

struct SimulatedHarness {
    env: Env,
    network: Arc<MemNetwork>,
    /// By image.
    profiles: Arc<Mutex<BTreeMap<Str, Profile>>>,
    runtime: SimulatedRuntime,
    directories: Mutex<Vec<TempDir>>,
}

impl SimulatedHarness {
    fn new(env: &Env) -> Self {
        let network = Arc::new(MemNetwork::new(env, MemOptions::default()));
        let profiles = Arc::new(Mutex::new(BTreeMap::<Str, Profile>::new()));
        let known = Arc::clone(&profiles);
        let runtime = SimulatedRuntime::builder(env, network.clone())
            .profiles(move |_, container| known.lock().unwrap().get(&container.image).cloned())
            .build();
        Self { env: env.clone(), network, profiles, runtime, directories: Mutex::default() }
    }
}

#[async_trait]
impl Harness for SimulatedHarness {
    fn env(&self) -> &Env {
        &self.env
    }

    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    async fn attach(&self, pod: &Key, uid: &str) -> Attachment {
        self.network.attach(&Join::new(pod.clone(), uid.into(), "node".into())).await.unwrap()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Connection> {
        self.network.connect(None, to).await
    }

    fn container(&self, name: &str, behaviour: &Behaviour) -> ContainerSpec {
        let mut spec = ContainerSpec::new(name, format!("conformance/{name}"));
        let (profile, at_once) = (Profile::default(), Duration::ZERO);
        let profile = match behaviour {
            Behaviour::Exit(code) => profile.runs_for(at_once).exit_codes([*code]),
            Behaviour::UntilStopped => profile,
            Behaviour::IgnoresStop => profile.ignores_stop(1.0),
            Behaviour::Prints(lines) => profile.prints(*lines),
            Behaviour::Reports => profile.runs_for(at_once).reports(),
            Behaviour::LastWord(word) => profile.runs_for(at_once).exit_codes([1]).last_word(&**word),
            Behaviour::Echoes(port) => {
                spec.ports = vec![*port];
                profile
            }
            other => panic!("{other:?} is new"),
        };
        self.profiles.lock().unwrap().insert(spec.image.clone(), profile);
        spec
    }

    fn directory(&self) -> PathBuf {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        self.directories.lock().unwrap().push(directory);
        path
    }

    fn unknown_image(&self) -> Option<Str> {
        // Any image is accepted.
        None
    }
}

fn in_virtual_time<Fut: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Harness>) -> Fut) {
    orch_core::sim::run(7, |env| async move { case(Arc::new(SimulatedHarness::new(&env))).await });
}

runtime_conformance!(in_virtual_time);
