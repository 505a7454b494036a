//! Images: async functions under image names.
//!
//! A [`TaskImages`] set is where images come from, as a registry is; what a node has pulled it keeps itself. Invariant: an
//! [`ImageId`] means one registration for ever.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use orch_core::Str;
use orch_core::runtime::{ExecOutput, ImageId, Result};

use super::{Answer, Context, ImageName, Termination};

type Main = Arc<dyn Fn(Context) -> BoxFuture<'static, i32> + Send + Sync>;
type Command = Arc<dyn Fn(Context, Vec<Str>) -> BoxFuture<'static, ExecOutput> + Send + Sync>;

/// What a container of an image does, and what it is made of besides.
///
/// ```
/// use orch_runtime::task::{Context, TaskImage};
/// let image = TaskImage::new(|context: Context| async move { context.stopped().await })
///     .on_exec("greet", |_context, argv| async move { format!("hello {}", argv[1]) })
///     .args(["--port", "5432"]);
/// # let _ = image;
/// ```
#[derive(Clone)]
pub struct TaskImage {
    main: Main,
    pub(super) entrypoint: Vec<Str>,
    pub(super) args: Vec<Str>,
    commands: BTreeMap<Str, Command>,
}

impl TaskImage {
    /// An image whose containers run this function.
    #[must_use]
    pub fn new<F, Fut>(function: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Termination + Send,
    {
        let main = move |context: Context| {
            let future = function(context.clone());
            async move { future.await.report(&context) }.boxed()
        };
        Self { main: Arc::new(main), entrypoint: Vec::new(), args: Vec::new(), commands: BTreeMap::new() }
    }

    /// The command when a container gives none.
    #[must_use]
    pub fn entrypoint<S: Into<Str>>(mut self, entrypoint: impl IntoIterator<Item = S>) -> Self {
        self.entrypoint = entrypoint.into_iter().map(Into::into).collect();
        self
    }

    /// The arguments when a container gives neither command nor arguments.
    #[must_use]
    pub fn args<S: Into<Str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// A command that probes, hooks and users can run in its containers; goes before a built-in one of that name. The
    /// function gets the whole command line.
    #[must_use]
    pub fn on_exec<F, Fut>(mut self, program: impl Into<Str>, function: F) -> Self
    where
        F: Fn(Context, Vec<Str>) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Answer + Send,
    {
        let command =
            move |context: Context, argv: Vec<Str>| function(context, argv).map(Answer::answer).boxed();
        self.commands.insert(program.into(), Arc::new(command));
        self
    }

    /// Makes the future of a container; runs the function up to there.
    pub(super) fn run(&self, context: Context) -> BoxFuture<'static, i32> {
        (self.main)(context)
    }

    pub(super) fn command(&self, program: &str) -> Option<Command> {
        self.commands.get(program).cloned()
    }
}

impl fmt::Debug for TaskImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskImage({} commands)", self.commands.len())
    }
}

/// A registered image.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub(super) id: ImageId,
    pub(super) image: TaskImage,
}

/// Images by name.
#[derive(Debug, Default)]
pub(super) struct Shelf(BTreeMap<ImageName, Arc<Built>>);

impl Shelf {
    /// A name with a digest means that content under any tag of the repository.
    pub(super) fn find(&self, name: &ImageName) -> Option<Arc<Built>> {
        let Some(digest) = name.digest() else { return self.0.get(name).cloned() };
        let mut same = self
            .0
            .iter()
            .filter(|(at, built)| at.repository() == name.repository() && &*built.id.0 == digest);
        same.next().map(|(_, built)| Arc::clone(built))
    }

    pub(super) fn put(&mut self, name: ImageName, built: Arc<Built>) {
        self.0.insert(name, built);
    }

    pub(super) fn names(&self) -> Vec<Str> {
        self.0.keys().map(|name| name.to_string().into()).collect()
    }
}

/// Where images come from: a set that nodes share and that may grow while they run. Cloning copies a pointer.
///
/// ```
/// use orch_runtime::task::{Context, TaskImages};
/// let images = TaskImages::default();
/// images.register("shop/web:1", |context: Context| async move {
///     let mut listener = context.listen(80).await?;
///     loop {
///         let (_connection, peer) = listener.accept().await?;
///         context.log(&format!("hello {peer}"));
///     }
///     #[allow(unreachable_code)]
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), orch_core::runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaskImages(Arc<Mutex<Set>>);

#[derive(Debug, Default)]
struct Set {
    shelf: Shelf,
    registered: u64,
}

impl TaskImages {
    /// Registers a function under an image name; what stood there before stays with the nodes that have pulled it.
    ///
    /// # Errors
    /// `InvalidImageName`.
    pub fn register<F, Fut>(&self, name: &str, function: F) -> Result<ImageId>
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Termination + Send,
    {
        self.add(name, TaskImage::new(function))
    }

    /// Registers an image under a name.
    ///
    /// # Errors
    /// `InvalidImageName`; also for a name with a digest, which follows from the content.
    pub fn add(&self, name: &str, image: TaskImage) -> Result<ImageId> {
        let parsed = ImageName::parse(name)?;
        if parsed.digest().is_some() {
            let why = "an image is registered under a tag".to_owned();
            return Err(orch_core::runtime::Error::InvalidImageName { image: name.into(), why });
        }
        let mut set = self.set();
        set.registered += 1;
        let id = digest(&format!("{parsed}#{}", set.registered));
        set.shelf.put(parsed, Arc::new(Built { id: id.clone(), image }));
        Ok(id)
    }

    pub(super) fn find(&self, name: &ImageName) -> Option<Arc<Built>> {
        self.set().shelf.find(name)
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name in the form of a digest. What has no bytes to take one of has one that is made of its name, and protects from
/// nothing.
pub(crate) fn digest(text: &str) -> ImageId {
    let part = |salt: u64| {
        text.bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
    };
    ImageId(format!("sha256:{:016x}{:016x}{:016x}{:016x}", part(1), part(2), part(3), part(4)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registration_has_a_digest_of_its_own() {
        let images = TaskImages::default();
        let first = images.register("web", |_: Context| async {}).unwrap();
        let second = images.register("docker.io/library/web:latest", |_: Context| async {}).unwrap();
        assert_ne!(first, second);
        assert_eq!(first.0.len(), "sha256:".len() + 64);
        let by_name = images.find(&ImageName::parse("web").unwrap()).unwrap();
        assert_eq!(by_name.id, second);
        let by_digest = ImageName::parse(&format!("web@{second}")).unwrap();
        assert_eq!(images.find(&by_digest).unwrap().id, second);
        let old = ImageName::parse(&format!("web@{first}")).unwrap();
        assert!(images.find(&old).is_none());
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let images = TaskImages::default();
        assert!(images.register("Web", |_: Context| async {}).is_err());
        let digest = images.register("web", |_: Context| async {}).unwrap();
        assert!(images.register(&format!("web@{digest}"), |_: Context| async {}).is_err());
    }
}
