//! Which objects are a controller's: owned, to be adopted, to be released
//! (`pkg/controller/controller_ref_manager.go`).
//!
//! An orphan that the selector matches is adopted, an owned object that it no longer matches is released. Both writes need
//! the uid and the revision that were observed. Upstream reads the parent again before it adopts; here an orphan is adopted
//! only on a view of the parent's kind that is not older than the orphan, which says the same: whoever made it an orphan
//! marked the parent first.

use orch_core::selector::Selector;
use orch_core::view::{Projection, Row, Table, View};
use orch_core::{Key, Kind, Object, OwnerReference, Revision, Str, Write};
use serde_json::json;

use std::sync::Arc;

/// Who claims.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) object: Object,
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
}

impl Parent {
    pub(crate) fn is_terminating(&self) -> bool {
        self.object.header().is_terminating()
    }

    /// The reference by which a child names it as its controller.
    pub(crate) fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.into(),
            kind: self.kind.into(),
            name: self.object.key().name.clone(),
            uid: self.object.uid().clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// The children of a parent, as a view has them.
#[derive(Debug)]
pub(crate) struct Claims<P> {
    /// Owned and selected, those that terminate included.
    pub(crate) owned: Vec<Arc<Row<P>>>,
    /// Orphans to adopt.
    pub(crate) adopt: Vec<Arc<Row<P>>>,
    /// Owned and no longer selected.
    pub(crate) release: Vec<Arc<Row<P>>>,
    /// What the view must show of the parent's kind before the other orphans may be adopted.
    pub(crate) wait_for: Option<Revision>,
}

impl<P: Projection> Claims<P> {
    /// Finds the children. Only those that satisfy `claimable` are adopted or released.
    pub(crate) fn find(
        view: &dyn View,
        parent: &Parent,
        selector: &Selector,
        claimable: impl Fn(&Row<P>) -> bool,
    ) -> Self {
        let table: &Table<P> = view.of();
        let uid = parent.object.uid();
        let matches = |row: &Row<P>| selector.matches(|label| row.object.label(label));
        let mut claims = Self { owned: Vec::new(), adopt: Vec::new(), release: Vec::new(), wait_for: None };
        for row in table.owned_by(uid) {
            if row.object.header().controller().is_none_or(|owner| owner.uid != *uid) {
                continue;
            }
            if matches(row) {
                claims.owned.push(Arc::clone(row));
            } else if claimable(row) && !parent.is_terminating() {
                claims.release.push(Arc::clone(row));
            }
        }
        if !parent.is_terminating() && !selector.is_everything() {
            let seen = view.revision(parent.object.key().kind);
            for row in table.selected(&parent.object.key().namespace, selector) {
                let header = row.object.header();
                if header.controller().is_some() || header.is_terminating() || !claimable(row) {
                    continue;
                }
                if row.object.revision() <= seen {
                    claims.adopt.push(Arc::clone(row));
                } else {
                    claims.wait_for = claims.wait_for.max(Some(row.object.revision()));
                }
            }
        }
        claims
    }
}

/// Makes the parent the controller of an orphan.
pub(crate) fn adopt(child: &Object, parent: &Parent) -> Write {
    let uid = parent.object.uid();
    let others = child.header().owners.iter().filter(|owner| owner.uid != *uid).cloned();
    set_owners(child, &others.chain([parent.reference()]).collect::<Vec<_>>())
}

/// Takes the parent out of the owners of a child.
pub(crate) fn release(child: &Object, parent: &Parent) -> Write {
    let uid = parent.object.uid();
    let others = child.header().owners.iter().filter(|owner| owner.uid != *uid).cloned();
    set_owners(child, &others.collect::<Vec<_>>())
}

/// Replaces the owners of an object, if nobody else has written it.
pub(crate) fn set_owners(child: &Object, owners: &[OwnerReference]) -> Write {
    Write::merge(child.key().clone(), json!({"metadata": {"ownerReferences": owners}}))
        .of(child.uid())
        .at(child.revision())
}

/// Index of parents by a label that they select on; those that select on none stand under the empty entry.
pub(crate) const BY_SELECTOR: &str = "selector";

/// The entry of a parent in [`BY_SELECTOR`].
pub(crate) fn selector_entry(namespace: &str, selector: &Selector) -> String {
    selector
        .required_pair()
        .map_or_else(|| entry(namespace, "", ""), |(name, value)| entry(namespace, name, value))
}

fn entry(namespace: &str, name: &str, value: &str) -> String {
    format!("{namespace}\0{name}\0{value}")
}

/// Hands out the parents that a child concerns: its controller, or, when it has none, whoever selects it.
pub(crate) fn parents_of<P: Projection>(
    child: &Object,
    kind: (Kind, &str),
    view: &dyn View,
    selector: impl Fn(&P) -> &Selector,
    out: &mut dyn FnMut(Key),
) {
    if let Some(owner) = child.header().controller() {
        if &*owner.kind == kind.1 {
            out(child.key().sibling(kind.0, owner.name.clone()));
        }
        return;
    }
    let table: &Table<P> = view.of();
    let namespace = &child.key().namespace;
    let labels: &[(Str, Str)] = &child.header().labels;
    let entries = labels.iter().map(|(name, value)| entry(namespace, name, value));
    for entry in entries.chain([entry(namespace, "", "")]) {
        for parent in table.indexed(BY_SELECTOR, &entry) {
            if selector(&parent.facts).matches(|label| child.label(label)) {
                out(parent.object.key().clone());
            }
        }
    }
}
