//! What the task runtime promises beyond the conformance suite: panics, tasks, connections, images that change, real time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use orch_core::network::{Join, Network};
use orch_core::runtime::{
    ContainerId, ContainerSpec, ContainerState, ContainerStatus, Error, Images, LogQuery, Runtime,
    RuntimeEvent, SandboxId, SandboxSpec, Streams,
};
use orch_core::{Env, Key, Str, kind, sim};
use orch_net::{MemNetwork, MemOptions, Names, Records};
use orch_runtime::task::{Context, TaskImage, TaskImages, TaskRuntime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Node {
    env: Env,
    network: Arc<MemNetwork>,
    images: TaskImages,
    runtime: TaskRuntime,
}

impl Node {
    fn new(env: &Env) -> Self {
        Self::with_names(env, Names::default())
    }

    fn with_names(env: &Env, names: Names) -> Self {
        let network = Arc::new(MemNetwork::new(env, MemOptions::default().names(names)));
        let images = TaskImages::default();
        let runtime = TaskRuntime::builder(env, network.clone()).images(images.clone()).build();
        Self { env: env.clone(), network, images, runtime }
    }

    async fn pod(&self, name: &str) -> SandboxId {
        let (pod, uid): (_, Str) = (Key::new(kind::PODS, "shop", name), name.into());
        let attachment =
            self.network.attach(&Join::new(pod.clone(), uid.clone(), "n1".into())).await.unwrap();
        self.runtime.run_pod(&SandboxSpec::new(pod, uid, "n1".into()), &attachment).await.unwrap()
    }

    async fn start(&self, pod: &SandboxId, image: &str) -> ContainerId {
        self.runtime.pull(image).await.unwrap();
        self.runtime.start(pod, &ContainerSpec::new("c", image)).await.unwrap()
    }

    async fn status(&self, id: &ContainerId) -> ContainerStatus {
        let state = self.runtime.state().await.unwrap();
        state
            .into_iter()
            .flat_map(|sandbox| sandbox.containers)
            .find(|container| container.id == *id)
            .unwrap()
    }

    async fn code(&self, id: &ContainerId) -> i32 {
        loop {
            if let ContainerState::Exited { code, .. } = self.status(id).await.state {
                return code;
            }
            self.env.sleep(Duration::from_millis(1)).await;
        }
    }

    async fn log(&self, id: &ContainerId) -> Vec<String> {
        let lines = self.runtime.logs(id, &LogQuery::default()).await.unwrap();
        lines.into_iter().map(|line| line.text.to_string()).collect()
    }
}

#[test]
fn a_panic_is_code_134_and_a_line_in_the_log() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        node.images.register("bad", |_: Context| async { panic!("the disk is {}", "full") }).unwrap();
        let id = node.start(&node.pod("a").await, "bad").await;
        assert_eq!(node.code(&id).await, 134);
        assert_eq!(node.log(&id).await, ["panicked: the disk is full"]);
    });
}

#[test]
fn a_function_that_panics_before_its_future_is_no_different() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        let sync_panic = |context: Context| {
            assert!(context.hostname().is_empty(), "at once");
            async {}
        };
        node.images.register("bad", sync_panic).unwrap();
        let id = node.start(&node.pod("a").await, "bad").await;
        assert_eq!(node.code(&id).await, 134);
        assert_eq!(node.log(&id).await, ["panicked: at once"]);
    });
}

#[test]
fn an_error_is_code_1_and_a_line_in_the_log() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        node.images.register("bad", |_: Context| async { Err::<(), _>("no such table") }).unwrap();
        let id = node.start(&node.pod("a").await, "bad").await;
        assert_eq!(node.code(&id).await, 1);
        assert_eq!(node.log(&id).await, ["Error: no such table"]);
    });
}

/// Counts how often it is dropped.
struct Dropped(Arc<AtomicU64>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_a_function_spawned_is_gone_by_the_time_its_end_is_told() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        let drops = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&drops);
        let function = move |context: Context| {
            let (one, two) = (Dropped(Arc::clone(&counted)), Dropped(Arc::clone(&counted)));
            async move {
                context.spawn(async move {
                    let _kept = one;
                    std::future::pending::<()>().await;
                });
                let _kept = two;
                context.sleep(Duration::from_secs(5)).await;
            }
        };
        node.images.register("spawns", function).unwrap();
        let mut events = node.runtime.events().await.unwrap();
        let (first, second) = (node.pod("a").await, node.pod("b").await);
        node.start(&first, "spawns").await;
        assert!(matches!(events.next().await, Some(RuntimeEvent::Exited { .. })));
        assert_eq!(drops.load(Ordering::SeqCst), 2, "after a normal end");
        let id = node.start(&second, "spawns").await;
        env.sleep(Duration::from_secs(1)).await;
        node.runtime.stop(&id, Duration::ZERO).await.unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 4, "after a kill");
    });
}

