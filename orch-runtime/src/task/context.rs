//! What a container's function is given: all it may know of the world and all it may do to it.
//!
//! Not a sandbox: the function runs in this process and is trusted. Invariant: what it listens at, connects and spawns
//! through its context ends with the container.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orch_core::network::{self, Attachment, Connection, Listener, Network};
use orch_core::runtime::{ContainerSpec, LogSource, SandboxSpec};
use orch_core::{Env, Key, Str, Task};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::inside;
use crate::inside::commands::Surroundings;
use crate::inside::files::Files;
use crate::inside::log::Log;

/// Everything a container's function knows and can do. Cloning copies a pointer.
///
/// ```
/// use orch_runtime::task::{Context, TaskImages};
/// TaskImages::default().register("shop/greeter", |context: Context| async move {
///     let name = context.var("NAME").unwrap_or("nobody");
///     context.log(&format!("hello {name}, this is {}", context.hostname()));
///     context.stopped().await;
/// })?;
/// # Ok::<(), orch_core::runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Context(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) domain: Env,
    pub(super) network: Arc<dyn Network>,
    pub(super) sandbox: SandboxSpec,
    pub(super) attachment: Attachment,
    pub(super) spec: ContainerSpec,
    pub(super) command: Vec<Str>,
    pub(super) args: Vec<Str>,
    pub(super) files: Files,
    pub(super) log: Log,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Context {
    /// The container's clock, randomness and crash domain.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.0.domain
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.env().sleep(duration).await;
    }

    /// The value of an environment variable.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        inside::variable(&self.0.spec.env, self.hostname(), name)
    }

    /// The environment variables, each once, in order of name.
    #[must_use]
    pub fn vars(&self) -> Vec<(&str, &str)> {
        inside::variables(&self.0.spec.env, self.hostname())
    }

    /// The command: the container's, or else the image's.
    #[must_use]
    pub fn command(&self) -> &[Str] {
        &self.0.command
    }

    /// The arguments: the container's, or else the image's unless the container gives a command.
    #[must_use]
    pub fn args(&self) -> &[Str] {
        &self.0.args
    }

    /// The pod.
    #[must_use]
    pub fn pod(&self) -> &Key {
        &self.0.sandbox.pod
    }

    /// This very pod.
    #[must_use]
    pub fn pod_uid(&self) -> &str {
        &self.0.sandbox.uid
    }

    /// The pod's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.sandbox.pod.namespace
    }

    /// The node that runs it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.0.sandbox.node
    }

    /// The pod's host name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.0.sandbox.hostname
    }

    /// The pod's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.attachment.address()
    }

    /// The container's name in its pod.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// How often the container was started before.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.spec.attempt
    }

    /// Writes to standard output; each line of the text becomes a line of the log.
    pub fn log(&self, text: &str) {
        self.0.log.write(self.env().now(), LogSource::Stdout, text);
    }

    /// Writes to standard error.
    pub fn log_error(&self, text: &str) {
        self.0.log.write(self.env().now(), LogSource::Stderr, text);
    }

    /// Where a path of the container stands on the host: on a mount, or in a directory of the container's own that is gone
    /// when the container is removed. Relative paths begin at the working directory.
    ///
    /// # Errors
    /// When the container's own directory cannot be made.
    pub fn path(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        self.0.files.path(path.as_ref())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`std::fs::read`].
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.0.files.read(path.as_ref())
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// As [`std::fs::read_to_string`].
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let bytes = self.read(path)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// `ReadOnlyFilesystem` on a mount that may only be read; else as [`std::fs::write`].
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.files.write(path.as_ref(), contents.as_ref())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `ReadOnlyFilesystem` on a mount that may only be read; else as [`std::fs::remove_file`].
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.files.remove_file(path.as_ref())
    }

    /// Completes when the container is asked to end, as SIGTERM asks. Who does not end is killed after the grace period.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Whether the container has been asked to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Listens at the pod's address; port 0 means any free one.
    ///
    /// # Errors
    /// As [`Network::listen`].
    pub async fn listen(&self, port: u16) -> io::Result<Box<dyn Listener>> {
        self.0.network.listen(SocketAddr::new(self.address(), port)).await
    }

    /// Connects to `host:port`, where the host is an address or a name as seen from the pod's namespace, for example
    /// `db-0.db:5432`.
    ///
    /// # Errors
    /// `InvalidInput` when the text has no port, `NotFound` when the name means nothing; else as [`Network::connect`].
    pub async fn connect(&self, to: &str) -> io::Result<Connection> {
        let port = |(host, port): (&str, &str)| Some((host.to_owned(), port.parse::<u16>().ok()?));
        let Some((host, port)) = to.rsplit_once(':').and_then(port) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{to:?} is not host:port")));
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        network::dial(&*self.0.network, self.namespace(), Some(self.address()), host, port).await
    }

    /// What commands in the container see.
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            env: self.env(),
            hostname: self.hostname(),
            variables: &self.0.spec.env,
            files: &self.0.files,
        }
    }

    /// Runs a future beside the function. It ends when the container does; a panic in it ends nothing else.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.env().spawn(self.0.tasks.track_future(future))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} {:?})", self.pod(), self.0.spec)
    }
}
