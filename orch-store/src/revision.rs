//! Asking any store for its revision.

use orch_core::{Read, Result, Revision, Select};

/// The current revision of a store: that of a list of nothing.
pub(crate) async fn current<S: Read + ?Sized>(store: &S) -> Result<Revision> {
    let nothing = Select::default().namespace("").field("metadata.name", "");
    Ok(store.list(&nothing, None, 1).await?.revision)
}
