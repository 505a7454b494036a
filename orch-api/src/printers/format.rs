//! Texts that cells share: durations, labels, selectors, lists that are cut.
//!
//! Sources: `staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go`, `pkg/printers/internalversion/printers.go`.

use jiff::Timestamp;
use orch_core::selector::Selector;
use serde_json::Value;

static ABSENT: Value = Value::Null;

/// The value at a path of fields with dots between them; `null` when there is none.
pub(super) fn at<'v>(tree: &'v Value, path: &str) -> &'v Value {
    path.split('.').try_fold(tree, |value, step| value.get(step)).unwrap_or(&ABSENT)
}

pub(super) fn text<'v>(tree: &'v Value, path: &str) -> &'v str {
    at(tree, path).as_str().unwrap_or("")
}

pub(super) fn number(tree: &Value, path: &str) -> i64 {
    at(tree, path).as_i64().unwrap_or_default()
}

/// The elements of a list, none if it is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text or a number as it stands in a manifest.
pub(super) fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn time(tree: &Value, path: &str) -> Option<Timestamp> {
    text(tree, path).parse().ok()
}

/// Seconds from one time to another.
pub(super) fn secs_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

/// How long ago the time at a path was.
pub(super) fn ago(tree: &Value, path: &str, now: Timestamp, absent: &str) -> String {
    time(tree, path).map_or_else(|| absent.to_owned(), |time| human_duration(secs_between(time, now)))
}

/// A duration in seconds for people: exact while it is short, coarse when it is long.
///
/// ```
/// use orch_api::printers::human_duration;
/// let shown: Vec<_> = [5, 119, 125, 600, 3 * 3600, 9 * 3600, 3 * 86_400, 800 * 86_400].map(human_duration).into();
/// assert_eq!(shown, ["5s", "119s", "2m5s", "10m", "3h", "9h", "3d", "2y70d"]);
/// assert_eq!(human_duration(-5), "<invalid>");
/// ```
#[must_use]
pub fn human_duration(secs: i64) -> String {
    let (minutes, hours) = (secs / 60, secs / 3600);
    let two = |whole: i64, unit: &str, rest: i64, of: &str| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{of}"),
    };
    match secs {
        // Clocks of two machines may differ a little.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{secs}s"),
        _ if minutes < 10 => two(minutes, "m", secs % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => two(hours / 24, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// `a=b,c=d`, or `<none>`.
pub(super) fn labels(map: &Value) -> String {
    let mut pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// A label selector as it is written in a query.
pub(super) fn selector(value: &Value, empty: &str) -> String {
    if value.is_null() {
        return empty.to_owned();
    }
    match Selector::from_value(value) {
        Err(_) => if empty.is_empty() { "<invalid>" } else { "<error>" }.to_owned(),
        Ok(selector) if selector.is_everything() => empty.to_owned(),
        Ok(selector) => selector.to_string(),
    }
}

/// The first few, and how many more there are.
pub(super) fn cut(all: &[String], max: usize, separator: &str) -> String {
    let shown = all.get(..max).unwrap_or(all).join(separator);
    if all.len() > max { format!("{shown} + {} more...", all.len() - max) } else { shown }
}
