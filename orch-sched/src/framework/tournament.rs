//! The best of many under single updates: a tree of winners.
//!
//! Invariant: the root is the leaf with the greatest key, and among equals the one with the least number.

/// Total score and what breaks ties.
pub(crate) type Key = (i64, u64);

/// The key of who does not take part.
pub(crate) const OUT: Key = (i64::MIN, 0);

#[derive(Clone, Debug, Default)]
pub(crate) struct Tournament {
    /// A power of two, or zero.
    size: usize,
    keys: Vec<Key>,
    /// Winners by place in the tree: the root is 1, the children of `p` are `2p` and `2p + 1`, the leaves are keys.
    winners: Vec<u32>,
}

impl Tournament {
    /// Holds it anew for these keys.
    pub(crate) fn rebuild(&mut self, keys: impl Iterator<Item = Key>) {
        self.keys.clear();
        self.keys.extend(keys);
        self.size = self.keys.len().next_power_of_two();
        self.keys.resize(self.size, OUT);
        self.winners.clear();
        self.winners.resize(self.size, 0);
        for place in (1..self.size).rev() {
            self.play(place);
        }
    }

    /// Changes one key.
    pub(crate) fn set(&mut self, leaf: u32, key: Key) {
        if self.keys[leaf as usize] == key {
            return;
        }
        self.keys[leaf as usize] = key;
        let mut place = (self.size + leaf as usize) / 2;
        while place > 0 {
            self.play(place);
            place /= 2;
        }
    }

    /// The greatest, unless nobody takes part.
    pub(crate) fn best(&self) -> Option<u32> {
        let winner = match self.size {
            0 => return None,
            1 => 0,
            _ => self.winners[1],
        };
        (self.keys[winner as usize].0 != OUT.0).then_some(winner)
    }

    fn play(&mut self, place: usize) {
        let (left, right) = (self.winner(place * 2), self.winner(place * 2 + 1));
        let right_wins = self.keys[right as usize] > self.keys[left as usize];
        self.winners[place] = if right_wins { right } else { left };
    }

    fn winner(&self, place: usize) -> u32 {
        match place.checked_sub(self.size) {
            Some(leaf) => u32::try_from(leaf).expect("there are fewer nodes than 2^32"),
            None => self.winners[place],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_is_the_best(keys in prop::collection::vec((0..5_i64, 0..3_u64), 1..40),
                                changes in prop::collection::vec((0..40_usize, 0..6_i64, 0..3_u64), 0..40)) {
            let mut keys = keys;
            let mut tournament = Tournament::default();
            tournament.rebuild(keys.iter().copied());
            for (at, total, tie) in changes {
                let at = at % keys.len();
                keys[at] = if total == 5 { OUT } else { (total, tie) };
                tournament.set(u32::try_from(at).unwrap(), keys[at]);
                let taking_part = keys.iter().enumerate().filter(|(_, key)| **key != OUT);
                let best = taking_part.max_by_key(|(at, key)| (**key, std::cmp::Reverse(*at))).map(|(at, _)| at);
                prop_assert_eq!(tournament.best().map(|best| best as usize), best);
            }
        }
    }
}
