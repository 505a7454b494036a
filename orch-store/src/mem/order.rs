//! Names in order, each with its slot.
//!
//! Blocks of a bounded size in place of a `BTreeMap`: names often come in order, and its nodes are half empty then, with twice
//! the memory. Invariants: names rise within and across blocks; no block is empty or has more than [`BLOCK`] names.

use std::ops::Bound;

use orch_core::Str;

use super::shelf::Slot;

/// Names in a block at most: few enough that moving half of them costs less than finding the place.
const BLOCK: usize = 256;

#[derive(Default)]
pub(super) struct Order {
    blocks: Vec<Vec<(Str, Slot)>>,
    len: usize,
}

/// Where a name stands or would stand: the block and the place in it.
type Place = (usize, usize);

impl Order {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a name that is not there.
    pub(super) fn insert(&mut self, name: &Str, slot: Slot) {
        self.len += 1;
        let (mut block, mut at) = self.place(|known| known < &**name);
        // Behind the last name of a block rather than before the first one of the next.
        if at == 0 && block > 0 {
            block -= 1;
            at = self.blocks[block].len();
        }
        let count = self.blocks.len();
        match self.blocks.get_mut(block) {
            None => self.blocks.push(Vec::new()),
            Some(names) if names.len() == BLOCK => {
                // A name behind all others begins a block: those before it stay full.
                let is_last = at == BLOCK && block + 1 == count;
                let kept = if is_last { BLOCK } else { BLOCK / 2 };
                let rest = names.split_off(kept);
                self.blocks.insert(block + 1, rest);
                if at >= kept {
                    (block, at) = (block + 1, at - kept);
                }
            }
            Some(_) => {}
        }
        self.blocks[block].insert(at, (name.clone(), slot));
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Slot> {
        let (block, at) = self.place(|known| known < name);
        let names = self.blocks.get_mut(block)?;
        if *names.get(at)?.0 != *name {
            return None;
        }
        let (_, slot) = names.remove(at);
        self.len -= 1;
        let left = names.len();
        if left < BLOCK / 4 {
            self.join(block);
        }
        Some(slot)
    }

    /// Puts a block that has few names to the one before it, if that has room.
    fn join(&mut self, block: usize) {
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        } else if block > 0 && self.blocks[block - 1].len() + self.blocks[block].len() <= BLOCK / 2 {
            let names = self.blocks.remove(block);
            self.blocks[block - 1].extend(names);
        }
    }

    /// Names and slots in order.
    pub(super) fn range(
        &self,
        (from, to): (Bound<&str>, Bound<&str>),
    ) -> impl Iterator<Item = (&Str, &Slot)> {
        let (block, at) = match from {
            Bound::Included(name) => self.place(|known| known < name),
            Bound::Excluded(name) => self.place(|known| known <= name),
            Bound::Unbounded => (0, 0),
        };
        let rest = self.blocks.get(block).map_or(&[][..], |names| &names[at..]);
        let further = self.blocks.iter().skip(block + 1).flatten();
        rest.iter().chain(further).map(|(name, slot)| (name, slot)).take_while(move |(name, _)| match to {
            Bound::Included(last) => name.as_ref() <= last,
            Bound::Excluded(end) => name.as_ref() < end,
            Bound::Unbounded => true,
        })
    }

    /// The place behind the names of which `is_before` holds. It is in the first block whose last name is not before it, or
    /// behind all blocks.
    fn place(&self, is_before: impl Fn(&str) -> bool) -> Place {
        let last = |names: &Vec<(Str, Slot)>| names.last().is_some_and(|(name, _)| is_before(name));
        let block = self.blocks.partition_point(last);
        let at = self.blocks.get(block).map_or(0, |names| names.partition_point(|(name, _)| is_before(name)));
        (block, at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The same names in a `BTreeMap`.
    #[derive(Default)]
    struct Model(Order, BTreeMap<Str, Slot>);

    impl Model {
        fn insert(&mut self, name: &str) {
            if !self.1.contains_key(name) {
                let (name, slot) = (Str::from(name), Slot::try_from(self.1.len()).unwrap());
                self.0.insert(&name, slot);
                self.1.insert(name, slot);
            }
        }

        fn remove(&mut self, name: &str) {
            assert_eq!(self.0.remove(name), self.1.remove(name), "{name}");
        }

        fn check(&self, from: Bound<&str>, to: Bound<&str>) {
            assert!(self.0.range((from, to)).eq(self.1.range::<str, _>((from, to))), "{from:?} {to:?}");
        }

        fn check_blocks(&self) {
            assert_eq!(self.0.len(), self.1.len());
            assert!(self.0.blocks.iter().all(|names| (1..=BLOCK).contains(&names.len())));
            self.check(Bound::Unbounded, Bound::Unbounded);
        }
    }

    #[test]
    fn names_that_come_in_order_fill_their_blocks() {
        let mut model = Model::default();
        (0..10 * BLOCK).for_each(|at| model.insert(&format!("{at:06}")));
        model.check_blocks();
        assert_eq!(model.0.blocks.len(), 10);
        let room: usize = model.0.blocks.iter().map(Vec::capacity).sum();
        assert!(room <= 11 * BLOCK, "{room}");
    }

    #[test]
    fn blocks_that_lose_most_names_are_joined() {
        let mut model = Model::default();
        (0..20 * BLOCK).for_each(|at| model.insert(&format!("{at:06}")));
        (0..20 * BLOCK).filter(|at| at % 16 != 0).for_each(|at| model.remove(&format!("{at:06}")));
        model.check_blocks();
        assert!(model.0.blocks.len() <= 10, "{} blocks for {} names", model.0.blocks.len(), model.0.len());
    }

    proptest! {
        #[test]
        fn is_a_sorted_map(
            steps in prop::collection::vec((0_u8..5, 0_u16..2000), 0..3000),
            ranges in prop::collection::vec((0_u16..2000, 0_u16..2000, 0_u8..4), 20),
        ) {
            let mut model = Model::default();
            for (step, number) in steps {
                let name = number.to_string();
                if step == 0 { model.remove(&name) } else { model.insert(&name) }
            }
            model.check_blocks();
            for (from, to, bounds) in ranges {
                let (from, to) = (from.min(to).to_string(), from.max(to).to_string());
                let (from, to) = if from < to { (from, to) } else { (to, from) };
                let from = if bounds & 1 == 0 { Bound::Included(&*from) } else { Bound::Excluded(&*from) };
                let to = if bounds & 2 == 0 { Bound::Included(&*to) } else { Bound::Unbounded };
                model.check(from, to);
            }
        }
    }
}
