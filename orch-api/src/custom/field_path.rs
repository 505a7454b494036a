//! Paths of named fields into a schema: `.spec.size`, `.spec['a.b']` (`ValidFieldPath` of
//! `apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`).
//!
//! Not JSON paths: no indices, no filters. The invariant: a path that is accepted leads to a schema.

use super::schema::{More, Schema};

/// Why a path leads nowhere.
const NOT_A_FIELD: &str = "does not refer to a valid field";

const UNEXPECTED_END: &str = "unexpected end of JSON path";

/// Whether keys may stand in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brackets {
    Allowed,
    Refused,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Found<'s> {
    /// As errors show it: `spec.size`.
    pub(crate) shown: String,
    pub(crate) schema: &'s Schema,
}

/// Follows a path.
///
/// # Errors
/// Why it cannot be followed, in Kubernetes' words.
pub(crate) fn follow<'s>(path: &str, schema: &'s Schema, brackets: Brackets) -> Result<Found<'s>, String> {
    let mut found = Found { shown: String::new(), schema };
    let mut tokens = Tokens(path);
    while let Some(token) = tokens.next() {
        match token {
            "[" if brackets == Brackets::Refused => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = tokens.next().ok_or(UNEXPECTED_END)?;
                let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                let inner = inner.ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                found.enter(&unescaped(inner)?)?;
                match tokens.next().ok_or(UNEXPECTED_END)? {
                    "]" => {}
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            "." => found.enter(tokens.next().ok_or(UNEXPECTED_END)?)?,
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok(found)
}

impl Found<'_> {
    fn enter(&mut self, name: &str) -> Result<(), String> {
        if let Some(below) = self.schema.properties.get(name) {
            self.schema = below;
            if !self.shown.is_empty() {
                self.shown.push('.');
            }
            self.shown.push_str(name);
            return Ok(());
        }
        match &self.schema.more {
            Some(More::Of(below)) if self.schema.properties.is_empty() => self.schema = below,
            _ => return Err(NOT_A_FIELD.to_owned()),
        }
        self.shown.push_str(&format!("[{name}]"));
        Ok(())
    }
}

/// Delimiters, and what stands between them; a quoted text is one.
struct Tokens<'t>(&'t str);

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0;
        let is_end = |at: usize| !text.get(..at).is_some_and(|before| before.ends_with('\\'));
        let end = if text.starts_with('\'') {
            text.char_indices().skip(1).find(|(at, c)| *c == '\'' && is_end(*at)).map(|(at, _)| at + 1)
        } else {
            text.find(['.', '[', ']']).map(|at| at.max(1))
        };
        let (token, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match (letter, letters.clone().next()) {
            ('\\', Some(escaped)) => {
                letters.next();
                match escaped {
                    'a' => '\x07',
                    'b' => '\x08',
                    'f' => '\x0c',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\x0b',
                    '\'' | '\\' => escaped,
                    other => return Err(format!("invalid string literal: invalid escape char \\{other}")),
                }
            }
            (letter, _) => letter,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::structure(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer"}, "a.b": {"type": "string"}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}}}))
    }

    #[test]
    fn a_path_leads_to_a_field_or_says_why_not() {
        let schema = schema();
        for (path, expected) in [
            (".spec.size", Ok("spec.size")),
            (".spec['size']", Ok("spec.size")),
            (".spec['a.b']", Ok("spec.a.b")),
            (".labels['it\\'s']", Ok("labels[it's]")),
            (".labels.x", Ok("labels[x]")),
            (".spec.none", Err("does not refer to a valid field")),
            (".spec.size.x", Err("does not refer to a valid field")),
            ("spec", Err("expected [ or . but got: spec")),
            (".spec.", Err("unexpected end of JSON path")),
            (".spec[0]", Err("expected single quoted string but got 0")),
            (".spec['size'", Err("unexpected end of JSON path")),
            (".spec['\\q']", Err("invalid string literal: invalid escape char \\q")),
        ] {
            let found = follow(path, &schema, Brackets::Allowed);
            let shown = found.map(|found| found.shown);
            assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{path}");
        }
        let refused = follow(".spec['size']", &schema, Brackets::Refused);
        assert_eq!(refused.unwrap_err(), "array notation is not allowed");
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "[.\\[\\]'\\\\a-bésize]{0,24}") {
            let _ = follow(&path, &schema(), Brackets::Allowed);
        }
    }
}
