//! Random streams: seeded by the root's seed and a path, so that one part's draws move no other's.

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, RngExt, SeedableRng, TryRng};

use crate::Str;

pub(super) fn from_system() -> u64 {
    SysRng.try_next_u64().expect("the operating system gives random bytes")
}

/// FNV-1a of the path, mixed with the seed: stable across versions of the compiler, unlike std's hashers.
pub(super) fn stream(seed: u64, path: &str) -> StdRng {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&hash.to_le_bytes());
    StdRng::from_seed(bytes)
}

pub(super) fn draw(random: &mut StdRng) -> u64 {
    random.next_u64()
}

pub(super) fn below(random: &mut StdRng, bound: u64) -> u64 {
    if bound == 0 { 0 } else { random.random_range(0..bound) }
}

pub(super) fn fraction(random: &mut StdRng) -> f64 {
    random.random()
}

pub(super) fn uuid(random: &mut StdRng) -> Str {
    let bits = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = bits.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
    let mut text = [b'-'; 36];
    for (place, digit) in places.zip(digits) {
        text[place] = b"0123456789abcdef"[usize::from(digit)];
    }
    std::str::from_utf8(&text).expect("digits are ASCII").into()
}

pub(super) fn name_suffix(random: &mut StdRng, length: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}
