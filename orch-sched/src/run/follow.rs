//! What the loop follows of the cluster: how far it is, and the pods that are not bound yet.
//!
//! Invariant: the object kept of a pod is the latest that the scheduler has seen too.

use std::collections::BTreeMap;

use orch_core::scheduler::{Decision, Scheduler};
use orch_core::{Change, Event, Key, Kind, Object, Revision, kind};

use super::execute::Order;

/// How far each feed is; `None` before its initial state is complete.
pub(super) struct Follow {
    seen: BTreeMap<Option<Kind>, Option<Revision>>,
    unbound: BTreeMap<Key, Object>,
}

impl Follow {
    pub(super) fn new(scopes: &[Option<Kind>]) -> Self {
        Self { seen: scopes.iter().map(|scope| (*scope, None)).collect(), unbound: BTreeMap::new() }
    }

    /// Everything up to there was taken in; `None` before the whole initial state was.
    pub(super) fn seen(&self) -> Option<Revision> {
        self.seen.values().copied().min().flatten()
    }

    pub(super) fn take_in(&mut self, scheduler: &mut dyn Scheduler, (scope, event): &(Option<Kind>, Event)) {
        let seen = self.seen.entry(*scope).or_default();
        match event {
            Event::Changed(change) => {
                // Objects of the initial state come in any order: their revisions say nothing yet.
                *seen = seen.map(|seen| seen.max(change.revision));
                scheduler.apply(change);
                self.track(change);
            }
            Event::Progress(revision) => *seen = (*seen).max(Some(*revision)),
        }
    }

    fn track(&mut self, change: &Change) {
        let key = change.key();
        if key.kind != kind::PODS {
            return;
        }
        match &change.now {
            Some(live) if live.field("spec.nodeName").is_none_or(str::is_empty) => {
                self.unbound.insert(key.clone(), live.object().clone());
            }
            _ => {
                self.unbound.remove(key);
            }
        }
    }

    /// A decision together with the object that it is about.
    pub(super) fn order(&self, decision: Decision) -> Order {
        let object = self.unbound.get(&decision.pod).filter(|object| *object.uid() == decision.uid).cloned();
        Order { decision, object }
    }
}
