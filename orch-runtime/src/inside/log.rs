//! The log of a container: the last lines it wrote, in memory.
//!
//! Not a file and not for ever. Invariant: bounded in lines and bytes, oldest out first, times never go back.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use orch_core::Str;
use orch_core::runtime::{LogLine, LogQuery, LogSource};

/// Lines kept: what `kubectl logs --tail` is asked for in practice, many times over.
const MAX_LINES: usize = 10_000;
/// Bytes kept: 110 pods with full logs stay below 128 MiB.
const MAX_BYTES: usize = 1024 * 1024;
/// Longer lines are cut in pieces of so many bytes, as container engines do.
const MAX_LINE: usize = 16 * 1024;

/// The last lines of a container.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Log {
    /// Writes a text, each line of it for itself.
    pub(crate) fn write(&self, time: Timestamp, source: LogSource, text: &str) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = ring.lines.back().map_or(time, |last| last.time.max(time));
        let text = text.strip_suffix('\n').unwrap_or(text);
        for line in text.split('\n') {
            let mut rest = line.strip_suffix('\r').unwrap_or(line);
            while rest.len() > MAX_LINE {
                let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_LINE));
                ring.push(LogLine { time, source, text: piece.into() });
                rest = after;
            }
            ring.push(LogLine { time, source, text: rest.into() });
        }
    }

    /// The last lines that are asked for, oldest first.
    pub(crate) fn read(&self, query: &LogQuery) -> Vec<LogLine> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = query.since.map_or(0, |since| ring.lines.partition_point(|line| line.time < since));
        let from = query.tail.map_or(from, |tail| from.max(ring.lines.len().saturating_sub(tail)));
        ring.lines.range(from..).cloned().collect::<Vec<_>>()
    }

    /// Every line of one stream.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<Str> {
        self.read(&LogQuery::default()).into_iter().map(|line| line.text).collect()
    }
}

impl Ring {
    fn push(&mut self, line: LogLine) {
        self.bytes += size(&line.text);
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= size(&oldest.text);
        }
    }
}

/// An empty line takes room as well.
fn size(text: &Str) -> usize {
    text.len() + size_of::<LogLine>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[track_caller]
    fn check(query: &LogQuery, expected: &[&str]) {
        let log = Log::default();
        for second in 1..=4 {
            log.write(at(second), LogSource::Stdout, &format!("line {second}\n"));
        }
        let texts: Vec<_> = log.read(query).into_iter().map(|line| line.text.to_string()).collect();
        assert_eq!(texts, expected);
    }

    fn query(tail: Option<usize>, since: Option<i64>) -> LogQuery {
        let mut query = LogQuery::default();
        query.tail = tail;
        query.since = since.map(at);
        query
    }

    #[test]
    fn a_query_picks_the_last_lines() {
        check(&query(None, None), &["line 1", "line 2", "line 3", "line 4"]);
        check(&query(Some(2), None), &["line 3", "line 4"]);
        check(&query(Some(0), None), &[]);
        check(&query(Some(9), None), &["line 1", "line 2", "line 3", "line 4"]);
        check(&query(None, Some(3)), &["line 3", "line 4"]);
        check(&query(Some(1), Some(3)), &["line 4"]);
        check(&query(Some(3), Some(4)), &["line 4"]);
        check(&query(None, Some(9)), &[]);
    }

    #[test]
    fn a_text_is_cut_into_lines() {
        let log = Log::default();
        log.write(at(1), LogSource::Stdout, "a\r\n\nb\n");
        log.write(at(1), LogSource::Stderr, &"ä".repeat(MAX_LINE));
        let texts = log.texts();
        assert_eq!(texts[..3], ["a".into(), "".into(), "b".into()] as [Str; 3]);
        assert_eq!(texts[3..].iter().map(|text| text.len()).collect::<Vec<_>>(), [MAX_LINE, MAX_LINE]);
    }

    #[test]
    fn the_oldest_lines_go_first() {
        let log = Log::default();
        for line in 0..=MAX_LINES {
            log.write(at(1), LogSource::Stdout, &line.to_string());
        }
        let texts = log.texts();
        assert!(texts.len() <= MAX_LINES);
        assert_eq!(texts.last().unwrap().to_string(), MAX_LINES.to_string());
        for _ in 0..200 {
            log.write(at(1), LogSource::Stdout, &"x".repeat(MAX_LINE));
        }
        let bytes: usize = log.texts().iter().map(size).sum();
        assert!((MAX_BYTES - 2 * MAX_LINE..=MAX_BYTES).contains(&bytes), "{bytes}");
    }
}
