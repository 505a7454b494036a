//! One node with everything that an agent needs, and words to ask what became of a pod.

use std::sync::Arc;
use std::time::Duration;

use orch_api::LocalApi;
use orch_core::network::Network;
use orch_core::runtime::Runtime;
use orch_core::{Api, ApiExt, Env, Key, Live, Registry, Select, Write, kind, sim};
use orch_net::{MemNetwork, MemOptions};
use orch_runtime::agent::{Agent, AgentConfig};
use orch_runtime::task::{Context, TaskImage, TaskImages, TaskRuntime};
use orch_store::MemStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) network: Arc<MemNetwork>,
    pub(crate) images: TaskImages,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) config: AgentConfig,
    agent: Option<Env>,
    generation: u32,
    pub(crate) dir: TempDir,
}

/// Runs a test on a node whose agent has begun.
pub(crate) fn with_node<F, Fut>(body: F)
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = ()>,
{
    sim::run(7, |env| async move {
        let mut world = World::new(&env).await;
        world.start_agent();
        body(world).await;
    });
}

impl World {
    pub(crate) async fn new(env: &Env) -> Self {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(store, env.clone(), registry).build();
        api.bootstrap().await.unwrap();
        let network = Arc::new(MemNetwork::new(env, MemOptions::default()));
        let images = TaskImages::default();
        register(&images);
        let dir = tempfile::tempdir().unwrap();
        let runtime =
            TaskRuntime::builder(env, network.clone()).images(images.clone()).root(dir.path()).build();
        Self {
            env: env.clone(),
            api: Arc::new(api),
            network,
            images,
            runtime: Arc::new(runtime),
            config: AgentConfig::new("n1").data_dir(dir.path().join("kubelet")),
            agent: None,
            generation: 0,
            dir,
        }
    }

    pub(crate) fn agent(&self, env: &Env) -> Agent {
        let network: Arc<dyn Network> = self.network.clone();
        Agent::new(env, &self.api, &self.runtime, &network, self.config.clone())
    }

    pub(crate) fn start_agent(&mut self) {
        self.generation += 1;
        let env = self.env.child(&format!("agent-{}", self.generation));
        env.spawn(self.agent(&env).run());
        self.agent = Some(env);
    }

    pub(crate) fn crash_agent(&mut self) {
        self.agent.take().unwrap().crash();
    }

    /// Creates a pod that is bound to the node.
    pub(crate) async fn pod(&self, name: &str, mut spec: Value) -> Key {
        spec["nodeName"] = "n1".into();
        if spec["terminationGracePeriodSeconds"].is_null() {
            spec["terminationGracePeriodSeconds"] = 5.into();
        }
        let tree = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name}}});
        self.api.create(tree).await.unwrap().key().clone()
    }

    pub(crate) async fn create(&self, mut tree: Value) -> Live {
        if tree["apiVersion"].is_null() {
            tree["apiVersion"] = "v1".into();
        }
        self.api.create(tree).await.unwrap()
    }

    pub(crate) async fn patch(&self, key: &Key, patch: Value) -> Live {
        self.api.one(Write::merge(key.clone(), patch)).await.unwrap()
    }

    pub(crate) async fn delete(&self, key: &Key) {
        self.api.one(Write::delete(key.clone())).await.unwrap();
    }

    pub(crate) async fn read(&self, key: &Key) -> Option<Value> {
        self.api.read(key).await.ok().map(|live| live.tree().as_ref().clone())
    }

    pub(crate) async fn status(&self, key: &Key) -> Value {
        self.read(key).await.map(|tree| tree["status"].clone()).unwrap_or_default()
    }

    /// Waits until the status is as wanted, at most an hour of virtual time.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        key: &'a Key,
        wanted: impl Fn(&Value) -> bool + 'a,
    ) -> impl Future<Output = Value> + 'a {
        let place = std::panic::Location::caller();
        async move {
            for _ in 0..36_000 {
                let status = self.status(key).await;
                if wanted(&status) {
                    return status;
                }
                self.env.sleep(Duration::from_millis(100)).await;
            }
            let (status, events) = (self.status(key).await, self.events(&key.name).await);
            panic!("{place}: {key} is still {status:#}\n{events:#?}");
        }
    }

    #[track_caller]
    pub(crate) fn until_phase<'a>(
        &'a self,
        key: &'a Key,
        phase: &'a str,
    ) -> impl Future<Output = Value> + 'a {
        self.until(key, move |status| status["phase"] == phase)
    }

    #[track_caller]
    pub(crate) fn until_ready<'a>(&'a self, key: &'a Key) -> impl Future<Output = Value> + 'a {
        self.until(key, |status| condition(status, "Ready")["status"] == "True")
    }

    /// Waits until the object is gone.
    pub(crate) async fn until_gone(&self, key: &Key) {
        self.until(key, Value::is_null).await;
    }

    /// `Reason: message` of the Events of an object, in the order they were first seen.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let page = self.api.list(&Select::kind(kind::EVENTS), None, 0).await.unwrap();
        let mut events: Vec<_> = page.items.iter().map(|event| (event.revision(), event.to_tree())).collect();
        events.sort_by_key(|(revision, _)| *revision);
        let about =
            events.into_iter().map(|(_, tree)| tree).filter(|tree| tree["involvedObject"]["name"] == name);
        about
            .map(|tree| {
                format!("{}: {}", tree["reason"].as_str().unwrap(), tree["message"].as_str().unwrap())
            })
            .collect()
    }

    pub(crate) async fn has_event(&self, name: &str, start: &str) -> bool {
        self.events(name).await.iter().any(|event| event.starts_with(start))
    }

    pub(crate) async fn log(&self, key: &Key, container: &str) -> Vec<String> {
        let state = self.runtime.state().await.unwrap();
        let sandbox = state.into_iter().find(|sandbox| sandbox.spec.pod == *key).unwrap();
        let current = sandbox.containers.iter().rfind(|status| &*status.name == container).unwrap();
        let lines = self.runtime.streams().unwrap().logs(&current.id, &Default::default()).await.unwrap();
        lines.iter().map(|line| line.text.to_string()).collect()
    }

    pub(crate) async fn secs(&self, secs: u64) {
        self.env.sleep(Duration::from_secs(secs)).await;
    }
}

