//! Reads plain values out of trees. What is absent, `null` or of a wrong type is absent: the Api has validated the
//! object, and a projection never fails.

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::{Live, Str};
use serde_json::Value;

/// A 32-bit integer.
pub(crate) fn int32(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

/// A text; empty when absent.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A time in RFC 3339 form.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The pairs of a map of texts, in order of key.
pub(crate) fn pairs(map: &Value) -> Box<[(Str, Str)]> {
    let pairs = map.as_object().into_iter().flatten();
    let mut pairs: Vec<(Str, Str)> =
        pairs.filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect();
    pairs.sort_unstable();
    pairs.into()
}

/// `metadata.annotations` in order of name.
pub(crate) fn annotations(object: &Live) -> Box<[(Str, Str)]> {
    pairs(&object.part_tree(Part::Metadata)["annotations"])
}

/// The value of a key in sorted pairs.
pub(crate) fn find<'a>(pairs: &'a [(Str, Str)], key: &str) -> Option<&'a str> {
    pairs.binary_search_by(|(name, _)| (**name).cmp(key)).ok().map(|at| &*pairs[at].1)
}

/// A list; empty when absent.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
