//! Where each field of a document stands.
//!
//! Not a second copy of the values: it mirrors their structure only. The invariant: a node has the entries and elements
//! that its value has in the file, and no others.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A place in a file; both numbers are counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Position {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// From counts that may be absurdly large.
    pub(super) fn new(line: usize, column: usize) -> Self {
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self { line: narrow(line), column: narrow(column) }
    }

    /// The place after `text` at the beginning of a file.
    pub(super) fn after(text: &str) -> Self {
        text.bytes().fold(Self::START, Self::past)
    }

    /// The place after one more byte of UTF-8.
    pub(super) fn past(self, byte: u8) -> Self {
        match byte {
            b'\n' => Self { line: self.line.saturating_add(1), column: 1 },
            0x80..=0xbf => self,
            _ => Self { column: self.column.saturating_add(1), ..self },
        }
    }
}

/// The position of a value and of all that is in it. Cheap to clone: aliases share it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where the value begins.
    pub(super) at: Position,
    pub(super) inside: Inside,
}

#[derive(Clone, Debug)]
pub(super) enum Inside {
    Nothing,
    Entries(Arc<BTreeMap<String, Entry>>),
    Elements(Arc<Vec<Node>>),
}

/// A key of an object and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Position,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn leaf(at: Position) -> Self {
        Self { at, inside: Inside::Nothing }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.inside {
            Inside::Entries(entries) => entries.get(key),
            _ => None,
        }
    }

    pub(super) fn element(&self, index: usize) -> Option<&Self> {
        match &self.inside {
            Inside::Elements(elements) => elements.get(index),
            _ => None,
        }
    }

    /// The position of the field at `path` or of its nearest ancestor; `None` if the path is malformed.
    pub(super) fn locate(&self, path: &str) -> Option<Position> {
        let (mut node, mut at, mut rest) = (self, self.at, path);
        while !rest.is_empty() {
            let (found, after) = node.step(rest)?;
            let Some((next, position)) = found else { break };
            (node, at, rest) = (next, position, after);
        }
        Some(at)
    }

    /// The node and position of the path's first step, if they exist, and the rest of the path.
    fn step<'a>(&self, path: &'a str) -> Option<(Option<(&Self, Position)>, &'a str)> {
        if let Some(inner) = path.strip_prefix('[') {
            let (name, after) = inner.split_once(']')?;
            let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
            let element = name.parse().ok().and_then(|index| self.element(index)).map(|node| (node, node.at));
            return Some((element.or_else(|| self.keyed(name)), separated(after)?));
        }
        // A key may contain the separators itself: the longest one that exists counts.
        let mut first = None;
        let mut longest = None;
        for (end, _) in path.match_indices(['.', '[']).chain([(path.len(), "")]) {
            first = first.or(Some(end));
            if let Some(found) = self.keyed(&path[..end]) {
                longest = Some((found, end));
            }
        }
        let end = longest.map(|(_, end)| end).or(first).filter(|end| *end > 0)?;
        Some((longest.map(|(found, _)| found), separated(&path[end..])?))
    }

    fn keyed(&self, key: &str) -> Option<(&Self, Position)> {
        self.entry(key).map(|entry| (&entry.value, entry.key))
    }
}

/// The path behind a separator: `.` before a key, nothing before a bracket.
fn separated(rest: &str) -> Option<&str> {
    match rest.strip_prefix('.') {
        Some(next) => Some(next).filter(|next| !next.is_empty()),
        None => Some(rest).filter(|rest| rest.is_empty() || rest.starts_with('[')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize) -> Position {
        Position::new(line, 1)
    }

    fn object<const N: usize>(line: usize, entries: [(&str, Node); N]) -> Node {
        let entries =
            entries.into_iter().map(|(key, value)| (key.to_owned(), Entry { key: value.at, value }));
        Node { at: at(line), inside: Inside::Entries(Arc::new(entries.collect())) }
    }

    #[track_caller]
    fn check(path: &str, line: Option<usize>) {
        let labels = object(3, [("a", Node::leaf(at(4))), ("a.b/c", object(5, [("d", Node::leaf(at(6)))]))]);
        let list = Node { at: at(7), inside: Inside::Elements(Arc::new(vec![Node::leaf(at(8))])) };
        let root = object(1, [("labels", labels), ("list", list), ("0", Node::leaf(at(9)))]);
        assert_eq!(root.locate(path).map(|position| position.line as usize), line);
    }

    #[test]
    fn an_existing_path_is_its_key_or_element() {
        for (path, line) in [("", 1), ("labels", 3), ("labels.a", 4), ("list", 7), ("list[0]", 8), ("[0]", 9)]
        {
            check(path, Some(line));
        }
    }

    #[test]
    fn a_key_with_dots_is_found_with_and_without_brackets() {
        for path in ["labels.a.b/c", "labels[a.b/c]", "labels[\"a.b/c\"]"] {
            check(path, Some(5));
            check(&format!("{path}.d"), Some(6));
        }
    }

    #[test]
    fn a_missing_path_is_its_nearest_ancestor() {
        for (path, line) in [("x", 1), ("x.y[0].z", 1), ("labels.x", 3), ("labels.a.x", 4), ("list[1].x", 7)]
        {
            check(path, Some(line));
        }
    }

    #[test]
    fn a_malformed_path_is_nowhere() {
        for path in [".", "labels.", "list[0", "list[0]x", "labels..a", ".labels"] {
            check(path, None);
        }
    }
}
