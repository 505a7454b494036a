//! The names of images, normalised as Kubernetes does.
//!
//! It knows only the grammar (`distribution/reference`), no registries and no contents. Invariant: two texts that mean the
//! same image are equal as [`ImageName`]s.

use std::fmt;

use orch_core::Str;
use orch_core::runtime::{Error, Result};

/// The longest repository name (`distribution/reference/reference.go`).
const MAX_REPOSITORY: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;
/// The shortest hexadecimal part of a digest.
const MIN_DIGEST: usize = 32;

/// A full image name: registry, repository, and a digest or else a tag.
///
/// ```
/// use orch_runtime::task::ImageName;
/// let name = |text: &str| ImageName::parse(text).map(|name| name.to_string()).map_err(|error| error.reason());
/// assert_eq!(name("nginx").as_deref(), Ok("docker.io/library/nginx:latest"));
/// assert_eq!(name("shop/web:1").as_deref(), Ok("docker.io/shop/web:1"));
/// assert_eq!(name("localhost:5000/web").as_deref(), Ok("localhost:5000/web:latest"));
/// assert_eq!(name("Web!"), Err("InvalidImageName"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    repository: Str,
    version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Version {
    Tag(Str),
    Digest(Str),
}

impl ImageName {
    /// Reads a name as a container spec gives it. A tag beside a digest is dropped (`pkg/util/parsers/parsers.go`).
    ///
    /// # Errors
    /// `InvalidImageName`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::InvalidImageName { image: text.into(), why: why.to_owned() };
        if text.len() == 64 && text.bytes().all(is_hex) {
            return Err(wrong("invalid repository name, cannot specify 64-byte hexadecimal strings"));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // A colon after the last slash begins the tag; one before it, a registry's port.
        let path_at = named.rfind('/').map_or(0, |at| at + 1);
        let (named, tag) = match named[path_at..].find(':') {
            Some(at) => (&named[..path_at + at], Some(&named[path_at + at + 1..])),
            None => (named, None),
        };
        let repository = repository(named).map_err(wrong)?;
        if tag.is_some_and(|tag| !is_tag(tag)) || digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(wrong("invalid reference format"));
        }
        let version = match (digest, tag) {
            (Some(digest), _) => Version::Digest(digest.into()),
            (None, tag) => Version::Tag(tag.unwrap_or("latest").into()),
        };
        Ok(Self { repository: repository.into(), version })
    }

    /// Registry and repository, for example `docker.io/library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, when the name has one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        match &self.version {
            Version::Digest(digest) => Some(digest),
            Version::Tag(_) => None,
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

/// Adds the default registry and its `library` (`distribution/reference/normalize.go`).
fn repository(named: &str) -> Result<String, &'static str> {
    let is_domain = |part: &str| {
        part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let (domain, path) = match named.split_once('/') {
        Some((domain, path)) if is_domain(domain) => (domain, path),
        _ => ("docker.io", named),
    };
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("invalid reference format: repository name must be lowercase");
    }
    if !is_domain_name(domain) || !path.split('/').all(is_component) {
        return Err("invalid reference format");
    }
    let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
    let full = if domain == "docker.io" && !path.contains('/') {
        format!("{domain}/library/{path}")
    } else {
        format!("{domain}/{path}")
    };
    if full.len() > MAX_REPOSITORY {
        return Err("repository name must not be more than 255 characters");
    }
    Ok(full)
}

/// `host.name:port`; the port may be missing.
fn is_domain_name(domain: &str) -> bool {
    let (host, port) = domain.split_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let label = |label: &str| {
        let bytes = label.as_bytes();
        alphanumeric(bytes.first())
            && alphanumeric(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    host.split('.').all(label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(component: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(is_inner) || !bytes.last().is_some_and(is_inner) {
        return false;
    }
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    separators
        .into_iter()
        .all(|text| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= MAX_TAG
        && bytes.next().is_some_and(word)
        && bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte))
            && hex.len() >= MIN_DIGEST
            && hex.bytes().all(is_hex)
    })
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(ImageName::parse(text).unwrap().to_string(), expected);
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = ImageName::parse(text).unwrap_err();
        assert_eq!(error.reason(), "InvalidImageName");
        assert!(error.to_string().contains(why), "{error}");
    }

    const DIGEST: &str = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

    #[test]
    fn names_are_completed() {
        check("nginx", "docker.io/library/nginx:latest");
        check("nginx:1.29", "docker.io/library/nginx:1.29");
        check("shop/web", "docker.io/shop/web:latest");
        check("docker.io/nginx", "docker.io/library/nginx:latest");
        check("index.docker.io/nginx", "docker.io/library/nginx:latest");
        check("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10");
        check("localhost/a/b", "localhost/a/b:latest");
        check("host:5000/a:b", "host:5000/a:b");
        check("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest");
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        check(&format!("nginx@{DIGEST}"), &format!("docker.io/library/nginx@{DIGEST}"));
        check(&format!("nginx:1@{DIGEST}"), &format!("docker.io/library/nginx@{DIGEST}"));
        assert_eq!(ImageName::parse(&format!("nginx@{DIGEST}")).unwrap().digest(), Some(DIGEST));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        refused("", "invalid reference format");
        refused("Nginx", "must be lowercase");
        refused("shop/Web", "must be lowercase");
        refused("nginx:", "invalid reference format");
        refused("nginx:-1", "invalid reference format");
        refused("nginx@sha256:12", "invalid reference format");
        refused("a b", "invalid reference format");
        refused("a///b", "invalid reference format");
        refused("a___b", "invalid reference format");
        refused(&"a/".repeat(200), "invalid reference format");
        refused(&format!("{}a", "a/".repeat(200)), "not be more than 255");
        refused(&"a".repeat(64), "64-byte hexadecimal");
        refused("-host.x/a", "invalid reference format");
    }
}
