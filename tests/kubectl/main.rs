//! Real `kubectl` against a cluster over TLS, where the machine has one; without, each test says that it did nothing.
//!
//! What is checked is what a person sees: the exit code, and words of the output. `.ci/golden` holds what is sent.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper of a test fails the test")]

mod access;
mod changes;
mod custom;
#[expect(unreachable_pub, reason = "a module of an example")]
#[path = "../../examples/local_cluster/images.rs"]
mod images;
mod pods;
mod reading;
#[expect(unreachable_pub, reason = "a module of an example")]
#[path = "../../examples/local_cluster/shell.rs"]
mod shell;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use orch::api::rest::{self, Authority, MASTERS, Rbac, Rest, Server, ServiceAccountTokens, TokenKey};
use orch::core::Env;
use orch::runtime::task::TaskImages;
use orch::{Cluster, NodeSpec};

/// A client of one cluster.
struct Kubectl {
    home: tempfile::TempDir,
}

/// What came of a command.
struct Said {
    line: String,
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a test against a cluster of two nodes with the images of `local_cluster`.
fn with(test: impl FnOnce(&Kubectl)) {
    let found = Command::new("kubectl").args(["version", "--client"]).output();
    if !found.is_ok_and(|found| found.status.success()) {
        eprintln!("skipped: this machine has no kubectl");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    let cluster = runtime.block_on(start(home.path().join("kubeconfig")));
    test(&Kubectl { home });
    runtime.block_on(cluster.shutdown()).unwrap();
}

/// As `examples/local_cluster.rs` does it.
async fn start(kubeconfig: PathBuf) -> Cluster {
    let env = Env::real();
    let task_images = TaskImages::default();
    images::register(&task_images).unwrap();
    let key = TokenKey::new().unwrap();
    let cluster = Cluster::builder()
        .env(env.clone())
        .nodes(["n1", "n2"].map(NodeSpec::new))
        .images(task_images)
        .tokens(Arc::new(key.clone()))
        .start()
        .await
        .unwrap();
    let rbac = Rbac::new(cluster.api());
    rbac.bootstrap().await.unwrap();
    rest::bootstrap(&*cluster.api(), &env, cluster.network().ranges().services).await.unwrap();
    let rest = Rest::builder(cluster.api(), &env)
        .authorizer(rbac)
        .authenticator(ServiceAccountTokens::new(key, cluster.api(), &env))
        .logs(cluster.pod_logs())
        .build();
    let authority = Authority::new(&env).unwrap();
    let server = Server::start(rest, &env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
    let admin = authority.client("kubernetes-admin", Some(MASTERS)).unwrap();
    server.write_kubeconfig(&kubeconfig, &authority, &admin).unwrap();
    cluster
}

impl Kubectl {
    /// Runs a command whose words are separated by spaces; quotes hold words together.
    fn run(&self, line: &str) -> Said {
        self.given(line, "")
    }

    /// The same, with something to read.
    fn given(&self, line: &str, input: &str) -> Said {
        let mut child = self.begun(line);
        // Who does not read has ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::of(line, child)
    }

    /// Starts a command, gives what it printed first to `then`, and waits for its end.
    fn during(&self, line: &str, then: impl FnOnce(&str)) -> Said {
        let mut child = self.begun(line);
        let mut first = [0; 4096];
        let count = child.stdout.as_mut().unwrap().read(&mut first).unwrap();
        then(&String::from_utf8_lossy(&first[..count]));
        Said::of(line, child)
    }

    fn begun(&self, line: &str) -> Child {
        let mut command = Command::new("kubectl");
        command.args(words(line)).env("KUBECONFIG", self.path("kubeconfig")).env("HOME", self.home.path());
        command.env("KUBE_EDITOR", "sed -i s/daily/weekly/g").current_dir(self.home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Applies objects.
    #[track_caller]
    fn apply(&self, manifest: &str) {
        self.given("apply -f -", manifest).ok();
    }

    /// Makes the context `bearer`, which shows that token and no certificate.
    fn as_bearer(&self, token: &str) {
        self.run(&format!("config set-credentials bearer --token {token}")).ok();
        self.run("config set-context bearer --cluster orch --user bearer").ok();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Said {
    fn of(line: &str, child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        Self { line: line.to_owned(), code: output.status.code(), out, err }
    }

    /// It went well; what was printed.
    #[track_caller]
    fn ok(self) -> String {
        let Self { line, code, out, err } = self;
        assert_eq!(code, Some(0), "kubectl {line}\n{out}{err}");
        out
    }

    /// It went well and printed that.
    #[track_caller]
    fn says(self, text: &str) {
        let line = self.line.clone();
        let out = self.ok();
        assert!(out.contains(text), "kubectl {line}\n{out}");
    }

    /// It went well and printed that and nothing else.
    #[track_caller]
    fn is(self, text: &str) {
        let line = self.line.clone();
        assert_eq!(self.ok(), text, "kubectl {line}");
    }

    /// It went well and warned so.
    #[track_caller]
    fn warns(self, text: &str) {
        assert!(self.err.contains(text), "kubectl {}\n{}{}", self.line, self.out, self.err);
        self.ok();
    }

    /// It ended with that code and printed that.
    #[track_caller]
    fn code_is(self, code: i32, text: &str) {
        let Self { line, code: found, out, err } = self;
        assert_eq!((found, out.as_str()), (Some(code), text), "kubectl {line}\n{err}");
    }

    /// It failed and said that.
    #[track_caller]
    fn fails(self, text: &str) {
        let Self { line, code, out, err } = self;
        assert_eq!(code, Some(1), "kubectl {line}\n{out}{err}");
        assert!(err.contains(text), "kubectl {line}\n{err}");
    }
}

/// Words, as a shell reads them that knows single quotes alone.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
