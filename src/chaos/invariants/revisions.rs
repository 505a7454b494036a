//! The store's history and the fields that are the server's.
//!
//! Revisions grow, a change tells of the state that was really there, an object keeps its uid and the time of its creation,
//! a deletion is never taken back or put off, and the generation counts changes of the spec. Sources:
//! `Documentation/learning/api_guarantees.md` of etcd, `apimachinery/pkg/api/validation/objectmeta.go`
//! (`ValidateObjectMetaUpdate`), `apiserver/pkg/registry/rest/{delete,update}.go` (`BeforeDelete`, `BeforeUpdate`), KEP-5067
//! for pods. A deletion that begins counts once; binding need not count, though it sets `spec.nodeName`.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::{Happening, Invariant, World};
use orch_core::object::Part;
use orch_core::{Change, Key, Kind, Object, Revision, Str, kind};

/// Kinds whose generation counts changes of the spec (`pkg/registry/*/*/strategy.go`).
const COUNTED: [Kind; 4] = [kind::PODS, kind::DEPLOYMENTS, kind::REPLICA_SETS, kind::STATEFUL_SETS];

/// See the module.
#[derive(Debug, Default)]
pub struct Revisions {
    revision: Revision,
    objects: BTreeMap<Key, Object>,
    /// Every uid that ever was.
    uids: BTreeSet<Str>,
}

impl Invariant for Revisions {
    fn name(&self) -> &str {
        "revisions"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { change, .. } = what else { return Ok(()) };
        let verdict = self.history(change).and_then(|()| self.identity(change));
        self.revision = change.revision;
        match &change.now {
            Some(live) => match self.objects.get_mut(live.key()) {
                Some(known) => *known = live.object().clone(),
                None => {
                    self.uids.insert(live.uid().clone());
                    self.objects.insert(live.key().clone(), live.object().clone());
                }
            },
            None => _ = self.objects.remove(change.key()),
        }
        verdict?;
        match (&change.before, &change.now) {
            (Some(before), Some(now)) => deletion(before, now).and_then(|()| generation(before, now)),
            _ => Ok(()),
        }
    }
}

impl Revisions {
    fn history(&self, change: &Change) -> Result<(), String> {
        let key = change.key();
        if change.revision <= self.revision {
            return Err(format!("{key} was written at {}, after {}", change.revision, self.revision));
        }
        if let Some(now) = change.now.as_ref().filter(|now| now.revision() != change.revision) {
            return Err(format!("{key} was written at {} and says {}", change.revision, now.revision()));
        }
        match (self.objects.get(key), &change.before) {
            (None, None) => Ok(()),
            (Some(known), Some(before))
                if known.revision() == before.revision() && known.body() == before.body() =>
            {
                Ok(())
            }
            (known, before) => {
                let at = |object: Option<&Object>| {
                    object.map_or_else(|| "nothing".to_owned(), |it| it.revision().to_string())
                };
                Err(format!("{key} was {} and the change says it was {}", at(known), at(before.as_ref())))
            }
        }
    }

    fn identity(&self, change: &Change) -> Result<(), String> {
        let Some(now) = &change.now else { return Ok(()) };
        let (key, uid) = (now.key(), now.uid());
        if uid.is_empty() {
            return Err(format!("{key} has no uid"));
        }
        let Some(before) = &change.before else {
            let again = self.uids.contains(uid);
            return if again {
                Err(format!("{key} is new and has the uid {uid} of another"))
            } else {
                Ok(())
            };
        };
        if before.uid() != uid {
            return Err(format!("an update made {key} another object: {} became {uid}", before.uid()));
        }
        if before.header().created != now.header().created {
            return Err(format!("{key} was created at another time than before"));
        }
        Ok(())
    }
}

