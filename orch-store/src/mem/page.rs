//! Page tokens: where a list goes on, and as of which revision.
//!
//! A token is opaque to clients and checked when it comes back: one that was altered, or belongs to another selection, is
//! [`Error::BadPage`]. It is no secret and gives no access. Invariant: what is written is read as the same.

use std::borrow::Cow;

use orch_core::{Error, Key, Kind, Result, Revision, Select, Str};
use serde::{Deserialize, Serialize};

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Of the whole list.
    pub(crate) revision: Revision,
    /// The last key given.
    pub(crate) after: Key,
    /// Objects that follow, when that is known.
    pub(crate) remaining: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Text<'a>(Revision, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Option<u64>);

impl Token {
    pub(crate) fn write(&self, what: &Select) -> Str {
        let Key { kind, namespace, name } = &self.after;
        let word = Cow::Borrowed;
        let text = Text(
            self.revision,
            word(kind.group()),
            word(kind.resource()),
            word(namespace),
            word(name),
            self.remaining,
        );
        let json = serde_json::to_string(&text).expect("numbers and strings are JSON");
        let mut token = format!("{:016x}", checksum(&json, what));
        json.bytes().for_each(|byte| token.push_str(&format!("{byte:02x}")));
        token.into()
    }

    /// # Errors
    /// `BadPage`.
    pub(crate) fn read(
        token: &str,
        what: &Select,
        kind: impl Fn(&str, &str) -> Option<Kind>,
    ) -> Result<Self> {
        let parse = || {
            let (sum, hex) = token.split_at_checked(16)?;
            let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
            let bytes: Vec<u8> =
                digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
            let json = String::from_utf8(bytes).ok()?;
            if sum != format!("{:016x}", checksum(&json, what)) {
                return None;
            }
            let Text(revision, group, resource, namespace, name, remaining) =
                serde_json::from_str(&json).ok()?;
            let after = Key::new(kind(&group, &resource)?, &*namespace, &*name);
            Some(Self { revision, after, remaining })
        };
        parse().ok_or(Error::BadPage)
    }
}

/// FNV-1a over the token and the selection.
fn checksum(json: &str, what: &Select) -> u64 {
    let kinds = what.kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(",");
    let namespace = what.namespace.as_deref().unwrap_or("*");
    let text = format!("{json}\n{kinds}\n{namespace}\n{}\n{}", what.labels, what.fields);
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use orch_core::kind;

    use super::*;

    fn read(token: &str, what: &Select) -> Result<Token> {
        Token::read(token, what, |_, _| Some(kind::PODS))
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let what = Select::kind(kind::PODS).namespace("a");
        let token =
            Token { revision: Revision(7), after: Key::new(kind::PODS, "a", "\"x\\"), remaining: Some(3) };
        assert_eq!(read(&token.write(&what), &what).unwrap(), token);
    }

    #[test]
    fn a_token_that_was_altered_or_is_for_something_else_is_refused() {
        let what = Select::kind(kind::PODS);
        let token = Token { revision: Revision(7), after: Key::new(kind::PODS, "a", "x"), remaining: None }
            .write(&what);
        for at in 0..token.len() {
            let mut altered = token.to_string();
            let other = if &token[at..=at] == "0" { "1" } else { "0" };
            altered.replace_range(at..=at, other);
            assert!(matches!(read(&altered, &what), Err(Error::BadPage)), "{at}");
        }
        for token in ["", "x", "é", "0000000000000000", "zzzzzzzzzzzzzzzzzz", &token[..token.len() - 1]] {
            assert!(matches!(read(token, &what), Err(Error::BadPage)), "{token}");
        }
        assert!(matches!(read(&token, &Select::kind(kind::NODES)), Err(Error::BadPage)));
    }
}
