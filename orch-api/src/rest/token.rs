//! Continue tokens: `apiserver/pkg/storage/continue.go`.
//!
//! A token says as of which revision a list goes on, behind which key, and what the store calls that place. Not a secret:
//! it gives no access. Invariant: no text makes it panic.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orch_core::{Key, Str};
use serde::{Deserialize, Serialize};

use super::go_json;
use super::status::Status;

const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    #[serde(rename = "v")]
    version: String,
    /// -1: as of now, without consistency.
    pub(super) rv: i64,
    /// `namespace/name` and a zero byte.
    start: String,
    /// The store's own token, which saves it the search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<Str>,
}

impl Token {
    pub(super) fn new(rv: i64, after: &Key, page: Option<Str>) -> Self {
        let start = format!("{}/{}\0", after.namespace, after.name);
        Self { version: VERSION.to_owned(), rv, start, page }
    }

    /// Namespace and name of the last object given.
    pub(super) fn after(&self) -> (&str, &str) {
        self.start.trim_end_matches('\0').split_once('/').unwrap_or_default()
    }

    pub(super) fn write(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }

    /// # Errors
    /// 400.
    pub(super) fn read(text: &str) -> Result<Self, Status> {
        let bad = |why: &str| {
            Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|error| match error {
            base64::DecodeError::InvalidByte(at, _) => {
                bad(&format!("illegal base64 data at input byte {at}"))
            }
            _ => bad(&format!("illegal base64 data at input byte {}", text.len())),
        })?;
        let token: Self =
            serde_json::from_slice(&json).map_err(|error| bad(&go_json::explain(&json, &error)))?;
        match &token {
            Self { version, .. } if version != VERSION => {
                Err(bad(&format!("server does not recognize this encoded version {version:?}")))
            }
            Self { rv: 0, .. } => {
                Err(bad(&format!("incorrect encoded start resourceVersion (version {VERSION})")))
            }
            Self { start, .. } if !start.contains('/') => {
                Err(bad(&format!("encoded start key empty (version {VERSION})")))
            }
            _ => Ok(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::kind;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::new(7, &Key::new(kind::PODS, "shop", "a"), Some("next".into()));
        let read = Token::read(&token.write()).unwrap();
        assert_eq!(read, token);
        assert_eq!(read.after(), ("shop", "a"));
    }

    #[test]
    fn what_is_no_token_is_refused_in_kubernetes_words() {
        let status = Token::read("nope").unwrap_err();
        assert_eq!(
            status.message(),
            "invalid continue token: continue key is not valid: invalid character '\\u009e' looking for beginning of value"
        );
        assert_eq!(Token::read("!").unwrap_err().code(), 400);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = Token::read(&text);
        }
    }
}
