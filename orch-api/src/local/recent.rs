//! The trees of what was written last, so that the next write of the same object decodes nothing: heartbeats and the status
//! of a pod that starts are written again and again.
//!
//! Not a cache of objects: what is stored is read from the store each time, and a tree is used only for the very state that
//! it was kept with. Invariant: at most [`SLOTS`] trees are kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orch_core::{Key, Live, kind};

/// Trees kept. Enough for the Leases and pods of the clusters that tests and simulations have; 256 pods are about 5 MB. In a
/// larger cluster writes of one object are far apart, and most of them decode.
const SLOTS: usize = 256;

/// By the hash of the key; who comes later takes the slot.
pub(super) struct Recent(Mutex<Vec<Option<Live>>>);

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(vec![None; SLOTS]))
    }
}

impl Recent {
    /// Keeps the trees of a state that was written, if it has any. Events are hardly ever written again.
    pub(super) fn keep(&self, live: &Live) {
        if live.is_fresh() && live.key().kind != kind::EVENTS {
            let replaced = self.slots()[slot(live.key())].replace(live.clone());
            drop(replaced);
        }
    }

    /// A stored state, with its trees if they are kept.
    pub(super) fn enrich(&self, stored: Live) -> Live {
        match &self.slots()[slot(stored.key())] {
            Some(kept) if kept.is_same(&stored) && kept.same_content(&stored) => kept.clone(),
            _ => stored,
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot(key: &Key) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use orch_core::{Object, Registry, Revision};
    use serde_json::json;

    use super::*;

    fn map(value: &str, revision: u64) -> Live {
        let tree = json!({"metadata": {"name": "a", "namespace": "b"}, "data": {"k": value}});
        let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
        let object = Object::encode(&info, &tree).unwrap().at(Revision(revision));
        Live::fresh(object, tree.into())
    }

    #[test]
    fn a_tree_is_used_for_the_state_that_it_was_kept_with_only() {
        let recent = Recent::default();
        let bare = |value, revision| Live::from(map(value, revision).into_object());
        recent.keep(&map("1", 7));
        assert!(recent.enrich(bare("1", 7)).is_fresh());
        assert!(!recent.enrich(bare("1", 8)).is_fresh(), "another revision");
        assert!(!recent.enrich(bare("2", 7)).is_fresh(), "another content: a store that was put back");
        recent.keep(&bare("2", 8));
        assert!(recent.enrich(bare("1", 7)).is_fresh(), "a state without trees takes no slot");
        recent.keep(&map("2", 8));
        assert_eq!(recent.enrich(bare("2", 8)).tree()["data"]["k"], "2");
        assert!(!recent.enrich(bare("1", 7)).is_fresh());
    }
}
