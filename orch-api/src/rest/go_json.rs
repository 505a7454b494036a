//! What Go's JSON scanner says about a text that is not JSON (`encoding/json/scanner.go`).
//!
//! Not a decoder: `serde_json` decides whether a text is JSON. Invariant: any text gets some message.

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
