//! Which object a step means, decided from what is true when it happens.
//!
//! A step draws a number; the object is that one, counted round, of those that are there, in order of key. Invariant: the
//! same truth and number give the same object.

use std::sync::Arc;

use orch_core::{Kind, Live, Str, kind};

use super::super::Truth;

/// The namespaces that users work in.
pub(super) type Places = Arc<[Str]>;

/// The one of a number, counted round.
pub(super) fn nth<'a>(found: impl Iterator<Item = &'a Live>, number: usize) -> Option<&'a Live> {
    let found: Vec<_> = found.collect();
    found.get(number.checked_rem(found.len())?).copied()
}

/// The objects of a kind in the users' namespaces that are not about to go.
pub(super) fn staying<'a>(
    truth: &'a Truth,
    places: &'a Places,
    kind: Kind,
) -> impl Iterator<Item = &'a Live> {
    let here = places.iter().flat_map(move |place| truth.in_namespace(kind, place));
    here.filter(|live| !live.header().is_terminating())
}

/// The nodes, whether they take pods or not.
pub(super) fn nodes(truth: &Truth) -> impl Iterator<Item = &Live> {
    truth.of(kind::NODES).filter(|node| !node.header().is_terminating())
}

/// Whether things can be created in a namespace.
pub(super) fn is_open(truth: &Truth, namespace: &str) -> bool {
    let key = orch_core::Key::cluster(kind::NAMESPACES, namespace);
    truth.get(&key).is_some_and(|namespace| !namespace.header().is_terminating())
}

/// Whether a controller of that kind stands behind an object.
pub(super) fn is_owned_by(live: &Live, kind: &str) -> bool {
    live.header().controller().is_some_and(|owner| &*owner.kind == kind)
}

/// Whether no controller stands behind an object.
pub(super) fn is_free(live: &Live) -> bool {
    live.header().controller().is_none()
}
