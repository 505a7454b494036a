//! What is in a namespace, what of it to delete now, and what to tell people about the rest.

use std::collections::BTreeMap;

use orch_core::{Kind, Object, Str, kind};

use crate::carried::Condition;

/// The content of a namespace that terminates.
#[derive(Default)]
pub(super) struct Content {
    /// To delete now: pods, or when there are none any more, everything else; bounded.
    pub(super) delete: Vec<Object>,
    /// There is more to delete than that.
    pub(super) more: bool,
    total: usize,
    /// Objects that are being deleted and still there.
    remaining: BTreeMap<Kind, usize>,
    finalizers: BTreeMap<Str, usize>,
}

impl Content {
    pub(super) fn take<'a>(objects: impl Iterator<Item = &'a Object>, most: usize) -> Self {
        let objects: Vec<&Object> = objects.collect();
        let pods_left = objects.iter().any(|object| object.key().kind == kind::PODS);
        let mut content = Self { total: objects.len(), ..Self::default() };
        for object in objects {
            let header = object.header();
            if header.is_terminating() {
                *content.remaining.entry(object.key().kind).or_default() += 1;
                for finalizer in &header.finalizers {
                    *content.finalizers.entry(finalizer.clone()).or_default() += 1;
                }
            } else if pods_left && object.key().kind != kind::PODS {
                // Its turn comes when the pods are gone.
            } else if content.delete.len() < most {
                content.delete.push(object.clone());
            } else {
                content.more = true;
            }
        }
        content
    }

    /// Nothing is there at all.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Something takes its time to go.
    pub(super) fn remains(&self) -> bool {
        !self.remaining.is_empty()
    }

    /// Every condition of namespace deletion, in upstream's order and words.
    pub(super) fn conditions(&self) -> Vec<Told> {
        let remaining = self.remaining.iter();
        let mut kinds: Vec<String> = remaining
            .map(|(kind, count)| {
                format!("{}.{} has {count} resource instances", kind.resource(), kind.group())
            })
            .collect();
        kinds.sort_unstable();
        let finalizers: Vec<String> = self
            .finalizers
            .iter()
            .map(|(name, count)| format!("{name} in {count} resource instances"))
            .collect();
        vec![
            Told::good(
                "NamespaceDeletionDiscoveryFailure",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            Told::good(
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            Told::good(
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            if kinds.is_empty() {
                Told::good("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
            } else {
                let message = format!("Some resources are remaining: {}", kinds.join(", "));
                Told::bad("NamespaceContentRemaining", "SomeResourcesRemain", message)
            },
            if finalizers.is_empty() {
                Told::good(
                    "NamespaceFinalizersRemaining",
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished",
                )
            } else {
                let list = finalizers.join(", ");
                let message = format!("Some content in the namespace has finalizers remaining: {list}");
                Told::bad("NamespaceFinalizersRemaining", "SomeFinalizersRemain", message)
            },
        ]
    }
}

/// A condition of a namespace.
pub(super) struct Told {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Told {
    fn good(kind: &'static str, reason: &'static str, message: &str) -> Self {
        Self { kind, status: "False", reason, message: message.to_owned() }
    }

    fn bad(kind: &'static str, reason: &'static str, message: String) -> Self {
        Self { kind, status: "True", reason, message }
    }

    pub(super) fn condition(&self) -> Condition<'_> {
        Condition { kind: self.kind, status: self.status, reason: self.reason, message: &self.message }
    }
}
