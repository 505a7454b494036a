//! What cells are made of: ages, lists of names, what stands for nothing.

use jiff::Timestamp;
use serde_json::Value;

use crate::tree::Get;

/// What stands for an absent value.
pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";
pub(super) const UNSET: &str = "<unset>";

/// How long ago the object was made.
pub(super) fn age(tree: &Value, now: Timestamp) -> Value {
    since(tree["metadata"].text("creationTimestamp"), now).into()
}

/// How long ago a time was, for people.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => human(now.duration_since(time).as_secs()),
        Err(_) => UNKNOWN.to_owned(),
    }
}

/// A duration in two units at most (`apimachinery/pkg/util/duration/duration.go`).
pub(super) fn human(secs: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |unit: i64, name: &str, smaller: i64, smaller_name: &str| {
        let (whole, rest) = (secs / unit, secs % unit / smaller);
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}{name}{rest}{smaller_name}") }
    };
    match secs {
        // A clock that goes wrong by a second is no fault.
        i64::MIN..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        _ if secs < 2 * MINUTE => format!("{secs}s"),
        _ if secs < 10 * MINUTE => two(MINUTE, "m", 1, "s"),
        _ if secs < 3 * HOUR => format!("{}m", secs / MINUTE),
        _ if secs < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        _ if secs < 2 * DAY => format!("{}h", secs / HOUR),
        _ if secs < 8 * DAY => two(DAY, "d", HOUR, "h"),
        _ if secs < 2 * YEAR => format!("{}d", secs / DAY),
        _ if secs < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        _ => format!("{}y", secs / YEAR),
    }
}

/// The text, or what stands for none.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// Texts joined by commas, or what stands for none.
pub(super) fn joined<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    let all: Vec<String> = texts.into_iter().map(|text| text.as_ref().to_owned()).collect();
    or_none(&all.join(","))
}

/// A number that is zero when absent.
pub(super) fn count(tree: &Value, field: &str) -> i64 {
    tree.number(field).unwrap_or(0)
}

/// Labels as `a=b,c=d`.
pub(super) fn labels(tree: Option<&Value>) -> Value {
    let pairs = tree.and_then(Value::as_object).into_iter().flatten();
    joined(pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())))
}

/// A label selector as text.
pub(super) fn selector(tree: &Value) -> Value {
    match orch_core::selector::Selector::from_value(tree) {
        Ok(selector) => or_none(&selector.to_string()),
        Err(_) => "<invalid>".into(),
    }
}

/// Names and images of a pod spec's containers, joined by commas.
pub(super) fn containers(spec: &Value) -> [Value; 2] {
    let of = |field: &str| {
        let all: Vec<&str> = spec.list("containers").iter().map(|container| container.text(field)).collect();
        Value::from(all.join(","))
    };
    [of("name"), of("image")]
}

/// The condition of that type.
pub(super) fn condition<'a>(status: &'a Value, ty: &str) -> Option<&'a Value> {
    status.list("conditions").iter().find(|condition| condition.text("type") == ty)
}

/// A text, or `None` as it stands in a cell of a number or flag.
pub(super) fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// `RWO,ROX`
pub(super) fn access_modes(modes: &[Value]) -> String {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => "RWO",
        Some("ReadOnlyMany") => "ROX",
        Some("ReadWriteMany") => "RWX",
        Some("ReadWriteOncePod") => "RWOP",
        _ => "",
    };
    let mut all: Vec<&str> = Vec::new();
    for mode in modes.iter().map(short) {
        if !mode.is_empty() && !all.contains(&mode) {
            all.push(mode);
        }
    }
    // In this order, whatever order they were given in.
    let order = ["RWO", "ROX", "RWX", "RWOP"];
    order.into_iter().filter(|mode| all.contains(mode)).collect::<Vec<_>>().join(",")
}
