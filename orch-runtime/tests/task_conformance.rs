//! The task runtime passes the conformance suite, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use orch_core::network::{Attachment, Connection, Join, Network};
use orch_core::runtime::{ContainerSpec, Runtime};
use orch_core::{Env, Key};
use orch_net::{MemNetwork, MemOptions};
use orch_runtime::conformance::{Behaviour, Harness};
use orch_runtime::runtime_conformance;
use orch_runtime::task::{Context, TaskImages, TaskRuntime};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

struct TaskHarness {
    env: Env,
    network: Arc<MemNetwork>,
    images: TaskImages,
    runtime: TaskRuntime,
    directories: Mutex<Vec<TempDir>>,
}

impl TaskHarness {
    fn new(env: &Env) -> Self {
        let network = Arc::new(MemNetwork::new(env, MemOptions::default()));
        let images = TaskImages::default();
        let runtime = TaskRuntime::builder(env, network.clone()).images(images.clone()).build();
        Self { env: env.clone(), network, images, runtime, directories: Mutex::default() }
    }
}

#[async_trait]
impl Harness for TaskHarness {
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
        let image = format!("conformance/{name}");
        let behaviour = behaviour.clone();
        self.images.register(&image, move |context| behave(context, behaviour.clone())).unwrap();
        ContainerSpec::new(name, image)
    }

    fn directory(&self) -> PathBuf {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        self.directories.lock().unwrap().push(directory);
        path
    }
}

async fn behave(context: Context, behaviour: Behaviour) -> io::Result<i32> {
    match behaviour {
        Behaviour::Exit(code) => return Ok(code),
        Behaviour::UntilStopped => context.stopped().await,
        Behaviour::IgnoresStop => std::future::pending().await,
        Behaviour::Prints(lines) => {
            for line in 1..=lines {
                context.log(&format!("line {line}"));
                context.sleep(std::time::Duration::from_millis(10)).await;
            }
            context.log_error("done");
            context.stopped().await;
        }
        Behaviour::Reports => report(&context),
        Behaviour::LastWord(word) => {
            context.write("/dev/termination-log", word)?;
            return Ok(1);
        }
        Behaviour::Echoes(port) => {
            let mut listener = context.listen(port).await?;
            loop {
                let connection = tokio::select! {
                    biased;
                    () = context.stopped() => break,
                    accepted = listener.accept() => accepted?.0,
                };
                context.spawn(echo(connection));
            }
        }
        other => panic!("{other:?} is new"),
    }
    Ok(0)
}

async fn echo(connection: Connection) -> io::Result<u64> {
    let (mut from, mut to) = tokio::io::split(connection);
    let bytes = tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(bytes)
}

fn report(context: &Context) {
    for arg in context.args() {
        context.log(&format!("arg={arg}"));
    }
    if let Some(value) = context.var("PROBE") {
        context.log(&format!("env={value}"));
    }
    context.log(&format!("hostname={}", context.hostname()));
    if let Ok(text) = context.read_to_string("/probe/in") {
        context.log(&format!("file={text}"));
        let written = context.write("/probe/out", "written");
        context.log(if written.is_ok() { "write=ok" } else { "write=refused" });
    }
}

fn in_virtual_time<Fut: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Harness>) -> Fut) {
    orch_core::sim::run(7, |env| async move { case(Arc::new(TaskHarness::new(&env))).await });
}

runtime_conformance!(in_virtual_time);
