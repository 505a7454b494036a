//! The objects of a selection as they were at an earlier revision, over any [`Read`] whose history goes back that far.
//!
//! What changed since is undone: the present list, with the first state before of everything that changed. Invariant: the
//! answer is the state at exactly that revision, or an error.

use std::collections::BTreeMap;

use futures::StreamExt;
use orch_core::{Api, Error, Event, Key, Object, Result, Revision, Select};

/// # Errors
/// `Compacted` when the history is gone, `Ahead` when the revision has not come, and what reads say.
pub(super) async fn as_of(api: &dyn Api, select: &Select, revision: Revision) -> Result<Vec<Object>> {
    let page = api.list(select, None, 0).await?;
    if page.revision < revision {
        return Err(Error::Ahead { requested: revision, current: page.revision });
    }
    if page.revision == revision {
        return Ok(page.items);
    }
    let now = page.revision;
    let mut objects: BTreeMap<Key, Object> =
        page.items.into_iter().map(|object| (object.key().clone(), object)).collect();
    for (key, before) in before(api, select, revision, now).await? {
        match before {
            Some(before) => _ = objects.insert(key, before),
            None => _ = objects.remove(&key),
        }
    }
    Ok(objects.into_values().collect())
}

/// The state at `from` of everything that changed until `to`.
async fn before(
    api: &dyn Api,
    select: &Select,
    from: Revision,
    to: Revision,
) -> Result<BTreeMap<Key, Option<Object>>> {
    let mut changed = BTreeMap::new();
    let mut events = api.watch(select, Some(from)).await?;
    while let Some(event) = events.next().await {
        match event? {
            Event::Changed(change) if change.revision > to => break,
            Event::Changed(change) => {
                changed.entry(change.key().clone()).or_insert_with(|| change.before.clone());
            }
            Event::Progress(revision) if revision >= to => break,
            Event::Progress(_) => {}
        }
    }
    Ok(changed)
}
