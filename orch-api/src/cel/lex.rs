//! Text to tokens.

use super::Fault;

/// Bytes of an expression: what people write has a few hundred.
const MAX_BYTES: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longest first.
const SIGNS: [&str; 28] = [
    "&&", "||", "==", "!=", "<=", ">=", "[?", ".?", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "+",
    "-", "*", "/", "%", "!", "<", ">", "=", "|",
];

/// The tokens of a text, each with where it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::new(0, format!("expression is longer than {MAX_BYTES} bytes")));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (token, length) = token(rest, first).map_err(|why| Fault::new(at, why))?;
            tokens.push((at, token));
            at += length;
        }
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Result<(Token, usize), String> {
    if let Some(quoted) = quoted(rest)? {
        return Ok(quoted);
    }
    if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        return Ok((Token::Name(rest[..end].to_owned()), end));
    }
    if let Some(inner) = rest.strip_prefix('`') {
        let end = inner.find('`').ok_or("Syntax error: a name in backticks does not end")?;
        return Ok((Token::Name(inner[..end].to_owned()), end + 2));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) if !matches!(*sign, "=" | "|") => Ok((Token::Sign(sign), sign.len())),
        _ => Err(format!("Syntax error: token recognition error at: '{first}'")),
    }
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let wrong = |text: &str| format!("invalid number literal {text:?}");
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        let digits = &hex[..end];
        if hex[end..].starts_with(['u', 'U']) {
            let value = u64::from_str_radix(digits, 16).map_err(|_| wrong(digits))?;
            return Ok((Token::Uint(value), end + 3));
        }
        return Ok((Token::Int(i64::from_str_radix(digits, 16).map_err(|_| wrong(digits))?), end + 2));
    }
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    let mut is_double = false;
    while digit(end) {
        end += 1;
    }
    if bytes.get(end) == Some(&b'.') && digit(end + 1) {
        is_double = true;
        end += 1;
        while digit(end) {
            end += 1;
        }
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digit(end + 1 + sign) {
            is_double = true;
            end += 1 + sign;
            while digit(end) {
                end += 1;
            }
        }
    }
    let text = &rest[..end];
    if is_double {
        return Ok((Token::Double(text.parse().map_err(|_| wrong(text))?), end));
    }
    if matches!(bytes.get(end), Some(b'u' | b'U')) {
        return Ok((Token::Uint(text.parse().map_err(|_| wrong(text))?), end + 1));
    }
    // The smallest integer is written with a minus that is not part of it.
    match text.parse::<i64>() {
        Ok(value) => Ok((Token::Int(value), end)),
        Err(_) if text == "9223372036854775808" => Ok((Token::Int(i64::MIN), end)),
        Err(_) => Err(wrong(text)),
    }
}

/// A text or bytes, with the prefixes `r` and `b`.
fn quoted(rest: &str) -> Result<Option<(Token, usize)>, String> {
    let letters = rest.len() - rest.trim_start_matches(['r', 'R', 'b', 'B']).len();
    if letters > 2 {
        return Ok(None);
    }
    let (prefix, body) = rest.split_at(letters);
    let Some(quote) = body.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return Ok(None) };
    let (is_raw, is_bytes) = (prefix.contains(['r', 'R']), prefix.contains(['b', 'B']));
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let delimiter = if body.starts_with(&triple) { triple } else { quote.to_string() };
    let inner = &body[delimiter.len()..];
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let left = &inner[at..];
        if left.starts_with(&delimiter) {
            let end = letters + delimiter.len() + at + delimiter.len();
            if is_bytes {
                return Ok(Some((Token::Bytes(out), end)));
            }
            let text = String::from_utf8(out).map_err(|_| "a text is not UTF-8".to_owned())?;
            return Ok(Some((Token::Text(text), end)));
        }
        let mut letters = left.chars();
        match letters.next() {
            None => return Err("Syntax error: a text does not end".to_owned()),
            Some('\n') if delimiter.len() == 1 => return Err("Syntax error: a text does not end".to_owned()),
            Some('\\') if !is_raw => {
                let used = escape(&left[1..], is_bytes, &mut out)?;
                at += 1 + used;
            }
            Some(letter) => {
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += letter.len_utf8();
            }
        }
    }
}

/// What stands behind a backslash; how many bytes of it.
fn escape(text: &str, is_bytes: bool, out: &mut Vec<u8>) -> Result<usize, String> {
    let wrong = || "Syntax error: invalid escape in a text".to_owned();
    let first = text.chars().next().ok_or_else(wrong)?;
    let plain = match first {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' | '"' | '\'' | '`' | '?' => u8::try_from(first).ok(),
        _ => None,
    };
    if let Some(byte) = plain {
        out.push(byte);
        return Ok(1);
    }
    let (skip, digits, radix) = match first {
        'x' | 'X' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        '0'..='3' => (0, 3, 8),
        _ => return Err(wrong()),
    };
    let code = text.get(skip..skip + digits).ok_or_else(wrong)?;
    let code = u32::from_str_radix(code, radix).map_err(|_| wrong())?;
    if is_bytes && code < 256 && first != 'u' && first != 'U' {
        out.push(u8::try_from(code).map_err(|_| wrong())?);
    } else {
        let letter = char::from_u32(code).ok_or_else(wrong)?;
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(skip + digits)
}
