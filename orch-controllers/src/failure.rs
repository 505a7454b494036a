//! What a controller remembers of writes that failed: only to explain it in a condition and to try fewer at once.
//! A crash loses it, and nothing else rests on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orch_core::controller::{Note, Plan};
use orch_core::{Error, Key, Kind, Live, Result, Str, Verb, Write};

/// Writes of one turn at most, as many as Kubernetes' ReplicaSet controller makes of a sync: what one owner may cost the
/// others.
pub(crate) const BURST: usize = 500;

/// The last failure of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In CamelCase.
    pub(crate) reason: &'static str,
    /// The error of the first write that failed.
    pub(crate) message: String,
    /// How many children may be tried next: doubled by each turn that succeeds, as a slow start.
    pub(crate) burst: usize,
    /// Whether the last turn failed.
    pub(crate) lasts: bool,
}

/// Failures by owner. Bounded by the owners that have work left.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<BTreeMap<Key, Failure>>);

impl Failures {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, owner: &Key) -> Option<Failure> {
        self.lock().get(owner).cloned()
    }

    /// Forgets: the owner is gone or has nothing left to do.
    pub(crate) fn forget(&self, owner: &Key) {
        self.lock().remove(owner);
    }

    /// Takes in how the creates and deletes of children went; tells of each error once, in the words of `describe`.
    pub(crate) fn take_in(
        &self,
        owner: &Key,
        children: &[Kind],
        (plan, results): (&Plan, &[Result<Live>]),
        describe: impl Fn(&Write, &Error) -> (&'static str, String),
    ) -> Vec<Note> {
        let mut notes: Vec<Note> = Vec::new();
        let mut failure: Option<(&'static str, String)> = None;
        let mut tried = false;
        let uid = uid_of(owner, plan);
        for (write, result) in plan.writes.iter().zip(results) {
            if !children.contains(&write.key.kind) || !matches!(write.verb, Verb::Create(_) | Verb::Delete(_))
            {
                continue;
            }
            tried = true;
            let Err(error) = result else { continue };
            if is_stale(error) {
                continue;
            }
            let (reason, message) = describe(write, error);
            let note = Note::warning(owner, &uid, reason, message);
            if !notes.contains(&note) {
                notes.push(note);
            }
            failure.get_or_insert_with(|| (reason, error.to_string()));
        }
        let mut all = self.lock();
        match (failure, all.get_mut(owner)) {
            (Some((reason, message)), _) => {
                all.insert(owner.clone(), Failure { reason, message, burst: 1, lasts: true });
            }
            (None, Some(before)) if tried => {
                before.burst *= 2;
                before.lasts = false;
                if before.burst >= BURST {
                    all.remove(owner);
                }
            }
            _ => {}
        }
        notes
    }
}

/// The uid of the owner that a plan is about, as its notes and writes have it.
fn uid_of(owner: &Key, plan: &Plan) -> Str {
    let noted = plan.notes.iter().find(|note| note.about == *owner).map(|note| note.uid.clone());
    let written = || plan.writes.iter().find(|write| write.key == *owner)?.precondition.uid.clone();
    noted.or_else(written).unwrap_or_default()
}

/// Whether the write would have made a child.
pub(crate) fn is_create(write: &Write) -> bool {
    matches!(write.verb, Verb::Create(_))
}

/// Whether the view was behind: no failure, the next turn knows better.
fn is_stale(error: &Error) -> bool {
    error.is_conflict() || error.is_not_found()
}

#[cfg(test)]
mod tests {
    use orch_core::kind;
    use serde_json::json;

    use super::*;

    fn turn(failures: &Failures, results: &[Result<Live>]) -> usize {
        let owner = Key::new(kind::REPLICA_SETS, "shop", "web");
        let pod = |at| Write::create(Key::new(kind::PODS, "shop", format!("web-{at}")), json!({}));
        let plan = (0..results.len()).fold(Plan::new(), |plan, at| plan.write(pod(at)));
        let describe = |_: &Write, error: &Error| ("FailedCreate", error.to_string());
        failures.take_in(&owner, &[kind::PODS], (&plan, results), describe).len()
    }

    fn refused() -> Result<Live> {
        Err(Error::Forbidden { key: Key::new(kind::PODS, "shop", "x"), why: "exceeded quota".into() })
    }

    fn created() -> Result<Live> {
        let info = orch_core::Registry::built_in().get(kind::PODS).unwrap();
        let tree = json!({"metadata": {"name": "x", "namespace": "shop"}});
        Ok(orch_core::Object::encode(&info, &tree).unwrap().into())
    }

    #[test]
    fn a_failure_slows_down_and_successes_speed_up() {
        let owner = Key::new(kind::REPLICA_SETS, "shop", "web");
        let failures = Failures::default();
        assert_eq!(turn(&failures, &[created(), refused(), refused()]), 1, "the same error is told once");
        assert_eq!(failures.of(&owner).map(|f| (f.burst, f.lasts)), Some((1, true)));
        turn(&failures, &[created()]);
        assert_eq!(failures.of(&owner).map(|f| (f.burst, f.lasts)), Some((2, false)));
        for _ in 0..8 {
            turn(&failures, &[created()]);
        }
        assert_eq!(failures.of(&owner), None);
    }

    #[test]
    fn a_stale_view_is_no_failure() {
        let owner = Key::new(kind::REPLICA_SETS, "shop", "web");
        let failures = Failures::default();
        let taken = Err(Error::AlreadyExists { key: Key::new(kind::PODS, "shop", "x") });
        assert_eq!((turn(&failures, &[taken]), failures.of(&owner)), (0, None));
    }
}
