//! Texts of managed fields that were written last: objects that one client makes in one second have the same, and share it.
//!
//! Not a cache of who manages what. Invariant: at most [`SLOTS`] texts are kept, none of them large.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Texts kept: more clients than this do not create objects of more forms at once.
const SLOTS: usize = 64;

/// Bytes of a text that is worth keeping: most have one or two.
const MAX_BYTES: usize = 8 << 10;

/// By the hash of the text; who comes later takes the slot.
pub(super) struct Texts(Mutex<Vec<Bytes>>);

impl Default for Texts {
    fn default() -> Self {
        Self(Mutex::new(vec![Bytes::new(); SLOTS]))
    }
}

impl Texts {
    /// The text, from the one that is kept if it is the same.
    pub(super) fn share(&self, text: String) -> Bytes {
        if text.len() > MAX_BYTES {
            return text.into();
        }
        let slot = slot(text.as_bytes());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept[slot] != text.as_bytes() {
            // Exactly as large as the text.
            kept[slot] = text.into_boxed_str().into_boxed_bytes().into();
        }
        kept[slot].clone()
    }
}

/// By its length and ends: they tell the managers, times and forms of objects that follow each other apart.
fn slot(text: &[u8]) -> usize {
    const END: usize = 128;
    let (head, tail) = (&text[..text.len().min(END)], &text[text.len().saturating_sub(END)..]);
    let mut hasher = DefaultHasher::new();
    (text.len(), head, tail).hash(&mut hasher);
    usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_others_are_themselves() {
        let texts = Texts::default();
        let share = |text: &str| texts.share(text.to_owned());
        let one = share("[1]");
        assert_eq!(share("[1]").as_ptr(), one.as_ptr());
        for n in 0..1000 {
            assert_eq!(share(&format!("[{n}]")), format!("[{n}]"));
        }
        let large = "x".repeat(MAX_BYTES + 1);
        assert_ne!(share(&large).as_ptr(), share(&large).as_ptr());
    }
}
