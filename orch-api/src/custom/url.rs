//! URLs, as Go reads them (`net/url/url.go`): the format `uri` of schemas, `isURL` and `url` of expressions.
//!
//! Not relative ones, and nothing is resolved. The invariant: a [`Url`] is of a text that Kubernetes takes, too.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv6Addr;

/// Pairs that Go reads of one query (`urlmaxqueryparams`).
const MAX_PAIRS: usize = 10_000;

/// The parts of a URL.
#[derive(Debug)]
pub(crate) struct Url<'t> {
    /// In lower case; empty when it is a path.
    pub(crate) scheme: String,
    /// Unescaped, with its port.
    pub(crate) host: String,
    path: &'t str,
    query: &'t str,
}

/// What a text is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// What a request asks for: a fragment is part of the path or the query (`ParseRequestURI`).
    Request,
    /// A text without its fragment, where a host follows two slashes (`Parse`).
    Reference,
}

/// Where in a URL a text is: what may stand there, and what escapes stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Query,
    Other,
}

/// Whether a text is an absolute URL or an absolute path.
pub(crate) fn is_url(text: &str) -> bool {
    parts(text, Form::Request).is_some()
}

impl<'t> Url<'t> {
    /// The parts of an absolute URL or path (`stringToUrl` of `apiserver/pkg/cel/library/urls.go`).
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_fine = is_url(text) && unescape(fragment, Part::Other).is_some();
        is_fine.then(|| parts(before, Form::Reference)).flatten()
    }

    /// The name of the host, without brackets, and the port.
    pub(crate) fn hostname_and_port(&self) -> (&str, &str) {
        let (name, port) = match self.host.rsplit_once(':') {
            Some((name, port)) if is_number(port) => (name, port),
            _ => (self.host.as_str(), ""),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        (bare.unwrap_or(name), port)
    }

    /// The path; what must be escaped in it is.
    pub(crate) fn escaped_path(&self) -> Cow<'t, str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
        if self.path.bytes().all(|byte| is_plain(byte) || b"!'()*[]%".contains(&byte)) {
            return self.path.into();
        }
        let mut escaped = String::new();
        for byte in unescape(self.path, Part::Other).unwrap_or_default() {
            if is_plain(byte) {
                escaped.push(char::from(byte));
            } else {
                // Writing to a text cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        escaped.into()
    }

    /// The values of each key of the query. Pairs that are none are left out.
    pub(crate) fn query(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        if self.query.split('&').count() > MAX_PAIRS {
            return all;
        }
        let plain = |text: &str| unescape(text, Part::Query).map(|bytes| lossy(&bytes));
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let (Some(key), Some(value)) = (plain(key), plain(value)) {
                all.entry(key).or_default().push(value);
            }
        }
        all
    }
}

fn parts(text: &str, form: Form) -> Option<Url<'_>> {
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    if text == "*" {
        return Some(Url { scheme: String::new(), host: String::new(), path: text, query: "" });
    }
    let (scheme, rest) = split_scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        // What follows a scheme is not looked at: `mailto:a@b`.
        return (!scheme.is_empty()).then(|| Url { scheme, host: String::new(), path: "", query });
    }
    let has_host = !scheme.is_empty() || (form == Form::Reference && !rest.starts_with("///"));
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) if has_host => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (host(authority, &scheme)?, path)
        }
        _ => (String::new(), rest),
    };
    unescape(path, Part::Other)?;
    Some(Url { scheme, host, path, query })
}

/// The scheme and what follows it; the scheme is empty where there is none. A colon needs something before it.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(text.len());
    let (scheme, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => None,
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Some((scheme, rest)),
        _ => Some(("", text)),
    }
}

/// The host and its port, of what may begin with a user.
fn host(authority: &str, scheme: &str) -> Option<String> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_user = user.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c));
    if !is_user || unescape(user, Part::Other).is_none() {
        return None;
    }
    match host.rfind('[') {
        Some(0) => return address(host),
        Some(_) => return None,
        None => {}
    }
    // Those of databases may be several hosts, each with a port.
    let colon = if matches!(scheme, "http" | "https") { host.find(':') } else { host.rfind(':') };
    let (_, port) = host.split_at(colon.unwrap_or(host.len()));
    is_port(port).then(|| unescape(host, Part::Host)).flatten().map(|bytes| lossy(&bytes))
}

