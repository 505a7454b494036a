//! Who manages the fields of what is written.
//!
//! A write that names a field manager is tracked, as is every write of a whole object whose fields somebody manages
//! already, so that an applier learns of it. The parts of the cluster name none and write objects that nobody manages: their
//! writes cost nothing here. Their status writes are not tracked in either case.

use orch_core::{Error, Live, Object, PatchFault, Result, Subresource};
use serde_json::Value;

use super::batch::Of;
use super::metadata;
use super::texts::Texts;
use crate::custom::CustomKind;
use crate::patch::{Managers, Shape, Tracker};
use crate::schema;
use crate::tree::{Get, Tree};

/// What becomes of the managed fields.
pub(super) enum Managed {
    /// They stay what they are.
    Kept,
    /// They are these.
    Now(Managers),
    /// They are this text, if any.
    Text(Option<String>),
}

impl Managed {
    /// Whether a write that changes nothing else is none.
    pub(super) fn is_same(&self, stored: &Object) -> bool {
        match self {
            Self::Kept => true,
            Self::Now(managers) => decoded(stored).same_but_times(managers),
            Self::Text(text) => {
                stored.managed_fields().map(|stored| &**stored) == text.as_deref().map(str::as_bytes)
            }
        }
    }

    /// The object with them.
    pub(super) fn put(self, object: Object, stored: Option<&Object>, texts: &Texts) -> Object {
        let managed = match (self, stored) {
            (Self::Now(managers), _) => managers.to_json().map(|text| texts.share(text)),
            (Self::Text(text), _) => text.map(|text| texts.share(text)),
            (Self::Kept, Some(stored)) => stored.managed_fields().cloned(),
            (Self::Kept, None) => None,
        };
        if managed.as_ref() == object.managed_fields() { object } else { object.with_managed_fields(managed) }
    }
}

/// The managed fields of an object; none when they cannot be read.
fn decoded(object: &Object) -> Managers {
    object.managed_fields().and_then(|json| Managers::read(json).ok()).unwrap_or_default()
}

/// `metadata.managedFields` as a tree.
pub(super) fn tree(object: &Object) -> Option<Value> {
    serde_json::from_slice(object.managed_fields()?).ok()
}

/// Takes `metadata.managedFields` out of a tree that a client sent.
pub(super) fn take(fields: &mut Tree) -> Option<Value> {
    fields.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

impl Of<'_> {
    /// The name under which the write is tracked.
    fn manager(&self, stored: Option<&Object>) -> Option<String> {
        if let Some(name) = &self.write.options.field_manager {
            return Some(name.to_string());
        }
        let is_tracked = stored.is_some_and(|stored| stored.managed_fields().is_some());
        let is_status = self.write.subresource == Subresource::Status;
        (is_tracked && !is_status).then(|| name_of(&self.api.user.name).to_owned())
    }

    /// Does something with the tracker of the write; `tree` says the version.
    pub(super) fn with_tracker<R>(&self, tree: &Value, run: impl FnOnce(&Tracker<'_>) -> R) -> R {
        let (now, info) = (metadata::seconds(self.api.shared.env.now()), &self.info);
        let api_version = tree.text("apiVersion");
        if let Some(custom) = CustomKind::of(info) {
            let version = custom.spoken(api_version);
            let shape = Shape::Custom(&version.tree);
            let tracker = Tracker::new(info, shape, self.write.subresource, &now);
            return run(&tracker.speaking(&custom.api_version(version), shape));
        }
        let tracker = Tracker::new(info, Shape::of(self.strategy.ty), self.write.subresource, &now);
        if api_version.is_empty() || api_version == info.api_version() {
            return run(&tracker);
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let ty = schema::lookup(group, version, &info.name).or(self.strategy.ty);
        run(&tracker.speaking(api_version, Shape::of(ty)))
    }

    /// The managed fields after a write that is no apply. `given` are those that the client sent.
    pub(super) fn tracked(
        &self,
        stored: Option<(&Live, &Value)>,
        new: &Value,
        given: Option<&Value>,
    ) -> Managed {
        if self.is_untracked {
            return Managed::Now(Managers::default());
        }
        let Some(manager) = self.manager(stored.map(|(stored, _)| stored.object())) else {
            return Managed::Kept;
        };
        if let Some((stored, old)) = stored
            && self.write.subresource == Subresource::Scale
        {
            return Managed::Now(self.scale_tracked(decoded(stored), old, new, &manager));
        }
        let track = |old: Option<&Value>, new: &Value| {
            self.with_tracker(new, |tracker| match (tracker.given(given), stored) {
                (None, None) => Managed::Text(tracker.created(new, &manager)),
                (given, _) => {
                    let managers = given.or_else(|| Some(decoded(stored?.0))).unwrap_or_default();
                    Managed::Now(tracker.update(old, new, managers, &manager))
                }
            })
        };
        let old = stored.map(|(_, old)| old);
        match self.form {
            None => track(old, new),
            // Managers own the fields of the form in which they write.
            Some(form) => {
                let sent = |tree: &Value| {
                    let mut tree = tree.clone();
                    form.from_stored(&mut tree);
                    tree
                };
                track(old.map(sent).as_ref(), &sent(new))
            }
        }
    }

    /// The managed fields that an apply starts from.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn managers(&self, stored: &Object) -> Result<Managers> {
        let failed = |why: String| Error::Patch {
            key: self.key(),
            fault: PatchFault::Unfit,
            why: format!("failed to decode managed fields: {why}"),
        };
        stored
            .managed_fields()
            .map_or_else(|| Ok(Managers::default()), |json| Managers::read(json))
            .map_err(failed)
    }
}

/// The name of a user as a field manager, as Kubernetes' components call themselves.
fn name_of(user: &str) -> &str {
    match user.rsplit_once(':') {
        Some(("system:serviceaccount:kube-system", _)) => "kube-controller-manager",
        Some(("system:node", _)) => "kubelet",
        Some((_, name)) => name,
        None => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_cluster_have_kubernetes_names() {
        let controller = orch_core::User::controller("deployment-controller");
        for (user, manager) in [
            (&*controller.name, "kube-controller-manager"),
            ("system:node:n1", "kubelet"),
            ("system:kube-scheduler", "kube-scheduler"),
            ("ann", "ann"),
        ] {
            assert_eq!(name_of(user), manager);
        }
    }
}
