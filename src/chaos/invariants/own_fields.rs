//! Each part writes only what is its own.
//!
//! Sources: the RBAC rules of the controllers (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`), the
//! Node authorizer and NodeRestriction for agents
//! (<https://kubernetes.io/docs/reference/access-authn-authz/node/>), what each upstream controller writes, and the API
//! conventions: status and spec are never written together
//! (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md>); binding
//! is the exception. Written are paths of a change, whoever asked for it: `metadata.labels[KEY]`, `spec.FIELD`,
//! `status.FIELD`, or another top-level field. Not counted: what the server sets (generation, the marks of a deletion).
//! Persons write what they like; of parts that the table does not know nothing is said.

mod diff;
mod table;

use orch_core::{Change, Live, Object, kind};

use super::tree::{agent_of, is_person, node_of};
use crate::chaos::{Happening, Invariant, World};
use table::{May, Rules};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnFields;

impl Invariant for OwnFields {
    fn name(&self) -> &str {
        "own-fields"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        let Some(rules) = table::rules(actor).filter(|_| !is_person(actor)) else { return Ok(()) };
        let actor = Actor { name: actor, rules };
        match (&change.before, &change.now) {
            (None, Some(live)) => actor.created(live)?,
            (Some(before), None) => actor.removed(before)?,
            (Some(before), Some(now)) => actor.changed(before, now)?,
            (None, None) => {}
        }
        own_node(actor.name, change)
    }
}

/// Who writes, and what it may write.
struct Actor<'a> {
    name: &'a str,
    rules: Rules,
}

fn is_controlled_by(object: &Object, kind: &str) -> bool {
    object.header().controller().is_some_and(|owner| &*owner.kind == kind)
}

impl Actor<'_> {
    /// Whether it has one of these permissions for the object.
    fn may(&self, object: &Object, is_it: impl Fn(May) -> bool) -> bool {
        table::of(self.rules, object.key().kind).any(is_it)
    }

    fn created(&self, live: &Live) -> Result<(), String> {
        let create = |rule| match rule {
            May::Create => true,
            May::CreateOf(kind) => is_controlled_by(live, kind),
            _ => false,
        };
        if self.may(live, create) { Ok(()) } else { Err(format!("{} created {}", self.name, live.key())) }
    }

    /// Whether it may delete the object: it deletes only what it sees to be its own, and at that revision.
    fn may_delete(&self, object: &Object) -> bool {
        self.may(object, |rule| match rule {
            May::Delete => true,
            May::DeleteOf(kind) => is_controlled_by(object, kind),
            _ => false,
        })
    }

    fn removed(&self, before: &Object) -> Result<(), String> {
        // Who takes the last finalizer of what is being deleted removes it.
        let takes = |rule| matches!(rule, May::Write("metadata.finalizers" | "spec.finalizers"));
        let lets_go = before.header().is_terminating() && self.may(before, takes);
        if lets_go || self.may_delete(before) {
            return Ok(());
        }
        Err(format!("{} deleted {}", self.name, before.key()))
    }

    fn changed(&self, before: &Object, now: &Live) -> Result<(), String> {
        let key = now.key();
        let may_write =
            |path: &str| self.may(now, |rule| matches!(rule, May::Write(own) if covers(own, path)));
        // Most writes are of one part by its owner: nothing is decoded then.
        if diff::only(before, now).is_some_and(may_write) {
            return Ok(());
        }
        let marks = |object: &Object| (object.header().deletion, object.header().deletion_grace_secs);
        let deletes = marks(before) != marks(now);
        if deletes && !self.may_delete(before) {
            return Err(format!("{} deleted {key}", self.name));
        }
        let paths = diff::paths(before, now, deletes);
        if let Some(path) = paths.iter().find(|path| !may_write(path)) {
            return Err(format!("{} changed {path} of {key}", self.name));
        }
        let touches = |part: &str| paths.iter().any(|path| path.starts_with(part));
        let binds = key.kind == kind::PODS && paths.iter().any(|path| path == "spec.nodeName");
        if touches("spec.") && touches("status.") && !binds {
            return Err(format!("{} changed spec and status of {key} at once: {paths:?}", self.name));
        }
        Ok(())
    }
}

