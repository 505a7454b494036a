//! The objects of one kind in one namespace, found by name in a step and listed in order.
//!
//! A search through ordered names alone would touch some twenty strings all over the memory: half the cost of an update in a
//! large store. So names are hashed to a slot, and only creating and deleting touch the order. Invariant: `slots`, `places`
//! and `order` name the same objects.

use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;

use hashbrown::HashTable;
use orch_core::{Object, Str};

use super::order::Order;

#[derive(Default)]
pub(super) struct Shelf {
    slots: Vec<Option<Object>>,
    free: Vec<Slot>,
    /// Names stand in the objects: a place has a part of the hash only, so that growing touches no object.
    places: HashTable<(Half, Slot)>,
    hasher: RandomState,
    order: Order,
}

/// An index of `slots`, in half the bytes.
pub(super) type Slot = u32;

/// The upper half of the hash of a name.
type Half = u32;

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Object> {
        self.slots[self.find(name)? as usize].as_ref()
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Object> {
        let at = self.find(name)?;
        self.slots[at as usize].as_mut()
    }

    /// Adds an object of a name that is not there.
    pub(super) fn insert(&mut self, object: &Object) {
        let name = &object.key().name;
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot::try_from(self.slots.len() - 1).expect("memory ends long before")
        });
        self.slots[at as usize] = Some(object.clone());
        let half = self.half(name);
        self.places.insert_unique(spread(half), (half, at), |(half, _)| spread(*half));
        self.order.insert(name, at);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Object> {
        let at = self.order.remove(name)?;
        let half = self.half(name);
        if let Ok(place) = self.places.find_entry(spread(half), |place| *place == (half, at)) {
            place.remove();
        }
        self.free.push(at);
        self.slots[at as usize].take()
    }

    /// Objects with their names, in order.
    pub(super) fn range(&self, range: (Bound<&str>, Bound<&str>)) -> impl Iterator<Item = (&Str, &Object)> {
        let objects = self.order.range(range);
        objects.filter_map(|(name, at)| Some((name, self.slots[*at as usize].as_ref()?)))
    }

    fn find(&self, name: &str) -> Option<Slot> {
        let half = self.half(name);
        let is_it = |(known, at): &(Half, Slot)| {
            *known == half
                && self.slots[*at as usize].as_ref().is_some_and(|object| *object.key().name == *name)
        };
        self.places.find(spread(half), is_it).map(|(_, at)| *at)
    }

    fn half(&self, name: &str) -> Half {
        Half::try_from(self.hasher.hash_one(name) >> Half::BITS).expect("half of the bits")
    }
}

/// The table looks at both ends of a hash.
fn spread(half: Half) -> u64 {
    u64::from(half) << Half::BITS | u64::from(half)
}
