//! The lines of a watch, taken out of the frames of a body.
//!
//! Invariant: no more than one line is kept, and that is bounded.

use bytes::{Bytes, BytesMut};

/// Bytes of one event: ten times what etcd keeps of an object.
const MAX_LINE: usize = 16 << 20;

/// What has come and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Up to here there is no end of a line.
    looked: usize,
}

impl Lines {
    pub(super) fn push(&mut self, data: &Bytes) {
        self.buffer.extend_from_slice(data);
    }

    /// The next whole line that is not empty.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let Some(end) = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n') else {
                self.looked = self.buffer.len();
                if self.looked > MAX_LINE {
                    return Err(format!("an event has more than {MAX_LINE} bytes"));
                }
                return Ok(None);
            };
            let mut line = self.buffer.split_to(self.looked + end + 1).freeze();
            self.looked = 0;
            line.truncate(line.len() - 1);
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_are_whole_however_they_come(text in "[ab\n]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let (mut lines, mut found, mut from) = (Lines::default(), Vec::new(), 0);
            for cut in cuts {
                lines.push(&Bytes::copy_from_slice(&text.as_bytes()[from..cut]));
                from = cut;
                while let Some(line) = lines.next().unwrap() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
            let expected: Vec<&str> = whole.split('\n').filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        lines.push(&Bytes::from(vec![b'a'; MAX_LINE + 1]));
        assert!(lines.next().unwrap_err().contains("bytes"));
    }
}
