//! What never changes in an object's life, and addresses that nobody shares.
//!
//! Sources: `ValidateControllerRevisionUpdate`, `ValidateStatefulSetUpdate`, `ValidateReplicaSetUpdate` and
//! `ValidateDeploymentUpdate` of `pkg/apis/apps/validation/validation.go`; `ValidatePodUpdate`,
//! `ValidatePersistentVolumeClaimUpdate` and `ValidateServiceUpdate` of `pkg/apis/core/validation/validation.go`;
//! <https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/>;
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding> (a volume and a claim are bound to each other
//! alone, and a released volume is nobody else's before an administrator makes it so). A Service gives its address up only
//! when it becomes an `ExternalName`.

use std::collections::BTreeMap;

use orch_core::object::Part;
use orch_core::{Change, Key, Object, kind};
use serde_json::Value;

use super::tree::{list, text};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Debug, Default)]
pub struct FixedFields {
    /// Whose an address is.
    addresses: BTreeMap<String, Key>,
}

impl Invariant for FixedFields {
    fn name(&self) -> &str {
        "fixed-fields"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        if change.key().kind == kind::SERVICES {
            self.service(change)?;
        }
        let (Some(before), Some(now)) = (&change.before, &change.now) else { return Ok(()) };
        match fixed(before, now) {
            Some(field) => Err(format!("{actor} changed {field} of {}", now.key())),
            None => Ok(()),
        }
    }
}

const SELECTOR: &[&str] = &["selector"];
const SET: &[&str] = &["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"];

/// A field that must not have changed.
fn fixed(before: &Object, now: &Object) -> Option<&'static str> {
    if before.part(Part::Spec) == now.part(Part::Spec) && now.key().kind != kind::CONTROLLER_REVISIONS {
        return None;
    }
    let changed = |part, field: &str| before.part_field(part, field) != now.part_field(part, field);
    let in_spec = |fields: &[&'static str]| fields.iter().copied().find(|field| changed(Part::Spec, field));
    match now.key().kind {
        kind::DEPLOYMENTS | kind::REPLICA_SETS => in_spec(SELECTOR),
        kind::STATEFUL_SETS => in_spec(SET),
        kind::CONTROLLER_REVISIONS => {
            (before.body_tree()["data"] != now.body_tree()["data"]).then_some("data")
        }
        kind::PERSISTENT_VOLUME_CLAIMS => {
            let named = before.part_field(Part::Spec, "volumeName").is_some_and(|name| name != b"\"\"");
            if named { in_spec(&["volumeName"]) } else { None }
        }
        kind::PERSISTENT_VOLUMES => {
            let claim = |object: &Object| {
                object.body_tree()["spec"]["claimRef"]["uid"].as_str().unwrap_or_default().to_owned()
            };
            // A volume that was named for a claim which got another is free again.
            let (of, now) = (claim(before), claim(now));
            (!of.is_empty() && !now.is_empty() && now != of).then_some("claimRef.uid")
        }
        kind::PODS => {
            let fields =
                ["spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork"];
            fields.into_iter().find(|field| before.field(field) != now.field(field))
        }
        _ => None,
    }
}

/// The addresses that a Service has.
fn addresses(tree: &Value) -> Vec<&str> {
    let spec = &tree["spec"];
    let is_address = |ip: &&str| !matches!(*ip, "" | "None");
    let mut all: Vec<&str> = list(&spec["clusterIPs"]).iter().map(text).filter(is_address).collect();
    all.extend(Some(text(&spec["clusterIP"])).filter(is_address));
    all.sort_unstable();
    all.dedup();
    all
}

impl FixedFields {
    fn service(&mut self, change: &Change) -> Result<(), String> {
        let key = change.key();
        let before = change.before.as_ref().map(Object::body_tree).unwrap_or_default();
        let Some(live) = &change.now else {
            for address in addresses(&before) {
                self.addresses.remove(address);
            }
            return Ok(());
        };
        let now = live.tree();
        let kept = addresses(&now);
        for address in addresses(&before).into_iter().filter(|address| !kept.contains(address)) {
            self.addresses.remove(address);
            let first = address == text(&before["spec"]["clusterIP"]);
            if first && now["spec"]["type"] != "ExternalName" {
                return Err(format!("{key} lost its address {address}"));
            }
        }
        for address in kept {
            match self.addresses.get(address) {
                Some(other) if other != key => {
                    return Err(format!("{key} and {other} have the address {address}"));
                }
                Some(_) => {}
                None => _ = self.addresses.insert(address.to_owned(), key.clone()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, plain, pod, with};

    #[track_caller]
    fn check(before: Value, patch: Value, why: Option<&str>) {
        let mut bench = Bench::of(FixedFields::default());
        bench.ok("user", before.clone());
        match why {
            None => bench.ok("user", with(before, patch)),
            Some(why) => bench.bad("user", with(before, patch), why),
        }
    }

    #[test]
    fn what_is_fixed_stays() {
        let set = with(
            plain("apps/v1", "StatefulSet", "db"),
            json!({"spec": {"selector": {"a": "b"}, "replicas": 1}}),
        );
        check(set.clone(), json!({"spec": {"replicas": 2}}), None);
        check(
            set,
            json!({"spec": {"selector": {"a": "c"}}}),
            Some("changed selector of statefulsets.apps/shop/db"),
        );
        let revision =
            with(plain("apps/v1", "ControllerRevision", "r"), json!({"data": {"a": 1}, "revision": 1}));
        check(revision.clone(), json!({"revision": 2}), None);
        check(revision, json!({"data": {"a": 2}}), Some("changed data"));
        let claim = |volume: &str| {
            with(plain("v1", "PersistentVolumeClaim", "c"), json!({"spec": {"volumeName": volume}}))
        };
        check(claim(""), json!({"spec": {"volumeName": "v"}}), None);
        check(claim("v"), json!({"spec": {"volumeName": "w"}}), Some("changed volumeName"));
        let volume = |uid: &str| {
            let mut volume = plain("v1", "PersistentVolume", "v");
            volume["spec"] = json!({"claimRef": {"name": "c", "namespace": "shop", "uid": uid}});
            volume
        };
        check(volume(""), json!({"spec": {"claimRef": {"uid": "c"}}}), None);
        check(volume("c"), json!({"spec": {"claimRef": {"uid": "d"}}}), Some("claimRef.uid"));
        check(pod("p", "a"), json!({"spec": {"restartPolicy": "Never"}}), Some("spec.restartPolicy"));
    }

    #[test]
    fn addresses_are_kept_and_not_shared() {
        let service = |name: &str, ip: &str| {
            with(plain("v1", "Service", name), json!({"spec": {"clusterIP": ip, "clusterIPs": [ip]}}))
        };
        check(
            service("a", "10.0.0.1"),
            json!({"spec": {"clusterIP": "10.0.0.2", "clusterIPs": null}}),
            Some("lost its address"),
        );
        let gone = json!({"spec": {"type": "ExternalName", "clusterIP": null, "clusterIPs": null}});
        check(service("a", "10.0.0.1"), gone.clone(), None);
        let mut bench = Bench::of(FixedFields::default());
        bench.ok("user", service("a", "10.0.0.1"));
        bench.ok("user", service("n", "None"));
        bench.ok("user", service("m", "None"));
        bench.bad("user", service("b", "10.0.0.1"), "services/shop/b and services/shop/a have the address");
        bench.gone("user", "services/shop/a");
        bench.ok("user", service("c", "10.0.0.1"));
    }
}
