//! When an object that terminates is gone, and which finalizers a deletion adds. Pure.

use orch_core::object::Part;
use orch_core::{Live, Propagation, Str};
use serde_json::Value;

use crate::strategy::Deletion;
use crate::tree::Get;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Whether nothing holds a terminating object any more (`ShouldDeleteDuringUpdate`).
pub(super) fn is_due(deletion: Deletion, object: &Live) -> bool {
    let header = object.header();
    header.is_terminating()
        && header.finalizers.is_empty()
        && header.deletion_grace_secs.unwrap_or_default() == 0
        && (deletion != Deletion::Phased || !has_phases_left(object))
}

/// Whether `spec.finalizers` of a namespace hold it.
pub(super) fn has_phases_left(namespace: &Live) -> bool {
    namespace.part_to::<Value>(Part::Spec).is_ok_and(|spec| !spec.is_unset("finalizers"))
}

/// The finalizers of an object that is deleted (`deletionFinalizersForGarbageCollection`).
pub(super) fn finalizers(deletion: Deletion, now: &[Str], asked: Option<Propagation>) -> Vec<Str> {
    if deletion == Deletion::Uncollected {
        return now.to_vec();
    }
    let has = |name: &str| now.iter().any(|finalizer| &**finalizer == name);
    let (orphan, foreground) = match asked {
        Some(propagation) => (propagation == Propagation::Orphan, propagation == Propagation::Foreground),
        None => (has(ORPHAN), has(FOREGROUND)),
    };
    if (orphan, foreground) == (has(ORPHAN), has(FOREGROUND)) {
        return now.to_vec();
    }
    let others = now.iter().filter(|name| !matches!(&***name, ORPHAN | FOREGROUND)).cloned();
    let added = [(orphan, ORPHAN), (foreground, FOREGROUND)];
    others.chain(added.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now: &[&str], asked: Option<Propagation>, expected: &[&str]) {
        let now: Vec<Str> = now.iter().map(|name| (*name).into()).collect();
        let then = finalizers(Deletion::Plain, &now, asked);
        assert_eq!(then.iter().map(|name| &**name).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_propagation_asked_for_replaces_the_one_before() {
        check(&["a"], None, &["a"]);
        check(&["a"], Some(Propagation::Background), &["a"]);
        check(&["a"], Some(Propagation::Foreground), &["a", "foregroundDeletion"]);
        check(&["orphan", "a"], Some(Propagation::Foreground), &["a", "foregroundDeletion"]);
        check(&["orphan", "a"], Some(Propagation::Background), &["a"]);
        check(&["foregroundDeletion"], None, &["foregroundDeletion"]);
        check(&["foregroundDeletion"], Some(Propagation::Orphan), &["orphan"]);
    }

    #[test]
    fn the_garbage_collector_has_nothing_to_do_with_events() {
        assert!(finalizers(Deletion::Uncollected, &[], Some(Propagation::Orphan)).is_empty());
    }
}
