//! A column: one value a node (or pod), in chunks that copies share until one of them writes.
//!
//! Not a general vector: it only grows. Invariant: a copy costs one pointer a chunk and is independent from then on.

use std::sync::Arc;

/// Values a chunk: a write after a fork copies one chunk, so small; a fork copies one pointer a chunk, so large.
const CHUNK: usize = 1024;

/// Values by dense index.
#[derive(Clone, Debug)]
pub struct Column<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Clone + Default> Column<T> {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at an index.
    ///
    /// # Panics
    /// When the index is not below [`Column::len`].
    #[must_use]
    pub fn get(&self, at: u32) -> &T {
        let at = at as usize;
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    /// Every value in order of index.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> &mut T {
        let at = at as usize;
        &mut Arc::make_mut(&mut self.chunks[at / CHUNK])[at % CHUNK]
    }

    /// Grows to at least that length with default values.
    pub(crate) fn grow(&mut self, len: usize) {
        while self.len < len {
            if self.len.is_multiple_of(CHUNK) {
                self.chunks.push(Arc::new(Vec::with_capacity(CHUNK)));
            }
            let chunk = self.chunks.last_mut().expect("a chunk with room was pushed just above");
            let room = (len - self.len).min(CHUNK - chunk.len());
            let chunk = Arc::make_mut(chunk);
            chunk.resize(chunk.len() + room, T::default());
            self.len += room;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_independent() {
        let mut column = Column::<u8>::default();
        column.grow(3000);
        *column.get_mut(2500) = 7;
        let mut copy = column.clone();
        *copy.get_mut(2500) = 9;
        copy.grow(3001);
        assert_eq!((*column.get(2500), *copy.get(2500)), (7, 9));
        assert_eq!((column.len(), copy.len()), (3000, 3001));
        assert_eq!(column.iter().map(|value| usize::from(*value)).sum::<usize>(), 7);
    }
}
