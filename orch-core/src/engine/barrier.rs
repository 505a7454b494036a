//! Read your own writes (KEP-5647): how far the view must be before a key may have its next turn.

use std::collections::BTreeMap;

use crate::{Kind, Revision};

/// For one key of one controller: the last own write of each kind.
#[derive(Debug, Default)]
pub(super) struct Barrier(BTreeMap<Kind, Revision>);

impl Barrier {
    pub(super) fn raise(&mut self, kind: Kind, revision: Revision) {
        let before = self.0.entry(kind).or_default();
        *before = (*before).max(revision);
    }

    /// A kind that the view is not far enough with.
    pub(super) fn missing(&self, seen: impl Fn(Kind) -> Revision) -> Option<(Kind, Revision)> {
        self.0
            .iter()
            .find(|(kind, revision)| seen(**kind) < **revision)
            .map(|(kind, revision)| (*kind, *revision))
    }
}
