//! The generated table, read in place.
//!
//! Not an API: [`super::types`] gives the records their meaning. The invariant is that `xtask` sorted strings, kinds,
//! definitions and fields by name, and that every number in a record is in bounds; a test walks the whole table.
//!
//! All numbers are little-endian. Eight bytes of magic are followed by seven sections, each announced by its offset and
//! record count (two `u32`), in this order:
//!
//! | section | record |
//! |---|---|
//! | strings | `u32` offset into the text section; one record more than strings |
//! | kinds | `u16` each: group, version, kind (strings), type |
//! | definitions | `u16` each: name (string), first field, number of fields, map type |
//! | fields | `u16` name, `u16` type, `u8` flags, `u8` patch strategy, `u16` merge key or 65535, `u16` first list key, `u16` number of list keys |
//! | types | `u16` tag, `u16` argument (a type or a definition); the first ones are the definitions in order |
//! | list keys | `u16` string |
//! | text | bytes of all strings |

use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &[u8] = include_bytes!("table.bin");

/// The text section; whether it is text is looked at once.
static TEXTS: LazyLock<&str> = LazyLock::new(|| {
    std::str::from_utf8(&TABLE[TEXT.offset..]).expect("xtask wrote the strings of Kubernetes' definitions")
});

/// Where the field of a definition and name stands, found by its hash: every field of every object that is written is looked
/// up, several times. Not in the table, which would have to be made anew for it; it takes a tenth of a millisecond.
static FIELD_SLOTS: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let mut slots = vec![NO_FIELD; (2 * FIELDS.count).next_power_of_two()].into_boxed_slice();
    for definition in 0..definition_count() {
        for field in definition_fields(definition) {
            let mut slot = slot(definition, bytes(field_name(field)), slots.len());
            while slots[slot] != NO_FIELD {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = field;
        }
    }
    slots
});

/// Kinds by group, version and name.
static KIND_NUMBERS: LazyLock<HashMap<(&str, &str, &str), u16>> = LazyLock::new(|| {
    let names = |record: KindRecord| (text(record.group), text(record.version), text(record.kind));
    (0..kind_count()).map(|number| (names(kind(number)), number)).collect()
});

const NO_FIELD: u16 = u16::MAX;

/// The slot, of a power of two, where a field should stand. Length and both ends tell nearly all names apart.
fn slot(definition: u16, name: &[u8], slots: usize) -> usize {
    let (head, tail) = match (name.first_chunk(), name.last_chunk()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (name.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    };
    let mixed = (head ^ tail.rotate_left(23)).wrapping_add(u64::from(definition) << 8) ^ name.len() as u64;
    let hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(hash).unwrap_or_default() & (slots - 1)
}

/// Offset and number of records of a section.
#[derive(Clone, Copy)]
struct Section {
    offset: usize,
    count: usize,
}

// Evaluated by the compiler: a table of another format does not build.
const STRINGS: Section = section(0);
const KINDS: Section = section(1);
const DEFINITIONS: Section = section(2);
const FIELDS: Section = section(3);
const TYPES: Section = section(4);
const LIST_KEYS: Section = section(5);
const TEXT: Section = section(6);

const fn section(number: usize) -> Section {
    let magic = b"orchsch1";
    let mut at = 0;
    while at < magic.len() {
        assert!(TABLE[at] == magic[at], "table.bin has another format");
        at += 1;
    }
    let offset = u32_at(magic.len() + number * 8);
    Section { offset, count: u32_at(magic.len() + number * 8 + 4) }
}

const fn u32_at(offset: usize) -> usize {
    u32::from_le_bytes([TABLE[offset], TABLE[offset + 1], TABLE[offset + 2], TABLE[offset + 3]]) as usize
}

fn u16_at(offset: usize) -> u16 {
    u16::from_le_bytes([TABLE[offset], TABLE[offset + 1]])
}

/// The `column`th `u16` of record `number`, whose records are `width` bytes wide.
fn cell(section: Section, width: usize, number: u16, column: usize) -> u16 {
    u16_at(section.offset + usize::from(number) * width + column * 2)
}

/// The bytes of a string.
fn bytes(string: u16) -> &'static [u8] {
    let at = STRINGS.offset + usize::from(string) * 4;
    &TABLE[TEXT.offset + u32_at(at)..TEXT.offset + u32_at(at + 4)]
}

/// The text of a string.
pub(super) fn text(string: u16) -> &'static str {
    let at = STRINGS.offset + usize::from(string) * 4;
    &TEXTS[u32_at(at)..u32_at(at + 4)]
}

fn search(range: std::ops::Range<u16>, order: impl Fn(u16) -> std::cmp::Ordering) -> Option<u16> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low.midpoint(high);
        match order(middle) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}

fn count(section: Section) -> u16 {
    u16::try_from(section.count).expect("xtask numbers records with 16 bits")
}