fn deletion(before: &Object, now: &Object) -> Result<(), String> {
    let (was, is, key) = (before.header(), now.header(), now.key());
    let Some(due) = was.deletion else { return Ok(()) };
    match is.deletion {
        None => Err(format!("the deletion of {key} was taken back")),
        Some(later) if later > due => Err(format!("the deletion of {key} was put off from {due} to {later}")),
        Some(_) => match (was.deletion_grace_secs, is.deletion_grace_secs) {
            (Some(before), Some(now)) if now > before => {
                Err(format!("the grace of {key} was lengthened from {before} s to {now} s"))
            }
            _ => Ok(()),
        },
    }
}

fn generation(before: &Object, now: &Object) -> Result<(), String> {
    let (was, is) = (before.header().generation, now.header().generation);
    let key = now.key();
    if is < was {
        return Err(format!("the generation of {key} went back from {was} to {is}"));
    }
    if was == 0 || !COUNTED.contains(&key.kind) {
        return Ok(());
    }
    let begins = i64::from(now.header().is_terminating() && !before.header().is_terminating());
    // The store keeps the keys of every body in order: other bytes are another spec.
    let changed = before.part(Part::Spec) != now.part(Part::Spec);
    let binds = key.kind == kind::PODS && before.field("spec.nodeName") != now.field("spec.nodeName");
    let expected = was + begins + i64::from(changed);
    if is == expected || (binds && is + 1 == expected) {
        return Ok(());
    }
    let what = if changed { "changed" } else { "stayed the same" };
    Err(format!("the spec of {key} {what}, and its generation went from {was} to {is}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, plain, pod, with};

    fn bench() -> Bench<Revisions> {
        let mut bench = Bench::of(Revisions::default());
        bench.ok("user", set(1, 1));
        bench
    }

    fn set(replicas: i64, generation: i64) -> Value {
        with(
            plain("apps/v1", "ReplicaSet", "web"),
            json!({"metadata": {"generation": generation}, "spec": {"replicas": replicas}}),
        )
    }

    #[test]
    fn the_generation_counts_the_spec() {
        let mut bench = bench();
        bench.ok("user", set(2, 2));
        bench.ok("x", with(set(2, 2), json!({"status": {"replicas": 1}})));
        bench.ok("user", deleted(set(2, 3), 0));
        bench.ok("user", deleted(set(3, 4), 0));
        bench.bad("user", deleted(set(4, 4), 0), "changed, and its generation went from 4 to 4");
        bench.bad("user", deleted(set(4, 5), 0), "stayed the same");
        bench.bad("user", deleted(set(4, 3), 0), "went back");
    }

    #[test]
    fn binding_need_not_count() {
        for generation in [1, 2] {
            let mut bench = Bench::of(Revisions::default());
            bench.ok("user", with(pod("p", ""), json!({"metadata": {"generation": 1}})));
            bench.ok("scheduler", with(pod("p", "a"), json!({"metadata": {"generation": generation}})));
        }
    }

    #[test]
    fn identity_and_deletion_stay() {
        let mut bench = bench();
        bench.bad(
            "x",
            with(set(1, 1), json!({"metadata": {"uid": "other"}})),
            "made replicasets.apps/shop/web another",
        );
        let mut bench = self::bench();
        bench.ok("user", deleted(pod("p", "a"), 30));
        bench.ok("user", deleted(pod("p", "a"), 10));
        bench.bad("user", deleted(pod("p", "a"), 20), "was lengthened");
        bench.bad("user", pod("p", "a"), "was taken back");
        bench.bad(
            "user",
            with(pod("p", "a"), json!({"metadata": {"creationTimestamp": "2026-01-02T00:00:00Z"}})),
            "another time",
        );
        bench.gone("user", "pods/shop/p");
        bench.bad("user", pod("p", "a"), "has the uid p of another");
    }

    #[test]
    fn history_tells_what_was_there() {
        let mut bench = bench();
        let forgotten = bench.change(Ok(set(2, 2)));
        let later = bench.change(Ok(set(3, 3)));
        fails(
            bench.see(&Happening::Changed { actor: "x", change: &later }),
            "was 1 and the change says it was 2",
        );
        fails(bench.see(&Happening::Changed { actor: "x", change: &forgotten }), "was written at 2, after 3");
    }
}
