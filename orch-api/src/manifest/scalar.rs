//! What a YAML scalar means to Kubernetes: YAML 1.1 as `go.yaml.in/yaml/v2` resolves it (`resolve.go`).
//!
//! Not YAML 1.2: `yes`, `no`, `on`, `off`, `y` and `n` are booleans, `0644` and `0o644` are octal, `1_000` is a number.
//! Timestamps stay strings.

use serde_json::Value;

use super::build::number;

/// A resolved scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Only what does not fit [`Scalar::Int`].
    Unsigned(u64),
    Float(f64),
    Text,
}

/// The tags that say how to read a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Text,
}

impl Tag {
    /// The tag of that name in YAML's own namespace (`tag:yaml.org,2002:`); whatever else there is means text.
    pub(super) fn named(suffix: &str) -> Self {
        match suffix {
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            _ => Self::Text,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Float => "finite number",
            Self::Text => "string",
        }
    }

    /// The scalar `text` with this tag; `None` if it is not one.
    pub(super) fn resolve(self, text: &str) -> Option<Scalar> {
        match (self, resolve(text)) {
            (Self::Text, _) => Some(Scalar::Text),
            (Self::Float, Scalar::Int(integer)) => integer.to_string().parse().ok().map(Scalar::Float),
            (Self::Null, scalar @ Scalar::Null)
            | (Self::Bool, scalar @ Scalar::Bool(_))
            | (Self::Int, scalar @ (Scalar::Int(_) | Scalar::Unsigned(_)))
            | (Self::Float, scalar @ Scalar::Float(_)) => Some(scalar),
            _ => None,
        }
    }
}

impl Scalar {
    /// As a value of JSON; `None` if JSON cannot say it (not a number, infinity).
    pub(super) fn into_value(self, text: String) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::from(value),
            Self::Int(value) => Value::from(value),
            Self::Unsigned(value) => Value::from(value),
            Self::Float(value) => return number(value),
            Self::Text => Value::from(text),
        })
    }

    /// As a key (`sigs.k8s.io/yaml`, `convertToJSONableObject`); `None` if it may not be one.
    pub(super) fn into_key(self, text: String) -> Option<String> {
        match self {
            Self::Null | Self::Unsigned(_) => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(float_key(value)),
            Self::Text => Some(text),
        }
    }
}

/// A plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => match text.as_bytes()[0] {
            b'.' => float(text).map_or(Scalar::Text, Scalar::Float),
            b'0'..=b'9' | b'+' | b'-' => {
                let plain = text.replace('_', "");
                integer(&plain).or_else(|| float(&plain).map(Scalar::Float)).unwrap_or(Scalar::Text)
            }
            _ => Scalar::Text,
        },
    }
}

/// Go's `strconv.ParseInt` and `ParseUint` with base 0.
fn integer(text: &str) -> Option<Scalar> {
    let negative = text.starts_with('-');
    let signed = text.starts_with(['-', '+']);
    let digits = if signed { &text[1..] } else { text };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|digit| char::from(digit).is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(Scalar::Int(value)),
        (true, Ok(value)) => Some(Scalar::Int(-value)),
        (true, Err(_)) => (magnitude == i64::MIN.unsigned_abs()).then_some(Scalar::Int(i64::MIN)),
        // `ParseUint` takes no sign.
        (false, Err(_)) => (!signed).then_some(Scalar::Unsigned(magnitude)),
    }
}

/// A number in decimal notation, with or without exponent, that is in range.
fn float(text: &str) -> Option<f64> {
    let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !decimal { None } else { text.parse().ok().filter(|value: &f64| value.is_finite()) }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, with YAML's words for what is no number.
fn float_key(value: f64) -> String {
    // The shortest digits that give the same single-precision number; a number out of its range is an infinity.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the key has single precision, as in sigs.k8s.io/yaml"
    )]
    let single = value as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() };
    }
    let scientific = format!("{single:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // For the shortest digits, Go takes the exponent form below 1e-4 and from 1e6 on.
    if (-4..6).contains(&exponent) {
        return format!("{single}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with the value in place")]
    fn check(text: &str, expected: Scalar) {
        assert_eq!(resolve(text), expected, "{text}");
    }

    #[test]
    fn yaml_1_1_booleans_and_nulls() {
        for text in ["y", "Yes", "ON", "true", "TRUE"] {
            check(text, Scalar::Bool(true));
        }
        for text in ["N", "no", "Off", "False"] {
            check(text, Scalar::Bool(false));
        }
        for text in ["", "~", "null", "NULL"] {
            check(text, Scalar::Null);
        }
        for text in ["yEs", "nULL", "tRUE", "yes!", "nan", "inf", "Infinity"] {
            check(text, Scalar::Text);
        }
    }

    #[test]
    fn integers_in_all_of_gos_bases() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("0644", 420),
            ("0o644", 420),
            ("-0x1F", -31),
            ("0b101", 5),
            ("1_000", 1000),
            ("-9223372036854775808", i64::MIN),
        ] {
            check(text, Scalar::Int(value));
        }
        check("18446744073709551615", Scalar::Unsigned(u64::MAX));
        for text in ["0x", "0xg", "--1", "1-", "-", "+", "1a", "0b", "0x-1"] {
            check(text, Scalar::Text);
        }
    }

    #[test]
    fn floats_and_what_only_looks_like_numbers() {
        for (text, value) in
            [("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("08", 8.0)]
        {
            check(text, Scalar::Float(value));
        }
        check("18446744073709551616", Scalar::Float(18_446_744_073_709_551_616.0));
        for text in
            ["1e400", "1.2.3", "2001-01-01", "2001-01-01T00:00:00Z", "12:30", ".", "1e", "1Gi", "100m"]
        {
            check(text, Scalar::Text);
        }
    }

    #[test]
    fn tags_decide_and_refuse() {
        assert_eq!(Tag::Text.resolve("12"), Some(Scalar::Text));
        assert_eq!(Tag::Int.resolve("12"), Some(Scalar::Int(12)));
        assert_eq!(Tag::Float.resolve("12"), Some(Scalar::Float(12.0)));
        assert_eq!(Tag::Bool.resolve("12"), None);
        assert_eq!(Tag::Int.resolve("a"), None);
    }

    #[test]
    fn keys_are_written_as_go_writes_them() {
        for (text, key) in [
            ("a", Some("a")),
            ("1", Some("1")),
            ("0x10", Some("16")),
            ("yes", Some("true")),
            ("1.5", Some("1.5")),
            ("1e3", Some("1000")),
            ("1e6", Some("1e+06")),
            ("1e30", Some("1e+30")),
            ("1.5e-7", Some("1.5e-07")),
            (".inf", Some(".inf")),
            ("~", None),
        ] {
            assert_eq!(resolve(text).into_key(text.to_owned()).as_deref(), key, "{text}");
        }
    }
}