/// Whether a path of the table covers a path of a change.
fn covers(own: &str, path: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// An agent writes about its own node and what is on it.
fn own_node(actor: &str, change: &Change) -> Result<(), String> {
    let Some(node) = agent_of(actor) else { return Ok(()) };
    let object = change.object();
    let key = object.key();
    let is_own = match key.kind {
        kind::NODES | kind::LEASES => *key.name == *node,
        kind::PODS => node_of(object) == node,
        kind::PERSISTENT_VOLUMES => object.label("kubernetes.io/hostname") == Some(node),
        _ => true,
    };
    if is_own { Ok(()) } else { Err(format!("{actor} wrote {key}, which is not on its node")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, node, owned, plain, pod, with};

    #[track_caller]
    fn check(actor: &str, before: Value, patch: Value, why: Option<&str>) {
        let mut bench = Bench::of(OwnFields);
        bench.ok("user", before.clone());
        let after = with(before, patch);
        match why {
            None => bench.ok(actor, after),
            Some(why) => bench.bad(actor, after, why),
        }
    }

    #[test]
    fn a_part_writes_its_own_fields_only() {
        let set = || plain("apps/v1", "ReplicaSet", "web");
        let scaled = || json!({"spec": {"replicas": 2}});
        check("deployment-controller", set(), scaled(), None);
        check(
            "replicaset-controller",
            set(),
            scaled(),
            Some("changed spec.replicas of replicasets.apps/shop/web"),
        );
        check("replicaset-controller", set(), json!({"status": {"replicas": 2}}), None);
        check(
            "deployment-controller",
            set(),
            json!({"status": {"replicas": 2}}),
            Some("changed status.replicas"),
        );
        let both = json!({"spec": {"storageClassName": "a"}, "status": {"phase": "Bound"}});
        let claim = || plain("v1", "PersistentVolumeClaim", "c");
        check("persistentvolume-binder", claim(), both, Some("at once"));
        let annotated = |name: &str| json!({"metadata": {"annotations": {name: "x"}}});
        check("persistentvolume-binder", claim(), annotated("pv.kubernetes.io/bind-completed"), None);
        check(
            "persistentvolume-binder",
            claim(),
            annotated("example.com/a"),
            Some("metadata.annotations[example.com/a]"),
        );
        check("scheduler", claim(), annotated("volume.kubernetes.io/selected-node"), None);
        check(
            "endpointslice-controller",
            plain("discovery.k8s.io/v1", "EndpointSlice", "s"),
            json!({"endpoints": []}),
            None,
        );
        let typed = json!({"addressType": "IPv6"});
        check(
            "endpointslice-controller",
            plain("discovery.k8s.io/v1", "EndpointSlice", "s"),
            typed,
            Some("addressType"),
        );
        check("somebody-else", set(), scaled(), None);
    }

    #[test]
    fn what_is_told_by_bytes_is_told_right() {
        let set = || {
            with(
                plain("apps/v1", "ReplicaSet", "web"),
                json!({"metadata": {"generation": 1}, "spec": {"paused": false, "replicas": 1, "template": {}}}),
            )
        };
        let counted = |more: Value| with(json!({"metadata": {"generation": 2}}), more);
        check("deployment-controller", set(), counted(json!({"spec": {"replicas": 22}})), None);
        let more = counted(json!({"spec": {"replicas": 2, "template": {"a": 1}}}));
        check("deployment-controller", set(), more, Some("changed spec.template"));
        let labelled = counted(json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 2}}));
        check("deployment-controller", set(), labelled, Some("changed metadata.labels[a]"));
        let bound = |more: Value| with(json!({"spec": {"nodeName": "a"}}), more);
        let before = || with(pod("p", ""), json!({"spec": {"a": 1, "z": 2}}));
        check("scheduler", before(), bound(json!({})), None);
        check("scheduler", before(), bound(json!({"spec": {"z": 3}})), Some("changed spec.z"));
        check("scheduler", before(), bound(json!({"spec": {"a": 3}})), Some("changed spec.a"));
    }

    #[test]
    fn binding_writes_spec_and_status_together() {
        let scheduled = json!({"conditions": [{"type": "PodScheduled", "status": "True"}]});
        check("scheduler", pod("p", ""), json!({"spec": {"nodeName": "a"}, "status": scheduled}), None);
        check(
            "scheduler",
            pod("p", ""),
            json!({"spec": {"nodeName": "a", "priority": 1}}),
            Some("changed spec.priority"),
        );
        check(
            "scheduler",
            pod("p", ""),
            json!({"status": {"phase": "Running"}}),
            Some("changed status.phase"),
        );
    }

    #[test]
    fn a_controller_deletes_what_it_owns() {
        let marks = || {
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30,
            "generation": 2}})
        };
        check("replicaset-controller", owned(pod("p", "a"), "ReplicaSet", "web"), marks(), None);
        check(
            "replicaset-controller",
            owned(pod("p", "a"), "StatefulSet", "db"),
            marks(),
            Some("deleted pods/shop/p"),
        );
        check("endpointslice-controller", pod("p", "a"), marks(), Some("deleted pods/shop/p"));
        check("namespace-controller", plain("v1", "ConfigMap", "m"), marks(), None);
        let mut bench = Bench::of(OwnFields);
        bench.bad("replicaset-controller", pod("p", ""), "created pods/shop/p");
        bench.ok("replicaset-controller", owned(pod("q", ""), "ReplicaSet", "web"));
        bench.ok("statefulset-controller", plain("v1", "Event", "e"));
        bench.not_gone("statefulset-controller", "events/shop/e", "deleted events/shop/e");
        let held = with(
            deleted(plain("v1", "PersistentVolumeClaim", "c"), 0),
            json!({"metadata": {"finalizers": ["x"]}}),
        );
        bench.ok("user", held);
        bench.gone("pvc-protection-controller", "persistentvolumeclaims/shop/c");
        bench.ok("user", plain("v1", "PersistentVolumeClaim", "d"));
        bench.not_gone("pvc-protection-controller", "persistentvolumeclaims/shop/d", "deleted");
    }

    #[test]
    fn an_agent_keeps_to_its_node() {
        check("node/a", node("a"), json!({"status": {"addresses": []}}), None);
        check("node/b", node("a"), json!({"status": {"addresses": []}}), Some("not on its node"));
        check("node/a", pod("p", "a"), json!({"status": {"phase": "Running"}}), None);
        check("node/b", pod("p", "a"), json!({"status": {"phase": "Running"}}), Some("not on its node"));
        check(
            "node/a",
            pod("p", "a"),
            json!({"metadata": {"labels": {"a": "b"}}}),
            Some("metadata.labels[a]"),
        );
        check("node/a", node("a"), json!({"spec": {"taints": []}}), Some("changed spec.taints"));
    }
}
