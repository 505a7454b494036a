//! Deleting: at once, with grace, in phases, or when nothing holds the object any more.
//!
//! After `apiserver/pkg/registry/rest/delete.go`, `registry/generic/registry/store.go` (`Delete`) and, for namespaces,
//! `pkg/registry/core/namespace/storage/storage.go`. Invariant: a deletion that has begun is never taken back, and its
//! grace period only gets shorter.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orch_core::object::Part;
use orch_core::{DeleteOptions, Live, Result, Str, Verb};
use serde_json::{Value, json};

use super::batch::{Commit, Of, Step};
use super::{definitions, metadata, removal};
use crate::services::Claim;
use crate::strategy::{Deletion, grace_secs};
use crate::tree::{Get, Set};

/// How far a deletion comes now.
enum Phase {
    /// It is under way already: nothing changes.
    Pending,
    /// It begins or goes on: due at that time, with that grace.
    Due { at: Timestamp, grace_secs: Option<i64> },
    /// Nothing is waited for but finalizers.
    Now,
}

impl Of<'_> {
    pub(super) async fn delete(self) -> Result<Step> {
        let Verb::Delete(options) = &self.write.verb else { return Err(self.not_allowed("delete")) };
        let options = options.clone();
        self.delete_with(options).await
    }

    async fn delete_with(mut self, options: DeleteOptions) -> Result<Step> {
        let stored = self.stored().await?;
        self.expect(&stored)?;
        self.admit_delete()?;
        self.delete_from(&stored, &options)
    }

    /// Deletes an object whose last state is given.
    pub(super) fn delete_from(self, stored: &Live, options: &DeleteOptions) -> Result<Step> {
        let deletion = self.strategy.row.deletion;
        let now = self.api.shared.env.now();
        let phase = match deletion {
            Deletion::Graceful => graceful(stored, options, now),
            Deletion::Phased => phased(stored, now),
            Deletion::Plain | Deletion::Uncollected => Phase::Now,
        };
        let mut finalizers = removal::finalizers(deletion, &stored.header().finalizers, options.propagation);
        definitions::hold(self.info.kind, stored, &mut finalizers);
        let due = match phase {
            Phase::Pending => return Ok(Step::Done(stored.clone())),
            Phase::Due { at, grace_secs } => (at, grace_secs),
            Phase::Now if finalizers.is_empty() => return Ok(self.remove(stored, stored.clone())),
            Phase::Now => (stored.header().deletion.filter(|at| *at <= now).unwrap_or(now), Some(0)),
        };
        if due.1 == Some(0) && finalizers.is_empty() {
            return Ok(self.remove(stored, stored.clone()));
        }
        self.mark(stored, due, &finalizers)
    }

    /// Writes that the object terminates.
    fn mark(&self, stored: &Live, due: (Timestamp, Option<i64>), finalizers: &[Str]) -> Result<Step> {
        let mut metadata: Value = stored.part_to(Part::Metadata)?;
        let head = metadata::root(&self.info, &mut metadata)?;
        if head.is_unset("deletionTimestamp") {
            metadata::count(head);
        }
        head.put("deletionTimestamp", metadata::seconds(due.0));
        if let Some(secs) = due.1 {
            head.put("deletionGracePeriodSeconds", secs);
        }
        if finalizers.is_empty() {
            head.remove("finalizers");
        } else {
            head.put("finalizers", json!(finalizers));
        }
        let mut object = stored.with_part(&self.info, Part::Metadata, &metadata)?;
        if self.strategy.row.deletion == Deletion::Phased {
            object = object.with_field(&self.info, Part::Status, "phase", &json!("Terminating"))?;
        }
        if object.same_content(stored) {
            return Ok(Step::Done(stored.clone()));
        }
        if let Some(conditions) = definitions::pending(stored, &metadata::seconds(due.0)) {
            let object = object.with_field(&self.info, Part::Status, "conditions", &conditions)?;
            return Ok(Commit::replace(Live::from(object), stored).into());
        }
        let answer = Live::spliced(object, Part::Metadata, Arc::new(metadata));
        Ok(Commit::replace(answer, stored).into())
    }

    /// Takes the object out of the store; `answer` is its last state.
    pub(super) fn remove(&self, stored: &Live, answer: Live) -> Step {
        let mut commit = Commit::delete(answer, stored);
        if self.info.kind == orch_core::kind::SERVICES
            && let Some(spec) = stored.tree().object_at("spec")
        {
            commit.claim = Some(Claim::giving_back(spec));
        }
        commit.into()
    }
}

/// A pod: `BeforeDelete` with the grace of its strategy.
fn graceful(pod: &Live, options: &DeleteOptions, now: Timestamp) -> Phase {
    let asked = options.grace_secs.map(|secs| if secs < 0 { 1 } else { secs });
    let later =
        |at: Timestamp, secs: i64| at.checked_add(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MAX);
    let Some(due) = pod.header().deletion else {
        let secs = grace_secs(pod, asked);
        return Phase::Due { at: later(now, secs), grace_secs: Some(secs) };
    };
    let held = pod.header().deletion_grace_secs.unwrap_or_default();
    match asked {
        _ if held == 0 => Phase::Now,
        Some(secs) if secs < held => {
            Phase::Due { at: later(due, secs.saturating_sub(held)), grace_secs: Some(secs) }
        }
        _ => Phase::Pending,
    }
}

/// A namespace terminates first; it is removed when its own finalizers are gone.
fn phased(namespace: &Live, now: Timestamp) -> Phase {
    if !namespace.header().is_terminating() {
        Phase::Due { at: now, grace_secs: None }
    } else if removal::has_phases_left(namespace) {
        Phase::Pending
    } else {
        Phase::Now
    }
}
