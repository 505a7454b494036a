//! What a request is about: the parts of its path, as `apiserver/pkg/endpoints/request/requestinfo.go` takes them apart.
//!
//! Not a lookup: whether such a group, version or resource exists is the registry's to say. Invariant: every part is
//! decoded once, and a part that does not decode, or is empty where a name must stand, is a path that nothing serves: what
//! the authorizer is asked and what is done are of the same parts.

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A path that is no resource: health, version, discovery, OpenAPI.
    Path(Vec<String>),
    /// A resource.
    Resource(ResourceTarget),
}

/// A path into a group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourceTarget {
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub(super) namespace: String,
    pub(super) resource: String,
    /// Empty for a collection.
    pub(super) name: String,
    /// Empty for the object itself.
    pub(super) subresource: String,
    /// Parts behind the subresource.
    pub(super) rest: Vec<String>,
    /// The old form of a watch: `/api/v1/watch/…`.
    pub(super) is_watch: bool,
}

/// Subresources of a namespace itself; anything else behind its name stands in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Takes a path apart; `None` when it cannot be decoded, or when a name in it is empty though something follows.
pub(super) fn parse(path: &str) -> Option<Target> {
    let parts: Vec<String> =
        path.trim_matches('/').split('/').map(percent_decoded).collect::<Option<Vec<_>>>()?;
    let (group, version, rest) = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["api", version, _, ..] => ("", version, &parts[2..]),
        ["apis", group, version, _, ..] => (group, version, &parts[3..]),
        _ => return Some(Target::Path(parts)),
    };
    let mut target =
        ResourceTarget { group: group.into(), version: version.into(), ..ResourceTarget::default() };
    let mut rest = rest.iter().cloned().peekable();
    if rest.peek().is_some_and(|part| part == "watch") && rest.len() > 1 {
        rest.next();
        target.is_watch = true;
    }
    let mut rest: Vec<String> = rest.collect();
    let is_in_namespace =
        rest.len() > 2 && rest[0] == "namespaces" && !NAMESPACE_SUBRESOURCES.contains(&rest[2].as_str());
    if is_in_namespace {
        target.namespace.clone_from(&rest[1]);
        rest.drain(..2);
    }
    let has_gap = is_in_namespace && target.namespace.is_empty() || rest.iter().any(String::is_empty);
    if has_gap {
        return None;
    }
    let mut rest = rest.into_iter();
    target.resource = rest.next().unwrap_or_default();
    target.name = rest.next().unwrap_or_default();
    target.subresource = rest.next().unwrap_or_default();
    target.rest = rest.collect();
    Some(Target::Resource(target))
}

/// A text whose `%XX` are bytes; `None` when it is not UTF-8 then, or a `%` stands alone.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(group: &str, version: &str, parts: [&str; 4]) -> Target {
        let [namespace, resource, name, subresource] = parts.map(str::to_owned);
        let (group, version) = (group.to_owned(), version.to_owned());
        Target::Resource(ResourceTarget {
            group,
            version,
            namespace,
            resource,
            name,
            subresource,
            ..ResourceTarget::default()
        })
    }

    #[test]
    fn paths_are_taken_apart_as_kubernetes_does() {
        for (path, expected) in [
            ("/api/v1/pods", resource("", "v1", ["", "pods", "", ""])),
            ("/api/v1/namespaces/shop/pods", resource("", "v1", ["shop", "pods", "", ""])),
            ("/api/v1/namespaces/shop/pods/a", resource("", "v1", ["shop", "pods", "a", ""])),
            ("/api/v1/namespaces/shop/pods/a/status", resource("", "v1", ["shop", "pods", "a", "status"])),
            ("/api/v1/namespaces/shop", resource("", "v1", ["", "namespaces", "shop", ""])),
            ("/api/v1/namespaces/shop/finalize", resource("", "v1", ["", "namespaces", "shop", "finalize"])),
            ("/apis/apps/v1/deployments/", resource("apps", "v1", ["", "deployments", "", ""])),
            ("/api/v1/nodes/a%2fb", resource("", "v1", ["", "nodes", "a/b", ""])),
            ("/apis/apps/v1", Target::Path(vec!["apis".into(), "apps".into(), "v1".into()])),
            ("/", Target::Path(vec![String::new()])),
        ] {
            assert_eq!(parse(path), Some(expected), "{path}");
        }
        assert_eq!(parse("/api/v1/pods/%zz"), None);
        for gap in [
            "pods//status",
            "watch//pods/a",
            "namespaces//pods",
            "namespaces/shop/pods//log",
            "namespaces/shop//a",
        ] {
            assert_eq!(parse(&format!("/api/v1/{gap}")), None, "{gap}");
        }
        let Some(Target::Resource(target)) = parse("/api/v1/watch/namespaces/shop/pods") else { panic!() };
        assert!(target.is_watch && target.namespace == "shop" && target.resource == "pods");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_path_makes_it_panic(path in "[/a-z%0-9\u{e9}]{0,60}") {
            parse(&path);
        }
    }
}
