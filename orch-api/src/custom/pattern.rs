//! Regular expressions as Go reads them (`regexp/syntax` with its flags `Perl`), in which patterns of schemas and those of
//! rules are written.
//!
//! A pattern is rewritten for the crate `regex`, which has other classes, escapes and sets. Not everything that Go refuses is
//! refused: `regex` knows more properties of characters. Invariant: what is compiled takes no more memory than it may.

use std::fmt::Write as _;

use regex::Regex;

/// The most that one repetition may count, as in Go.
const MAX_REPEAT: u32 = 1_000;

/// The names of classes in brackets.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// A pattern, if it is one; `size` are the bytes that it may take when it is compiled.
///
/// # Errors
/// Why it is none, in Go's words if Go refuses it.
pub(crate) fn compile(text: &str, size: usize) -> Result<Regex, String> {
    let compiled = translated(text).and_then(|pattern| {
        let built = regex::RegexBuilder::new(&pattern).size_limit(size).build();
        built.map_err(|error| {
            let why = error.to_string();
            why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    });
    compiled.map_err(|why| format!("error parsing regexp: {why}"))
}

fn translated(text: &str) -> Result<String, String> {
    let mut translation = Translation { rest: text, out: String::new(), repeated: None, open: 0 };
    while let Some(first) = translation.rest.chars().next() {
        if first == ')' && translation.open == 0 {
            return Err(fault("unexpected )", text));
        }
        translation.step(first)?;
    }
    if translation.open > 0 {
        return Err(fault("missing closing )", text));
    }
    Ok(translation.out)
}

struct Translation<'a> {
    rest: &'a str,
    out: String,
    /// The text from the repetition on that stands directly before the rest.
    repeated: Option<&'a str>,
    /// Groups that have begun and not ended.
    open: usize,
}

/// What stands for a class of Perl's in brackets.
fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

impl<'a> Translation<'a> {
    fn step(&mut self, first: char) -> Result<(), String> {
        let (before, repeated) = (self.rest, self.repeated.take());
        match first {
            '*' | '+' | '?' => {
                self.copy(1);
                self.repeated_from(before, repeated)?;
            }
            '{' => match counts(before) {
                Some((length, true)) => {
                    self.copy(length);
                    self.repeated_from(before, repeated)?;
                }
                Some((length, false)) => return Err(fault("invalid repeat count", &before[..length])),
                None => self.literal(first),
            },
            '(' => self.group()?,
            '[' => self.class()?,
            '\\' => self.escaped()?,
            ')' => {
                self.open -= 1;
                self.copy(1);
            }
            '.' | '^' | '$' | '|' => self.copy(1),
            _ => self.literal(first),
        }
        Ok(())
    }

    /// Goes on behind that many bytes.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(self.rest.get(..bytes).unwrap_or(self.rest));
        self.skip(bytes);
    }

    fn literal(&mut self, character: char) {
        self.skip(character.len_utf8());
        push(&mut self.out, character);
    }

    /// A repetition has been read that begins there; it may be lazy, and may not follow another one.
    fn repeated_from(&mut self, begin: &'a str, last: Option<&'a str>) -> Result<(), String> {
        if self.rest.starts_with('?') {
            self.copy(1);
        }
        if let Some(last) = last {
            let both = &last[..last.len() - self.rest.len()];
            return Err(fault("invalid nested repetition operator", both));
        }
        self.repeated = Some(begin);
        Ok(())
    }

    fn group(&mut self) -> Result<(), String> {
        let Some(inner) = self.rest.strip_prefix("(?") else {
            self.open += 1;
            self.copy(1);
            return Ok(());
        };
        if let Some(named) = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<')) {
            let name = named.split_once('>').map_or("", |(name, _)| name);
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(fault("invalid named capture", self.rest));
            }
            // Nobody asks for groups by name.
            self.skip(self.rest.len() - named.len() + name.len() + 1);
            self.out.push('(');
            self.open += 1;
            return Ok(());
        }
        let Some(end) = inner.find([':', ')']) else { return Err(fault("missing closing )", self.rest)) };
        if !inner[..end].chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
            return Err(fault("invalid or unsupported Perl syntax", &self.rest[..end + 2]));
        }
        self.open += usize::from(inner[end..].starts_with(':'));
        self.copy(end + 3);
        Ok(())
    }

    /// A backslash outside of a class.
    fn escaped(&mut self) -> Result<(), String> {
        let letter = self.rest.chars().nth(1).unwrap_or_default();
        if let Some(class) = perl(letter) {
            self.skip(2);
            self.out.push_str(class);
            return Ok(());
        }
        match letter {
            'A' | 'z' => self.copy(2),
            'b' | 'B' => {
                self.skip(2);
                let _ = write!(self.out, r"(?-u:\{letter})");
            }
            'p' | 'P' => self.property()?,
            'Q' => {
                self.skip(2);
                let quoted = self.rest.split_once(r"\E").map_or(self.rest, |(quoted, _)| quoted);
                quoted.chars().for_each(|character| push(&mut self.out, character));
                self.skip(quoted.len() + r"\E".len());
            }
            _ => {
                let character = self.character()?;
                push(&mut self.out, character);
            }
        }
        Ok(())
    }

    /// `\pL`, `\PL`, `\p{Greek}` or `\p{^Greek}`.
    fn property(&mut self) -> Result<(), String> {
        let invalid = fault("invalid character class range", self.rest);
        let is_upper = self.rest.starts_with(r"\P");
        let name = self.rest.get(2..).unwrap_or_default();
        let (name, length) = match name.strip_prefix('{') {
            Some(name) => {
                let Some((name, _)) = name.split_once('}') else { return Err(invalid) };
                (name, name.len() + 2)
            }
            None => match name.chars().next() {
                Some(letter) => (&name[..letter.len_utf8()], letter.len_utf8()),
                None => return Err(invalid),
            },
        };
        let (is_negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
        if name.contains(['=', ':', '!']) {
            return Err(invalid);
        }
        let letter = if is_upper == is_negated { 'p' } else { 'P' };
        let _ = write!(self.out, "\\{letter}{{{name}}}");
        self.skip(2 + length);
        Ok(())
    }

    /// One character, which may be escaped.
    fn character(&mut self) -> Result<char, String> {
        let (whole, mut rest) = (self.rest, self.rest.chars());
        let first = rest.next().unwrap_or_default();
        if first != '\\' {
            self.skip(first.len_utf8());
            return Ok(first);
        }
        let Some(letter) = rest.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        self.skip(1 + letter.len_utf8());
        let is_octal = |c: &char| ('0'..='7').contains(c);
        let found = match letter {
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            'x' => self.hexadecimal(),
            // One digit alone but zero refers to a group, which Go has not.
            '0'..='7' if letter == '0' || self.rest.starts_with(|c| is_octal(&c)) => {
                let more = self.rest.chars().take(2).take_while(is_octal).count();
                let digits = &whole[1..2 + more];
                self.skip(more);
                u32::from_str_radix(digits, 8).ok().and_then(char::from_u32)
            }
            _ => (letter.is_ascii() && !letter.is_ascii_alphanumeric()).then_some(letter),
        };
        let end = 1 + letter.len_utf8();
        found.ok_or_else(|| fault("invalid escape sequence", whole.get(..end).unwrap_or(whole)))
    }

    /// The number behind `\x`.
    fn hexadecimal(&mut self) -> Option<char> {
        let digits = match self.rest.strip_prefix('{') {
            Some(rest) => rest.split_once('}')?.0,
            None => self.rest.get(..2)?,
        };
        let is_braced = self.rest.starts_with('{');
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        self.skip(digits.len() + if is_braced { 2 } else { 0 });
        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut is_first = true;
        while is_first || !self.rest.starts_with(']') {
            is_first = false;
            if self.rest.is_empty() {
                return Err(fault("missing closing ]", whole));
            }
            self.element()?;
        }
        self.copy(1);
        Ok(())
    }

    /// A character, a range or a class in a class.
    fn element(&mut self) -> Result<(), String> {
        let before = self.rest;
        if let Some((name, _)) = before.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
            if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err(fault("invalid character class range", &before[..name.len() + 4]));
            }
            self.copy(name.len() + 4);
            return Ok(());
        }
        if before.starts_with(r"\p") || before.starts_with(r"\P") {
            return self.property();
        }
        if let Some(class) = before.strip_prefix('\\').and_then(|rest| perl(rest.chars().next()?)) {
            self.skip(2);
            self.out.push_str(class);
            return Ok(());
        }
        let low = self.character()?;
        push(&mut self.out, low);
        if self.rest.len() > 1 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
            self.copy(1);
            let high = self.character()?;
            if high < low {
                let range = &before[..before.len() - self.rest.len()];
                return Err(fault("invalid character class range", range));
            }
            push(&mut self.out, high);
        }
        Ok(())
    }
}

