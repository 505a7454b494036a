//! Addresses of mail, as Go reads them (`ParseAddress` of `net/mail/message.go`).
//!
//! Only whether a text is one: not its parts. A name may be in any charset, which upstream refuses. The invariant: one pass, and
//! no depth, whatever the text.

use std::net::IpAddr;

/// Whether a text is one address: `a@b.c`, `A <a@b.c>`, or a group with one in it.
pub(super) fn is_email(text: &str) -> bool {
    let mut reader = Reader(text);
    reader.addresses() == Some(1) && reader.skip_comments() && reader.0.is_empty()
}

/// What is still to be read.
struct Reader<'t>(&'t str);

/// How an address begins.
enum Start {
    /// With all of it: nothing else follows.
    Whole,
    /// With a name, or with nothing: a group or an address in angle brackets follows.
    Name,
}

impl<'t> Reader<'t> {
    /// Reads an address or a group of them; how many there were.
    fn addresses(&mut self) -> Option<usize> {
        match self.start()? {
            Start::Whole => Some(1),
            Start::Name if self.takes(':') => self.group(),
            Start::Name => self.angle().then_some(1),
        }
    }

    fn address(&mut self) -> bool {
        match self.start() {
            Some(Start::Whole) => true,
            Some(Start::Name) => self.angle(),
            None => false,
        }
    }

    fn start(&mut self) -> Option<Start> {
        self.skip_space();
        if self.spec() {
            self.skip_space();
            let is_fine = !self.takes('(') || self.comment();
            return is_fine.then_some(Start::Whole);
        }
        let is_fine = self.0.starts_with('<') || self.phrase();
        self.skip_space();
        is_fine.then_some(Start::Name)
    }

    /// What follows the colon of a group.
    fn group(&mut self) -> Option<usize> {
        self.skip_space();
        if self.takes(';') {
            return self.skip_comments().then_some(0);
        }
        let mut count = 0;
        loop {
            if !self.address() || !self.skip_comments() {
                return None;
            }
            count += 1;
            if self.takes(';') {
                return self.skip_comments().then_some(count);
            }
            if !self.takes(',') {
                return None;
            }
        }
    }

    fn angle(&mut self) -> bool {
        self.takes('<') && self.spec() && self.takes('>')
    }

    /// `local@domain`; when it is none, nothing is read.
    fn spec(&mut self) -> bool {
        let before = self.0;
        let is_spec = self.local() && self.takes('@') && self.domain();
        if !is_spec {
            self.0 = before;
        }
        is_spec
    }

    fn local(&mut self) -> bool {
        self.skip_space();
        if self.0.starts_with('"') {
            return self.quoted().is_some_and(|length| length > 0);
        }
        is_dotted(self.atom())
    }

    fn domain(&mut self) -> bool {
        self.skip_space();
        if !self.takes('[') {
            return is_dotted(self.atom());
        }
        let Some((literal, rest)) = self.0.split_once(']') else { return false };
        self.0 = rest;
        match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<IpAddr>().is_ok(),
            None => literal.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_ipv4()),
        }
    }

    /// Words, with comments between them.
    fn phrase(&mut self) -> bool {
        let mut has_word = false;
        loop {
            if has_word && !self.skip_comments() {
                return false;
            }
            self.skip_space();
            let is_word =
                if self.0.starts_with('"') { self.quoted().is_some() } else { !self.atom().is_empty() };
            if !is_word {
                return has_word;
            }
            has_word = true;
        }
    }

    /// Letters of words and dots, as many as there are.
    fn atom(&mut self) -> &'t str {
        let is_part = |c: char| is_visible(c) && !"()<>[]:;@\\,\"".contains(c);
        let end = self.0.find(|c: char| !is_part(c)).unwrap_or(self.0.len());
        let (atom, rest) = self.0.split_at(end);
        self.0 = rest;
        atom
    }

    /// A text in quotes, which begins here: its length. When it has no end, nothing is read.
    fn quoted(&mut self) -> Option<usize> {
        let (mut length, mut is_escaped) = (0, false);
        for (at, c) in self.0.char_indices().skip(1) {
            match c {
                '"' if !is_escaped => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(length);
                }
                '\\' if !is_escaped => is_escaped = true,
                _ if is_visible(c) || matches!(c, ' ' | '\t') => {
                    length += 1;
                    is_escaped = false;
                }
                _ => return None,
            }
        }
        None
    }

    /// The rest of a comment, whose bracket was read.
    fn comment(&mut self) -> bool {
        let mut depth = 1_usize;
        let mut letters = self.0.chars();
        while let Some(c) = letters.next() {
            match c {
                '\\' => {
                    letters.next();
                }
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        self.0 = letters.as_str();
        depth == 0
    }

    /// Whether all comments have an end.
    fn skip_comments(&mut self) -> bool {
        self.skip_space();
        while self.takes('(') {
            if !self.comment() {
                return false;
            }
            self.skip_space();
        }
        true
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

fn is_visible(c: char) -> bool {
    c.is_ascii_graphic() || !c.is_ascii()
}

/// Whether dots are only between letters.
fn is_dotted(atom: &str) -> bool {
    !atom.is_empty() && !atom.starts_with('.') && !atom.ends_with('.') && !atom.contains("..")
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn addresses_are_what_go_reads() {
        for text in [
            "a@b",
            "a@b.c",
            " a@b.c ",
            "A <a@b.c>",
            "<a@b.c>",
            "\"A, B.\" <a@b.c>",
            "A. (of C) B <a@b.c> (a (b) \\))",
            "\"a b\"@c",
            "ä@ö",
            "a@[127.0.0.1]",
            "g: a@b.c;",
        ] {
            assert!(is_email(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            ".a@b",
            "a..b@c",
            "a@b.",
            "a b@c",
            "a@b@c",
            "A <a@b.c",
            "A a@b.c>",
            "\"\"@a",
            "\"a@b",
            "a@[::x]",
            "a@b (",
            "g: ;",
            "g: a@b, c@d;",
            "a@b, c@d",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }
}
