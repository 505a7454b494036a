//! What Go's JSON scanner says about a text that is not JSON (`encoding/json/scanner.go`), and what Go's types say about a
//! string that they cannot read (`time/format.go`, `encoding/base64/base64.go`).
//!
//! Not a decoder: `serde_json` decides whether a text is JSON, and the schema whether a string fits. Invariant: any text gets
//! some message.

use serde_json::Value;

use crate::conform::NOT_A_QUANTITY;
use crate::schema::{self, Type, TypeRef};

/// What the type says of a string in the place of its value, if it cannot read it.
pub(super) fn unreadable(ty: TypeRef, text: &str) -> Option<String> {
    let explained: fn(&str) -> String = match ty.get() {
        Type::Quantity => |_| NOT_A_QUANTITY.to_owned(),
        Type::Time => |text| explain_time(text, "2006-01-02T15:04:05Z07:00"),
        Type::MicroTime => |text| explain_time(text, "2006-01-02T15:04:05.000000Z07:00"),
        Type::Bytes => |text| format!("illegal base64 data at input byte {}", illegal_byte(text)),
        _ => return None,
    };
    (!schema::check(&Value::from(text), ty).is_empty()).then(|| explained(text))
}

/// The parts of Go's layouts of times: what they are called, how many digits they have.
const TIME: [(&str, usize); 11] = [
    ("2006", 4),
    ("-", 0),
    ("01", 2),
    ("-", 0),
    ("02", 2),
    ("T", 0),
    ("15", 2),
    (":", 0),
    ("04", 2),
    (":", 0),
    ("05", 2),
];

fn explain_time(text: &str, layout: &str) -> String {
    let mut rest = text;
    for (part, digits) in TIME {
        let is_there = match digits {
            0 => rest.starts_with(part),
            count => rest.get(..count).is_some_and(|head| head.bytes().all(|byte| byte.is_ascii_digit())),
        };
        if !is_there {
            return format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}");
        }
        rest = &rest[part.len()..];
    }
    let fraction = layout[19..].trim_end_matches("Z07:00");
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if !fraction.is_empty() && digits + 1 < fraction.len() {
        return format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {fraction:?}");
    }
    let zone = if digits > 0 { &rest[1 + digits..] } else { rest };
    if zone == "Z" {
        return format!("parsing time {text:?}: {} out of range", out_of_range(text));
    }
    format!("parsing time {text:?} as {layout:?}: cannot parse {zone:?} as \"Z07:00\"")
}

/// Which number of a time whose digits all stand in their places is too large.
fn out_of_range(text: &str) -> &'static str {
    let number = |at: usize| text[at..at + 2].parse::<u8>().unwrap_or_default();
    match (number(5), number(11), number(14), number(17)) {
        (0 | 13.., ..) => "month",
        (_, 24.., ..) => "hour",
        (_, _, 60.., _) => "minute",
        (_, _, _, 60..) => "second",
        _ => "day",
    }
}

/// Where base64 breaks off: at the first character that is none of its own, or where the last group begins that is not whole.
fn illegal_byte(text: &str) -> usize {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'\r' | b'\n');
    match text.bytes().position(|byte| !is_known(byte)) {
        Some(at) if text.as_bytes()[at] != b'=' || at % 4 < 2 => at,
        Some(at) => (at + 1).min(text.len()),
        None => text.len() - text.len() % 4,
    }
}

/// Go's message for the first character that does not fit; serde's own when Go would accept the text.
pub(super) fn explain(text: &[u8], error: &serde_json::Error) -> String {
    let mut scanner = Scanner { text, at: 0, depth: 0 };
    match scanner.document() {
        Err(Stop::End) => "unexpected end of JSON input".to_owned(),
        Err(Stop::Wrong(context)) => {
            format!("invalid character {} {context}", quoted(text[scanner.at]))
        }
        Err(Stop::Deep) | Ok(()) => error.to_string(),
    }
}

