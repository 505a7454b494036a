//! Watches, checked: ordered, unique, reliable, atomic and bookmarkable, for every watcher there is.
//!
//! Compared with the log of the store event by event. It changes nothing of what it passes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::unfold;
use orch_core::{Change, Event, Key, Revision, Select, Str, Watch};

use super::hub::Hub;

/// A watch that is compared with what is true.
struct Watched {
    inner: Watch,
    hub: Hub,
    actor: Str,
    select: Select,
    place: Place,
    /// What this watch has told of, where it is over REST: it knows of nothing else what was before.
    told: Option<BTreeSet<Key>>,
}

/// How far the watcher is.
enum Place {
    /// The current state is being told: the objects so far.
    Initial(BTreeMap<Key, Revision>),
    /// Everything up to there has been told.
    After(Revision),
}

/// The same watch; a promise that it breaks is told to the hub.
pub(super) fn watched(inner: Watch, hub: Hub, actor: Str, select: Select, from: Option<Revision>) -> Watch {
    let place = from.map_or_else(|| Place::Initial(BTreeMap::new()), Place::After);
    let told = hub.access().is_rest().then(BTreeSet::new);
    let watched = Watched { inner, hub, actor, select, place, told };
    unfold(watched, |mut watched| async move {
        let event = watched.inner.next().await?;
        if let Ok(event) = &event {
            if let Err(fault) = watched.check(event) {
                let (actor, kinds) = (&watched.actor, &watched.select.kinds);
                watched.hub.fail("watch", format!("{actor} watching {kinds:?}: {fault}"));
            }
            watched.remember(event);
        }
        Some((event, watched))
    })
    .boxed()
}

impl Watched {
    fn check(&mut self, event: &Event) -> Result<(), String> {
        match (event, &mut self.place) {
            (Event::Changed(change), Place::Initial(objects)) => {
                let newest = objects.values().max().copied().unwrap_or_default();
                if change.before.is_some() || change.revision < newest {
                    return Err(format!(
                        "{} at {} is out of order in the initial state",
                        change.key(),
                        change.revision
                    ));
                }
                objects.insert(change.key().clone(), change.revision);
                Ok(())
            }
            (Event::Progress(revision), Place::Initial(objects)) => {
                let (revision, objects) = (*revision, std::mem::take(objects));
                self.place = Place::After(revision);
                let expected = self.hub.with_truth(|truth| truth.at(&self.select, revision));
                let expected: BTreeMap<Key, Revision> =
                    expected.iter().map(|(key, live)| (key.clone(), live.revision())).collect();
                if objects == expected {
                    return Ok(());
                }
                Err(format!("the initial state at {revision} is {objects:?}, the store has {expected:?}"))
            }
            (Event::Changed(change), Place::After(seen)) => {
                let after = std::mem::replace(seen, change.revision);
                self.next(after, change)
            }
            (Event::Progress(revision), Place::After(seen)) => {
                let after = *seen;
                if *revision < after {
                    return Err(format!("progress goes back from {after} to {revision}"));
                }
                *seen = *revision;
                self.hub.with_truth(|truth| match truth.between(&self.select, after, *revision).next() {
                    Some(missed) => Err(format!("{} at {} was left out", missed.key(), missed.revision)),
                    None => Ok(()),
                })
            }
        }
    }

    fn remember(&mut self, event: &Event) {
        let (Event::Changed(change), Some(told)) = (event, &mut self.told) else { return };
        match change.now {
            Some(_) => _ = told.insert(change.key().clone()),
            None => _ = told.remove(change.key()),
        }
    }

    /// The change must be the first of its selection after what was told.
    fn next(&self, after: Revision, change: &Change) -> Result<(), String> {
        let is_before_known = self.told.as_ref().is_none_or(|told| told.contains(change.key()));
        let same = if is_before_known { same } else { same_now };
        self.hub.with_truth(|truth| {
            let expected = truth.between(&self.select, after, change.revision).next();
            match expected {
                Some(expected) if same(&expected, change) => Ok(()),
                Some(expected) => Err(format!(
                    "told {} at {}, the next one after {after} is {} at {}",
                    change.key(),
                    change.revision,
                    expected.key(),
                    expected.revision
                )),
                None => Err(format!(
                    "told {} at {}, which is not what happened after {after}",
                    change.key(),
                    change.revision
                )),
            }
        })
    }
}

/// Whether both tell of one step from one state to another.
fn same(one: &Arc<Change>, other: &Change) -> bool {
    let revision = |change: &Change| change.before.as_ref().map(orch_core::Object::revision);
    same_now(one, other) && revision(one) == revision(other)
}

/// Whether both tell of one step to one state.
fn same_now(one: &Arc<Change>, other: &Change) -> bool {
    one.revision == other.revision && one.key() == other.key() && one.now.is_some() == other.now.is_some()
}