/// One record of the kinds section.
pub(super) struct KindRecord {
    pub(super) group: u16,
    pub(super) version: u16,
    pub(super) kind: u16,
    pub(super) ty: u16,
}

pub(super) fn kind_count() -> u16 {
    count(KINDS)
}

pub(super) fn kind(number: u16) -> KindRecord {
    let cell = |column| cell(KINDS, 8, number, column);
    KindRecord { group: cell(0), version: cell(1), kind: cell(2), ty: cell(3) }
}

/// The record of a kind.
pub(super) fn find_kind(group: &str, version: &str, name: &str) -> Option<KindRecord> {
    KIND_NUMBERS.get(&(group, version, name)).map(|number| kind(*number))
}

pub(super) fn definition_count() -> u16 {
    count(DEFINITIONS)
}

pub(super) fn definition_name(definition: u16) -> u16 {
    cell(DEFINITIONS, 8, definition, 0)
}

pub(super) fn definition_fields(definition: u16) -> std::ops::Range<u16> {
    let first = cell(DEFINITIONS, 8, definition, 1);
    first..first + cell(DEFINITIONS, 8, definition, 2)
}

pub(super) fn definition_map_type(definition: u16) -> u16 {
    cell(DEFINITIONS, 8, definition, 3)
}

pub(super) fn find_definition(name: &str) -> Option<u16> {
    search(0..definition_count(), |number| bytes(definition_name(number)).cmp(name.as_bytes()))
}

const FIELD_WIDTH: usize = 12;

pub(super) fn find_field(definition: u16, name: &str) -> Option<u16> {
    let (own, slots, name) = (definition_fields(definition), &*FIELD_SLOTS, name.as_bytes());
    let mut slot = slot(definition, name, slots.len());
    loop {
        match slots[slot] {
            NO_FIELD => return None,
            field if own.contains(&field) && bytes(field_name(field)) == name => return Some(field),
            _ => slot = (slot + 1) % slots.len(),
        }
    }
}

pub(super) fn field_name(field: u16) -> u16 {
    cell(FIELDS, FIELD_WIDTH, field, 0)
}

pub(super) fn field_type(field: u16) -> u16 {
    cell(FIELDS, FIELD_WIDTH, field, 1)
}

/// Bit 0: required; bits 1 and 2: list type; bits 3 and 4: map type.
pub(super) fn field_flags(field: u16) -> u8 {
    cell(FIELDS, FIELD_WIDTH, field, 2).to_le_bytes()[0]
}

/// Bit 0: merge; bit 1: retainKeys; bit 2: replace.
pub(super) fn field_strategy(field: u16) -> u8 {
    cell(FIELDS, FIELD_WIDTH, field, 2).to_le_bytes()[1]
}

pub(super) fn field_merge_key(field: u16) -> Option<u16> {
    Some(cell(FIELDS, FIELD_WIDTH, field, 3)).filter(|key| *key != u16::MAX)
}

/// The strings of the list map keys.
pub(super) fn field_list_keys(field: u16) -> impl ExactSizeIterator<Item = u16> {
    let first = cell(FIELDS, FIELD_WIDTH, field, 4);
    (first..first + cell(FIELDS, FIELD_WIDTH, field, 5)).map(|number| cell(LIST_KEYS, 2, number, 0))
}

/// Tag and argument of a type.
pub(super) fn type_record(ty: u16) -> (u16, u16) {
    (cell(TYPES, 4, ty, 0), cell(TYPES, 4, ty, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_in_bounds_and_in_order() {
        assert_eq!(TEXT.offset + TEXT.count, TABLE.len());
        let strings: Vec<&str> = (0..count(STRINGS)).map(text).collect();
        assert!(strings.is_sorted());
        let in_types = |ty: u16| assert!(ty < count(TYPES), "type {ty}");
        for number in 0..kind_count() {
            let record = kind(number);
            assert!(record.ty < definition_count());
            let found = find_kind(text(record.group), text(record.version), text(record.kind)).unwrap();
            assert_eq!(found.ty, record.ty);
        }
        assert!(count(FIELDS) < NO_FIELD);
        for number in 0..definition_count() {
            assert_eq!(find_field(number, ""), None);
            assert_eq!(find_definition(text(definition_name(number))), Some(number));
            assert_eq!(type_record(number), (13, number));
            for field in definition_fields(number) {
                let name = text(field_name(field));
                assert_eq!(find_field(number, name), Some(field));
                assert!(crate::patch::is_plain(name), "{name} is written into managed fields as it stands");
                in_types(field_type(field));
                field_merge_key(field).map(text);
                field_list_keys(field).for_each(|key| assert!(!text(key).is_empty()));
            }
        }
        for number in 0..count(TYPES) {
            match type_record(number) {
                (0..=10, 0) => {}
                (11 | 12, item) => in_types(item),
                (13, definition) => assert!(definition < definition_count()),
                other => panic!("type {other:?}"),
            }
        }
    }
}
