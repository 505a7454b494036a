//! Turns: observe and plan on the view, then write.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Lane;
use crate::controller::Plan;
use crate::record::Recorder;
use crate::view::View;
use crate::{ConflictCause, Error, Key, Kind, Live, Result, Revision, Select, WriteOutcome};

/// Turns begun before other tasks get their chance.
const BURST: usize = 64;

/// Runs one controller until its environment stops.
pub(super) async fn run(lane: Arc<Lane>, concurrency: usize) {
    let recorder = Recorder::new(lane.controller.name());
    let mut under_way = FuturesUnordered::new();
    loop {
        let mut begun = 0;
        while under_way.len() < concurrency && begun < BURST {
            let Some((key, plan)) = begin(&lane) else { break };
            begun += 1;
            match plan {
                Some(plan) if !plan.is_empty() => under_way.push(execute(&lane, &recorder, key, plan)),
                _ => {
                    let mut queue = lane.queue();
                    queue.forgive(&key);
                    queue.finish(&key);
                }
            }
        }
        lane.report();
        let due = lane.queue().next_due();
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            () = lane.wake.notified() => {}
            () = lane.env.sleep_until(due.unwrap_or_default()), if due.is_some() && under_way.len() < concurrency => {}
            () = tokio::task::yield_now(), if begun == BURST => {}
        }
    }
}

/// Takes the next key and decides; `None` when no key is ready.
fn begin(lane: &Lane) -> Option<(Key, Option<Plan>)> {
    let view = lane.view.read().unwrap_or_else(PoisonError::into_inner);
    let key = lane.queue().pop(lane.env.elapsed(), |kind| view.revision(kind))?;
    let now = lane.env.now();
    let plan = lane.controller.decide(&key, now, &*view);
    if let Some(plan) = &plan {
        let name = lane.controller.name();
        lane.inspect.iter().for_each(|inspect| inspect.plan(name, &key, now, &*view, plan));
    }
    Some((key, plan))
}

/// Does what a plan says and draws the consequences for the key's next turn.
async fn execute(lane: &Lane, recorder: &Recorder, key: Key, plan: Plan) {
    let kinds: Vec<Kind> = plan.writes.iter().map(|write| write.key.kind).collect();
    let (again_after, when_seen) = (plan.again_after, plan.when_seen.clone());
    let results = if plan.writes.is_empty() { Vec::new() } else { write(lane, &plan).await };
    let late = lane.controller.outcome(&key, &plan, &results);
    let told = plan
        .notes
        .iter()
        .filter(|note| note.after.is_none_or(|at| results.get(at).is_some_and(Result::is_ok)))
        .chain(&late);
    let events = recorder.writes(lane.api.registry(), &lane.env, told);
    if !events.is_empty() {
        for error in lane.api.write(events).await.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, controller = lane.controller.name(), "event not recorded");
        }
    }
    lane.part.wrote(results.iter().filter(|result| result.is_ok()).count());
    let unknown =
        results.iter().any(|result| matches!(result, Err(error) if error.outcome() == WriteOutcome::Unknown));
    let stale = results.iter().filter_map(|result| result.as_ref().err()).any(is_gone);
    let fresh = if unknown || stale { fresh_revision(lane, &kinds).await } else { None };
    let mut queue = lane.queue();
    let now = lane.env.elapsed();
    let mut failed = unknown;
    for (kind, result) in kinds.iter().zip(&results) {
        failed |= draw(lane, &mut queue, &key, *kind, result);
    }
    if let Some(fresh) = fresh {
        // A kind that the view does not follow would never be seen that far.
        let followed = kinds.iter().filter(|kind| lane.follows(**kind));
        followed.for_each(|kind| queue.raise(&key, *kind, fresh));
        lane.poker.poke();
    }
    if failed {
        queue.fail(&key, now);
    } else {
        queue.forgive(&key);
    }
    for (kind, revision) in &when_seen {
        queue.raise(&key, *kind, *revision);
    }
    if !when_seen.is_empty() {
        // Asked for during its own turn: it is parked until the view is there.
        queue.add(key.clone());
        lane.poker.poke();
    }
    if let Some(after) = again_after {
        queue.add_at(key.clone(), now + after);
    }
    queue.finish(&key);
}

async fn write(lane: &Lane, plan: &Plan) -> Vec<Result<Live>> {
    lane.env.edge().await;
    // They name no manager: who asks is told by the user, and tracking each field costs as much as the write.
    lane.api.write(plan.writes.clone()).await
}

/// Raises the barrier by the outcome of one write; says whether it failed.
fn draw(lane: &Lane, queue: &mut super::Queue, key: &Key, kind: Kind, result: &Result<Live>) -> bool {
    match result {
        Ok(live) => {
            // A kind that the view does not follow will never show the write.
            if lane.follows(kind) {
                queue.raise(key, kind, live.revision());
            }
            return false;
        }
        Err(Error::Conflict { cause: ConflictCause::Revision { actual, .. }, .. }) if lane.follows(kind) => {
            queue.raise(key, kind, *actual);
        }
        Err(error) if error.is_conflict() || error.is_not_found() => {}
        Err(error) => tracing::warn!(%error, %key, controller = lane.controller.name(), "write failed"),
    }
    true
}

/// Whether what the view shows is not there any more: nothing that is made on such a view may be made again and again.
fn is_gone(error: &Error) -> bool {
    error.is_not_found() || matches!(error, Error::Conflict { cause: ConflictCause::Uid { .. }, .. })
}

/// After a write whose outcome is unknown, or to something that is gone, the barrier is a fresh consistent read. A write
/// of unknown outcome may still come later: names and preconditions must suffice then.
///
/// Asked for until it is answered: the key has no turn before, since what it did is not known.
async fn fresh_revision(lane: &Lane, kinds: &[Kind]) -> Option<Revision> {
    let followed: Vec<Kind> = kinds.iter().copied().filter(|kind| lane.follows(*kind)).collect();
    if followed.is_empty() {
        return None;
    }
    let select = Select::kinds(followed);
    let mut wait = FRESH.0;
    loop {
        match lane.api.list(&select, None, 1).await {
            Ok(page) => return Some(page.revision),
            Err(error) if is_passing(&error) => {
                lane.env.sleep(wait).await;
                wait = (wait * 2).min(FRESH.1);
            }
            Err(error) => {
                tracing::warn!(%error, controller = lane.controller.name(), "no fresh read");
                return None;
            }
        }
    }
}

/// First and longest wait between two tries of a fresh read.
const FRESH: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// Whether a read that failed so is worth another try.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::TooManyRequests { .. } | Error::OutcomeUnknown { .. })
}
