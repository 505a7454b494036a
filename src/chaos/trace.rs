//! The trace of a run: everything that happened, in order, as a hash and, when asked for, as lines.
//!
//! Invariant: one seed, one trace: the hash depends on nothing but what happened. It is XXH3 with 128 bits, whose
//! definition does not change.

use std::fmt;
use std::time::Duration;

use orch_core::{Change, Live};
use twox_hash::xxhash3_128::Hasher;

/// The hash of a trace, 128 bits; prints as hexadecimal.
///
/// ```
/// use orch::chaos::TraceHash;
/// assert_eq!(TraceHash(0xab).to_string(), format!("{}ab", "0".repeat(30)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceHash(pub u128);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whether the lines of a trace are kept besides its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The hash alone.
    #[default]
    Hash,
    /// A line for each thing that happened.
    Lines,
}

/// A trace that grows.
pub(super) struct Trace {
    hasher: Hasher,
    keep: Keep,
    lines: Vec<String>,
    entries: u64,
}

impl Trace {
    pub(super) fn new(keep: Keep) -> Self {
        Self { hasher: Hasher::new(), keep, lines: Vec::new(), entries: 0 }
    }

    /// A write of the store: who, what, and the body as it is now.
    pub(super) fn change(&mut self, at: Duration, actor: &str, change: &Change) {
        let key = change.key();
        self.begin(at, actor);
        self.hasher.write(&change.revision.0.to_le_bytes());
        for part in [key.kind.group(), key.kind.resource(), &key.namespace, &key.name] {
            self.text(part);
        }
        match &change.now {
            Some(live) => self.hasher.write(live.body()),
            None => self.text("deleted"),
        }
        if self.keep == Keep::Lines {
            let what = described(change);
            self.line(at, actor, &format!("{} {what}", change.revision));
        }
    }

    /// Anything else, in words.
    pub(super) fn note(&mut self, at: Duration, actor: &str, what: &str) {
        self.begin(at, actor);
        self.text(what);
        if self.keep == Keep::Lines {
            self.line(at, actor, what);
        }
    }

    /// Something else, whose words are made only when somebody wants to read them; what is hashed stands for it.
    pub(super) fn event(
        &mut self,
        at: Duration,
        actor: &str,
        hashed: &[&str],
        words: impl FnOnce() -> String,
    ) {
        self.begin(at, actor);
        hashed.iter().for_each(|part| self.text(part));
        if self.keep == Keep::Lines {
            self.line(at, actor, &words());
        }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The hash of everything so far.
    pub(super) fn hash(&self) -> TraceHash {
        TraceHash(self.hasher.finish_128())
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn begin(&mut self, at: Duration, actor: &str) {
        self.entries += 1;
        self.hasher.write(&at.as_nanos().to_le_bytes());
        self.text(actor);
    }

    /// With its length, so that two texts are not taken for one.
    fn text(&mut self, text: &str) {
        self.hasher.write(&(text.len() as u64).to_le_bytes());
        self.hasher.write(text.as_bytes());
    }

    fn line(&mut self, at: Duration, actor: &str, what: &str) {
        self.lines.push(format!("{:>12.6} {actor}: {what}", at.as_secs_f64()));
    }
}

/// A change in words: what of the object is another now.
fn described(change: &Change) -> String {
    let key = change.key();
    let Some(now) = &change.now else { return format!("removes {key}") };
    let Some(before) = &change.before else { return format!("creates {key} {}", shown(now)) };
    let before = Live::from(before.clone());
    let mut fields = Vec::new();
    differences("", &before.tree(), &now.tree(), &mut fields);
    format!("changes {key} {}", fields.join(", "))
}

/// Of a new object: its spec, cut short. Secrets have none.
fn shown(live: &Live) -> String {
    let tree = live.tree();
    let owner = live.header().controller().map(|owner| format!("of {} ", owner.name)).unwrap_or_default();
    let spec = tree.get("spec").map(ToString::to_string).unwrap_or_default();
    format!("{owner}{}", cut(&spec))
}

/// The longest value that is shown whole.
const SHOWN: usize = 400;

fn cut(text: &str) -> String {
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

/// The paths whose values differ, with the new value; values of `data` are not told.
fn differences(path: &str, before: &serde_json::Value, now: &serde_json::Value, out: &mut Vec<String>) {
    use serde_json::Value::Object;
    if before == now {
        return;
    }
    match (before, now) {
        (Object(old), Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let null = serde_json::Value::Null;
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let (old, new) = (old.get(name).unwrap_or(&null), new.get(name).unwrap_or(&null));
                differences(&path, old, new, out);
            }
        }
        _ if path.starts_with("data.") || path.starts_with("stringData.") => out.push(format!("{path}=…")),
        _ => out.push(format!("{path}={}", cut(&now.to_string()))),
    }
}
