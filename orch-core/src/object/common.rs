//! Values that many objects have in common, kept once.
//!
//! The pods of one workload have the same labels, owner and namespace: about a kilobyte each, were every one to keep its own.
//! So each thread remembers the values that it met last, in tables of bounded size, and gives them out again. Invariant: what
//! is given equals what was asked for, whether it was remembered or not.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::thread::LocalKey;

use super::OwnerReference;
use crate::Str;

/// Values that a thread remembers of one type.
const SLOTS: usize = 512;
/// Bytes of the largest value that is remembered: a dozen labels. All that a thread remembers is less than three mebibytes.
const LARGEST: usize = 2048;
/// Bytes of a text besides its characters.
const TEXT: usize = size_of::<Str>() + 32;

/// A value stands in the slot that its hash names, until another one takes the place.
type Recent<T> = RefCell<Vec<Option<Arc<T>>>>;

thread_local! {
    static TEXTS: Recent<str> = const { RefCell::new(Vec::new()) };
    static LABELS: Recent<[(Str, Str)]> = const { RefCell::new(Vec::new()) };
    static OWNERS: Recent<[OwnerReference]> = const { RefCell::new(Vec::new()) };
}

/// A text that other objects are likely to have, too.
pub(super) fn text(text: &str) -> Str {
    if text.is_empty() {
        return Str::default();
    }
    shared(&TEXTS, text, text.len(), |known| known == text, || text.into())
}

/// Labels, in the order given.
pub(super) fn labels(pairs: &[(&str, &str)]) -> Arc<[(Str, Str)]> {
    if pairs.is_empty() {
        return Arc::default();
    }
    let size = pairs.iter().map(|(name, value)| name.len() + value.len() + 2 * TEXT).sum();
    let is_it = |known: &[(Str, Str)]| {
        let known = known.iter().map(|(name, value)| (&**name, &**value));
        known.eq(pairs.iter().copied())
    };
    let make = || pairs.iter().map(|(name, value)| (text(name), text(value))).collect();
    shared(&LABELS, pairs, size, is_it, make)
}

/// References to owners, in the order given.
pub(super) fn owners(owners: &[OwnerReference]) -> Arc<[OwnerReference]> {
    if owners.is_empty() {
        return Arc::default();
    }
    let bytes = |owner: &OwnerReference| {
        let OwnerReference { api_version, kind, name, uid, .. } = owner;
        api_version.len() + kind.len() + name.len() + uid.len() + 4 * TEXT
    };
    let size = owners.iter().map(bytes).sum();
    shared(&OWNERS, owners, size, |known| known == owners, || owners.into())
}

/// The value with the hash of `key`, of `size` bytes, of which `is_it` tells that it is the right one.
fn shared<T: ?Sized, K: Hash + ?Sized>(
    recent: &'static LocalKey<Recent<T>>,
    key: &K,
    size: usize,
    is_it: impl Fn(&T) -> bool,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T> {
    if size > LARGEST {
        return make();
    }
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let at = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or_default();
    recent.with_borrow_mut(|slots| {
        if slots.is_empty() {
            slots.resize(SLOTS, None);
        }
        match &mut slots[at] {
            Some(known) if is_it(known) => Arc::clone(known),
            slot => Arc::clone(slot.insert(make())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let pairs = [("app", "web"), ("tier", "")];
        assert!(Arc::ptr_eq(&labels(&pairs), &labels(&pairs)));
        assert!(Arc::ptr_eq(&text("default"), &labels(&[("default", "1")])[0].0));
        let owner = OwnerReference { name: "web".into(), uid: "u".into(), ..OwnerReference::default() };
        let other = OwnerReference { controller: Some(true), ..owner.clone() };
        let (first, second) = (owners(std::slice::from_ref(&owner)), owners(&[owner, other]));
        assert!(Arc::ptr_eq(&second, &owners(&second)));
        assert!(Arc::ptr_eq(&first, &owners(&first)));
        assert_ne!(first, second);
    }

    #[test]
    fn what_is_no_longer_remembered_is_made_anew() {
        for round in 0..2 {
            for at in 0..4 * SLOTS {
                let word = format!("v{at}");
                assert_eq!(*text(&word), *word, "round {round}");
                let found = labels(&[("a", &word), (&word, "b")]);
                assert_eq!((&*found[0].1, &*found[1].0), (&*word, &*word));
            }
        }
    }

    #[test]
    fn large_values_are_not_remembered() {
        let large = "x".repeat(LARGEST + 1);
        assert!(!Arc::ptr_eq(&text(&large), &text(&large)));
        assert_eq!(labels(&[("a", &large)]), labels(&[("a", &large)]));
    }
}
