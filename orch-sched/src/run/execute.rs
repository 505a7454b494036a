//! Carries a batch of decisions out: one batch of writes, then what hangs on it.
//!
//! Every write has its precondition, so a decision on a stale view is refused and does no harm. Invariant: each order gets
//! exactly one outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use orch_core::controller::Note;
use orch_core::scheduler::{ClaimStep, Decision, Outcome, Verdict};
use orch_core::{
    Api, ApiExt, ConflictCause, Env, Error, Key, Live, Object, Recorder, Result, Str, Write, WriteOutcome,
};
use std::sync::Arc;

use super::claims;
use super::condition::Saying;

/// How often a status is written anew after somebody else changed the pod; then the next decision says it.
const STATUS_TRIES: usize = 4;
/// First and longest wait before a pod is read again to learn what became of its binding.
const READ_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// A decision and the pod that it is about, as it was when it was decided.
pub(super) struct Order {
    pub(super) decision: Decision,
    pub(super) object: Option<Object>,
}

/// What came of some work.
#[derive(Default)]
pub(super) struct Executed {
    pub(super) outcomes: Vec<(Key, Str, Outcome)>,
    /// What is to be told to people.
    pub(super) events: Vec<Note>,
    /// Bindings that may have happened or not.
    pub(super) unknown: Vec<Decision>,
    /// Writes that were done.
    pub(super) wrote: usize,
}

/// What executes.
pub(super) struct Hands {
    pub(super) api: Arc<dyn Api>,
    pub(super) env: Env,
    pub(super) recorder: Recorder,
    pub(super) component: Str,
}

impl Hands {
    /// Carries out decisions.
    pub(super) async fn execute(&self, orders: Vec<Order>) -> Executed {
        self.env.edge().await;
        // Other parts get their turn before each batch, also where the Api answers at once.
        tokio::task::yield_now().await;
        let mut done = Executed::default();
        let mut results = self.write_all(&orders, &mut done).await;
        for (at, order) in orders.iter().enumerate() {
            let result = results.remove(&at).unwrap_or(Ok(()));
            let Decision { pod, uid, verdict } = &order.decision;
            let result = match (verdict, result) {
                (Verdict::Prepare { node, claims }, Ok(())) => self.prepare(node, claims, &mut done).await,
                (Verdict::Preempt { node, victims, .. }, Ok(())) => {
                    self.remove(uid, node, victims, &mut done).await
                }
                (Verdict::Bind { node, .. }, Ok(())) => {
                    let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                    done.events.push(Note::normal(pod, uid, "Scheduled", message));
                    Ok(())
                }
                (_, result) => result,
            };
            let is_bind = matches!(verdict, Verdict::Bind { .. });
            let outcome = match result {
                Ok(()) => Outcome::Done,
                Err(error) if error.outcome() == WriteOutcome::Unknown && is_bind => {
                    done.unknown.push(order.decision.clone());
                    Outcome::Unknown
                }
                Err(error) => {
                    if is_bind && !error.is_not_found() && !error.is_conflict() {
                        let message = format!("binding rejected: {error}");
                        done.events.push(Note::warning(pod, uid, "FailedScheduling", message));
                    }
                    Outcome::Refused(error)
                }
            };
            done.outcomes.push((pod.clone(), uid.clone(), outcome));
        }
        done
    }

    /// Binds and says why not, all in one batch; what was changed by others meanwhile is read and said again.
    async fn write_all(&self, orders: &[Order], done: &mut Executed) -> BTreeMap<usize, Result<()>> {
        let mut results = self.refuse_outdated(orders).await;
        let (mut at, mut writes) = (Vec::new(), Vec::new());
        for (index, order) in orders.iter().enumerate() {
            let Decision { pod, uid, verdict } = &order.decision;
            if results.contains_key(&index) {
                continue;
            }
            let write = match (verdict, say(verdict), &order.object) {
                (Verdict::Bind { node, .. }, ..) => Some(Write::bind(pod.clone(), node).of(uid)),
                (_, Some(saying), Some(object)) => saying.write(object, self.env.now()),
                (_, Some(_), None) => {
                    let said = self.say_again(order).await;
                    done.events.extend(failure(&order.decision).filter(|_| said.is_ok()));
                    results.insert(index, said);
                    None
                }
                _ => None,
            };
            if let Some(write) = write {
                at.push(index);
                writes.push(write);
            }
        }
        if writes.is_empty() {
            return results;
        }
        for (index, result) in at.into_iter().zip(self.api.write(writes).await) {
            let result = match result {
                Ok(_) => Ok(()),
                Err(error) if is_stale(&error) && say(&orders[index].decision.verdict).is_some() => {
                    self.say_again(&orders[index]).await
                }
                Err(error) => Err(error),
            };
            if result.is_ok() {
                done.wrote += 1;
                done.events.extend(failure(&orders[index].decision));
            }
            results.insert(index, result);
        }
        results
    }

