//! A disk that is a tree in memory: what agents of simulated clusters keep their pods' volumes on.
//!
//! It answers what the machine's disk answers, errors and their texts included; a test gives both the same calls. Not here:
//! symlinks, sockets and devices (nothing can make them, so a `hostPath` that must be one is refused), permissions of
//! directories, sizes. The task runtime cannot use it: its functions open files of the machine.
//!
//! Invariant: every call takes effect whole under one lock, so that a reader sees the files of a volume before or after a
//! change, never a mix.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::files::{Files, mount_failed, volume_failed};
use super::volumes::{Content, HostType, MountPlan, Prepared, SubPath, Tree};

/// A disk in memory. Cloning copies a pointer: an agent that starts again with a clone finds what the one before it left,
/// and nodes that share one share their files, as the nodes of one process share the machine's disk.
///
/// Paths are absolute (a relative one starts at `/` too); `..` leads to the parent by its text.
///
/// ```
/// use orch_runtime::agent::{AgentConfig, MemoryDisk};
/// let disk = MemoryDisk::default();
/// disk.create_dir_all("/srv/data").unwrap();
/// disk.write("/srv/data/greeting", "hello").unwrap();
/// assert_eq!(disk.read("/srv/data/greeting").unwrap(), b"hello");
/// assert_eq!(disk.names("/srv/data"), ["greeting"]);
/// // The agent's volumes are on it; a pod may mount `hostPath: /srv/data`.
/// let config = AgentConfig::new("n1").data_dir("/var/lib/orch/n1").memory_disk(disk);
/// assert!(config.memory_disk.is_some());
/// ```
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Entry>>);

/// Two are equal when they are the same disk.
impl PartialEq for MemoryDisk {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryDisk(…)")
    }
}

impl MemoryDisk {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As [`std::fs::read`].
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        match self.lock().find(&parts(path.as_ref()))? {
            Entry::File { bytes, .. } => Ok(bytes.to_vec()),
            Entry::Dir(_) => Err(os(IS_DIR)),
        }
    }

    /// Makes a file or replaces its bytes.
    ///
    /// # Errors
    /// As [`std::fs::write`]: the directory must be there.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        let mut root = self.lock();
        let (dir, name) = root.place(&parts(path.as_ref()))?;
        match dir.get_mut(name) {
            Some(Entry::File { bytes, .. }) => *bytes = contents.as_ref().into(),
            Some(Entry::Dir(_)) => return Err(os(IS_DIR)),
            None => _ = dir.insert(name.to_owned(), Entry::file(contents.as_ref(), 0o644)),
        }
        Ok(())
    }

    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// As [`std::fs::create_dir_all`]: a file is in the way.
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.lock().make_dirs(&parts(path.as_ref())).map(|_| ())
    }

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// As [`std::fs::remove_dir_all`].
    pub fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut root = self.lock();
        let (dir, name) = root.place(&parts(path.as_ref()))?;
        match dir.get(name) {
            Some(Entry::Dir(_)) => _ = dir.remove(name),
            Some(Entry::File { .. }) => return Err(os(NOT_DIR)),
            None => return Err(os(ABSENT)),
        }
        Ok(())
    }

    /// Whether there is a file or a directory.
    #[must_use]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.lock().find(&parts(path.as_ref())).is_ok()
    }

    /// The names in a directory, sorted; none when there is no such directory.
    #[must_use]
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        match self.lock().find(&parts(path.as_ref())) {
            Ok(Entry::Dir(dir)) => dir.keys().map(|name| name.to_string_lossy().into_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files for MemoryDisk {
    fn make(&self, volume: &Prepared) -> Result<(), Error> {
        let failed = |error| volume_failed(&volume.path, &error);
        let (mut root, parts) = (self.lock(), parts(&volume.path));
        match &volume.content {
            Content::Empty => root.make_dirs(&parts).map(|_| ()).map_err(failed),
            Content::Files(tree) => root.publish(&parts, tree).map_err(failed),
            Content::Host(kind) => root.host(&parts, &volume.path, *kind),
        }
    }

    fn follow(&self, mount: &MountPlan) -> Result<PathBuf, Error> {
        let Some(SubPath { path, copy_to }) = &mount.sub else { return Ok(mount.volume.clone()) };
        let failed = |error| mount_failed(mount, &error);
        let (mut root, volume) = (self.lock(), parts(&mount.volume));
        root.find(&volume).map_err(failed)?;
        let wanted = mount.volume.join(path);
        let wanted = parts(&wanted);
        let stays = || {
            let escape = || Error::Escape { path: path.to_string_lossy().into() };
            wanted.starts_with(&volume).then_some(()).ok_or_else(escape)
        };
        match copy_to {
            Some(copy) => {
                let found = root.find(&wanted).map_err(failed)?.clone();
                stays()?;
                root.copy(&found, &mut parts(copy)).map_err(failed)?;
                Ok(copy.clone())
            }
            None => {
                stays()?;
                if root.find(&wanted).is_err() {
                    root.make_dirs(&wanted).map_err(failed)?;
                }
                Ok(Path::new("/").join(wanted.iter().collect::<PathBuf>()))
            }
        }
    }

    fn remove(&self, dir: &Path) -> Result<(), Error> {
        match self.remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::files(format!("cannot remove {}", dir.display()), &error))
            }
            _ => Ok(()),
        }
    }

    fn names(&self, dir: &Path) -> Vec<String> {
        Self::names(self, dir)
    }
}

