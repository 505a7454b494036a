//! Claims and volumes are bound to each other, both ways and one to one.
//!
//! At every step: no two claims are `Bound` to one volume. Excepted: a volume whose `claimRef` a person has changed, or
//! that is another one of the same name: the claim that had it says `Bound` until its controller has noticed (then it is
//! `Lost`, `syncBoundClaim`).

use std::collections::{BTreeMap, BTreeSet};

use orch_core::object::Part;
use orch_core::{Change, Key, Live, Str, kind};

use super::is_judged;
use crate::chaos::Truth;
use crate::chaos::invariants::tree::{is_person, text};

/// Which claims are bound to which volumes.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// By volume.
    claims: BTreeMap<Str, BTreeSet<Key>>,
    /// By claim.
    volumes: BTreeMap<Key, Str>,
    meddled: BTreeSet<Str>,
}

impl Bindings {
    pub(super) fn take(&mut self, actor: &str, change: &Change) -> Result<(), String> {
        match change.key().kind {
            kind::PERSISTENT_VOLUME_CLAIMS => self.claim(change),
            kind::PERSISTENT_VOLUMES => {
                let (before, now) = (change.before.as_ref(), change.now.as_ref());
                let changed = || {
                    let of = |object: &orch_core::Object| {
                        object.part_field(Part::Spec, "claimRef").map(<[u8]>::to_vec)
                    };
                    before.map(of) != now.map(|live| of(live))
                };
                if now.is_none() || (is_person(actor) && before.is_some() && changed()) {
                    self.meddled.insert(change.key().name.clone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn claim(&mut self, change: &Change) -> Result<(), String> {
        let key = change.key();
        if let Some(volume) = self.volumes.remove(key)
            && let Some(claims) = self.claims.get_mut(&volume)
        {
            claims.remove(key);
        }
        let Some(live) = &change.now else { return Ok(()) };
        let tree = live.tree();
        let volume = text(&tree["spec"]["volumeName"]);
        if volume.is_empty() || tree["status"]["phase"] != "Bound" {
            return Ok(());
        }
        self.volumes.insert(key.clone(), volume.into());
        let claims = self.claims.entry(volume.into()).or_default();
        claims.insert(key.clone());
        if claims.len() > 1 && !self.meddled.contains(volume) {
            return Err(format!("the volume {volume} is bound to {claims:?}"));
        }
        Ok(())
    }
}

pub(super) fn settled(truth: &Truth) -> Result<(), String> {
    for claim in truth.of(kind::PERSISTENT_VOLUME_CLAIMS).filter(|claim| is_judged(truth, claim)) {
        bound_claim(truth, claim)?;
    }
    for volume in truth.of(kind::PERSISTENT_VOLUMES).filter(|volume| is_judged(truth, volume)) {
        self::volume(truth, volume)?;
    }
    Ok(())
}

fn bound_claim(truth: &Truth, claim: &Live) -> Result<(), String> {
    let (tree, key) = (claim.tree(), claim.key());
    let (named, phase) = (text(&tree["spec"]["volumeName"]), text(&tree["status"]["phase"]));
    let volume = truth.get(&Key::cluster(kind::PERSISTENT_VOLUMES, named));
    let is_its = |volume: &Live| volume.tree()["spec"]["claimRef"]["uid"] == **claim.uid();
    match phase {
        "Bound" if named.is_empty() => Err(format!("{key} is Bound and names no volume")),
        "Bound" => match volume {
            None => Err(format!("{key} is Bound to {named}, which is not there")),
            Some(volume) if !is_its(volume) => {
                Err(format!("{key} is Bound to {named}, which names another claim"))
            }
            Some(volume)
                if volume.tree()["status"]["phase"] != "Bound" && !volume.header().is_terminating() =>
            {
                Err(format!("{key} is Bound to {named}, whose phase is {}", volume.tree()["status"]["phase"]))
            }
            Some(_) => Ok(()),
        },
        "Lost" if !named.is_empty() && volume.is_some_and(is_its) => {
            Err(format!("{key} is Lost, and {named} is there for it"))
        }
        _ if !named.is_empty() && volume.is_some_and(is_its) => {
            Err(format!("{key} and {named} name each other, and its phase is {phase:?}"))
        }
        _ => Ok(()),
    }
}

fn volume(truth: &Truth, volume: &Live) -> Result<(), String> {
    let (tree, key) = (volume.tree(), volume.key());
    let (of, phase) = (&tree["spec"]["claimRef"], text(&tree["status"]["phase"]));
    let uid = text(&of["uid"]);
    let claim = Key::new(kind::PERSISTENT_VOLUME_CLAIMS, text(&of["namespace"]), text(&of["name"]));
    let claim = truth.get(&claim).filter(|claim| !uid.is_empty() && **claim.uid() == *uid);
    let has = claim.is_some_and(|claim| claim.tree()["spec"]["volumeName"] == *key.name);
    match phase {
        "Bound" if !has => Err(format!("{key} is Bound, and no claim names it")),
        "Available" if !uid.is_empty() => Err(format!("{key} is Available, and names the claim {uid}")),
        "Released" if has => Err(format!("{key} is Released, and its claim has it")),
        "Pending" | "" => Err(format!("{key} is still {phase:?}")),
        _ => Ok(()),
    }
}
