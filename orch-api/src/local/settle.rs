//! Writes whose answer was lost: what can still be found out by reading.
//!
//! Invariant: an answer is given only when it is certain; otherwise the outcome stays unknown.

use orch_core::{Error, Live, Result, Revision, Verb, Write};

use super::LocalApi;

/// Reads back what the write was to make. A new object is known by its uid, a changed one by its whole content.
pub(super) async fn by_reading(api: &LocalApi, write: &Write, answer: &Live) -> Result<Live> {
    let unknown = Err(Error::OutcomeUnknown { key: answer.key().clone() });
    if matches!(write.verb, Verb::Delete(_)) {
        return unknown;
    }
    match api.shared.store.get(answer.key(), Revision::ZERO).await {
        Ok(now) if now.uid() == answer.uid() && now.same_content(answer) => Ok(now),
        _ => unknown,
    }
}
