//! What a container sees as its files: its mounts, and a directory of its own for the rest.
//!
//! Paths are mapped by their text: a function runs in this process and could go past them. The directory is made when it
//! is first used. Invariant: [`Files::write`] never writes below a mount that is read-only.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use orch_core::runtime::Mount;

/// Where the containers of one runtime keep what is not on a mount. Removed with the runtime.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    given: Option<PathBuf>,
    made: OnceLock<PathBuf>,
}

impl Layers {
    /// Below a directory that the user chose, which itself stays.
    pub(crate) fn below(directory: PathBuf) -> Self {
        Self { given: Some(directory), made: OnceLock::new() }
    }

    fn directory(&self) -> io::Result<&Path> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = create_unique(&self.given.clone().unwrap_or_else(std::env::temp_dir))?;
        if let Err(late) = self.made.set(made) {
            // Somebody else was first; theirs is used.
            std::fs::remove_dir(late)?;
        }
        self.made.get().map(PathBuf::as_path).ok_or_else(|| io::Error::other("no directory for containers"))
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        if let Some(made) = self.made.get() {
            remove(made);
        }
    }
}

/// Process number and a count: no clock and no randomness, unique together with `create_dir`.
fn create_unique(parent: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(parent)?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = parent.join(format!("orch-task-{}-{number}", std::process::id()));
        match std::fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, directory = %directory.display(), "directory of a container left behind");
        }
        _ => {}
    }
}

/// The files of one container.
#[derive(Debug)]
pub(crate) struct Files {
    /// The longest container path first.
    mounts: Vec<Mount>,
    working_dir: PathBuf,
    layers: Arc<Layers>,
    /// Of this container's directory.
    name: String,
}

/// Where a path of the container is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// On the host.
    Mounted { host: PathBuf, read_only: bool },
    /// Below the container's directory.
    Own(PathBuf),
}

impl Files {
    pub(crate) fn new(mounts: &[Mount], working_dir: &str, layers: Arc<Layers>, name: &str) -> Self {
        let mut mounts = mounts.to_vec();
        mounts.iter_mut().for_each(|mount| mount.container = absolute(Path::new("/"), &mount.container));
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.container.components().count()));
        Self {
            mounts,
            working_dir: absolute(Path::new("/"), Path::new(working_dir)),
            layers,
            name: name.to_owned(),
        }
    }

    /// Where it is on the host. What is not on a mount stands in the container's directory, which has every directory
    /// above the path from now on.
    pub(crate) fn path(&self, path: &Path) -> io::Result<PathBuf> {
        match self.place(path) {
            Place::Mounted { host, .. } => Ok(host),
            Place::Own(path) => {
                let host = self.layers.directory()?.join(&self.name).join(path);
                host.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                Ok(host)
            }
        }
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.existing(path)?)
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.existing(path).is_ok_and(|host| host.exists())
    }

    pub(crate) fn write(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        self.check_writable(path)?;
        std::fs::write(self.path(path)?, contents)
    }

    /// Writes only below a mount: nothing becomes a directory of the container's own.
    pub(crate) fn write_mounted(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        match self.place(path) {
            Place::Mounted { .. } => self.write(path, contents),
            Place::Own(_) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check_writable(path)?;
        std::fs::remove_file(self.existing(path)?)
    }

    fn check_writable(&self, path: &Path) -> io::Result<()> {
        if matches!(self.place(path), Place::Mounted { read_only: true, .. }) {
            let text = format!("{} is mounted read-only", path.display());
            return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, text));
        }
        Ok(())
    }

    /// Where it is, if it can be anywhere: reading makes no directory.
    fn existing(&self, path: &Path) -> io::Result<PathBuf> {
        match (self.place(path), self.layers.made.get()) {
            (Place::Mounted { host, .. }, _) => Ok(host),
            (Place::Own(path), Some(directory)) => Ok(directory.join(&self.name).join(path)),
            (Place::Own(_), None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes the container's directory.
    pub(crate) fn clear(&self) {
        if let Some(layers) = self.layers.made.get() {
            remove(&layers.join(&self.name));
        }
    }

    fn place(&self, path: &Path) -> Place {
        let path = absolute(&self.working_dir, path);
        for mount in &self.mounts {
            if let Ok(rest) = path.strip_prefix(&mount.container) {
                // Joining an empty path would add a slash, and a file has none.
                let host =
                    if rest.as_os_str().is_empty() { mount.host.clone() } else { mount.host.join(rest) };
                return Place::Mounted { host, read_only: mount.read_only };
            }
        }
        Place::Own(path.strip_prefix("/").unwrap_or(&path).to_owned())
    }
}

/// The path without `.` and `..`; what goes above the root stays at it.
fn absolute(working_dir: &Path, path: &Path) -> PathBuf {
    let mut absolute = PathBuf::from("/");
    for component in working_dir.join(path).components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => {
                absolute.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(host: &Path, container: &str, read_only: bool) -> Mount {
        Mount { host: host.into(), container: container.into(), read_only }
    }

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let mounts = [
            mount(Path::new("/host/etc"), "/etc/config", true),
            mount(Path::new("/host/sub"), "/etc/config/sub/", false),
            mount(Path::new("/host/file"), "/etc/one", false),
        ];
        let files = Files::new(&mounts, "/etc", Arc::default(), "c");
        assert_eq!(files.path(Path::new(path)).unwrap(), Path::new(expected));
    }

    #[test]
    fn the_deepest_mount_has_the_path() {
        check("/etc/config", "/host/etc");
        check("/etc/config/key", "/host/etc/key");
        check("config/./key", "/host/etc/key");
        check("/etc/config/sub/x", "/host/sub/x");
        check("/etc/config/sub/../../config/x", "/host/etc/x");
        check("/etc/one", "/host/file");
    }

    #[test]
    fn the_rest_is_the_containers_own() {
        let root = tempfile::tempdir().unwrap();
        let layers = Arc::new(Layers::below(root.path().into()));
        let (one, two) =
            (Files::new(&[], "", Arc::clone(&layers), "1"), Files::new(&[], "", Arc::clone(&layers), "2"));
        one.write(Path::new("/tmp/../../tmp/healthy"), b"yes").unwrap();
        assert_eq!(one.read(Path::new("tmp/healthy")).unwrap(), b"yes");
        assert!(!two.exists(Path::new("/tmp/healthy")));
        one.clear();
        assert!(!one.exists(Path::new("/tmp/healthy")));
        drop((one, two, layers));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_read_only_mount_is_not_written() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("key"), "old").unwrap();
        let mounts = [mount(root.path(), "/ro", true), mount(root.path(), "/rw", false)];
        let files = Files::new(&mounts, "", Arc::default(), "c");
        let refused = files.write(Path::new("/ro/key"), b"new").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
        assert!(files.remove_file(Path::new("/rw/../ro/key")).is_err());
        assert_eq!(files.read(Path::new("/ro/key")).unwrap(), b"old");
        files.write(Path::new("/rw/key"), b"new").unwrap();
        assert_eq!(files.read(Path::new("/ro/key")).unwrap(), b"new");
    }
}
