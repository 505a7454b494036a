//! Semantic versions, as `semver('1.2.3')` reads and orders them (`apiserver/pkg/cel/library/semverlib.go`, semver.org).

use std::cmp::Ordering;

/// A version. What is built from it does not matter for the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Semver {
    /// Major, minor, patch.
    pub(super) numbers: [u64; 3],
    before: Vec<Part>,
}

/// A part of what stands before a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Text(String),
}

impl Semver {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (release, before) = match text.split_once('-') {
            Some((release, before)) => (release, Some(before)),
            None => (text, None),
        };
        if build.is_some_and(|build| !build.split('.').all(is_identifier)) {
            return None;
        }
        let numbers: Vec<u64> = release.split('.').map(number).collect::<Option<_>>()?;
        let before = match before {
            Some(before) => before.split('.').map(Part::parse).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        Some(Self { numbers: numbers.try_into().ok()?, before })
    }

    /// As people write versions, too: `v1`, `01.2`.
    pub(super) fn parse_loose(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
        if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return None;
        }
        parts.resize(3, "0".to_owned());
        Self::parse(&parts.join("."))
    }
}

impl Ord for Semver {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_release = |version: &Self| version.before.is_empty();
        let parts = is_release(self).cmp(&is_release(other)).then_with(|| self.before.cmp(&other.before));
        self.numbers.cmp(&other.numbers).then(parts)
    }
}

impl PartialOrd for Semver {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        if !is_identifier(text) {
            return None;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return number(text).map(Self::Number);
        }
        Some(Self::Text(text.to_owned()))
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A number without zeros before it.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

fn without_zeros(text: &str) -> String {
    let rest = text.trim_start_matches('0');
    if text.len() > 1 && !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("0{rest}");
    }
    if text.len() > 1 { rest.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_of_semver_org() {
        let all = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
            "1.0.1",
        ];
        for pair in all.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|text| Semver::parse(text).unwrap());
            assert!(a < b, "{pair:?}");
        }
        assert_eq!(Semver::parse("1.2.3+a").unwrap(), Semver::parse("1.2.3+b").unwrap());
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in
            ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3+", "1.2.3-01", "1.2.3-a_b", "1.2.3.4"]
        {
            assert_eq!(Semver::parse(text), None, "{text}");
        }
        for (text, expected) in [("v1", "1.0.0"), ("01.002", "1.2.0"), ("v1.2.03-a", "1.2.3-a")] {
            assert_eq!(Semver::parse_loose(text), Semver::parse(expected), "{text}");
        }
        assert_eq!(Semver::parse_loose("1.2-a"), None);
    }
}
