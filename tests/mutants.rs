//! The planted bugs of `chaos/mutants` must not rot: each applies to the tree as it is, all of them in any order, and each
//! says what it breaks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The patch that adds the switch; the others are bugs.
const SWITCH: &str = "0-switch";
/// What stands before the diff, in this order.
const HEADER: [&str; 3] = ["Bug: ", "Promise: ", "Found by: "];

struct Patch {
    name: String,
    header: Vec<String>,
    hunks: Vec<Hunk>,
}

struct Hunk {
    path: String,
    /// The file is new.
    creates: bool,
    before: String,
    after: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn patches() -> Vec<Patch> {
    let entries = fs::read_dir(root().join("chaos/mutants")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    paths.sort();
    paths.iter().map(|path| read(path.file_stem().unwrap().to_str().unwrap(), path)).collect()
}

fn read(name: &str, path: &Path) -> Patch {
    let text = fs::read_to_string(path).unwrap();
    let mut patch = Patch { name: name.to_owned(), header: Vec::new(), hunks: Vec::new() };
    let (mut creates, mut file) = (false, String::new());
    for line in text.lines() {
        if let Some(from) = line.strip_prefix("--- ") {
            creates = from == "/dev/null";
        } else if let Some(to) = line.strip_prefix("+++ b/") {
            file = to.to_owned();
        } else if line.starts_with("@@ ") {
            let hunk = Hunk { path: file.clone(), creates, before: String::new(), after: String::new() };
            patch.hunks.push(hunk);
        } else if let Some(hunk) = patch.hunks.last_mut() {
            let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
            assert!([" ", "-", "+"].contains(&sign), "{name}: {line:?} is no line of a diff");
            if sign != "+" {
                hunk.before.extend([rest, "\n"]);
            }
            if sign != "-" {
                hunk.after.extend([rest, "\n"]);
            }
        } else if file.is_empty() {
            patch.header.push(line.to_owned());
        }
    }
    patch
}

/// Applies patches to the tree in memory as `git apply` would; the context of each hunk must be there exactly once.
fn apply<'a>(patches: impl Iterator<Item = &'a Patch>) -> Vec<String> {
    let (mut files, mut faults) = (BTreeMap::new(), Vec::new());
    for patch in patches {
        for hunk in &patch.hunks {
            let path = root().join(&hunk.path);
            if hunk.creates {
                if path.exists() {
                    faults.push(format!("{}: {} is there already", patch.name, hunk.path));
                }
                continue;
            }
            let text: &mut String = files
                .entry(hunk.path.clone())
                .or_insert_with(|| fs::read_to_string(path).unwrap_or_default());
            match text.matches(&hunk.before).count() {
                1 => *text = text.replacen(&hunk.before, &hunk.after, 1),
                count => {
                    let (name, path, lines) = (&patch.name, &hunk.path, &hunk.before);
                    faults.push(format!("{name}: {count} times in {path}:\n{lines}"));
                }
            }
        }
    }
    faults
}

#[test]
fn every_planted_bug_applies_alone() {
    let patches = patches();
    assert!(patches.len() > 40, "only {} patches", patches.len());
    let faults: Vec<String> = patches.iter().flat_map(|patch| apply(std::iter::once(patch))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn planted_bugs_do_not_touch_each_other() {
    let patches = patches();
    // Of two that touch each other one fails behind the other, in one order or in both.
    for faults in [apply(patches.iter()), apply(patches.iter().rev())] {
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn every_planted_bug_says_what_it_breaks() {
    for patch in patches() {
        let header: Vec<&String> = patch.header.iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(header.len(), HEADER.len(), "{}: {header:?}", patch.name);
        for (line, word) in header.iter().zip(HEADER) {
            assert!(line.strip_prefix(word).is_some_and(|rest| rest.len() > 20), "{}: {word}", patch.name);
        }
    }
}

#[test]
fn every_planted_bug_has_a_switch_of_its_own_name() {
    let patches = patches();
    assert!(patches.iter().any(|patch| patch.name == SWITCH));
    for patch in patches.iter().filter(|patch| patch.name != SWITCH) {
        let added: String = patch.hunks.iter().map(|hunk| hunk.after.as_str()).collect();
        let names: Vec<&str> =
            added.split("mutant(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(
            !names.is_empty() && names.iter().all(|name| *name == patch.name),
            "{}: {names:?}",
            patch.name
        );
        assert!(patch.hunks.iter().all(|hunk| !hunk.before.contains("mutant(")), "{}", patch.name);
    }
}
