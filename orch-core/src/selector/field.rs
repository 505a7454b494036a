//! Field selectors: `staging/src/k8s.io/apimachinery/pkg/fields/selector.go`.
//!
//! Not here: which fields a kind lets one select by, that is the registry's. Invariant: terms are sorted as
//! they are printed, so that equal selectors are equal values.

use std::fmt;
use std::str::FromStr;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldOperator {
    /// The field has the value; written `=` or `==`.
    Equals,
    /// The field has another value; written `!=`.
    NotEquals,
}

/// Why a text is not a field selector. The messages are the API server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldSelectorError {
    /// A term has no operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    NoOperator {
        /// The whole text.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash is followed by something else than a comma, an equals sign or a backslash.
    #[error("invalid field selector: invalid escape sequence: {sequence}")]
    InvalidEscape {
        /// The backslash and what follows.
        sequence: String,
    },
    /// A value has an equals sign that is not escaped.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*character))]
    Unescaped {
        /// The character; the message has its number, as upstream's.
        character: char,
    },
}

/// One condition on one field. An absent field has the empty value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldTerm {
    /// The path of the field, such as `spec.nodeName`.
    pub field: String,
    /// How it is compared.
    pub operator: FieldOperator,
    /// What it is compared with.
    pub value: String,
}

impl FieldTerm {
    /// Whether an object with this value of the field satisfies it.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self.operator {
            FieldOperator::Equals => value == self.value,
            FieldOperator::NotEquals => value != self.value,
        }
    }
}

impl fmt::Display for FieldTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        f.write_str(match self.operator {
            FieldOperator::Equals => "=",
            FieldOperator::NotEquals => "!=",
        })?;
        for character in self.value.chars() {
            let escape = if matches!(character, '\\' | ',' | '=') { "\\" } else { "" };
            write!(f, "{escape}{character}")?;
        }
        Ok(())
    }
}

/// Conditions on fields that all must hold; without conditions it selects everything.
///
/// # Examples
///
/// ```
/// use orch_core::selector::FieldSelector;
///
/// let selector: FieldSelector = "spec.nodeName=n1,status.phase!=Failed".parse()?;
/// let pending = |field: &str| (field == "spec.nodeName").then_some("n1");
/// assert!(selector.matches(pending));
/// assert_eq!(selector.required("spec.nodeName"), Some("n1"));
/// assert_eq!(selector.required("status.phase"), None);
/// # Ok::<(), orch_core::selector::FieldSelectorError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSelector {
    /// Sorted as printed.
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// The selector of every object.
    #[must_use]
    pub const fn everything() -> Self {
        Self { terms: Vec::new() }
    }

    /// The selector of objects that satisfy all of `terms`.
    #[must_use]
    pub fn new(terms: impl IntoIterator<Item = FieldTerm>) -> Self {
        let mut terms: Vec<_> = terms.into_iter().collect();
        terms.sort_by_cached_key(FieldTerm::to_string);
        Self { terms }
    }

    /// The selector of objects whose `field` is `value`.
    ///
    /// ```
    /// use orch_core::selector::FieldSelector;
    ///
    /// assert_eq!(FieldSelector::equals("metadata.name", "a,b").to_string(), r"metadata.name=a\,b");
    /// ```
    #[must_use]
    pub fn equals(field: impl Into<String>, value: impl Into<String>) -> Self {
        let (field, value) = (field.into(), value.into());
        Self { terms: vec![FieldTerm { field, operator: FieldOperator::Equals, value }] }
    }

    /// This selector, with the further condition that `field` is `value`.
    ///
    /// ```
    /// use orch_core::selector::FieldSelector;
    ///
    /// let selector = FieldSelector::equals("b", "1").and_equals("a", "2");
    /// assert_eq!(selector.to_string(), "a=2,b=1");
    /// ```
    #[must_use]
    pub fn and_equals(self, field: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(self.terms.into_iter().chain(Self::equals(field, value).terms))
    }

    /// The conditions.
    #[must_use]
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether it has no conditions and selects every object.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it selects an object whose fields are given by `get`; an absent field is an empty one.
    #[must_use]
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.terms.iter().all(|term| term.matches(get(&term.field).unwrap_or("")))
    }

    /// The value that each selected object has in `field`, if it must have a certain one: what to look up in an
    /// index.
    #[must_use]
    pub fn required(&self, field: &str) -> Option<&str> {
        let requires = |term: &&FieldTerm| term.operator == FieldOperator::Equals && term.field == field;
        self.terms.iter().find(requires).map(|term| term.value.as_str())
    }
}

impl FromStr for FieldSelector {
    type Err = FieldSelectorError;

    fn from_str(selector: &str) -> Result<Self, Self::Err> {
        let mut terms = Vec::new();
        for text in split_terms(selector).into_iter().filter(|term| !term.is_empty()) {
            let Some((field, operator, value)) = split_term(text) else {
                return Err(FieldSelectorError::NoOperator { selector: selector.into(), term: text.into() });
            };
            let value = unescape(value)?;
            // Upstream drops a term of nothing.
            if !(field.is_empty() && value.is_empty()) {
                terms.push(FieldTerm { field: field.into(), operator, value });
            }
        }
        Ok(Self::new(terms))
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

/// What stands between commas that no backslash escapes.
fn split_terms(selector: &str) -> Vec<&str> {
    let mut escaped = false;
    let is_separator = |character: char| {
        let separates = character == ',' && !escaped;
        escaped = character == '\\' && !escaped;
        separates
    };
    selector.split(is_separator).collect()
}

/// Field, operator and escaped value: the first operator counts, whatever is before it.
fn split_term(term: &str) -> Option<(&str, FieldOperator, &str)> {
    let equals = term.find('=')?;
    let (before, value) = (&term[..equals], &term[equals + 1..]);
    match before.strip_suffix('!') {
        Some(field) => Some((field, FieldOperator::NotEquals, value)),
        None => Some((before, FieldOperator::Equals, value.strip_prefix('=').unwrap_or(value))),
    }
}

fn unescape(value: &str) -> Result<String, FieldSelectorError> {
    let mut unescaped = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => unescaped.push(escaped),
                other => {
                    let sequence = std::iter::once('\\').chain(other).collect();
                    return Err(FieldSelectorError::InvalidEscape { sequence });
                }
            },
            ',' | '=' => return Err(FieldSelectorError::Unescaped { character }),
            _ => unescaped.push(character),
        }
    }
    Ok(unescaped)
}

#[cfg(test)]
mod tests;
