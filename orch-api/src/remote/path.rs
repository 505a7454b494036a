//! Where things stand on a server: paths and queries.
//!
//! Invariant: whatever a name holds, it stays one part of the path or one value of the query.

use std::fmt::Write as _;

use orch_core::{Key, KindInfo, Select, Subresource};

const NOTHING: &str = "orch.local/nothing,!orch.local/nothing";

/// A path with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    text: String,
    has_query: bool,
}

impl Path {
    /// The objects of a kind in a namespace, or all of them where that is empty.
    pub(super) fn collection(info: &KindInfo, api_version: Option<&str>, namespace: &str) -> Self {
        let preferred = info.api_version();
        let api_version = api_version.unwrap_or(&preferred);
        let mut text = if api_version.contains('/') { "/apis/".to_owned() } else { "/api/".to_owned() };
        for part in api_version.split('/') {
            encode(&mut text, part);
            text.push('/');
        }
        if info.is_namespaced() && !namespace.is_empty() {
            text.push_str("namespaces/");
            encode(&mut text, namespace);
            text.push('/');
        }
        text.push_str(info.kind.resource());
        Self { text, has_query: false }
    }

    /// One object.
    pub(super) fn object(info: &KindInfo, api_version: Option<&str>, key: &Key) -> Self {
        let mut path = Self::collection(info, api_version, &key.namespace);
        path.text.push('/');
        encode(&mut path.text, &key.name);
        path
    }

    /// A part of it with an endpoint of its own.
    pub(super) fn part(mut self, part: Subresource) -> Self {
        if part != Subresource::None {
            self.text.push('/');
            self.text.push_str(part.as_str());
        }
        self
    }

    /// With a value in the query.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        encode(&mut self.text, value);
        self
    }

    /// With the selectors of a selection.
    pub(super) fn selected(self, what: &Select) -> Self {
        // A selector of nothing cannot be spelled; this one no object satisfies.
        let labels = if what.labels.is_nothing() { NOTHING.to_owned() } else { what.labels.to_string() };
        let fields = what.fields.to_string();
        let path = if labels.is_empty() { self } else { self.with("labelSelector", &labels) };
        if fields.is_empty() { path } else { path.with("fieldSelector", &fields) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A text as one part of a path.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode(&mut out, text);
    out
}

/// Everything but unreserved characters (RFC 3986) as `%XX`.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Registry, kind};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_kubernetes() {
        let registry = Registry::built_in();
        let of = |kind| registry.get(kind).unwrap();
        let (web, node) = (Key::new(kind::DEPLOYMENTS, "shop", "web"), Key::cluster(kind::NODES, "n 1/2"));
        for (path, expected) in [
            (Path::collection(&of(kind::PODS), None, ""), "/api/v1/pods"),
            (Path::collection(&of(kind::PODS), None, "shop"), "/api/v1/namespaces/shop/pods"),
            (
                Path::object(&of(kind::DEPLOYMENTS), None, &web),
                "/apis/apps/v1/namespaces/shop/deployments/web",
            ),
            (
                Path::object(&of(kind::DEPLOYMENTS), None, &web).part(Subresource::Scale).with("a", "b&c"),
                "/apis/apps/v1/namespaces/shop/deployments/web/scale?a=b%26c",
            ),
            (Path::object(&of(kind::NODES), None, &node), "/api/v1/nodes/n%201%2F2"),
        ] {
            assert_eq!(path.as_str(), expected);
        }
        let select =
            Select::kind(kind::PODS).labels("a in (b,c)".parse().unwrap()).field("spec.nodeName", "n1");
        assert_eq!(
            Path::collection(&of(kind::PODS), None, "").selected(&select).as_str(),
            "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&fieldSelector=spec.nodeName%3Dn1"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_a_name_is_the_path_is_one(name in ".{0,20}") {
            let info = Registry::built_in().get(kind::NODES).unwrap();
            let path = Path::object(&info, None, &Key::cluster(kind::NODES, name.as_str())).with("q", &name);
            let uri: http::Uri = path.as_str().parse().unwrap();
            prop_assert_eq!(uri.path().split('/').count(), 5);
            prop_assert_eq!(uri.query().unwrap().split('&').count(), 1);
        }
    }
}
