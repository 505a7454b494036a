//! One step of a path, and its text.
//!
//! The text of the step in `FieldsV1` is `f:name`, `k:{"name":"c"}`, `v:"x"` or `i:0` (`fieldpath/serialize-pe.go`); in
//! messages it is `.name`, `[name="c"]`, `[="x"]` or `[0]` (`fieldpath/element.go`).

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::Scalar;

/// A step from a value to a part of it. Ordered as Kubernetes orders them.
///
/// ```
/// use orch_api::patch::Element;
/// let element = Element::decode(r#"k:{"name":"c"}"#).unwrap().unwrap();
/// assert_eq!(element.to_string(), r#"[name="c"]"#);
/// assert_eq!(element.encode(), r#"k:{"name":"c"}"#);
/// assert_eq!(Element::decode("x:new kind").unwrap(), None);
/// assert!(Element::decode("nothing").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of an object, or a key of a map.
    Field(Cow<'static, str>),
    /// The element of a list that has these keys, which are ordered by name.
    Key(Vec<(String, Scalar)>),
    /// The element of a set.
    Value(Scalar),
    /// The element of a list by its place.
    Index(i64),
}

impl Element {
    /// A field of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::Field(Cow::Owned(name.to_owned()))
    }

    /// Reads the text of `FieldsV1`; `None` for a kind of element that is not known.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn decode(text: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
            return Err(format!("missing colon: {text}"));
        };
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| format!("{text}: {error}"));
        Ok(Some(match kind {
            "f" => Self::named(rest),
            "v" => Self::Value(Scalar(json()?)),
            "i" => Self::Index(rest.parse().map_err(|_| format!("{text}: not an index"))?),
            "k" => match json()? {
                // A map is ordered by name.
                Value::Object(keys) => {
                    Self::Key(keys.into_iter().map(|(name, value)| (name, Scalar(value))).collect())
                }
                _ => return Err(format!("{text}: not an object")),
            },
            _ => return Ok(None),
        }))
    }

    /// The text of `FieldsV1`.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Map<String, Value> =
                    keys.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
                format!("k:{}", escaped(&Value::Object(keys)))
            }
            Self::Value(value) => format!("v:{}", escaped(&value.0)),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

impl Element {
    /// Appends the text of `FieldsV1` as a JSON key, with its colon.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            // Hardly ever is there anything to escape, and in the names that types have there is nothing.
            Self::Field(name) if matches!(name, Cow::Borrowed(_)) || is_plain(name) => {
                out.push_str("\"f:");
                out.push_str(name);
                out.push_str("\":");
            }
            Self::Key(keys) if keys.iter().all(|(name, value)| is_plain(name) && value.is_plain()) => {
                let mut before = "\"k:{";
                for (name, value) in keys {
                    out.push_str(before);
                    quote(name, out);
                    out.push(':');
                    value.write_plain(out);
                    before = ",";
                }
                out.push_str("}\":");
            }
            other => {
                out.push_str(&Value::from(other.encode()).to_string());
                out.push(':');
            }
        }
    }
}

/// Whether JSON escapes nothing of a text, be it safe within HTML or not.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&'))
}

/// Appends a plain text as JSON within JSON.
fn quote(text: &str, out: &mut String) {
    out.push_str("\\\"");
    out.push_str(text);
    out.push_str("\\\"");
}

impl Scalar {
    fn is_plain(&self) -> bool {
        match &self.0 {
            Value::String(text) => is_plain(text),
            Value::Number(number) => number.is_i64(),
            _ => false,
        }
    }

    /// Appends a plain value as JSON within JSON.
    fn write_plain(&self, out: &mut String) {
        match &self.0 {
            Value::String(text) => quote(text, out),
            other => out.push_str(&other.to_string()),
        }
    }
}

/// JSON as Go writes it: safe within HTML.
fn escaped(value: &Value) -> String {
    let mut text = value.to_string();
    for (plain, escape) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        if text.contains(plain) {
            text = text.replace(plain, escape);
        }
    }
    text
}

/// As messages show it.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    write!(f, "{}{name}={value}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
