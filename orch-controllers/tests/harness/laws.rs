//! What is true of the store, and the laws over it.

use std::collections::BTreeMap;

use orch_core::{Key, Kind, Live, Patch, Str, Verb, Write};
use serde_json::Value;

/// Every object there is, as the store has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth(pub(crate) BTreeMap<Key, Live>);

impl Truth {
    pub(crate) fn get(&self, key: &Key) -> Option<Value> {
        self.0.get(key).map(|live| (*live.tree()).clone())
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Live> {
        self.0.values().filter(move |live| live.key().kind == kind)
    }

    /// Objects of a kind that the object of a key controls.
    pub(crate) fn controlled(&self, owner: &Key, kind: Kind) -> Vec<&Live> {
        let uid = self.0.get(owner).map(|live| live.uid().clone()).unwrap_or_default();
        self.of(kind)
            .filter(|live| live.header().controller().is_some_and(|owner| owner.uid == uid))
            .collect()
    }
}

/// One write that was done, and the worlds around it.
#[derive(Debug)]
pub(crate) struct Transition<'a> {
    /// The controller's name; `user` and `kubelet` are others.
    pub(crate) actor: &'a str,
    pub(crate) before: &'a Truth,
    pub(crate) write: &'a Write,
    pub(crate) after: &'a Truth,
    /// Every state that the user has asked for so far, as the tree of the scenario's first object.
    pub(crate) asked: &'a [Value],
}

impl Transition<'_> {
    /// The largest that a number in the user's object has been.
    pub(crate) fn most(&self, of: impl Fn(&Value) -> i64) -> i64 {
        self.asked.iter().map(of).max().unwrap_or(0)
    }

    /// The smallest that a number in the user's object has been.
    pub(crate) fn least(&self, of: impl Fn(&Value) -> i64) -> i64 {
        self.asked.iter().map(of).min().unwrap_or(0)
    }
}

/// What a controller may write: creates, deletes, and the fields of patches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowed {
    /// An object whose controller is what the turn is about.
    CreateOwned(Kind),
    /// An object of that kind that need not have an owner.
    Create(Kind),
    /// An object whose controller is what the turn is about.
    DeleteOwned(Kind),
    /// An object of that kind, whoever owns it.
    Delete(Kind),
    /// Any write: the scenario's law says more.
    Anything,
    /// These fields, named as `metadata.labels`; `status` is a subresource.
    Patch(Kind, &'static [&'static str]),
}

/// Whether a write about `owner` is among those allowed.
pub(crate) fn is_allowed(
    allowed: &[Allowed],
    owner: &Key,
    write: &Write,
    before: &Truth,
) -> Result<(), String> {
    let uid = before.0.get(owner).map(|live| live.uid().clone());
    let ok = allowed.iter().any(|allowed| match (*allowed, &write.verb) {
        (Allowed::CreateOwned(kind), Verb::Create(tree)) => {
            kind == write.key.kind && uid.is_some() && controller(tree) == uid
        }
        (Allowed::Create(kind), Verb::Create(_)) | (Allowed::Delete(kind), Verb::Delete(_)) => {
            kind == write.key.kind
        }
        (Allowed::Anything, _) => true,
        (Allowed::DeleteOwned(kind), Verb::Delete(_)) => {
            // One that is gone is no concern: the deletion fails.
            let owned = before.0.get(&write.key).is_none_or(|live| {
                is_other(write, live) || live.header().controller().map(|owner| owner.uid.clone()) == uid
            });
            kind == write.key.kind && owned
        }
        (Allowed::Patch(kind, fields), Verb::Patch(Patch::Merge(patch))) => {
            kind == write.key.kind && paths(patch).iter().all(|path| fields.contains(&path.as_str()))
        }
        _ => false,
    });
    if ok { Ok(()) } else { Err(format!("{owner}: not its own to write: {write:?}")) }
}

/// Whether the write means another object, or another state of it, and will be refused.
fn is_other(write: &Write, live: &Live) -> bool {
    write.precondition.uid.as_ref().is_some_and(|uid| uid != live.uid())
        || write.precondition.revision.is_some_and(|revision| revision != live.revision())
}

fn controller(tree: &Value) -> Option<Str> {
    let mut owners = tree["metadata"]["ownerReferences"].as_array()?.iter();
    owners.find(|owner| owner["controller"] == true)?["uid"].as_str().map(Str::from)
}

fn paths(patch: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) if name == "metadata" || name == "spec" => {
                paths.extend(fields.keys().map(|field| format!("{name}.{field}")));
            }
            _ => paths.push(name.clone()),
        }
    }
    paths
}

/// A number in a tree; 0 when absent.
pub(crate) fn number(tree: &Value, pointer: &str) -> i64 {
    tree.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// A text in a tree; empty when absent.
pub(crate) fn text<'a>(tree: &'a Value, pointer: &str) -> &'a str {
    tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a pod is neither ended nor being deleted.
pub(crate) fn is_active(pod: &Live) -> bool {
    let phase = text(&pod.tree(), "/status/phase").to_owned();
    phase != "Failed" && phase != "Succeeded" && !pod.header().is_terminating()
}

/// Whether a pod is ready and stays.
pub(crate) fn is_ready(pod: &Live) -> bool {
    let tree = pod.tree();
    let mut conditions = tree["status"]["conditions"].as_array().into_iter().flatten();
    is_active(pod)
        && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Fails with a sentence unless both are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, expected {expected:?}")) }
}
