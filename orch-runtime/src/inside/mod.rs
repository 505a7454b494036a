//! The inside of containers that are no processes: files, variables, commands, the log, the last word.
//!
//! Shared by the runtimes whose containers live in this process. It runs no container and knows no sandboxes. Invariant:
//! what a container sees depends on its spec and the host's mounted files alone.

pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod log;

use orch_core::Str;

/// As from SIGKILL.
pub(crate) const KILLED: i32 = 137;
/// As from SIGABRT, which is what a panic that aborts ends with.
pub(crate) const PANICKED: i32 = 134;
/// The longest last word (`MaxContainerTerminationMessageLength`, `pkg/kubelet/container/runtime.go`).
const MAX_MESSAGE: usize = 4096;

/// The value of an environment variable; the host name is one too unless the container sets it.
pub(crate) fn variable<'a>(set: &'a [(Str, Str)], hostname: &'a str, name: &str) -> Option<&'a str> {
    let value = set.iter().rev().find(|(set, _)| &**set == name).map(|(_, value)| &**value);
    value.or_else(|| (name == "HOSTNAME").then_some(hostname))
}

/// The environment variables, each once, in order of name.
pub(crate) fn variables<'a>(set: &'a [(Str, Str)], hostname: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut names: Vec<&str> = set.iter().map(|(name, _)| &**name).chain(["HOSTNAME"]).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| Some((name, variable(set, hostname, name)?))).collect()
}

/// The end of what a container leaves (`getTerminationMessage`, `pkg/kubelet/kuberuntime`).
pub(crate) fn last_word(bytes: &[u8]) -> Str {
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(MAX_MESSAGE)..]).into_owned();
    // What replaces a broken character is longer than it.
    text[text.ceil_char_boundary(text.len().saturating_sub(MAX_MESSAGE))..].into()
}