#[test]
fn containers_talk_by_name_and_a_dead_one_hangs_up() {
    sim::run(1, |env| async move {
        let names = Names::default();
        let node = Node::with_names(&env, names.clone());
        let serve = |context: Context| async move {
            let mut listener = context.listen(5432).await?;
            let (mut connection, peer) = listener.accept().await?;
            connection.write_all(format!("hello {}", peer.ip()).as_bytes()).await?;
            std::future::pending::<std::io::Result<()>>().await
        };
        let ask = |context: Context| async move {
            let mut connection = context.connect("db-0.db:5432").await?;
            let mut answer = String::new();
            // Ends when the other side is killed.
            connection.read_to_string(&mut answer).await?;
            context.log(&answer);
            assert_eq!(answer, format!("hello {}", context.address()));
            let again = context.connect("db-0.db:5432").await.map(|_| ()).unwrap_err();
            context.log(&format!("{:?}", again.kind()));
            std::io::Result::Ok(())
        };
        node.images.register("db", serve).unwrap();
        node.images.register("client", ask).unwrap();
        let (db, client) = (node.pod("db-0").await, node.pod("client").await);
        let server = node.start(&db, "db").await;
        let join = Join::new(Key::new(kind::PODS, "shop", "db-0"), "db-0".into(), "n1".into());
        let address = node.network.attach(&join).await.unwrap().address();
        let records = Records { addresses: vec![address], ..Records::default() };
        names.replace("shop", "db", [("".into(), Records::default()), ("db-0".into(), records)].into());
        let asker = node.start(&client, "client").await;
        env.sleep(Duration::from_secs(1)).await;
        assert!(matches!(node.status(&asker).await.state, ContainerState::Running { .. }));
        node.runtime.stop(&server, Duration::ZERO).await.unwrap();
        assert_eq!(node.code(&asker).await, 0, "{:?}", node.log(&asker).await);
        assert_eq!(node.log(&asker).await[1..], ["ConnectionRefused"]);
    });
}

#[test]
fn commands_of_the_image_go_before_those_that_every_image_has() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        let image = TaskImage::new(|context: Context| async move {
            context.write("/tmp/healthy", "yes\n")?;
            context.stopped().await;
            std::io::Result::Ok(())
        });
        let image = image
            .on_exec("greet", |context, argv| async move {
                format!("{} says {}", context.hostname(), argv[1..].join(" "))
            })
            .on_exec("false", |_, _| async { 0 })
            .on_exec("fails", |_, _| async { Err::<(), _>("not now") });
        node.images.add("app", image).unwrap();
        let id = node.start(&node.pod("web").await, "app").await;
        env.sleep(Duration::from_secs(1)).await;
        let run = async |words: &[&str]| {
            let words: Vec<Str> = words.iter().map(|word| (*word).into()).collect();
            let output = node.runtime.exec(&id, &words, Duration::from_secs(1)).await.unwrap();
            (
                output.code,
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(output.stderr).unwrap(),
            )
        };
        assert_eq!(run(&["greet", "a", "b"]).await, (0, "web says a b".into(), String::new()));
        assert_eq!(run(&["false"]).await.0, 0);
        assert_eq!(run(&["fails"]).await, (1, String::new(), "not now".into()));
        assert_eq!(run(&["cat", "/tmp/healthy"]).await, (0, "yes\n".into(), String::new()));
        assert_eq!(run(&["test", "-e", "/tmp/sick"]).await.0, 1);
        assert_eq!(run(&["hostname"]).await.1, "web\n");
        assert_eq!(run(&["env"]).await.1, "HOSTNAME=web\n");
        assert_eq!(run(&["sh", "-c", "true"]).await.0, 127);
    });
}

#[test]
fn a_command_ends_with_its_container() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        node.images.register("app", |_: Context| std::future::pending::<()>()).unwrap();
        let id = node.start(&node.pod("web").await, "app").await;
        let sleep: [Str; 2] = ["sleep".into(), "infinity".into()];
        let exec = node.runtime.exec(&id, &sleep, Duration::from_secs(3600));
        let kill = async {
            env.sleep(Duration::from_secs(1)).await;
            node.runtime.stop(&id, Duration::ZERO).await.unwrap();
        };
        let (output, ()) = tokio::join!(exec, kill);
        assert_eq!(output.unwrap().code, 137);
    });
}

