//! Which pods refer to which objects, and what was read of those.
//!
//! Invariant: what nobody refers to is not remembered.

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
}

impl References {
    /// The objects that any pod refers to.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Key> {
        self.users.keys()
    }

    /// What was read of an object; answers whom that concerns.
    pub(super) fn put(&mut self, key: &Key, object: Option<Object>) -> Vec<Str> {
        let is_news = self.users.contains_key(key) && self.sources.put(key.clone(), object);
        if is_news { self.users_of(key) } else { Vec::new() }
    }

    /// All there is of an object was read; answers whom that concerns.
    pub(super) fn settle(&mut self, key: &Key) -> Vec<Str> {
        let is_news = self.users.contains_key(key) && self.sources.settle(key);
        if is_news { self.users_of(key) } else { Vec::new() }
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
        let mut is_free = false;
        for key in before.difference(&keys) {
            if let Some(users) = self.users.get_mut(key) {
                users.remove(uid);
                if users.is_empty() {
                    self.users.remove(key);
                    is_free = true;
                }
            }
        }
        if !keys.is_empty() {
            self.wanted.insert(uid.clone(), keys);
        }
        if is_free {
            let users = &self.users;
            self.sources.retain(|key| users.contains_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::kind;
    use serde_json::json;

    use super::super::testing::{object, pod};
    use super::*;

    #[test]
    fn what_nobody_refers_to_is_forgotten() {
        let volume = json!({"name": "v", "persistentVolumeClaim": {"claimName": "data"}});
        let user = pod(json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"},
            "spec": {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}], "volumes": [volume]}}));
        let mut references = References::default();
        references.refer(user.uid(), &user);
        let names =
            |references: &References| references.wanted().map(|key| key.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&references), ["persistentvolumeclaims/d/data", "secrets/d/s"]);
        let claim = object(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "d"}, "spec": {"volumeName": "pv"}, "status": {"phase": "Bound"}}));
        let key = claim.key().clone();
        assert_eq!(references.put(&key, Some(claim.clone())), ["u".into()]);
        assert!(references.put(&key, Some(claim)).is_empty(), "no news");
        references.refer(user.uid(), &user);
        assert_eq!(names(&references)[1], "persistentvolumes/pv", "a bound claim leads to its volume");
        references.release(user.uid());
        assert!(names(&references).is_empty());
        assert!(references.sources.get(&key).is_err());
        assert!(references.put(&Key::new(kind::SECRETS, "d", "s"), None).is_empty());
    }
}
