//! Which nodes changed, in order: whoever kept a position catches up by looking at those nodes alone.
//!
//! Invariant: between a position and now, every node that changed is named, or the position is too old and
//! [`ChangeLog::since`] says so.

use std::collections::VecDeque;

use super::NodeId;

/// Entries kept at least; beyond twice the number of nodes, looking at all nodes is as cheap.
const KEPT: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    base: u64,
    nodes: VecDeque<NodeId>,
}

/// A copy remembers its position, not how it got there: nobody has a position in a copy yet.
impl Clone for ChangeLog {
    fn clone(&self) -> Self {
        Self { base: self.position(), nodes: VecDeque::new() }
    }
}

impl ChangeLog {
    pub(crate) fn push(&mut self, node: NodeId, nodes: usize) {
        self.nodes.push_back(node);
        if self.nodes.len() > KEPT.max(nodes * 2) {
            self.nodes.pop_front();
            self.base += 1;
        }
    }

    /// The position after everything that was logged; grows with every change.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.nodes.len() as u64
    }

    /// The nodes that changed after a position, with repetitions; `None` when that is not known any more.
    pub(crate) fn since(&self, position: u64) -> Option<impl ExactSizeIterator<Item = NodeId>> {
        let skip = usize::try_from(position.checked_sub(self.base)?).ok()?;
        Some(self.nodes.range(skip.min(self.nodes.len())..).copied())
    }
}
