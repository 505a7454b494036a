//! The disk under pods' volumes: small, bounded work, done at once.
//!
//! Files that follow their sources are replaced as the kubelet's `AtomicWriter` does (`pkg/volume/util/atomic_writer.go`):
//! a new directory is written whole, then the symlink `..data` is renamed over the old one, so that a reader sees the old
//! files or the new ones, never a mix. Nothing here follows a symlink out of a volume.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::volumes::{Content, HostType, MountPlan, Prepared, SubPath, Tree};

/// What the agent asks of a disk.
pub(super) trait Files: Send + Sync {
    /// Makes a volume, or brings its files up to date.
    fn make(&self, volume: &Prepared) -> Result<(), Error>;

    /// Where a mount's part of a volume stands; makes a directory that is absent.
    fn follow(&self, mount: &MountPlan) -> Result<PathBuf, Error>;

    /// Removes a directory with all that is in it; its absence is no error.
    fn remove(&self, dir: &Path) -> Result<(), Error>;

    /// The names in a directory; none when it is absent.
    fn names(&self, dir: &Path) -> Vec<String>;
}

/// A volume could not be made.
pub(super) fn volume_failed(path: &Path, error: &io::Error) -> Error {
    Error::files(format!("cannot make {}", path.display()), error)
}

/// A part of a volume could not be had.
pub(super) fn mount_failed(mount: &MountPlan, error: &io::Error) -> Error {
    let what = format!("failed to prepare subPath for volumeMount {}", mount.container.display());
    Error::files(what, error)
}

/// The disk of the machine.
#[derive(Debug, Default)]
pub(super) struct Disk;

impl Files for Disk {
    fn make(&self, volume: &Prepared) -> Result<(), Error> {
        let failed = |error: io::Error| volume_failed(&volume.path, &error);
        match &volume.content {
            Content::Empty => {
                fs::create_dir_all(&volume.path).map_err(failed)?;
                // Any user of a container may write into it.
                fs::set_permissions(&volume.path, fs::Permissions::from_mode(0o777)).map_err(failed)
            }
            Content::Files(tree) => write(&volume.path, tree).map_err(failed),
            Content::Host(kind) => host(&volume.path, *kind),
        }
    }

    fn follow(&self, mount: &MountPlan) -> Result<PathBuf, Error> {
        let Some(sub) = &mount.sub else { return Ok(mount.volume.clone()) };
        let failed = |error: io::Error| mount_failed(mount, &error);
        let root = mount.volume.canonicalize().map_err(failed)?;
        let wanted = root.join(&sub.path);
        let SubPath { path, copy_to } = sub;
        let stays = |found: PathBuf| {
            let escape = || Error::Escape { path: path.to_string_lossy().into() };
            found.starts_with(&root).then_some(found).ok_or_else(escape)
        };
        match copy_to {
            Some(copy) => {
                let found = stays(wanted.canonicalize().map_err(failed)?)?;
                copy_all(&found, copy).map_err(failed)?;
                Ok(copy.clone())
            }
            None => {
                if !wanted.exists() {
                    // What exists of the path must stay within before anything is made below it.
                    let existing = wanted.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&root);
                    stays(existing.canonicalize().map_err(failed)?)?;
                    fs::create_dir_all(&wanted).map_err(failed)?;
                }
                stays(wanted.canonicalize().map_err(failed)?)
            }
        }
    }

    fn remove(&self, dir: &Path) -> Result<(), Error> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::files(format!("cannot remove {}", dir.display()), &error))
            }
            _ => Ok(()),
        }
    }

    fn names(&self, dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

const DATA: &str = "..data";
const DATA_TMP: &str = "..data_tmp";

fn write(dir: &Path, tree: &Tree) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let current = fs::read_link(dir.join(DATA)).ok();
    if let Some(current) = &current
        && same(&dir.join(current), tree)
    {
        return Ok(());
    }
    let number = current.as_ref().and_then(|name| name.to_str()?.strip_prefix("..")?.parse::<u64>().ok());
    let name = format!("..{}", number.map_or(1, |number| number + 1));
    let fresh = dir.join(&name);
    if fresh.exists() {
        // A crash left it half written.
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir(&fresh)?;
    for (path, file) in tree {
        let path = fresh.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode & 0o777))?;
    }
    let link = dir.join(DATA_TMP);
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    symlink(&name, &link)?;
    fs::rename(&link, dir.join(DATA))?;
    publish(dir, tree)?;
    if let Some(current) = current {
        fs::remove_dir_all(dir.join(current))?;
    }
    Ok(())
}

