//! Sets of fields: which parts of an object somebody owns.
//!
//! A field is a path of [`Element`]s; a set is a tree of them. After `structured-merge-diff/fieldpath/set.go`. Not values: a
//! set knows nothing of what stands in the fields. Invariant: no node of the tree is without a member under it, so that
//! equal sets are equal trees.

mod element;
mod encode;
mod scalar;

use std::collections::{BTreeMap, BTreeSet};

pub use element::Element;
pub(crate) use element::is_plain;
pub use scalar::Scalar;
pub(crate) use scalar::same;

/// A set of fields. A field being in it says nothing of the fields above or below.
///
/// ```
/// use orch_api::patch::FieldSet;
/// use serde_json::json;
/// let a = FieldSet::decode(&json!({"f:data": {".": {}, "f:a": {}}})).unwrap();
/// let b = FieldSet::decode(&json!({"f:data": {"f:a": {}, "f:b": {}}})).unwrap();
/// assert_eq!(a.intersection(&b).encode(), json!({"f:data": {"f:a": {}}}));
/// assert_eq!(a.union(&b).paths(), [".data", ".data.a", ".data.b"]);
/// assert_eq!(b.difference(&a).paths(), [".data.b"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<Element>,
    children: BTreeMap<Element, FieldSet>,
}

impl FieldSet {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len() + self.children.values().map(Self::len).sum::<usize>()
    }

    /// Adds a field, not those above it. The empty path is the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => match self.children.get_mut(first) {
                Some(child) => child.insert(rest),
                None => self.children.entry(first.clone()).or_default().insert(rest),
            },
        }
    }

    /// Whether the field is in it.
    #[must_use]
    pub fn contains(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.contains(rest)),
        }
    }

    /// Whether all of it is in another set.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let is_child_within = |(element, child): (&Element, &Self)| {
            other.children.get(element).is_some_and(|other| child.is_within(other))
        };
        self.members.is_subset(&other.members) && self.children.iter().all(is_child_within)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.add(other.clone());
        all
    }

    /// Takes all of another set.
    pub(crate) fn add(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.members.extend(other.members);
        for (element, theirs) in other.children {
            match self.children.get_mut(&element) {
                Some(mine) => mine.add(theirs),
                None => drop(self.children.insert(element, theirs)),
            }
        }
    }

    /// Takes what was found at and below an element.
    pub(crate) fn put(&mut self, element: &Element, is_member: bool, below: Self) {
        if is_member {
            self.members.insert(element.clone());
        }
        if !below.is_empty() {
            self.children.entry(element.clone()).or_default().add(below);
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let members = self.members.intersection(&other.members).cloned().collect();
        let both = |(element, mine): (&Element, &Self)| {
            let child = mine.intersection(other.children.get(element)?);
            (!child.is_empty()).then(|| (element.clone(), child))
        };
        Self { members, children: self.children.iter().filter_map(both).collect() }
    }

    /// What is in this one only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.remove(other);
        rest
    }

    /// Takes out what is in another set.
    pub(crate) fn remove(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.members.retain(|element| !other.members.contains(element));
        self.children.retain(|element, mine| {
            if let Some(theirs) = other.children.get(element) {
                mine.remove(theirs);
            }
            !mine.is_empty()
        });
    }

    /// What is in this one only and not under a field of the other one either.
    #[must_use]
    pub fn without_under(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.remove_under(other);
        rest
    }

    /// Takes out what is in another set, and what is below that.
    pub(crate) fn remove_under(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.members.retain(|element| !other.members.contains(element));
        self.children.retain(|element, mine| {
            if other.members.contains(element) {
                return false;
            }
            if let Some(theirs) = other.children.get(element) {
                mine.remove_under(theirs);
            }
            !mine.is_empty()
        });
    }

    /// The fields under an element, as seen from there.
    pub(crate) fn under(&self, element: &Element) -> Option<&Self> {
        self.children.get(element)
    }

    /// The fields that have others under them, each with those.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&Element, &Self)> {
        self.children.iter()
    }

    /// The fields of this level.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Element> {
        self.members.iter()
    }

    pub(crate) fn is_member(&self, element: &Element) -> bool {
        self.members.contains(element)
    }

    /// A set of what is given for this level; children that are empty are left out.
    pub(crate) fn of(
        members: BTreeSet<Element>,
        children: impl IntoIterator<Item = (Element, Self)>,
    ) -> Self {
        Self { members, children: children.into_iter().filter(|(_, child)| !child.is_empty()).collect() }
    }

    /// A set of one field of named fields.
    #[must_use]
    pub fn field(names: &[&str]) -> Self {
        let mut set = Self::default();
        set.insert(&names.iter().map(|name| Element::named(name)).collect::<Vec<_>>());
        set
    }

    /// All fields in order, as Kubernetes writes them: `.spec.containers[name="c"].image`.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.each(&mut String::new(), &mut |path| all.push(path.to_owned()));
        all
    }

    /// Fields of one level come before those below it, as Kubernetes lists them.
    fn each(&self, path: &mut String, found: &mut impl FnMut(&str)) {
        let before = path.len();
        for element in &self.members {
            path.push_str(&element.to_string());
            found(path);
            path.truncate(before);
        }
        for (element, child) in &self.children {
            path.push_str(&element.to_string());
            child.each(path, found);
            path.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests;