    /// Bindings that rest on an object that is no longer there, or is another by now. The scheduler's view of it was old.
    async fn refuse_outdated(&self, orders: &[Order]) -> BTreeMap<usize, Result<()>> {
        let mut all = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            if let Verdict::Bind { rests_on, .. } = &order.decision.verdict {
                all.extend(rests_on.iter().map(|(key, uid)| (index, key, uid)));
            }
        }
        let reads = join_all(all.iter().map(|(_, key, _)| self.api.read(key))).await;
        let outdated = all.into_iter().zip(reads).filter_map(|((index, key, uid), live)| {
            let error = match live {
                Ok(live) if live.uid() == uid && !live.header().is_terminating() => return None,
                Ok(_) => {
                    let cause =
                        ConflictCause::State("the pod would be bound for another of that name".to_owned());
                    Error::Conflict { key: key.clone(), cause }
                }
                Err(error) => error,
            };
            Some((index, Err(error)))
        });
        outdated.collect()
    }

    /// Says on the pod as it is now why it was not placed.
    async fn say_again(&self, order: &Order) -> Result<()> {
        let Decision { pod, uid, verdict } = &order.decision;
        let Some(saying) = say(verdict) else { return Ok(()) };
        for _ in 0..STATUS_TRIES {
            let live = self.api.read(pod).await?;
            if live.uid() != uid || is_bound(&live) {
                return Err(Error::NotFound { key: pod.clone() });
            }
            let Some(write) = saying.write(&live, self.env.now()) else { return Ok(()) };
            match self.api.one(write).await {
                Err(error) if is_stale(&error) => {}
                result => return result.map(|_| ()),
            }
        }
        Err(Error::Conflict {
            key: pod.clone(),
            cause: ConflictCause::State("the pod changes all the time".to_owned()),
        })
    }

    async fn prepare(&self, node: &str, steps: &[ClaimStep], done: &mut Executed) -> Result<()> {
        let mut writes = Vec::new();
        for step in steps {
            writes.extend(claims::write(&*self.api, node, step).await?);
        }
        for result in self.write(writes).await {
            result?;
            done.wrote += 1;
        }
        Ok(())
    }

    /// Marks the victims and deletes them (`pkg/scheduler/framework/preemption/preemption.go`).
    async fn remove(&self, by: &Str, node: &str, victims: &[(Key, Str)], done: &mut Executed) -> Result<()> {
        let reads = join_all(victims.iter().map(|(victim, _)| self.api.read(victim))).await;
        let (mut marks, mut deletions, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for ((victim, uid), live) in victims.iter().zip(reads) {
            match live {
                Ok(live) if live.uid() == uid && !live.header().is_terminating() => {
                    marks.extend(self.mark().write(&live, self.env.now()));
                    deletions.push(Write::delete(victim.clone()).of(uid));
                    let message = format!("Preempted by pod {by} on node {node}");
                    notes.push(Note::normal(victim, uid, "Preempted", message));
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        // A mark that comes too late does no harm: the deletion is what matters.
        let marked = marks.len();
        marks.extend(deletions);
        let results = self.write(marks).await;
        for (result, note) in results.into_iter().skip(marked).zip(notes) {
            match result {
                Ok(_) => {
                    done.wrote += 1;
                    done.events.push(note);
                }
                Err(error) if error.is_not_found() || error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn mark(&self) -> Saying {
        Saying {
            kind: "DisruptionTarget",
            status: "True",
            reason: "PreemptionByScheduler",
            message: format!("{}: preempting to accommodate a higher priority pod", self.component),
            nominated: None,
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        if writes.is_empty() { Vec::new() } else { self.api.write(writes).await }
    }

    /// Tells people. Nothing rests on it.
    pub(super) async fn record(&self, notes: Vec<Note>) -> Executed {
        let writes = self.recorder.writes(self.api.registry(), &self.env, notes.iter());
        let mut wrote = 0;
        for result in self.write(writes).await {
            match result {
                Ok(_) => wrote += 1,
                Err(error) => tracing::debug!(%error, "event not recorded"),
            }
        }
        Executed { wrote, ..Executed::default() }
    }

    /// Reads what became of bindings whose answer was lost. Should such a binding come later still, it is refused: a pod is
    /// bound once.
    pub(super) async fn resolve(&self, bindings: Vec<Decision>) -> Executed {
        let mut done = Executed::default();
        for Decision { pod, uid, verdict } in bindings {
            let mut wait = READ_AGAIN.0;
            let outcome = loop {
                match self.api.read(&pod).await {
                    Ok(live) if *live.uid() == uid => {
                        let bound = matches!(&verdict, Verdict::Bind { node, .. } if live.field("spec.nodeName") == Some(node));
                        let lost = || Outcome::Refused(Error::OutcomeUnknown { key: pod.clone() });
                        break if bound { Outcome::Done } else { lost() };
                    }
                    Ok(_) => break Outcome::Refused(Error::NotFound { key: pod.clone() }),
                    Err(error) if error.is_not_found() => break Outcome::Refused(error),
                    Err(_) => {
                        self.env.sleep(wait).await;
                        wait = (wait * 2).min(READ_AGAIN.1);
                    }
                }
            };
            done.outcomes.push((pod, uid, outcome));
        }
        done
    }
}

/// What a verdict says on the pod itself (`handleSchedulingFailure` of `pkg/scheduler/schedule_one.go`).
fn say(verdict: &Verdict) -> Option<Saying> {
    match verdict {
        Verdict::Hold { why } => Some(Saying::unplaced("SchedulingGated", why.clone())),
        Verdict::Unschedulable { explanation } => {
            Some(Saying::unplaced("Unschedulable", explanation.to_string()))
        }
        Verdict::Preempt { node, explanation, .. } => {
            let nominated = Some(node.to_string());
            Some(Saying { nominated, ..Saying::unplaced("Unschedulable", explanation.to_string()) })
        }
        _ => None,
    }
}

/// The Event of a pod that was not placed; only when its status says something new, or it would be a flood.
fn failure(decision: &Decision) -> Option<Note> {
    match &decision.verdict {
        Verdict::Unschedulable { explanation } | Verdict::Preempt { explanation, .. } => {
            Some(Note::warning(&decision.pod, &decision.uid, "FailedScheduling", explanation.to_string()))
        }
        _ => None,
    }
}

fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Conflict { cause: ConflictCause::Revision { .. }, .. })
}

fn is_bound(pod: &Object) -> bool {
    pod.field("spec.nodeName").is_some_and(|node| !node.is_empty())
}