/// Names in the volume are symlinks through `..data`.
fn publish(dir: &Path, tree: &Tree) -> io::Result<()> {
    let first = |path: &PathBuf| path.components().next().map(|part| part.as_os_str().to_owned());
    let wanted: BTreeSet<OsString> = tree.keys().filter_map(first).collect();
    for name in &wanted {
        let link = dir.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if !wanted.contains(&name) && !name.to_string_lossy().starts_with("..") {
            fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

/// Whether a directory holds exactly these files with these modes.
fn same(dir: &Path, tree: &Tree) -> bool {
    let mut found = Vec::new();
    if list(dir, Path::new(""), &mut found).is_err() || found.len() != tree.len() {
        return false;
    }
    tree.iter().all(|(path, file)| {
        let path = dir.join(path);
        let mode = fs::metadata(&path).map(|data| data.permissions().mode() & 0o777);
        mode.is_ok_and(|mode| mode == file.mode & 0o777)
            && fs::read(&path).is_ok_and(|bytes| bytes == file.bytes)
    })
}

fn list(dir: &Path, below: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() { list(dir, &path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_all(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    // An earlier instance's copy may be read-only.
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::copy(from, to).map(|_| ())
}

fn host(path: &Path, kind: HostType) -> Result<(), Error> {
    let failed = |error: io::Error| volume_failed(path, &error);
    let data = fs::metadata(path);
    if data.is_err() {
        match kind {
            HostType::DirectoryOrCreate => fs::create_dir_all(path).map_err(failed)?,
            HostType::FileOrCreate => fs::File::create_new(path).map(|_| ()).map_err(failed)?,
            _ => {}
        }
    }
    let is = |check: fn(&fs::Metadata) -> bool| fs::metadata(path).is_ok_and(|data| check(&data));
    let right = match kind {
        HostType::Any => true,
        HostType::Directory | HostType::DirectoryOrCreate => is(fs::Metadata::is_dir),
        HostType::File | HostType::FileOrCreate => is(fs::Metadata::is_file),
        HostType::Socket => is(|data| data.file_type().is_socket()),
        HostType::CharDevice => is(|data| data.file_type().is_char_device()),
        HostType::BlockDevice => is(|data| data.file_type().is_block_device()),
    };
    if right { Ok(()) } else { Err(Error::HostPathType { path: path.to_owned(), what: kind.what() }) }
}

#[cfg(test)]
mod tests {
    use super::super::volumes::File;
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |text: &str| File { bytes: text.as_bytes().to_vec(), mode: 0o640 };
        files.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect()
    }

    fn volume(dir: &Path, content: Content) -> Prepared {
        Prepared { name: "v".into(), path: dir.join("v"), content, read_only: true }
    }

    #[test]
    fn files_are_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let make = |files| Disk.make(&volume(dir.path(), Content::Files(tree(files)))).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join("v").join(name)).ok();
        make(&[("a", "1"), ("sub/b", "2")]);
        assert_eq!((read("a"), read("sub/b")), (Some("1".into()), Some("2".into())));
        let first = fs::read_link(dir.path().join("v/..data")).unwrap();
        make(&[("a", "1"), ("sub/b", "2")]);
        assert_eq!(
            fs::read_link(dir.path().join("v/..data")).unwrap(),
            first,
            "nothing changed, nothing moved"
        );
        make(&[("a", "3"), ("c", "4")]);
        assert_eq!((read("a"), read("c"), read("sub/b")), (Some("3".into()), Some("4".into()), None));
        assert!(!dir.path().join("v").join(first).exists(), "the old files are gone");
        let mode = fs::metadata(dir.path().join("v/a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_crash_between_the_steps_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let make = |files| Disk.make(&volume(dir.path(), Content::Files(tree(files)))).unwrap();
        make(&[("a", "1")]);
        fs::create_dir(dir.path().join("v/..2")).unwrap();
        fs::write(dir.path().join("v/..2/half"), "x").unwrap();
        symlink("..2", dir.path().join("v/..data_tmp")).unwrap();
        make(&[("a", "2")]);
        assert_eq!(fs::read_to_string(dir.path().join("v/a")).unwrap(), "2");
        assert!(!dir.path().join("v/..2/half").exists());
    }

    fn mount(dir: &Path, sub: &str, copy: bool) -> MountPlan {
        let sub = SubPath { path: sub.into(), copy_to: copy.then(|| dir.join("copies/0")) };
        MountPlan { volume: dir.join("v"), container: "/m".into(), read_only: false, sub: Some(sub) }
    }

    #[test]
    fn a_copied_sub_path_does_not_follow_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let make = |files| Disk.make(&volume(dir.path(), Content::Files(tree(files)))).unwrap();
        make(&[("a", "1")]);
        let copy = Disk.follow(&mount(dir.path(), "a", true)).unwrap();
        make(&[("a", "2")]);
        assert_eq!(fs::read_to_string(&copy).unwrap(), "1");
        Disk.follow(&mount(dir.path(), "a", true)).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "2", "the next container gets the new one");
    }

    #[test]
    fn a_sub_path_is_made_but_never_outside() {
        let dir = tempfile::tempdir().unwrap();
        Disk.make(&volume(dir.path(), Content::Empty)).unwrap();
        let found = Disk.follow(&mount(dir.path(), "x/y", false)).unwrap();
        assert!(found.is_dir() && found.ends_with("v/x/y"));
        symlink("/etc", dir.path().join("v/link")).unwrap();
        for sub in ["link", "link/orch-made-this"] {
            assert!(
                matches!(Disk.follow(&mount(dir.path(), sub, false)), Err(Error::Escape { .. })),
                "{sub}"
            );
        }
    }

    #[test]
    fn host_paths_are_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, kind| host(&dir.path().join(name), kind).is_ok();
        assert!(check("none", HostType::Any));
        assert!(!check("none", HostType::Directory));
        assert!(check("made", HostType::DirectoryOrCreate) && check("made", HostType::Directory));
        assert!(!check("made", HostType::File));
        assert!(check("file", HostType::FileOrCreate) && check("file", HostType::File));
        assert!(!check("file", HostType::Socket));
    }

    #[test]
    fn removing_twice_is_harmless() {
        let dir = tempfile::tempdir().unwrap();
        Disk.make(&volume(dir.path(), Content::Files(tree(&[("a", "1")])))).unwrap();
        assert_eq!(Disk.names(dir.path()), ["v"]);
        Disk.remove(&dir.path().join("v")).unwrap();
        Disk.remove(&dir.path().join("v")).unwrap();
        assert!(Disk.names(dir.path()).is_empty());
    }
}
