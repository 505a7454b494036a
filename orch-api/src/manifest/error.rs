//! What can be wrong with a manifest file, and where.
//!
//! Not the errors of the API: these are found before anything is sent.

use std::sync::Arc;

use super::positions::Position;
use super::{MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_ERRORS};

/// One thing wrong at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}:{}:{}: {reason}", at.line, at.column)]
#[non_exhaustive]
pub struct Error {
    /// The file as the caller named it.
    pub source_name: Arc<str>,
    /// Where in the file.
    pub at: Position,
    /// The path of the field, where one is concerned.
    pub field: Option<String>,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// The text is not YAML or JSON.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// The document is larger than [`MAX_DOCUMENT_BYTES`], or becomes so by its aliases.
    #[error("document larger than {MAX_DOCUMENT_BYTES} bytes{}", if *.by_aliases { " when its aliases are expanded" } else { "" })]
    TooLarge {
        /// Whether it is the aliases.
        by_aliases: bool,
    },
    /// The document is deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// An object has a key twice.
    #[error("duplicate key {key:?}, first on line {first_line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Where it stands first.
        first_line: u32,
        /// Where the value of this one begins.
        value_line: u32,
    },
    /// A key is neither a string nor a number nor a boolean.
    #[error("a key must be a string, got {found}")]
    Key {
        /// What it is.
        found: &'static str,
    },
    /// A value is not what its tag says, or JSON cannot say it.
    #[error("{text:?} is no {tag}")]
    Scalar {
        /// The text, shortened.
        text: String,
        /// What it should be.
        tag: &'static str,
    },
    /// An anchor's value contains an alias to itself.
    #[error("alias to an anchor that contains it")]
    RecursiveAlias,
    /// `<<` has a value that cannot be merged.
    #[error("the value of << must be an object or an array of objects, got {found}")]
    Merge {
        /// What it is.
        found: &'static str,
    },
    /// A document or an item of a list is not an object.
    #[error("expected an object, got {found}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A field that every object needs is absent or empty.
    #[error("{field} is missing: add {example:?}")]
    Missing {
        /// The field.
        field: &'static str,
        /// A line that adds it.
        example: &'static str,
    },
    /// A field that every object needs is no string.
    #[error("{field} must be a string, got {found}: put quotes around it")]
    NotAString {
        /// The field.
        field: &'static str,
        /// What it is.
        found: &'static str,
    },
}

/// Bytes of a path that is told: a path may be as long as the file, and every error has one.
const MAX_PATH: usize = 16 << 10;

/// The errors of one file, bounded.
pub(super) struct Errors {
    source_name: Arc<str>,
    found: Vec<Error>,
}

impl Errors {
    pub(super) fn new(source_name: Arc<str>) -> Self {
        Self { source_name, found: Vec::new() }
    }

    pub(super) fn push(&mut self, at: Position, field: Option<&str>, reason: Reason) {
        if !self.has_room() {
            let is_twice = |error: &Error| matches!(error.reason, Reason::DuplicateKey { .. });
            // What ends the reading is told in any case, in place of a key that stands twice.
            if matches!(reason, Reason::DuplicateKey { .. }) || !self.found.last().is_some_and(is_twice) {
                return;
            }
            self.found.pop();
        }
        let source_name = Arc::clone(&self.source_name);
        let field = field.filter(|path| path.len() <= MAX_PATH).map(str::to_owned);
        self.found.push(Error { source_name, at, field, reason });
    }

    /// Whether one more will be kept: what tells it may be long.
    pub(super) fn has_room(&self) -> bool {
        self.found.len() < MAX_ERRORS
    }

    /// An empty set for the same file, to try a format.
    pub(super) fn fresh(&self) -> Self {
        Self::new(Arc::clone(&self.source_name))
    }

    pub(super) fn append(&mut self, other: Self) {
        self.found.extend(other.found);
        self.found.truncate(MAX_ERRORS);
    }

    /// Whether the text is not in the format at all.
    pub(super) fn is_syntax(&self) -> bool {
        self.found.iter().any(|error| matches!(error.reason, Reason::Syntax { .. }))
    }

    /// `value` if there are no errors but keys that stand twice, and those in the order in which objects end.
    #[cfg(any(feature = "rest", feature = "remote"))]
    pub(super) fn loosely<T>(self, value: T) -> Result<(T, Vec<Error>), Vec<Error>> {
        let is_twice = |error: &Error| matches!(error.reason, Reason::DuplicateKey { .. });
        if self.found.iter().all(is_twice) {
            return Ok((value, self.found));
        }
        self.or(()).map(|()| (value, Vec::new()))
    }

    /// `value` if there are no errors.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Vec<Error>> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort_by_key(|error| error.at);
        Err(self.found)
    }
}
