//! Finds a field of a JSON object in its text, without decoding the rest.
//!
//! For JSON that is valid already, as bodies are by construction; of other bytes it says something and never panics. The
//! fields are taken to stand in order of name, as bodies have them.

use std::ops::Range;

/// Where a field is, or belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The text of its value.
    Value(Range<usize>),
    /// It is absent: before this place, where the next field's name or the closing brace stands.
    Before(usize),
}

/// Looks for a field of the object.
pub(super) fn find(json: &[u8], name: &str) -> Found {
    let mut at = 1;
    loop {
        at = blank(json, at);
        if json.get(at) != Some(&b'"') {
            return Found::Before(at.min(json.len().saturating_sub(1)));
        }
        let end = string(json, at);
        // A name with escapes is none that is looked for.
        let key = json.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
        if key > name.as_bytes() && !key.contains(&b'\\') {
            return Found::Before(at);
        }
        let start = blank(json, blank(json, end) + 1);
        let value = value(json, start);
        if key == name.as_bytes() {
            return Found::Value(start.min(value)..value);
        }
        at = blank(json, value);
        match json.get(at) {
            Some(b',') => at += 1,
            _ => return Found::Before(at.min(json.len().saturating_sub(1))),
        }
    }
}

fn blank(json: &[u8], at: usize) -> usize {
    at + json.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Behind the string that begins there.
fn string(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match json.get(at) {
            None => return json.len(),
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
        }
    }
}

/// Behind the value that begins there.
fn value(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                at = string(json, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, name: &str, expected: Result<&str, usize>) {
        let found = match find(json.as_bytes(), name) {
            Found::Value(range) => Ok(&json[range]),
            Found::Before(at) => Err(at),
        };
        assert_eq!(found, expected, "{name} in {json}");
    }

    #[test]
    fn a_field_is_found_where_it_is_or_belongs() {
        let json = r#"{"b":{"c":[1,"}"]},"d":"x\\\"","f":12}"#;
        check(json, "b", Ok(r#"{"c":[1,"}"]}"#));
        check(json, "d", Ok(r#""x\\\"""#));
        check(json, "f", Ok("12"));
        check(json, "a", Err(1));
        check(json, "c", Err(19));
        check(json, "g", Err(json.len() - 1));
        check("{}", "a", Err(1));
    }

    #[test]
    fn what_is_not_json_does_no_harm() {
        let broken = [
            "",
            "{",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"\\",
            "{\"a\":[",
            "null",
            "{\"a\":1,",
            "{\"a\"}",
        ];
        for json in broken {
            for name in ["", "a", "b"] {
                if let Found::Value(range) = find(json.as_bytes(), name) {
                    assert!(json.as_bytes().get(range).is_some(), "{json}");
                }
            }
        }
    }
}
