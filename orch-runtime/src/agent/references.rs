//! Which pods refer to which objects, and what was read of those.
//!
//! Invariant: what was read of an object is remembered for exactly as long as it has a feed, which does not tell it again.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::{Key, Object, Str};

use super::pod::Pod;
use super::sources::{Sources, wanted};

/// References of all pods.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) sources: Sources,
    users: BTreeMap<Key, BTreeSet<Str>>,
    wanted: BTreeMap<Str, BTreeSet<Key>>,
    /// Nobody refers any more to something that was read.
    has_unwanted: bool,
}

impl References {
    /// The objects that any pod refers to: exactly these are to have a feed from now on, so the others are forgotten.
    pub(super) fn wanted(&mut self) -> impl Iterator<Item = &Key> {
        if std::mem::take(&mut self.has_unwanted) {
            let users = &self.users;
            self.sources.retain(|key| users.contains_key(key));
        }
        self.users.keys()
    }

    /// What was read of an object; answers whom that concerns.
    pub(super) fn put(&mut self, key: &Key, object: Option<Object>) -> Vec<Str> {
        if self.sources.put(key.clone(), object) { self.users_of(key) } else { Vec::new() }
    }

    /// All there is of an object was read; answers whom that concerns.
    pub(super) fn settle(&mut self, key: &Key) -> Vec<Str> {
        if self.sources.settle(key) { self.users_of(key) } else { Vec::new() }
    }

    fn users_of(&self, key: &Key) -> Vec<Str> {
        self.users.get(key).into_iter().flatten().cloned().collect()
    }

    /// Takes the references of a pod anew: of claims also the volumes that they are bound to by now.
    pub(super) fn refer(&mut self, uid: &Str, pod: &Pod) {
        let keys = wanted(pod, &self.sources);
        self.set(uid, keys);
    }

    /// A pod refers to nothing any more.
    pub(super) fn release(&mut self, uid: &Str) {
        self.set(uid, BTreeSet::new());
    }

    fn set(&mut self, uid: &Str, keys: BTreeSet<Key>) {
        let before = self.wanted.remove(uid).unwrap_or_default();
        for key in keys.difference(&before) {
            self.users.entry(key.clone()).or_default().insert(uid.clone());
        }
        for key in before.difference(&keys) {
            if let Some(users) = self.users.get_mut(key) {
                users.remove(uid);
                if users.is_empty() {
                    self.users.remove(key);
                    self.has_unwanted = true;
                }
            }
        }
        if !keys.is_empty() {
            self.wanted.insert(uid.clone(), keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Revision, kind};
    use serde_json::json;

    use super::super::testing::{object, pod};
    use super::*;

    fn claim(volume: &str) -> Object {
        object(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "d"}, "spec": {"volumeName": volume}, "status": {"phase": "Bound"}}))
    }

    #[test]
    fn what_nobody_refers_to_is_forgotten() {
        let volume = json!({"name": "v", "persistentVolumeClaim": {"claimName": "data"}});
        let user = pod(json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"},
            "spec": {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}], "volumes": [volume]}}));
        let mut references = References::default();
        references.refer(user.uid(), &user);
        let names =
            |references: &mut References| references.wanted().map(|key| key.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&mut references), ["persistentvolumeclaims/d/data", "secrets/d/s"]);
        let claim = claim("pv");
        let key = claim.key().clone();
        assert_eq!(references.put(&key, Some(claim.clone())), ["u".into()]);
        assert!(references.put(&key, Some(claim)).is_empty(), "no news");
        references.refer(user.uid(), &user);
        assert_eq!(names(&mut references)[1], "persistentvolumes/pv", "a bound claim leads to its volume");
        references.release(user.uid());
        assert!(names(&mut references).is_empty());
        assert!(references.sources.get(&key).is_err());
        assert!(references.put(&Key::new(kind::SECRETS, "d", "s"), None).is_empty());
    }
    /// Found by chaos (seeds 156 and 280): the pod of a StatefulSet was replaced on its node between two looks at which
    /// objects want a feed; the claim was forgotten, its feed went on and had nothing to tell, and the new pod waited for
    /// ever.
    #[test]
    fn what_was_read_is_remembered_while_its_feed_goes_on() {
        let user = |uid: &str| {
            pod(
                json!({"metadata": {"name": "p", "namespace": "d", "uid": uid}, "spec": {"containers": [{"name": "c"}],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}),
            )
        };
        let (first, second) = (user("u1"), user("u2"));
        let newer = claim("pv").at(Revision(2));
        let (mut references, key) = (References::default(), claim("").key().clone());
        references.refer(first.uid(), &first);
        assert_eq!(references.wanted().count(), 1);
        references.put(&key, Some(claim("")));
        references.release(first.uid());
        assert!(references.put(&key, Some(newer.clone())).is_empty(), "nobody refers to it");
        references.refer(second.uid(), &second);
        assert!(references.sources.get(&key).unwrap().is_same(&newer), "the last that its feed told");
        assert_eq!(references.wanted().count(), 2, "the claim and its volume");
        references.release(second.uid());
        assert_eq!(references.wanted().count(), 0);
        references.refer(second.uid(), &second);
        assert!(references.sources.get(&key).is_err(), "its feed begins anew");
    }
}
