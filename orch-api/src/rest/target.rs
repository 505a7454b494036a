//! What a request is about: the parts of its path, as `apiserver/pkg/endpoints/request/requestinfo.go` takes them apart.
//!
//! Not a lookup: whether such a group, version or resource exists is the registry's to say. Invariant: every part is
//! decoded once, and a part that does not decode, or is empty where a name must stand, is a path that nothing serves: what
//! the authorizer is asked and what is done are of the same parts.

use std::borrow::Cow;

use orch_core::Str;

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
    pub(super) group: Str,
    pub(super) version: Str,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub(super) namespace: Str,
    pub(super) resource: Str,
    /// Empty for a collection.
    pub(super) name: Str,
    /// Empty for the object itself.
    pub(super) subresource: Str,
    /// Parts behind the subresource.
    pub(super) rest: Vec<String>,
    /// The old form of a watch: `/api/v1/watch/…`.
    pub(super) is_watch: bool,
}

/// Subresources of a namespace itself; anything else behind its name stands in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Takes a path apart; `None` when it cannot be decoded, or when a name in it is empty though something follows.
pub(super) fn parse(path: &str) -> Option<Target> {
    let parts = path.trim_matches('/').split('/').map(decoded).collect::<Option<Vec<_>>>()?;
    let (group, behind) = match &*parts[0] {
        "api" if parts.len() > 2 => (Str::default(), 1),
        "apis" if parts.len() > 3 => (Str::from(&*parts[1]), 2),
        _ => return Some(Target::Path(parts.into_iter().map(Cow::into_owned).collect())),
    };
    let version = Str::from(&*parts[behind]);
    let mut rest = &parts[behind + 1..];
    let is_watch = rest.len() > 1 && rest[0] == "watch";
    if is_watch {
        rest = &rest[1..];
    }
    let mut namespace = Str::default();
    if rest.len() > 2 && rest[0] == "namespaces" && !NAMESPACE_SUBRESOURCES.contains(&&*rest[2]) {
        namespace = Str::from(&*rest[1]);
        if namespace.is_empty() {
            return None;
        }
        rest = &rest[2..];
    }
    if rest.iter().any(|part| part.is_empty()) {
        return None;
    }
    let part = |at: usize| rest.get(at).map_or_else(Str::default, |part| Str::from(&**part));
    let (resource, name, subresource) = (part(0), part(1), part(2));
    let rest = rest.iter().skip(3).map(|part| part.clone().into_owned()).collect();
    let target = ResourceTarget { group, version, namespace, resource, name, subresource, rest, is_watch };
    Some(Target::Resource(target))
}

/// A text whose `%XX` are bytes; `None` when it is not UTF-8 then, or a `%` stands alone.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    decoded(text).map(Cow::into_owned)
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
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
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(group: &str, version: &str, parts: [&str; 4]) -> Target {
        let [namespace, resource, name, subresource] = parts.map(Str::from);
        let (group, version) = (group.into(), version.into());
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
        assert!(target.is_watch && &*target.namespace == "shop" && &*target.resource == "pods");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_path_makes_it_panic(path in "[/a-z%0-9\u{e9}]{0,60}") {
            parse(&path);
        }
    }
}
