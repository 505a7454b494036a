//! What a machine can see of the style: module docs, module length, layering, lints.

use std::fs;
use std::path::{Path, PathBuf};

const MEMBERS: [&str; 7] =
    ["orch-core", "orch-store", "orch-api", "orch-sched", "orch-controllers", "orch-runtime", "orch-net"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, out);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for dir in MEMBERS.iter().copied().chain(["src", "xtask", "examples", "benches", "tests"]) {
        sources(&root().join(dir), &mut files);
    }
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    files.sort();
    files
}

fn is_test(path: &Path) -> bool {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// Lines that are neither blank nor comment, before the tests at the end of the file.
fn code_lines(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !is_test(path) && !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "no //! at the top of {silent:#?}");
}

#[test]
fn a_module_is_one_idea() {
    let long: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !is_test(path) && !path.starts_with(root().join("examples")))
        .filter_map(|path| {
            let lines = code_lines(&fs::read_to_string(&path).unwrap());
            (lines > 400).then_some((lines, path))
        })
        .collect();
    assert!(long.is_empty(), "over 400 lines of code: {long:#?}");
}

/// Names of the workspace's crates in a section of a manifest.
fn orch_dependencies(manifest: &str, section: &str) -> Vec<String> {
    let body = manifest.split(&format!("\n[{section}]\n")).nth(1).unwrap_or_default();
    let body = body.split("\n[").next().unwrap_or_default();
    body.lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("orch-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn dependencies_point_down() {
    for member in MEMBERS {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let allowed: &[&str] = if member == "orch-core" { &[] } else { &["orch-core"] };
        let found = orch_dependencies(&manifest, "dependencies");
        assert!(found.iter().all(|name| allowed.contains(&name.as_str())), "{member} depends on {found:?}");
        assert!(member == "orch-core" || !found.is_empty(), "{member}: the section was not read");
    }
}

#[test]
fn every_member_has_the_workspace_lints() {
    for member in MEMBERS.iter().copied().chain(["xtask", "."]) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
}

#[test]
fn no_member_chooses_a_kubernetes_version() {
    for member in MEMBERS {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let own = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        assert!(!own.contains("latest") && !own.contains("v1_"), "{member} enables a version of k8s-openapi");
    }
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        for mark in marks {
            assert!(!text.contains(mark), "{mark} in {}", path.display());
        }
    }
}
