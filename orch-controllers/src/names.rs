//! Names that follow from what was observed: the same plan twice names the same children.
//!
//! Not random, unlike `metadata.generateName`: a create of a child that is there already fails as `AlreadyExists` and
//! makes no second one.

use orch_core::{Revision, Str};

/// The alphabet of generated names (`apimachinery/pkg/util/rand/rand.go`): no vowels, nothing that looks like another.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest part of a parent's name in the name of a child (`apiserver/pkg/storage/names/generate.go`): 63 less the suffix.
const BASE_MAX: usize = 58;
const SUFFIX: usize = 5;

/// A 64-bit hash that is the same on every machine and in every version (FNV-1a, then mixed).
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // The length keeps neighbouring parts apart.
        for byte in (part.len() as u64).to_le_bytes().iter().chain(*part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A hash as Kubernetes writes it in names and labels: the decimal digits of 32 bits in the alphabet of names.
pub(crate) fn encode_hash(hash: u64) -> String {
    let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
    folded
        .to_string()
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}

/// The name of a child: the parent's, and five characters that follow from the parent's uid, the revision it was
/// observed at, and an index.
pub(crate) fn child(parent: &str, uid: &Str, observed: Revision, index: usize) -> String {
    let mut name = truncated(&format!("{parent}-"), BASE_MAX).to_owned();
    let mut rest = hash(&[uid.as_bytes(), &observed.0.to_le_bytes(), &(index as u64).to_le_bytes()]);
    for _ in 0..SUFFIX {
        let digit = usize::try_from(rest % ALPHABET.len() as u64).expect("a remainder below 27 fits");
        name.push(char::from(ALPHABET[digit]));
        rest /= ALPHABET.len() as u64;
    }
    name
}

/// The name of a child that is told apart by a hash (`pkg/controller/deployment/sync.go`, `generateReplicaSetName`).
pub(crate) fn hashed(parent: &str, hash: &str) -> String {
    let room = orch_core::names::SUBDOMAIN_MAX - 1 - hash.len();
    format!("{}-{hash}", truncated(parent, room))
}

/// At most so many bytes. Names are ASCII, so every byte is a boundary.
fn truncated(text: &str, bytes: usize) -> &str {
    text.get(..bytes).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn children_of_one_observation_have_names_of_their_own() {
        let uid = Str::from("6f1b");
        let names: BTreeSet<_> = (0..500).map(|index| child("web", &uid, Revision(7), index)).collect();
        assert!(names.len() >= 499, "{} of 500", names.len());
        assert_eq!(child("web", &uid, Revision(7), 3), child("web", &uid, Revision(7), 3));
        assert_ne!(child("web", &uid, Revision(7), 3), child("web", &uid, Revision(8), 3));
        assert_ne!(child("web", &uid, Revision(7), 3), child("web", &"6f1c".into(), Revision(7), 3));
    }

    #[test]
    fn names_of_children_are_valid_however_long_the_parents_is() {
        for length in [1, 57, 58, 63, 253] {
            let name = child(&"a".repeat(length), &"u".into(), Revision(1), 0);
            assert!(name.len() <= 63, "{name}");
            assert_eq!(orch_core::names::dns1123_subdomain(&name), Ok(()));
            let name = hashed(&"a".repeat(length), &encode_hash(u64::MAX));
            assert_eq!(orch_core::names::dns1123_subdomain(&name), Ok(()));
        }
    }

    #[test]
    fn a_hash_is_written_in_the_alphabet_of_names() {
        assert_eq!(encode_hash(0), "4", "the digit 0 is byte 48, and 48 % 27 is 21");
        assert!(encode_hash(0x1234_5678_9abc_def0).bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
