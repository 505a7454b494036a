//! Page tokens as clients see them: opaque, and checked when they come back.
//!
//! A token that was altered, or belongs to another selection, is [`Error::BadPage`]. It is no secret and gives no access.
//! Not here: what stands in one. Invariant: what is sealed is opened as the same.

use orch_core::{Error, Kind, Result, Select, Str};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The token that says so, for that selection.
pub(crate) fn seal(says: &impl Serialize, what: &Select) -> Str {
    let json = serde_json::to_string(says).expect("tokens are made of numbers and strings");
    let mut token = format!("{:016x}", checksum(&json, what));
    json.bytes().for_each(|byte| token.push_str(&format!("{byte:02x}")));
    token.into()
}

/// What a token says.
///
/// # Errors
/// `BadPage`.
pub(crate) fn open<T: DeserializeOwned>(token: &str, what: &Select) -> Result<T> {
    let parse = || {
        let (sum, hex) = token.split_at_checked(16)?;
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
        let json = String::from_utf8(bytes).ok()?;
        if sum != format!("{:016x}", checksum(&json, what)) {
            return None;
        }
        serde_json::from_str(&json).ok()
    };
    parse().ok_or(Error::BadPage)
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

    type Says = (u64, String, Option<u64>);

    #[test]
    fn a_token_is_opened_as_it_was_sealed() {
        let what = Select::kind(kind::PODS).namespace("a");
        let says: Says = (7, "\"x\\\u{1f600}".into(), None);
        assert_eq!(open::<Says>(&seal(&says, &what), &what).unwrap(), says);
    }

    #[test]
    fn a_token_that_was_altered_or_is_for_something_else_is_refused() {
        let what = Select::kind(kind::PODS);
        let token = seal(&(7, "x", Some(1)), &what);
        for at in 0..token.len() {
            let mut altered = token.to_string();
            let other = if &token[at..=at] == "0" { "1" } else { "0" };
            altered.replace_range(at..=at, other);
            assert!(matches!(open::<Says>(&altered, &what), Err(Error::BadPage)), "{at}");
        }
        for token in ["", "x", "\u{e9}", "0000000000000000", "zzzzzzzzzzzzzzzzzz", &token[..token.len() - 1]]
        {
            assert!(matches!(open::<Says>(token, &what), Err(Error::BadPage)), "{token}");
        }
        assert!(matches!(open::<Says>(&token, &Select::kind(kind::NODES)), Err(Error::BadPage)));
    }
}
