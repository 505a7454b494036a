//! Classes of pods: pods that no plugin can tell apart, and what is known of the nodes for them.
//!
//! Invariants: equal signatures are one class; what is kept is bounded in classes and in cells.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::lens::Outline;
use super::table::Table;

/// Cells (classes times nodes) kept: a cell takes about 100 bytes, so about 400 MB at most. One class is always kept.
const CELLS: usize = 4 << 20;
/// Classes without a pending pod that are kept in case more of the kind come.
const IDLE: usize = 256;

/// A class of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassId(u64);

/// What is known for a class.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) outline: Outline,
    /// `None` where few nodes are looked at one by one.
    pub(crate) table: Option<Box<Table>>,
}

struct Class {
    signature: Arc<[u8]>,
    members: usize,
    used: u64,
    known: Option<Known>,
}

#[derive(Default)]
pub(crate) struct Classes {
    ids: HashMap<Arc<[u8]>, ClassId>,
    classes: BTreeMap<ClassId, Class>,
    next: u64,
    clock: u64,
    /// Classes without members, and classes with a table, by when they were used last.
    idle: BTreeMap<u64, ClassId>,
    tables: BTreeMap<u64, ClassId>,
}

/// A copy knows the classes, not what was found for them.
impl Clone for Classes {
    fn clone(&self) -> Self {
        let bare = |class: &Class| Class { signature: Arc::clone(&class.signature), known: None, ..*class };
        Self {
            ids: self.ids.clone(),
            classes: self.classes.iter().map(|(id, class)| (*id, bare(class))).collect(),
            next: self.next,
            clock: self.clock,
            idle: self.idle.clone(),
            tables: BTreeMap::new(),
        }
    }
}

impl Classes {
    /// The class of a signature, with one member more.
    pub(crate) fn join(&mut self, signature: Box<[u8]>) -> ClassId {
        if let Some(id) = self.ids.get(&*signature) {
            let class = self.classes.get_mut(id).expect("a class that has an id is there");
            if class.members == 0 {
                self.idle.remove(&class.used);
            }
            class.members += 1;
            return *id;
        }
        self.next += 1;
        self.clock += 1;
        let (id, signature) = (ClassId(self.next), Arc::<[u8]>::from(signature));
        self.ids.insert(Arc::clone(&signature), id);
        self.classes.insert(id, Class { signature, members: 1, used: self.clock, known: None });
        id
    }

    /// One member less.
    pub(crate) fn leave(&mut self, id: ClassId) {
        let Some(class) = self.classes.get_mut(&id) else { return };
        class.members -= 1;
        if class.members == 0 {
            self.idle.insert(class.used, id);
        }
        while self.idle.len() > IDLE
            && let Some((used, oldest)) = self.idle.pop_first()
        {
            self.tables.remove(&used);
            if let Some(class) = self.classes.remove(&oldest) {
                self.ids.remove(&class.signature);
            }
        }
    }

    /// Takes out what is known, to work with it; [`Classes::keep`] puts it back.
    pub(crate) fn take(&mut self, id: ClassId) -> Option<Known> {
        self.classes.get_mut(&id)?.known.take()
    }

    /// Keeps what is known, and forgets what was not used for longest when it is too much for that many nodes.
    pub(crate) fn keep(&mut self, id: ClassId, known: Known, nodes: usize) {
        let Some(class) = self.classes.get_mut(&id) else { return };
        let has_table = known.table.is_some();
        class.known = Some(known);
        let newest = self.tables.last_key_value().is_some_and(|(used, _)| *used == class.used);
        if !newest || !has_table {
            self.tables.remove(&class.used);
            if class.members == 0 {
                self.idle.remove(&class.used);
            }
            self.clock += 1;
            class.used = self.clock;
            if has_table {
                self.tables.insert(class.used, id);
            }
            if class.members == 0 {
                self.idle.insert(class.used, id);
            }
        }
        while self.tables.len() > 1
            && self.tables.len() * nodes > CELLS
            && let Some((_, oldest)) = self.tables.pop_first()
        {
            if let Some(class) = self.classes.get_mut(&oldest) {
                class.known = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_signatures_are_one_class_while_it_has_members() {
        let mut classes = Classes::default();
        let signature = |text: &str| text.as_bytes().into();
        let one = classes.join(signature("a"));
        assert_eq!(classes.join(signature("a")), one);
        assert_ne!(classes.join(signature("b")), one);
    }

    #[test]
    fn idle_classes_are_forgotten_beyond_the_bound() {
        let mut classes = Classes::default();
        for at in 0..IDLE * 2 {
            let id = classes.join(at.to_be_bytes().into());
            classes.leave(id);
        }
        assert_eq!(classes.classes.len(), IDLE);
        assert_eq!(classes.ids.len(), IDLE);
    }
}