#[test]
fn a_node_runs_what_it_pulled_until_it_pulls_again() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        let pod = node.pod("web").await;
        let never_pulled = node.images.register("app:1", |_: Context| async { 1 }).unwrap();
        let mut spec = ContainerSpec::new("c", "app:1");
        let refused = node.runtime.start(&pod, &spec).await.unwrap_err();
        assert!(matches!(refused, Error::ImagePull { .. }), "{refused}");
        assert_eq!(node.runtime.pull("app:1").await.unwrap(), never_pulled);
        node.images.register("docker.io/library/app:1", |_: Context| async { 2 }).unwrap();
        let old = node.runtime.start(&pod, &spec).await.unwrap();
        assert_eq!(node.code(&old).await, 1);
        let newer = node.runtime.pull("app:1").await.unwrap();
        assert_eq!(node.runtime.present(&format!("app@{newer}")).await.unwrap(), Some(newer));
        spec.attempt = 1;
        let new = node.runtime.start(&pod, &spec).await.unwrap();
        assert_eq!(node.code(&new).await, 2);
    });
}

#[test]
fn command_and_arguments_replace_the_images() {
    #[track_caller]
    fn check(command: &[&str], args: &[&str], expected: &str) {
        let spec = |image: &str| {
            let words = |words: &[&str]| words.iter().map(|word| Str::from(*word)).collect();
            let mut spec = ContainerSpec::new("c", image);
            (spec.command, spec.args) = (words(command), words(args));
            spec
        };
        let log = sim::run(1, |env| async move {
            let node = Node::new(&env);
            let image = TaskImage::new(|context: Context| async move {
                context.log(&format!("{:?} {:?}", context.command(), context.args()));
            });
            node.images.add("app", image.entrypoint(["serve"]).args(["--all"])).unwrap();
            node.runtime.pull("app").await.unwrap();
            let id = node.runtime.start(&node.pod("web").await, &spec("app")).await.unwrap();
            node.code(&id).await;
            node.log(&id).await
        });
        assert_eq!(log, [expected]);
    }
    check(&[], &[], r#"["serve"] ["--all"]"#);
    check(&[], &["-v"], r#"["serve"] ["-v"]"#);
    check(&["run"], &[], r#"["run"] []"#);
    check(&["run"], &["-v"], r#"["run"] ["-v"]"#);
}

#[test]
fn a_slow_listener_is_told_that_events_were_lost() {
    sim::run(1, |env| async move {
        let node = Node::new(&env);
        node.images.register("job", |_: Context| async {}).unwrap();
        let pod = node.pod("a").await;
        node.runtime.pull("job").await.unwrap();
        let mut events = node.runtime.events().await.unwrap();
        for attempt in 0..2000 {
            let mut spec = ContainerSpec::new("c", "job");
            spec.attempt = attempt;
            node.runtime.start(&pod, &spec).await.unwrap();
        }
        env.sleep(Duration::from_secs(1)).await;
        assert_eq!(events.next().await, Some(RuntimeEvent::Lost));
        assert!(matches!(events.next().await, Some(RuntimeEvent::Exited { .. })));
    });
}

#[test]
fn one_seed_one_trace() {
    let trace = |seed| {
        sim::run(seed, |env| async move {
            let node = Node::new(&env);
            let dice = |context: Context| async move {
                context.sleep(Duration::from_millis(context.env().below(1000))).await;
                i32::try_from(context.env().below(100)).unwrap()
            };
            node.images.register("dice", dice).unwrap();
            let mut events = node.runtime.events().await.unwrap();
            for name in ["a", "b", "c"] {
                node.start(&node.pod(name).await, "dice").await;
            }
            let mut trace = Vec::new();
            for _ in 0..3 {
                trace.push(format!("{:?}", events.next().await));
            }
            trace
        })
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}

#[tokio::test]
async fn it_works_in_real_time_and_leaves_nothing() {
    let env = Env::seeded(1);
    let root = tempfile::tempdir().unwrap();
    let network = Arc::new(MemNetwork::new(&env, MemOptions::default()));
    let images = TaskImages::default();
    let waits = |context: Context| async move {
        context.write("/data/file", "x")?;
        context.stopped().await;
        std::io::Result::Ok(7)
    };
    images.register("app", waits).unwrap();
    let runtime =
        TaskRuntime::builder(&env, network.clone()).images(images.clone()).root(root.path()).build();
    let node = Node { env: env.clone(), network, images, runtime };
    let pod = node.pod("web").await;
    let id = node.start(&pod, "app").await;
    let cat: [Str; 2] = ["cat".into(), "/data/file".into()];
    while node.runtime.exec(&id, &cat, Duration::from_secs(5)).await.unwrap().code != 0 {
        env.sleep(Duration::from_millis(1)).await;
    }
    node.runtime.stop(&id, Duration::from_secs(30)).await.unwrap();
    assert_eq!(node.code(&id).await, 7);
    let directories =
        |at: &std::path::Path| std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    let own = directories(root.path()).next().unwrap();
    assert_eq!(directories(&own).count(), 1);
    node.runtime.remove(&id).await.unwrap();
    assert_eq!(directories(&own).count(), 0);
    drop(node);
    env.shutdown().await;
    assert_eq!(directories(root.path()).count(), 0);
}
