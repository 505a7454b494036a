//! Which volume suits a claim (`staging/src/k8s.io/component-helpers/storage/volume/pv_helpers.go`).

use std::sync::Arc;

use orch_core::view::{Row, Table};

use super::facts::{BY_CLAIM, Claim, FREE, Volume};
use crate::facts::claim_entry;

/// The volume that names the claim already or, when it may choose, the smallest that suits. Costs as many steps as there are
/// free volumes of the class.
pub(super) fn best<'a>(
    claim: &Row<Claim>,
    volumes: &'a Table<Volume>,
    choice: Choice,
) -> Option<&'a Arc<Row<Volume>>> {
    let key = claim.object.key();
    let named = volumes.indexed(BY_CLAIM, &claim_entry(&key.namespace, &key.name));
    let mut named =
        named.filter(|volume| volume.facts.claim.as_ref().is_some_and(|of| of.means(&claim.object)));
    if let Some(volume) = named.find(|volume| holds(volume, claim)) {
        return Some(volume);
    }
    if choice == Choice::Named {
        return None;
    }
    let class = claim.facts.class.as_deref().unwrap_or_default();
    let free =
        volumes.indexed(FREE, class).filter(|volume| holds(volume, claim) && is_selected(volume, claim));
    free.min_by(|one, two| {
        let by_name = || one.object.key().name.cmp(&two.object.key().name);
        one.facts.capacity.cmp(&two.facts.capacity).then_with(by_name)
    })
}

/// Which volumes a claim may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// One that names it: the scheduler chooses.
    Named,
    /// Any.
    Any,
}

fn is_selected(volume: &Row<Volume>, claim: &Row<Claim>) -> bool {
    claim.facts.selector.matches(|name| volume.object.label(name))
}

/// Whether the volume is large enough, of the right mode, and lets itself be accessed so.
fn holds(volume: &Row<Volume>, claim: &Row<Claim>) -> bool {
    !volume.object.header().is_terminating() && why_not(volume, claim, Strictness::Volume).is_none()
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// What the volume is.
    Volume,
    /// Its class too: for a volume that a claim asks for by name.
    Class,
}

/// Why a claim cannot have that volume, as an event tells it (`checkVolumeSatisfyClaim`).
pub(super) fn why_not(
    volume: &Row<Volume>,
    claim: &Row<Claim>,
    strictness: Strictness,
) -> Option<&'static str> {
    let (volume, claim) = (&volume.facts, &claim.facts);
    if volume.capacity < claim.request {
        return Some("requested PV is too small");
    }
    if strictness == Strictness::Class && *volume.class != *claim.class.as_deref().unwrap_or_default() {
        return Some("storageClassName does not match");
    }
    if volume.volume_mode != claim.volume_mode {
        return Some("incompatible volumeMode");
    }
    if !claim.modes.iter().all(|mode| volume.modes.contains(mode)) {
        return Some("incompatible accessMode");
    }
    None
}
