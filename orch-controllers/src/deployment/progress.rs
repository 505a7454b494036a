//! Whether a rollout gets on: the condition `Progressing` (`pkg/controller/deployment/progress.go`).

use std::time::Duration;

use jiff::SignedDuration;

use super::facts::Counts;
use super::status;
use super::turn::Turn;
use crate::condition::Condition;

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";
const RESUMED: &str = "DeploymentResumed";
pub(super) const CREATE_ERROR: &str = "ReplicaSetCreateError";

/// A paused Deployment makes no progress and is not late.
pub(super) fn pause(turn: &mut Turn<'_>) {
    let reason = turn.conditions.reason(PROGRESSING);
    if turn.facts.progress_deadline_secs.is_none() || reason == TIMED_OUT {
        return;
    }
    match (turn.facts.paused, reason == PAUSED) {
        (true, false) => set(turn, "Unknown", PAUSED, "Deployment is paused".to_owned()),
        (false, true) => set(turn, "Unknown", RESUMED, "Deployment is resumed".to_owned()),
        _ => {}
    }
}

/// The ReplicaSet of the current template was there when progress was first looked at.
pub(super) fn found(turn: &mut Turn<'_>) {
    let has_deadline = turn.facts.progress_deadline_secs.is_some();
    if let Some(new) = turn.new.filter(|_| has_deadline && turn.conditions.get(PROGRESSING).is_none()) {
        let message = format!("Found new replica set {:?}", turn.sets[new].name());
        set(turn, "True", "FoundNewReplicaSet", message);
    }
}

/// The ReplicaSet of the current template is created, or could not be.
pub(super) fn created(turn: &mut Turn<'_>, name: &str) {
    if turn.facts.progress_deadline_secs.is_none() {
        return;
    }
    match turn.observed.failure.as_ref().filter(|failure| failure.lasts) {
        Some(failure) => {
            let message = format!("Failed to create new replica set {name:?}: {}", failure.message);
            set(turn, "False", CREATE_ERROR, message);
        }
        None => set(turn, "True", "NewReplicaSetCreated", format!("Created new replica set {name:?}")),
    }
}

/// Whether all pods are of the current template and available.
pub(super) fn is_complete(turn: &Turn<'_>, counts: &Counts) -> bool {
    let replicas = turn.facts.replicas;
    counts.updated == replicas
        && counts.replicas == replicas
        && counts.available == replicas
        && counts.observed_generation >= turn.observed.row.object.header().generation
}

/// Estimates the progress of a rollout; looks again when its deadline has passed.
pub(super) fn estimate(turn: &mut Turn<'_>) {
    let Some(deadline) = turn.facts.progress_deadline_secs else {
        turn.conditions.remove(PROGRESSING);
        return;
    };
    let (counts, before) = (status::counts(turn), turn.facts.status);
    let was_complete =
        counts.replicas == counts.updated && reason_observed(turn) == AVAILABLE && turn.create.is_none();
    if !was_complete {
        let subject = match turn.new {
            Some(new) => format!("ReplicaSet {:?}", turn.sets[new].name()),
            None => format!("Deployment {:?}", turn.observed.row.object.key().name),
        };
        if is_complete(turn, &counts) {
            set(turn, "True", AVAILABLE, format!("{subject} has successfully progressed."));
        } else if is_progress(&before, &counts) {
            let message = format!("{subject} is progressing.");
            let condition = Condition::new(PROGRESSING, "True", "ReplicaSetUpdated", message);
            turn.conditions.replace(condition.updated_tree(turn.observed.now));
        } else if is_late(turn, deadline) {
            set(turn, "False", TIMED_OUT, format!("{subject} has timed out progressing."));
        }
    }
    let reason = turn.conditions.reason(PROGRESSING);
    if !is_complete(turn, &counts) && reason != TIMED_OUT && reason != AVAILABLE {
        turn.again_after = until_late(turn, deadline);
    }
}

fn set(turn: &mut Turn<'_>, status: &'static str, reason: &str, message: String) {
    turn.conditions.set(Condition::new(PROGRESSING, status, reason, message).updated_tree(turn.observed.now));
}

/// The reason as it was observed, whatever this turn has set.
fn reason_observed<'a>(turn: &'a Turn<'_>) -> &'a str {
    let mut conditions = crate::json::list(&turn.current["conditions"]).iter();
    let progressing = conditions.find(|condition| condition["type"] == PROGRESSING);
    progressing.map_or("", |condition| crate::json::text(&condition["reason"]))
}

fn is_progress(before: &Counts, now: &Counts) -> bool {
    now.updated > before.updated
        || now.replicas - now.updated < before.replicas - before.updated
        || now.ready > before.ready
        || now.available > before.available
}

fn is_late(turn: &Turn<'_>, deadline_secs: i32) -> bool {
    match turn.conditions.reason(PROGRESSING) {
        "" | AVAILABLE => false,
        TIMED_OUT => true,
        _ => until_late(turn, deadline_secs).is_none(),
    }
}

/// How long until the deadline has passed; `None` when it has. Times are written in whole seconds, so a second more.
fn until_late(turn: &Turn<'_>, deadline_secs: i32) -> Option<Duration> {
    let since = turn.conditions.last_update(PROGRESSING)?;
    let late = since.checked_add(SignedDuration::from_secs(i64::from(deadline_secs) + 1)).ok()?;
    Duration::try_from(late.duration_since(turn.observed.now)).ok().filter(|left| !left.is_zero())
}
