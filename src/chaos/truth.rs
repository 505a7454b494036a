//! What is true: the state of the store after the latest write, and how it came to be.
//!
//! Fed by the store itself, change by change, so it never lags. It judges nothing. Invariant: replaying the log from
//! nothing gives the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orch_core::{Change, Key, Kind, Live, Revision, Select, Str};

/// The state of the cluster as its store has it, and the log of every change since the beginning.
#[derive(Debug, Default)]
pub struct Truth {
    revision: Revision,
    objects: BTreeMap<Key, Live>,
    by_uid: BTreeMap<Str, Key>,
    by_owner: BTreeMap<Str, BTreeSet<Key>>,
    log: Vec<Arc<Change>>,
    by_kind: BTreeMap<Kind, Vec<usize>>,
}

impl Truth {
    /// The revision of the latest write.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The object of a key, if there is one.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Live> {
        self.objects.get(key)
    }

    /// The object of a uid, if it is still there.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<&Live> {
        self.by_uid.get(uid).and_then(|key| self.objects.get(key))
    }

    /// Every object of a kind, in order of its key.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Live> {
        let first = Key::cluster(kind, "");
        self.objects.range(first..).map(|(_, live)| live).take_while(move |live| live.key().kind == kind)
    }

    /// Every object of a kind in a namespace.
    pub fn in_namespace<'a>(&'a self, kind: Kind, namespace: &'a str) -> impl Iterator<Item = &'a Live> {
        let first = Key::new(kind, namespace, "");
        let here = move |live: &&Live| live.key().kind == kind && &*live.key().namespace == namespace;
        self.objects.range(first..).map(|(_, live)| live).take_while(here)
    }

    /// Every object that names that uid among its owners.
    pub fn dependents<'a>(&'a self, uid: &str) -> impl Iterator<Item = &'a Live> + use<'a> {
        self.by_owner.get(uid).into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    /// Every object of a kind that the object of that uid controls.
    pub fn controlled<'a>(&'a self, uid: &'a str, kind: Kind) -> impl Iterator<Item = &'a Live> {
        let ours = move |live: &&Live| live.header().controller().is_some_and(|owner| &*owner.uid == uid);
        self.dependents(uid).filter(move |live| live.key().kind == kind).filter(ours)
    }

    /// Every object.
    pub fn all(&self) -> impl Iterator<Item = &Live> {
        self.objects.values()
    }

    /// Every change so far, in order of revision.
    #[must_use]
    pub fn log(&self) -> &[Arc<Change>] {
        &self.log
    }

    /// The changes of what is selected, later than one revision and up to another.
    pub fn between<'a>(
        &'a self,
        what: &'a Select,
        after: Revision,
        until: Revision,
    ) -> Box<dyn Iterator<Item = Arc<Change>> + 'a> {
        let seen = move |change: &Arc<Change>| {
            (change.revision > after && change.revision <= until).then(|| change.seen_by(what)).flatten()
        };
        if let [kind] = what.kinds[..] {
            let of = self.by_kind.get(&kind).map(Vec::as_slice).unwrap_or_default();
            let from = of.partition_point(|at| self.log[*at].revision <= after);
            return Box::new(
                of[from..]
                    .iter()
                    .map(|at| &self.log[*at])
                    .map_while(move |change| (change.revision <= until).then_some(change))
                    .filter_map(seen),
            );
        }
        let from = self.log.partition_point(|change| change.revision <= after);
        Box::new(self.log[from..].iter().take_while(move |change| change.revision <= until).filter_map(seen))
    }

    /// What is selected, as of a revision of the past.
    #[must_use]
    pub fn at(&self, what: &Select, revision: Revision) -> BTreeMap<Key, Live> {
        let mut state = BTreeMap::new();
        for change in self.between(what, Revision::ZERO, revision) {
            match &change.now {
                Some(live) => _ = state.insert(change.key().clone(), live.clone()),
                None => _ = state.remove(change.key()),
            }
        }
        state
    }

    /// Takes in the next change.
    pub(super) fn apply(&mut self, change: &Arc<Change>) {
        self.revision = change.revision;
        if let Some(before) = &change.before {
            self.forget(before.key(), before.uid(), &before.header().owners);
        }
        match &change.now {
            Some(live) => {
                let key = live.key();
                self.by_uid.insert(live.uid().clone(), key.clone());
                for owner in live.header().owners.iter() {
                    self.by_owner.entry(owner.uid.clone()).or_default().insert(key.clone());
                }
                self.objects.insert(key.clone(), live.clone());
            }
            None => _ = self.objects.remove(change.key()),
        }
        self.by_kind.entry(change.key().kind).or_default().push(self.log.len());
        // The trees of what has passed would fill the memory.
        let now = change.now.as_ref().map(|live| Live::from(live.object().clone()));
        self.log.push(Arc::new(Change::new(change.revision, now, change.before.clone())));
    }

    fn forget(&mut self, key: &Key, uid: &Str, owners: &[orch_core::OwnerReference]) {
        self.by_uid.remove(uid);
        for owner in owners {
            if let Some(dependents) = self.by_owner.get_mut(&owner.uid) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.by_owner.remove(&owner.uid);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Object, Registry, kind};
    use serde_json::json;

    use super::*;

    fn pod(name: &str, owner: &str) -> Live {
        let tree = json!({"metadata": {"name": name, "namespace": "a", "uid": name,
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": true}]}});
        Live::from(Object::encode(&Registry::built_in().get(kind::PODS).unwrap(), &tree).unwrap())
    }

    fn change(truth: &mut Truth, revision: u64, now: Option<Live>, before: Option<Live>) {
        let now = now.map(|live| live.at(Revision(revision)));
        let before = before.map(Live::into_object);
        truth.apply(&Arc::new(Change::new(Revision(revision), now, before)));
    }

    #[test]
    fn the_past_can_be_asked_for() {
        let mut truth = Truth::default();
        change(&mut truth, 1, Some(pod("p", "o")), None);
        change(&mut truth, 2, Some(pod("q", "o")), None);
        change(&mut truth, 3, None, Some(pod("p", "o")));
        let select = Select::kind(kind::PODS);
        assert_eq!(truth.at(&select, Revision(2)).len(), 2);
        assert_eq!(truth.at(&select, Revision(3)).len(), 1);
        assert_eq!(truth.at(&Select::default(), Revision(3)).len(), 1);
        assert_eq!(truth.between(&select, Revision(1), Revision(3)).count(), 2);
        assert_eq!(truth.of(kind::PODS).count(), 1);
    }

    #[test]
    fn owners_and_uids_follow_the_objects() {
        let mut truth = Truth::default();
        change(&mut truth, 1, Some(pod("p", "o")), None);
        assert_eq!(truth.controlled("o", kind::PODS).count(), 1);
        change(&mut truth, 2, Some(pod("p", "other")), Some(pod("p", "o")));
        assert_eq!(truth.dependents("o").count(), 0);
        assert_eq!(truth.dependents("other").count(), 1);
        change(&mut truth, 3, None, Some(pod("p", "other")));
        assert!(truth.by_uid("p").is_none() && truth.dependents("other").next().is_none());
    }
}
