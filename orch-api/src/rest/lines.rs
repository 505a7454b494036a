//! What a change says to a watch, encoded once for all watches that show objects as they are stored.
//!
//! Not what is converted, cut down or made a table. Invariants: a line is that of this very change; the last [`SLOTS`] lines are
//! kept at most, and none over [`LARGEST`] bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use orch_core::Change;

const SLOTS: usize = 128;
const LARGEST: usize = 16 << 10;

type Slot = Option<(Weak<Change>, Bytes)>;

/// The lines of the last changes, by revision.
pub(super) struct Lines(Vec<Mutex<Slot>>);

impl Default for Lines {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| Mutex::default()).collect())
    }
}

impl Lines {
    /// The line of a change, which `encode` makes when it is not there.
    pub(super) fn of(&self, change: &Arc<Change>, encode: impl FnOnce() -> Bytes) -> Bytes {
        let known = self.slot(change).as_ref().filter(|(of, _)| of.as_ptr() == Arc::as_ptr(change)).cloned();
        if let Some((_, line)) = known {
            return line;
        }
        let line = encode();
        if line.len() <= LARGEST {
            *self.slot(change) = Some((Arc::downgrade(change), line.clone()));
        }
        line
    }

    fn slot(&self, change: &Change) -> MutexGuard<'_, Slot> {
        let at = usize::try_from(change.revision.0 % SLOTS as u64).unwrap_or_default();
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Change, Live, Object, Registry, Revision, kind};
    use serde_json::json;

    use super::*;

    fn change(revision: u64) -> Arc<Change> {
        let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
        let tree = json!({"metadata": {"name": "a", "namespace": "b"}});
        let object = Object::encode(&info, &tree).unwrap().at(Revision(revision));
        Arc::new(Change::new(Revision(revision), Some(Live::from(object)), None))
    }

    #[test]
    fn a_line_is_made_once_and_is_that_of_its_change() {
        let (lines, first, other) = (Lines::default(), change(7), change(7 + SLOTS as u64));
        assert_eq!(lines.of(&first, || "first".into()), "first");
        assert_eq!(lines.of(&first, || panic!("it is there")), "first");
        assert_eq!(lines.of(&other, || "other".into()), "other", "of the same slot");
        assert_eq!(lines.of(&first, || "again".into()), "again");
        // Another change of that revision, as a watch of fewer objects sees it.
        assert_eq!(lines.of(&change(7), || "cut".into()), "cut");
    }

    #[test]
    fn a_large_line_is_not_kept() {
        let (lines, change) = (Lines::default(), change(1));
        lines.of(&change, || vec![b'x'; LARGEST + 1].into());
        assert_eq!(lines.of(&change, || "again".into()), "again");
    }
}
