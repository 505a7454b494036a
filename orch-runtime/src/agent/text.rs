//! Words as Go prints them: what people and tools that read messages expect.

use std::fmt::Write as _;
use std::time::Duration;

/// A duration as Go's `time.Duration` prints whole seconds: `10s`, `1m20s`, `5m0s`; below a second `12ms`.
pub(super) fn duration(duration: Duration) -> String {
    let (secs, millis) = (duration.as_secs(), duration.subsec_millis());
    match secs {
        0 if millis > 0 => format!("{millis}ms"),
        0 => "0s".to_owned(),
        _ => {
            let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
            let fraction = fraction.trim_end_matches('0');
            let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
            match (hours, minutes) {
                (0, 0) => format!("{secs}{fraction}s"),
                (0, _) => format!("{minutes}m{secs}{fraction}s"),
                _ => format!("{hours}h{minutes}m{secs}{fraction}s"),
            }
        }
    }
}

/// A text as Go's `%q` prints it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => _ = write!(quoted, "\\x{:02x}", u32::from(letter)),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A list as Go's `%s` prints a slice: `[a b]`.
pub(super) fn list(items: &[&str]) -> String {
    format!("[{}]", items.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        let check = |millis, text: &str| assert_eq!(duration(Duration::from_millis(millis)), text);
        check(0, "0s");
        check(7, "7ms");
        check(10_000, "10s");
        check(1_500, "1.5s");
        check(80_000, "1m20s");
        check(300_000, "5m0s");
        check(3_600_000, "1h0m0s");
    }

    #[test]
    fn quotes_escape_what_go_escapes() {
        assert_eq!(quote("a\"b\\c\n\u{1}é"), r#""a\"b\\c\n\x01é""#);
        assert_eq!(list(&["a", "b"]), "[a b]");
    }
}
