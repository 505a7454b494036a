//! Trees as JSON, byte for byte as `serde_json` writes them, which asks a serializer about each value and looks at each byte.
//!
//! Not parsing. Invariant: what is written is valid JSON.

use serde_json::Value;

/// Appends a value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => other(out, number),
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                self::value(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut before = b'{';
            for (name, field) in fields {
                out.push(before);
                string(out, name);
                out.push(b':');
                self::value(out, field);
                before = b',';
            }
            if fields.is_empty() {
                out.push(b'{');
            }
            out.push(b'}');
        }
    }
}

/// Appends a text.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    if is_escaped(text.as_bytes()) {
        return other(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn other<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("texts and numbers are JSON and a vector takes every byte");
}

/// Whether JSON escapes any byte of a text; looks at eight at once.
fn is_escaped(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks();
    let last = match text.last_chunk() {
        // Some bytes are looked at twice.
        Some(last) => *last,
        None => {
            let mut last = [b' '; 8];
            last[..rest.len()].copy_from_slice(rest);
            last
        }
    };
    chunks.iter().chain([&last]).any(|chunk| has_escaped(u64::from_le_bytes(*chunk)))
}

/// Whether one of eight bytes is a control character, a quote or a backslash
/// (<https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>).
fn has_escaped(bytes: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 128;
    let has_less = |bytes: u64, than: u64| bytes.wrapping_sub(ONES * than) & !bytes & HIGHS;
    let has = |byte: u8| has_less(bytes ^ (ONES * u64::from(byte)), 1);
    has_less(bytes, 0x20) | has(b'"') | has(b'\\') != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_tree() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-z\"\\\\\u{0}\u{1f} \u{7f}\u{e9}\u{2028}]{0,20}", ".{0,40}", "[a-z]{0,40}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn every_byte_is_looked_at() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=127_u8 {
                    let mut text = vec![b'x'; length];
                    text[at] = byte;
                    let is_escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(super::is_escaped(&text), is_escaped, "{byte} at {at} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_tree_is_written_as_by_serde(tree in any_tree()) {
            let mut out = Vec::new();
            value(&mut out, &tree);
            prop_assert_eq!(out, serde_json::to_vec(&tree).unwrap());
        }
    }
}