pub(crate) fn condition(status: &Value, name: &str) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == name).cloned().unwrap_or_default()
}

/// The images of the tests.
fn register(images: &TaskImages) {
    // Runs until it is asked to end.
    let pause = |context: Context| async move { context.stopped().await };
    let server =
        TaskImage::new(serve).on_exec("healthy", |context: Context, _: Vec<orch_core::Str>| async move {
            if context.path("/tmp/sick").is_ok_and(|path| path.exists()) { 1 } else { 0 }
        });
    images.register("pause:1", pause).unwrap();
    images.add("server:1", server).unwrap();
    // Ends with the code of its first argument, after as many seconds as its second says.
    images
        .register("exit:1", |context: Context| async move {
            let number =
                |at: usize| context.args().get(at).and_then(|word| word.parse::<i32>().ok()).unwrap_or(0);
            context.log(&format!("exits with {}", number(0)));
            context.sleep(Duration::from_secs(number(1).try_into().unwrap())).await;
            number(0)
        })
        .unwrap();
    // Never ends by itself, whatever it is asked.
    images.register("stubborn:1", |_: Context| std::future::pending::<()>()).unwrap();
    // Writes its environment and arguments to the log.
    images
        .register("print:1", |context: Context| async move {
            for (name, value) in context.vars() {
                context.log(&format!("{name}={value}"));
            }
            context.log(&format!("args={}", context.args().join(",")));
            context.stopped().await;
        })
        .unwrap();
}

/// An HTTP server at port 80: `/` answers 200 from a second after its start on, `/fail` makes it sick.
async fn serve(context: Context) {
    context.sleep(Duration::from_secs(1)).await;
    let mut listener = context.listen(80).await.unwrap();
    let mut is_sick = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((mut connection, _)) = accepted else { return };
        let mut asked = vec![0; 1024];
        let count = connection.read(&mut asked).await.unwrap_or(0);
        let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
        is_sick |= asked.starts_with("GET /fail");
        is_sick &= !asked.starts_with("GET /heal");
        let status = if is_sick { "500 Internal Server Error" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        _ = connection.write_all(answer.as_bytes()).await;
    }
}

/// Asks a pod's server.
pub(crate) async fn get(world: &World, status: &Value, path: &str) {
    let to = format!("{}:80", status["podIP"].as_str().unwrap()).parse().unwrap();
    let mut connection = world.network.connect(None, to).await.unwrap();
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
}
