//! Reads JSON documents that stand one after another, as `kubectl` does (RFC 8259).
//!
//! Not a decoder of scalars: their text goes to `serde_json`. The invariant: recursion ends at [`MAX_DEPTH`].

use serde_json::Value;

use super::build::{Array, Built, Document, Object, number};
use super::error::{Errors, Reason};
use super::positions::Position;
use super::{MAX_DEPTH, MAX_DOCUMENT_BYTES};
use crate::schema::Step;

/// All documents that are not `null`, until the first one that cannot be read.
pub(super) fn documents(text: &str, errors: &mut Errors) -> Vec<Document> {
    let mut reader = Reader { text, offset: 0, at: Position::START, errors, path: String::new(), begin: 0 };
    let mut documents = Vec::new();
    for number in 0.. {
        reader.space();
        if reader.peek().is_none() {
            break;
        }
        reader.begin = reader.offset;
        match reader.value(0) {
            Ok(root) if root.value.is_null() => {}
            Ok(root) => documents.push(Document { number, root }),
            // It is in `errors`.
            Err(Stop) => break,
        }
    }
    documents
}

/// Reading cannot go on; the error is already noted.
struct Stop;

struct Reader<'text, 'errors> {
    text: &'text str,
    offset: usize,
    at: Position,
    errors: &'errors mut Errors,
    path: String,
    /// Where the document begins.
    begin: usize,
}

impl<'text> Reader<'text, '_> {
    fn stop<T>(&mut self, at: Position, reason: Reason) -> Result<T, Stop> {
        self.errors.push(at, Some(&self.path).filter(|path| !path.is_empty()).map(String::as_str), reason);
        Err(Stop)
    }

    fn expected<T>(&mut self, what: &str) -> Result<T, Stop> {
        let found = match self.text[self.offset..].chars().next() {
            Some(found) => format!("{found:?}"),
            None => "the end of the file".to_owned(),
        };
        self.stop(self.at, Reason::Syntax { message: format!("expected {what}, got {found}") })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// Moves on to `offset`.
    fn advance(&mut self, offset: usize) {
        let passed = &self.text.as_bytes()[self.offset..offset];
        self.at = passed.iter().copied().fold(self.at, Position::past);
        self.offset = offset;
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.offset..];
        let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.advance(self.offset + space);
    }

    /// Passes `byte` and the space around it, if it is next.
    fn pass(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.peek() == Some(byte);
        if there {
            self.advance(self.offset + 1);
            self.space();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Built, Stop> {
        let at = self.at;
        if depth > MAX_DEPTH {
            return self.stop(at, Reason::TooDeep);
        }
        let built = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Built::leaf(Value::String(self.string()?), at),
            _ => Built::leaf(self.word()?, at),
        };
        if self.offset - self.begin > MAX_DOCUMENT_BYTES {
            return self.stop(at, Reason::TooLarge { by_aliases: false });
        }
        Ok(built)
    }

    fn object(&mut self, depth: usize) -> Result<Built, Stop> {
        let mut object = Object::new(self.at);
        self.pass(b'{');
        if self.pass(b'}') {
            return Ok(object.finish());
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return self.expected("a key in double quotes");
            }
            let key = self.string()?;
            if !self.pass(b':') {
                return self.expected("':'");
            }
            let value = self.inside(Step::Key(&key), |reader| reader.value(depth + 1))?;
            object.insert(key, key_at, value, &self.path, self.errors);
            if !self.pass(b',') {
                break;
            }
        }
        self.space();
        if self.peek() != Some(b'}') {
            return self.expected("',' or '}'");
        }
        self.advance(self.offset + 1);
        Ok(object.finish())
    }

    fn array(&mut self, depth: usize) -> Result<Built, Stop> {
        let mut array = Array::new(self.at);
        self.pass(b'[');
        if self.pass(b']') {
            return Ok(array.finish());
        }
        for index in 0.. {
            let element = self.inside(Step::Index(index), |reader| reader.value(depth + 1))?;
            array.push(element);
            if !self.pass(b',') {
                break;
            }
        }
        self.space();
        if self.peek() != Some(b']') {
            return self.expected("',' or ']'");
        }
        self.advance(self.offset + 1);
        Ok(array.finish())
    }

    /// The text of a token of `length` bytes, which is passed.
    fn token(&mut self, length: usize) -> &'text str {
        let begin = self.offset;
        self.advance(begin + length);
        &self.text[begin..self.offset]
    }

    fn string(&mut self) -> Result<String, Stop> {
        let at = self.at;
        let rest = &self.text.as_bytes()[self.offset..];
        let mut length = 1;
        loop {
            match rest.get(length) {
                None => return self.stop(at, Reason::Syntax { message: "string without an end".to_owned() }),
                Some(b'"') => break,
                Some(b'\\') => length += 2,
                Some(_) => length += 1,
            }
        }
        let token = self.token(length + 1);
        serde_json::from_str(token).or_else(|error| self.stop(at, syntax(&error)))
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let at = self.at;
        let rest = &self.text.as_bytes()[self.offset..];
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        if length == 0 {
            return self.expected("a value");
        }
        let token = self.token(length);
        let value: Value = match serde_json::from_str(token) {
            Ok(value) => value,
            Err(error) => return self.stop(at, syntax(&error)),
        };
        // A number with a fraction or exponent is read with double precision and sent without them if it can be.
        Ok(match value.as_f64().filter(|_| value.is_f64()) {
            Some(float) => number(float).unwrap_or(value),
            None => value,
        })
    }

    fn inside<T>(&mut self, step: Step<'_>, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        step.append(&mut self.path);
        let outcome = read(self);
        self.path.truncate(before);
        outcome
    }
}

/// What `serde_json` says, without the position in the token.
fn syntax(error: &serde_json::Error) -> Reason {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Reason::Syntax { message }
}
