//! The machine's disk and the one in memory are given the same calls and must answer the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::super::files::Disk;
use super::super::volumes::File;
use super::*;

/// A call of the agent's, with paths below the directory of the test.
#[derive(Clone, Debug)]
enum Call {
    Empty(&'static str),
    /// Paths of files, all with that text and mode.
    Files(&'static str, Vec<&'static str>, &'static str, u32),
    Host(&'static str, HostType),
    /// A part of a directory, made when it is absent.
    Follow(&'static str, &'static str),
    /// A part of files, copied.
    Copy(&'static str, &'static str),
    Remove(&'static str),
    Names(&'static str),
    /// What a container does with a directory that it mounts.
    Write(&'static str, &'static str),
}

/// What both answer: texts of errors with everything else.
type Answer = Result<String, Error>;

fn ask(disk: &dyn Files, root: &Path, call: &Call) -> Answer {
    let volume =
        |name: &str, content| Prepared { name: "v".into(), path: root.join(name), content, read_only: false };
    let mount = |name: &str, sub: &str, copies: bool| MountPlan {
        volume: root.join(name),
        container: "/mnt".into(),
        read_only: false,
        sub: Some(SubPath { path: sub.into(), copy_to: copies.then(|| root.join("copies").join(name)) }),
    };
    let done = |()| String::new();
    let path = |path: PathBuf| path.display().to_string();
    match call {
        Call::Empty(name) => disk.make(&volume(name, Content::Empty)).map(done),
        Call::Files(name, paths, text, mode) => {
            let file = File { bytes: text.as_bytes().to_vec(), mode: *mode };
            let tree = paths.iter().map(|path| (PathBuf::from(path), file.clone())).collect();
            disk.make(&volume(name, Content::Files(tree))).map(done)
        }
        Call::Host(name, kind) => disk.make(&volume(name, Content::Host(*kind))).map(done),
        Call::Follow(name, sub) => disk.follow(&mount(name, sub, false)).map(path),
        Call::Copy(name, sub) => disk.follow(&mount(name, sub, true)).map(path),
        Call::Remove(name) => disk.remove(&root.join(name)).map(done),
        Call::Names(name) => {
            let names = disk.names(&root.join(name)).into_iter();
            Ok(names.filter(|name| !is_machinery(name)).collect::<Vec<_>>().join(" "))
        }
        Call::Write(..) => Ok(String::new()),
    }
}

/// Names that the machine's disk needs to replace files at once are its own affair.
fn is_machinery(name: &str) -> bool {
    name.starts_with("..")
}

/// Every directory, and every file with its mode and bytes, by its path.
type Listing = BTreeMap<PathBuf, Option<(u32, Vec<u8>)>>;

fn on_machine(dir: &Path, found: &mut Listing) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if is_machinery(&path.file_name().unwrap().to_string_lossy()) {
            continue;
        }
        let data = fs::metadata(&path).unwrap();
        if data.is_dir() {
            found.insert(path.clone(), None);
            on_machine(&path, found);
        } else {
            let mode = data.permissions().mode() & 0o777;
            found.insert(path.clone(), Some((mode, fs::read(&path).unwrap())));
        }
    }
}

fn in_memory(entry: &Entry, at: &Path, found: &mut Listing) {
    let Entry::Dir(children) = entry else { panic!("{} is a file", at.display()) };
    for (name, child) in children {
        let path = at.join(name);
        match child {
            Entry::Dir(_) => {
                found.insert(path.clone(), None);
                in_memory(child, &path, found);
            }
            Entry::File { bytes, mode } => _ = found.insert(path, Some((*mode, bytes.to_vec()))),
        }
    }
}

/// Both disks get the calls; every answer and in the end every file must be the same. Answers what the disk in memory said.
#[track_caller]
fn check(calls: &[Call]) -> Vec<Answer> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let memory = MemoryDisk::default();
    memory.create_dir_all(&root).unwrap();
    let mut answers = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        if let Call::Write(path, text) = call {
            let path = root.join(path);
            let (machine, memory) = (fs::write(&path, text), memory.write(&path, text));
            assert_eq!(machine.map_err(|e| e.to_string()), memory.map_err(|e| e.to_string()), "{calls:?}");
            continue;
        }
        let answer = ask(&memory, &root, call);
        assert_eq!(ask(&Disk, &root, call), answer, "call {at} of {calls:?}");
        answers.push(answer);
    }
    let (mut machine, mut remembered) = (Listing::new(), Listing::new());
    on_machine(&root, &mut machine);
    in_memory(memory.lock().find(&parts(&root)).unwrap(), &root, &mut remembered);
    assert_eq!(machine, remembered, "after {calls:?}");
    answers
}

#[test]
fn files_follow_their_source_and_copies_do_not() {
    check(&[
        Call::Files("cm/v", vec!["a", "sub/b"], "1", 0o640),
        Call::Copy("cm/v", "sub"),
        Call::Files("cm/v", vec!["a", "c"], "2", 0o400),
        Call::Copy("cm/v", "sub"),
        Call::Copy("cm/v", "a"),
        Call::Files("cm/v", vec![], "", 0),
        Call::Names("cm"),
        Call::Remove("cm"),
        Call::Remove("cm"),
        Call::Names("cm"),
    ]);
}

#[test]
fn files_that_stand_in_each_others_way_leave_those_before() {
    let answers = check(&[
        Call::Files("cm/v", vec!["x"], "1", 0o644),
        Call::Files("cm/v", vec!["a", "a/b"], "2", 0o644),
    ]);
    assert!(matches!(answers[1], Err(Error::Files { .. })));
}

#[test]
fn a_sub_path_stays_within_its_volume() {
    let answers = check(&[
        Call::Empty("e/v"),
        Call::Follow("e/v", "x/y"),
        Call::Write("e/v/x/file", "text"),
        Call::Follow("e/v", "x/file/below"),
        Call::Follow("e/v", "../w"),
        Call::Follow("e/v", "../v/z"),
        Call::Follow("absent", "x"),
        Call::Empty("e/v"),
    ]);
    assert!(matches!(answers[3], Err(Error::Escape { .. })), "{answers:?}");
}

#[test]
fn host_paths_are_what_they_say() {
    use HostType::{Any, BlockDevice, CharDevice, Directory, DirectoryOrCreate, File, FileOrCreate, Socket};
    let kinds = [Any, Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice, BlockDevice];
    for path in ["none", "dir", "file", "file/below", "dir/below", "none/below"] {
        for kind in kinds {
            check(&[Call::Host("dir", DirectoryOrCreate), Call::Write("file", "x"), Call::Host(path, kind)]);
        }
    }
}

#[test]
fn a_clone_is_the_same_disk_and_another_is_not() {
    let disk = MemoryDisk::default();
    let clone = disk.clone();
    disk.write("/a", "1").unwrap();
    assert_eq!(clone.read("/a").unwrap(), b"1");
    assert_eq!(disk, clone);
    assert_ne!(disk, MemoryDisk::default());
    assert_eq!(clone.read("/b").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(clone.remove_dir_all("/a").unwrap_err().kind(), io::ErrorKind::NotADirectory);
}

fn any_call() -> impl Strategy<Value = Call> {
    let files = || prop::sample::select(vec!["cm/v", "cm/w"]);
    let dirs = || prop::sample::select(vec!["e/v", "h", "h/x", "h/x/y", "f"]);
    let subs = || prop::sample::select(vec!["a", "a/b", "x", "x/y"]);
    let kinds = prop::sample::select(vec![
        HostType::Any,
        HostType::Directory,
        HostType::DirectoryOrCreate,
        HostType::File,
        HostType::FileOrCreate,
        HostType::Socket,
    ]);
    let names = prop::sample::subsequence(vec!["a", "a/b", "c", "x/y", "x/z"], 0..=4);
    let contents =
        (names, prop::sample::select(vec!["", "1", "2"]), prop::sample::select(vec![0o644, 0o600]));
    let removed = prop::sample::select(vec!["cm", "cm/v", "e", "h", "h/x", "f", "copies"]);
    prop_oneof![
        2 => dirs().prop_map(Call::Empty),
        4 => (files(), contents).prop_map(|(volume, (paths, text, mode))| Call::Files(volume, paths, text, mode)),
        4 => (dirs(), kinds).prop_map(|(path, kind)| Call::Host(path, kind)),
        3 => (dirs(), subs()).prop_map(|(path, sub)| Call::Follow(path, sub)),
        3 => (files(), subs()).prop_map(|(path, sub)| Call::Copy(path, sub)),
        2 => removed.clone().prop_map(Call::Remove),
        2 => removed.prop_map(Call::Names),
        2 => (dirs(), Just("text")).prop_map(|(path, text)| Call::Write(path, text)),
    ]
}

proptest! {
    #[test]
    fn both_disks_answer_the_same_to_the_same_calls(calls in prop::collection::vec(any_call(), 1..24)) {
        check(&calls);
    }
}