/// As `quoteChar` of the scanner.
pub(super) fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        0x00..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0x9f | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

enum Stop {
    End,
    Wrong(&'static str),
    Deep,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

/// Deeper texts get the other parser's message.
const MAX_DEPTH: usize = 128;

impl Scanner<'_> {
    fn space(&mut self) -> Result<u8, Stop> {
        while self.text.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
        self.text.get(self.at).copied().ok_or(Stop::End)
    }

    fn document(&mut self) -> Result<(), Stop> {
        self.value()?;
        match self.space() {
            Ok(_) => Err(Stop::Wrong("after top-level value")),
            Err(_) => Ok(()),
        }
    }

    fn value(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop::Deep);
        }
        match self.space()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => self.string()?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(Stop::Wrong("looking for beginning of value")),
        }
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Stop> {
        self.at += 1;
        if self.space()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.space()? != b'"' {
                return Err(Stop::Wrong("looking for beginning of object key string"));
            }
            self.string()?;
            if self.space()? != b':' {
                return Err(Stop::Wrong("after object key"));
            }
            self.at += 1;
            self.value()?;
            match self.space()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Stop::Wrong("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<(), Stop> {
        self.at += 1;
        if self.space()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            match self.space()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Stop::Wrong("after array element")),
            }
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.text.get(self.at).copied().ok_or(Stop::End)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.text.get(self.at).copied().ok_or(Stop::End)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u' => self.at += 1,
                        _ => return Err(Stop::Wrong("in string escape code")),
                    }
                }
                0x00..=0x1f => return Err(Stop::Wrong("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Stop> {
        for expected in word {
            match self.text.get(self.at) {
                None => return Err(Stop::End),
                Some(byte) if byte == expected => self.at += 1,
                Some(_) => {
                    return Err(Stop::Wrong(match word {
                        b"true" => "in literal true",
                        b"false" => "in literal false",
                        _ => "in literal null",
                    }));
                }
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.text[self.at] == b'-' {
            self.at += 1;
            match self.text.get(self.at) {
                None => return Err(Stop::End),
                Some(b'0'..=b'9') => {}
                Some(_) => return Err(Stop::Wrong("in numeric literal")),
            }
        }
        while self.text.get(self.at).is_some_and(|byte| b"0123456789.eE+-".contains(byte)) {
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_explained_as_gos_types_do() {
        let time = "2006-01-02T15:04:05Z07:00";
        for (text, expected) in [
            ("abc", format!("parsing time \"abc\" as {time:?}: cannot parse \"abc\" as \"2006\"")),
            ("2020-1-1", format!("parsing time \"2020-1-1\" as {time:?}: cannot parse \"1-1\" as \"01\"")),
            (
                "2020-01-01T00:00:00",
                format!("parsing time \"2020-01-01T00:00:00\" as {time:?}: cannot parse \"\" as \"Z07:00\""),
            ),
            ("2020-13-01T00:00:00Z", "parsing time \"2020-13-01T00:00:00Z\": month out of range".to_owned()),
            ("2021-02-29T00:00:00Z", "parsing time \"2021-02-29T00:00:00Z\": day out of range".to_owned()),
        ] {
            assert_eq!(explain_time(text, time), expected);
        }
        for (text, at) in [("!!", 0), ("YW!=", 2), ("abc", 0), ("YWJjYWI", 4), ("YQ=a", 3), ("Y===", 1)] {
            assert_eq!(illegal_byte(text), at, "{text}");
        }
    }

    #[test]
    fn messages_are_gos() {
        for (text, expected) in [
            ("{nope", "invalid character 'n' looking for beginning of object key string"),
            ("", "unexpected end of JSON input"),
            ("{\"a\"", "unexpected end of JSON input"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("nul1", "invalid character '1' in literal null"),
            ("\u{7f}", "invalid character '\\x7f' looking for beginning of value"),
        ] {
            let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
            assert_eq!(explain(text.as_bytes(), &error), expected, "{text}");
        }
    }
}
