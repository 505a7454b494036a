//! How a place in an object is written: `spec.containers[0].image`.
//!
//! Not a parser of such paths. The invariant: whatever is written here, `Manifest::locate` understands, as long as no
//! key contains a closing bracket.

use std::fmt::Write;

/// One step from a value to a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// To a field that a type defines (or should define).
    Field(&'a str),
    /// To the value of a map's key; in brackets unless it is a plain word.
    Key(&'a str),
    /// To an element of an array.
    Index(usize),
}

impl Step<'_> {
    /// Appends the step; truncate `path` to its length before to go back.
    pub(crate) fn append(self, path: &mut String) {
        let plain = |key: &str| !key.is_empty() && !key.contains(['.', '/', '[', ']']);
        let written = match self {
            Self::Index(index) => write!(path, "[{index}]"),
            Self::Key(key) if !plain(key) => write!(path, "[{key}]"),
            Self::Field(key) | Self::Key(key) if path.is_empty() => path.write_str(key),
            Self::Field(key) | Self::Key(key) => write!(path, ".{key}"),
        };
        written.expect("writing to a string cannot fail");
    }
}