type Dir = BTreeMap<OsString, Entry>;

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Dir(Dir),
    File { bytes: Arc<[u8]>, mode: u32 },
}

impl Default for Entry {
    fn default() -> Self {
        Self::Dir(Dir::new())
    }
}

/// Errors as the system numbers them, so that texts are the same on both disks.
const ABSENT: i32 = 2;
const EXISTS: i32 = 17;
const NOT_DIR: i32 = 20;
const IS_DIR: i32 = 21;

fn os(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// The names on the way from `/` to a path.
fn parts(path: &Path) -> Vec<&OsStr> {
    let mut parts = Vec::with_capacity(8);
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => _ = parts.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts
}

impl Entry {
    fn file(bytes: &[u8], mode: u32) -> Self {
        Self::File { bytes: bytes.into(), mode }
    }

    fn find(&self, parts: &[&OsStr]) -> io::Result<&Self> {
        let mut at = self;
        for part in parts {
            let Self::Dir(dir) = at else { return Err(os(NOT_DIR)) };
            at = dir.get(*part).ok_or_else(|| os(ABSENT))?;
        }
        Ok(at)
    }

    /// The directory that a path's last name stands in, and that name.
    fn place<'a>(&mut self, parts: &[&'a OsStr]) -> io::Result<(&mut Dir, &'a OsStr)> {
        let Some((name, above)) = parts.split_last() else { return Err(os(IS_DIR)) };
        let mut at = self;
        for part in above {
            let Self::Dir(dir) = at else { return Err(os(NOT_DIR)) };
            at = dir.get_mut(*part).ok_or_else(|| os(ABSENT))?;
        }
        match at {
            Self::Dir(dir) => Ok((dir, name)),
            Self::File { .. } => Err(os(NOT_DIR)),
        }
    }

    fn make_dirs(&mut self, parts: &[&OsStr]) -> io::Result<&mut Dir> {
        let mut at = self;
        for part in parts {
            let Self::Dir(dir) = at else { return Err(os(NOT_DIR)) };
            at = match dir.contains_key(*part) {
                true => dir.get_mut(*part).ok_or_else(|| os(ABSENT))?,
                false => dir.entry((*part).to_owned()).or_default(),
            };
        }
        match at {
            Self::Dir(dir) => Ok(dir),
            Self::File { .. } => Err(os(EXISTS)),
        }
    }

    /// Puts the files of a volume in place of those before.
    fn publish(&mut self, parts: &[&OsStr], tree: &Tree) -> io::Result<()> {
        let dir = self.make_dirs(parts)?;
        let mut fresh = Self::default();
        for (path, file) in tree {
            let parts = self::parts(path);
            let Some((name, above)) = parts.split_last() else { return Err(os(IS_DIR)) };
            let place = fresh.make_dirs(above)?;
            if matches!(place.get(*name), Some(Self::Dir(_))) {
                return Err(os(IS_DIR));
            }
            place.insert((*name).to_owned(), Self::file(&file.bytes, file.mode & 0o777));
        }
        if let Self::Dir(fresh) = fresh {
            *dir = fresh;
        }
        Ok(())
    }

    /// Copies what was found to a path, over what stands there.
    fn copy<'a>(&mut self, found: &'a Self, to: &mut Vec<&'a OsStr>) -> io::Result<()> {
        match found {
            Self::Dir(children) => {
                self.make_dirs(to)?;
                for (name, child) in children {
                    to.push(name);
                    self.copy(child, to)?;
                    to.pop();
                }
            }
            Self::File { .. } => {
                self.make_dirs(to.split_last().map_or(&[], |(_, above)| above))?;
                let (dir, name) = self.place(to)?;
                if matches!(dir.get(name), Some(Self::Dir(_))) {
                    return Err(os(IS_DIR));
                }
                dir.insert(name.to_owned(), found.clone());
            }
        }
        Ok(())
    }

    fn host(&mut self, parts: &[&OsStr], path: &Path, kind: HostType) -> Result<(), Error> {
        let failed = |error| volume_failed(path, &error);
        if self.find(parts).is_err() {
            match kind {
                HostType::DirectoryOrCreate => _ = self.make_dirs(parts).map_err(failed)?,
                HostType::FileOrCreate => {
                    let (dir, name) = self.place(parts).map_err(failed)?;
                    dir.insert(name.to_owned(), Self::file(&[], 0o644));
                }
                _ => {}
            }
        }
        let found = self.find(parts).ok();
        let right = match kind {
            HostType::Any => true,
            HostType::Directory | HostType::DirectoryOrCreate => matches!(found, Some(Self::Dir(_))),
            HostType::File | HostType::FileOrCreate => matches!(found, Some(Self::File { .. })),
            HostType::Socket | HostType::CharDevice | HostType::BlockDevice => false,
        };
        if right { Ok(()) } else { Err(Error::HostPathType { path: path.to_owned(), what: kind.what() }) }
    }
}

#[cfg(test)]
mod tests;
