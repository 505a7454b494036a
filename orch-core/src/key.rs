//! Where an object stands and when: [`Key`] and [`Revision`].

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// An immutable string that is cheap to clone.
pub type Str = Arc<str>;

/// The identity of an object while it exists: kind, namespace, name. It never names a version.
///
/// Ordered by kind, namespace and name: the order of every list.
///
/// ```
/// use orch_core::{Key, kind};
/// let key = Key::new(kind::PODS, "shop", "web-1");
/// assert_eq!(key.to_string(), "pods/shop/web-1");
/// assert_eq!(Key::cluster(kind::NODES, "n1").to_string(), "nodes/n1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Group and resource.
    pub kind: Kind,
    /// Empty for a cluster-scoped kind.
    pub namespace: Str,
    /// Unique within kind and namespace; empty only in a create with `generateName`.
    pub name: Str,
}

impl Key {
    /// The key of a namespaced object.
    #[must_use]
    pub fn new(kind: Kind, namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The key of a cluster-scoped object.
    #[must_use]
    pub fn cluster(kind: Kind, name: impl Into<Str>) -> Self {
        Self { kind, namespace: Str::default(), name: name.into() }
    }

    /// The key of another object in the same namespace.
    #[must_use]
    pub fn sibling(&self, kind: Kind, name: impl Into<Str>) -> Self {
        Self { kind, namespace: self.namespace.clone(), name: name.into() }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most keys that meet have one namespace, and share its text.
        let namespaces = || match Arc::ptr_eq(&self.namespace, &other.namespace) {
            true => Ordering::Equal,
            false => self.namespace.cmp(&other.namespace),
        };
        self.kind.cmp(&other.kind).then_with(namespaces).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A point in the history of a store: one counter for all kinds, the `resourceVersion` of Kubernetes.
///
/// ```
/// use orch_core::Revision;
/// assert_eq!("17".parse::<Revision>().unwrap(), Revision(17));
/// assert!(Revision(2) < Revision(17));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first write.
    pub const ZERO: Self = Self(0);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = std::num::ParseIntError;

    /// Reads a decimal number.
    ///
    /// # Errors
    /// When the text is not a decimal number of 64 bits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    #[test]
    fn keys_are_in_order_of_kind_namespace_and_name() {
        let keys: Vec<Key> = [(kind::CONFIG_MAPS, "b", "a"), (kind::PODS, "a", "z"), (kind::PODS, "b", "a")]
            .into_iter()
            .flat_map(|(kind, namespace, name)| {
                let first = Key::new(kind, namespace, name);
                let second = first.sibling(kind, format!("{name}1"));
                [first, second, Key::new(kind, namespace, format!("{name}2"))]
            })
            .collect();
        assert!(keys.is_sorted());
        for (at, one) in keys.iter().enumerate() {
            for (other_at, other) in keys.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&other_at), "{one} {other}");
                assert_eq!(one == other, at == other_at, "{one} {other}");
            }
        }
    }
}
