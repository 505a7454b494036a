//! The objects of one kind in one namespace, found by name in a step and listed in order.
//!
//! A search through ordered names alone would touch some twenty strings all over the memory: half the cost of an update in a
//! large store. So names are hashed to a slot, and only creating and deleting touch the order. Invariant: `slots`, `places`
//! and `order` name the same objects.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use orch_core::{Object, Str};

#[derive(Default)]
pub(super) struct Shelf {
    slots: Vec<Option<Object>>,
    free: Vec<usize>,
    places: HashMap<Str, usize>,
    order: BTreeMap<Str, usize>,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Object> {
        self.slots[*self.places.get(name)?].as_ref()
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.slots[*self.places.get(name)?].as_mut()
    }

    /// Adds an object of a name that is not there.
    pub(super) fn insert(&mut self, object: &Object) {
        let name = &object.key().name;
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[at] = Some(object.clone());
        self.places.insert(name.clone(), at);
        self.order.insert(name.clone(), at);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Object> {
        let at = self.places.remove(name)?;
        self.order.remove(name);
        self.free.push(at);
        self.slots[at].take()
    }

    /// Objects with their names, in order.
    pub(super) fn range(&self, range: (Bound<&str>, Bound<&str>)) -> impl Iterator<Item = (&Str, &Object)> {
        let objects = self.order.range::<str, _>(range);
        objects.filter_map(|(name, at)| Some((name, self.slots[*at].as_ref()?)))
    }
}