fn fault(what: &str, place: &str) -> String {
    format!("{what}: `{place}`")
}

/// A character that means itself, in a class and outside.
fn push(out: &mut String, character: char) {
    if character.is_alphanumeric() {
        out.push(character);
    } else {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(character));
    }
}

/// The length of `{2}`, `{2,}` or `{2,3}` at the beginning, and whether the numbers are good; nothing when it is none of
/// them: then the brace means itself.
fn counts(text: &str) -> Option<(usize, bool)> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = is_number && (digits.len() == 1 || !digits.starts_with('0'));
        is_plain.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inner.split_once(',') {
        None => (number(inner)?, None),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    let is_good = least <= MAX_REPEAT && most.is_none_or(|most| least <= most && most <= MAX_REPEAT);
    Some((inner.len() + 2, is_good))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], not: &[&str]) {
        let regex = compile(pattern, 10 << 20).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        fits.iter().for_each(|text| assert!(regex.is_match(text), "{pattern} {text:?}"));
        not.iter().for_each(|text| assert!(!regex.is_match(text), "{pattern} {text:?}"));
    }

    #[test]
    fn classes_of_perl_are_ascii() {
        check(r"^\d+$", &["12"], &["٣", ""]);
        check(r"^\w+$", &["a_9"], &["ä"]);
        check(r"^\s$", &["\t", " "], &["\u{b}", "\u{a0}"]);
        check(r"^\S\D\W$", &["\u{b}ä "], &["a1 "]);
        check(r"\bä", &["aä"], &["ä", " ä"]);
        check(r"a\B", &["ab"], &["a", "a b"]);
        check(r"^[\w.-]{1,128}$", &["a.b-c"], &["ä", ""]);
        check(r"^[^\W\d]$", &["a", "_"], &["1", "-"]);
        check(r"^\w{1,255}$", &["a"], &[]);
    }

    #[test]
    fn brackets_are_gos() {
        check("^[a[]$", &["a", "["], &["]"]);
        check("^[a[b]$", &["a", "[", "b"], &["]"]);
        check("^[^][]+$", &["a"], &["[", "]"]);
        check(r#"[()<>@,;:\\"\/[\]?={}]"#, &["[", "]", "\\", "/", "{"], &["a"]);
        check(r"^[\w-.]+$", &["a-.", "-"], &[","]);
        check(r"^[\d-z]$", &["1", "-", "z"], &["y"]);
        check("^[a&&b]+$", &["a", "b", "&"], &["c"]);
        check("^[a~~b+--c]+$", &["~", "b", ",", "-", "c"], &["d"]);
        check("^[[:alpha:][:^digit:]]$", &["a", "-"], &["1"]);
        check(r"^[\p{Greek}\PL]$", &["α", "1"], &["a"]);
        check(r"^\p{^Greek}\pL$", &["aα"], &["αa"]);
        check(r"^[a-c\x2d\x{7a}\101]$", &["b", "-", "z", "A"], &["d"]);
        check("^[[:]$", &["[", ":"], &[]);
    }

    #[test]
    fn braces_and_escapes_are_gos() {
        check("^{.*}$", &["{a}"], &["a"]);
        check("^a{,5}$", &["a{,5}"], &["aa"]);
        check("^a{02}$", &["a{02}"], &["aa"]);
        check("^a{2,3}?b{2,}$", &["aabb"], &["abb"]);
        check(r"^\Q.*\E$", &[".*"], &["ab"]);
        check(r"^\Qab\E+\Q(", &["abbb("], &["abab("]);
        check(r"^\101\0\t\_\-$", &["A\0\t_-"], &[]);
        check(r"^\<a\>$", &["<a>"], &["a"]);
        check("^(?P<name>a)(?<other>b)(?:c)(?i)d(?-i:e)(?s:.)$", &["abcDe\n"], &["abcdE\n"]);
        check("^a.$", &["aä"], &["a\n"]);
        check("^(a|b)*?$", &["", "abab"], &["c"]);
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (pattern, why) in [
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+?*b", "invalid nested repetition operator: `+?*`"),
            ("^a{2}{3}$", "invalid nested repetition operator: `{2}{3}`"),
            ("^a{1001}$", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("(?R)", "invalid or unsupported Perl syntax: `(?R`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?u:a)", "invalid or unsupported Perl syntax: `(?u`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=a`"),
            ("(?<=a)", "invalid named capture: `(?<=a)`"),
            (r"^\u0041$", r"invalid escape sequence: `\u`"),
            (r"\Z", r"invalid escape sequence: `\Z`"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            (r"[a-\d]", r"invalid escape sequence: `\d`"),
            (r"[\b]", r"invalid escape sequence: `\b`"),
            (r"\p{Script=Greek}", r"invalid character class range: `\p{Script=Greek}`"),
            (r"\p{Greek", r"invalid character class range: `\p{Greek`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            ("a(b", "missing closing ): `a(b`"),
            ("(?:a))", "unexpected ): `(?:a))`"),
            ("(?i)a)", "unexpected ): `(?i)a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("[]", "missing closing ]: `[]`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            let expected = format!("error parsing regexp: {why}");
            assert_eq!(compile(pattern, 10 << 20).unwrap_err(), expected, "{pattern}");
        }
        for pattern in ["*", "(?i", "(?", r"\p{Nope}", r"\p"] {
            assert!(compile(pattern, 10 << 20).is_err(), "{pattern}");
        }
        assert!(compile("((a{100}){100}){100}", 1 << 20).is_err(), "more than it may take");
    }

    proptest! {
        #[test]
        fn every_pattern_is_answered(pattern in r"[\\pPxQE{}\[\]()?<>:^*+a-d0-9ä&~,-]{0,20}") {
            let _ = compile(&pattern, 1 << 20);
        }

        /// What is quoted means itself.
        #[test]
        fn quoted_texts_match_themselves(text in "[ -~ä\n]{0,20}") {
            prop_assume!(!text.contains(r"\E"));
            let pattern = format!(r"^\Q{text}\E$");
            prop_assert!(text.ends_with('\\') || compile(&pattern, 1 << 20).unwrap().is_match(&text));
        }
    }
}