/// An address of version 6 in brackets, which may have a zone, and its port.
fn address(host: &str) -> Option<String> {
    let (address, port) = host.strip_prefix('[')?.rsplit_once(']')?;
    let (address, zone) = address.split_at(address.find("%25").unwrap_or(address.len()));
    let address = lossy(&unescape(address, Part::Host)?);
    let zone = lossy(&unescape(zone, Part::Zone)?);
    let is_fine = address.parse::<Ipv6Addr>().is_ok() && zone != "%" && is_port(port);
    is_fine.then(|| format!("[{address}{zone}]{port}"))
}

/// Nothing, or a colon and digits, which may be none.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a host may have it unescaped.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$&'()*+,;=:[]<>\"-_.~".contains(&byte)
}

/// The bytes that a text stands for; nothing when an escape is broken, or something is not allowed there.
fn unescape(text: &str, part: Part) -> Option<Vec<u8>> {
    let is_host = matches!(part, Part::Host | Part::Zone);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let byte = hex(rest.next()?)? * 16 + hex(rest.next()?)?;
                let is_allowed = match part {
                    Part::Host => byte == b'%' || !byte.is_ascii(),
                    Part::Zone => matches!(byte, b'%' | b' ') || is_of_host(byte),
                    Part::Query | Part::Other => true,
                };
                is_allowed.then_some(byte)?
            }
            b'+' if part == Part::Query => b' ',
            _ if is_host && byte.is_ascii() && !is_of_host(byte) => return None,
            _ => byte,
        };
        bytes.push(byte);
    }
    Some(bytes)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_what_go_reads() {
        for text in [
            "*",
            "/",
            "/a b",
            "//",
            "/a#b",
            "mailto:a@b",
            "http:",
            "http://",
            "http://a",
            "http://a:",
            "HTTP://a:80/b?c=%zz#d",
            "http://a/%20/ä",
            "http://u:p%40@a",
            "http://[::1]",
            "http://[::1]:80",
            "http://[::ffff:1.2.3.4]",
            "http://[fe80::1%25en0]",
            "http://%C3%A4",
            "db://a:1,b:2",
            "https://user:pass@example.com:80/path?query=val#fragment",
        ] {
            assert!(is_url(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_urls() {
        for text in [
            "",
            "a",
            "a b",
            "../relative-path",
            "1a:b",
            ":a",
            "/a\n",
            "http://a b",
            "http://a#b",
            "http://a:port",
            "https://a:b:c/",
            "http://a:1,b:2",
            "http://[::1",
            "http://[::1]x",
            "http://[::1]:x",
            "http://[1.2.3.4]",
            "http://[a]",
            "http://a[::1]",
            "http://[fe80::1%25]",
            "http://%zz",
            "http://%20",
            "http://a/%zz",
            "/%a",
            "http://u%zz@a",
            "http://u<@a",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }

    #[test]
    fn parts_are_those_of_go() {
        for (text, scheme, host, name, port, path) in [
            ("/path", "", "", "", "", "/path"),
            ("HTTPS://example.com:80/", "https", "example.com:80", "example.com", "80", "/"),
            ("https://example.com", "https", "example.com", "example.com", "", ""),
            ("https://[::1]:80/", "https", "[::1]:80", "::1", "80", "/"),
            ("https://[::1]/", "https", "[::1]", "::1", "", "/"),
            ("https://a/path with spaces/", "https", "a", "a", "", "/path%20with%20spaces/"),
            ("https://a/b%2fc[1]?d#e", "https", "a", "a", "", "/b%2fc[1]"),
            ("https://u@a/b#c?d", "https", "a", "a", "", "/b"),
            ("https://a/ä%2f", "https", "a", "a", "", "/%C3%A4/"),
            ("//a/b", "", "a", "a", "", "/b"),
            ("mailto:a@b", "mailto", "", "", "", ""),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.scheme.as_str(), url.host.as_str()), (scheme, host), "{text}");
            assert_eq!(url.hostname_and_port(), (name, port), "{text}");
            assert_eq!(url.escaped_path(), path, "{text}");
        }
        assert!(Url::parse("/a?b#%zz").is_none(), "the fragment is looked at");
        assert!(Url::parse("//[::1/b").is_none(), "the host is looked at");
        assert!(is_url("/a?b#%zz") && is_url("//[::1/b"));
    }

    #[test]
    fn queries_are_unescaped() {
        let query = |text| format!("{:?}", Url::parse(text).unwrap().query());
        assert_eq!(query("/a?k1=a&k2=b&k2=c"), r#"{"k1": ["a"], "k2": ["b", "c"]}"#);
        assert_eq!(query("/a?b c=d+%65#f"), r#"{"b c": ["d e"]}"#);
        assert_eq!(query("/a?b;c=d&&%zz&e"), r#"{"e": [""]}"#);
        assert_eq!(query("/a?"), "{}");
    }
}
