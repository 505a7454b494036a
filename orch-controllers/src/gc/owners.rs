//! Looking up owners and dependents in the view.

use orch_core::view::View;
use orch_core::{Kind, Object, OwnerReference, Revision};

use super::{Dependents, GarbageCollector, blocks, is_foreground, is_orphaning};
use crate::facts::Meta;

/// What has become of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there and stays, or goes without waiting.
    Solid,
    /// It waits for its dependents to be deleted.
    Waiting,
    /// It waits for its dependents to let it go.
    Orphaning,
    /// It is gone for good.
    Absent,
    /// The view does not have it, but is too old to tell.
    Unproven(Kind, Revision),
    /// Its kind is not known, or the view does not follow it.
    Unknown,
    /// A namespaced owner of an object that stands in no namespace: an owner that there cannot be. Upstream leaves such
    /// an object alone and complains.
    Misplaced,
}

impl GarbageCollector {
    pub(super) fn look_up(&self, object: &Object, reference: &OwnerReference, view: &dyn View) -> Owner {
        let namespace = &object.key().namespace;
        let Some(key) = self.owner_key(namespace, reference) else {
            let known = (self.resolve)(&reference.api_version, &reference.kind).is_some();
            return if known { Owner::Misplaced } else { Owner::Unknown };
        };
        if let Some(owner) = view.of::<Meta>().get(&key).filter(|row| *row.object.uid() == reference.uid) {
            let header = owner.object.header();
            return if is_foreground(header) {
                Owner::Waiting
            } else if is_orphaning(header) {
                Owner::Orphaning
            } else {
                Owner::Solid
            };
        }
        match view.revision(key.kind) {
            Revision::ZERO => Owner::Unknown,
            seen if seen < object.revision() => Owner::Unproven(key.kind, object.revision()),
            _ => Owner::Absent,
        }
    }

    /// Dependents are those whose reference means this very object: uid, name, kind and namespace. Ends as soon as enough
    /// is known.
    pub(super) fn dependents(
        &self,
        object: &Object,
        view: &dyn View,
        enough: fn(&Dependents) -> bool,
    ) -> Dependents {
        let mut found = Dependents::default();
        for row in view.of::<Meta>().owned_by(object.uid()) {
            let header = row.object.header();
            let means = |owner: &&OwnerReference| {
                owner.uid == *object.uid()
                    && self.owner_key(&row.object.key().namespace, owner).as_ref() == Some(object.key())
            };
            let Some(owner) = header.owners.iter().find(means) else { continue };
            found.any = true;
            found.blocking |= blocks(owner);
            found.foreground |= is_foreground(header);
            if enough(&found) {
                break;
            }
        }
        found
    }
}
